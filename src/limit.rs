//! Limits: permits, minimum interval, rate budgets. Pure arithmetic; the caller brings the time.

mod budget;
mod limiter;
mod rate;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use budget::{Budget, Reservation};
pub use limiter::{Cost, Limiter, Ticket, Used};
pub use rate::Rate;
pub(crate) use rate::micros;

/// What an instance allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Requests in flight at once, at least 1.
    pub permits: usize,
    /// Least time between the starts of two requests.
    #[serde(with = "humantime_serde")]
    pub min_interval: Duration,
    /// Requests in any 60 seconds.
    pub requests_per_minute: Option<u64>,
    /// Tokens, input and output, in any 60 seconds.
    pub tokens_per_minute: Option<u64>,
    /// Tokens, input and output, in any 24 hours.
    pub tokens_per_day: Option<u64>,
    /// US dollars in any 24 hours, by the price list.
    pub spend_per_day: Option<f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            permits: 4,
            min_interval: Duration::ZERO,
            requests_per_minute: None,
            tokens_per_minute: None,
            tokens_per_day: None,
            spend_per_day: None,
        }
    }
}

impl Settings {
    /// Tells whether anything is limited by the minute or the day.
    pub fn has_budgets(&self) -> bool {
        self.requests_per_minute.is_some()
            || self.tokens_per_minute.is_some()
            || self.tokens_per_day.is_some()
            || self.spend_per_day.is_some()
    }

    /// Takes back what was set by hand, where the config says now (`self`) what it said `before`.
    pub(crate) fn keep_what_was_set_by_hand(&mut self, before: &Self, by_hand: &Self) {
        fn keep<T: PartialEq + Copy>(now: &mut T, before: T, by_hand: T) {
            if *now == before {
                *now = by_hand;
            }
        }
        keep(&mut self.permits, before.permits, by_hand.permits);
        keep(
            &mut self.min_interval,
            before.min_interval,
            by_hand.min_interval,
        );
        keep(
            &mut self.requests_per_minute,
            before.requests_per_minute,
            by_hand.requests_per_minute,
        );
        keep(
            &mut self.tokens_per_minute,
            before.tokens_per_minute,
            by_hand.tokens_per_minute,
        );
        keep(
            &mut self.tokens_per_day,
            before.tokens_per_day,
            by_hand.tokens_per_day,
        );
        keep(
            &mut self.spend_per_day,
            before.spend_per_day,
            by_hand.spend_per_day,
        );
    }
}
