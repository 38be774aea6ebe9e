//! What has been learned of an instance's pace: the basis of the `auto` strategy.
//!
//! ```text
//! ttft  = max( ewma(0.2) of first tokens, aged to the fleet's median with τ = 60 s,  age of the oldest unanswered attempt )
//! spt   = ewma of seconds per output token: of ended streams (α = 0.2·min(1, tokens/200)), and once a second of the
//!         running ones' pace (α = 0.3)
//! pen   = +5 s for each failure, decaying with τ = 10 s
//! score = ttft + expected output tokens · spt + pen
//! ```
//! Reading a score changes nothing. More load, a slower pace or more failures never lower it.

use std::time::Duration;

use tokio::time::Instant;

const FIRST_TOKEN_WEIGHT: f64 = 0.2;
const FIRST_TOKEN_AGEING: f64 = 60.0;
const PACE_WEIGHT: f64 = 0.2;
const LIVE_PACE_WEIGHT: f64 = 0.3;
const FAILURE_PENALTY: f64 = 5.0;
const PENALTY_DECAY: f64 = 10.0;
/// An ended stream says something about the pace from this many tokens on.
const FEWEST_TOKENS: u64 = 16;
/// Live pace is taken this often.
pub(crate) const LIVE_STEP: Duration = Duration::from_secs(1);

/// The learned pace of one instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Estimate {
    first_token: Option<f64>,
    first_token_at: Option<Instant>,
    seconds_per_token: Option<f64>,
    penalty: f64,
    penalty_at: Option<Instant>,
    /// Streams past their first token, and tokens they brought since `live_since`.
    streaming: u32,
    live_tokens: u64,
    live_since: Option<Instant>,
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
        }
        if let Some((tokens, streamed)) = pace
            && tokens >= FEWEST_TOKENS
        {
            let weight = PACE_WEIGHT * (tokens as f64 / 200.0).min(1.0);
            self.mix_pace(streamed.as_secs_f64() / tokens as f64, weight);
        }
    }

    /// Takes a failure.
    pub(crate) fn failure(&mut self, now: Instant) {
        self.penalty = self.penalty_at(now) + FAILURE_PENALTY;
        self.penalty_at = Some(now);
    }

    /// Takes the pace of the running streams, when a second has passed since the last time.
    pub(crate) fn take_live_pace(&mut self, now: Instant) {
        let Some(since) = self.live_since else {
            return;
        };
        let passed = now.duration_since(since);
        if passed < LIVE_STEP || self.streaming == 0 {
            return;
        }
        let stream_seconds = passed.as_secs_f64() * f64::from(self.streaming);
        // No token at all: as slow as one token in all that time.
        self.mix_pace(
            stream_seconds / (self.live_tokens.max(1)) as f64,
            LIVE_PACE_WEIGHT,
        );
        self.live_tokens = 0;
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
        let aged = match (self.first_token, self.first_token_at) {
            (Some(learned), Some(at)) => {
                let age = now.duration_since(at).as_secs_f64();
                let keep = (-age / FIRST_TOKEN_AGEING).exp();
                fleet.first_token + (learned - fleet.first_token) * keep
            }
            _ => fleet.first_token,
        };
        let waiting =
            oldest_unanswered.map_or(0.0, |since| now.duration_since(since).as_secs_f64());
        let pace = self.seconds_per_token.unwrap_or(fleet.seconds_per_token);
        aged.max(waiting) + fleet.tokens * pace + self.penalty_at(now)
    }

    fn penalty_at(&self, now: Instant) -> f64 {
        self.penalty_at.map_or(0.0, |at| {
            self.penalty * (-now.duration_since(at).as_secs_f64() / PENALTY_DECAY).exp()
        })
    }

    fn mix_pace(&mut self, seconds_per_token: f64, weight: f64) {
        self.seconds_per_token = Some(match self.seconds_per_token {
            None => seconds_per_token,
            Some(before) => before + weight * (seconds_per_token - before),
        });
    }
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
}
