//! Scripted incidents under simulated time: how soon they are found, and that nothing else is.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Poisson};

use super::*;

/// Before the first incident, so that there is an hour to compare with.
const LEAD: u64 = 2 * 3600;
/// Start, end, and the part that fails.
const INCIDENTS: [(u64, u64, f64); 3] = [
    (LEAD, LEAD + 120, 1.0),
    (LEAD + 15_000, LEAD + 15_600, 0.2),
    (LEAD + 30_000, LEAD + 33_600, 0.05),
];
const END: u64 = LEAD + 33_600 + 2 * 3600;
const BASE: f64 = 0.003;

/// When a firing began and ended.
type Firing = (u64, Option<u64>);

/// What was found.
struct Run {
    firings: Vec<Firing>,
    /// The same by an independent computation over plain sums.
    plain: Vec<Firing>,
}

impl Run {
    fn delay(&self, incident: usize) -> Option<u64> {
        let (start, end, _) = INCIDENTS[incident];
        let found = self
            .firings
            .iter()
            .find(|(on, _)| *on >= start && *on <= end + 900);
        found.map(|(on, _)| on - start)
    }

    /// Firings that an incident caused: the longest window remembers it for half an hour, so that with few
    /// requests one more failure may fire again.
    fn during(&self, incident: usize) -> usize {
        let (start, end, _) = INCIDENTS[incident];
        let inside = |(on, _): &&Firing| *on >= start && *on <= end + 1800;
        self.firings.iter().filter(inside).count()
    }

    fn false_alarms(&self) -> usize {
        let caused: usize = (0..INCIDENTS.len())
            .map(|incident| self.during(incident))
            .sum();
        self.firings.len() - caused
    }
}

fn run(rate: f64, seed: u64) -> Run {
    let (monitor, start) = monitor_with(vec![Rule::new(
        "success",
        Condition::SuccessRate(Objective::new(0.99)),
    )]);
    let mut random = StdRng::seed_from_u64(seed);
    let arrivals = Poisson::new(rate).unwrap();
    let mut plain = Plain::default();
    let mut run = Run {
        firings: Vec::new(),
        plain: Vec::new(),
    };
    let mut number = 0;
    for second in 0..END {
        let now = start + Duration::from_secs(second);
        if second % 10 == 0 && second > 0 {
            for change in monitor.alert_changes(now) {
                match change.alert.state {
                    AlertState::Pending => panic!("this rule has no pending time"),
                    AlertState::Firing if change.alert.age.is_zero() => {
                        run.firings.push((second, None));
                    }
                    AlertState::Firing => {}
                    AlertState::Resolved => run.firings.last_mut().unwrap().1 = Some(second),
                }
            }
            plain.look(second, &mut run.plain);
        }
        let part = INCIDENTS
            .iter()
            .find(|(from, to, _)| (*from..*to).contains(&second))
            .map_or(BASE, |(_, _, part)| *part);
        let many = arrivals.sample(&mut random) as u64;
        let mut bad = 0;
        for _ in 0..many {
            let fails = random.random_bool(part);
            bad += u64::from(fails);
            number += 1;
            monitor.record(&request(number, fails), now);
        }
        plain.push(many, bad);
    }
    run
}

/// alert_sim's rule over prefix sums, written down independently of the monitor.
#[derive(Default)]
struct Plain {
    sums: Vec<(u64, u64)>,
    on: bool,
    held: u64,
}

impl Plain {
    fn push(&mut self, many: u64, bad: u64) {
        let (all, failed) = self.sums.last().copied().unwrap_or_default();
        self.sums.push((all + many, failed + bad));
    }

    fn window(&self, second: u64, seconds: u64) -> (f64, f64) {
        let at = |second: u64| match second {
            0 => (0, 0),
            second => self.sums[second as usize - 1],
        };
        let (now, before) = (at(second), at(second.saturating_sub(seconds)));
        ((now.1 - before.1) as f64, (now.0 - before.0) as f64)
    }

    fn holds(&self, second: u64) -> bool {
        let part = if self.on { 0.5 } else { 1.0 };
        let enough = |bad: f64| self.on || bad >= 5.0;
        for (long, short, burn) in [(300, 30, 10.0), (1800, 180, 3.0)] {
            let ((bad, all), (short_bad, short_all)) =
                (self.window(second, long), self.window(second, short));
            let limit = burn * part * 0.01;
            if all > 0.0
                && short_all > 0.0
                && bad / all > limit
                && short_bad / short_all > limit
                && enough(bad)
            {
                return true;
            }
        }
        let ((bad, all), (both_bad, both_all)) =
            (self.window(second, 300), self.window(second, 3900));
        let (old_bad, old_all) = (both_bad - bad, both_all - all);
        if all == 0.0 || old_all == 0.0 {
            return false;
        }
        let (now, before, mean) = (bad / all, old_bad / old_all, both_bad / both_all);
        let error = (mean * (1.0 - mean) * (1.0 / all + 1.0 / old_all))
            .max(1e-12)
            .sqrt();
        now - before > part * 0.02 && (now - before) / error > part * 4.0 && enough(bad)
    }

    fn look(&mut self, second: u64, firings: &mut Vec<Firing>) {
        let holds = self.holds(second);
        if holds {
            self.held = second;
        }
        let on = holds || (self.on && second - self.held < 60);
        match (self.on, on) {
            (false, true) => firings.push((second, None)),
            (true, false) => firings.last_mut().unwrap().1 = Some(second),
            _ => {}
        }
        self.on = on;
    }
}

/// Runs three seeds at a rate; prints and returns the mean delays, with how many of the three were found.
fn mean_delays(rate: f64) -> [Option<(f64, usize)>; 3] {
    let runs: Vec<Run> = (0..3)
        .map(|seed| run(rate, 1000 * seed + (rate * 100.0) as u64))
        .collect();
    let delays = [0, 1, 2].map(|incident| {
        let found: Vec<u64> = runs.iter().filter_map(|run| run.delay(incident)).collect();
        (!found.is_empty()).then(|| {
            (
                found.iter().sum::<u64>() as f64 / found.len() as f64,
                found.len(),
            )
        })
    });
    let false_alarms: usize = runs.iter().map(Run::false_alarms).sum();
    let firings: usize = (0..3)
        .map(|incident| runs.iter().map(|run| run.during(incident)).sum::<usize>())
        .sum();
    println!("{rate} a second: {delays:?}, {false_alarms} false, {firings} firings in 9 incidents");
    assert_eq!(false_alarms, 0);
    for run in &runs {
        // The monitor's longer windows are cut at ten seconds, so it may end a look earlier or later.
        assert_eq!(
            run.firings.len(),
            run.plain.len(),
            "{:?} {:?}",
            run.firings,
            run.plain
        );
        for (ours, theirs) in run.firings.iter().zip(&run.plain) {
            assert!(ours.0.abs_diff(theirs.0) <= 10, "{ours:?} {theirs:?}");
            let ends = ours.1.zip(theirs.1);
            assert!(
                ends.is_none_or(|(ours, theirs)| ours.abs_diff(theirs) <= 60),
                "{ours:?} {theirs:?}"
            );
        }
        assert!(run.firings.iter().all(|(_, off)| off.is_some()), "it ends");
    }
    delays
}

#[tokio::test(start_paused = true)]
async fn at_five_a_second_an_outage_is_found_in_ten_seconds_and_five_per_cent_in_minutes() {
    let [outage, fifth, twentieth] = mean_delays(5.0).map(Option::unwrap);
    assert!(outage.0 <= 15.0 && outage.1 == 3);
    assert!(fifth.0 <= 60.0 && fifth.1 == 3);
    assert!(twentieth.0 <= 240.0 && twentieth.1 == 3);
}

#[tokio::test(start_paused = true)]
async fn at_one_in_two_seconds_it_takes_a_little_longer() {
    let [outage, fifth, twentieth] = mean_delays(0.5).map(Option::unwrap);
    assert!(outage.0 <= 25.0 && outage.1 == 3);
    assert!(fifth.0 <= 160.0 && fifth.1 == 3);
    assert!(twentieth.0 <= 600.0 && twentieth.1 == 3);
}

#[tokio::test(start_paused = true)]
async fn at_one_in_twenty_seconds_it_takes_five_failures_and_there_is_no_false_alarm() {
    let [outage, fifth, _] = mean_delays(0.05).map(Option::unwrap);
    assert!(outage.0 <= 120.0 && outage.1 == 3);
    assert!(fifth.0 <= 600.0 && fifth.1 >= 2);
}
