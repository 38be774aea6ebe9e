//! Permits that adapt: one more for each full round of good answers, a third less on 429, 529 and overload, a tenth
//! less when tokens come much slower than they could.
//!
//! First tokens and whole answers say more of the question than of the load, so they are not used. "Could" is the
//! instance's own tenth percentile of seconds per token (a frugal estimate that needs one number).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Bounds of adaptive permits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveSettings {
    /// Never fewer.
    #[serde(default = "one")]
    pub floor: usize,
    /// Never more.
    pub ceiling: usize,
}

fn one() -> usize {
    1
}

/// After a cut, the next one waits this long: one burst of refusals is one signal.
const REST: Duration = Duration::from_secs(2);
/// Tokens this much slower than the tenth percentile mean too much load.
const SLOWER: f64 = 1.5;

/// The adapting number of permits.
#[derive(Clone, Debug)]
pub(crate) struct Adaptive {
    settings: AdaptiveSettings,
    permits: f64,
    good_in_a_row: u32,
    baseline: Option<f64>,
    last_cut: Option<Instant>,
}

impl Adaptive {
    pub(crate) fn new(settings: &AdaptiveSettings, start: usize) -> Self {
        let floor = settings.floor.max(1);
        let ceiling = settings.ceiling.max(floor);
        Self {
            permits: start.clamp(floor, ceiling) as f64,
            settings: AdaptiveSettings { floor, ceiling },
            good_in_a_row: 0,
            baseline: None,
            last_cut: None,
        }
    }

    pub(crate) fn permits(&self) -> usize {
        (self.permits as usize).clamp(self.settings.floor, self.settings.ceiling)
    }

    pub(crate) fn set(&mut self, permits: usize) {
        self.permits = permits as f64;
        self.good_in_a_row = 0;
    }

    /// Takes a good answer; `busy` when at least four fifths of the permits were in use (else growing proves nothing).
    pub(crate) fn good(&mut self, seconds_per_token: Option<f64>, busy: bool, now: Instant) {
        if let Some(pace) = seconds_per_token {
            let slow = self.take_pace(pace);
            if slow {
                self.cut(0.9, now);
                return;
            }
        }
        if !busy {
            return;
        }
        self.good_in_a_row += 1;
        if f64::from(self.good_in_a_row) >= self.permits {
            self.good_in_a_row = 0;
            self.permits = (self.permits + 1.0).min(self.settings.ceiling as f64);
        }
    }

    /// Takes a refusal for too much load.
    pub(crate) fn refused(&mut self, now: Instant) {
        self.cut(0.7, now);
    }

    fn cut(&mut self, factor: f64, now: Instant) {
        if self
            .last_cut
            .is_some_and(|last| now.duration_since(last) < REST)
        {
            return;
        }
        self.last_cut = Some(now);
        self.good_in_a_row = 0;
        self.permits = (self.permits * factor).max(self.settings.floor as f64);
    }

    /// Moves the tenth percentile and tells whether this pace is too slow.
    fn take_pace(&mut self, pace: f64) -> bool {
        let Some(baseline) = self.baseline else {
            self.baseline = Some(pace);
            return false;
        };
        // Frugal quantile: up a little nine times in ten, down nine times as much the tenth.
        let step = baseline * 0.02;
        self.baseline = Some(if pace > baseline {
            baseline + step * 0.1
        } else {
            baseline - step * 0.9
        });
        pace > SLOWER * baseline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn grows_by_one_a_round_and_falls_at_once_within_its_bounds() {
        let now = Instant::now();
        let mut adaptive = Adaptive::new(
            &AdaptiveSettings {
                floor: 2,
                ceiling: 6,
            },
            4,
        );
        for _ in 0..4 {
            adaptive.good(None, true, now);
        }
        assert_eq!(adaptive.permits(), 5);
        for _ in 0..100 {
            adaptive.good(None, true, now);
        }
        assert_eq!(adaptive.permits(), 6);
        adaptive.refused(now);
        assert_eq!(adaptive.permits(), 4);
        adaptive.refused(now);
        assert_eq!(adaptive.permits(), 4, "one burst is one signal");
        for second in 1..10 {
            adaptive.refused(now + REST * second);
        }
        assert_eq!(adaptive.permits(), 2);
        for _ in 0..100 {
            adaptive.good(None, false, now);
        }
        assert_eq!(adaptive.permits(), 2, "an idle instance proves nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn slower_tokens_make_it_fall() {
        let now = Instant::now();
        let mut adaptive = Adaptive::new(
            &AdaptiveSettings {
                floor: 1,
                ceiling: 20,
            },
            10,
        );
        adaptive.good(Some(0.02), true, now);
        adaptive.good(Some(0.02), true, now);
        adaptive.good(Some(0.05), true, now);
        assert_eq!(adaptive.permits(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn permits_stay_between_floor_and_ceiling_whatever_comes() {
        use rand::{Rng, SeedableRng};
        for seed in 0..100 {
            let mut dice = rand::rngs::SmallRng::seed_from_u64(seed);
            let mut now = Instant::now();
            let (floor, more) = (dice.random_range(1..5), dice.random_range(0..20));
            let ceiling = floor + more;
            let mut adaptive = Adaptive::new(
                &AdaptiveSettings { floor, ceiling },
                dice.random_range(1..40),
            );
            for _ in 0..500 {
                now += Duration::from_millis(dice.random_range(0..3_000));
                if dice.random_bool(0.2) {
                    adaptive.refused(now);
                } else {
                    let pace = dice.random_bool(0.7).then(|| dice.random_range(0.005..0.1));
                    adaptive.good(pace, dice.random_bool(0.8), now);
                }
                assert!(
                    (floor..=ceiling).contains(&adaptive.permits()),
                    "{}",
                    adaptive.permits()
                );
            }
        }
    }
}
