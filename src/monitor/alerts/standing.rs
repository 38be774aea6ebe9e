//! Which of the instances that are switched on can serve, as the pool tells.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::burn::Share;
use crate::base::{ErrorKind, InstanceName, InstanceState};

/// The instances that are switched on; each with what keeps it from serving, if anything does.
#[derive(Default)]
pub(super) struct Standings(BTreeMap<InstanceName, Option<Out>>);

/// An instance that cannot serve.
#[derive(Clone, Copy)]
struct Out {
    since: Instant,
    /// What only a person mends; known until it serves again, since a probe of it may fail for the same cause.
    held: Option<ErrorKind>,
}

impl Standings {
    /// Notes an instance's state.
    pub(super) fn set(&mut self, name: &InstanceName, state: &InstanceState, now: Instant) {
        match state {
            // Waiting out a rate limit is no illness.
            InstanceState::On | InstanceState::Failing | InstanceState::Cooling(_) => {
                self.0.insert(name.clone(), None);
            }
            InstanceState::Open(_) | InstanceState::HalfOpen => {
                self.out_since(name, now);
            }
            InstanceState::Held(kind) => self.out_since(name, now).held = Some(*kind),
            InstanceState::Draining | InstanceState::Standby | InstanceState::Off => {
                self.0.remove(name);
            }
        }
    }

    /// Forgets instances that are no longer there.
    pub(super) fn keep(&mut self, there: &[InstanceName]) {
        self.0.retain(|name, _| there.contains(name));
    }

    fn out_since(&mut self, name: &InstanceName, now: Instant) -> &mut Out {
        let out = self.0.entry(name.clone()).or_default();
        out.get_or_insert(Out {
            since: now,
            held: None,
        })
    }

    /// Returns how long an instance has been out.
    pub(super) fn out_for(&self, name: &InstanceName, now: Instant) -> Option<Duration> {
        let out = (*self.0.get(name)?)?;
        Some(now.saturating_duration_since(out.since))
    }

    /// Returns what took an instance out that only a person mends.
    pub(super) fn held(&self, name: &InstanceName) -> Option<ErrorKind> {
        (*self.0.get(name)?)?.held
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
