//! A new config while the driver runs: what changed is applied in place, what did not goes on undisturbed.

use std::fmt;
use std::sync::Arc;

use crate::base::{Changed, DeckEvent, Error, ErrorKind, InstanceDocument, InstanceName};
use crate::pool::{InstanceSettings, RouteSettings, Wanted};

use super::roster::{Member, Roster};
use super::{InForce, InstanceSpec, LlmModelDriver, Settings, Shared, prices_of, tending};

/// What a new config changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Instances that were not there before.
    pub added: Vec<InstanceName>,
    /// Instances that take nothing new and are gone with their last request.
    pub leaving: Vec<InstanceName>,
    /// Instances that stay, and what is different about each.
    pub changed: Vec<(InstanceName, Vec<String>)>,
    /// How many instances stay as they are.
    pub unchanged: usize,
    /// What is different about the routes and the pool as a whole.
    pub settings: Vec<String>,
    /// Sections whose changes count only from the next start on.
    pub later: Vec<&'static str>,
}

impl Applied {
    /// Tells whether nothing is different.
    pub fn is_empty(&self) -> bool {
        let Self {
            added,
            leaving,
            changed,
            unchanged: _,
            settings,
            later,
        } = self;
        added.is_empty()
            && leaving.is_empty()
            && changed.is_empty()
            && settings.is_empty()
            && later.is_empty()
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("config read again: nothing changed");
        }
        let list = |names: &[InstanceName]| {
            let names: Vec<&str> = names.iter().map(InstanceName::as_str).collect();
            names.join(", ")
        };
        let mut parts = Vec::new();
        if !self.added.is_empty() {
            parts.push(format!("added {}", list(&self.added)));
        }
        if !self.leaving.is_empty() {
            parts.push(format!("{} leaving", list(&self.leaving)));
        }
        for (name, what) in &self.changed {
            parts.push(format!("{name}: {}", what.join(", ")));
        }
        parts.extend(self.settings.iter().cloned());
        if !self.later.is_empty() {
            parts.push(format!("at the next start: {}", self.later.join(", ")));
        }
        write!(f, "config read again: {}", parts.join("; "))
    }
}

impl LlmModelDriver {
    /// Puts a new config in force without a restart; `by` says who asks for it, for the log.
    ///
    /// An instance with the same name, type and base URL stays: it keeps its running requests, its breaker, what was
    /// learned of it and what is used of its budgets, and new limits count at once. What was changed by hand since the
    /// last config stays too, unless the new config changes the same thing. A new key ends a hold for the old one.
    /// Others are added, with a slow start; those that are gone take nothing new and leave with their last request.
    ///
    /// # Errors
    /// Of kind `config`, as with [`LlmModelDriver::new`], and when there is no instance. Then nothing has changed.
    pub fn apply(
        &self,
        settings: Settings,
        routes: Vec<RouteSettings>,
        instances: Vec<InstanceSpec>,
        by: &str,
    ) -> Result<Applied, Error> {
        self.apply_besides(settings, routes, instances, by, Vec::new())
    }

    /// Does what [`LlmModelDriver::apply`] does; `besides` says what else the config changes, outside the driver, so
    /// that what is told of it is all of it.
    ///
    /// # Errors
    /// As with [`LlmModelDriver::apply`].
    pub fn apply_besides(
        &self,
        settings: Settings,
        routes: Vec<RouteSettings>,
        instances: Vec<InstanceSpec>,
        by: &str,
        besides: Vec<String>,
    ) -> Result<Applied, Error> {
        let mut applied = self.0.apply(settings, routes, instances)?;
        applied.settings.extend(besides);
        let what = applied.to_string();
        tracing::info!(by, what, "config");
        self.0.tell(|| DeckEvent::Commanded {
            what,
            by: by.to_owned(),
        });
        Ok(applied)
    }
}

impl Shared {
    fn apply(
        self: &Arc<Self>,
        settings: Settings,
        routes: Vec<RouteSettings>,
        instances: Vec<InstanceSpec>,
    ) -> Result<Applied, Error> {
        let _one_at_a_time = self.changing.lock();
        self.put_in_force(settings, routes, instances)
    }

    /// Puts a set in force; whoever calls this holds `changing`.
    pub(super) fn put_in_force(
        self: &Arc<Self>,
        mut settings: Settings,
        routes: Vec<RouteSettings>,
        mut instances: Vec<InstanceSpec>,
    ) -> Result<Applied, Error> {
        for instance in &mut instances {
            prices_of(&mut instance.settings, &settings)?;
        }
        let before = self.roster.read().clone();
        let mut after = before.clone();
        let mut wanted = Vec::new();
        let mut applied = Applied::default();
        for spec in instances {
            wanted.push(place(&before, &mut after, spec, &mut applied));
        }
        let goes = |member: &&Arc<Member>| {
            !wanted
                .iter()
                .any(|wanted| wanted.settings.name == *member.name())
        };
        let gone = before.named().filter(goes);
        applied.leaving = gone.map(|member| member.name().clone()).collect();
        applied.leaving.sort();
        let old = self.in_force();
        applied.compare(&old, &settings, &routes);
        // An exporter runs from start to end.
        settings.trace = old.settings.trace;

        // The pool may give out a lease for a new one at once, so the roster comes first.
        *self.roster.write() = after;
        if let Err(error) = self
            .balancer
            .apply(settings.pool.clone(), routes.clone(), wanted)
        {
            *self.roster.write() = before;
            return Err(error);
        }
        self.budget.tune(&settings.retry);
        self.hedges.keep(&routes);
        *self.in_force.write() = Arc::new(InForce::new(settings, routes));
        self.forget_the_gone();
        tending::tend(self);
        Ok(applied)
    }

    /// Sets up an instance from what a face says of it.
    pub(super) async fn add(self: &Arc<Self>, entry: InstanceDocument) -> Result<Changed, Error> {
        let building = self.builder.read().as_ref().map(|build| build(entry));
        let Some(building) = building else {
            return Err(Error::new(
                ErrorKind::Config,
                "this program does not know how to set up an instance while it runs",
            ));
        };
        let mut spec = building.await?;
        prices_of(&mut spec.settings, &self.in_force().settings)?;
        let changed = {
            let _one_at_a_time = self.changing.lock();
            if self.balancer.has(&spec.settings.name) {
                // Before the roster forgets who had the name.
                return Err(taken(&spec.settings.name));
            }
            let settings = spec.settings.clone();
            let number = self.roster.write().take(None, spec);
            let changed = self.balancer.add(number, settings);
            self.forget_the_gone();
            changed?
        };
        tending::tend(self);
        Ok(changed)
    }

    /// Forgets instances that have left the pool.
    pub(super) fn forget_the_gone(&self) {
        let numbers = self.balancer.numbers();
        self.roster.write().keep(&numbers);
    }
}

fn taken(name: &InstanceName) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("there is an instance called '{name}' already"),
    )
    .with_hint("give the new one a name of its own, or remove the other one first")
}

/// Puts an instance of a new set into its old place, or into a new one.
fn place(before: &Roster, after: &mut Roster, spec: InstanceSpec, applied: &mut Applied) -> Wanted {
    let settings = spec.settings.clone();
    let name = settings.name.clone();
    let Some(member) = before.find(&name) else {
        applied.added.push(name);
        return Wanted {
            number: after.take(None, spec),
            settings,
            before: None,
            mended: false,
        };
    };
    if !member.is_at(&settings) {
        let what = vec!["another address or type; what runs at the old one goes on".to_owned()];
        applied.changed.push((name, what));
        return Wanted {
            number: after.take(None, spec),
            settings,
            before: None,
            mended: false,
        };
    }
    let mended = !member.is_reached_as(&spec.strategy);
    let mut what = differences(&member.settings, &settings);
    if mended {
        what.push("reached with another key, headers or timeouts".to_owned());
    }
    if what.is_empty() {
        applied.unchanged += 1;
    } else {
        applied.changed.push((name, what));
    }
    Wanted {
        number: after.take(Some(member.number), spec),
        settings,
        before: Some(member.settings.clone()),
        mended,
    }
}

/// Says what is different, key by key.
fn differences(before: &InstanceSettings, after: &InstanceSettings) -> Vec<String> {
    let mut what = Vec::new();
    let mut compare = |key: &str, before: String, after: String| {
        if before != after {
            what.push(format!("{key} {before} -> {after}"));
        }
    };
    let duration = |time| humantime::format_duration(time).to_string();
    let limit =
        |limit: Option<u64>| limit.map_or_else(|| "none".to_owned(), |most| most.to_string());
    let (old, new) = (&before.limits, &after.limits);
    compare(
        "enabled",
        before.enabled.to_string(),
        after.enabled.to_string(),
    );
    compare(
        "standby",
        before.standby.to_string(),
        after.standby.to_string(),
    );
    compare("models", before.models.join(" "), after.models.join(" "));
    compare(
        "weight",
        before.weight.to_string(),
        after.weight.to_string(),
    );
    compare("tier", before.tier.to_string(), after.tier.to_string());
    compare("permits", old.permits.to_string(), new.permits.to_string());
    compare(
        "min_interval",
        duration(old.min_interval),
        duration(new.min_interval),
    );
    for (key, old, new) in [
        (
            "requests_per_minute",
            old.requests_per_minute,
            new.requests_per_minute,
        ),
        (
            "tokens_per_minute",
            old.tokens_per_minute,
            new.tokens_per_minute,
        ),
        ("tokens_per_day", old.tokens_per_day, new.tokens_per_day),
    ] {
        compare(key, limit(old), limit(new));
    }
    let money =
        |limit: Option<f64>| limit.map_or_else(|| "none".to_owned(), |most| format!("${most}"));
    compare(
        "spend_per_day",
        money(old.spend_per_day),
        money(new.spend_per_day),
    );
    for (key, is_other) in [
        ("breaker", before.breaker != after.breaker),
        ("adaptive", before.adaptive != after.adaptive),
        (
            "price",
            before.price != after.price || before.rates != after.rates,
        ),
        ("probe_every", before.probe_every != after.probe_every),
    ] {
        if is_other {
            what.push(key.to_owned());
        }
    }
    what
}

impl Applied {
    /// Notes what is different about routes and pool.
    fn compare(&mut self, old: &InForce, settings: &Settings, routes: &[RouteSettings]) {
        for route in routes {
            match old.routes.get(&route.name) {
                None => self.settings.push(format!("route {} added", route.name)),
                Some(before) if **before != *route => {
                    self.settings.push(format!("route {} changed", route.name));
                }
                Some(_) => {}
            }
        }
        for name in old.routes.keys() {
            if !routes.iter().any(|route| route.name == *name) {
                self.settings.push(format!("route {name} removed"));
            }
        }
        let Settings {
            pool,
            retry,
            monitor,
            prices,
            trace: _,
            prompts: _,
            seed: _,
        } = settings;
        for (section, is_other) in [
            ("pool", old.settings.pool != *pool),
            ("retry", old.settings.retry != *retry),
            ("prices", old.settings.prices != *prices),
        ] {
            if is_other {
                self.settings.push(format!("[{section}] changed"));
            }
        }
        if old.settings.monitor != *monitor {
            self.later.push("[monitor]");
        }
    }
}
