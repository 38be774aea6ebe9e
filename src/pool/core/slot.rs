//! One instance as the pool keeps it: settings, limits, breaker, what was learned.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::ErrorKind;
use crate::limit::{Cost, Limiter};

use super::super::InstanceSettings;
use super::super::adaptive::Adaptive;
use super::super::breaker::{Breaker, BreakerSettings};
use super::super::estimate::Estimate;
use super::Want;

/// Longest wait that a provider may ask for; longer ones are cut.
const LONGEST_COOLING: Duration = Duration::from_secs(300);
/// First and longest own wait after a 429 that does not say how long.
const FIRST_COOLING: Duration = Duration::from_secs(1);
const LONGEST_OWN_COOLING: Duration = Duration::from_secs(30);
/// A held instance is asked again with one probe after this.
const HOLD_FOR: Duration = Duration::from_secs(15 * 60);
/// A model that an instance does not have is asked for again after this.
const PAIR_FOR: Duration = Duration::from_secs(10 * 60);

/// Everything of one instance.
#[derive(Debug)]
pub(crate) struct Slot {
    /// What others know it by; never given again, as positions and names are.
    pub(crate) number: u32,
    pub(crate) settings: InstanceSettings,
    pub(crate) enabled: bool,
    pub(crate) draining: bool,
    /// Standby instances wait until the scaler calls them.
    pub(crate) standby: bool,
    /// Drains because the scaler wants it back on standby.
    pub(crate) leaving: bool,
    /// Leaves for good: forgotten with its last request.
    pub(crate) removed: bool,
    pub(crate) limiter: Limiter,
    pub(crate) breaker: Breaker,
    pub(crate) adaptive: Option<Adaptive>,
    pub(crate) estimate: Estimate,
    pub(crate) cooling_until: Option<Instant>,
    cooling_streak: u32,
    pub(crate) held: Option<(ErrorKind, Instant)>,
    /// Models it turned out not to have, until when.
    missing: Vec<(String, Instant)>,
    /// Attempts without a first token, oldest first; ended ones are removed lazily.
    pub(crate) unanswered: VecDeque<(u64, Instant)>,
    /// How many attempts run that have no first token yet.
    pub(crate) silent: u32,
    pub(crate) last_latency: Option<Duration>,
}

impl Slot {
    pub(crate) fn new(
        number: u32,
        settings: InstanceSettings,
        breaker: BreakerSettings,
        now: Instant,
    ) -> Self {
        Self {
            number,
            enabled: settings.enabled,
            draining: false,
            standby: settings.standby,
            leaving: false,
            removed: false,
            limiter: Limiter::new(&settings.limits),
            breaker: Breaker::new(breaker, now),
            adaptive: settings
                .adaptive
                .as_ref()
                .map(|adaptive| Adaptive::new(adaptive, settings.limits.permits)),
            estimate: Estimate::default(),
            cooling_until: None,
            cooling_streak: 0,
            held: None,
            missing: Vec::new(),
            unanswered: VecDeque::new(),
            silent: 0,
            last_latency: None,
            settings,
        }
    }

    /// Begins to adapt from the permits that are set, or stops adapting.
    pub(crate) fn adapt_anew(&mut self) {
        let permits = self.settings.limits.permits;
        self.adaptive = self
            .settings
            .adaptive
            .as_ref()
            .map(|adaptive| Adaptive::new(adaptive, permits));
    }

    /// Tells whether it may be asked at all, health aside.
    pub(crate) fn is_open(&self) -> bool {
        self.enabled && !self.draining && !self.standby && !self.removed && self.held.is_none()
    }

    /// Returns how many may be in flight when nothing is wrong.
    fn full_permits(&self) -> usize {
        let configured = self.settings.limits.permits.max(1);
        self.adaptive.as_ref().map_or(configured, Adaptive::permits)
    }

    /// Tells whether it is still in its slow start.
    pub(crate) fn is_starting(&self, now: Instant) -> bool {
        let full = self.full_permits();
        self.breaker.slow_start(full, now) < full
    }

    /// Returns how many may be in flight now.
    pub(crate) fn permits(&self, now: Instant) -> u32 {
        self.breaker.slow_start(self.full_permits(), now).max(1) as u32
    }

    /// Returns what a request would take of its budgets.
    pub(crate) fn cost(&self, want: &Want) -> Cost {
        let mut cost = want.cost;
        if self.limiter.limits_spending() {
            let asked = want.model.as_ref().or(self.settings.models.first());
            let rate = self.settings.rate(asked.map(String::as_str));
            cost.spend = rate.micros(cost.tokens.saturating_sub(cost.output), cost.output);
        }
        cost
    }

    /// Returns when interval and cooling let the next request begin; `None` for at once.
    pub(crate) fn ready_at(&self) -> Option<Instant> {
        self.limiter.next_start().max(self.cooling_until)
    }

    /// Tells whether more than the plain gate must be asked.
    pub(crate) fn needs_care(&self) -> bool {
        !self.breaker.is_closed() || self.limiter.has_budgets() || !self.missing.is_empty()
    }

    /// Tells whether it is known not to have a model.
    pub(crate) fn lacks(&self, model: &str, now: Instant) -> bool {
        self.missing
            .iter()
            .any(|(missing, until)| missing == model && *until > now)
    }

    /// Remembers that it does not have a model.
    pub(crate) fn mark_missing(&mut self, model: &str, now: Instant) {
        self.missing
            .retain(|(missing, until)| missing != model && *until > now);
        if self.missing.len() < 64 {
            self.missing.push((model.to_owned(), now + PAIR_FOR));
        }
    }

    /// Obeys a rate limit: the given wait, with a tenth of jitter at most; its own growing one when none is given.
    /// A later, shorter one never shortens it.
    pub(crate) fn cool(&mut self, given: Option<Duration>, jitter: f64, now: Instant) {
        // Nothing at all is no time to wait: it is a second rounded down, or a header that nobody filled in.
        let wait = match given.filter(|given| !given.is_zero()) {
            Some(given) => given.min(LONGEST_COOLING).mul_f64(1.0 + 0.1 * jitter),
            None => {
                let own = FIRST_COOLING
                    .saturating_mul(1 << self.cooling_streak.min(10))
                    .min(LONGEST_OWN_COOLING);
                self.cooling_streak += 1;
                own.mul_f64(1.0 + 0.1 * jitter)
            }
        };
        self.cooling_until = self.cooling_until.max(Some(now + wait));
    }

    /// Takes it out until somebody mends it, or a slow probe succeeds; returns when that is asked.
    pub(crate) fn hold(
        &mut self,
        kind: ErrorKind,
        given: Option<Duration>,
        now: Instant,
    ) -> Instant {
        let until = now
            + given
                .filter(|given| !given.is_zero())
                .unwrap_or(HOLD_FOR)
                .max(Duration::from_secs(1));
        self.held = Some((kind, until));
        until
    }

    /// Ends a hold whose time is over; it comes back with one probe.
    pub(crate) fn end_hold(&mut self, now: Instant) -> bool {
        if self.held.is_some_and(|(_, until)| until <= now) {
            self.held = None;
            self.breaker.half_open();
            return true;
        }
        false
    }

    /// Forgets everything bad.
    pub(crate) fn forgive(&mut self) {
        self.held = None;
        self.cooling_until = None;
        self.cooling_streak = 0;
        self.missing.clear();
        self.breaker.reset();
    }

    /// Notes an answer that ended well.
    pub(crate) fn went_well(&mut self) {
        self.cooling_streak = 0;
    }

    /// Returns when a request of this cost and model could begin, permits aside; `None` when only an event can tell.
    pub(crate) fn earliest(&self, cost: Cost, now: Instant) -> Option<Instant> {
        if !self.is_open() {
            return self
                .held
                .filter(|_| self.enabled && !self.draining && !self.removed)
                .map(|(_, until)| until);
        }
        let mut when = self.limiter.earliest(cost, now);
        when = when.max(self.cooling_until.unwrap_or(when));
        if let Some(door) = self.breaker.opens_door_at(now) {
            when = when.max(door);
        }
        Some(when)
    }
}
