//! A finished slot's histograms, packed into as few bytes as they need: one or two for a bucket in use.
//!
//! For each bucket: its distance to the one before, and its count less one.
//!
//! ```text
//! 0dddcccc             distance 0..8, count 1..=16
//! 1ddccccc HIGH        distance 0..3, count by its low five bits, and HIGH, the others
//! 111ccccc DIST HIGH   any distance; DIST and HIGH are LEB128 variable-length numbers
//! ```

use super::histogram::Histogram;
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
