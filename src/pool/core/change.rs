//! Instances, routes and settings that change while the pool runs.
//!
//! An instance that goes takes nothing new, finishes what runs on it, and is forgotten with its last request. What
//! waits is sorted anew, so that it can be served by whoever is there now. Checks come before the first change: a
//! wrong set changes nothing.

use tokio::time::Instant;

use crate::base::{Changed, DeckEvent, Error, ErrorKind, InstanceName};
use crate::limit::Cost;

use super::super::strategy::StrategyKind;
use super::super::{InstanceSettings, RouteSettings, Settings};
use super::{Balancing, Core};

/// One instance of a new set.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The number of the instance that stays, or a new one.
    pub(crate) number: u32,
    /// What it is set to.
    pub(crate) settings: InstanceSettings,
    /// What it was set to by the set before; what was set by hand since then stays, unless the set changes it too.
    pub(crate) before: Option<InstanceSettings>,
    /// Whether it is reached in another way than before (a new key): then what it was held for is forgotten.
    pub(crate) mended: bool,
}

impl Core {
    /// Checks what can be wrong with a set of instances and routes. Gives the strategies, the pool's own first.
    pub(super) fn check<'a>(
        settings: &Settings,
        routes: &[RouteSettings],
        instances: impl Iterator<Item = &'a InstanceName>,
    ) -> Result<Vec<StrategyKind>, Error> {
        let wrong = |message: String| Error::new(ErrorKind::Config, message);
        let mut names: Vec<&InstanceName> = Vec::new();
        for name in instances {
            if names.contains(&name) {
                return Err(wrong(format!("there are two instances called '{name}'")));
            }
            names.push(name);
        }
        let kind: StrategyKind = settings.strategy.parse()?;
        let mut kinds = vec![kind];
        for (index, route) in routes.iter().enumerate() {
            kinds.push(match &route.strategy {
                Some(name) => name.parse()?,
                None => kind,
            });
            if routes[..index]
                .iter()
                .any(|before| before.name == route.name)
            {
                return Err(wrong(format!(
                    "there are two routes called '{}'",
                    route.name
                )));
            }
            if let Some(name) = route
                .tiers
                .iter()
                .flatten()
                .find(|name| !names.contains(name))
            {
                return Err(wrong(format!(
                    "route '{}' names instance '{name}', which does not exist",
                    route.name
                )));
            }
        }
        Ok(kinds)
    }

    /// Takes a whole new set: who stays keeps its state and its running requests, who is gone leaves.
    ///
    /// # Errors
    /// When the set is wrong; then nothing has changed.
    pub(crate) fn apply(
        &mut self,
        settings: Settings,
        routes: Vec<RouteSettings>,
        instances: Vec<Wanted>,
        now: Instant,
    ) -> Result<(), Error> {
        if instances.is_empty() {
            return Err(Error::new(
                ErrorKind::Config,
                "a set without an instance could answer nobody",
            ));
        }
        let names = instances.iter().map(|wanted| &wanted.settings.name);
        let kinds = Self::check(&settings, &routes, names)?;
        self.rebalance(&settings, &routes, &kinds);
        for slot in &mut self.slots {
            slot.removed |= !instances.iter().any(|wanted| wanted.number == slot.number);
        }
        let mut order = Vec::with_capacity(instances.len());
        for wanted in instances {
            let stays = self.position(wanted.number);
            order.push(stays.unwrap_or(self.slots.len()));
            match stays {
                Some(at) => self.retune(at, wanted, &settings, now),
                None => {
                    self.add_slot(wanted.number, wanted.settings, &settings.breaker, now);
                    self.begin_slowly(now);
                }
            }
        }
        self.scaler.tune(settings.scaling.clone());
        self.settings = settings;
        self.routes = routes;
        self.forget_the_gone(order);
        self.sort_anew(now);
        Ok(())
    }

    /// Takes in what an earlier run used of an instance's budgets, oldest first.
    pub(crate) fn recall(&mut self, name: &InstanceName, past: &[(Instant, Cost)], now: Instant) {
        let Some(at) = self.find(name) else {
            return;
        };
        self.slots[at].limiter.recall(past, now);
        self.refresh(at, now);
        self.rescore(at, now);
    }

    /// Returns the settings of the instances that have budgets.
    pub(crate) fn limited(&self) -> impl Iterator<Item = &InstanceSettings> {
        let limited = self.slots.iter().filter(|slot| slot.limiter.has_budgets());
        limited.map(|slot| &slot.settings)
    }

    /// Adds one instance at the end.
    ///
    /// # Errors
    /// When its name is taken.
    pub(crate) fn add(
        &mut self,
        number: u32,
        settings: InstanceSettings,
        now: Instant,
    ) -> Result<Changed, Error> {
        let name = settings.name.clone();
        if self.find(&name).is_some() {
            return Err(Error::new(
                ErrorKind::Config,
                format!("there is an instance called '{name}'"),
            )
            .with_hint("give the new one a name of its own, or remove the other one first"));
        }
        let breaker = self.settings.breaker.clone();
        self.add_slot(number, settings, &breaker, now);
        self.begin_slowly(now);
        // Those that leave stay behind the others.
        self.forget_the_gone(Vec::new());
        self.sort_anew(now);
        Ok(Changed {
            what: format!("{name} added"),
            undo: Some(crate::base::Command::RemoveInstance { instance: name }),
        })
    }

    /// Lets an instance leave: it takes nothing new, and is gone with its last request.
    pub(super) fn remove(&mut self, name: &InstanceName, now: Instant) -> Result<Changed, Error> {
        let at = self.must_find(name)?;
        let refuse = |message: String| {
            Err(Error::new(ErrorKind::Config, message)
                .with_hint("add another one first, or switch it off"))
        };
        if self.slots.iter().filter(|slot| !slot.removed).count() == 1 {
            return refuse(format!(
                "{name} is the only instance, and without one nobody could answer"
            ));
        }
        let is_last = |route: &&RouteSettings| {
            let mut there = route.tiers.iter().flatten();
            there.any(|other| other == name)
                && !route
                    .tiers
                    .iter()
                    .flatten()
                    .any(|other| other != name && self.find(other).is_some())
        };
        if let Some(route) = self.routes.iter().find(is_last) {
            return refuse(format!(
                "{name} is the only instance left of route '{}'",
                route.name
            ));
        }
        self.slots[at].removed = true;
        let what = match self.standings[at].in_flight {
            0 => format!("{name} removed"),
            1 => format!("{name} leaves when its last request has ended; 1 still runs"),
            more => format!("{name} leaves when its last request has ended; {more} still run"),
        };
        self.forget_the_gone(Vec::new());
        self.sort_anew(now);
        Ok(Changed { what, undo: None })
    }

    /// Forgets an instance whose last request has just ended, if it was leaving.
    pub(super) fn let_go(&mut self, at: usize, now: Instant) {
        if !self.slots[at].removed || self.standings[at].in_flight > 0 {
            return;
        }
        let name = self.slots[at].settings.name.clone();
        self.events.push(DeckEvent::Commanded {
            what: format!("{name} has left; its last request has ended"),
            by: "pool".to_owned(),
        });
        self.forget_the_gone(Vec::new());
        self.sort_anew(now);
    }

    /// Returns the numbers of the instances that are there, leaving ones too.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.slots.iter().map(|slot| slot.number).collect()
    }

    /// Returns the numbers of the instances that do not leave, in their order.
    pub(crate) fn staying(&self) -> Vec<u32> {
        let staying = self.slots.iter().filter(|slot| !slot.removed);
        staying.map(|slot| slot.number).collect()
    }

    /// Returns the routes as they are set, in their order.
    pub(crate) fn routes(&self) -> &[RouteSettings] {
        &self.routes
    }

    /// Returns the number of an instance by its name.
    pub(crate) fn number_of(&self, name: &InstanceName) -> Option<u32> {
        Some(self.slots[self.find(name)?].number)
    }

    /// Lets the newest instance grow into its permits: it may still be loading its model.
    fn begin_slowly(&mut self, now: Instant) {
        if let Some(slot) = self.slots.last_mut() {
            slot.breaker.begin_slowly(now);
        }
    }

    fn position(&self, number: u32) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.number == number && !slot.removed)
    }

    /// Puts the strategies in force; those whose setting did not change go on where they are.
    fn rebalance(&mut self, settings: &Settings, routes: &[RouteSettings], kinds: &[StrategyKind]) {
        let set_to = |settings: &Settings, route: Option<&RouteSettings>| {
            let own = route.and_then(|route| route.strategy.clone());
            own.unwrap_or_else(|| settings.strategy.clone())
        };
        let mut before: Vec<(String, Balancing)> = std::mem::take(&mut self.balancing)
            .into_iter()
            .map(|balancing| {
                let route = self
                    .routes
                    .iter()
                    .find(|route| balancing.route.as_ref() == Some(&route.name));
                (set_to(&self.settings, route), balancing)
            })
            .collect();
        let wanted = std::iter::once(None).chain(routes.iter().map(Some));
        for (route, kind) in wanted.zip(kinds) {
            let name = route.map(|route| &route.name);
            let setting = set_to(settings, route);
            let same = before
                .iter()
                .position(|(was, balancing)| balancing.route.as_ref() == name && *was == setting);
            self.balancing.push(match same {
                Some(index) => before.swap_remove(index).1,
                None => Balancing {
                    route: name.cloned(),
                    kind: *kind,
                    state: kind.build(),
                },
            });
        }
    }

    /// Gives an instance that stays what the new set changes.
    fn retune(&mut self, at: usize, wanted: Wanted, pool: &Settings, now: Instant) {
        let slot = &mut self.slots[at];
        let new = wanted.settings;
        let before = wanted.before.unwrap_or_else(|| slot.settings.clone());
        if wanted.mended && slot.held.is_some() {
            slot.forgive();
        }
        if before.enabled != new.enabled {
            slot.enabled = new.enabled;
            slot.draining = false;
        }
        if before.standby != new.standby {
            slot.standby = new.standby;
            slot.leaving = false;
        }
        let by_hand = slot.settings.clone();
        slot.settings = new;
        if before.weight == slot.settings.weight {
            slot.settings.weight = by_hand.weight;
        }
        let limits = &mut slot.settings.limits;
        limits.keep_what_was_set_by_hand(&before.limits, &by_hand.limits);
        slot.limiter.tune(limits);
        if by_hand.limits.permits != limits.permits || by_hand.adaptive != slot.settings.adaptive {
            slot.adapt_anew();
        }
        let breaker = slot.settings.breaker.as_ref().unwrap_or(&pool.breaker);
        slot.breaker.tune(breaker.clone());
        self.standings[at] = super::Standing {
            in_flight: self.standings[at].in_flight,
            ..self.standing_of(at, now)
        }
        .weighed();
    }

    /// Puts the positions in this order, those not named behind them, and drops those that have left.
    fn forget_the_gone(&mut self, mut order: Vec<usize>) {
        let stays =
            |core: &Self, at: usize| !core.slots[at].removed || core.standings[at].in_flight > 0;
        let others: Vec<usize> = (0..self.slots.len())
            .filter(|at| !order.contains(at) && stays(self, *at))
            .collect();
        let (leaving, others): (Vec<usize>, Vec<usize>) =
            others.into_iter().partition(|at| self.slots[*at].removed);
        order.extend(others);
        order.extend(leaving);
        let moved = order.iter().enumerate().any(|(new, old)| new != *old);
        if !moved && order.len() == self.slots.len() {
            return;
        }
        let mut moves: Vec<Option<u32>> = vec![None; self.slots.len()];
        for (new, old) in (0u32..).zip(&order) {
            moves[*old] = Some(new);
        }
        pick(&mut self.slots, &order);
        pick(&mut self.standings, &order);
        self.gates.reorder(&order);
        pick(&mut self.known_states, &order);
        for lease in self.leases.values_mut() {
            // What has a running request is never dropped.
            if let Some(at) = moves[lease.at as usize] {
                lease.at = at;
            }
        }
        self.warm.retain(|_, at| match moves.get(*at as usize) {
            Some(Some(new)) => {
                *at = *new;
                true
            }
            _ => false,
        });
        if moved {
            // A turn that was remembered by position means nothing now.
            for balancing in &mut self.balancing {
                balancing.state = balancing.kind.build();
            }
        }
    }

    /// Finds out anew who can serve whom, and binds what can be bound.
    fn sort_anew(&mut self, now: Instant) {
        self.classes.clear();
        self.class_of.clear();
        let mut after = None;
        while let Some((place, waiter)) = self.queue.behind(after) {
            after = Some(place);
            let want = waiter.what.want.clone();
            match self.class(&want) {
                Ok(class) => {
                    self.classes[class].waiting += 1;
                    if let Some(waiter) = self.queue.get_mut(place) {
                        waiter.what.class = class;
                    }
                }
                Err(error) => {
                    self.queue.remove(place);
                    self.refused += 1;
                    self.verdicts.push((place, Err(error)));
                }
            }
        }
        for at in 0..self.slots.len() {
            self.refresh(at, now);
        }
        self.refuse_the_hopeless();
        self.dispatch(now);
    }
}

/// Keeps of a list what stands at these positions, in their order.
fn pick<T>(list: &mut Vec<T>, order: &[usize]) {
    let mut old: Vec<Option<T>> = std::mem::take(list).into_iter().map(Some).collect();
    list.extend(order.iter().filter_map(|at| old.get_mut(*at)?.take()));
}
