//! What scaling will do next, as the board shows it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::InstanceName;

/// Scaling at one moment, where there is an instance that may stand by. Demand is requests running and waiting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScalingView {
    /// Whether instances join and leave by themselves.
    pub enabled: bool,
    /// Demand at the last look, at most a second ago.
    pub demand: f64,
    /// Its mean over `scaling.stable_window`, once that has been looked at in full.
    pub mean_demand: Option<f64>,
    /// Permits of the instances that take part and are well.
    pub permits: f64,
    /// Who joins next, if anybody stands by.
    pub join: Option<ScalingStep>,
    /// Who leaves next, if anybody has joined.
    pub leave: Option<ScalingStep>,
    /// Until the next change is allowed; in a panic a join does not wait for it.
    pub cool_down_left: Duration,
    /// Until the last panic is far enough away for somebody to leave.
    pub calm_in: Duration,
}

/// The next instance to join or to leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalingStep {
    /// Which one.
    pub instance: InstanceName,
    /// The demand above which it joins, or up to which it leaves.
    pub demand: f64,
    /// When it does, should demand stay as it is; `None` for never.
    pub due_in: Option<Duration>,
}
