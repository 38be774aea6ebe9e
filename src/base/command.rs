//! Commands: what a face may ask of the driver while it runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{InstanceDocument, InstanceName, RouteName};

/// Something to be changed at run time. Each is answered by a sentence that says what changed, or by an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Switches an instance on; also ends draining and a hold.
    Enable {
        /// Which one.
        instance: InstanceName,
    },
    /// Switches an instance off; what runs on it goes on.
    Disable {
        /// Which one.
        instance: InstanceName,
    },
    /// Lets an instance finish what runs, and take nothing new.
    Drain {
        /// Which one.
        instance: InstanceName,
    },
    /// Sets how many requests may be in flight at an instance.
    SetPermits {
        /// Which one.
        instance: InstanceName,
        /// How many, at least 1.
        permits: usize,
    },
    /// Sets an instance's weight for weighted strategies.
    SetWeight {
        /// Which one.
        instance: InstanceName,
        /// At least 1.
        weight: u32,
    },
    /// Sets the minimum interval between two starts at an instance.
    SetMinInterval {
        /// Which one.
        instance: InstanceName,
        /// How long; zero for none.
        #[serde(with = "humantime_serde")]
        interval: Duration,
    },
    /// Chooses the balancing strategy, of one route or of everything without a route.
    SetStrategy {
        /// The route, or `None`.
        route: Option<RouteName>,
        /// The strategy's name.
        strategy: String,
    },
    /// Closes an instance's breaker and forgets its cool-down and hold.
    ResetBreaker {
        /// Which one.
        instance: InstanceName,
    },
    /// Opens an instance's breaker until it is reset by hand.
    ForceOpen {
        /// Which one.
        instance: InstanceName,
    },
    /// Sets up an instance and lets it take requests, until the program ends or its config is read again.
    AddInstance {
        /// What stands in an `[[instances]]` entry of the config.
        settings: InstanceDocument,
    },
    /// Takes an instance out for good: it takes nothing new, and is gone when its last request has ended.
    RemoveInstance {
        /// Which one.
        instance: InstanceName,
    },
    /// Asks an instance whether it is there (its model list), now.
    Probe {
        /// Which one.
        instance: InstanceName,
    },
}

/// What a command changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// One sentence: what it was and what it is now.
    pub what: String,
    /// The command that takes it back, where there is one.
    pub undo: Option<Command>,
}
