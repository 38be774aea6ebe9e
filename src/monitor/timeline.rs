//! What happened when: the second that is being filled, and rings of finished slots at three resolutions.
//!
//! ```text
//! 1 s    x 360   the last  6 minutes    |.|.|.|.|.|.|.|.|.|.|.| <- the open second becomes one of these
//! 10 s   x 420   the last 70 minutes    |. . . . .|. . . . .|      the sum of ten seconds, made when they end
//! 600 s  x 160   the last 26 hours      |. . . . . . . . . .       the sum of sixty of those
//! ```
//!
//! A sample touches only the open second. Slots carry their absolute number (time since two days before the start,
//! divided by the slot's length), so one that a ring has not overwritten yet is told from a current one, and an idle time of any
//! length costs one step. A finished slot never changes; a reader takes a share of it under the lock and adds
//! them up outside.

use std::sync::Arc;
use std::time::Duration;

use super::book::START;
use super::histogram::Histogram;
use super::packed::{Ends, Few, Packed, pack};
use super::tally::Tally;
use super::timing::{Timing, Timings};

/// Seconds that a slot covers and how many slots are kept, by level. Each length divides the next.
pub(super) const LEVELS: [(u64, usize); 3] = [(1, 360), (10, 420), (600, 160)];

/// What ended in one stretch of time. It does not change any more.
#[derive(Debug)]
pub(super) struct Slot {
    /// Its number in its level.
    pub(super) number: u64,
    /// What was counted.
    pub(super) tally: Tally,
    /// The durations.
    pub(super) packed: Packed,
}

/// The slots of one level, each at its number modulo the length.
struct Ring {
    slots: Box<[Option<Arc<Slot>>]>,
}

impl Ring {
    fn new(length: usize) -> Self {
        Self {
            slots: vec![None; length].into_boxed_slice(),
        }
    }

    fn get(&self, number: u64) -> Option<&Arc<Slot>> {
        self.slots[self.place(number)]
            .as_ref()
            .filter(|slot| slot.number == number)
    }

    /// Puts what ended into its place. A slot there that nobody reads is written over, since making one anew in every
    /// second of every scope would be the dearest part of counting a request.
    fn put(&mut self, number: u64, tally: Tally, packed: &[u8], ends: Ends) {
        let place = &mut self.slots[self.place(number)];
        match place.as_mut().and_then(Arc::get_mut) {
            Some(slot) => {
                slot.number = number;
                slot.tally = tally;
                slot.packed.replace(packed, ends);
            }
            None => {
                *place = Some(Arc::new(Slot {
                    number,
                    tally,
                    packed: Packed::new(packed, ends),
                }));
            }
        }
    }

    fn place(&self, number: u64) -> usize {
        (number % self.slots.len() as u64) as usize
    }
}

/// All rings and the open second of one scope.
pub(super) struct Timeline {
    /// The number of the open second.
    second: u64,
    tally: Tally,
    /// The durations of the open second while they are few, and none in the histograms.
    few: Few,
    /// The durations of the open second when they are many.
    histograms: [Histogram; Timing::COUNT],
    /// Whether they are many.
    many: bool,
    /// Whether anything was counted in the open second.
    touched: bool,
    rings: [Ring; LEVELS.len()],
    /// Room to pack in.
    buffer: Vec<u8>,
}

impl Timeline {
    /// Makes an empty one.
    pub(super) fn new() -> Self {
        Self {
            second: 0,
            tally: Tally::default(),
            few: Few::default(),
            histograms: Default::default(),
            many: false,
            touched: false,
            rings: LEVELS.map(|(_, length)| Ring::new(length)),
            buffer: Vec::new(),
        }
    }

    /// Counts something in the second `second` since the start. A time before the open second counts in the open one:
    /// two threads may come in another order than they read the clock.
    pub(super) fn add(&mut self, tally: &Tally, timings: &Timings, second: u64) {
        self.advance(second);
        self.touched = true;
        self.tally += tally;
        for (timing, micros) in timings.iter() {
            if self.many {
                self.histograms[timing as usize].record(micros);
            } else if !self.few.note(timing, micros) {
                self.many = true;
                self.few.pour(&mut self.histograms);
                self.histograms[timing as usize].record(micros);
            }
        }
    }

    /// Counts tokens that arrived.
    pub(super) fn stream(&mut self, tokens: i64, second: u64) {
        self.advance(second);
        self.touched = true;
        self.tally.streamed_tokens += tokens;
    }

    /// Finishes what ended before `second`.
    fn advance(&mut self, second: u64) {
        if second <= self.second {
            return;
        }
        let before = std::mem::replace(&mut self.second, second);
        if self.touched {
            self.touched = false;
            let tally = std::mem::take(&mut self.tally);
            self.put(0, before, tally);
        }
        for (level, (length, _)) in LEVELS.into_iter().enumerate().skip(1) {
            let ended = before / length;
            if second / length == ended {
                break;
            }
            self.finish(level, ended);
        }
    }

    /// Makes a coarse slot out of the finer ones; none of them has been overwritten yet. The open second is empty
    /// when this happens, so its histograms serve to add them up.
    fn finish(&mut self, level: usize, number: u64) {
        let many = LEVELS[level].0 / LEVELS[level - 1].0;
        let mut sum: Option<Tally> = None;
        for part in number * many..(number + 1) * many {
            let Some(part) = self.rings[level - 1].get(part) else {
                continue;
            };
            *sum.get_or_insert_default() += &part.tally;
            for timing in Timing::ALL {
                part.packed
                    .pour(timing, &mut self.histograms[timing as usize]);
            }
        }
        if let Some(tally) = sum {
            self.many = true;
            self.put(level, number, tally);
        }
    }

    /// Finishes a slot out of a tally and the durations, which it empties.
    fn put(&mut self, level: usize, number: u64, tally: Tally) {
        let ends = self.pack();
        self.rings[level].put(number, tally, &self.buffer, ends);
        if std::mem::take(&mut self.many) {
            self.histograms.iter_mut().for_each(Histogram::clear);
        }
        self.few.clear();
    }

    /// Packs the durations into the buffer.
    fn pack(&mut self) -> Ends {
        if self.many {
            pack(&self.histograms, &mut self.buffer)
        } else {
            self.few.pack(&mut self.buffer)
        }
    }

    /// Returns what a window holds, by number of bucket. The newest bucket comes in several parts.
    pub(super) fn read(&mut self, cut: Cut, second: u64, dawn: u64) -> Reading {
        self.advance(second);
        let (oldest, newest) = cut.span(self.second, dawn);
        let mut parts: Vec<(u64, Arc<Slot>)> = self
            .finished(cut.level, oldest * cut.slots)
            .map(|(number, slot)| (number / cut.slots, Arc::clone(slot)))
            .collect();
        if self.touched {
            let ends = self.pack();
            parts.push((
                newest,
                Arc::new(Slot {
                    number: self.second,
                    tally: self.tally.clone(),
                    packed: Packed::new(&self.buffer, ends),
                }),
            ));
        }
        Reading {
            newest,
            oldest,
            parts,
        }
    }

    /// Adds up the counts of the last `slots` slots of a level, the one still filling included.
    pub(super) fn sum(&mut self, level: usize, slots: u64, second: u64) -> Tally {
        self.advance(second);
        let mut sum = self.tally.clone();
        let newest = self.second / LEVELS[level].0;
        for (_, slot) in self.finished(level, (newest + 1).saturating_sub(slots)) {
            sum += &slot.tally;
        }
        sum
    }

    /// Goes over all finished slots since slot number `from` of a level, oldest first, each with its number in that
    /// level. What the level's newest slot will hold is still in finer ones.
    fn finished(&self, level: usize, from: u64) -> impl Iterator<Item = (u64, &Arc<Slot>)> {
        let newest = self.second / LEVELS[level].0;
        (0..=level).rev().flat_map(move |finer| {
            let (length, _) = LEVELS[finer];
            let start = match LEVELS.get(finer + 1) {
                Some((coarser, _)) if finer < level => self.second / coarser * coarser / length,
                _ => from,
            };
            (start..self.second / length).filter_map(move |number| {
                let slot = self.rings[finer].get(number)?;
                Some((if finer < level { newest } else { number }, slot))
            })
        })
    }

    /// Takes in what was before the start: finished slots that have not been overwritten by newer ones.
    pub(super) fn recall(&mut self, mut past: Self) {
        past.advance(START.as_secs());
        for (ring, past) in self.rings.iter_mut().zip(past.rings) {
            for (place, slot) in ring.slots.iter_mut().zip(past.slots) {
                if place.is_none() {
                    *place = slot;
                }
            }
        }
    }

    /// Returns the heap memory it holds, nearly.
    pub(super) fn heap_bytes(&self) -> usize {
        let rings = self.rings.iter().map(|ring| {
            let slots = ring.slots.iter().flatten().map(|slot| {
                let counts = 2 * size_of::<usize>();
                counts + size_of::<Slot>() + slot.tally.heap_bytes() + slot.packed.heap_bytes()
            });
            size_of_val(&*ring.slots) + slots.sum::<usize>()
        });
        let open = self.histograms.iter().map(Histogram::heap_bytes);
        rings.sum::<usize>() + open.sum::<usize>() + self.buffer.capacity()
    }
}

/// What a window held at one moment.
pub(super) struct Reading {
    /// The number of the bucket that is being filled.
    pub(super) newest: u64,
    /// The number of the first bucket of which something is known.
    pub(super) oldest: u64,
    /// The slots, each with the number of its bucket, in rising order.
    pub(super) parts: Vec<(u64, Arc<Slot>)>,
}

/// How a window is cut: from which level, how many slots make a bucket, and how many buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The level.
    pub(super) level: usize,
    /// Slots in a bucket.
    pub(super) slots: u64,
    /// Buckets.
    pub(super) buckets: u64,
}

impl Cut {
    /// Cuts `window` into at most `most` buckets of the finest slots that reach back far enough. A window longer
    /// than the coarsest level reaches is cut short.
    pub(super) fn new(window: Duration, most: usize) -> Self {
        let most = (most as u64).max(1);
        let mut cut = Self {
            level: 0,
            slots: 1,
            buckets: 1,
        };
        for (level, (length, kept)) in LEVELS.into_iter().enumerate() {
            let kept = kept as u64;
            let needed = (window.as_secs_f64() / length as f64).ceil().max(1.0) as u64;
            let slots = needed.min(kept).div_ceil(most);
            cut = Self {
                level,
                slots,
                buckets: needed.min(kept).div_ceil(slots),
            };
            if cut.buckets * slots > kept {
                cut.buckets -= 1;
            } else if needed <= kept {
                break;
            }
        }
        cut
    }

    /// Returns how much time a bucket covers.
    pub(super) fn step(&self) -> Duration {
        Duration::from_secs(LEVELS[self.level].0 * self.slots)
    }

    /// Returns the reading of somebody of whom nothing is known.
    pub(super) fn nothing(&self, second: u64, dawn: u64) -> Reading {
        let (oldest, newest) = self.span(second, dawn);
        Reading {
            newest,
            oldest,
            parts: Vec::new(),
        }
    }

    /// Returns the numbers of the first bucket and of the one that is being filled at `second`; there is none before
    /// `dawn`.
    fn span(&self, second: u64, dawn: u64) -> (u64, u64) {
        let step = LEVELS[self.level].0 * self.slots;
        let newest = second / step;
        let oldest = newest.saturating_sub(self.buckets - 1);
        (oldest.max(dawn / step).min(newest), newest)
    }
}

#[cfg(test)]
mod tests;
