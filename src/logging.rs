//! Logs: a rolling file under the console, stderr otherwise.
//!
//! One filter for both: `llmdeck` at the level that is set, everything else at `warn` at most, and prompts only when a
//! setting asks for them. Whoever logs the text of prompts or answers does so under the target [`PROMPTS`].

mod level;
mod ring;
mod rolling;
mod start;

use serde::{Deserialize, Serialize};

pub use level::{LEVELS, check as check_level};
pub use ring::Ring;
pub use start::{Guard, to_file, to_memory, to_stderr, to_stderr_aside};

/// The target under which prompts and answers are logged, so that one setting switches them off.
pub const PROMPTS: &str = "llmdeck::prompts";

/// How logs are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What is written to the file: `off`, `error`, `warn`, `info`, `debug` or `trace`, or a list such as
    /// `info,hyper=debug`.
    pub level: String,
    /// The folder of the log files; empty takes the state folder.
    pub dir: String,
    /// How many days' files are kept, at least 1.
    pub keep_days: u16,
    /// Whether prompts and answers are logged too.
    pub prompts: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            dir: String::new(),
            keep_days: 14,
            prompts: false,
        }
    }
}
