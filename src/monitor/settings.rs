//! What can be set.

use serde::{Deserialize, Serialize};

/// How much the monitor remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many of the last failures are remembered one by one.
    pub error_ring: usize,
    /// How many groups of alike failures are counted.
    pub error_groups: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            error_ring: 200,
            error_groups: 200,
        }
    }
}
