//! What a breaker is set to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When an instance is taken out for failing, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// Whether there is a breaker at all.
    pub enabled: bool,
    /// Failures in a row that open it.
    pub consecutive_failures: u32,
    /// Success rate, 0 to 1, below which it opens ...
    pub success_rate: f64,
    /// ... over this time ...
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// ... when at least so many requests ended in it.
    pub least_requests: u32,
    /// First open time.
    #[serde(with = "humantime_serde")]
    pub open_for: Duration,
    /// Longest open time.
    #[serde(with = "humantime_serde")]
    pub open_at_most: Duration,
    /// First tokens in a row, each five times slower than the other instances' median, that open it.
    pub slow_first_tokens: u32,
    /// After it closed again, permits grow to their full number over this time, or sooner: by one for each first token.
    #[serde(with = "humantime_serde")]
    pub slow_start: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            consecutive_failures: 5,
            success_rate: 0.5,
            window: Duration::from_secs(30),
            least_requests: 10,
            open_for: Duration::from_secs(5),
            open_at_most: Duration::from_secs(60),
            slow_first_tokens: 8,
            slow_start: Duration::from_secs(30),
        }
    }
}
