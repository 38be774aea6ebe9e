//! The books of one scope: sums since the start, distributions since the start, and the timeline.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::tally::Tally;
use super::timeline::{Cut, Reading, Timeline};
use super::timing::{LONGEST, Timing, Timings};
use crate::base::{ErrorKind, ErrorNote, InstanceName, LlmMetrics, Percentiles};

/// Significant digits of the distributions since the start; the same buckets as those of the slots.
const DIGITS: u8 = 2;
/// The window of the token rate.
const RATE_WINDOW: u64 = 60;

/// A failure, to be told later.
#[derive(Clone, Debug)]
pub(super) struct Noted {
    pub(super) at: Instant,
    pub(super) kind: ErrorKind,
    pub(super) instance: Option<InstanceName>,
    pub(super) message: Arc<str>,
}

impl Noted {
    /// Tells it at `now`.
    pub(super) fn note(&self, now: Instant) -> ErrorNote {
        ErrorNote {
            age: now.saturating_duration_since(self.at),
            kind: self.kind,
            instance: self.instance.clone(),
            message: self.message.to_string(),
        }
    }
}

/// Where the start stands in a timeline, so that there is room before it for what an earlier run has left. Two days, so
/// that it is a whole number of nearly every bucket there is.
pub(super) const START: Duration = Duration::from_secs(2 * 24 * 3600);

/// A moment, both ways: the clock's and where it stands in a timeline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Instant,
    /// The start is at [`START`].
    pub(super) at: Duration,
    /// Before this nothing is known.
    pub(super) dawn: Duration,
}

impl Moment {
    /// Returns the second that is being filled.
    pub(super) fn second(&self) -> u64 {
        self.at.as_secs()
    }

    /// Returns for how many seconds the slots since `slot_start` have been filled; at least one, so that the first
    /// moments of a program make no wild rates.
    pub(super) fn covered(&self, slot_start: Duration) -> f64 {
        let covered = self.at.saturating_sub(slot_start.max(self.dawn));
        covered.as_secs_f64().max(1.0)
    }
}

/// Counts and times of one scope.
pub(super) struct Book {
    in_flight: u64,
    totals: Tally,
    distributions: [Option<Histogram<u64>>; Timing::COUNT],
    timeline: Timeline,
    last_success: Option<Instant>,
    last_failure: Option<Noted>,
    last_touch: Option<Instant>,
    /// Failures since the last success, but for those that were the caller's own doing.
    failures_in_row: u64,
}

impl Book {
    /// Makes an empty one.
    pub(super) fn new() -> Self {
        Self {
            in_flight: 0,
            totals: Tally::default(),
            distributions: [const { None }; Timing::COUNT],
            timeline: Timeline::new(),
            last_success: None,
            last_failure: None,
            last_touch: None,
            failures_in_row: 0,
        }
    }

    /// Takes one more in flight.
    pub(super) fn enter(&mut self) {
        self.in_flight += 1;
    }

    /// Takes one less in flight.
    pub(super) fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Returns how many are in flight.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Returns how many failed one after another until now.
    pub(super) fn failures_in_row(&self) -> u64 {
        self.failures_in_row
    }

    /// Returns when something was last counted.
    pub(super) fn last_touch(&self) -> Option<Instant> {
        self.last_touch
    }

    /// Counts something.
    pub(super) fn add(&mut self, tally: &Tally, timings: &Timings, at: Moment) {
        self.last_touch = Some(at.now);
        self.totals += tally;
        for (timing, micros) in timings.iter() {
            let distribution = &mut self.distributions[timing as usize];
            if distribution.is_none() {
                *distribution = Histogram::new(DIGITS).ok();
            }
            if let Some(histogram) = distribution {
                // Cannot fail: it resizes, and the value is below one day.
                let _ = histogram.record(micros.min(LONGEST));
            }
        }
        self.timeline.add(tally, timings, at.second());
        if tally.successful > 0 {
            self.last_success = Some(at.now);
            self.failures_in_row = 0;
        } else if tally.errors.keys().any(|kind| !kind.callers_own()) {
            self.failures_in_row += tally.failed;
        }
    }

    /// Counts tokens that arrived, or takes back some that did not.
    pub(super) fn stream(&mut self, tokens: i64, at: Moment) {
        self.last_touch = Some(at.now);
        self.totals.streamed_tokens += tokens;
        self.timeline.stream(tokens, at.second());
    }

    /// Remembers the last failure.
    pub(super) fn note(&mut self, noted: Noted) {
        self.last_failure = Some(noted);
    }

    /// Returns the figures since the start.
    pub(super) fn metrics(&mut self, at: Moment) -> LlmMetrics {
        let mut metrics = self.figures(&self.totals, at);
        metrics.tokens_per_second = self.tokens_per_second(at);
        fill_distributions(&mut metrics, |timing| {
            let histogram = self.distributions[timing as usize].as_ref()?;
            (!histogram.is_empty()).then(|| percentiles(histogram))
        });
        metrics
    }

    /// Returns the figures that do not need distributions, around these counts.
    pub(super) fn figures(&self, tally: &Tally, at: Moment) -> LlmMetrics {
        LlmMetrics {
            total_requests: tally.ended() + self.in_flight,
            successful_requests: tally.successful,
            failed_requests: tally.failed,
            cancelled_requests: tally.cancelled,
            in_flight: self.in_flight,
            attempts: tally.attempts,
            retries: tally.retries,
            failovers: tally.failovers,
            hedges: tally.hedges,
            average_response_time: mean(tally.total_micros, tally.successful),
            prompt_tokens: tally.prompt_tokens,
            completion_tokens: tally.completion_tokens,
            cached_tokens: tally.cached_tokens,
            reasoning_tokens: tally.reasoning_tokens,
            cost: tally.cost(),
            unpriced: tally.unpriced,
            errors: tally.errors.clone(),
            last_error: self.last_failure.as_ref().map(|noted| noted.note(at.now)),
            since_last_success: self
                .last_success
                .map(|success| at.now.saturating_duration_since(success)),
            ..LlmMetrics::default()
        }
    }

    /// Returns output tokens per second over the last minute.
    pub(super) fn tokens_per_second(&mut self, at: Moment) -> f64 {
        let tokens = self
            .timeline
            .sum(0, RATE_WINDOW, at.second())
            .streamed_tokens;
        let start = Duration::from_secs((at.second() + 1).saturating_sub(RATE_WINDOW));
        tokens.max(0) as f64 / at.covered(start)
    }

    /// Returns the counts of a window.
    pub(super) fn tally(&mut self, window: Duration, at: Moment) -> Tally {
        let cut = Cut::new(window, usize::MAX);
        self.timeline.sum(cut.level, cut.buckets, at.second())
    }

    /// Returns what a window holds.
    pub(super) fn read(&mut self, cut: Cut, at: Moment) -> Reading {
        self.timeline.read(cut, at.second(), at.dawn.as_secs())
    }

    /// Takes in what was before the start.
    pub(super) fn recall(&mut self, past: Timeline) {
        self.timeline.recall(past);
    }

    #[cfg(test)]
    pub(super) fn totals(&self) -> &Tally {
        &self.totals
    }

    /// Returns the memory it holds, nearly.
    pub(super) fn memory_bytes(&self) -> usize {
        let distributions = self.distributions.iter().flatten();
        size_of::<Self>()
            + self.totals.heap_bytes()
            + self.timeline.heap_bytes()
            + distributions
                .map(|histogram| histogram.distinct_values() * size_of::<u64>())
                .sum::<usize>()
    }
}

/// Sets the distributions of some metrics from a source of them.
pub(super) fn fill_distributions(
    metrics: &mut LlmMetrics,
    mut of: impl FnMut(Timing) -> Option<Percentiles>,
) {
    metrics.response_time = of(Timing::Total);
    metrics.time_to_first_token = of(Timing::FirstToken);
    metrics.time_between_tokens = of(Timing::BetweenTokens);
    metrics.queued = of(Timing::Queued);
    metrics.time_to_headers = of(Timing::Headers);
}

/// Returns the mean of some microseconds, `None` of nothing.
pub(super) fn mean(micros: u64, count: u64) -> Option<Duration> {
    micros.checked_div(count).map(Duration::from_micros)
}

fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    let at = |quantile| Duration::from_micros(histogram.value_at_quantile(quantile));
    Percentiles {
        count: histogram.len(),
        p50: at(0.5),
        p90: at(0.9),
        p95: at(0.95),
        p99: at(0.99),
        max: Duration::from_micros(histogram.max()),
    }
}
