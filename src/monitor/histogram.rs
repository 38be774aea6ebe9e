//! The histogram that slots are made of: counts of microseconds in buckets that widen with the value.
//!
//! Values below 256 µs have a bucket each; above, every doubling is cut into 128 equal buckets. A percentile is
//! given as the largest value of its bucket, so it is never below the true one and less than 1/128 (0.8 %)
//! above it. These are the buckets of hdrhistogram at two digits, so figures over a window and figures since the
//! start agree. Adding two of them is adding counts, which loses nothing.

use std::time::Duration;

use super::timing::LONGEST;
use crate::base::Percentiles;

/// Buckets in a doubling.
const FINENESS: u64 = 128;
/// The exponent of [`FINENESS`].
const FINENESS_BITS: u32 = FINENESS.ilog2();

/// Returns the bucket of a value in microseconds.
pub(super) fn bucket_of(micros: u64) -> usize {
    let micros = micros.min(LONGEST);
    if micros < 2 * FINENESS {
        return micros as usize;
    }
    let shift = micros.ilog2() - FINENESS_BITS;
    (u64::from(shift) * FINENESS + (micros >> shift)) as usize
}

/// Returns the largest value, in microseconds, that falls into a bucket.
pub(super) fn highest_in(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * FINENESS {
        return bucket;
    }
    let shift = bucket / FINENESS - 1;
    ((bucket - shift * FINENESS + 1) << shift) - 1
}

/// Counts by bucket. Grows up to the highest bucket it has seen, at most 16 KB.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    counts: Vec<u32>,
    /// The lowest and the highest bucket in use; an empty range (low above high) when there is none.
    range: Option<(usize, usize)>,
    total: u64,
}

impl Histogram {
    /// Counts one value.
    pub(super) fn record(&mut self, micros: u64) {
        self.add(bucket_of(micros), 1);
    }

    /// Adds `count` to a bucket.
    pub(super) fn add(&mut self, bucket: usize, count: u32) {
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] = self.counts[bucket].saturating_add(count);
        self.range = Some(match self.range {
            None => (bucket, bucket),
            Some((low, high)) => (low.min(bucket), high.max(bucket)),
        });
        self.total += u64::from(count);
    }

    /// Empties it and keeps its memory.
    pub(super) fn clear(&mut self) {
        if let Some((low, high)) = self.range.take() {
            self.counts[low..=high].fill(0);
        }
        self.total = 0;
    }

    /// Goes over the buckets in use, lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let (low, end) = self.range.map_or((0, 0), |(low, high)| (low, high + 1));
        self.counts[low..end]
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(move |(offset, count)| (low + offset, *count))
    }

    /// Returns the distribution, or `None` when it is empty.
    pub(super) fn percentiles(&self) -> Option<Percentiles> {
        let (_, highest) = self.range?;
        // Nearest rank in whole numbers: the smallest value that at least so many per cent are at or below.
        let ranks = [50, 90, 95, 99].map(|percent| (self.total * percent).div_ceil(100));
        let mut values = [Duration::ZERO; 4];
        let mut found = 0;
        let mut seen = 0;
        for (bucket, count) in self.iter() {
            seen += u64::from(count);
            while found < ranks.len() && seen >= ranks[found] {
                values[found] = Duration::from_micros(highest_in(bucket));
                found += 1;
            }
        }
        let [p50, p90, p95, p99] = values;
        Some(Percentiles {
            count: self.total,
            p50,
            p90,
            p95,
            p99,
            max: Duration::from_micros(highest_in(highest)),
        })
    }

    /// Returns the heap memory it holds.
    pub(super) fn heap_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests;
