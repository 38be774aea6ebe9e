//! The figures that the driver gives of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ErrorKind, InstanceName, ProviderType};

/// Whose figures are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All requests.
    #[default]
    All,
    /// Those answered by one provider type.
    Type(ProviderType),
    /// Those answered by one instance.
    Instance(InstanceName),
}

/// Counts, times and errors since the start, or over a window.
///
/// A request is successful when its stream came to a proper end, failed when it ended in an error, and
/// cancelled, which is neither, when the caller went away. `total = successful + failed + cancelled + in_flight`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LlmMetrics {
    /// All requests that were begun.
    pub total_requests: u64,
    /// Those that came to a proper end.
    pub successful_requests: u64,
    /// Those that ended in an error.
    pub failed_requests: u64,
    /// Those whose caller went away.
    pub cancelled_requests: u64,
    /// Those still running or queued.
    pub in_flight: u64,
    /// Attempts made at instances.
    pub attempts: u64,
    /// Mean time from call to end of successful requests.
    pub average_response_time: Option<Duration>,
    /// Distribution of the same.
    pub response_time: Option<Percentiles>,
    /// Distribution of the time from call to first token.
    pub time_to_first_token: Option<Percentiles>,
    /// Input tokens, as far as providers said.
    pub prompt_tokens: u64,
    /// Output tokens, as far as providers said.
    pub completion_tokens: u64,
    /// Input tokens from the providers' caches.
    pub cached_tokens: u64,
    /// Output tokens spent on reasoning.
    pub reasoning_tokens: u64,
    /// Output tokens per second over the last minute (all requests together).
    pub tokens_per_second: f64,
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

/// A distribution of durations, from a histogram with three significant digits (error below 0.1 %).
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
