//! What a request counts, of the one sample that the driver makes when it ends.

use std::time::Duration;

use super::alerts::Slow;
use super::tally::Tally;
use super::timing::{Timing, Timings};
use crate::base::{Attempt, Outcome, Sample};

impl Sample {
    /// Returns the attempt that answered, or was the last.
    pub(super) fn answering(&self) -> Option<&Attempt> {
        self.attempts
            .iter()
            .rev()
            .find(|attempt| attempt.outcome == Outcome::Success)
            .or(self.attempts.last())
    }

    /// Returns what it counts for the request as a whole.
    pub(super) fn of_request(&self, slow: &Slow) -> (Tally, Timings) {
        let mut timings = Timings::default();
        timings.set(Timing::Queued, Some(self.queued));
        timings.set(Timing::FirstToken, self.time_to_first_token);
        timings.set(Timing::BetweenTokens, self.time_between_tokens);
        timings.set(
            Timing::Headers,
            self.answering().and_then(|attempt| attempt.headers),
        );
        if self.outcome == Outcome::Success {
            timings.set(Timing::Total, Some(self.total));
        }
        let mut tally = Tally::of(self.outcome, &timings);
        tally.attempts = self.attempts.len() as u64;
        tally.retries = u64::from(self.retries);
        tally.failovers = u64::from(self.failovers);
        tally.hedges = u64::from(self.hedges);
        self.add_answer(&mut tally);
        self.add_pace(&mut tally, self.time_to_first_token, slow);
        (tally, timings)
    }

    /// Returns what it counts for the instance that answered, beside the attempt itself.
    pub(super) fn of_answer(&self, slow: &Slow) -> (Tally, Timings) {
        let mut timings = Timings::default();
        timings.set(Timing::BetweenTokens, self.time_between_tokens);
        let mut tally = Tally::default();
        self.add_answer(&mut tally);
        let attempt = self.answering();
        let first_token = attempt.and_then(|attempt| attempt.first_token);
        self.add_pace(&mut tally, first_token, slow);
        (tally, timings)
    }

    fn add_answer(&self, tally: &mut Tally) {
        if let Some(usage) = self.usage {
            tally.prompt_tokens = usage.prompt_tokens.unwrap_or(0);
            tally.completion_tokens = usage.completion_tokens.unwrap_or(0);
            tally.cached_tokens = usage.cached_tokens.unwrap_or(0);
            tally.reasoning_tokens = usage.reasoning_tokens.unwrap_or(0);
        }
        match self.cost {
            Some(cost) => tally.add_cost(cost),
            None if self.usage.is_some() || self.outcome == Outcome::Success => tally.unpriced = 1,
            None => {}
        }
    }

    fn add_pace(&self, tally: &mut Tally, first_token: Option<Duration>, slow: &Slow) {
        let Some(first_token) = first_token else {
            return;
        };
        let prompt = self.usage.and_then(|usage| usage.prompt_tokens);
        let between = self.time_between_tokens.unwrap_or_default();
        let is_slow =
            first_token > slow.longest_first_token(prompt) || between > slow.between_tokens;
        tally.timed = 1;
        tally.slow = u64::from(is_slow);
    }
}

/// Returns what an attempt counts for its instance.
pub(super) fn of_attempt(attempt: &Attempt) -> (Tally, Timings) {
    let mut timings = Timings::default();
    timings.set(Timing::Queued, Some(attempt.queued));
    timings.set(Timing::FirstToken, attempt.first_token);
    timings.set(Timing::Headers, attempt.headers);
    if attempt.outcome == Outcome::Success {
        timings.set(Timing::Total, Some(attempt.total));
    }
    let mut tally = Tally::of(attempt.outcome, &timings);
    tally.attempts = 1;
    (tally, timings)
}
