//! Which durations are kept as distributions, and one sample's worth of them.

use std::time::Duration;

/// The longest duration that is told from longer ones: one day, in microseconds.
pub(super) const LONGEST: u64 = 86_400_000_000;

/// A duration of which the distribution is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timing {
    /// From call to end, of what was successful.
    Total,
    /// From call to first token, of whatever had one.
    FirstToken,
    /// Mean time between tokens of one answer.
    BetweenTokens,
    /// Wait for a permit.
    Queued,
    /// From an attempt's start to its response headers.
    Headers,
}

impl Timing {
    /// How many there are.
    pub(super) const COUNT: usize = Self::ALL.len();

    /// Every one, in the order of their discriminants.
    pub(super) const ALL: [Self; 5] = [
        Self::Total,
        Self::FirstToken,
        Self::BetweenTokens,
        Self::Queued,
        Self::Headers,
    ];
}

/// Microseconds by [`Timing`]; `None` where the sample has no such time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timings([Option<u64>; Timing::COUNT]);

impl Timings {
    /// Sets one.
    pub(super) fn set(&mut self, timing: Timing, duration: Option<Duration>) {
        self.0[timing as usize] = duration.map(micros);
    }

    /// Returns one, in microseconds.
    pub(super) fn get(&self, timing: Timing) -> Option<u64> {
        self.0[timing as usize]
    }

    /// Goes over those that are there.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Timing, u64)> + '_ {
        Timing::ALL
            .into_iter()
            .filter_map(|timing| Some((timing, self.get(timing)?)))
    }
}

/// Returns whole microseconds, at most [`LONGEST`].
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).map_or(LONGEST, |micros| micros.min(LONGEST))
}
