//! Saying no at once, and why: what cannot be served, or not in time, does not wait.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::{Error, ErrorKind, InstanceName};

use super::super::queue::{Place, Waiter};
use super::{Class, Core, Pending, Want};

/// The mean hold time means something from this many ends on.
const FEWEST_ENDS: u64 = 20;

impl Core {
    /// Says so at once when nothing can come of waiting: all off or held, the queue full, or free only too late.
    pub(super) fn hopeless(&self, class: usize, want: &Want, now: Instant) -> Option<Error> {
        let class = &self.classes[class];
        if let Some(error) = self.route_is_full(class) {
            return Some(error);
        }
        // A full queue concerns those alone who would have to wait in it.
        let full = self.is_full() && !self.has_room(class);
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
            Some(_) if full => Some(self.queue_full(class)),
            Some(_) => None,
        }
    }

    fn is_full(&self) -> bool {
        self.queue.len() >= self.settings.queue_limit
    }

    fn queue_full(&self, class: &Class) -> Error {
        let wait = self.expected_wait(class, self.queue.len());
        Error::new(
            ErrorKind::QueueFull,
            format!("{} requests are waiting already", self.queue.len()),
        )
        .with_retry_after(wait.unwrap_or(Duration::from_secs(1)))
    }

    /// Refuses one whose route has as many waiting as it may have.
    fn route_is_full(&self, class: &Class) -> Option<Error> {
        let route = self.routes.get(class.strategy.checked_sub(1)?)?;
        let limit = route.queue_limit?;
        let waiting = self.waiting_for(class.strategy);
        (waiting >= limit && !self.has_room(class)).then(|| {
            let wait = self.expected_wait(class, self.queue.len());
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

    /// Counts who waits under one strategy: 0 is the pool's own, a route's is its place and one more.
    pub(super) fn waiting_for(&self, strategy: usize) -> usize {
        let same = self.classes.iter().filter(|of| of.strategy == strategy);
        same.map(|of| of.waiting).sum()
    }

    /// Tells whether anybody has a free permit, so that a queue of none still lets through what need not wait.
    fn has_room(&self, class: &Class) -> bool {
        class.waiting == 0
            && class.candidates.iter().any(|at| {
                let standing = &self.standings[*at as usize];
                self.gates[*at as usize].open && standing.in_flight < standing.permits
            })
    }

    /// Refuses one who has just begun to wait: past the limit of the queue after all, or, by all that is known, past the
    /// deadline.
    pub(super) fn no_use(&self, place: Place, class: usize, now: Instant) -> Option<Error> {
        if self.queue.len() > self.settings.queue_limit {
            return Some(self.queue_full(&self.classes[class]));
        }
        let deadline = self.queue.get(place)?.deadline;
        // Estimates are rough: refuse only when it is off by half.
        let is_too_late = |wait: Duration| now + wait.mul_f64(0.67) > deadline;
        // Whoever would be in time behind everybody needs no closer look.
        let longest = self.expected_wait(&self.classes[class], self.queue.len())?;
        if !is_too_late(longest) {
            return None;
        }
        let ahead = self.ahead_of(place, class);
        let wait = self.expected_wait(&self.classes[class], ahead)?;
        is_too_late(wait).then(|| {
            Error::new(
                ErrorKind::QueueFull,
                format!(
                    "{ahead} requests are waiting; the wait would be about {} s, longer than the deadline",
                    wait.as_secs()
                ),
            )
            .with_retry_after(wait)
        })
    }

    /// Counts who is served before this one, itself included: those with an earlier place who want one of the same
    /// instances. Batch requests, a greedy caller's and those of other instances keep nobody waiting.
    fn ahead_of(&self, place: Place, class: usize) -> usize {
        let wanted = &self.classes[class].candidates;
        let competes: Vec<bool> = self
            .classes
            .iter()
            .map(|other| {
                let mut candidates = other.candidates.iter();
                other.waiting > 0 && candidates.any(|at| wanted.contains(at))
            })
            .collect();
        let ahead = self.queue.up_to(place);
        ahead.filter(|waiter| competes[waiter.what.class]).count()
    }

    /// Estimates the wait of one of this class from how many are served until it is: times the mean hold, over permits.
    fn expected_wait(&self, class: &Class, ahead: usize) -> Option<Duration> {
        if self.ends < FEWEST_ENDS {
            return None;
        }
        let permits: u32 = class
            .candidates
            .iter()
            .filter(|at| self.gates[**at as usize].open)
            .map(|at| self.standings[*at as usize].permits)
            .sum();
        Some(Duration::from_secs_f64(
            (ahead as f64 * self.hold / f64::from(permits.max(1))).min(86_400.0),
        ))
    }

    /// Tells those who wait for instances of which none is left.
    pub(super) fn refuse_the_hopeless(&mut self) {
        let dead: Vec<usize> = (0..self.classes.len())
            .filter(|class| self.classes[*class].waiting > 0)
            .filter(|class| {
                self.classes[*class]
                    .candidates
                    .iter()
                    .all(|at| !self.slots[*at as usize].is_open())
            })
            .collect();
        if dead.is_empty() {
            return;
        }
        let mut after = None;
        while let Some((place, waiter)) = self.queue.behind(after) {
            after = Some(place);
            let class = waiter.what.class;
            if dead.contains(&class) {
                let error = self.nobody(&self.classes[class]);
                self.leave(place);
                self.refused += 1;
                self.verdicts.push((place, Err(error)));
            }
        }
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
}

/// Says that the deadline came first.
pub(super) fn out_of_time(waiter: &Waiter<Pending>, now: Instant) -> Error {
    Error::new(
        ErrorKind::Deadline,
        format!(
            "no permit was free in {:.0} s",
            now.duration_since(waiter.since).as_secs_f64()
        ),
    )
}
