//! Log lines as a face shows them, and where it reads them.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something is wrong.
    Error,
    /// Something may be wrong.
    Warn,
    /// Something happened.
    Info,
    /// How it happened.
    Debug,
    /// Every step.
    Trace,
}

impl LogLevel {
    /// Every level, what matters most first.
    pub const ALL: [Self; 5] = [
        Self::Error,
        Self::Warn,
        Self::Info,
        Self::Debug,
        Self::Trace,
    ];

    /// Returns its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its number, from 1; a gap is lines that were dropped.
    pub number: u64,
    /// When it was written.
    pub at: Timestamp,
    /// How much it matters.
    pub level: LogLevel,
    /// The part of the program that wrote it.
    pub target: String,
    /// What it says, cleaned, in one line.
    pub text: String,
}

/// Where the last lines of the log are read; cheap to ask.
pub trait LogSource: std::fmt::Debug + Send + Sync {
    /// Returns the lines after a number, oldest first, as many as are still held.
    fn after(&self, number: u64) -> Vec<Arc<LogLine>>;
    /// Hears the number of the newest line.
    fn newest(&self) -> watch::Receiver<u64>;
}
