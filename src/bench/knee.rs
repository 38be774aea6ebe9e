//! Where more load stops to pay, and how many permits that is.
//!
//! The knee is the load with the greatest *power*, throughput over response time (Kleinrock, "Power and deterministic
//! rules of thumb for probabilistic problems in computer communications", ICC 1979): below it more load brings more
//! answers, above it mostly waiting. In a closed loop Little's law makes that `X(N)² / N`.
//!
//! The permits come from the asymptotes of a closed loop, `X(N) ≤ min(N·X(1), X max)`, which cross at
//! `N* = X max / X(1)` (Lazowska and others, "Quantitative System Performance", 1984, chapter 5), rounded up and kept
//! between the steps beside the knee. Answers that slow each other down let the lines cross too soon; how many were
//! answered at once at the knee is known too, though: those that were open, less those that waited, `N - X·W` by Little's
//! law, where the wait `W` is what the first token took longer than alone. The greater of the two is recommended. An
//! open loop alone gives the requests that are open at its knee, `L = X·R` (Little).

use serde::Serialize;

use super::Load;
use super::report::Outcome;

/// A step with a greater share of requests lost is no good load, however fast it answers.
const MOST_LOST: f64 = 0.02;
/// More load has to be better by this much to be called better: less is noise.
const BETTER: f64 = 1.05;
/// So much of a slot may be noise.
const NOISE: f64 = 0.2;
/// Where a sweep stops to double, whatever comes.
const MOST_AT_ONCE: usize = 256;
/// How many steps a sweep adds to look closer.
const CLOSER: usize = 2;
/// The rates that a sweep tries, as shares of the greatest throughput that it saw.
const SHARES: [f64; 4] = [0.5, 0.7, 0.9, 1.1];

/// Where more load stops to pay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Knee {
    /// The step.
    #[serde(flatten)]
    pub load: Load,
    /// Requests at once that are recommended.
    pub permits: usize,
    /// Whether it was still getting better at the greatest load, so that the knee lies there or beyond.
    pub is_at_least: bool,
}

impl Knee {
    /// Finds it among the steps of a closed loop; `None` with fewer than two.
    pub fn of_closed(steps: &[Outcome]) -> Option<Self> {
        let closed = Steps::closed(steps);
        let at = closed.best()?;
        let (_, step) = closed.0[at];
        Some(Self {
            load: step.load,
            permits: (closed.crossing(at).max(closed.answered_at_once(at)) as usize).max(1),
            is_at_least: at + 1 == closed.0.len(),
        })
    }

    /// Finds it among the steps of an open loop; `None` with fewer than two.
    pub fn of_open(steps: &[Outcome]) -> Option<Self> {
        let open = Steps::open(steps);
        let at = open.best()?;
        let step = open.0[at].1;
        let mean = step.completion?.mean.as_secs_f64();
        Some(Self {
            load: step.load,
            permits: ((step.requests_per_second * mean).ceil() as usize).max(1),
            is_at_least: at + 1 == open.0.len(),
        })
    }
}

/// Steps of one loop, by their load.
struct Steps<'s>(Vec<(f64, &'s Outcome)>);

impl<'s> Steps<'s> {
    fn closed(steps: &'s [Outcome]) -> Self {
        Self::of(steps, |load| match load {
            Load::Closed(at_once) => Some(at_once as f64),
            Load::Open(_) => None,
        })
    }

    fn open(steps: &'s [Outcome]) -> Self {
        Self::of(steps, |load| match load {
            Load::Closed(_) => None,
            Load::Open(rate) => Some(rate),
        })
    }

    fn of(steps: &'s [Outcome], level: impl Fn(Load) -> Option<f64>) -> Self {
        let mut found: Vec<_> = steps
            .iter()
            // A step that was cut short before it had anything to tell says nothing.
            .filter(|step| !step.is_interrupted || step.ok > 0)
            .filter_map(|step| Some((level(step.load)?, step)))
            .collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self(found)
    }

    /// Returns the step with the greatest power that loses next to nothing; the smaller load unless the greater one is
    /// clearly better.
    fn best(&self) -> Option<usize> {
        let mut best: Option<(usize, f64)> = None;
        for (at, (_, step)) in self.0.iter().enumerate() {
            let Some(power) = power(step).filter(|_| step.failed_share() <= MOST_LOST) else {
                continue;
            };
            if best.is_none_or(|(_, least)| power > least * BETTER) {
                best = Some((at, power));
            }
        }
        best.filter(|_| self.0.len() >= 2).map(|(at, _)| at)
    }
}

impl Steps<'_> {
    /// Returns where the asymptotes of a closed loop cross, kept between the steps beside the knee.
    fn crossing(&self, knee: usize) -> f64 {
        let (at_once, _) = self.0[knee];
        let Some((above, _)) = self.0.get(knee + 1) else {
            return at_once;
        };
        let (lowest, first) = self.0[0];
        let most = self.0.iter().map(|(_, step)| throughput(step));
        let crossing = lowest * most.fold(0.0, f64::max) / throughput(first);
        let below = knee.checked_sub(1).map_or(0.0, |below| self.0[below].0);
        (crossing - NOISE).ceil().clamp(below + 1.0, above - 1.0)
    }

    /// Returns how many were answered at once at the knee, the others having waited; 0 where nobody knows.
    fn answered_at_once(&self, knee: usize) -> f64 {
        let (at_once, step) = self.0[knee];
        let first_token = |step: &Outcome| Some(step.first_token?.mean.as_secs_f64());
        let (lowest, alone) = self.0[0];
        match (first_token(step), first_token(alone)) {
            (Some(first), Some(alone)) if lowest <= 1.0 => {
                let waited = step.requests_per_second * (first - alone).max(0.0);
                (at_once - waited - NOISE).ceil().max(0.0)
            }
            _ => 0.0,
        }
    }
}

/// Tokens a second, or requests where no tokens are known: with answers of many lengths, tokens vary less.
fn throughput(step: &Outcome) -> f64 {
    if step.tokens_per_second > 0.0 {
        step.tokens_per_second
    } else {
        step.requests_per_second
    }
}

fn power(step: &Outcome) -> Option<f64> {
    let throughput = throughput(step);
    let power = match step.load {
        Load::Closed(at_once) => throughput * throughput / at_once as f64,
        Load::Open(_) => throughput / step.completion?.mean.as_secs_f64(),
    };
    (power.is_finite() && power > 0.0).then_some(power)
}

/// Returns the step that a sweep makes after these; `None` when it is through.
///
/// It doubles the load of a closed loop until that does not pay, looks closer at the permits that this gives, and then
/// sends at rates around the greatest throughput it saw.
pub(super) fn further(steps: &[Outcome]) -> Option<Load> {
    let closed = Steps::closed(steps);
    let Some((most, last)) = closed.0.last() else {
        return Some(Load::Closed(1));
    };
    let has_knee =
        closed.0.len() >= 2 && Knee::of_closed(steps).is_none_or(|knee| !knee.is_at_least);
    let doubled = *most as usize * 2;
    if !has_knee && last.failed_share() <= 0.5 && doubled <= MOST_AT_ONCE {
        return Some(Load::Closed(doubled));
    }
    let closer = closed
        .0
        .iter()
        .filter(|(at_once, _)| !(*at_once as usize).is_power_of_two());
    let between = closed.best().map(|knee| closed.crossing(knee) as usize);
    let is_new = |between: &usize| {
        let known = |(at_once, _): &(f64, &Outcome)| *at_once as usize == *between;
        *between > 0 && !closed.0.iter().any(known)
    };
    if let Some(between) = between.filter(is_new)
        && closer.count() < CLOSER
    {
        return Some(Load::Closed(between));
    }
    let most = closed
        .0
        .iter()
        .map(|(_, step)| step.requests_per_second)
        .fold(0.0, f64::max);
    let done = Steps::open(steps).0.len();
    let rate = rounded(most * SHARES.get(done)?);
    (rate > 0.0).then_some(Load::Open(rate))
}

/// Rounds to two digits.
fn rounded(rate: f64) -> f64 {
    if rate <= 0.0 {
        return 0.0;
    }
    let unit = 10_f64.powf(rate.log10().floor() - 1.0);
    // Once more through text: 12 * 0.1 is not 1.2.
    let rounded = format!("{:.6}", (rate / unit).round() * unit);
    rounded.parse().unwrap_or(rate)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::report::Times;

    /// A step as it comes out of a server that gives so many answers a second.
    fn step(load: Load, answers: f64, completion: f64) -> Outcome {
        let time = Duration::from_secs_f64(completion);
        Outcome {
            ok: 100,
            requests_per_second: answers,
            tokens_per_second: answers * 50.0,
            completion: Some(Times {
                count: 100,
                mean: time,
                p50: time,
                p95: time,
                p99: time,
                max: time,
            }),
            ..Outcome::nothing(load)
        }
    }

    /// Steps on a server with so many slots and a queue, each answer taking a second.
    fn slots(slots: usize, at_once: &[usize]) -> Vec<Outcome> {
        let steps = at_once.iter().map(|n| {
            let busy = slots.min(*n) as f64;
            step(Load::Closed(*n), busy, *n as f64 / busy)
        });
        steps.collect()
    }

    #[test]
    fn slots_are_found_where_a_step_hits_them_and_between_steps() {
        for (capacity, load) in [(4, 4), (6, 8), (3, 4), (1, 1)] {
            let steps = slots(capacity, &[1, 2, 4, 8, 16]);
            let knee = Knee::of_closed(&steps).unwrap();
            assert_eq!(knee.permits, capacity, "{knee:?}");
            assert_eq!(knee.load, Load::Closed(load));
            assert!(!knee.is_at_least);
        }
    }

    #[test]
    fn answers_that_slow_each_other_down_cost_no_permit() {
        // Four slots that give 3.1 times what one gives; the first token takes as long as ever, but for those who wait.
        let steps = [(1, 1.0), (2, 1.8), (4, 3.1), (8, 3.1), (16, 3.1)].map(|(n, rate)| {
            let completion = n as f64 / rate;
            let mut step = step(Load::Closed(n), rate, completion);
            let waiting = n.saturating_sub(4) as f64;
            step.first_token = step.completion.map(|times| Times {
                mean: Duration::from_secs_f64(0.1 + waiting / rate),
                ..times
            });
            step
        });
        let knee = Knee::of_closed(&steps).unwrap();
        assert_eq!((knee.load, knee.permits), (Load::Closed(4), 4));
    }

    #[test]
    fn a_sweep_finds_three_slots_between_two_and_four() {
        let mut steps = Vec::new();
        while let Some(Load::Closed(n)) = further(&steps) {
            steps.extend(slots(3, &[n]));
        }
        let knee = Knee::of_closed(&steps).unwrap();
        assert_eq!((knee.load, knee.permits), (Load::Closed(3), 3));
    }

    #[test]
    fn what_still_gets_better_is_at_least_the_last() {
        let knee = Knee::of_closed(&slots(64, &[1, 2, 4, 8])).unwrap();
        assert_eq!((knee.permits, knee.is_at_least), (8, true));
    }

    #[test]
    fn a_server_that_slows_down_by_its_load_has_its_knee_where_time_has_doubled() {
        let steps: Vec<Outcome> = [1, 2, 4, 8, 16, 32, 64]
            .map(|n: usize| {
                let each = 1.0 + 0.125 * (n - 1) as f64;
                step(Load::Closed(n), n as f64 / each, each)
            })
            .into();
        let knee = Knee::of_closed(&steps).unwrap();
        assert_eq!(knee.load, Load::Closed(8));
        assert!((7..=8).contains(&knee.permits), "{knee:?}");
    }

    #[test]
    fn a_load_that_is_refused_is_no_knee() {
        let mut steps = slots(6, &[1, 2, 4, 8]);
        steps[3].failed = 50;
        let knee = Knee::of_closed(&steps).unwrap();
        assert_eq!(knee.load, Load::Closed(4));
        assert_eq!((knee.permits, knee.is_at_least), (6, false));
    }

    #[test]
    fn one_step_has_no_knee() {
        assert_eq!(Knee::of_closed(&slots(4, &[4])), None);
        assert_eq!(Knee::of_closed(&[]), None);
        assert_eq!(Knee::of_open(&slots(4, &[1, 2, 4])), None);
    }

    #[test]
    fn an_open_loop_says_how_many_are_open_at_its_knee() {
        let steps = [
            step(Load::Open(1.0), 1.0, 1.0),
            step(Load::Open(3.0), 3.0, 1.2),
            step(Load::Open(6.0), 4.0, 20.0),
        ];
        let knee = Knee::of_open(&steps).unwrap();
        assert_eq!((knee.load, knee.permits), (Load::Open(3.0), 4));
    }

    #[test]
    fn a_sweep_doubles_looks_closer_and_then_sends_at_rates() {
        let mut steps = Vec::new();
        let mut loads = Vec::new();
        while let Some(load) = further(&steps) {
            loads.push(load);
            steps.push(match load {
                Load::Closed(n) => slots(6, &[n]).remove(0),
                Load::Open(rate) => step(load, rate.min(6.0), 1.0),
            });
            assert!(steps.len() < 20);
        }
        let closed = [1, 2, 4, 8, 16, 6].map(Load::Closed);
        let open = [3.0, 4.2, 5.4, 6.6].map(Load::Open);
        assert_eq!(loads, [closed.as_slice(), &open].concat());
    }
}
