//! The log's lines, read a few times a second while somebody looks at them, and not at all otherwise.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::base::{LogLine, LogSource};

/// The least time between two readings.
const EVERY: Duration = Duration::from_millis(500);

/// Where log lines come from, and when to read them.
#[derive(Debug)]
pub(super) struct Feed {
    source: Arc<dyn LogSource>,
    newest: watch::Receiver<u64>,
    last: Instant,
    due: Option<Instant>,
}

impl Feed {
    pub(super) fn new(source: Arc<dyn LogSource>, now: Instant) -> Self {
        Self {
            newest: source.newest(),
            source,
            last: now,
            due: None,
        }
    }

    /// Waits for new lines, and sets the alarm to read them.
    pub(super) async fn changed(feed: &mut Option<Self>) {
        if let Some(feed) = feed.as_mut().filter(|feed| feed.due.is_none())
            && feed.newest.changed().await.is_ok()
        {
            feed.due = Some(Instant::now().max(feed.last + EVERY));
        } else {
            std::future::pending::<()>().await;
        }
    }

    /// Tells when to read.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// Reads the lines after a number.
    pub(super) fn read(&mut self, after: u64, now: Instant) -> Vec<Arc<LogLine>> {
        self.last = now;
        self.due = None;
        self.newest.mark_unchanged();
        self.source.after(after)
    }
}
