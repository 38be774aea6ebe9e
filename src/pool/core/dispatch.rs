//! Admission and late binding: who waits, and who gets the permit that is free now.

use tokio::time::Instant;

use super::super::queue::{Place, Waiter};
use super::super::strategy::Field;
use super::refuse::out_of_time;
use super::{Admission, Core, Grant, LeaseState, Pending, Want};

/// A waiter is passed over at most so often; then what it can use is kept for it.
const MOST_BYPASSES: u32 = 16;

/// Memory that is used again at each dispatch.
#[derive(Default)]
pub(super) struct Scratch {
    eligible: Vec<u32>,
    blocked: Vec<bool>,
    reserved: Vec<bool>,
    passed: Vec<Place>,
    pub(super) watched: Vec<u32>,
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
        if let Some(error) = self.no_use(place, class, now) {
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
            let tag = self.queue.pass_through(want.priority, want.tag);
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

    /// Takes out somebody who has given up waiting; what was kept for them goes to others at once.
    pub(crate) fn give_up(&mut self, place: Place, now: Instant) {
        let waiter = self.queue.get(place);
        let kept = waiter.is_some_and(|waiter| waiter.bypassed >= MOST_BYPASSES);
        self.leave(place);
        if kept {
            self.dispatch(now);
        }
    }

    /// Takes out somebody who no longer waits.
    pub(super) fn leave(&mut self, place: Place) {
        if let Some(waiter) = self.queue.remove(place) {
            self.classes[waiter.what.class].waiting -= 1;
        }
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
}
