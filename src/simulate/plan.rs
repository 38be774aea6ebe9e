//! What to run: a scenario with changes from the command line, spread over the processor's cores.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::base::Error;

use super::engine::{self, Task};
use super::report::{self, Report};
use super::scenario::{Chooser, MOST_REQUESTS, Scenario, wrong};

/// What replaces something of a scenario.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Compare these strategies; all of the scenario's when empty.
    pub strategies: Vec<Chooser>,
    /// At these loads; the scenario's when empty.
    pub loads: Vec<f64>,
    /// With so many seeds.
    pub seeds: Option<u64>,
    /// With about so many measured requests in each run, instead of the scenario's duration.
    pub requests: Option<u64>,
    /// With so many instances: those of the scenario in turn, as often as needed.
    pub instances: Option<usize>,
}

/// Everything that is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    scenario: Scenario,
    tasks: Vec<Task>,
}

impl Plan {
    /// Makes a plan.
    ///
    /// # Errors
    /// Of kind `config`: a change makes no sense.
    pub fn new(mut scenario: Scenario, change: &Change) -> Result<Self, Error> {
        if !change.strategies.is_empty() {
            scenario.strategies.clone_from(&change.strategies);
        }
        if !change.loads.is_empty() {
            scenario.loads.clone_from(&change.loads);
        }
        if let Some(seeds) = change.seeds {
            scenario.seeds = seeds;
        }
        if let Some(instances) = change.instances {
            resize(&mut scenario, instances);
        }
        if let Some(mistake) = scenario.mistake() {
            return Err(wrong(mistake));
        }
        if let Some(requests) = change.requests
            && !(1..=MOST_REQUESTS as u64).contains(&requests)
        {
            return Err(wrong(format!(
                "requests are from 1 to {MOST_REQUESTS}, not {requests}"
            )));
        }
        let mut tasks = Vec::new();
        for &load in &scenario.loads {
            for &chooser in &scenario.strategies {
                for seed in 1..=scenario.seeds {
                    tasks.push(Task {
                        chooser,
                        load,
                        seed,
                        requests: change.requests,
                    });
                }
            }
        }
        Ok(Self { scenario, tasks })
    }

    /// Returns how many runs it has.
    pub fn runs(&self) -> usize {
        self.tasks.len()
    }

    /// Runs everything, on all cores; `done` is told after each run how many are done. What comes out depends on
    /// scenario and changes alone.
    ///
    /// # Errors
    /// Of kind `config`: the driver does not take the scenario's settings.
    pub fn run(&self, done: &(dyn Fn(usize) + Sync)) -> Result<Report, Error> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new((0, vec![None; self.tasks.len()]));
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(task) = self.tasks.get(index) else {
                    return;
                };
                let result = engine::run(&self.scenario, *task);
                let number = {
                    let (number, results) = &mut *results.lock();
                    results[index] = Some(result);
                    *number += 1;
                    *number
                };
                done(number);
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        std::thread::scope(|scope| {
            for _ in 1..cores.min(self.tasks.len()) {
                scope.spawn(work);
            }
            work();
        });
        let figures = results
            .into_inner()
            .1
            .into_iter()
            .flatten()
            .collect::<Result<Vec<_>, _>>()?;
        Ok(report::sum_up(&self.scenario, &self.tasks, &figures))
    }
}

/// Gives a scenario's fleet another size, with its kinds in turn, and its queue the same share of it.
fn resize(scenario: &mut Scenario, instances: usize) {
    let before: usize = scenario.fleet.iter().map(|machinery| machinery.count).sum();
    if before == 0 || before == instances {
        return;
    }
    let (rounds, rest) = (instances / before, instances % before);
    let mut first = 0;
    for machinery in &mut scenario.fleet {
        let of_rest = rest.saturating_sub(first).min(machinery.count);
        first += machinery.count;
        machinery.count = machinery.count * rounds + of_rest;
    }
    scenario.fleet.retain(|machinery| machinery.count > 0);
    if instances > before {
        let limit = scenario.pool.queue_limit;
        scenario.pool.queue_limit = limit.saturating_mul(instances).div_ceil(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(instances: usize) -> Vec<usize> {
        let mut scenario = Scenario::open("het8").unwrap();
        resize(&mut scenario, instances);
        scenario
            .fleet
            .iter()
            .map(|machinery| machinery.count)
            .collect()
    }

    #[test]
    fn a_fleet_of_another_size_has_its_kinds_in_turn() {
        assert_eq!(counts(8), [1; 8]);
        assert_eq!(counts(3), [1; 3]);
        assert_eq!(counts(18), [3, 3, 2, 2, 2, 2, 2, 2]);
    }

    #[test]
    fn a_change_that_makes_no_sense_is_refused() {
        let scenario = Scenario::open("het8").unwrap();
        for change in [
            Change {
                loads: vec![0.0],
                ..Change::default()
            },
            Change {
                seeds: Some(0),
                ..Change::default()
            },
            Change {
                instances: Some(0),
                ..Change::default()
            },
            Change {
                requests: Some(0),
                ..Change::default()
            },
        ] {
            let error = Plan::new(scenario.clone(), &change).unwrap_err();
            assert_eq!(error.kind(), crate::base::ErrorKind::Config, "{change:?}");
        }
    }
}
