//! The life of one alert: pending, firing, resolved, gone.
//!
//! ```text
//!           holds              held for long enough            away for long enough          shown for long enough
//! (nothing) -----> Pending ------------------------> Firing -----------------------> Resolved ---------> (nothing)
//!     ^               |                                ^                                |
//!     +---------------+ away                           +--- holds (by way of Pending) --+
//! ```

use std::time::Duration;

use tokio::time::Instant;

use crate::base::AlertState;

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Pending { since: Instant },
    Firing { since: Instant, held: Instant },
    Resolved { since: Instant },
}

/// The times of the life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// How long the condition must hold before it fires.
    pub(super) hold: Duration,
    /// How long it must be away before it is over.
    pub(super) clear: Duration,
    /// How long it is shown afterwards.
    pub(super) show: Duration,
}

impl Phase {
    /// Goes one step on from where it stood.
    pub(super) fn next(
        before: Option<Self>,
        holds: bool,
        now: Instant,
        times: Times,
    ) -> Option<Self> {
        let passed = |since: Instant| now.saturating_duration_since(since);
        let begin = |since: Instant| {
            if passed(since) >= times.hold {
                Self::Firing {
                    since: now,
                    held: now,
                }
            } else {
                Self::Pending { since }
            }
        };
        match before {
            None | Some(Self::Resolved { .. }) if holds => Some(begin(now)),
            None => None,
            Some(Self::Pending { since }) => holds.then(|| begin(since)),
            Some(Self::Firing { since, .. }) if holds => Some(Self::Firing { since, held: now }),
            Some(Self::Firing { held, .. }) if passed(held) >= times.clear => {
                Some(Self::Resolved { since: now })
            }
            Some(Self::Resolved { since }) if passed(since) >= times.show => None,
            unchanged @ Some(Self::Firing { .. } | Self::Resolved { .. }) => unchanged,
        }
    }

    /// Returns the word for where it stands.
    pub(super) fn state(self) -> AlertState {
        match self {
            Self::Pending { .. } => AlertState::Pending,
            Self::Firing { .. } => AlertState::Firing,
            Self::Resolved { .. } => AlertState::Resolved,
        }
    }

    /// Returns since when it stands there.
    pub(super) fn since(self) -> Instant {
        match self {
            Self::Pending { since } | Self::Firing { since, .. } | Self::Resolved { since } => {
                since
            }
        }
    }

    /// Tells whether it fires.
    pub(super) fn fires(self) -> bool {
        matches!(self, Self::Firing { .. })
    }
}
