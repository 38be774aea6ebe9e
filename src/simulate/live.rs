//! Requests that are under way, in places that are used again.

use crate::pool::core::Want;

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The place is free.
    Free,
    /// Waits for a permit.
    Queued,
    /// Sent, without a first token.
    Silent,
    /// Past its first token.
    Streaming,
    /// Waits before it tries again.
    Resting,
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) phase: Phase,
    /// Changes with every attempt, so that old news is known.
    pub(super) epoch: u32,
    pub(super) prompt: u32,
    pub(super) output: u32,
    /// Nanoseconds since the start.
    pub(super) arrived: u64,
    pub(super) first_token: u64,
    pub(super) attempts: u32,
    pub(super) want: Want,
    pub(super) lease: u64,
    /// Whether the attempt finds out if its instance is well again.
    pub(super) probe: bool,
    pub(super) at: u32,
    /// Whether it came during a planned fault.
    pub(super) in_planned: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Lives {
    places: Vec<Live>,
    free: Vec<u32>,
}

impl Lives {
    /// Puts one in. Its epoch goes on from whoever had the place before.
    pub(super) fn insert(&mut self, mut live: Live) -> u32 {
        match self.free.pop() {
            Some(place) => {
                live.epoch = self.places[place as usize].epoch.wrapping_add(1);
                self.places[place as usize] = live;
                place
            }
            None => {
                self.places.push(live);
                self.places.len() as u32 - 1
            }
        }
    }

    /// Frees a place.
    pub(super) fn remove(&mut self, place: u32) {
        let live = &mut self.places[place as usize];
        live.phase = Phase::Free;
        live.epoch = live.epoch.wrapping_add(1);
        self.free.push(place);
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

impl std::ops::Index<u32> for Lives {
    type Output = Live;

    fn index(&self, place: u32) -> &Live {
        &self.places[place as usize]
    }
}

impl std::ops::IndexMut<u32> for Lives {
    fn index_mut(&mut self, place: u32) -> &mut Live {
        &mut self.places[place as usize]
    }
}
