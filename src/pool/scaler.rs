//! Scaling: standby instances join when permits run short, and leave by draining when load falls.
//!
//! After Knative's autoscaler: demand (running and queued) is averaged over a stable window and compared with the
//! permits of the active instances at a target utilisation; a short panic window joins at once when demand is twice
//! what is there, and nobody leaves while it lasts. Leaving looks at the largest demand of a longer time. Instances
//! that are open, cooling or held are not capacity. Pure arithmetic: the pool brings the figures and acts.

mod forecast;

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub(crate) use forecast::{Forecast, Step};

/// When standby instances join and leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScalingSettings {
    /// Whether standby instances join and leave by themselves.
    pub enabled: bool,
    /// The share of permits that is meant to be in use, 0 to 1.
    pub target: f64,
    /// Demand is averaged over this time.
    #[serde(with = "humantime_serde")]
    pub stable_window: Duration,
    /// Demand of twice the capacity over this time joins at once.
    #[serde(with = "humantime_serde")]
    pub panic_window: Duration,
    /// An instance leaves when it would not have been needed for this long.
    #[serde(with = "humantime_serde")]
    pub leave_after: Duration,
    /// Least time between two changes outside a panic.
    #[serde(with = "humantime_serde")]
    pub cool_down: Duration,
    /// A command that is run at each join and leave: program and arguments. It is told LLMDECK_EVENT (`join`,
    /// `leave`) and LLMDECK_INSTANCE.
    pub command: Vec<String>,
    /// A URL that is told of each join and leave, as a POST of JSON.
    pub webhook: Option<String>,
}

impl Default for ScalingSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            target: 0.7,
            stable_window: Duration::from_secs(60),
            panic_window: Duration::from_secs(6),
            leave_after: Duration::from_secs(300),
            cool_down: Duration::from_secs(15),
            command: Vec::new(),
            webhook: None,
        }
    }
}

/// What the pool looks like at one look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Requests running and queued.
    pub(crate) demand: f64,
    /// Permits of the active, healthy instances.
    pub(crate) capacity: f64,
    /// Permits of the standby instance that would join next.
    pub(crate) next: Option<f64>,
    /// Permits of the joined instance that would leave next.
    pub(crate) last: Option<f64>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Join,
    Leave,
}

/// Remembers demand and decides.
#[derive(Debug)]
pub(crate) struct Scaler {
    settings: ScalingSettings,
    /// One look a second at most, over the longest window.
    demand: VecDeque<(Instant, f64)>,
    last_change: Option<Instant>,
    panicked: Option<Instant>,
}

impl Scaler {
    pub(crate) fn new(settings: ScalingSettings) -> Self {
        Self {
            settings,
            demand: VecDeque::new(),
            last_change: None,
            panicked: None,
        }
    }

    /// Goes on with other settings.
    pub(crate) fn tune(&mut self, settings: ScalingSettings) {
        self.settings = settings;
    }

    /// Takes a look and decides. Looks closer than a second to the last one only replace it.
    pub(crate) fn look(&mut self, look: Look, now: Instant) -> Option<Move> {
        const EVERY: Duration = Duration::from_millis(900);
        match self.demand.back_mut() {
            Some((at, demand)) if now.duration_since(*at) < EVERY => *demand = look.demand,
            _ => self.demand.push_back((now, look.demand)),
        }
        let longest = self.settings.leave_after.max(self.settings.stable_window);
        while self
            .demand
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at) > longest)
        {
            self.demand.pop_front();
        }
        if !self.settings.enabled {
            return None;
        }

        let panicking = self
            .mean(self.settings.panic_window, now)
            .is_some_and(|demand| {
                demand >= 2.0 * self.settings.target * look.capacity && demand > 0.0
            });
        if panicking {
            self.panicked = Some(now);
        }
        let rested = self
            .last_change
            .is_none_or(|at| now.duration_since(at) >= self.settings.cool_down);
        let in_panic = self
            .panicked
            .is_some_and(|at| now.duration_since(at) < self.settings.stable_window);

        if look.next.is_some() {
            let short = self
                .mean(self.settings.stable_window, now)
                .is_some_and(|demand| demand > self.settings.target * look.capacity);
            // In a panic a join must show its effect within the panic window before the next one.
            let soon = self
                .last_change
                .is_none_or(|at| now.duration_since(at) >= self.settings.panic_window);
            if (panicking && soon) || (short && rested) {
                self.last_change = Some(now);
                return Some(Move::Join);
            }
        }
        if let Some(last) = look.last
            && rested
            && !in_panic
            && let Some(peak) = self.peak(self.settings.leave_after, now)
            && peak <= self.settings.target * (look.capacity - last).max(0.0)
        {
            self.last_change = Some(now);
            return Some(Move::Leave);
        }
        None
    }

    /// Returns the mean demand over a window that has been looked at in full.
    fn mean(&self, window: Duration, now: Instant) -> Option<f64> {
        let inside = self.inside(window, now)?;
        let (count, sum) = inside.fold((0u32, 0.0), |(count, sum), demand| {
            (count + 1, sum + demand)
        });
        (count > 0).then(|| sum / f64::from(count))
    }

    fn peak(&self, window: Duration, now: Instant) -> Option<f64> {
        self.inside(window, now)?.reduce(f64::max)
    }

    fn inside(&self, window: Duration, now: Instant) -> Option<impl Iterator<Item = f64>> {
        let oldest = self.demand.front()?.0;
        let tolerance = Duration::from_secs(1);
        (now.duration_since(oldest) + tolerance >= window).then(|| {
            self.demand
                .iter()
                .filter(move |(at, _)| now.duration_since(*at) <= window)
                .map(|(_, demand)| *demand)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a second-by-second demand against 4 permits and three standby instances of 4 each.
    fn run(demand: impl Fn(u64) -> f64, seconds: u64, start: Instant) -> Vec<(u64, Move)> {
        let mut scaler = Scaler::new(ScalingSettings::default());
        let mut joined = 0u32;
        let mut moves = Vec::new();
        for second in 0..seconds {
            let look = Look {
                demand: demand(second),
                capacity: 4.0 + 4.0 * f64::from(joined),
                next: (joined < 3).then_some(4.0),
                last: (joined > 0).then_some(4.0),
            };
            if let Some(step) = scaler.look(look, start + Duration::from_secs(second)) {
                match step {
                    Move::Join => joined += 1,
                    Move::Leave => joined -= 1,
                }
                moves.push((second, step));
            }
        }
        moves
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_joins_within_seconds_and_quiet_lets_them_leave_one_by_one() {
        let moves = run(
            |second| if second < 100 { 12.0 } else { 0.0 },
            900,
            Instant::now(),
        );
        assert!(moves[0].0 <= 6 && moves[0].1 == Move::Join, "{moves:?}");
        let joins = moves.iter().filter(|(_, step)| *step == Move::Join).count();
        assert_eq!(joins, 3, "{moves:?}");
        let leaves: Vec<u64> = moves
            .iter()
            .filter(|(_, step)| *step == Move::Leave)
            .map(|(at, _)| *at)
            .collect();
        assert_eq!(leaves.len(), 3, "{moves:?}");
        assert!(leaves[0] >= 400, "five quiet minutes first");
        assert!(leaves.windows(2).all(|pair| pair[1] - pair[0] >= 15));
    }

    #[tokio::test(start_paused = true)]
    async fn constant_load_changes_nothing_after_it_has_settled() {
        let moves = run(|_| 5.0, 3_600, Instant::now());
        assert_eq!(
            moves.iter().filter(|(at, _)| *at > 180).count(),
            0,
            "{moves:?}"
        );
        assert_eq!(moves.len(), 1, "{moves:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_to_do_does_nothing() {
        assert_eq!(run(|_| 1.0, 1_000, Instant::now()), []);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_leaves_while_or_soon_after_permits_ran_short() {
        use rand::{Rng, SeedableRng};
        let start = Instant::now();
        for seed in 0..40 {
            let mut dice = rand::rngs::SmallRng::seed_from_u64(seed);
            let mut level = 0.0;
            let demand: Vec<f64> = (0..4_000)
                .map(|_| {
                    if dice.random_bool(0.005) {
                        level = dice.random_range(0.0..20.0);
                    }
                    level
                })
                .collect();
            let moves = run(|second| demand[second as usize], 4_000, start);
            let mut joined = 0i32;
            let mut capacity = vec![4.0; demand.len()];
            for (second, step) in &moves {
                joined += if *step == Move::Join { 1 } else { -1 };
                assert!((0..=3).contains(&joined), "{moves:?}");
                capacity[*second as usize..].fill(4.0 + 4.0 * f64::from(joined));
                if *step == Move::Leave {
                    let lately = (*second as usize).saturating_sub(60)..*second as usize;
                    let short = lately.clone().any(|at| demand[at] > capacity[at]);
                    assert!(!short, "seed {seed}: one left at {second} s");
                }
            }
        }
    }
}
