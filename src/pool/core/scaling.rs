//! The pool's side of scaling and of active probes.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::{Error, Health, InstanceName, ScalingStep, ScalingView};

use super::super::scaler::{Forecast, Look, Move, Step};
use super::Core;

/// An instance joined or began to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scaled {
    /// Which one.
    pub(crate) instance: InstanceName,
    /// Whether it joined; else it leaves.
    pub(crate) joined: bool,
}

/// The load at one look.
#[derive(Clone, Copy)]
struct Load {
    look: Look,
    /// The position of who would join.
    next: Option<usize>,
    /// The position of who would leave.
    last: Option<usize>,
}

/// What comes next, and to whom.
pub(super) struct Foreseen {
    forecast: Forecast,
    next: Option<InstanceName>,
    last: Option<InstanceName>,
}

impl Core {
    /// Tells whether there is anything to scale.
    pub(crate) fn scales(&self) -> bool {
        self.slots
            .iter()
            .any(|slot| slot.settings.standby && !slot.removed)
    }

    /// Looks at the load and lets a standby instance join, or a joined one leave by draining.
    pub(crate) fn scale(&mut self, now: Instant) -> Option<Scaled> {
        self.finish_leaving(now);
        let load = self.load(now);
        let step = self.scaler.look(load.look, now);
        let at = match step {
            Some(Move::Join) => load.next,
            Some(Move::Leave) => load.last,
            None => None,
        };
        let Some(at) = at else {
            self.foresee(load, now);
            return None;
        };
        let joined = step == Some(Move::Join);
        if joined {
            self.slots[at].standby = false;
            self.slots[at].breaker.begin_slowly(now);
        } else {
            self.slots[at].draining = true;
            self.slots[at].leaving = true;
            self.finish_leaving(now);
        }
        self.refresh(at, now);
        self.dispatch(now);
        self.foresee(self.load(now), now);
        Some(Scaled {
            instance: self.slots[at].settings.name.clone(),
            joined,
        })
    }

    /// Weighs demand and permits, and says whose turn it is.
    fn load(&self, now: Instant) -> Load {
        let permits = |at: usize| f64::from(self.slots[at].permits(now));
        let mut capacity = 0.0;
        let mut next = None;
        let mut last = None;
        for at in 0..self.slots.len() {
            let slot = &self.slots[at];
            if slot.removed || !slot.enabled || slot.held.is_some() {
                continue;
            }
            if slot.standby {
                next.get_or_insert(at);
            } else if !slot.draining {
                let cooling = slot.cooling_until.is_some_and(|until| until > now);
                if slot.breaker.is_closed() && !cooling {
                    capacity += permits(at);
                }
                if slot.settings.standby {
                    last = Some(at);
                }
            }
        }
        let running: u32 = self
            .standings
            .iter()
            .map(|standing| standing.in_flight)
            .sum();
        let look = Look {
            demand: f64::from(running) + self.queue.len() as f64,
            capacity,
            next: next.map(permits),
            last: last.map(permits),
        };
        Load { look, next, last }
    }

    /// Keeps for the board what comes next: boards are read many times a second, the load once.
    fn foresee(&mut self, load: Load, now: Instant) {
        let name = |at: usize| self.slots[at].settings.name.clone();
        self.foreseen = Some(Foreseen {
            forecast: self.scaler.forecast(load.look, now),
            next: load.next.map(name),
            last: load.last.map(name),
        });
    }

    /// Says what comes next.
    pub(super) fn scaling_view(&self, now: Instant) -> Option<ScalingView> {
        let Foreseen {
            forecast,
            next,
            last,
        } = self.foreseen.as_ref().filter(|_| self.scales())?;
        let left = |at: Instant| at.saturating_duration_since(now);
        let step = |name: &Option<InstanceName>, step: Option<Step>| {
            let (name, step) = (name.as_ref()?, step?);
            // One that was removed since does nothing any more.
            self.find(name)?;
            Some(ScalingStep {
                instance: name.clone(),
                demand: step.demand,
                due_in: step.at.map(left),
            })
        };
        Some(ScalingView {
            enabled: self.settings.scaling.enabled,
            demand: forecast.demand,
            mean_demand: forecast.mean,
            permits: forecast.capacity,
            join: step(next, forecast.join),
            leave: step(last, forecast.leave),
            cool_down_left: forecast.rested_at.map_or(Duration::ZERO, left),
            calm_in: forecast.calm_at.map_or(Duration::ZERO, left),
        })
    }

    /// Puts those that have drained back on standby.
    fn finish_leaving(&mut self, now: Instant) {
        for at in 0..self.slots.len() {
            let slot = &mut self.slots[at];
            if slot.leaving && self.standings[at].in_flight == 0 {
                slot.leaving = false;
                slot.draining = false;
                slot.standby = true;
                self.refresh(at, now);
            }
        }
    }

    /// Takes the result of an active probe: a good one brings an instance back at once, a bad one counts as a failure.
    pub(crate) fn probed(&mut self, name: &InstanceName, result: Result<(), &Error>, now: Instant) {
        let Some(at) = self.find(name) else {
            return;
        };
        let slot = &mut self.slots[at];
        match result {
            Ok(()) => {
                if !slot.breaker.is_closed() || slot.held.is_some() {
                    slot.forgive();
                }
            }
            Err(error) => match error.kind().health() {
                Health::Fail | Health::HalfFail => {
                    let pass = slot.breaker.pass(now);
                    slot.breaker.failure(pass, 2, now, &mut self.rng);
                }
                Health::Hold => {
                    let until = slot.hold(error.kind(), error.retry_after(), now);
                    self.holds_end = Some(self.holds_end.map_or(until, |end| end.min(until)));
                }
                Health::No | Health::Cool | Health::Pair => {}
            },
        }
        self.refresh(at, now);
        self.dispatch(now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Admission, End, Want};
    use super::*;
    use crate::base::{InstanceState, Priority, ProviderType, Target};
    use crate::limit::Cost;
    use crate::pool::{InstanceSettings, Settings};

    #[tokio::test(start_paused = true)]
    async fn a_standby_instance_joins_when_the_queue_waits_and_leaves_by_draining() {
        let mut now = Instant::now();
        let instance = |name: &str, standby| InstanceSettings {
            standby,
            limits: crate::limit::Settings {
                permits: 1,
                ..Default::default()
            },
            ..InstanceSettings::new(name, ProviderType::Ollama)
        };
        let mut core = Core::new(
            Settings::default(),
            Vec::new(),
            vec![instance("a", false), instance("b", true)],
            1,
            now,
        )
        .unwrap();
        let want = |now| Want {
            target: Target::Any,
            model: None,
            cost: Cost::default(),
            priority: Priority::Interactive,
            caller: None,
            conversation: None,
            deadline: now + Duration::from_secs(600),
            tried: Vec::new(),
            tag: None,
            types: 0,
            request: 0,
        };
        let Admission::Granted(first) = core.acquire(want(now), now) else {
            panic!()
        };
        assert!(matches!(
            core.acquire(want(now), now),
            Admission::Waiting(_)
        ));
        assert_eq!(core.view(now).instances[1].state, InstanceState::Standby);
        assert_eq!(core.view(now).scaling, None, "nobody has looked yet");
        let mut joined = None;
        for second in 0..10 {
            now += Duration::from_secs(1);
            if let Some(scaled) = core.scale(now) {
                joined = Some((second, scaled));
                break;
            }
            let scaling = core.view(now).scaling.unwrap();
            assert_eq!((scaling.demand, scaling.permits), (2.0, 1.0));
            let join = scaling.join.unwrap();
            assert_eq!((join.instance.as_str(), join.demand), ("b", 0.7));
            assert!(join.due_in.unwrap() <= Duration::from_secs(6));
        }
        let (second, scaled) = joined.unwrap();
        assert!(second <= 6 && scaled.joined && scaled.instance.as_str() == "b");
        let scaling = core.view(now).scaling.unwrap();
        assert_eq!(scaling.join, None, "nobody is left");
        assert_eq!(scaling.leave.unwrap().instance.as_str(), "b");
        assert_eq!(scaling.cool_down_left, Duration::from_secs(15));
        let second = core.take_verdicts().remove(0).1.unwrap();
        assert_eq!(second.instance.as_str(), "b", "the one that waited got it");

        core.release(
            first.lease,
            End::Success {
                tokens: None,
                output: None,
                spend: None,
            },
            now,
        );
        let mut left = false;
        for _ in 0..700 {
            now += Duration::from_secs(1);
            if let Some(scaled) = core.scale(now) {
                assert!(!scaled.joined);
                left = true;
                break;
            }
        }
        // One request still runs on it for so long that demand of 1 needs 1/0.7 permits: it stays until that ends.
        assert!(!left);
        core.release(
            second.lease,
            End::Success {
                tokens: None,
                output: None,
                spend: None,
            },
            now,
        );
        for _ in 0..700 {
            now += Duration::from_secs(1);
            if core.scale(now).is_some() {
                left = true;
                break;
            }
        }
        assert!(left);
        assert_eq!(core.view(now).instances[1].state, InstanceState::Standby);
    }
}
