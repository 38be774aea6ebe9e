//! The pool: which instance answers, and when.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::{InstanceName, ProviderType};
use crate::limit;

/// The balancing strategies that a config may name.
pub const STRATEGIES: &[&str] = &["round_robin"];

/// How the pool as a whole behaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The balancing strategy of requests without a route.
    pub strategy: String,
    /// How many requests may wait.
    pub queue_limit: usize,
    /// How long a request may wait for its first token, over all attempts, when it does not say itself.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: "round_robin".to_owned(),
            queue_limit: 256,
            deadline: Duration::from_secs(60),
        }
    }
}

/// What the pool knows of an instance from the config.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceSettings {
    /// Its name.
    pub name: InstanceName,
    /// Its provider type.
    pub provider_type: ProviderType,
    /// Its base URL for people, without user, password and query.
    pub base_url: String,
    /// Models it serves, the default one first.
    pub models: Vec<String>,
    /// Whether it starts switched on.
    pub enabled: bool,
    /// Its weight for weighted strategies.
    pub weight: u32,
    /// What it allows.
    pub limits: limit::Settings,
}

impl InstanceSettings {
    /// Makes settings with everything at its default.
    pub fn new(name: impl AsRef<str>, provider_type: ProviderType) -> Self {
        Self {
            name: InstanceName::new(name),
            provider_type,
            base_url: String::new(),
            models: Vec::new(),
            enabled: true,
            weight: 1,
            limits: limit::Settings::default(),
        }
    }
}
