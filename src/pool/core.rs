//! The pool without I/O: one queue, late binding, limits, breakers. The caller brings the time and carries the news.
//!
//! Everything that happens is a method with `now`; decisions come back as [`Verdict`]s. The driver runs it under one
//! short lock, the simulator in virtual time, both the same code. The same seed and the same calls give the same
//! decisions.

mod candidates;
mod change;
mod commands;
mod dispatch;
mod ending;
mod gates;
mod passing;
mod refuse;
mod scaling;
mod slot;
mod view;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use crate::base::{
    ChatRequest, DeckEvent, Error, InstanceName, InstanceState, Priority, ProviderType, RouteName,
    Target,
};
use crate::limit::{Cost, Ticket};

use super::breaker::{BreakerSettings, Pass};
use super::estimate::Fleet;
use super::queue::{Place, Queue};
use super::scaler::Scaler;
use super::strategy::{Standing, Strategy, StrategyKind};
use super::{InstanceSettings, RouteSettings, Settings};

pub(crate) use change::Wanted;
pub(crate) use ending::End;
use gates::{Gate, Gates};
pub(crate) use scaling::Scaled;
pub(crate) use slot::Slot;
pub(crate) use view::PoolView;

/// What a request wants of the pool.
#[derive(Clone, Debug)]
pub(crate) struct Want {
    pub(crate) target: Target,
    pub(crate) model: Option<String>,
    pub(crate) cost: Cost,
    pub(crate) priority: Priority,
    pub(crate) caller: Option<String>,
    pub(crate) conversation: Option<String>,
    pub(crate) deadline: Instant,
    /// Numbers of the instances that have been tried, or that the caller does not want.
    pub(crate) tried: Vec<u32>,
    /// The fairness tag from the first time, for one that comes back.
    pub(crate) tag: Option<u64>,
    /// The caller's own number for it, handed to the strategy.
    pub(crate) request: u64,
    /// The provider types that can do it, a bit each; 0 for all.
    pub(crate) types: u8,
}

impl Want {
    /// Reads a request; `output` is the number of output tokens to expect when it sets no bound.
    pub(crate) fn of(request: &ChatRequest, deadline: Instant, output: u64) -> Self {
        Self {
            target: request.target.clone(),
            model: request.model.clone(),
            cost: {
                let output = request.max_tokens.map_or(output, |most| most.min(output));
                Cost {
                    tokens: request.estimated_prompt_tokens() + output,
                    output,
                    spend: 0,
                }
            },
            priority: request.priority,
            caller: request.caller.clone(),
            conversation: request.conversation.clone(),
            deadline,
            tried: Vec::new(),
            tag: None,
            request: 0,
            types: request.types.iter().fold(0, |all, one| all | bit(*one)),
        }
    }
}

/// Returns a provider type's bit among several.
pub(super) const fn bit(provider_type: ProviderType) -> u8 {
    1 << provider_type as u8
}

/// The right to send one request to one instance.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) lease: u64,
    /// The number of its instance.
    pub(crate) at: u32,
    pub(crate) instance: InstanceName,
    pub(crate) provider_type: ProviderType,
    pub(crate) model: String,
    pub(crate) queued: Duration,
    pub(crate) tag: u64,
    /// Whether it is the one request that finds out whether an instance is well again.
    pub(crate) probe: bool,
}

/// What became of somebody who waited.
pub(crate) type Verdict = Result<Grant, Error>;

/// What became of a request for a permit.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It can go.
    Granted(Grant),
    /// It waits at this place.
    Waiting(Place),
    /// It cannot be served, or not in time.
    Refused(Error),
}

/// All requests with the same target and model, which have the same candidates.
#[derive(Debug)]
struct Class {
    /// Positions, ascending.
    candidates: Vec<u32>,
    /// The tier of each candidate, for routes.
    tiers: Option<Vec<u32>>,
    /// Which strategy state it uses: 0 is the pool's own, then one for each route.
    strategy: usize,
    waiting: usize,
}

/// One strategy in force.
struct Balancing {
    route: Option<RouteName>,
    kind: StrategyKind,
    state: Box<dyn Strategy>,
}

/// Hashes numbers that are given out in turn: nobody outside chooses them.
type Numbered = std::hash::BuildHasherDefault<NumberHasher>;

#[derive(Default)]
struct NumberHasher(u64);

impl std::hash::Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing: the map reads the upper bits too.
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// An attempt that runs.
#[derive(Debug)]
struct LeaseState {
    /// The position of its instance.
    at: u32,
    pass: Pass,
    ticket: Ticket,
    started: Instant,
    first_token: Option<Instant>,
    tokens: u64,
    model: String,
}

/// A waiter's request and the class it belongs to.
#[derive(Debug)]
struct Pending {
    want: Want,
    class: usize,
}

/// The pool.
pub(crate) struct Core {
    settings: Settings,
    routes: Vec<RouteSettings>,
    slots: Vec<Slot>,
    standings: Vec<Standing>,
    gates: Gates,
    classes: Vec<Class>,
    class_of: HashMap<(Target, Option<String>, u8), usize>,
    balancing: Vec<Balancing>,
    queue: Queue<Pending>,
    leases: HashMap<u64, LeaseState, Numbered>,
    /// No hold ends before this.
    holds_end: Option<Instant>,
    next_lease: u64,
    warm: HashMap<String, u32>,
    scaler: Scaler,
    /// What scaling will do next, as of the last look.
    foreseen: Option<scaling::Foreseen>,
    fleet: Fleet,
    fleet_at: Option<Instant>,
    scores_at: Option<Instant>,
    /// Mean time a permit is held, in seconds, and how many ends it stands on.
    hold: f64,
    ends: u64,
    refused: u64,
    verdicts: Vec<(Place, Verdict)>,
    events: Vec<DeckEvent>,
    known_states: Vec<InstanceState>,
    rng: SmallRng,
    scratch: dispatch::Scratch,
}

impl Core {
    /// Makes a pool.
    ///
    /// # Errors
    /// When a strategy is unknown, or a route names an instance that is not there.
    pub(crate) fn new(
        settings: Settings,
        routes: Vec<RouteSettings>,
        instances: Vec<InstanceSettings>,
        seed: u64,
        now: Instant,
    ) -> Result<Self, Error> {
        let names = instances.iter().map(|instance| &instance.name);
        let kinds = Self::check(&settings, &routes, names)?;
        let owners =
            std::iter::once(None).chain(routes.iter().map(|route| Some(route.name.clone())));
        let balancing = owners
            .zip(&kinds)
            .map(|(route, kind)| Balancing {
                route,
                kind: *kind,
                state: kind.build(),
            })
            .collect();
        let mut core = Self {
            routes,
            slots: Vec::with_capacity(instances.len()),
            standings: Vec::with_capacity(instances.len()),
            gates: Gates::default(),
            holds_end: None,
            scores_at: None,
            classes: Vec::new(),
            class_of: HashMap::new(),
            balancing,
            queue: Queue::default(),
            leases: HashMap::default(),
            next_lease: 0,
            warm: HashMap::new(),
            scaler: Scaler::new(settings.scaling.clone()),
            foreseen: None,
            fleet: Fleet::default(),
            fleet_at: None,
            hold: 0.0,
            ends: 0,
            refused: 0,
            verdicts: Vec::new(),
            events: Vec::new(),
            known_states: Vec::new(),
            rng: SmallRng::seed_from_u64(seed),
            scratch: dispatch::Scratch::default(),
            settings,
        };
        let breaker = core.settings.breaker.clone();
        for (number, instance) in (0..).zip(instances) {
            core.add_slot(number, instance, &breaker, now);
        }
        Ok(core)
    }

    /// Adds an instance at the end of the ring. Its number is its name for those outside: it is never given again.
    fn add_slot(
        &mut self,
        number: u32,
        settings: InstanceSettings,
        breaker: &BreakerSettings,
        now: Instant,
    ) {
        let breaker = settings.breaker.as_ref().unwrap_or(breaker).clone();
        let slot = Slot::new(number, settings, breaker, now);
        let gate = Gate {
            open: slot.is_open(),
            care: slot.needs_care(),
            ready_at: None,
        };
        self.gates.push(gate, true);
        self.slots.push(slot);
        let at = self.slots.len() - 1;
        self.standings.push(self.standing_of(at, now));
        self.classes.clear();
        self.class_of.clear();
        self.known_states.push(self.state_of(at, now));
    }

    /// Returns what a strategy knows of an instance with nothing in flight.
    fn standing_of(&self, at: usize, now: Instant) -> Standing {
        let slot = &self.slots[at];
        Standing {
            in_flight: 0,
            permits: slot.permits(now),
            weight: slot.settings.weight.max(1),
            tier: slot.settings.tier,
            price: slot
                .settings
                .price
                // Adding nothing makes a zero of either sign the same one.
                .map_or(f32::INFINITY, |price| price as f32 + 0.0),
            budget_left: slot.limiter.share_left(now) as f32,
            expected: slot.estimate.score(None, &self.fleet, now) as f32,
            ..Standing::default()
        }
        .weighed()
    }

    /// Lets somebody else than a known strategy choose, for requests without a route.
    #[cfg(feature = "cli")]
    pub(crate) fn choose_by(&mut self, strategy: Box<dyn Strategy>) {
        self.balancing[0].state = strategy;
    }

    /// Finds an instance's position by name.
    pub(crate) fn find(&self, name: &InstanceName) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.settings.name == *name && !slot.removed)
    }

    /// Returns how many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Returns output tokens to expect of a request that sets no bound.
    pub(crate) fn expected_output(&self) -> u64 {
        self.fleet.tokens as u64
    }

    /// Takes what was decided for those who wait.
    pub(crate) fn take_verdicts(&mut self) -> Vec<(Place, Verdict)> {
        std::mem::take(&mut self.verdicts)
    }

    /// Takes what happened.
    pub(crate) fn take_events(&mut self) -> Vec<DeckEvent> {
        std::mem::take(&mut self.events)
    }

    /// Tells whether a request that has tried some instances has another one left that may answer in time.
    pub(crate) fn has_untried(&mut self, want: &Want, now: Instant) -> bool {
        let Ok(class) = self.class(want) else {
            return false;
        };
        let tried = &want.tried;
        self.classes[class].candidates.iter().any(|at| {
            let slot = &self.slots[*at as usize];
            !tried.contains(&slot.number)
                && slot.is_open()
                && slot.breaker.admits(now)
                && slot
                    .earliest(slot.cost(want), now)
                    .is_some_and(|when| when < want.deadline)
        })
    }

    /// Recomputes the cheap part of an instance's readiness after anything about it changed.
    fn refresh(&mut self, at: usize, now: Instant) {
        let slot = &self.slots[at];
        let standing = &mut self.standings[at];
        standing.permits = slot.permits(now);
        if let Some(trust) = slot.breaker.trust() {
            // What streams has answered, and does not count.
            let answered = standing.in_flight.saturating_sub(slot.silent);
            standing.permits = standing.permits.min(answered + trust);
        }
        standing.weigh();
        let gate = Gate {
            open: slot.is_open(),
            care: slot.needs_care() || slot.is_starting(now),
            ready_at: slot.ready_at().filter(|ready_at| *ready_at > now),
        };
        let standing = &self.standings[at];
        let is_free = standing.in_flight < standing.permits;
        self.gates.set(at, gate, is_free);
        let state = self.state_of(at, now);
        if std::mem::discriminant(&state) != std::mem::discriminant(&self.known_states[at]) {
            self.events.push(DeckEvent::StateChanged {
                instance: self.slots[at].settings.name.clone(),
                state: state.clone(),
            });
            self.known_states[at] = state;
        }
    }
}
