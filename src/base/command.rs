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
    /// Sets a rate limit or a daily budget of an instance; what is used of it stays used.
    SetLimit {
        /// Which one.
        instance: InstanceName,
        /// Which limit.
        limit: LimitKind,
        /// How much: a whole number from 1, or US dollars above 0 for spending; `None` for no limit.
        value: Option<f64>,
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
    /// Keeps an alert rule from telling anybody for a time; its alerts still show.
    SilenceAlert {
        /// The rule's name.
        rule: String,
        /// How long, at most a year; zero ends the silence.
        #[serde(rename = "for", with = "humantime_serde")]
        time: Duration,
    },
    /// Sets one key of the config: of an instance, of a route, or of the pool; it counts until the config is read
    /// again.
    Set {
        /// Of whom.
        whose: SetWhose,
        /// The key as the config has it, such as `deadline` or `breaker.open_for`.
        key: String,
        /// The value as the config has it; `None` for the usual one.
        value: Option<String>,
    },
    /// Asks an instance whether it is there (its model list), now.
    Probe {
        /// Which one.
        instance: InstanceName,
    },
}

/// Whose setting it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetWhose {
    /// The pool's own, and `[retry]` as `retry.KEY`.
    Pool,
    /// A route's.
    Route(RouteName),
    /// An instance's.
    Instance(InstanceName),
}

/// A limit over a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// Requests in any 60 seconds.
    RequestsPerMinute,
    /// Tokens, input and output, in any 60 seconds.
    TokensPerMinute,
    /// Tokens, input and output, in any 24 hours.
    TokensPerDay,
    /// US dollars in any 24 hours.
    SpendPerDay,
}

impl LimitKind {
    /// Every limit, in the order in which lists show them.
    pub const ALL: [Self; 4] = [
        Self::RequestsPerMinute,
        Self::TokensPerMinute,
        Self::TokensPerDay,
        Self::SpendPerDay,
    ];

    /// Returns the key of the config.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestsPerMinute => "requests_per_minute",
            Self::TokensPerMinute => "tokens_per_minute",
            Self::TokensPerDay => "tokens_per_day",
            Self::SpendPerDay => "spend_per_day",
        }
    }
}

/// What a command changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// One sentence: what it was and what it is now.
    pub what: String,
    /// The command that takes it back, where there is one.
    pub undo: Option<Command>,
}
