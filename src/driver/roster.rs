//! Who can be asked, and how: by the number that the pool gives out with a lease, and by name.
//!
//! The pool decides and the driver speaks, so both must know an instance by the same thing. Positions move when
//! instances come and go, and a name may be taken by another one while the first still finishes; a number is never
//! given twice.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::{Error, ErrorKind, InstanceName};
use crate::pool::InstanceSettings;
use crate::provider::LlmModelStrategy;

use super::InstanceSpec;

/// One instance as the driver knows it.
pub(super) struct Member {
    pub(super) number: u32,
    /// What it was set to by the config, not by hand.
    pub(super) settings: InstanceSettings,
    pub(super) strategy: Arc<dyn LlmModelStrategy>,
}

impl Member {
    /// Returns its name.
    pub(super) fn name(&self) -> &InstanceName {
        &self.settings.name
    }

    /// Tells whether it would be the same upstream with these settings, whatever else changes.
    pub(super) fn is_at(&self, settings: &InstanceSettings) -> bool {
        self.settings.name == settings.name
            && self.settings.provider_type == settings.provider_type
            && self.settings.base_url == settings.base_url
    }

    /// Tells whether it would be asked in the same way: same key, headers and patience.
    pub(super) fn is_reached_as(&self, strategy: &Arc<dyn LlmModelStrategy>) -> bool {
        let (old, new) = (self.strategy.fingerprint(), strategy.fingerprint());
        Arc::ptr_eq(&self.strategy, strategy) || (old.is_some() && old == new)
    }
}

/// All of them.
#[derive(Clone, Default)]
pub(super) struct Roster {
    members: HashMap<u32, Arc<Member>>,
    names: HashMap<InstanceName, u32>,
    next: u32,
}

impl Roster {
    /// Takes one in under a new number, or in the place of the one with this number.
    pub(super) fn take(&mut self, number: Option<u32>, spec: InstanceSpec) -> u32 {
        let number = number.unwrap_or(self.next);
        self.next = self.next.max(number + 1);
        self.names.insert(spec.settings.name.clone(), number);
        let member = Member {
            number,
            settings: spec.settings,
            strategy: spec.strategy,
        };
        self.members.insert(number, Arc::new(member));
        number
    }

    /// Finds the one that has this number.
    pub(super) fn get(&self, number: u32) -> Option<Arc<Member>> {
        self.members.get(&number).cloned()
    }

    /// Finds the one that has this name now.
    pub(super) fn find(&self, name: &InstanceName) -> Option<&Arc<Member>> {
        self.members.get(self.names.get(name)?)
    }

    /// Returns those that have a name, which leaving ones lose to their successors.
    pub(super) fn named(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.names
            .values()
            .filter_map(|number| self.members.get(number))
    }

    /// Forgets all but these.
    pub(super) fn keep(&mut self, numbers: &[u32]) {
        self.members.retain(|number, _| numbers.contains(number));
        let members = &self.members;
        self.names.retain(|_, number| members.contains_key(number));
    }
}

/// Says that somebody was asked of whom nobody knows how.
pub(super) fn unknown(name: &InstanceName) -> Error {
    Error::new(ErrorKind::NoInstance, "it left the pool just now").with_instance(name.clone())
}
