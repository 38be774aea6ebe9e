//! A short message that goes away by itself.

use std::time::Duration;

use tokio::time::Instant;

/// How a message is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Something was done.
    Done,
    /// Something to know.
    Note,
    /// Something did not work.
    Failed,
}

/// A message and when it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Toast {
    pub(crate) text: String,
    pub(crate) tone: Tone,
    pub(crate) until: Instant,
}

impl Toast {
    /// Makes a message that stays as long as its length takes to read.
    pub(crate) fn new(text: impl Into<String>, tone: Tone, now: Instant) -> Self {
        const SHORTEST: Duration = Duration::from_millis(2500);
        const PER_CHARACTER: Duration = Duration::from_millis(45);
        let text = text.into();
        let length = text.chars().count().min(160) as u32;
        Self {
            until: now + SHORTEST + PER_CHARACTER * length,
            text,
            tone,
        }
    }

    /// Makes a message that stays for a given time.
    pub(crate) fn lasting(
        text: impl Into<String>,
        tone: Tone,
        now: Instant,
        time: Duration,
    ) -> Self {
        Self {
            text: text.into(),
            tone,
            until: now + time,
        }
    }
}
