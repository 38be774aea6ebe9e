//! What is kept, where, and for how long.

use serde::{Deserialize, Serialize};

/// How conversations and requests are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether anything is kept at all.
    pub enabled: bool,
    /// The folder; empty takes the data folder.
    pub dir: String,
    /// Conversations in which nothing was said for so many days go, unless they are pinned; 0 keeps them.
    pub keep_days: u32,
    /// When conversations take more room than this, in MiB, the oldest go, unless they are pinned; 0 is no bound.
    pub keep_mb: u32,
    /// Whether ended requests are logged.
    pub requests: bool,
    /// Whether the log holds what was asked, too.
    pub prompts: bool,
    /// For how many days a request stays in the log; 0 for as long as there is room.
    pub requests_keep_days: u32,
    /// How much room the request log takes at most, in MiB.
    pub requests_keep_mb: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            dir: String::new(),
            keep_days: 0,
            keep_mb: 0,
            requests: true,
            prompts: false,
            requests_keep_days: 90,
            requests_keep_mb: 256,
        }
    }
}
