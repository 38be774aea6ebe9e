//! What can be set.

use serde::{Deserialize, Serialize};

use super::alerts;

/// How much the monitor remembers, and what it warns of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many of the last failures are remembered one by one.
    pub error_ring: usize,
    /// How many groups of alike failures are counted.
    pub error_groups: usize,
    /// When somebody is alerted.
    pub alerts: alerts::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            error_ring: 200,
            error_groups: 200,
            alerts: alerts::Settings::default(),
        }
    }
}
