//! Which instances a request may go to at all, and which of them can take it now.

use tokio::time::Instant;

use crate::base::{Error, ErrorKind, Target};

use super::gates::Ready;
use super::{Class, Core, Want, bit};

impl Core {
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

    /// Lists the candidates that can take this request now.
    pub(super) fn collect(
        &self,
        want: &Want,
        class: usize,
        reserved: &[bool],
        now: Instant,
        out: &mut Vec<u32>,
    ) {
        let class = &self.classes[class];
        let is_plain = want.tried.is_empty() && reserved.is_empty();
        let ready = self.gates.ready();
        let mut panicked = None;
        out.clear();
        out.resize(class.candidates.len(), 0);
        let mut found = 0;
        // Without a branch for most: who is free among a thousand is hard to foretell.
        for &at in &class.candidates {
            let this = ready[at as usize];
            out[found] = at;
            found += usize::from(this != Ready::No);
            let asks = if is_plain {
                this == Ready::Ask
            } else {
                this != Ready::No
            };
            if asks && !self.can_take(at, want, class, reserved, &mut panicked, now) {
                found -= 1;
            }
        }
        out.truncate(found);
        keep_first_tier(class, out);
    }

    /// Asks one that has a permit for everything else.
    fn can_take(
        &self,
        at: u32,
        want: &Want,
        class: &Class,
        reserved: &[bool],
        panicked: &mut Option<Vec<u32>>,
        now: Instant,
    ) -> bool {
        let index = at as usize;
        let gate = &self.gates[index];
        if gate.ready_at.is_some_and(|ready_at| ready_at > now)
            || reserved.get(index).is_some_and(|reserved| *reserved)
            || (!want.tried.is_empty() && want.tried.contains(&self.slots[index].number))
        {
            return false;
        }
        if !gate.care || self.admits(index, want, now) {
            return true;
        }
        let readmitted = panicked.get_or_insert_with(|| self.least_bad(class, now));
        readmitted.contains(&at) && self.within_limits(index, want, now)
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
    pub(super) fn least_bad(&self, class: &Class, now: Instant) -> Vec<u32> {
        // Mostly a count tells: whose breaker is open needs care.
        if self.gates.careful() * 2 + self.gates.shut() <= class.candidates.len() {
            return Vec::new();
        }
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

    pub(super) fn cost_matters(&self, class: usize) -> bool {
        // Whoever has budgets needs care.
        self.watched_of(class)
            .any(|at| self.slots[at as usize].limiter.has_budgets())
    }

    /// Lists the candidates that time alone can change.
    pub(super) fn watched_of(&self, class: usize) -> impl Iterator<Item = u32> {
        let (candidates, watched) = (&self.classes[class].candidates, self.gates.watched());
        let is_all = candidates.len() == self.slots.len();
        let (few, many) = if watched.len() <= candidates.len() {
            (watched, candidates.as_slice())
        } else {
            (candidates.as_slice(), watched)
        };
        let is_both = move |at: &u32| is_all || many.binary_search(at).is_ok();
        few.iter().copied().filter(is_both)
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
