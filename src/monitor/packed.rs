//! A finished slot's histograms, packed into as few bytes as they need: one or two for a bucket in use.
//!
//! For each bucket: its distance to the one before, and its count less one.
//!
//! ```text
//! 0dddcccc             distance 0..8, count 1..=16
//! 1ddccccc HIGH        distance 0..3, count by its low five bits, and HIGH, the others
//! 111ccccc DIST HIGH   any distance; DIST and HIGH are LEB128 variable-length numbers
//! ```

use super::histogram::{Histogram, bucket_of};
use super::timing::Timing;

/// Where each timing's part ends.
pub(super) type Ends = [u32; Timing::COUNT];

/// Room that a finished slot may keep beyond what it needs, when it is written over.
const SPARE: usize = 64;

/// Packs one histogram for each [`Timing`] into a buffer that is used again and again.
pub(super) fn pack(histograms: &[Histogram; Timing::COUNT], into: &mut Vec<u8>) -> Ends {
    into.clear();
    let mut ends = Ends::default();
    for (histogram, end) in histograms.iter().zip(&mut ends) {
        let mut before = 0;
        for (bucket, count) in histogram.iter() {
            push_bucket(into, (bucket - before) as u32, count - 1);
            before = bucket;
        }
        *end = into.len() as u32;
    }
    ends
}

/// Values that the open second notes before histograms are worth their upkeep.
const FEW: usize = 32;
/// A note is its timing times this, and its bucket.
const BUCKETS: u16 = 4096;

/// A few values of any timings: what a quiet second holds. Noting, packing and emptying them touches two cache lines,
/// where as many histograms would touch three each.
#[derive(Debug, Default)]
pub(super) struct Few {
    notes: [u16; FEW],
    length: usize,
}

impl Few {
    /// Notes a value, unless there is no room left.
    pub(super) fn note(&mut self, timing: Timing, micros: u64) -> bool {
        let Some(note) = self.notes.get_mut(self.length) else {
            return false;
        };
        *note = timing as u16 * BUCKETS + bucket_of(micros) as u16;
        self.length += 1;
        true
    }

    /// Moves all into the histograms.
    pub(super) fn pour(&mut self, into: &mut [Histogram; Timing::COUNT]) {
        for note in &self.notes[..self.length] {
            into[usize::from(note / BUCKETS)].add(usize::from(note % BUCKETS), 1);
        }
        self.length = 0;
    }

    /// Packs them as [`pack`] would pack their histograms.
    pub(super) fn pack(&mut self, into: &mut Vec<u8>) -> Ends {
        into.clear();
        let notes = &mut self.notes[..self.length];
        notes.sort_unstable();
        let mut ends = Ends::default();
        let mut last = None;
        for same in notes.chunk_by(|one, other| one == other) {
            let (timing, bucket) = (same[0] / BUCKETS, same[0] % BUCKETS);
            let before = match last {
                Some((of, bucket)) if of == timing => bucket,
                _ => 0,
            };
            push_bucket(into, u32::from(bucket - before), same.len() as u32 - 1);
            ends[usize::from(timing)] = into.len() as u32;
            last = Some((timing, bucket));
        }
        let mut end = 0;
        for each in &mut ends {
            end = end.max(*each);
            *each = end;
        }
        ends
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.length = 0;
    }
}

/// One histogram for each [`Timing`], packed.
#[derive(Clone, Debug, Default)]
pub(super) struct Packed {
    bytes: Vec<u8>,
    ends: Ends,
}

impl Packed {
    /// Keeps what [`pack`] has made.
    pub(super) fn new(bytes: &[u8], ends: Ends) -> Self {
        Self {
            bytes: bytes.to_vec(),
            ends,
        }
    }

    /// Keeps this instead, in the same room if it is not far too large.
    pub(super) fn replace(&mut self, bytes: &[u8], ends: Ends) {
        self.bytes.clear();
        self.bytes.shrink_to(2 * bytes.len() + SPARE);
        self.bytes.reserve_exact(bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.ends = ends;
    }

    /// Adds one timing's counts to a histogram.
    pub(super) fn pour(&self, timing: Timing, into: &mut Histogram) {
        let index = timing as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let mut bytes = self.bytes[start as usize..self.ends[index] as usize]
            .iter()
            .copied();
        let mut bucket = 0;
        while let Some((distance, count)) = next_bucket(&mut bytes) {
            bucket += distance as usize;
            into.add(bucket, count.saturating_add(1));
        }
    }

    /// Returns the heap memory it holds.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

/// What stands for a distance that does not fit.
const FAR: u32 = 3;

fn push_bucket(bytes: &mut Vec<u8>, distance: u32, count: u32) {
    if distance < 8 && count < 16 {
        bytes.push((distance << 4 | count) as u8);
        return;
    }
    let short = distance.min(FAR);
    bytes.push((0x80 | short << 5 | count & 0x1f) as u8);
    if short == FAR {
        push(bytes, distance);
    }
    push(bytes, count >> 5);
}

fn next_bucket(bytes: &mut impl Iterator<Item = u8>) -> Option<(u32, u32)> {
    let first = u32::from(bytes.next()?);
    if first & 0x80 == 0 {
        return Some((first >> 4, first & 0xf));
    }
    let distance = match first >> 5 & 3 {
        FAR => next(bytes)?,
        short => short,
    };
    Some((distance, next(bytes)? << 5 | first & 0x1f))
}

fn push(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn next(bytes: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let mut number = 0;
    let mut shift = 0;
    loop {
        let byte = bytes.next()?;
        number |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_few_values_are_packed_as_their_histograms_would_be(
            values in prop::collection::vec(
                (0..Timing::COUNT, prop_oneof![0..4_u64, 0..100_000_u64, 0..u64::MAX]),
                0..FEW + 3,
            ),
        ) {
            let mut few = Few::default();
            let mut poured = Few::default();
            let mut histograms: [Histogram; Timing::COUNT] = Default::default();
            let mut all: [Histogram; Timing::COUNT] = Default::default();
            for (number, (timing, micros)) in values.into_iter().enumerate() {
                let timing = Timing::ALL[timing];
                prop_assert_eq!(few.note(timing, micros), number < FEW);
                if number < FEW {
                    histograms[timing as usize].record(micros);
                }
                if !poured.note(timing, micros) {
                    poured.pour(&mut all);
                    prop_assert!(poured.note(timing, micros));
                }
            }
            let (mut one, mut other) = (Vec::new(), Vec::new());
            prop_assert_eq!(few.pack(&mut one), pack(&histograms, &mut other));
            prop_assert_eq!(&one, &other);
            few.pour(&mut histograms);
            few.clear();
            prop_assert_eq!(few.pack(&mut one), Ends::default());
            prop_assert!(one.is_empty());
        }

        #[test]
        fn what_is_packed_comes_out_again(
            values in prop::collection::vec((0..Timing::COUNT, prop_oneof![0..40_usize, 0..3900_usize], prop_oneof![1..40_u32, 1..300_u32, 1..u32::MAX]), 0..300),
        ) {
            let mut histograms: [Histogram; Timing::COUNT] = Default::default();
            for (timing, bucket, count) in values {
                histograms[timing].add(bucket, count);
            }
            let mut buffer = Vec::new();
            let ends = pack(&histograms, &mut buffer);
            let mut packed = Packed::new(&[1, 2, 3], Ends::default());
            packed.replace(&buffer, ends);
            for timing in Timing::ALL {
                let mut out = Histogram::default();
                packed.pour(timing, &mut out);
                prop_assert_eq!(
                    out.iter().collect::<Vec<_>>(),
                    histograms[timing as usize].iter().collect::<Vec<_>>()
                );
            }
        }
    }
}
