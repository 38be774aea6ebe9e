//! What running attempts teach: first tokens, progress, ends.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::{Error, ErrorKind, Health, RateLimits};
use crate::limit::{Used, micros};

use super::Core;

/// How an attempt ended, as far as the pool cares.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End<'a> {
    /// Properly; with all tokens, when the provider said.
    Success {
        /// Input and output tokens together.
        tokens: Option<u64>,
        /// Output tokens.
        output: Option<u64>,
        /// What it cost in US dollars, when it is known better than by the instance's rates.
        spend: Option<f64>,
    },
    /// With an error.
    Failure(&'a Error),
    /// The caller went away, or a hedge lost.
    Cancelled,
}

/// A first token this many times slower than the others' median, and slower than this, is called slow.
const SLOW_TIMES: f64 = 5.0;
const SLOW_AT_LEAST: Duration = Duration::from_secs(2);
/// Weight of one answer in the mean hold time and the expected length.
const MEAN_WEIGHT: f64 = 0.05;

impl Core {
    /// Takes an attempt's first token.
    pub(crate) fn first_token(&mut self, lease: u64, now: Instant) {
        let others = |core: &Self, at: u32| {
            let mut learned: Vec<f64> = core
                .slots
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != at as usize)
                .filter_map(|(_, slot)| slot.estimate.learned_first_token())
                .collect();
            learned.sort_by(f64::total_cmp);
            (learned.len() >= 2).then(|| learned[learned.len() / 2])
        };
        let Some(at) = self.leases.get(&lease).map(|state| state.at) else {
            return;
        };
        let Some(state) = self.leases.get_mut(&lease) else {
            return;
        };
        if state.first_token.is_some() {
            return;
        }
        state.first_token = Some(now);
        let after = now.duration_since(state.started);
        // Most first tokens are quick, and then nobody needs to know how quick the others are.
        let median = if after > SLOW_AT_LEAST {
            others(self, at)
        } else {
            None
        };
        let Some(state) = self.leases.get_mut(&lease) else {
            return;
        };
        let slot = &mut self.slots[at as usize];
        slot.silent = slot.silent.saturating_sub(1);
        slot.breaker.first_token(&mut state.pass, now);
        let slow = median.is_some_and(|median| after.as_secs_f64() > SLOW_TIMES * median);
        slot.breaker.pace(state.pass, slow, now, &mut self.rng);
        slot.estimate.first_token(after, now);
        let permits = self.standings[at as usize].permits;
        self.rescore(at as usize, now);
        self.refresh(at as usize, now);
        if self.standings[at as usize].permits > permits {
            // Slow start goes by first tokens, and so does trust after a failure.
            self.dispatch(now);
        }
    }

    /// Takes tokens of a running stream.
    pub(crate) fn progress(&mut self, lease: u64, tokens: u64) {
        if let Some(state) = self.leases.get_mut(&lease) {
            state.tokens += tokens;
            self.slots[state.at as usize].estimate.tokens(tokens);
        }
    }

    /// Takes the provider's rate-limit headers.
    pub(crate) fn observe(&mut self, lease: u64, headers: &RateLimits, now: Instant) {
        if let Some(state) = self.leases.get(&lease) {
            self.slots[state.at as usize].limiter.observe(headers, now);
        }
    }

    /// Ends an attempt: gives the permit back, settles its reservation, and draws the conclusions.
    pub(crate) fn release(&mut self, lease: u64, end: End<'_>, now: Instant) {
        let Some(state) = self.leases.remove(&lease) else {
            return;
        };
        let at = state.at as usize;
        self.standings[at].in_flight = self.standings[at].in_flight.saturating_sub(1);
        let busy = self.standings[at].in_flight + 1 >= self.standings[at].permits * 4 / 5;
        let held_for = now.duration_since(state.started);
        let jitter = {
            use rand::Rng;
            self.rng.random_range(0.0..1.0)
        };
        let slot = &mut self.slots[at];
        if state.first_token.is_none() {
            slot.silent = slot.silent.saturating_sub(1);
        }
        let streamed = state.first_token.map(|first| now.duration_since(first));
        match end {
            End::Success {
                tokens,
                output,
                spend,
            } => {
                slot.breaker.success(state.pass, now);
                let by_rate = || {
                    let output = output.unwrap_or(0);
                    let input = tokens?.saturating_sub(output);
                    let rate = slot.settings.rate(Some(&state.model));
                    Some(rate.micros(input, output))
                };
                let used = Used {
                    tokens,
                    spend: spend.map(micros).or_else(by_rate),
                };
                slot.limiter.settle(state.ticket, used, now);
                slot.went_well();
                slot.last_latency = Some(held_for);
                let count = output.unwrap_or(state.tokens);
                let pace = streamed.map(|streamed| (count, streamed));
                if state.first_token.is_some() {
                    slot.estimate.stream_ended(pace, now);
                }
                if let Some(adaptive) = &mut slot.adaptive {
                    let seconds = pace
                        .filter(|(count, _)| *count >= 16)
                        .map(|(count, streamed)| streamed.as_secs_f64() / count as f64);
                    adaptive.good(seconds, busy, now);
                }
                self.fleet.tokens += MEAN_WEIGHT * (count as f64 - self.fleet.tokens);
                self.fleet.tokens = self.fleet.tokens.max(1.0);
                self.hold = if self.ends == 0 {
                    held_for.as_secs_f64()
                } else {
                    self.hold + MEAN_WEIGHT * (held_for.as_secs_f64() - self.hold)
                };
                self.ends += 1;
            }
            End::Failure(error) => {
                // A refusal before any output costs no tokens; a stream that broke may have cost them all.
                let refused = error.status().is_some() && state.first_token.is_none();
                let used = if refused {
                    Used::NOTHING
                } else {
                    Used::default()
                };
                slot.limiter.settle(state.ticket, used, now);
                if state.first_token.is_some() {
                    slot.estimate.stream_ended(None, now);
                }
                if matches!(error.kind(), ErrorKind::RateLimited | ErrorKind::Overloaded)
                    && let Some(adaptive) = &mut slot.adaptive
                {
                    adaptive.refused(now);
                }
                let health = error.health();
                match health {
                    Health::No => slot.breaker.nothing(state.pass),
                    Health::Fail | Health::HalfFail => {
                        let halves = if health == Health::Fail { 2 } else { 1 };
                        slot.estimate.failure(now);
                        slot.breaker.failure(state.pass, halves, now, &mut self.rng);
                        // An overloaded server that says when to come back is taken at its word.
                        if let Some(wait) = error.retry_after() {
                            slot.cool(Some(wait), jitter, now);
                        }
                    }
                    Health::Cool => {
                        slot.breaker.nothing(state.pass);
                        slot.cool(error.retry_after(), jitter, now);
                    }
                    Health::Hold => {
                        slot.breaker.nothing(state.pass);
                        let until = slot.hold(error.kind(), error.retry_after(), now);
                        self.holds_end = Some(self.holds_end.map_or(until, |end| end.min(until)));
                    }
                    Health::Pair => {
                        slot.breaker.nothing(state.pass);
                        slot.mark_missing(&state.model, now);
                    }
                }
            }
            End::Cancelled => {
                slot.breaker.nothing(state.pass);
                slot.limiter.settle(state.ticket, Used::default(), now);
                if state.first_token.is_some() {
                    slot.estimate.stream_ended(None, now);
                }
            }
        }
        self.rescore(at, now);
        self.refresh(at, now);
        self.refuse_the_hopeless();
        self.dispatch(now);
        self.let_go(at, now);
    }
}
