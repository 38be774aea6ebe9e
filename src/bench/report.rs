//! What a run came to, as data.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

use super::{Knee, Load};
use crate::base::Usage;

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was loaded.
    pub target: String,
    /// The lengths of prompts, as they were asked for.
    pub prompt_tokens: String,
    /// The lengths of answers, as they were asked for.
    pub output_tokens: String,
    /// What decided everything that chance decides.
    pub seed: u64,
    /// Whether it was ended before it was through.
    pub is_interrupted: bool,
    /// Each step, in order.
    pub steps: Vec<Outcome>,
    /// Where more requests at once stop to pay.
    pub closed_knee: Option<Knee>,
    /// Where more requests a second stop to pay.
    pub open_knee: Option<Knee>,
}

impl Report {
    /// Returns the knee whose permits are recommended: that of the closed loop where there is one.
    pub fn knee(&self) -> Option<Knee> {
        self.closed_knee.or(self.open_knee)
    }
}

/// What one step came to.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The load.
    #[serde(flatten)]
    pub load: Load,
    /// How long it was measured.
    pub seconds: f64,
    /// Requests that began while it was measured, and were answered in full.
    pub ok: u64,
    /// Requests that began while it was measured, and failed.
    pub failed: u64,
    /// Those that failed, by kind of error.
    pub errors: BTreeMap<&'static str, u64>,
    /// Requests that had not ended when the waiting for them did.
    pub unfinished: u64,
    /// Requests that were due and were not sent, since too many were open.
    pub not_sent: u64,
    /// From when a request was meant to begin to its first token.
    pub first_token: Option<Times>,
    /// Between two pieces of output.
    pub between_tokens: Option<Times>,
    /// From when a request was meant to begin to its end.
    pub completion: Option<Times>,
    /// Requests answered in full, each second that was measured.
    pub requests_per_second: f64,
    /// Tokens of answers, each second that was measured.
    pub tokens_per_second: f64,
    /// Tokens of all requests of the step, those of the warm-up included.
    #[serde(serialize_with = "known")]
    pub usage: Usage,
    /// Whether a server did not count its tokens, so that pieces of output stand for them.
    pub tokens_are_estimated: bool,
    /// Whether it was ended early.
    pub is_interrupted: bool,
}

impl Outcome {
    /// Makes the one of a step in which nothing happened.
    #[cfg(test)]
    pub(super) fn nothing(load: Load) -> Self {
        Self {
            load,
            seconds: 10.0,
            ok: 0,
            failed: 0,
            errors: BTreeMap::new(),
            unfinished: 0,
            not_sent: 0,
            first_token: None,
            between_tokens: None,
            completion: None,
            requests_per_second: 0.0,
            tokens_per_second: 0.0,
            usage: Usage::default(),
            tokens_are_estimated: false,
            is_interrupted: false,
        }
    }

    /// Returns the share of requests that were not answered in full, from 0 to 1.
    pub fn failed_share(&self) -> f64 {
        let lost = self.failed + self.unfinished + self.not_sent;
        match lost + self.ok {
            0 => 0.0,
            all => lost as f64 / all as f64,
        }
    }
}

/// Where times lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Times {
    /// How many there are.
    pub count: u64,
    /// Their mean.
    #[serde(rename = "mean_seconds", serialize_with = "seconds")]
    pub mean: Duration,
    /// Half are below.
    #[serde(rename = "p50_seconds", serialize_with = "seconds")]
    pub p50: Duration,
    /// 95 % are below.
    #[serde(rename = "p95_seconds", serialize_with = "seconds")]
    pub p95: Duration,
    /// 99 % are below.
    #[serde(rename = "p99_seconds", serialize_with = "seconds")]
    pub p99: Duration,
    /// The longest.
    #[serde(rename = "max_seconds", serialize_with = "seconds")]
    pub max: Duration,
}

impl Times {
    /// Reads them off microseconds; `None` when there are none.
    pub(super) fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |share: f64| Duration::from_micros(histogram.value_at_quantile(share));
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            mean: Duration::from_secs_f64(histogram.mean() / 1e6),
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: Duration::from_micros(histogram.max()),
        })
    }
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// Writes the counts that are known.
fn known<S: Serializer>(usage: &Usage, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[expect(clippy::struct_field_names, reason = "the names that are written")]
    struct Known {
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_tokens: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        completion_tokens: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cached_tokens: Option<u64>,
    }
    Known {
        prompt_tokens: usage.prompt_tokens,
        completion_tokens: usage.completion_tokens,
        cached_tokens: usage.cached_tokens,
    }
    .serialize(serializer)
}
