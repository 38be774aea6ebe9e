//! What is known of a step while it runs: counters and histograms, in constant memory.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::ask::Asked;
use super::report::{Outcome, Times};
use super::{Load, Progress, Stage};
use crate::base::Usage;

/// Times are kept with three digits, up to an hour.
const DIGITS: u8 = 3;
const LONGEST: u64 = 3_600_000_000;

/// The figures of one step.
pub(super) struct Tally {
    /// What begins from here on counts ...
    from: Instant,
    /// ... until here, once that is known.
    until: Option<Instant>,
    pub(super) in_flight: usize,
    /// Requests that count and have begun, and have ended.
    begun: u64,
    ended: u64,
    /// Ended well while the step was measured, whenever they began.
    in_window: u64,
    /// Tokens of answers that came while the step was measured.
    tokens: f64,
    first_token: Histogram<u64>,
    gaps: Histogram<u64>,
    completion: Histogram<u64>,
    errors: BTreeMap<&'static str, u64>,
    ok: u64,
    not_sent: u64,
    usage: Usage,
    is_estimated: bool,
}

impl Tally {
    pub(super) fn new(from: Instant) -> Self {
        Self {
            from,
            until: None,
            in_flight: 0,
            begun: 0,
            ended: 0,
            in_window: 0,
            tokens: 0.0,
            first_token: histogram(),
            gaps: histogram(),
            completion: histogram(),
            errors: BTreeMap::new(),
            ok: 0,
            not_sent: 0,
            usage: Usage::default(),
            is_estimated: false,
        }
    }

    /// Tells whether a request that is meant to begin at this time counts.
    fn counts(&self, meant: Instant) -> bool {
        meant >= self.from && self.until.is_none_or(|until| meant < until)
    }

    pub(super) fn begin(&mut self, meant: Instant) {
        self.in_flight += 1;
        self.begun += u64::from(self.counts(meant));
    }

    /// Notes a request that was to begin and did not, since too many were open.
    pub(super) fn not_sent(&mut self, meant: Instant) {
        self.not_sent += u64::from(self.counts(meant));
    }

    /// Notes an end; returns how many that count have ended.
    pub(super) fn end(&mut self, asked: &Asked) -> u64 {
        self.in_flight -= 1;
        self.measure(asked);
        if !self.counts(asked.meant) {
            return self.ended;
        }
        self.ended += 1;
        match asked.outcome {
            Ok(()) => {
                self.ok += 1;
                let since = |at: Instant| micros(at.saturating_duration_since(asked.meant));
                if let Some(first) = asked.first {
                    self.first_token.saturating_record(since(first));
                }
                self.completion.saturating_record(since(asked.ended));
                for gap in &asked.gaps {
                    self.gaps.saturating_record(*gap);
                }
            }
            Err(kind) => *self.errors.entry(kind.as_str()).or_default() += 1,
        }
        self.ended
    }

    /// Adds what came of it while the step was measured.
    fn measure(&mut self, asked: &Asked) {
        let sum = |sum: &mut Option<u64>, more: Option<u64>| {
            if let Some(more) = more {
                *sum.get_or_insert(0) += more;
            }
        };
        sum(&mut self.usage.prompt_tokens, asked.usage.prompt_tokens);
        sum(&mut self.usage.cached_tokens, asked.usage.cached_tokens);
        let counted = asked.usage.completion_tokens;
        self.is_estimated |= counted.is_none() && asked.pieces > 0;
        let tokens = counted.unwrap_or(asked.pieces);
        sum(&mut self.usage.completion_tokens, Some(tokens));
        let until = self.until.unwrap_or(asked.ended);
        if asked.outcome.is_ok() && (self.from..=until).contains(&asked.ended) {
            self.in_window += 1;
        }
        if let Some(first) = asked.first {
            self.tokens += tokens as f64 * share(first, asked.ended, self.from, until);
        }
    }

    pub(super) fn is_warming_up(&self, now: Instant) -> bool {
        now < self.from
    }

    /// Ends the time in which things count.
    pub(super) fn close(&mut self, until: Instant) {
        self.until.get_or_insert(until);
    }

    /// Returns what can be told while it runs.
    pub(super) fn progress(&self, load: Load, stage: Stage, now: Instant) -> Progress {
        let seconds = self
            .until
            .unwrap_or(now)
            .saturating_duration_since(self.from)
            .as_secs_f64();
        Progress {
            load,
            stage,
            elapsed: Duration::from_secs_f64(seconds),
            ended: self.ended,
            failed: self.ended - self.ok,
            in_flight: self.in_flight,
            requests_per_second: if seconds > 0.0 {
                self.in_window as f64 / seconds
            } else {
                0.0
            },
            first_token: (!self.first_token.is_empty())
                .then(|| Duration::from_micros(self.first_token.value_at_quantile(0.5))),
        }
    }

    /// Returns what the step came to; what has not ended by now is left behind.
    pub(super) fn outcome(&self, load: Load, is_interrupted: bool, now: Instant) -> Outcome {
        let until = self.until.unwrap_or(now);
        let seconds = until.saturating_duration_since(self.from).as_secs_f64();
        let per_second = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
        Outcome {
            load,
            seconds,
            ok: self.ok,
            failed: self.ended - self.ok,
            errors: self.errors.clone(),
            unfinished: self.begun - self.ended,
            not_sent: self.not_sent,
            first_token: Times::of(&self.first_token),
            between_tokens: Times::of(&self.gaps),
            completion: Times::of(&self.completion),
            requests_per_second: per_second(self.in_window as f64),
            tokens_per_second: per_second(self.tokens),
            usage: self.usage,
            tokens_are_estimated: self.is_estimated,
            is_interrupted,
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "fixed bounds, which are valid: a test makes one"
)]
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, DIGITS).expect("valid bounds")
}

fn micros(time: Duration) -> u64 {
    (time.as_micros() as u64).max(1)
}

/// Returns the share of the time from `begin` to `end` that lies in the window.
fn share(begin: Instant, end: Instant, from: Instant, until: Instant) -> f64 {
    let whole = end.saturating_duration_since(begin).as_secs_f64();
    if whole == 0.0 {
        return f64::from(u8::from((from..=until).contains(&end)));
    }
    let inside = end.min(until).saturating_duration_since(begin.max(from));
    inside.as_secs_f64() / whole
}
