//! Successes and failures over the last while, in slices of time.

use std::time::Duration;

use tokio::time::Instant;

/// How many slices a window has.
const BUCKETS: usize = 10;

/// What ended lately, and how.
#[derive(Clone, Debug)]
pub(super) struct Window {
    born: Instant,
    length: Duration,
    buckets: [Bucket; BUCKETS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    number: u64,
    ok: u32,
    failed_halves: u32,
}

impl Window {
    pub(super) fn new(length: Duration, now: Instant) -> Self {
        Self {
            born: now,
            length,
            buckets: [Bucket::default(); BUCKETS],
        }
    }

    pub(super) fn born(&self) -> Instant {
        self.born
    }

    pub(super) fn clear(&mut self) {
        self.buckets = [Bucket::default(); BUCKETS];
    }

    /// Goes on with another length. Counts of another window's slices mean nothing then.
    pub(super) fn tune(&mut self, length: Duration) {
        if length != self.length {
            self.length = length;
            self.clear();
        }
    }

    pub(super) fn answered(&mut self, now: Instant) {
        self.bucket(now).ok += 1;
    }

    /// Takes back one answer.
    pub(super) fn not_answered(&mut self, now: Instant) {
        let bucket = self.bucket(now);
        bucket.ok = bucket.ok.saturating_sub(1);
    }

    pub(super) fn failed(&mut self, halves: u32, now: Instant) {
        self.bucket(now).failed_halves += halves;
    }

    /// Returns answers and failures, a half rounded up.
    pub(super) fn counts(&self, now: Instant) -> (u32, u32) {
        let newest = self.number(now);
        let (mut ok, mut halves) = (0, 0);
        for bucket in &self.buckets {
            if bucket.number + (BUCKETS as u64) > newest {
                ok += bucket.ok;
                halves += bucket.failed_halves;
            }
        }
        (ok, halves.div_ceil(2))
    }

    fn bucket(&mut self, now: Instant) -> &mut Bucket {
        let number = self.number(now);
        let bucket = &mut self.buckets[number as usize % BUCKETS];
        if bucket.number != number {
            *bucket = Bucket {
                number,
                ..Bucket::default()
            };
        }
        bucket
    }

    /// Numbers the slices of time since it was made, from 1: 0 is a bucket never used.
    fn number(&self, now: Instant) -> u64 {
        let slice = (self.length / BUCKETS as u32).max(Duration::from_millis(1));
        1 + (now.duration_since(self.born).as_nanos() / slice.as_nanos()) as u64
    }
}
