//! The pool's part of the board.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::{
    BreakerView, InstanceName, InstanceState, InstanceView, LlmMetrics, Priority, QueueView,
    RouteView, ScalingView,
};

use super::super::breaker::BreakerState;
use super::super::strategy::StrategyKind;
use super::Core;

/// What the pool knows at one moment; figures are added by the monitor.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PoolView {
    pub(crate) strategy: String,
    pub(crate) next: Option<InstanceName>,
    pub(crate) queue: QueueView,
    pub(crate) instances: Vec<InstanceView>,
    pub(crate) routes: Vec<RouteView>,
    pub(crate) scaling: Option<ScalingView>,
}

impl Core {
    /// Takes the picture of this moment.
    pub(crate) fn view(&self, now: Instant) -> PoolView {
        let balancing = &self.balancing[0];
        PoolView {
            strategy: balancing.kind.as_str().to_owned(),
            next: self.next_in_ring(now),
            queue: QueueView {
                length: self.queue.len(),
                batch: self.queue.waiting(Priority::Batch),
                limit: self.settings.queue_limit,
                oldest: self.queue.oldest().map(|since| now.duration_since(since)),
                refused: self.refused,
            },
            instances: (0..self.slots.len())
                .filter(|at| self.is_shown(*at))
                .map(|at| self.instance_view(at, now))
                .collect(),
            routes: self
                .routes
                .iter()
                .zip(&self.balancing[1..])
                .enumerate()
                .map(|(at, (route, balancing))| RouteView {
                    name: route.name.clone(),
                    strategy: balancing.kind.as_str().to_owned(),
                    tiers: self.present(&route.tiers),
                    waiting: self.waiting_for(at + 1),
                    queue_limit: route.queue_limit,
                    hedges: None,
                    settings: BTreeMap::new(),
                })
                .collect(),
            scaling: self.scaling_view(now),
        }
    }

    /// One that leaves is shown while it still runs something, unless another one has taken its name.
    fn is_shown(&self, at: usize) -> bool {
        let slot = &self.slots[at];
        !slot.removed || self.find(&slot.settings.name).is_none()
    }

    /// Leaves out instances that have been removed.
    fn present(&self, tiers: &[Vec<InstanceName>]) -> Vec<Vec<InstanceName>> {
        let there = |tier: &Vec<InstanceName>| -> Vec<InstanceName> {
            let names = tier.iter().filter(|name| self.find(name).is_some());
            names.cloned().collect()
        };
        let tiers = tiers.iter().map(there);
        tiers.filter(|tier| !tier.is_empty()).collect()
    }

    /// Returns how an instance stands.
    pub(super) fn state_of(&self, at: usize, now: Instant) -> InstanceState {
        let slot = &self.slots[at];
        if !slot.enabled && !slot.removed {
            return InstanceState::Off;
        }
        if slot.draining || slot.removed {
            return InstanceState::Draining;
        }
        if let Some((kind, _)) = slot.held {
            return InstanceState::Held(kind);
        }
        if slot.standby {
            return InstanceState::Standby;
        }
        match slot.breaker.state(now) {
            BreakerState::Forced => return InstanceState::Open(Duration::ZERO),
            BreakerState::Open { until } => {
                return InstanceState::Open(until.duration_since(now));
            }
            BreakerState::HalfOpen { .. } => return InstanceState::HalfOpen,
            BreakerState::Closed => {}
        }
        match slot.cooling_until {
            Some(until) if until > now => InstanceState::Cooling(until.duration_since(now)),
            _ if slot.breaker.is_failing(now) => InstanceState::Failing,
            _ => InstanceState::On,
        }
    }

    /// Returns who would be next if everybody able had a free permit, for the strategies that keep a ring.
    fn next_in_ring(&self, now: Instant) -> Option<InstanceName> {
        let able: Vec<u32> = (0..self.slots.len() as u32)
            .filter(|at| {
                let slot = &self.slots[*at as usize];
                slot.is_open()
                    && slot.breaker.admits(now)
                    && slot.cooling_until.is_none_or(|until| until <= now)
            })
            .collect();
        let at = self.balancing[0].state.next(&able)?;
        Some(self.slots[at as usize].settings.name.clone())
    }

    fn instance_view(&self, at: usize, now: Instant) -> InstanceView {
        let slot = &self.slots[at];
        let learned = slot.estimate.learned_first_token().is_some();
        InstanceView {
            name: slot.settings.name.clone(),
            provider_type: slot.settings.provider_type,
            base_url: slot.settings.base_url.clone(),
            models: slot.settings.models.clone(),
            state: self.state_of(at, now),
            enabled: slot.enabled,
            in_flight: self.standings[at].in_flight as usize,
            permits: slot.permits(now) as usize,
            weight: slot.settings.weight,
            min_interval: slot.limiter.min_interval(),
            next_start_in: slot
                .limiter
                .next_start()
                .map_or(Duration::ZERO, |next| next.duration_since(now)),
            breaker: BreakerView {
                consecutive_failures: slot.breaker.consecutive_failures(),
                opened: slot.breaker.opened(),
                forced: slot.breaker.state(now) == BreakerState::Forced,
            },
            budgets: slot.limiter.view(now),
            score: learned.then(|| f64::from(self.standings[at].expected)),
            last_latency: slot.last_latency,
            settings: BTreeMap::from([(
                "permits".to_owned(),
                slot.settings.limits.permits.to_string(),
            )]),
            metrics: LlmMetrics::default(),
        }
    }

    /// Returns the strategy in force without a route.
    pub(crate) fn strategy(&self) -> StrategyKind {
        self.balancing[0].kind
    }
}
