//! Hedging: a second attempt beside one whose first token is late, for routes that ask for it.
//!
//! "Late" is the route's own 95th percentile over the last quarter of an hour, once it stands on 50 answers. A second
//! attempt needs a free permit with nobody waiting, and a place in the route's budget: 5 % of its requests unless it says
//! otherwise. The loser is cancelled
//! at the other's first token. After "The Tail at Scale" (Dean and Barroso, 2013); off by default, since the prompt is
//! billed twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::base::{Chunk, Error, ErrorKind, RetryView, RouteName, Scope, Target};
use crate::pool::core::Want;
use crate::pool::{Lease, RouteSettings};

use super::attempt::Running;
use super::retry::{Budget, Next, RetrySettings};
use super::{InForce, Shared};

/// Answers that the percentile must stand on.
const FEWEST_SAMPLES: u64 = 50;
/// The percentile is of this time.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Second attempts for each request, where the route does not say.
const BUDGET: f64 = 0.05;

/// What each route has left for second attempts.
#[derive(Debug, Default)]
pub(super) struct Budgets(Mutex<BTreeMap<RouteName, Arc<Budget>>>);

impl Budgets {
    /// Returns a route's, with what it may spend now.
    fn of(&self, route: &RouteSettings) -> Arc<Budget> {
        let settings = RetrySettings {
            budget: route.hedge_budget.unwrap_or(BUDGET),
            burst: 1.0,
            ..RetrySettings::default()
        };
        let mut budgets = self.0.lock();
        let budget = budgets
            .entry(route.name.clone())
            .or_insert_with(|| Arc::new(Budget::new(&settings)));
        budget.tune(&settings);
        Arc::clone(budget)
    }

    /// Returns how a route's stands, if that hedges.
    pub(super) fn view(&self, route: &RouteSettings) -> Option<RetryView> {
        route.hedge.then(|| self.of(route).view())
    }

    /// Forgets those of routes that are gone.
    pub(super) fn keep(&self, routes: &[RouteSettings]) {
        let is_there = |name: &RouteName| routes.iter().any(|route| route.name == *name);
        self.0.lock().retain(|name, _| is_there(name));
    }
}

/// Pays a request into the budget of its route, if that hedges.
pub(super) fn pay(shared: &Shared, in_force: &InForce, target: &Target) {
    if let Some(route) = route(in_force, target) {
        shared.hedges.of(route).request();
    }
}

fn route<'f>(in_force: &'f InForce, target: &Target) -> Option<&'f RouteSettings> {
    let Target::Route(name) = target else {
        return None;
    };
    let route = in_force.routes.get(name)?;
    route.hedge.then_some(route)
}

/// Returns how long to wait for the first token before a second attempt; `None` for never.
pub(super) fn delay(shared: &Shared, in_force: &InForce, target: &Target) -> Option<Duration> {
    let route = route(in_force, target)?;
    let scope = Scope::Route(route.name.clone());
    let metrics = shared
        .monitor
        .window_metrics(&scope, WINDOW, Instant::now());
    let first_token = metrics.time_to_first_token?;
    (first_token.count >= FEWEST_SAMPLES).then_some(first_token.p95)
}

/// Gets a lease for a second attempt, if budget and permits allow one.
pub(super) fn lease(
    shared: &Shared,
    in_force: &InForce,
    target: &Target,
    want: Want,
) -> Option<Lease> {
    let budget = shared.hedges.of(route(in_force, target)?);
    // A lease that is given back has cost its instance a reservation, and a permit that is not there must cost nothing
    // of the budget.
    if !budget.has_one() {
        return None;
    }
    let lease = shared.balancer.try_lease(want)?;
    // A kind that the budget counts.
    budget
        .take(ErrorKind::TimeoutFirstToken, false, Next::Failover)
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
