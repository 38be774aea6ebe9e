//! Who can take a request, as far as a look at one byte of each can tell, and whom time alone can change: a choice
//! among a thousand instances reads all bytes, and everything else only looks at the few that are watched.

use std::ops::Index;

use tokio::time::Instant;

/// The cheap part of a readiness check.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    /// It is on, neither drained nor held.
    pub(super) open: bool,
    /// Its breaker, its budgets or its models must be asked.
    pub(super) care: bool,
    /// Interval and cooling let nothing begin before.
    pub(super) ready_at: Option<Instant>,
}

/// A gate and the permits behind it, summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// It is off or full.
    No,
    /// It can take any request.
    Yes,
    /// It has a permit; its gate and more must be asked.
    Ask,
}

/// The gates of all instances, by position.
#[derive(Debug, Default)]
pub(super) struct Gates {
    all: Vec<Gate>,
    ready: Vec<Ready>,
    /// Positions that time alone can change, ascending.
    watched: Vec<u32>,
    shut: usize,
    careful: usize,
}

impl Gate {
    fn is_watched(&self) -> bool {
        !self.open || self.care || self.ready_at.is_some()
    }

    fn ready(&self, is_free: bool) -> Ready {
        if !self.open || !is_free {
            Ready::No
        } else if self.is_watched() {
            Ready::Ask
        } else {
            Ready::Yes
        }
    }
}

impl Gates {
    /// Adds one at the end; `is_free` tells whether a permit is.
    pub(super) fn push(&mut self, gate: Gate, is_free: bool) {
        self.all.push(Gate {
            open: true,
            care: false,
            ready_at: None,
        });
        self.ready.push(Ready::No);
        self.set(self.all.len() - 1, gate, is_free);
    }

    /// Replaces one.
    pub(super) fn set(&mut self, at: usize, gate: Gate, is_free: bool) {
        let before = &self.all[at];
        if before.is_watched() != gate.is_watched() {
            match self.watched.binary_search(&(at as u32)) {
                Ok(index) => {
                    self.watched.remove(index);
                }
                Err(index) => self.watched.insert(index, at as u32),
            }
        }
        self.shut += usize::from(!gate.open);
        self.shut -= usize::from(!before.open);
        self.careful += usize::from(gate.open && gate.care);
        self.careful -= usize::from(before.open && before.care);
        self.ready[at] = gate.ready(is_free);
        self.all[at] = gate;
    }

    /// Puts them in another order; those that are not in it are gone.
    pub(super) fn reorder(&mut self, order: &[usize]) {
        let before = std::mem::take(self);
        for &at in order {
            let is_free = before.ready[at] != Ready::No;
            self.push(before.all[at].clone(), is_free);
        }
    }

    /// Returns a byte of each.
    pub(super) fn ready(&self) -> &[Ready] {
        &self.ready
    }

    /// Returns the positions that time alone can change, ascending.
    pub(super) fn watched(&self) -> &[u32] {
        &self.watched
    }

    /// Returns how many are off, drained or held.
    pub(super) fn shut(&self) -> usize {
        self.shut
    }

    /// Returns how many of the others need care.
    pub(super) fn careful(&self) -> usize {
        self.careful
    }
}

impl Index<usize> for Gates {
    type Output = Gate;

    fn index(&self, at: usize) -> &Gate {
        &self.all[at]
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn gate(rng: &mut SmallRng, now: Instant) -> Gate {
        Gate {
            open: rng.random_bool(0.8),
            care: rng.random_bool(0.3),
            ready_at: rng.random_bool(0.2).then_some(now),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_counted_is_what_is_there_whatever_comes() {
        let now = Instant::now();
        let mut rng = SmallRng::seed_from_u64(5);
        let mut gates = Gates::default();
        for round in 0..2_000 {
            let (new, free) = (gate(&mut rng, now), rng.random_bool(0.5));
            match gates.all.len() {
                count if count < 30 => gates.push(new, free),
                count if round % 100 == 0 => {
                    gates.reorder(&(0..count).rev().step_by(2).collect::<Vec<_>>());
                }
                count => gates.set(rng.random_range(0..count), new, free),
            }
            let all = || gates.all.iter();
            let watched: Vec<u32> = (0u32..)
                .zip(all())
                .filter(|(_, gate)| gate.is_watched())
                .map(|(at, _)| at)
                .collect();
            assert_eq!(gates.watched(), watched);
            assert_eq!(gates.shut(), all().filter(|gate| !gate.open).count());
            let careful = all().filter(|gate| gate.open && gate.care).count();
            assert_eq!(gates.careful(), careful);
        }
    }
}
