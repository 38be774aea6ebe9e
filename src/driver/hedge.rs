//! Hedging: a second attempt beside one whose first token is late, for routes that ask for it.
//!
//! "Late" is the route's own 95th percentile over the last quarter of an hour, once it stands on 50 answers. A second
//! attempt needs a free permit with nobody waiting, and a place in a budget of 5 % of requests. The loser is cancelled
//! at the other's first token. After "The Tail at Scale" (Dean and Barroso, 2013); off by default, since the prompt is
//! billed twice.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::{Chunk, Error, ErrorKind, Scope, Target};
use crate::pool::Lease;
use crate::pool::core::Want;

use super::attempt::Running;
use super::retry::{Budget, RetrySettings};
use super::{InForce, Shared};

/// Answers that the percentile must stand on.
const FEWEST_SAMPLES: u64 = 50;
/// The percentile is of this time.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Makes the budget of hedges.
pub(super) fn budget() -> Budget {
    Budget::new(&RetrySettings {
        budget: 0.05,
        burst: 1.0,
        ..RetrySettings::default()
    })
}

/// Returns how long to wait for the first token before a second attempt; `None` for never.
pub(super) fn delay(shared: &Shared, in_force: &InForce, target: &Target) -> Option<Duration> {
    let Target::Route(route) = target else {
        return None;
    };
    if !in_force.routes.get(route)?.hedge {
        return None;
    }
    shared.hedges.request();
    let scope = Scope::Route(route.clone());
    let metrics = shared
        .monitor
        .window_metrics(&scope, WINDOW, Instant::now());
    let first_token = metrics.time_to_first_token?;
    (first_token.count >= FEWEST_SAMPLES).then_some(first_token.p95)
}

/// Gets a lease for a second attempt, if budget and permits allow one.
pub(super) fn lease(shared: &Shared, want: Want) -> Option<Lease> {
    // The budget is asked last: a permit that is not there costs nothing of it.
    let lease = shared.balancer.try_lease(want)?;
    // A kind that the budget counts.
    shared
        .hedges
        .take(ErrorKind::TimeoutFirstToken)
        .then_some(lease)
}

/// What came first.
pub(super) enum Race {
    /// A piece (or the end) of the first attempt.
    First(Option<Result<Chunk, Error>>),
    /// A piece (or the end) of the second one.
    Second(Option<Result<Chunk, Error>>),
    /// The first token is late, and a second attempt may begin.
    Late,
    /// The first token is later than the route allows.
    TooLate,
    /// The caller's own deadline is over.
    OutOfTime,
}

/// When what is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// A second attempt may begin.
    pub(super) late: Option<Instant>,
    /// The first attempt has failed.
    pub(super) too_late: Option<Instant>,
    /// The caller's patience is over.
    pub(super) deadline: Option<Instant>,
}

/// Waits for whatever comes first.
pub(super) async fn race(
    first: &mut Option<Running>,
    second: &mut Option<Running>,
    times: Times,
) -> Race {
    tokio::select! {
        biased;
        piece = next(first) => Race::First(piece),
        piece = next(second), if second.is_some() => Race::Second(piece),
        () = at(times.deadline), if times.deadline.is_some() => Race::OutOfTime,
        () = at(times.too_late), if times.too_late.is_some() => Race::TooLate,
        () = at(times.late), if times.late.is_some() => Race::Late,
    }
}

async fn next(running: &mut Option<Running>) -> Option<Result<Chunk, Error>> {
    match running {
        Some(running) => running.next().await,
        None => None,
    }
}

async fn at(when: Option<Instant>) {
    if let Some(when) = when {
        tokio::time::sleep_until(when).await;
    }
}
