//! Counts that add: of one sample, of a second, of a day, since the start.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use super::timing::{Timing, Timings};
use crate::base::{ErrorKind, Outcome};

/// Money is counted in billionths, so that sums do not depend on their order.
const BILLION: f64 = 1e9;

/// Everything that is counted. All fields are sums, so adding two loses nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) successful: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
    pub(super) attempts: u64,
    pub(super) retries: u64,
    pub(super) failovers: u64,
    pub(super) hedges: u64,
    pub(super) prompt_tokens: u64,
    pub(super) completion_tokens: u64,
    pub(super) cached_tokens: u64,
    pub(super) reasoning_tokens: u64,
    /// Output tokens by the time they arrived. A correction at the end may be negative.
    pub(super) streamed_tokens: i64,
    /// Microseconds from call to end, of the successful.
    pub(super) total_micros: u64,
    /// Those that had a first token, and the microseconds until it.
    pub(super) first_tokens: u64,
    pub(super) first_token_micros: u64,
    /// Billionths of the price list's unit, those it stands for, and those that have no known price.
    pub(super) cost: u64,
    pub(super) priced: u64,
    pub(super) unpriced: u64,
    /// Those of which it is known whether they were slow, and those that were.
    pub(super) timed: u64,
    pub(super) slow: u64,
    /// Failures by kind.
    pub(super) errors: BTreeMap<ErrorKind, u64>,
}

impl Tally {
    /// Counts one outcome with its times.
    pub(super) fn of(outcome: Outcome, timings: &Timings) -> Self {
        let mut tally = Self::default();
        match outcome {
            Outcome::Success => tally.successful = 1,
            Outcome::Cancelled => tally.cancelled = 1,
            Outcome::Failure(kind) => {
                tally.failed = 1;
                tally.errors.insert(kind, 1);
            }
        }
        tally.total_micros = timings.get(Timing::Total).unwrap_or(0);
        if let Some(micros) = timings.get(Timing::FirstToken) {
            tally.first_tokens = 1;
            tally.first_token_micros = micros;
        }
        tally
    }

    /// Counts a cost; what is not a sensible amount counts as unknown.
    pub(super) fn add_cost(&mut self, cost: f64) {
        if cost.is_finite() && cost >= 0.0 {
            self.priced += 1;
            self.cost = self.cost.saturating_add((cost * BILLION).round() as u64);
        } else {
            self.unpriced += 1;
        }
    }

    /// Returns the cost of those with a known price.
    pub(super) fn cost(&self) -> Option<f64> {
        (self.priced > 0).then(|| self.cost as f64 / BILLION)
    }

    /// Returns how many ended.
    pub(super) fn ended(&self) -> u64 {
        self.successful + self.failed + self.cancelled
    }

    /// Returns the heap memory it holds, nearly.
    pub(super) fn heap_bytes(&self) -> usize {
        self.errors.len() * size_of::<(ErrorKind, u64)>()
    }
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        // Taken apart, so that a new field cannot be forgotten here.
        let Self {
            successful,
            failed,
            cancelled,
            attempts,
            retries,
            failovers,
            hedges,
            prompt_tokens,
            completion_tokens,
            cached_tokens,
            reasoning_tokens,
            streamed_tokens,
            total_micros,
            first_tokens,
            first_token_micros,
            cost,
            priced,
            unpriced,
            timed,
            slow,
            errors,
        } = other;
        self.successful += successful;
        self.failed += failed;
        self.cancelled += cancelled;
        self.attempts += attempts;
        self.retries += retries;
        self.failovers += failovers;
        self.hedges += hedges;
        self.prompt_tokens = self.prompt_tokens.saturating_add(*prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(*completion_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(*cached_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(*reasoning_tokens);
        self.streamed_tokens = self.streamed_tokens.saturating_add(*streamed_tokens);
        self.total_micros = self.total_micros.saturating_add(*total_micros);
        self.first_tokens += first_tokens;
        self.first_token_micros = self.first_token_micros.saturating_add(*first_token_micros);
        self.cost = self.cost.saturating_add(*cost);
        self.priced += priced;
        self.unpriced += unpriced;
        self.timed += timed;
        self.slow += slow;
        for (kind, count) in errors {
            *self.errors.entry(*kind).or_default() += count;
        }
    }
}
