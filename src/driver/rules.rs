//! What counts for one request: the settings of its route over those of the pool.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::{Error, ErrorKind, Priority, RouteName};

use super::attempt::Running;
use super::{InForce, RetrySettings};

/// The settings of one request.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) deadline: Duration,
    pub(super) retry: RetrySettings,
    pub(super) priority: Priority,
    pub(super) total_timeout: Option<Duration>,
    first_token_timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
}

impl Rules {
    /// Lays a route's settings over the pool's.
    pub(super) fn of(in_force: &InForce, route: Option<&RouteName>) -> Self {
        let settings = &in_force.settings;
        let mut rules = Self {
            deadline: settings.pool.deadline,
            retry: settings.retry.clone(),
            priority: Priority::default(),
            total_timeout: None,
            first_token_timeout: None,
            idle_timeout: None,
        };
        if let Some(route) = route.and_then(|route| in_force.routes.get(route)) {
            rules.deadline = route.deadline.unwrap_or(rules.deadline);
            rules.retry.attempts = route.attempts.unwrap_or(rules.retry.attempts);
            rules.priority = route.priority;
            rules.total_timeout = route.total_timeout;
            rules.first_token_timeout = route.first_token_timeout;
            rules.idle_timeout = route.idle_timeout;
        }
        rules
    }

    /// Returns when an attempt has taken too long for its first token.
    pub(super) fn too_late(&self, running: Option<&Running>) -> Option<Instant> {
        Some(running?.begun() + self.patience()?)
    }

    /// Returns until when a stream that is asked now must bring its next piece, and what it is told otherwise.
    pub(super) fn patience_with(&self, running: &Running) -> Option<(Instant, Error)> {
        let over = (self.total_timeout).map(|total| (running.begun() + total, too_long(total)));
        let silent = (self.idle_timeout).map(|idle| (Instant::now() + idle, too_silent(idle)));
        match (over, silent) {
            (Some(over), Some(silent)) => Some(if over.0 <= silent.0 { over } else { silent }),
            (over, silent) => over.or(silent),
        }
    }

    /// Says that no first token came in time.
    pub(super) fn no_first_token(&self) -> Error {
        let patience = self.patience().unwrap_or_default().as_secs_f64();
        Error::new(
            ErrorKind::TimeoutFirstToken,
            format!("no first token within {patience} s, which is all this route allows"),
        )
    }

    /// An attempt that may take so long in all may take no longer to its first token.
    fn patience(&self) -> Option<Duration> {
        let shorter = |first: Duration| self.total_timeout.map_or(first, |total| first.min(total));
        self.first_token_timeout.map(shorter).or(self.total_timeout)
    }
}

/// Says that a stream fell silent for longer than its route allows.
fn too_silent(idle: Duration) -> Error {
    Error::new(
        ErrorKind::TimeoutIdle,
        format!(
            "nothing more came within {} s, which is all this route allows",
            idle.as_secs_f64()
        ),
    )
}

/// Says that an answer took longer than its route allows.
fn too_long(total: Duration) -> Error {
    Error::new(
        ErrorKind::Deadline,
        format!(
            "the answer was not finished within {} s, which is all this route allows",
            total.as_secs_f64()
        ),
    )
}
