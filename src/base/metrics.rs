//! The figures that the driver gives of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Attempt, ErrorKind, InstanceName, Outcome, ProviderType, RequestId, RouteName};

/// Whose figures are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All requests.
    #[default]
    All,
    /// Requests of one provider type: the type that answered, or was asked last.
    Type(ProviderType),
    /// Requests for one route.
    Route(RouteName),
    /// Attempts at one instance; each counts as a request there, whatever became of the request it belonged to.
    Instance(InstanceName),
}

/// Counts, times and errors since the start, or over a window.
///
/// A request is successful when its stream came to a proper end, failed when it ended in an error, and
/// cancelled, which is neither, when the caller went away: a caller's patience says nothing sure about the pool,
/// and the answer was neither given nor refused. `total = successful + failed + cancelled + in_flight`.
///
/// Of an instance, these are the figures of attempts: a failure that another instance made good counts here as
/// failed and in all as successful. Times run from the attempt's start there, from the caller's call elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LlmMetrics {
    /// All requests that were begun; over a window, those that ended in it and those in flight now.
    pub total_requests: u64,
    /// Those that came to a proper end.
    pub successful_requests: u64,
    /// Those that ended in an error.
    pub failed_requests: u64,
    /// Those whose caller went away.
    pub cancelled_requests: u64,
    /// Those still running or queued.
    pub in_flight: u64,
    /// Attempts made at instances, of the requests that have ended.
    pub attempts: u64,
    /// Attempts after the first, at the same instance.
    pub retries: u64,
    /// Attempts after the first, at another instance.
    pub failovers: u64,
    /// Attempts made beside a slow one, for the sake of the first token.
    pub hedges: u64,
    /// Mean time from call to end of successful requests.
    pub average_response_time: Option<Duration>,
    /// Distribution of the same.
    pub response_time: Option<Percentiles>,
    /// Distribution of the time from call to first token.
    pub time_to_first_token: Option<Percentiles>,
    /// Distribution of each answer's mean time between tokens.
    pub time_between_tokens: Option<Percentiles>,
    /// Distribution of the time in the queue.
    pub queued: Option<Percentiles>,
    /// Distribution of the time from an attempt's start to its response headers.
    pub time_to_headers: Option<Percentiles>,
    /// Input tokens, as far as providers said.
    pub prompt_tokens: u64,
    /// Output tokens, as far as providers said.
    pub completion_tokens: u64,
    /// Input tokens from the providers' caches.
    pub cached_tokens: u64,
    /// Output tokens spent on reasoning.
    pub reasoning_tokens: u64,
    /// Output tokens per second over the last minute, or since the start when that is younger, all requests
    /// together: pieces count when they arrive, and the provider's own count corrects them when it is known.
    pub tokens_per_second: f64,
    /// What it cost in the currency of the price list; `None` when nothing with a known price ended.
    pub cost: Option<f64>,
    /// Answers whose price is not known; they are missing in `cost`.
    pub unpriced: u64,
    /// Failures by kind.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// The last failure.
    pub last_error: Option<ErrorNote>,
    /// Time since the last success.
    pub since_last_success: Option<Duration>,
}

impl LlmMetrics {
    /// Returns successful / (successful + failed), from 0 to 1; `None` without either.
    pub fn success_rate(&self) -> Option<f64> {
        let ended = self.successful_requests + self.failed_requests;
        (ended > 0).then(|| self.successful_requests as f64 / ended as f64)
    }
}

/// A distribution of durations, from a histogram with two significant digits: each figure is the nearest rank's
/// value, rounded up by less than 0.8 % (never more than that and 1 µs), cut at one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many values it stands on.
    pub count: u64,
    /// Half are at or below.
    pub p50: Duration,
    /// 90 % are at or below.
    pub p90: Duration,
    /// 95 % are at or below.
    pub p95: Duration,
    /// 99 % are at or below.
    pub p99: Duration,
    /// The largest.
    pub max: Duration,
}

/// One failure, as remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorNote {
    /// How long ago it was.
    pub age: Duration,
    /// What it was.
    pub kind: ErrorKind,
    /// The instance that gave it, if it was one.
    pub instance: Option<InstanceName>,
    /// The provider's words, cleaned.
    pub message: String,
}

/// One request that met a failure, as remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The request's number.
    pub request: RequestId,
    /// How long ago the request ended.
    pub age: Duration,
    /// What went wrong last.
    pub kind: ErrorKind,
    /// The instance that gave it, if it was one.
    pub instance: Option<InstanceName>,
    /// The provider's words, cleaned.
    pub message: String,
    /// How the request ended after all; a success means that another attempt made it good.
    pub outcome: Outcome,
    /// The attempts in order, at most a few.
    pub attempts: Vec<Attempt>,
}

/// Failures that look alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailureGroup {
    /// The instance that gave them, if it was one.
    pub instance: Option<InstanceName>,
    /// What they were.
    pub kind: ErrorKind,
    /// What their messages have in common: numbers and ids as `#`, shortened.
    pub class: String,
    /// How many there were.
    pub count: u64,
    /// Time since the first.
    pub first_seen: Duration,
    /// Time since the last.
    pub last_seen: Duration,
    /// The last one's message.
    pub message: String,
}

/// The failures that are remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Failures {
    /// The last ones, newest first.
    pub recent: Vec<Failure>,
    /// Alike ones together, the one seen last first.
    pub groups: Vec<FailureGroup>,
    /// How many were remembered once and had to make room.
    pub dropped: u64,
    /// How many groups had to make room.
    pub dropped_groups: u64,
}
