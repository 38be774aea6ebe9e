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
//! What began before a transition changes nothing (generations). A probe that is cancelled gives its place back.
//! The open time doubles from 5 s to 60 s, with jitter of up to a quarter, and starts anew after a minute without
//! another opening. While others wait for a permit it is 5 s again: by then the fault may be over, and a failed probe
//! costs less than waiting. Figures and sources: nginx, Finagle and linkerd's failure accrual, gobreaker's generations.

use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// When an instance is taken out for failing, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// Whether there is a breaker at all.
    pub enabled: bool,
    /// Failures in a row that open it.
    pub consecutive_failures: u32,
    /// Success rate, 0 to 1, below which it opens ...
    pub success_rate: f64,
    /// ... over this time ...
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// ... when at least so many requests ended in it.
    pub least_requests: u32,
    /// First open time.
    #[serde(with = "humantime_serde")]
    pub open_for: Duration,
    /// Longest open time.
    #[serde(with = "humantime_serde")]
    pub open_at_most: Duration,
    /// First tokens in a row, each five times slower than the other instances' median, that open it.
    pub slow_first_tokens: u32,
    /// After it closed again, permits grow to their full number over this time, or sooner: by one for each first token.
    #[serde(with = "humantime_serde")]
    pub slow_start: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            consecutive_failures: 5,
            success_rate: 0.5,
            window: Duration::from_secs(30),
            least_requests: 10,
            open_for: Duration::from_secs(5),
            open_at_most: Duration::from_secs(60),
            slow_first_tokens: 8,
            slow_start: Duration::from_secs(30),
        }
    }
}

/// Buckets of the success-rate window.
const BUCKETS: usize = 10;

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
    born: Instant,
    state: BreakerState,
    generation: u64,
    /// In halves, since an overloaded answer counts half.
    consecutive_halves: u32,
    buckets: [Bucket; BUCKETS],
    slow_in_a_row: u32,
    /// Openings in a row without a minute of peace between.
    streak: u32,
    /// When the first open time is over, however long it stays open this time.
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

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    number: u64,
    ok: u32,
    failed_halves: u32,
}

impl Breaker {
    /// Makes a closed breaker.
    pub(crate) fn new(settings: BreakerSettings, now: Instant) -> Self {
        Self {
            born: now,
            settings,
            state: BreakerState::Closed,
            generation: 0,
            consecutive_halves: 0,
            buckets: [Bucket::default(); BUCKETS],
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
            self.bucket(now).ok += 1;
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
                self.bucket(now).failed_halves += halves;
                self.proven /= 2;
                if pass.answered {
                    // Its first token was counted as a success; it turned out to be none.
                    self.cuts_in_a_row += 1;
                    let bucket = self.bucket(now);
                    bucket.ok = bucket.ok.saturating_sub(1);
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

    /// Lets the next probe go as soon as the first open time is over: for when others wait for a permit, and trying costs
    /// less than that.
    pub(crate) fn hurry(&mut self) {
        if let (BreakerState::Open { until }, Some(soonest)) = (&mut self.state, self.soonest) {
            *until = soonest.min(*until);
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
        if settings.window != self.settings.window {
            // Counts of another window's slices.
            self.buckets = [Bucket::default(); BUCKETS];
        }
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
        *self = Self::new(settings, self.born);
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
        let (ok, failed) = self.counts(now);
        self.consecutive_halves > 0 || (failed > 0 && failed * 10 >= ok)
    }

    fn close(&mut self, now: Instant) {
        self.generation += 1;
        self.state = BreakerState::Closed;
        self.consecutive_halves = 0;
        self.slow_in_a_row = 0;
        self.proven = 0;
        self.buckets = [Bucket::default(); BUCKETS];
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
        self.soonest = Some(now + self.settings.open_for.mul_f64(jitter));
        self.generation += 1;
        self.opened += 1;
        self.state = BreakerState::Open {
            until: now + open_for,
        };
    }

    fn rate_is_low(&self, now: Instant) -> bool {
        let (ok, failed) = self.counts(now);
        let all = ok + failed;
        all >= self.settings.least_requests
            && f64::from(ok) / f64::from(all) < self.settings.success_rate
    }

    fn counts(&self, now: Instant) -> (u32, u32) {
        let newest = self.number(now);
        let (mut ok, mut halves) = (0, 0);
        for bucket in &self.buckets {
            if bucket.number + (BUCKETS as u64) > newest {
                ok += bucket.ok;
                halves += bucket.failed_halves;
            }
        }
        (ok, halves.div_ceil(2))
    }

    fn bucket(&mut self, now: Instant) -> &mut Bucket {
        let number = self.number(now);
        let bucket = &mut self.buckets[number as usize % BUCKETS];
        if bucket.number != number {
            *bucket = Bucket {
                number,
                ..Bucket::default()
            };
        }
        bucket
    }

    /// Numbers the slices of time since it was made, from 1: 0 is a bucket never used.
    fn number(&self, now: Instant) -> u64 {
        let slice = (self.settings.window / BUCKETS as u32).max(Duration::from_millis(1));
        1 + (now.duration_since(self.born).as_nanos() / slice.as_nanos()) as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    fn rng() -> SmallRng {
        SmallRng::seed_from_u64(7)
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(BreakerSettings::default(), now);
        for _ in 0..5 {
            let pass = breaker.pass(now);
            breaker.failure(pass, 2, now, &mut rng());
        }
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn five_in_a_row_open_it_for_five_seconds_and_a_quarter_at_most() {
        let now = Instant::now();
        let breaker = opened(now);
        let BreakerState::Open { until } = breaker.state(now) else {
            panic!("{breaker:?}")
        };
        let open_for = until - now;
        assert!(
            (5.0..6.25).contains(&open_for.as_secs_f64()),
            "{open_for:?}"
        );
        assert!(!breaker.admits(now));
        assert!(breaker.admits(until));
    }

    #[tokio::test(start_paused = true)]
    async fn half_open_lets_exactly_one_probe_through_and_its_first_token_closes() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + Duration::from_secs(10);
        let mut probe = breaker.pass(later);
        assert!(probe.probe);
        assert!(!breaker.admits(later));
        assert!(breaker.first_token(&mut probe, later));
        assert!(breaker.is_closed() && breaker.admits(later));
        breaker.success(probe, later);
        assert_eq!(breaker.slow_start(40, later + Duration::from_secs(15)), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_start_is_as_quick_as_first_tokens_come_and_a_failure_halves_it() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + Duration::from_secs(10);
        let mut probe = breaker.pass(later);
        breaker.first_token(&mut probe, later);
        assert_eq!(breaker.slow_start(16, later), 2, "the probe has proven one");
        for _ in 0..7 {
            let mut pass = breaker.pass(later);
            breaker.first_token(&mut pass, later);
            breaker.success(pass, later);
        }
        assert_eq!(breaker.slow_start(16, later), 9);
        let pass = breaker.pass(later);
        breaker.failure(pass, 2, later, &mut rng());
        assert_eq!(breaker.slow_start(16, later), 5);
        assert_eq!(breaker.slow_start(4, later), 4, "never more than there are");
        let end = later + Duration::from_secs(30);
        assert_eq!(breaker.slow_start(16, end), 16);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_began_before_the_failures_do_not_hide_them() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerSettings::default(), now);
        let mut running: Vec<Pass> = (0..4).map(|_| breaker.pass(now)).collect();
        for pass in &mut running {
            breaker.first_token(pass, now);
        }
        let later = now + Duration::from_secs(40);
        for streaming in running {
            let pass = breaker.pass(later);
            breaker.failure(pass, 2, later, &mut rng());
            breaker.success(streaming, later);
        }
        assert!(breaker.is_closed());
        let pass = breaker.pass(later);
        assert!(breaker.failure(pass, 2, later, &mut rng()), "five in a row");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_probe_one_failure_opens_it_again_until_an_answer_came_to_its_end() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + Duration::from_secs(10);
        let mut probe = breaker.pass(later);
        breaker.first_token(&mut probe, later);
        assert!(breaker.failure(probe, 2, later, &mut rng()), "cut half-way");
        let again = later + Duration::from_secs(20);
        let mut probe = breaker.pass(again);
        breaker.first_token(&mut probe, again);
        breaker.success(probe, again);
        let pass = breaker.pass(again);
        assert!(!breaker.failure(pass, 2, again, &mut rng()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_probe_gives_its_place_back() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + Duration::from_secs(10);
        let probe = breaker.pass(later);
        breaker.nothing(probe);
        assert!(breaker.admits(later));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_opens_it_for_longer() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + Duration::from_secs(7);
        let probe = breaker.pass(later);
        assert!(breaker.failure(probe, 2, later, &mut rng()));
        let BreakerState::Open { until } = breaker.state(later) else {
            panic!("{breaker:?}")
        };
        assert!((10.0..12.5).contains(&(until - later).as_secs_f64()));
    }

    #[tokio::test(start_paused = true)]
    async fn when_others_wait_it_is_tried_after_the_first_open_time_however_often_it_opened() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        for _ in 0..3 {
            now += Duration::from_secs(70);
            let probe = breaker.pass(now);
            breaker.failure(probe, 2, now, &mut rng());
        }
        assert!(!breaker.admits(now + Duration::from_secs(39)));
        breaker.hurry();
        assert!(!breaker.admits(now + Duration::from_secs(4)));
        assert!(breaker.admits(now + Duration::from_secs(7)));
        breaker.force_open();
        breaker.hurry();
        assert!(
            !breaker.admits(now + Duration::from_secs(1_000)),
            "by hand is by hand"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_began_before_the_trip_changes_nothing() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerSettings::default(), now);
        let mut old = breaker.pass(now);
        let others: Vec<Pass> = (0..5).map(|_| breaker.pass(now)).collect();
        for pass in others {
            breaker.failure(pass, 2, now, &mut rng());
        }
        assert!(!breaker.is_closed());
        assert!(!breaker.first_token(&mut old, now));
        breaker.success(old, now);
        assert!(!breaker.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_low_success_rate_opens_it_without_a_run() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerSettings::default(), now);
        let mut opened_at = None;
        for n in 0..30 {
            let pass = breaker.pass(now);
            if n % 5 == 4 {
                breaker.success(pass, now);
            } else if breaker.failure(pass, 2, now, &mut rng()) {
                opened_at = Some(n);
                break;
            }
        }
        assert_eq!(
            opened_at,
            Some(10),
            "at the tenth that counts, four in a row never reached five"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn forced_open_ends_only_by_reset() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerSettings::default(), now);
        breaker.force_open();
        assert!(!breaker.admits(now + Duration::from_secs(1_000_000)));
        breaker.reset();
        assert!(breaker.admits(now));
    }

    /// The legal transitions, as a table.
    fn legal(from: BreakerState, to: BreakerState) -> bool {
        use BreakerState::{Closed, Forced, HalfOpen, Open};
        matches!(
            (from, to),
            (Closed, Closed | Open { .. } | Forced)
                | (Open { .. }, Open { .. } | HalfOpen { .. } | Closed | Forced)
                | (
                    HalfOpen { .. },
                    HalfOpen { .. } | Open { .. } | Closed | Forced
                )
                | (Forced, Forced)
        )
    }

    proptest! {
        #[test]
        fn only_legal_transitions_and_one_probe(steps in prop::collection::vec((0u8..6, 0u64..4_000, 0usize..8), 1..400)) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time().start_paused(true).build().unwrap();
            let mut now = runtime.block_on(async { Instant::now() });
            let mut breaker = Breaker::new(BreakerSettings::default(), now);
            let mut rng = rng();
            let mut running: Vec<Pass> = Vec::new();
            for (what, gap, which) in steps {
                now += Duration::from_millis(gap);
                let before = breaker.state(now);
                let pick = (!running.is_empty()).then(|| which % running.len().max(1));
                match (what, pick) {
                    (0 | 1, _) if breaker.admits(now) => { let pass = breaker.pass(now); running.push(pass); }
                    (2, Some(at)) => { let mut pass = running.swap_remove(at); breaker.first_token(&mut pass, now); running.push(pass); }
                    (3, Some(at)) => { let pass = running.swap_remove(at); breaker.success(pass, now); }
                    (4, Some(at)) => { let pass = running.swap_remove(at); breaker.failure(pass, 2, now, &mut rng); }
                    (5, Some(at)) => { let pass = running.swap_remove(at); breaker.nothing(pass); }
                    _ => {}
                }
                let after = breaker.state(now);
                prop_assert!(legal(before, after), "{before:?} -> {after:?}");
                let probes = running.iter().filter(|pass| pass.probe && pass.generation == breaker.generation).count();
                prop_assert!(probes <= 1);
                if let BreakerState::HalfOpen { probing: true } = after {
                    prop_assert_eq!(probes, 1, "a probe's place is held by a running probe");
                }
            }
        }
    }
}
