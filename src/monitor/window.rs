//! Figures over a window, added up from the slots it holds. Nothing here holds a lock.

use std::collections::BTreeMap;
use std::time::Duration;

use super::book::{Moment, fill_distributions, mean};
use super::histogram::Histogram;
use super::tally::Tally;
use super::timeline::{Cut, Reading};
use super::timing::Timing;
use crate::base::{ErrorKind, LlmMetrics, Percentiles, Scope, Series, SeriesBucket};

impl Reading {
    /// Adds up all counts.
    pub(super) fn tally(&self) -> Tally {
        let mut sum = Tally::default();
        for (_, slot) in &self.parts {
            sum += &slot.tally;
        }
        sum
    }

    /// Returns the distribution of one duration over the whole window.
    pub(super) fn percentiles(
        &self,
        timing: Timing,
        scratch: &mut Histogram,
    ) -> Option<Percentiles> {
        scratch.clear();
        for (_, slot) in &self.parts {
            slot.packed.pour(timing, scratch);
        }
        scratch.percentiles()
    }

    /// Sets all distributions of some metrics.
    pub(super) fn fill(&self, metrics: &mut LlmMetrics) {
        let mut scratch = Histogram::default();
        fill_distributions(metrics, |timing| self.percentiles(timing, &mut scratch));
    }

    /// Makes a series of it. Its `last_errors` are left to whoever knows them.
    pub(super) fn series(&self, scope: &Scope, cut: Cut, at: Moment) -> Series {
        let step = cut.step();
        let mut scratch = Histogram::default();
        let tally = self.tally();
        let start = Duration::from_secs(step.as_secs().saturating_mul(self.oldest));
        let covered = at.covered(start);
        let ended = tally.successful + tally.failed;
        Series {
            scope: scope.clone(),
            step,
            newest: self.newest,
            buckets: self.buckets(&mut scratch),
            response_time: self.percentiles(Timing::Total, &mut scratch),
            time_to_first_token: self.percentiles(Timing::FirstToken, &mut scratch),
            requests_per_second: tally.ended() as f64 / covered,
            tokens_per_second: tally.streamed_tokens.max(0) as f64 / covered,
            success_rate: (ended > 0).then(|| tally.successful as f64 / ended as f64),
            last_errors: Vec::new(),
            errors: self.errors(),
        }
    }

    /// Counts failures by kind in each bucket.
    fn errors(&self) -> BTreeMap<ErrorKind, Vec<u64>> {
        let buckets = (self.newest - self.oldest + 1) as usize;
        let mut errors: BTreeMap<ErrorKind, Vec<u64>> = BTreeMap::new();
        for (number, slot) in &self.parts {
            for (kind, count) in &slot.tally.errors {
                let counts = errors.entry(*kind).or_insert_with(|| vec![0; buckets]);
                if let Some(place) = counts.get_mut((number - self.oldest) as usize) {
                    *place += count;
                }
            }
        }
        errors
    }

    fn buckets(&self, scratch: &mut Histogram) -> Vec<SeriesBucket> {
        let mut waits = Histogram::default();
        let mut parts = self.parts.as_slice();
        (self.oldest..=self.newest)
            .map(|number| {
                let end = parts.partition_point(|(of, _)| *of <= number);
                let (mine, rest) = parts.split_at(end);
                parts = rest;
                let mut tally = Tally::default();
                scratch.clear();
                waits.clear();
                for (_, slot) in mine {
                    tally += &slot.tally;
                    slot.packed.pour(Timing::Total, scratch);
                    slot.packed.pour(Timing::Queued, &mut waits);
                }
                let times = scratch.percentiles();
                SeriesBucket {
                    successful: tally.successful,
                    failed: tally.failed,
                    cancelled: tally.cancelled,
                    average_response_time: mean(tally.total_micros, tally.successful),
                    p50_response_time: times.map(|all| all.p50),
                    p95_response_time: times.map(|all| all.p95),
                    p99_response_time: times.map(|all| all.p99),
                    p95_queued: waits.percentiles().map(|all| all.p95),
                    average_first_token: mean(tally.first_token_micros, tally.first_tokens),
                    completion_tokens: tally.completion_tokens,
                    streamed_tokens: tally.streamed_tokens.max(0) as u64,
                }
            })
            .collect()
    }
}
