//! A finished slot's histograms, packed into as few bytes as they need, typically two for a bucket in use.
//!
//! For each bucket: the distance to the one before, then its count, both as LEB128 variable-length numbers.

use super::histogram::Histogram;
use super::timing::Timing;

/// One histogram for each [`Timing`], packed.
#[derive(Clone, Debug, Default)]
pub(super) struct Packed {
    bytes: Box<[u8]>,
    /// Where each timing's part ends.
    ends: [u32; Timing::COUNT],
}

impl Packed {
    /// Packs a set of histograms, by way of a buffer that is used again and again.
    pub(super) fn new(histograms: &[Histogram; Timing::COUNT], bytes: &mut Vec<u8>) -> Self {
        bytes.clear();
        let mut ends = [0; Timing::COUNT];
        for (histogram, end) in histograms.iter().zip(&mut ends) {
            let mut before = 0;
            for (bucket, count) in histogram.iter() {
                push(bytes, (bucket - before) as u32);
                push(bytes, count);
                before = bucket;
            }
            *end = bytes.len() as u32;
        }
        Self {
            bytes: Box::from(&bytes[..]),
            ends,
        }
    }

    /// Adds one timing's counts to a histogram.
    pub(super) fn pour(&self, timing: Timing, into: &mut Histogram) {
        let index = timing as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let mut bytes = self.bytes[start as usize..self.ends[index] as usize]
            .iter()
            .copied();
        let mut bucket = 0;
        while let (Some(distance), Some(count)) = (next(&mut bytes), next(&mut bytes)) {
            bucket += distance as usize;
            into.add(bucket, count);
        }
    }

    /// Returns the heap memory it holds.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.len()
    }
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
            values in prop::collection::vec((0..Timing::COUNT, 0..3900_usize, prop_oneof![1..300_u32, 1..40_000_000_u32]), 0..300),
        ) {
            let mut histograms: [Histogram; Timing::COUNT] = Default::default();
            for (timing, bucket, count) in values {
                histograms[timing].add(bucket, count);
            }
            let packed = Packed::new(&histograms, &mut Vec::new());
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
