//! What has been learned of an instance's pace: the basis of the `auto` strategy.
//!
//! ```text
//! ttft  = max( ewma(0.2) of first tokens, aged to the fleet's median with τ = 60 s,  age of the oldest unanswered attempt )
//! spt   = ewma of seconds per output token: of ended streams (α = 0.2·min(1, tokens/200)), and twice a second of
//!         the running ones' pace (α = 0.5); aged like ttft
//! pen   = +5 s for each failure, decaying with τ = 10 s
//! score = ttft + expected output tokens · spt + pen
//! ```
//! Reading a score changes nothing. More load, a slower pace or more failures never lower it.

use std::time::Duration;

use tokio::time::Instant;

const FIRST_TOKEN_WEIGHT: f64 = 0.2;
const AGEING: f64 = 60.0;
const PACE_WEIGHT: f64 = 0.2;
const LIVE_PACE_WEIGHT: f64 = 0.5;
const FAILURE_PENALTY: f64 = 5.0;
const PENALTY_DECAY: f64 = 10.0;
/// An ended stream says something about the pace from this many tokens on.
const FEWEST_TOKENS: u64 = 16;
/// Live pace is taken this often.
pub(crate) const LIVE_STEP: Duration = Duration::from_millis(500);

/// The learned pace of one instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Estimate {
    first_token: Option<f64>,
    first_token_at: Option<Instant>,
    seconds_per_token: Option<f64>,
    pace_at: Option<Instant>,
    penalty: f64,
    penalty_at: Option<Instant>,
    /// Streams past their first token.
    streaming: u32,
    /// Since `live_since`: tokens they brought, and seconds they streamed, all together.
    live_tokens: u64,
    live_seconds: f64,
    live_since: Option<Instant>,
    counted_at: Option<Instant>,
}

/// What is known of all instances together, for those of which nothing is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fleet {
    /// Median first token, in seconds.
    pub(crate) first_token: f64,
    /// Median seconds per token.
    pub(crate) seconds_per_token: f64,
    /// Expected output tokens of a request.
    pub(crate) tokens: f64,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            first_token: 0.5,
            seconds_per_token: 0.02,
            tokens: 200.0,
        }
    }
}

impl Estimate {
    /// Takes a first token.
    pub(crate) fn first_token(&mut self, after: Duration, now: Instant) {
        let seconds = after.as_secs_f64();
        self.first_token = Some(match self.first_token {
            None => seconds,
            Some(before) => before + FIRST_TOKEN_WEIGHT * (seconds - before),
        });
        self.first_token_at = Some(now);
        self.take_live_pace(now);
        self.streaming += 1;
        self.live_since.get_or_insert(now);
        self.counted_at = Some(now);
    }

    /// Takes tokens of a running stream.
    pub(crate) fn tokens(&mut self, count: u64) {
        self.live_tokens += count;
    }

    /// Takes the end of a stream that had its first token; `pace` when it ended well: its tokens and streaming time.
    pub(crate) fn stream_ended(&mut self, pace: Option<(u64, Duration)>, now: Instant) {
        self.take_live_pace(now);
        self.streaming = self.streaming.saturating_sub(1);
        if self.streaming == 0 {
            self.live_since = None;
            self.live_tokens = 0;
            self.live_seconds = 0.0;
        }
        if let Some((tokens, streamed)) = pace
            && tokens >= FEWEST_TOKENS
        {
            let weight = PACE_WEIGHT * (tokens as f64 / 200.0).min(1.0);
            self.mix_pace(streamed.as_secs_f64() / tokens as f64, weight, now);
        }
    }

    /// Takes a failure.
    pub(crate) fn failure(&mut self, now: Instant) {
        self.penalty = self.penalty_at(now) + FAILURE_PENALTY;
        self.penalty_at = Some(now);
    }

    /// Takes the pace of the running streams, when it is time again.
    pub(crate) fn take_live_pace(&mut self, now: Instant) {
        let Some(since) = self.live_since else {
            return;
        };
        // Streams come and go within a step, so their time is added up, not multiplied at its end.
        let counted_at = self.counted_at.replace(now).unwrap_or(now);
        self.live_seconds +=
            now.duration_since(counted_at).as_secs_f64() * f64::from(self.streaming);
        if now.duration_since(since) < LIVE_STEP || self.streaming == 0 {
            return;
        }
        // No token at all: as slow as one token in all that time.
        self.mix_pace(
            self.live_seconds / (self.live_tokens.max(1)) as f64,
            LIVE_PACE_WEIGHT,
            now,
        );
        self.live_tokens = 0;
        self.live_seconds = 0.0;
        self.live_since = Some(now);
    }

    /// Returns the learned first token in seconds, as it was learned.
    pub(crate) fn learned_first_token(&self) -> Option<f64> {
        self.first_token
    }

    /// Returns the learned seconds per token.
    pub(crate) fn learned_pace(&self) -> Option<f64> {
        self.seconds_per_token
    }

    /// Returns the expected seconds of a whole answer.
    pub(crate) fn score(
        &self,
        oldest_unanswered: Option<Instant>,
        fleet: &Fleet,
        now: Instant,
    ) -> f64 {
        let first_token = aged(
            self.first_token,
            self.first_token_at,
            fleet.first_token,
            now,
        );
        let waiting =
            oldest_unanswered.map_or(0.0, |since| now.duration_since(since).as_secs_f64());
        let pace = aged(
            self.seconds_per_token,
            self.pace_at,
            fleet.seconds_per_token,
            now,
        );
        first_token.max(waiting) + fleet.tokens * pace + self.penalty_at(now)
    }

    fn penalty_at(&self, now: Instant) -> f64 {
        self.penalty_at.map_or(0.0, |at| {
            self.penalty * (-now.duration_since(at).as_secs_f64() / PENALTY_DECAY).exp()
        })
    }

    fn mix_pace(&mut self, seconds_per_token: f64, weight: f64, now: Instant) {
        self.pace_at = Some(now);
        self.seconds_per_token = Some(match self.seconds_per_token {
            None => seconds_per_token,
            Some(before) => before + weight * (seconds_per_token - before),
        });
    }
}

/// Moves what was learned towards what is usual, the longer ago it was learned.
fn aged(learned: Option<f64>, at: Option<Instant>, usual: f64, now: Instant) -> f64 {
    let (Some(learned), Some(at)) = (learned, at) else {
        return usual;
    };
    let age = now.duration_since(at).as_secs_f64();
    usual + (learned - usual) * (-age / AGEING).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn slower_busier_or_failing_is_never_more_attractive() {
        let now = Instant::now();
        let fleet = Fleet::default();
        let mut quick = Estimate::default();
        quick.first_token(Duration::from_millis(200), now);
        quick.stream_ended(Some((200, Duration::from_secs(2))), now);
        let base = quick.score(None, &fleet, now);

        let mut slow = quick.clone();
        slow.first_token(Duration::from_secs(2), now);
        assert!(slow.score(None, &fleet, now) > base);

        let mut failing = quick.clone();
        failing.failure(now);
        assert!((failing.score(None, &fleet, now) - base - 5.0).abs() < 1e-9);
        let later = now + Duration::from_secs(10);
        assert!(failing.score(None, &fleet, later) - quick.score(None, &fleet, later) < 2.0);

        let hanging = quick.score(Some(now), &fleet, now + Duration::from_secs(9));
        assert!(hanging > base + 8.0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unused_instance_comes_back_to_the_median() {
        let now = Instant::now();
        let fleet = Fleet::default();
        let mut once_slow = Estimate::default();
        once_slow.first_token(Duration::from_secs(20), now);
        let then = once_slow.score(None, &fleet, now);
        let later = once_slow.score(None, &fleet, now + Duration::from_secs(300));
        assert!(
            then > 20.0 && later < fleet.first_token + fleet.tokens * fleet.seconds_per_token + 0.3
        );
    }

    #[tokio::test(start_paused = true)]
    async fn streams_that_begin_late_in_a_step_do_not_look_slow() {
        let mut now = Instant::now();
        let mut estimate = Estimate::default();
        estimate.first_token(Duration::from_millis(100), now);
        now += LIVE_STEP.mul_f64(0.9);
        for _ in 0..7 {
            estimate.first_token(Duration::from_millis(100), now);
        }
        now += LIVE_STEP.mul_f64(0.1);
        // 100 tokens a second of each: 50 of the first stream, 5 of each other.
        estimate.tokens(50 + 7 * 5);
        estimate.take_live_pace(now);
        assert!((estimate.learned_pace().unwrap() - 0.01).abs() < 1e-6);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_stream_shows_within_seconds() {
        let mut now = Instant::now();
        let mut estimate = Estimate::default();
        estimate.first_token(Duration::from_millis(100), now);
        for _ in 0..5 {
            estimate.tokens(50);
            now += LIVE_STEP;
            estimate.take_live_pace(now);
        }
        let flowing = estimate.learned_pace().unwrap();
        for _ in 0..3 {
            now += LIVE_STEP;
            estimate.take_live_pace(now);
        }
        assert!(estimate.learned_pace().unwrap() > 10.0 * flowing);
    }

    #[tokio::test(start_paused = true)]
    async fn no_failure_slowness_or_silence_ever_makes_one_more_attractive() {
        use rand::{Rng, SeedableRng};
        for seed in 0..200 {
            let mut dice = rand::rngs::SmallRng::seed_from_u64(seed);
            let mut now = Instant::now();
            let fleet = Fleet::default();
            let mut estimate = Estimate::default();
            for _ in 0..30 {
                now += Duration::from_millis(dice.random_range(0..5_000));
                match dice.random_range(0..3) {
                    0 => estimate
                        .first_token(Duration::from_millis(dice.random_range(50..3_000)), now),
                    1 => estimate.stream_ended(
                        Some((
                            dice.random_range(16..500),
                            Duration::from_millis(dice.random_range(100..20_000)),
                        )),
                        now,
                    ),
                    _ => estimate.failure(now),
                }
                let score = estimate.score(None, &fleet, now);
                let mut failed = estimate.clone();
                failed.failure(now);
                assert!(failed.score(None, &fleet, now) > score);
                let unanswered = now - Duration::from_millis(dice.random_range(0..9_000));
                assert!(estimate.score(Some(unanswered), &fleet, now) >= score);
                let after = |estimate: &Estimate, first: u64, pace: u64| {
                    let mut after = estimate.clone();
                    after.first_token(Duration::from_millis(first), now);
                    after.stream_ended(Some((100, Duration::from_millis(pace))), now);
                    after.score(None, &fleet, now)
                };
                let (first, pace) = (dice.random_range(50..3_000), dice.random_range(500..9_000));
                let (later, slower) = (dice.random_range(0..3_000), dice.random_range(0..9_000));
                assert!(after(&estimate, first + later, pace) >= after(&estimate, first, pace));
                assert!(after(&estimate, first, pace + slower) >= after(&estimate, first, pace));
            }
        }
    }
}
