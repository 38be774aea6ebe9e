//! Which of the instances that are switched on can serve, as the pool tells.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::burn::Share;
use crate::base::{InstanceName, InstanceState};

/// The instances that are switched on; each with the time since which it cannot serve, if it cannot.
#[derive(Default)]
pub(super) struct Standings(BTreeMap<InstanceName, Option<Instant>>);

impl Standings {
    /// Notes an instance's state.
    pub(super) fn set(&mut self, name: &InstanceName, state: &InstanceState, now: Instant) {
        match state {
            // Waiting out a rate limit is no illness.
            InstanceState::On | InstanceState::Failing | InstanceState::Cooling(_) => {
                self.0.insert(name.clone(), None);
            }
            InstanceState::Open(_) | InstanceState::HalfOpen | InstanceState::Held(_) => {
                self.0.entry(name.clone()).or_default().get_or_insert(now);
            }
            InstanceState::Draining | InstanceState::Standby | InstanceState::Off => {
                self.0.remove(name);
            }
        }
    }

    /// Returns how long an instance has been out.
    pub(super) fn out_for(&self, name: &InstanceName, now: Instant) -> Option<Duration> {
        let since = (*self.0.get(name)?)?;
        Some(now.saturating_duration_since(since))
    }

    /// Returns how many of all are out.
    pub(super) fn out(&self) -> Share {
        Share {
            bad: self.0.values().flatten().count() as u64,
            all: self.0.len() as u64,
        }
    }

    /// Goes over the names.
    pub(super) fn names(&self) -> impl Iterator<Item = &InstanceName> {
        self.0.keys()
    }
}
