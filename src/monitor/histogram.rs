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

/// Buckets that one word of the map of those in use stands for.
const WORD: usize = u64::BITS as usize;

/// Counts by bucket. Grows up to the highest bucket it has seen, at most 16 KB.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    counts: Vec<u32>,
    /// A bit for each bucket, set when it is in use: a second holds a few values far apart, and going over all that
    /// lies between them was most of what counting cost.
    used: Vec<u64>,
    /// A bit for each word of those that is not zero; there are at most 62.
    words: u64,
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
            self.grow(bucket);
        }
        self.counts[bucket] = self.counts[bucket].saturating_add(count);
        self.used[bucket / WORD] |= 1 << (bucket % WORD);
        self.words |= 1 << (bucket / WORD);
        self.total += u64::from(count);
    }

    #[cold]
    fn grow(&mut self, bucket: usize) {
        let words = bucket / WORD + 1;
        self.used.reserve_exact(words - self.used.len());
        self.used.resize(words, 0);
        let more = words * WORD - self.counts.len();
        self.counts.reserve_exact(more);
        self.counts.resize(words * WORD, 0);
    }

    /// Empties it and keeps its memory.
    pub(super) fn clear(&mut self) {
        for word in ones(std::mem::take(&mut self.words)) {
            let used = std::mem::take(&mut self.used[word]);
            let counts = &mut self.counts[word * WORD..(word + 1) * WORD];
            if used.count_ones() < 8 {
                ones(used).for_each(|bit| counts[bit] = 0);
            } else {
                counts.fill(0);
            }
        }
        self.total = 0;
    }

    /// Goes over the buckets in use, lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        ones(self.words).flat_map(move |word| {
            ones(self.used[word]).map(move |bit| {
                let bucket = word * WORD + bit;
                (bucket, self.counts[bucket])
            })
        })
    }

    /// Returns the distribution, or `None` when it is empty.
    pub(super) fn percentiles(&self) -> Option<Percentiles> {
        let word = self.words.checked_ilog2()? as usize;
        let highest = word * WORD + self.used[word].checked_ilog2()? as usize;
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
        size_of_val(self.counts.as_slice()) + size_of_val(self.used.as_slice())
    }
}

/// Goes over the bits of a word that are set, lowest first.
fn ones(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(bit)
    })
}

#[cfg(test)]
mod tests;
