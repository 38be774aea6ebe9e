//! The breaker of one instance: closed, open until a time, half-open with exactly one probe.
//!
//! ```text
//!            five failures in a row, or success below half over 30 s
//!   Closed ────────────────────────────────────────────────► Open(until)
//!     ▲                                                    ▲      │ time is up
//!     │ the probe's first token          the probe failed  │      ▼
//!     └───────────────────────────────────────────────── HalfOpen(probe)
//! ```
//!
//! The probe's first token closes it, for an answer's end may be minutes away; but until one answer has come to its
//! proper end since, a single failure opens it again. An instance that breaks off every answer half-way is therefore
//! met by one request each open time and not by five.
//!
//! After a failure only so many may wait for their first token at once as failures are left until it opens.
//!
//! What began before a transition changes nothing (generations). A probe that is cancelled gives its place back.
//! The open time doubles from 5 s to 60 s, with jitter of up to a quarter, and starts anew after a minute without
//! another opening. While others wait for a permit it only grows by a quarter of the first one each time: the fault may
//! be over, and a failed probe costs less than waiting; but a fault that lasts is not asked about every 5 s. Figures and sources: nginx, Finagle and linkerd's failure accrual, gobreaker's generations.

mod settings;
mod window;

use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;

use window::Window;

pub use settings::BreakerSettings;

/// How much longer each open time is while others wait, in first open times.
const PRESSED_GROWTH: f64 = 0.25;

/// How the breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BreakerState {
    /// Lets everything through.
    Closed,
    /// Lets nothing through until then.
    Open {
        /// The end of it.
        until: Instant,
    },
    /// Lets one probe through.
    HalfOpen {
        /// Whether it is under way.
        probing: bool,
    },
    /// Opened by hand; only a reset ends it.
    Forced,
}

/// What a request carries back to the breaker that let it through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    generation: u64,
    /// Whether it is the one probe.
    pub(crate) probe: bool,
    /// Whether its first token has been counted as a success.
    answered: bool,
}

/// The breaker of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    state: BreakerState,
    generation: u64,
    /// In halves, since an overloaded answer counts half.
    consecutive_halves: u32,
    window: Window,
    slow_in_a_row: u32,
    /// Openings in a row without a minute of peace between.
    streak: u32,
    /// When it may be tried while others wait, however long it stays open otherwise.
    soonest: Option<Instant>,
    closed_at: Option<Instant>,
    /// First tokens since then, halved by each failure: what slow start goes by.
    proven: u32,
    /// Closed by a first token, and no answer has come to its proper end since.
    unproven: bool,
    /// Answers that broke off after their first token, since the last one that came to its proper end.
    cuts_in_a_row: u32,
    opened: u64,
}

impl Breaker {
    /// Makes a closed breaker.
    pub(crate) fn new(settings: BreakerSettings, now: Instant) -> Self {
        Self {
            window: Window::new(settings.window, now),
            settings,
            state: BreakerState::Closed,
            generation: 0,
            consecutive_halves: 0,
            slow_in_a_row: 0,
            streak: 0,
            soonest: None,
            closed_at: None,
            proven: 0,
            unproven: false,
            cuts_in_a_row: 0,
            opened: 0,
        }
    }

    /// Returns how it stands; an open time that is over counts as half-open.
    pub(crate) fn state(&self, now: Instant) -> BreakerState {
        match self.state {
            BreakerState::Open { until } if until <= now => {
                BreakerState::HalfOpen { probing: false }
            }
            state => state,
        }
    }

    /// Tells whether everything is let through.
    pub(crate) fn is_closed(&self) -> bool {
        self.state == BreakerState::Closed
    }

    /// Tells whether a request may go now.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        match self.state(now) {
            BreakerState::Closed => true,
            BreakerState::HalfOpen { probing } => !probing,
            BreakerState::Open { .. } | BreakerState::Forced => false,
        }
    }

    /// Returns when it may let something through, when only time is needed for that.
    pub(crate) fn opens_door_at(&self, now: Instant) -> Option<Instant> {
        match self.state(now) {
            BreakerState::Open { until } => Some(until),
            BreakerState::Closed | BreakerState::HalfOpen { .. } | BreakerState::Forced => None,
        }
    }

    /// Lets a request through. In a panic it may be called while open; that request is no probe.
    pub(crate) fn pass(&mut self, now: Instant) -> Pass {
        let probe = match self.state(now) {
            BreakerState::HalfOpen { probing: false } => {
                if matches!(self.state, BreakerState::Open { .. }) {
                    self.generation += 1;
                }
                self.state = BreakerState::HalfOpen { probing: true };
                true
            }
            BreakerState::Closed
            | BreakerState::HalfOpen { probing: true }
            | BreakerState::Open { .. }
            | BreakerState::Forced => false,
        };
        Pass {
            generation: self.generation,
            probe,
            answered: false,
        }
    }

    /// Takes the first token of a request: what a probe waits for, and what counts as a success. Tells whether it closed
    /// the breaker.
    ///
    /// The end of a stream would come too late: answers that began before a failure would hide it for a minute.
    pub(crate) fn first_token(&mut self, pass: &mut Pass, now: Instant) -> bool {
        if pass.generation != self.generation {
            return false;
        }
        match self.state {
            BreakerState::HalfOpen { .. } => {
                self.close(now);
                // Its later end still counts, in the new life of the instance.
                pass.generation = self.generation;
                pass.probe = false;
                self.count_success(pass, now);
                true
            }
            // In a panic an open instance was tried and answered: it is well, through half-open to closed.
            BreakerState::Open { .. } => {
                self.generation += 1;
                self.state = BreakerState::HalfOpen { probing: true };
                self.close(now);
                pass.generation = self.generation;
                self.count_success(pass, now);
                true
            }
            BreakerState::Closed => {
                self.count_success(pass, now);
                false
            }
            BreakerState::Forced => false,
        }
    }

    fn count_success(&mut self, pass: &mut Pass, now: Instant) {
        if !pass.answered {
            pass.answered = true;
            self.consecutive_halves = 0;
            self.window.answered(now);
            self.proven = self.proven.saturating_add(1);
        }
    }

    /// Takes a proper end.
    pub(crate) fn success(&mut self, mut pass: Pass, now: Instant) {
        // An answer without a first token (an empty but proper one) is as good.
        self.first_token(&mut pass, now);
        if pass.generation == self.generation && self.is_closed() {
            self.unproven = false;
            self.cuts_in_a_row = 0;
        }
    }

    /// Takes a failure; `halves` is 2 for a whole one and 1 for half. Tells whether it opened the breaker.
    pub(crate) fn failure(
        &mut self,
        pass: Pass,
        halves: u32,
        now: Instant,
        rng: &mut impl Rng,
    ) -> bool {
        if pass.generation != self.generation || !self.settings.enabled {
            return false;
        }
        match self.state {
            BreakerState::Closed => {
                self.consecutive_halves += halves;
                self.window.failed(halves, now);
                self.proven /= 2;
                if pass.answered {
                    // Its first token was counted as a success; it turned out to be none.
                    self.cuts_in_a_row += 1;
                    self.window.not_answered(now);
                }
                if self.unproven
                    || self.cuts_in_a_row >= self.settings.consecutive_failures
                    || self.consecutive_halves >= 2 * self.settings.consecutive_failures
                    || self.rate_is_low(now)
                {
                    self.open(now, rng);
                    return true;
                }
                false
            }
            BreakerState::HalfOpen { .. } if pass.probe => {
                self.open(now, rng);
                true
            }
            BreakerState::Open { .. } => {
                self.consecutive_halves += halves;
                false
            }
            BreakerState::HalfOpen { .. } | BreakerState::Forced => false,
        }
    }

    /// Lets the next probe go sooner: for when others wait for a permit, and trying costs less than that.
    pub(crate) fn hurry(&mut self) {
        if let (BreakerState::Open { until }, Some(soonest)) = (&mut self.state, self.soonest) {
            *until = soonest.min(*until);
        }
    }

    /// Tells whether hurrying would let a probe go sooner.
    pub(crate) fn may_hurry(&self) -> bool {
        match (self.state, self.soonest) {
            (BreakerState::Open { until }, Some(soonest)) => soonest < until,
            _ => false,
        }
    }

    /// Takes an end that says nothing (cancelled, a 429, the caller's mistake): frees the probe's place.
    pub(crate) fn nothing(&mut self, pass: Pass) {
        if pass.generation == self.generation
            && pass.probe
            && let BreakerState::HalfOpen { probing } = &mut self.state
        {
            *probing = false;
        }
    }

    /// Takes how a first token compared with the other instances'. Tells whether it opened the breaker.
    pub(crate) fn pace(
        &mut self,
        pass: Pass,
        slow: bool,
        now: Instant,
        rng: &mut impl Rng,
    ) -> bool {
        if pass.generation != self.generation || !self.is_closed() {
            return false;
        }
        self.slow_in_a_row = if slow { self.slow_in_a_row + 1 } else { 0 };
        if self.settings.enabled
            && self.settings.slow_first_tokens > 0
            && self.slow_in_a_row >= self.settings.slow_first_tokens
        {
            self.open(now, rng);
            return true;
        }
        false
    }

    /// Begins a slow start, as after a recovery.
    pub(crate) fn begin_slowly(&mut self, now: Instant) {
        self.closed_at = Some(now);
        self.proven = 0;
    }

    /// Goes on with other settings; how it stands does not change.
    pub(crate) fn tune(&mut self, settings: BreakerSettings) {
        self.window.tune(settings.window);
        self.settings = settings;
    }

    /// Opens it by hand.
    pub(crate) fn force_open(&mut self) {
        self.generation += 1;
        self.state = BreakerState::Forced;
    }

    /// Closes it by hand and forgets everything.
    pub(crate) fn reset(&mut self) {
        let (settings, generation, opened) = (self.settings.clone(), self.generation, self.opened);
        *self = Self::new(settings, self.window.born());
        self.generation = generation + 1;
        self.opened = opened;
    }

    /// Makes it ask with one probe first.
    pub(crate) fn half_open(&mut self) {
        self.generation += 1;
        self.state = BreakerState::HalfOpen { probing: false };
    }

    /// Returns failures in a row, rounded down.
    pub(crate) fn consecutive_failures(&self) -> u32 {
        self.consecutive_halves / 2
    }

    /// Returns how many may wait for their first token at once after a failure: as many as are left until it opens.
    /// `None` when nothing failed since the last first token. Never fewer than two, so that one that hangs does not keep
    /// everybody else waiting. Without it as many as there are permits would meet an
    /// instance that has just begun to fail, however soon it opens.
    pub(crate) fn trust(&self) -> Option<u32> {
        let failed = self.consecutive_halves.div_ceil(2);
        (failed > 0 && self.is_closed() && self.settings.enabled).then(|| {
            self.settings
                .consecutive_failures
                .saturating_sub(failed)
                .max(2)
        })
    }

    /// Returns how often it has opened.
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    /// Returns how many of the permits slow start allows now: a share that grows with time, or as many as first tokens
    /// have proven, and one more. By time alone a recovered instance would stand half idle for half a minute, while
    /// others wait.
    pub(crate) fn slow_start(&self, permits: usize, now: Instant) -> usize {
        let Some(closed_at) = self.closed_at else {
            return permits;
        };
        let ramp = self.settings.slow_start.as_secs_f64();
        let passed = now.duration_since(closed_at).as_secs_f64();
        if passed >= ramp {
            return permits;
        }
        let by_time = (permits as f64 * (passed / ramp).max(0.1)).ceil() as usize;
        let by_proof = self.proven as usize + 1;
        by_time.max(by_proof).min(permits)
    }

    /// Tells whether something failed lately: any failure in a row, or in the window.
    pub(crate) fn is_failing(&self, now: Instant) -> bool {
        let (ok, failed) = self.window.counts(now);
        self.consecutive_halves > 0 || (failed > 0 && failed * 10 >= ok)
    }

    fn close(&mut self, now: Instant) {
        self.generation += 1;
        self.state = BreakerState::Closed;
        self.consecutive_halves = 0;
        self.slow_in_a_row = 0;
        self.proven = 0;
        self.window.clear();
        self.closed_at = Some(now);
        self.unproven = true;
        self.cuts_in_a_row = 0;
    }

    fn open(&mut self, now: Instant, rng: &mut impl Rng) {
        const PEACE: Duration = Duration::from_secs(60);
        let peaceful = self.is_closed()
            && self
                .closed_at
                .is_none_or(|closed_at| now.duration_since(closed_at) > PEACE);
        self.streak = if peaceful { 0 } else { self.streak + 1 };
        let jitter = rng.random_range(1.0..1.25);
        let open_for = self
            .settings
            .open_for
            .saturating_mul(1 << self.streak.min(16))
            .min(self.settings.open_at_most)
            .mul_f64(jitter);
        let pressed = jitter * (1.0 + PRESSED_GROWTH * f64::from(self.streak.min(1_000)));
        self.soonest = Some(now + self.settings.open_for.mul_f64(pressed).min(open_for));
        self.generation += 1;
        self.opened += 1;
        self.state = BreakerState::Open {
            until: now + open_for,
        };
    }

    fn rate_is_low(&self, now: Instant) -> bool {
        let (ok, failed) = self.window.counts(now);
        let all = ok + failed;
        all >= self.settings.least_requests
            && f64::from(ok) / f64::from(all) < self.settings.success_rate
    }
}

#[cfg(test)]
mod tests;
