//! What can be changed at run time. Each says what changed, and how to take it back.

use tokio::time::Instant;

use crate::base::{Changed, Command, Error, ErrorKind, InstanceName, LimitKind};

use super::super::strategy::StrategyKind;
use super::Core;

impl Core {
    /// Carries out a command; `Probe` is the driver's and does nothing here, and so is setting up what is added.
    pub(crate) fn command(&mut self, command: &Command, now: Instant) -> Result<Changed, Error> {
        let changed = match command {
            Command::Enable { instance } => self.enable(instance, now)?,
            Command::Disable { instance } => self.disable(instance)?,
            Command::Drain { instance } => self.drain(instance)?,
            Command::SetPermits { instance, permits } => self.set_permits(instance, *permits)?,
            Command::SetWeight { instance, weight } => self.set_weight(instance, *weight)?,
            Command::SetMinInterval { instance, interval } => {
                let at = self.must_find(instance)?;
                let before = self.slots[at].limiter.min_interval();
                self.slots[at].settings.limits.min_interval = *interval;
                self.slots[at].limiter.set_min_interval(*interval);
                Changed {
                    what: format!(
                        "{instance}: minimum interval {} -> {}",
                        humantime::format_duration(before),
                        humantime::format_duration(*interval)
                    ),
                    undo: Some(Command::SetMinInterval {
                        instance: instance.clone(),
                        interval: before,
                    }),
                }
            }
            Command::SetLimit {
                instance,
                limit,
                value,
            } => self.set_limit(instance, *limit, *value)?,
            Command::SetStrategy { route, strategy } => {
                self.set_strategy(route.as_ref(), strategy)?
            }
            Command::ResetBreaker { instance } => {
                let at = self.must_find(instance)?;
                self.slots[at].forgive();
                Changed {
                    what: format!("{instance}: breaker closed, cool-down and hold forgotten"),
                    undo: None,
                }
            }
            Command::ForceOpen { instance } => {
                let at = self.must_find(instance)?;
                self.slots[at].breaker.force_open();
                Changed {
                    what: format!("{instance}: breaker forced open until it is reset"),
                    undo: Some(Command::ResetBreaker {
                        instance: instance.clone(),
                    }),
                }
            }
            Command::RemoveInstance { instance } => self.remove(instance, now)?,
            Command::AddInstance { .. } => return Err(nobody_builds()),
            // Alerts are the monitor's; whoever has one answers this before it comes here.
            Command::SilenceAlert { .. } => {
                return Err(Error::new(ErrorKind::Config, "the pool has no alerts"));
            }
            // The driver sets what the pool shares with it, as a new config would.
            Command::Set { .. } => {
                return Err(Error::new(ErrorKind::Config, "the pool alone sets nothing"));
            }
            Command::Probe { instance } => {
                self.must_find(instance)?;
                Changed {
                    what: format!("{instance}: asked"),
                    undo: None,
                }
            }
        };
        for at in 0..self.slots.len() {
            self.refresh(at, now);
        }
        self.refuse_the_hopeless();
        self.dispatch(now);
        Ok(changed)
    }

    pub(super) fn must_find(&self, name: &InstanceName) -> Result<usize, Error> {
        self.find(name).ok_or_else(|| self.unknown_instance(name))
    }

    fn enable(&mut self, name: &InstanceName, now: Instant) -> Result<Changed, Error> {
        let at = self.must_find(name)?;
        let slot = &mut self.slots[at];
        let was_off = !slot.enabled;
        let was_draining = slot.draining;
        slot.enabled = true;
        slot.draining = false;
        slot.standby = false;
        slot.leaving = false;
        if slot.held.take().is_some() {
            slot.forgive();
        }
        let _ = now;
        Ok(Changed {
            what: format!("{name} on"),
            undo: if was_off {
                Some(Command::Disable {
                    instance: name.clone(),
                })
            } else if was_draining {
                Some(Command::Drain {
                    instance: name.clone(),
                })
            } else {
                None
            },
        })
    }

    fn disable(&mut self, name: &InstanceName) -> Result<Changed, Error> {
        let at = self.must_find(name)?;
        let slot = &mut self.slots[at];
        let was_on = slot.enabled;
        slot.enabled = false;
        slot.draining = false;
        Ok(Changed {
            what: format!("{name} off{}", still_running(self.standings[at].in_flight)),
            undo: was_on.then(|| Command::Enable {
                instance: name.clone(),
            }),
        })
    }

    fn drain(&mut self, name: &InstanceName) -> Result<Changed, Error> {
        let at = self.must_find(name)?;
        let slot = &mut self.slots[at];
        if !slot.enabled {
            return Err(Error::new(
                ErrorKind::Config,
                format!("{name} is off; there is nothing to drain"),
            )
            .with_hint("switch it on first"));
        }
        slot.draining = true;
        Ok(Changed {
            what: format!(
                "{name} draining{}",
                still_running(self.standings[at].in_flight)
            ),
            undo: Some(Command::Enable {
                instance: name.clone(),
            }),
        })
    }

    fn set_permits(&mut self, name: &InstanceName, permits: usize) -> Result<Changed, Error> {
        let at = self.must_find(name)?;
        if permits == 0 || permits > 100_000 {
            return Err(Error::new(
                ErrorKind::Config,
                format!("{name}: permits must be from 1 to 100000, not {permits}"),
            )
            .with_hint("to stop an instance, switch it off"));
        }
        let slot = &mut self.slots[at];
        let before = slot.settings.limits.permits;
        slot.settings.limits.permits = permits;
        if let Some(adaptive) = &mut slot.adaptive {
            adaptive.set(permits);
        }
        Ok(Changed {
            what: format!("{name}: permits {before} -> {permits}"),
            undo: Some(Command::SetPermits {
                instance: name.clone(),
                permits: before,
            }),
        })
    }

    fn set_limit(
        &mut self,
        name: &InstanceName,
        limit: LimitKind,
        value: Option<f64>,
    ) -> Result<Changed, Error> {
        let at = self.must_find(name)?;
        let slot = &mut self.slots[at];
        let key = limit.as_str();
        let is_money = limit == LimitKind::SpendPerDay;
        let sensible = |value: f64| {
            let whole = is_money || value.fract() == 0.0 && value >= 1.0;
            value.is_finite() && value > 0.0 && value <= 1e12 && whole
        };
        if let Some(value) = value.filter(|value| !sensible(*value)) {
            let what = if is_money {
                "US dollars above 0"
            } else {
                "a whole number from 1"
            };
            return Err(Error::new(
                ErrorKind::Config,
                format!("{name}: {key} is {what}, not {value}"),
            )
            .with_hint("leave the value out for no limit; to stop an instance, switch it off"));
        }
        if is_money && value.is_some() {
            let models = &slot.settings.models;
            let unknown = models
                .iter()
                .find(|model| !slot.settings.rates.contains_key(*model));
            if let Some(model) = unknown {
                return Err(super::super::no_price(name, model));
            }
        }
        let whole = value.map(|value| value as u64);
        let limits = &mut slot.settings.limits;
        let swap =
            |limit: &mut Option<u64>| std::mem::replace(limit, whole).map(|before| before as f64);
        let before = match limit {
            LimitKind::RequestsPerMinute => swap(&mut limits.requests_per_minute),
            LimitKind::TokensPerMinute => swap(&mut limits.tokens_per_minute),
            LimitKind::TokensPerDay => swap(&mut limits.tokens_per_day),
            LimitKind::SpendPerDay => std::mem::replace(&mut limits.spend_per_day, value),
        };
        slot.limiter.tune(limits);
        let told = |value: Option<f64>| match value {
            None => "none".to_owned(),
            Some(value) if is_money => format!("${value}"),
            Some(value) => value.to_string(),
        };
        Ok(Changed {
            what: format!("{name}: {key} {} -> {}", told(before), told(value)),
            undo: Some(Command::SetLimit {
                instance: name.clone(),
                limit,
                value: before,
            }),
        })
    }

    fn set_weight(&mut self, name: &InstanceName, weight: u32) -> Result<Changed, Error> {
        let at = self.must_find(name)?;
        if weight == 0 || weight > 1_000 {
            return Err(Error::new(
                ErrorKind::Config,
                format!("{name}: weight must be from 1 to 1000, not {weight}"),
            )
            .with_hint("to stop an instance, switch it off"));
        }
        let before = std::mem::replace(&mut self.slots[at].settings.weight, weight);
        self.standings[at].weight = weight;
        Ok(Changed {
            what: format!("{name}: weight {before} -> {weight}"),
            undo: Some(Command::SetWeight {
                instance: name.clone(),
                weight: before,
            }),
        })
    }

    fn set_strategy(
        &mut self,
        route: Option<&crate::base::RouteName>,
        strategy: &str,
    ) -> Result<Changed, Error> {
        let kind: StrategyKind = strategy.parse()?;
        let Some(balancing) = self
            .balancing
            .iter_mut()
            .find(|balancing| balancing.route.as_ref() == route)
        else {
            let name = route.map_or("", |route| route.as_str());
            return Err(Error::new(
                ErrorKind::Config,
                format!("unknown route '{name}'"),
            ));
        };
        let before = std::mem::replace(&mut balancing.kind, kind);
        balancing.state = kind.build();
        let whose = route.map_or_else(
            || "strategy".to_owned(),
            |route| format!("{route}: strategy"),
        );
        Ok(Changed {
            what: format!("{whose} {before} -> {kind}"),
            undo: Some(Command::SetStrategy {
                route: route.cloned(),
                strategy: before.as_str().to_owned(),
            }),
        })
    }
}

fn nobody_builds() -> Error {
    Error::new(
        ErrorKind::Config,
        "this program does not know how to set up an instance while it runs",
    )
}

fn still_running(in_flight: u32) -> String {
    match in_flight {
        0 => String::new(),
        1 => "; 1 request still runs".to_owned(),
        more => format!("; {more} requests still run"),
    }
}
