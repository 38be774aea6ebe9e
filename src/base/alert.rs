//! Alerts as a face shows them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Scope;

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Its condition holds, but not for long enough yet.
    Pending,
    /// It holds, or has not been away for long enough yet.
    Firing,
    /// It fired and is over.
    Resolved,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody should look at it today.
    Warning,
    /// Somebody should look at it now.
    Critical,
}

/// One alert at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertView {
    /// The name of its rule.
    pub rule: String,
    /// Whose figures it is about.
    pub scope: Scope,
    /// Where it stands.
    pub state: AlertState,
    /// How bad it is, or was.
    pub severity: Severity,
    /// How long it has been standing there.
    pub age: Duration,
    /// What it saw last while its condition held, in one sentence with the numbers it stands on.
    pub message: String,
    /// How long it stays silent, when somebody silenced it.
    pub silenced: Option<Duration>,
}

/// An alert that came to stand elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertChange {
    /// How it stands now.
    pub alert: AlertView,
    /// Whether somebody should be told: not when it is silenced, pending, was told of a short while ago, or is a
    /// part of a larger one that fires.
    pub notify: bool,
}
