//! The pool for many tasks at once: one short lock around the core, waiters woken by name, a lease that gives back.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast, oneshot};
use tokio::time::Instant;

use crate::base::{
    Changed, ChatRequest, Command, DeckEvent, Error, InstanceName, ProviderType, RateLimits,
};

use super::core::{Admission, Core, End, Grant, PoolView, Scaled, Verdict, Want, Wanted};
use super::past::Past;
use super::queue::Place;
use super::{InstanceSettings, RouteSettings, Settings, StrategyKind};

/// The balancer over all instances (the design document's name for it); cheap to clone.
///
/// It decides which instance takes a request and when: one queue, late binding, limits, breakers, and a strategy. The
/// driver asks it for a lease before each attempt.
#[derive(Clone)]
pub struct LlmLoadBalancer(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Tells the timer that the next moment to look may be sooner now.
    earlier: Notify,
    events: broadcast::Sender<DeckEvent>,
}

struct State {
    core: Core,
    waiting: HashMap<Place, oneshot::Sender<Verdict>>,
    timer_runs: bool,
}

impl LlmLoadBalancer {
    /// Makes a pool.
    pub(crate) fn new(
        settings: Settings,
        routes: Vec<RouteSettings>,
        instances: Vec<InstanceSettings>,
        seed: u64,
        events: broadcast::Sender<DeckEvent>,
    ) -> Result<Self, Error> {
        let core = Core::new(settings, routes, instances, seed, Instant::now())?;
        Ok(Self(Arc::new(Inner {
            state: Mutex::new(State {
                core,
                waiting: HashMap::new(),
                timer_runs: false,
            }),
            earlier: Notify::new(),
            events,
        })))
    }

    /// Waits for a permit. Dropping the future leaves the queue.
    pub(crate) async fn lease(&self, want: Want) -> Result<Lease, Error> {
        let now = Instant::now();
        let (receiver, place) = {
            let mut state = self.0.state.lock();
            let admission = state.core.acquire(want, now);
            self.0.deliver(&mut state);
            match admission {
                Admission::Granted(grant) => return Ok(Lease::new(self.clone(), grant)),
                Admission::Refused(error) => return Err(error),
                Admission::Waiting(place) => {
                    let (sender, receiver) = oneshot::channel();
                    state.waiting.insert(place, sender);
                    if state.timer_runs {
                        self.0.earlier.notify_one();
                    } else {
                        state.timer_runs = true;
                        tokio::spawn(timer(Arc::downgrade(&self.0)));
                    }
                    (receiver, place)
                }
            }
        };
        let mut queued = Queued {
            pool: self,
            place: Some(place),
            receiver,
        };
        let verdict = (&mut queued.receiver).await;
        queued.place = None;
        match verdict {
            Ok(verdict) => Ok(Lease::new(self.clone(), verdict?)),
            // The sender is only dropped with the pool itself.
            Err(_) => Err(Error::new(
                crate::base::ErrorKind::Cancelled,
                "the pool was shut down",
            )),
        }
    }

    /// Gives a permit if one is free now and nobody waits.
    pub(crate) fn try_lease(&self, want: Want) -> Option<Lease> {
        let mut state = self.0.state.lock();
        let grant = state.core.try_acquire(want, Instant::now());
        self.0.deliver(&mut state);
        drop(state);
        grant.map(|grant| Lease::new(self.clone(), grant))
    }

    /// Reads a request into what it wants of the pool.
    pub(crate) fn want(&self, request: &ChatRequest, deadline: Instant) -> Want {
        let mut state = self.0.state.lock();
        let mut want = Want::of(request, deadline, state.core.expected_output());
        want.tried = request
            .avoid
            .iter()
            .filter_map(|name| state.core.number_of(name))
            .collect();
        if !want.tried.is_empty() && !state.core.has_untried(&want, Instant::now()) {
            want.tried.clear();
        }
        want
    }

    /// Tells whether another instance is left for a request that has tried some.
    pub(crate) fn has_untried(&self, want: &Want) -> bool {
        self.0.state.lock().core.has_untried(want, Instant::now())
    }

    /// Returns the strategy in force for requests without a route.
    pub fn strategy(&self) -> StrategyKind {
        self.0.state.lock().core.strategy()
    }

    /// Carries out a command.
    pub(crate) fn command(&self, command: &Command) -> Result<Changed, Error> {
        self.0.with(|core, now| core.command(command, now))
    }

    /// Takes a whole new set of settings, routes and instances, or refuses it whole.
    pub(crate) fn apply(
        &self,
        settings: Settings,
        routes: Vec<RouteSettings>,
        instances: Vec<Wanted>,
    ) -> Result<(), Error> {
        self.0
            .with(|core, now| core.apply(settings, routes, instances, now))
    }

    /// Begins to tell what an earlier run used of the budgets, this one having begun at `start` by both clocks.
    pub(crate) fn past(&self, start: (Timestamp, Instant)) -> Past {
        Past::new(start, self.0.state.lock().core.limited())
    }

    /// Takes in what an earlier run used of the budgets.
    pub(crate) fn recall(&self, past: Past) {
        for (name, used) in past.used() {
            self.0.with(|core, now| core.recall(&name, &used, now));
        }
    }

    /// Adds an instance under a number that was never given before.
    pub(crate) fn add(&self, number: u32, settings: InstanceSettings) -> Result<Changed, Error> {
        self.0.with(|core, now| core.add(number, settings, now))
    }

    /// Tells whether there is an instance of this name that does not leave.
    pub(crate) fn has(&self, name: &InstanceName) -> bool {
        self.0.state.lock().core.find(name).is_some()
    }

    /// Returns the numbers of the instances that are there, leaving ones too.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.0.state.lock().core.numbers()
    }

    /// Returns the numbers of the instances that stay, in their order.
    pub(crate) fn staying(&self) -> Vec<u32> {
        self.0.state.lock().core.staying()
    }

    /// Returns the routes as they are set, in their order.
    pub(crate) fn routes(&self) -> Vec<RouteSettings> {
        self.0.state.lock().core.routes().to_vec()
    }

    /// Tells whether there is anything to scale.
    pub(crate) fn scales(&self) -> bool {
        self.0.state.lock().core.scales()
    }

    /// Lets a standby instance join, or a joined one leave, as the load wants it.
    pub(crate) fn scale(&self) -> Option<Scaled> {
        self.0.with(Core::scale)
    }

    /// Takes the result of an active probe.
    pub(crate) fn probed(&self, name: &InstanceName, result: Result<(), &Error>) {
        self.0.with(|core, now| core.probed(name, result, now));
    }

    /// Takes the picture of this moment.
    pub(crate) fn view(&self) -> PoolView {
        self.0.state.lock().core.view(Instant::now())
    }
}

impl Inner {
    /// Does something to the core, and carries its news to whom they concern.
    fn with<T>(&self, act: impl FnOnce(&mut Core, Instant) -> T) -> T {
        let mut state = self.state.lock();
        let result = act(&mut state.core, Instant::now());
        self.deliver(&mut state);
        if state.timer_runs {
            self.earlier.notify_one();
        }
        result
    }

    fn deliver(&self, state: &mut State) {
        let verdicts = state.core.take_verdicts();
        for (place, verdict) in verdicts {
            let lost = match state.waiting.remove(&place) {
                Some(sender) => sender.send(verdict).err(),
                None => Some(verdict),
            };
            // Whoever left between the decision and now gives the permit back at once.
            if let Some(Ok(grant)) = lost {
                state
                    .core
                    .release(grant.lease, End::Cancelled, Instant::now());
                self.deliver(state);
            }
        }
        for event in state.core.take_events() {
            // Nobody listening is fine.
            let _ = self.events.send(event);
        }
    }
}

/// Looks again whenever time alone can have changed something; ends when nobody waits.
async fn timer(inner: Weak<Inner>) {
    /// Never look more often than this, however close the next moment is.
    const LEAST: Duration = Duration::from_millis(1);
    loop {
        let Some(strong) = inner.upgrade() else {
            return;
        };
        let now = Instant::now();
        let wake = {
            let mut state = strong.state.lock();
            state.core.tick(now);
            strong.deliver(&mut state);
            if state.core.waiting() == 0 {
                state.timer_runs = false;
                return;
            }
            state.core.next_wake(now)
        };
        let wake = wake
            .unwrap_or(now + Duration::from_secs(1))
            .max(now + LEAST);
        tokio::select! {
            () = tokio::time::sleep_until(wake) => {}
            () = strong.earlier.notified() => {}
        }
    }
}

/// A place in the queue that is given up when dropped.
struct Queued<'a> {
    pool: &'a LlmLoadBalancer,
    place: Option<Place>,
    receiver: oneshot::Receiver<Verdict>,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else {
            return;
        };
        let mut state = self.pool.0.state.lock();
        state.waiting.remove(&place);
        state.core.give_up(place, Instant::now());
        // The permit may have been granted already and wait in the channel.
        if let Ok(Ok(grant)) = self.receiver.try_recv() {
            state
                .core
                .release(grant.lease, End::Cancelled, Instant::now());
        }
        self.pool.0.deliver(&mut state);
    }
}

/// A permit and a reservation of the rate budget for one attempt; gives both back when it is dropped.
pub(crate) struct Lease {
    pool: LlmLoadBalancer,
    grant: Grant,
    ended: bool,
}

impl Lease {
    fn new(pool: LlmLoadBalancer, grant: Grant) -> Self {
        Self {
            pool,
            grant,
            ended: false,
        }
    }

    /// Returns the number of its instance.
    pub(crate) fn at(&self) -> u32 {
        self.grant.at
    }

    /// Returns the instance's name.
    pub(crate) fn instance(&self) -> &InstanceName {
        &self.grant.instance
    }

    /// Returns the instance's provider type.
    pub(crate) fn provider_type(&self) -> ProviderType {
        self.grant.provider_type
    }

    /// Returns the model to ask for.
    pub(crate) fn model(&self) -> &str {
        &self.grant.model
    }

    /// Returns how long the request waited for this permit.
    pub(crate) fn queued(&self) -> Duration {
        self.grant.queued
    }

    /// Returns the fairness tag, to be kept when the request comes back.
    pub(crate) fn tag(&self) -> u64 {
        self.grant.tag
    }

    /// Tells whether it finds out if an instance is well again.
    pub(crate) fn is_probe(&self) -> bool {
        self.grant.probe
    }

    /// Tells the pool of the first token.
    pub(crate) fn first_token(&self) {
        self.pool
            .0
            .with(|core, now| core.first_token(self.grant.lease, now));
    }

    /// Tells the pool of progress, in tokens.
    pub(crate) fn progress(&self, tokens: u64) {
        self.pool
            .0
            .state
            .lock()
            .core
            .progress(self.grant.lease, tokens);
    }

    /// Tells the pool of the provider's rate-limit headers.
    pub(crate) fn observe(&self, headers: &RateLimits) {
        if *headers == RateLimits::default() {
            return;
        }
        self.pool
            .0
            .with(|core, now| core.observe(self.grant.lease, headers, now));
    }

    /// Ends it properly.
    pub(crate) fn succeed(mut self, tokens: Option<u64>, output: Option<u64>, spend: Option<f64>) {
        self.end(End::Success {
            tokens,
            output,
            spend,
        });
    }

    /// Ends it with an error.
    pub(crate) fn fail(mut self, error: &Error) {
        self.end(End::Failure(error));
    }

    fn end(&mut self, end: End<'_>) {
        if !self.ended {
            self.ended = true;
            self.pool
                .0
                .with(|core, now| core.release(self.grant.lease, end, now));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.end(End::Cancelled);
    }
}

#[cfg(test)]
mod tests;
