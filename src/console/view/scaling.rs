//! What scaling will do next, in words.

use std::time::Duration;

use crate::base::{Board, InstanceName, ScalingStep, ScalingView};
use crate::console::text;
use crate::console::words::{phrase, t};

/// Says what comes next for one instance; `None` when it is not its turn.
pub(super) fn of_instance(board: &Board, name: &InstanceName) -> Option<String> {
    let scaling = board.scaling.as_ref()?;
    let is_it = |step: &&ScalingStep| step.instance == *name;
    if let Some(step) = scaling.join.as_ref().filter(is_it) {
        let what = phrase!("joins next, above a demand of {}", figure(step.demand));
        return Some(with_when(what, scaling, step, true));
    }
    let step = scaling.leave.as_ref().filter(is_it)?;
    let what = phrase!("leaves next, up to a demand of {}", figure(step.demand));
    Some(with_when(what, scaling, step, false))
}

/// Says what comes next for the pool, the nearer change only.
pub(super) fn of_pool(board: &Board) -> Option<String> {
    let scaling = board.scaling.as_ref()?;
    let steps = [scaling.join.as_ref(), scaling.leave.as_ref()];
    let nearest = steps
        .into_iter()
        .flatten()
        .min_by_key(|step| step.due_in.unwrap_or(Duration::MAX))?;
    let said = of_instance(board, &nearest.instance)?;
    Some(format!("{} {said}", nearest.instance))
}

fn with_when(what: String, scaling: &ScalingView, step: &ScalingStep, joins: bool) -> String {
    let mut parts = vec![what, phrase!("now {}", figure(scaling.demand))];
    if let Some(mean) = scaling.mean_demand {
        parts.push(phrase!("{} on average", figure(mean)));
    }
    parts.push(match step.due_in {
        _ if !scaling.enabled => t("scaling is off").to_owned(),
        Some(due) => phrase!("in {} if that stays", seconds(due)),
        None => t("not while that stays").to_owned(),
    });
    if !scaling.cool_down_left.is_zero() {
        parts.push(phrase!("cool-down {}", seconds(scaling.cool_down_left)));
    }
    if !joins && !scaling.calm_in.is_zero() {
        parts.push(phrase!("after a panic, {} more", seconds(scaling.calm_in)));
    }
    parts.join(" · ")
}

fn seconds(time: Duration) -> String {
    // Whole seconds: what counts down is drawn again at each change.
    let whole = Duration::from_secs(time.as_secs_f64().ceil() as u64);
    text::duration(whole).replace(".0 s", " s")
}

fn figure(demand: f64) -> String {
    let tenths = (demand * 10.0).round() / 10.0;
    format!("{tenths}")
}
