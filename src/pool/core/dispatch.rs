//! Admission and late binding: who waits, and who gets the permit that is free now.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::{Error, ErrorKind, InstanceName, Target};

use super::super::estimate::Fleet;
use super::super::queue::{Place, Waiter};
use super::super::strategy::Field;
use super::{Admission, Class, Core, Grant, LeaseState, Pending, Ready, Want, bit};

/// A waiter is passed over at most so often; then what it can use is kept for it.
const MOST_BYPASSES: u32 = 16;
/// Expected times are computed anew this often.
const SCORES_EVERY: Duration = Duration::from_millis(100);
/// And this often while no strategy reads them.
const UNREAD_SCORES_EVERY: Duration = Duration::from_secs(1);
/// When somebody has waited so long, open breakers are tried again sooner.
const PRESSURE: Duration = Duration::from_secs(1);
/// The mean hold time means something from this many ends on.
const FEWEST_ENDS: u64 = 20;

/// Memory that is used again at each dispatch.
#[derive(Default)]
pub(super) struct Scratch {
    eligible: Vec<u32>,
    blocked: Vec<bool>,
    reserved: Vec<bool>,
    passed: Vec<Place>,
}

impl Core {
    /// Asks for a permit.
    pub(crate) fn acquire(&mut self, want: Want, now: Instant) -> Admission {
        let class = match self.class(&want) {
            Ok(class) => class,
            Err(error) => return Admission::Refused(error),
        };
        self.end_holds(now);
        if let Some(error) = self.hopeless(class, &want, now) {
            self.refused += 1;
            return Admission::Refused(error);
        }
        let want = match self.pass_through(want, class, now) {
            Ok(grant) => return Admission::Granted(grant),
            Err(want) => want,
        };
        let place = self.enqueue(want, class, now);
        self.dispatch(now);
        let granted = self
            .verdicts
            .iter()
            .position(|(decided, _)| *decided == place);
        if let Some(index) = granted {
            return match self.verdicts.swap_remove(index).1 {
                Ok(grant) => Admission::Granted(grant),
                Err(error) => Admission::Refused(error),
            };
        }
        if let Some(error) = self.too_long(place, class, now) {
            self.leave(place);
            self.refused += 1;
            return Admission::Refused(error);
        }
        Admission::Waiting(place)
    }

    /// Serves a request that meets nobody in the queue and finds a permit: as one that waits for no time.
    #[expect(
        clippy::result_large_err,
        reason = "it goes back to whoever then waits with it"
    )]
    fn pass_through(&mut self, want: Want, class: usize, now: Instant) -> Result<Grant, Want> {
        if !self.queue.is_empty() || want.deadline <= now {
            return Err(want);
        }
        self.take_scores(now);
        let mut eligible = std::mem::take(&mut self.scratch.eligible);
        self.collect(&want, class, &[], now, &mut eligible);
        let served = if eligible.is_empty() {
            Err(want)
        } else {
            let tag = self.queue.pass_through(want.tag);
            Ok(self.grant(want, class, &eligible, now, tag, now))
        };
        self.scratch.eligible = eligible;
        served
    }

    /// Asks for a permit that is free now, with nobody waiting; never waits itself.
    pub(crate) fn try_acquire(&mut self, want: Want, now: Instant) -> Option<Grant> {
        if !self.queue.is_empty() {
            return None;
        }
        match self.acquire(want, now) {
            Admission::Granted(grant) => Some(grant),
            Admission::Waiting(place) => {
                self.leave(place);
                None
            }
            Admission::Refused(_) => None,
        }
    }

    /// Takes out somebody who no longer waits.
    pub(crate) fn leave(&mut self, place: Place) {
        if let Some(waiter) = self.queue.remove(place) {
            self.classes[waiter.what.class].waiting -= 1;
        }
    }

    /// Looks whether time alone has changed something.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.end_holds(now);
        for at in 0..self.slots.len() {
            self.refresh(at, now);
        }
        self.dispatch(now);
    }

    /// Returns when time alone will change something for those who wait.
    pub(crate) fn next_wake(&self, now: Instant) -> Option<Instant> {
        const FEW: usize = 16;
        let mut wake = self.queue.first_deadline()?;
        let mut after = None;
        let mut may_hurry = false;
        // Waiters of one class see the same moments, unless the cost of each matters.
        let mut seen: Option<usize> = None;
        for _ in 0..FEW {
            let Some((place, waiter)) = self.queue.behind(after) else {
                break;
            };
            after = Some(place);
            let class = waiter.what.class;
            if seen == Some(class) {
                continue;
            }
            seen = (!self.cost_matters(class)).then_some(class);
            for &at in &self.classes[class].candidates {
                let slot = &self.slots[at as usize];
                let standing = &self.standings[at as usize];
                may_hurry |= slot.breaker.may_hurry();
                if let Some(when) = slot.earliest(slot.cost(&waiter.what.want), now)
                    && when > now
                    && standing.in_flight < standing.permits
                {
                    wake = wake.min(when);
                } else if slot.is_starting(now) {
                    wake = wake.min(now + Duration::from_millis(500));
                }
            }
        }
        // Open breakers are tried sooner once somebody has waited long, even if nothing else happens then.
        if may_hurry && let Some(since) = self.queue.oldest() {
            let scored = self.fleet_at.map(|at| at + SCORES_EVERY);
            wake = wake.min((since + PRESSURE).max(scored.unwrap_or(now)));
        }
        Some(wake)
    }

    /// Binds those who wait to what is free, in fair order.
    pub(crate) fn dispatch(&mut self, now: Instant) {
        while let Some(place) = self.queue.expired(now) {
            if let Some(waiter) = self.queue.remove(place) {
                self.classes[waiter.what.class].waiting -= 1;
                self.verdicts.push((place, Err(out_of_time(&waiter, now))));
            }
        }
        if self.queue.is_empty() {
            return;
        }
        self.take_scores(now);
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.blocked.clear();
        scratch.blocked.resize(self.classes.len(), false);
        // As long as nothing is kept for anybody, there is nothing to look up.
        scratch.reserved.clear();
        scratch.passed.clear();
        let mut open_classes = self
            .classes
            .iter()
            .filter(|class| class.waiting > 0)
            .count();

        let mut after = None;
        while open_classes > 0 {
            let Some((place, waiter)) = self.queue.behind(after) else {
                break;
            };
            after = Some(place);
            let pending = &waiter.what;
            let class = pending.class;
            if scratch.blocked[class] {
                continue;
            }
            let plain = pending.want.tried.is_empty();
            self.collect(
                &pending.want,
                class,
                &scratch.reserved,
                now,
                &mut scratch.eligible,
            );
            if scratch.eligible.is_empty() {
                // Another of the same class fares no better, unless this one has special wishes or a large cost.
                if plain && !self.cost_matters(class) {
                    scratch.blocked[class] = true;
                    open_classes -= 1;
                } else {
                    if waiter.bypassed >= MOST_BYPASSES {
                        scratch.reserved.resize(self.slots.len(), false);
                        for &at in &self.classes[class].candidates {
                            if !waiter
                                .what
                                .want
                                .tried
                                .contains(&self.slots[at as usize].number)
                            {
                                scratch.reserved[at as usize] = true;
                            }
                        }
                    }
                    scratch.passed.push(place);
                }
                continue;
            }
            let Some(grant) = self.bind(place, class, &scratch.eligible, now) else {
                continue;
            };
            for passed in scratch.passed.drain(..) {
                if let Some(waiter) = self.queue.get_mut(passed) {
                    waiter.bypassed += 1;
                }
            }
            self.verdicts.push((place, Ok(grant)));
            if self.classes[class].waiting == 0 {
                open_classes -= 1;
            }
        }
        self.scratch = scratch;
    }

    fn enqueue(&mut self, want: Want, class: usize, now: Instant) -> Place {
        self.classes[class].waiting += 1;
        let (priority, tag) = (want.priority, want.tag);
        let waiter = Waiter {
            since: now,
            deadline: want.deadline,
            caller: want.caller.clone(),
            bypassed: 0,
            what: Pending { want, class },
        };
        self.queue.push(priority, tag, waiter)
    }

    /// Gives a permit to the one at this place.
    fn bind(
        &mut self,
        place: Place,
        class: usize,
        eligible: &[u32],
        now: Instant,
    ) -> Option<Grant> {
        let (waiter, tag) = self.queue.serve(place)?;
        self.classes[class].waiting -= 1;
        Some(self.grant(waiter.what.want, class, eligible, waiter.since, tag, now))
    }

    /// Gives a permit to a request that came at `since`.
    fn grant(
        &mut self,
        mut want: Want,
        class: usize,
        eligible: &[u32],
        since: Instant,
        tag: u64,
        now: Instant,
    ) -> Grant {
        let conversation = want.conversation.take();
        let warm = conversation
            .as_ref()
            .and_then(|conversation| self.warm.get(conversation).copied());
        let field = Field {
            standings: &self.standings,
            eligible,
            warm,
            request: want.request,
        };
        let at = self.balancing[self.classes[class].strategy]
            .state
            .choose(&field, &mut self.rng);
        if let Some(conversation) = conversation {
            self.remember_warm(conversation, at);
        }
        let slot = &mut self.slots[at as usize];
        let cost = slot.cost(&want);
        let model = want
            .model
            .or_else(|| slot.settings.models.first().cloned())
            .unwrap_or_default();
        let lease = self.next_lease;
        self.next_lease += 1;
        let pass = slot.breaker.pass(now);
        let state = LeaseState {
            at,
            pass,
            ticket: slot.limiter.reserve(cost, now),
            started: now,
            first_token: None,
            tokens: 0,
            model: model.clone(),
        };
        slot.unanswered.push_back((lease, now));
        slot.silent += 1;
        let (instance, provider_type) = (slot.settings.name.clone(), slot.settings.provider_type);
        let number = slot.number;
        self.leases.insert(lease, state);
        self.standings[at as usize].in_flight += 1;
        self.refresh(at as usize, now);
        Grant {
            lease,
            at: number,
            instance,
            provider_type,
            model,
            queued: now.duration_since(since),
            tag,
            probe: pass.probe,
        }
    }

    /// Lists the candidates that can take this request now.
    fn collect(
        &self,
        want: &Want,
        class: usize,
        reserved: &[bool],
        now: Instant,
        out: &mut Vec<u32>,
    ) {
        out.clear();
        let class = &self.classes[class];
        let is_plain = want.tried.is_empty() && reserved.is_empty();
        if is_plain && self.asking == 0 {
            // Without a branch for each: who is free among a thousand is hard to foretell.
            out.resize(class.candidates.len(), 0);
            let mut found = 0;
            for &at in &class.candidates {
                out[found] = at;
                found += usize::from(self.ready[at as usize] == Ready::Yes);
            }
            out.truncate(found);
            keep_first_tier(class, out);
            return;
        }
        let mut panicked = None;
        for &at in &class.candidates {
            let index = at as usize;
            match self.ready[index] {
                Ready::No => continue,
                Ready::Yes if is_plain => {
                    out.push(at);
                    continue;
                }
                Ready::Yes | Ready::Ask => {}
            }
            let gate = &self.gates[index];
            if gate.ready_at.is_some_and(|ready_at| ready_at > now)
                || reserved.get(index).is_some_and(|reserved| *reserved)
            {
                continue;
            }
            if gate.care && !self.admits(index, want, now) {
                let readmitted = panicked.get_or_insert_with(|| self.least_bad(class, now));
                if !(readmitted.contains(&at) && self.within_limits(index, want, now)) {
                    continue;
                }
            }
            if !want.tried.is_empty() && want.tried.contains(&self.slots[index].number) {
                continue;
            }
            out.push(at);
        }
        keep_first_tier(class, out);
    }

    fn admits(&self, at: usize, want: &Want, now: Instant) -> bool {
        self.slots[at].breaker.admits(now) && self.within_limits(at, want, now)
    }

    fn within_limits(&self, at: usize, want: &Want, now: Instant) -> bool {
        let slot = &self.slots[at];
        let model = want.model.as_ref().or(slot.settings.models.first());
        slot.limiter.earliest(slot.cost(want), now) <= now
            && !model.is_some_and(|model| slot.lacks(model, now))
    }

    /// At most half of a request's candidates may be out for ill health; beyond that the least bad are asked again.
    fn least_bad(&self, class: &Class, now: Instant) -> Vec<u32> {
        let mut asked = 0;
        let mut out: Vec<u32> = Vec::new();
        for &at in &class.candidates {
            let slot = &self.slots[at as usize];
            if slot.is_open() {
                asked += 1;
                if slot.breaker.opens_door_at(now).is_some() {
                    out.push(at);
                }
            }
        }
        let allowed = asked / 2;
        if out.len() <= allowed {
            return Vec::new();
        }
        out.sort_by_key(|at| {
            let breaker = &self.slots[*at as usize].breaker;
            (
                breaker.consecutive_failures(),
                breaker.opens_door_at(now),
                *at,
            )
        });
        out.truncate(out.len() - allowed);
        out
    }

    fn cost_matters(&self, class: usize) -> bool {
        self.classes[class].candidates.iter().any(|at| {
            self.gates[*at as usize].care && self.slots[*at as usize].limiter.has_budgets()
        })
    }

    /// Finds or makes the class of a request.
    pub(super) fn class(&mut self, want: &Want) -> Result<usize, Error> {
        let listed = |model: &String| {
            self.slots
                .iter()
                .any(|slot| !slot.removed && slot.settings.models.contains(model))
        };
        // A model that no instance lists goes to those that list none; for one named instance it does not matter.
        let model = match &want.target {
            Target::Instance(_) => None,
            Target::Any | Target::Type(_) | Target::Route(_) => want.model.clone(),
        };
        let known = model.as_ref().is_none_or(listed);
        let key = (
            want.target.clone(),
            model.clone().filter(|_| known),
            want.types,
        );
        if known && let Some(class) = self.class_of.get(&key) {
            return Ok(*class);
        }
        let class = self.build_class(want, model.as_deref())?;
        let key = if known {
            key
        } else {
            // Not remembered under its name, which a stranger chose; one class for all such names of a target.
            let key = (want.target.clone(), Some(String::new()), want.types);
            if let Some(class) = self.class_of.get(&key) {
                return Ok(*class);
            }
            key
        };
        self.class_of.insert(key, self.classes.len());
        self.classes.push(class);
        Ok(self.classes.len() - 1)
    }

    fn build_class(&self, want: &Want, model: Option<&str>) -> Result<Class, Error> {
        let serves = |at: &u32| {
            let models = &self.slots[*at as usize].settings.models;
            let can = want.types == 0
                || want.types & bit(self.slots[*at as usize].settings.provider_type) != 0;
            can && model
                .is_none_or(|model| models.is_empty() || models.iter().any(|known| known == model))
        };
        let all = (0..self.slots.len() as u32).filter(|at| !self.slots[*at as usize].removed);
        let mut tiers: Option<Vec<u32>> = None;
        let mut strategy = 0;
        let (candidates, whose): (Vec<u32>, String) = match &want.target {
            Target::Any => (all.collect(), "the pool".to_owned()),
            Target::Type(provider_type) => (
                all.filter(|at| self.slots[*at as usize].settings.provider_type == *provider_type)
                    .collect(),
                format!("type {provider_type}"),
            ),
            Target::Instance(name) => match self.find(name) {
                Some(at) => (vec![at as u32], format!("instance {name}")),
                None => return Err(self.unknown_instance(name)),
            },
            Target::Route(name) => {
                let Some(index) = self.routes.iter().position(|route| route.name == *name) else {
                    let known: Vec<&str> = self
                        .routes
                        .iter()
                        .map(|route| route.name.as_str())
                        .collect();
                    return Err(Error::new(
                        ErrorKind::NotFoundModel,
                        format!("unknown route '{name}'; known routes: {}", known.join(", ")),
                    )
                    .with_hint("routes are listed under [[routes]] in the config"));
                };
                strategy = index + 1;
                let mut of: Vec<(u32, u32)> = self.routes[index]
                    .tiers
                    .iter()
                    .zip(0u32..)
                    .flat_map(|(names, tier)| names.iter().map(move |name| (name, tier)))
                    .filter_map(|(name, tier)| Some((self.find(name)? as u32, tier)))
                    .collect();
                of.sort_unstable();
                of.dedup_by_key(|(at, _)| *at);
                tiers = Some(of.iter().map(|(_, tier)| *tier).collect());
                (
                    of.into_iter().map(|(at, _)| at).collect(),
                    format!("route {name}"),
                )
            }
        };
        if candidates.is_empty() {
            return Err(
                Error::new(ErrorKind::NoInstance, format!("{whose} has no instance"))
                    .with_hint("add one under [[instances]] in the config"),
            );
        }
        let kept: Vec<u32> = candidates.iter().copied().filter(serves).collect();
        if kept.is_empty() {
            let mut offered: Vec<&str> = candidates
                .iter()
                .flat_map(|at| {
                    self.slots[*at as usize]
                        .settings
                        .models
                        .iter()
                        .map(String::as_str)
                })
                .collect();
            offered.sort_unstable();
            offered.dedup();
            return Err(Error::new(
                ErrorKind::NotFoundModel,
                format!(
                    "no instance of {whose} serves model '{}'; it serves: {}",
                    model.unwrap_or_default(),
                    offered.join(", ")
                ),
            ));
        }
        if let Some(tiers) = &mut tiers {
            let mut keep = candidates.iter().map(serves);
            tiers.retain(|_| keep.next().unwrap_or(false));
        }
        Ok(Class {
            candidates: kept,
            tiers,
            strategy,
            waiting: 0,
        })
    }

    /// Says so at once when nothing can come of waiting: all off or held, the queue full, or free only too late.
    fn hopeless(&self, class: usize, want: &Want, now: Instant) -> Option<Error> {
        let class = &self.classes[class];
        if let Some(error) = self.route_is_full(class) {
            return Some(error);
        }
        let full = self.queue.len() >= self.settings.queue_limit;
        let when = |at: &u32| {
            let slot = &self.slots[*at as usize];
            let model = want.model.as_ref().or(slot.settings.models.first());
            let lacks = model.is_some_and(|model| slot.lacks(model, now));
            slot.earliest(slot.cost(want), now).filter(|_| !lacks)
        };
        // Whoever can take it in time is enough, and mostly that is the first.
        let in_time = |at: &u32| when(at).is_some_and(|when| when <= want.deadline);
        if !full && class.candidates.iter().any(in_time) {
            return None;
        }
        let earliest = class.candidates.iter().filter_map(when).min();
        // In a panic an open breaker does not make one wait.
        let panicked = || !self.least_bad(class, now).is_empty();
        match earliest {
            None => Some(self.nobody(class)),
            Some(when) if when > want.deadline && !panicked() => {
                let wait = when.duration_since(now);
                let shut = class
                    .candidates
                    .iter()
                    .all(|at| !self.slots[*at as usize].is_open());
                let error = if shut {
                    self.nobody(class)
                } else {
                    Error::new(
                        ErrorKind::QueueFull,
                        format!(
                            "every instance is cooling down or out of budget; the first is free in {} s, after the deadline",
                            wait.as_secs_f64().ceil()
                        ),
                    )
                };
                Some(error.with_retry_after(wait))
            }
            Some(_) if full => {
                let wait = self.expected_wait(class).unwrap_or(Duration::from_secs(1));
                Some(
                    Error::new(
                        ErrorKind::QueueFull,
                        format!("{} requests are waiting already", self.queue.len()),
                    )
                    .with_retry_after(wait),
                )
            }
            Some(_) => None,
        }
    }

    /// Refuses one whose route has as many waiting as it may have.
    fn route_is_full(&self, class: &Class) -> Option<Error> {
        let route = self.routes.get(class.strategy.checked_sub(1)?)?;
        let limit = route.queue_limit?;
        let same = self
            .classes
            .iter()
            .filter(|of| of.strategy == class.strategy);
        let waiting: usize = same.map(|of| of.waiting).sum();
        (waiting >= limit && !self.has_room(class)).then(|| {
            let wait = self.expected_wait(class);
            Error::new(
                ErrorKind::QueueFull,
                format!(
                    "{waiting} requests are waiting for route '{}' already",
                    route.name
                ),
            )
            .with_retry_after(wait.unwrap_or(Duration::from_secs(1)))
        })
    }

    /// Tells whether anybody has a free permit, so that a queue of none still lets through what need not wait.
    fn has_room(&self, class: &Class) -> bool {
        class.waiting == 0
            && class.candidates.iter().any(|at| {
                let standing = &self.standings[*at as usize];
                self.gates[*at as usize].open && standing.in_flight < standing.permits
            })
    }

    /// Refuses one who would wait past the deadline by all that is known.
    fn too_long(&self, place: Place, class: usize, now: Instant) -> Option<Error> {
        let deadline = self.queue.get(place)?.deadline;
        let wait = self.expected_wait(&self.classes[class])?;
        // Estimates are rough: refuse only when it is off by half.
        (now + wait.mul_f64(0.67) > deadline).then(|| {
            Error::new(
                ErrorKind::QueueFull,
                format!(
                    "{} requests are waiting; the wait would be about {} s, longer than the deadline",
                    self.queue.len(),
                    wait.as_secs()
                ),
            )
            .with_retry_after(wait)
        })
    }

    /// Estimates the wait of the next one in the queue of this class: those ahead, times the mean hold, over permits.
    fn expected_wait(&self, class: &Class) -> Option<Duration> {
        if self.ends < FEWEST_ENDS {
            return None;
        }
        let permits: u32 = class
            .candidates
            .iter()
            .filter(|at| self.gates[**at as usize].open)
            .map(|at| self.standings[*at as usize].permits)
            .sum();
        let ahead = self.queue.len() as f64;
        Some(Duration::from_secs_f64(
            (ahead * self.hold / f64::from(permits.max(1))).min(86_400.0),
        ))
    }

    /// Says why nobody can answer, by name.
    pub(super) fn nobody(&self, class: &Class) -> Error {
        let mut why: Vec<String> = class
            .candidates
            .iter()
            .map(|at| {
                let slot = &self.slots[*at as usize];
                let reason = match (&slot.held, slot.enabled, slot.draining) {
                    (Some((kind, _)), _, _) => kind.words(),
                    (None, false, _) => "off",
                    (None, true, true) => "draining",
                    (None, true, false) if slot.standby => "standby",
                    (None, true, false) => "lacks the model",
                };
                format!("{} {reason}", slot.settings.name)
            })
            .collect();
        const MOST: usize = 6;
        if why.len() > MOST {
            let more = why.len() - MOST;
            why.truncate(MOST);
            why.push(format!("{more} more"));
        }
        Error::new(ErrorKind::NoInstance, why.join(", "))
    }

    pub(super) fn unknown_instance(&self, name: &InstanceName) -> Error {
        if self.slots.iter().any(|slot| slot.settings.name == *name) {
            return Error::new(
                ErrorKind::Config,
                format!("{name} is leaving; it only finishes what runs"),
            );
        }
        let known: Vec<&str> = self
            .slots
            .iter()
            .filter(|slot| !slot.removed)
            .map(|slot| slot.settings.name.as_str())
            .collect();
        Error::new(
            ErrorKind::Config,
            format!(
                "unknown instance '{name}'; known instances: {}",
                known.join(", ")
            ),
        )
    }

    fn end_holds(&mut self, now: Instant) {
        if self.holds_end.is_none_or(|end| end > now) {
            return;
        }
        for at in 0..self.slots.len() {
            if self.slots[at].held.is_some() && self.slots[at].end_hold(now) {
                self.refresh(at, now);
            }
        }
        let held = self.slots.iter().filter_map(|slot| slot.held);
        self.holds_end = held.map(|(_, until)| until).min();
    }

    fn remember_warm(&mut self, conversation: String, at: u32) {
        const MOST_CONVERSATIONS: usize = 4_096;
        if self.warm.len() >= MOST_CONVERSATIONS && !self.warm.contains_key(&conversation) {
            // Bounded, not exact: forgetting half now and then costs a cache miss each.
            let mut keep = false;
            self.warm.retain(|_, _| {
                keep = !keep;
                keep
            });
        }
        self.warm.insert(conversation, at);
    }

    /// Takes expected times anew, ten times a second at most: a choice then only reads numbers.
    fn take_scores(&mut self, now: Instant) {
        if self
            .fleet_at
            .is_some_and(|at| now.duration_since(at) < SCORES_EVERY)
        {
            return;
        }
        self.fleet_at = Some(now);
        // Where nobody chooses by them they are for the board alone.
        let are_read = self
            .balancing
            .iter()
            .any(|balancing| balancing.kind.reads_scores());
        let rescores = are_read
            || (self.scores_at).is_none_or(|at| now.duration_since(at) >= UNREAD_SCORES_EVERY);
        if rescores {
            self.scores_at = Some(now);
            self.take_medians();
        }
        let hurry = self
            .queue
            .oldest()
            .is_some_and(|since| now.duration_since(since) >= PRESSURE);
        for at in 0..self.slots.len() {
            let care = self.gates[at].care;
            if hurry && care {
                self.slots[at].breaker.hurry();
            }
            if rescores {
                self.slots[at].estimate.take_live_pace(now);
                self.rescore(at, now);
            }
            if care {
                self.refresh(at, now);
            }
        }
    }

    /// Takes what is usual among the instances.
    fn take_medians(&mut self) {
        let median = |mut values: Vec<f64>, otherwise: f64| {
            if values.is_empty() {
                return otherwise;
            }
            let middle = values.len() / 2;
            *values.select_nth_unstable_by(middle, f64::total_cmp).1
        };
        let learned =
            |what: fn(&super::Slot) -> Option<f64>| self.slots.iter().filter_map(what).collect();
        let default = Fleet::default();
        self.fleet.first_token = median(
            learned(|slot| slot.estimate.learned_first_token()),
            default.first_token,
        );
        self.fleet.seconds_per_token = median(
            learned(|slot| slot.estimate.learned_pace()),
            default.seconds_per_token,
        );
    }

    pub(super) fn rescore(&mut self, at: usize, now: Instant) {
        let slot = &mut self.slots[at];
        while let Some((lease, _)) = slot.unanswered.front()
            && self
                .leases
                .get(lease)
                .is_none_or(|lease| lease.first_token.is_some())
        {
            slot.unanswered.pop_front();
        }
        let oldest = slot.unanswered.front().map(|(_, since)| *since);
        let standing = &mut self.standings[at];
        standing.expected = slot.estimate.score(oldest, &self.fleet, now) as f32;
        // Whatever has budgets needs care; the others' limiters stay unread.
        standing.budget_left = if self.gates[at].care {
            slot.limiter.share_left(now) as f32
        } else {
            1.0
        };
    }
}

/// Leaves only those of the first tier in which there is anybody.
fn keep_first_tier(class: &Class, out: &mut Vec<u32>) {
    let Some(tiers) = &class.tiers else {
        return;
    };
    let tier = |at: &u32| {
        class
            .candidates
            .binary_search(at)
            .map_or(u32::MAX, |index| tiers[index])
    };
    if let Some(first) = out.iter().map(tier).min() {
        out.retain(|at| tier(at) == first);
    }
}

fn out_of_time(waiter: &Waiter<Pending>, now: Instant) -> Error {
    Error::new(
        ErrorKind::Deadline,
        format!(
            "no permit was free in {:.0} s",
            now.duration_since(waiter.since).as_secs_f64()
        ),
    )
}
