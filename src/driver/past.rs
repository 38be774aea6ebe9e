//! What happened before the start, out of a log of requests: the monitor's long windows and the daily budgets go on
//! where they stopped.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tokio::time::Instant;

use super::LlmModelDriver;
use crate::base::Sample;
use crate::{monitor, pool};

/// What happened before a driver's start, to be filled with samples and given back to it.
pub struct Past {
    monitor: monitor::Past,
    budgets: pool::Past,
    taken: u64,
}

impl Past {
    /// Takes a sample; each was called no earlier than the one before.
    pub fn take(&mut self, sample: Sample) {
        self.budgets.take(&sample);
        self.monitor.take(sample);
        self.taken += 1;
    }

    /// Returns how many samples it has taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }
}

impl LlmModelDriver {
    /// Begins to tell what happened before the start, of which everything since `since` is known. Filling it holds up
    /// nobody; it can be done on another thread.
    pub fn past(&self, since: Timestamp) -> Past {
        let now = Instant::now();
        let wall = Timestamp::now();
        let start = wall
            .checked_sub(now.saturating_duration_since(self.0.started))
            .unwrap_or(wall);
        let instances: BTreeSet<_> = (self.0.roster.read().named())
            .map(|member| member.name().clone())
            .collect();
        let routes: Vec<_> = self.0.in_force().routes.keys().cloned().collect();
        Past {
            monitor: self.0.monitor.past(since, routes, instances),
            budgets: self.0.balancer.past((start, self.0.started)),
            taken: 0,
        }
    }

    /// Takes in what happened before the start: windows, series and the last failures go on from there, and what was
    /// used of budgets by the minute and the day stays used. What is counted since the start stays as it is.
    pub fn recall(&self, past: Past) {
        self.0.monitor.recall(past.monitor);
        self.0.balancer.recall(past.budgets);
    }
}
