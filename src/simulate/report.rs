//! Means over the seeds, with the interval in which the true mean lies 95 times of 100.

use serde::Serialize;

use super::engine::Task;
use super::scenario::{Chooser, Scenario};
use super::tally::Figures;

/// What a plan brought.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// What it is about.
    pub about: String,
    /// One for each load and strategy.
    pub rows: Vec<Row>,
    /// Promises of the driver that were broken in a run; empty unless the driver is at fault.
    pub broken: Vec<String>,
}

/// One strategy at one load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The strategy, or `oracle`.
    pub strategy: &'static str,
    /// Requests offered, as a share of the healthy fleet's capacity.
    pub load: f64,
    /// The same, as a share of what faults leave of it.
    pub effective_load: f64,
    /// Requests offered a second.
    pub rate: f64,
    /// Seeds.
    pub seeds: usize,
    /// Measured requests of all seeds.
    pub requests: u64,
    /// Percent that came to a proper end.
    pub ok: Mean,
    /// Requests that did not, of each seed.
    pub failed: Mean,
    /// Of those, requests that never got a permit.
    pub turned_away: Mean,
    /// Seconds to the first token, half of them.
    pub first_token_p50: Mean,
    /// Seconds to the first token, 99 of 100.
    pub first_token_p99: Mean,
    /// Seconds to the last token, half of them.
    pub total_p50: Mean,
    /// Seconds to the last token, 99 of 100.
    pub total_p99: Mean,
    /// Percent that were answered in time and fast enough.
    pub good: Mean,
    /// The same for each seed, from 1.
    pub good_of_seeds: Vec<f64>,
    /// How far that is from the oracle with the same seeds, in points; `None` without an oracle.
    pub to_oracle: Option<Mean>,
    /// Attempts for each request.
    pub attempts: Mean,
    /// The same for requests that came during a planned fault; `None` without one.
    pub attempts_in_planned: Option<Mean>,
    /// Jain's index of output tokens relative to capacity: 1 when all instances are equally used.
    pub evenness: Mean,
    /// How often breakers opened.
    pub openings: Mean,
}

/// A mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Half the width of its 95 % interval; `None` with one seed.
    pub half: Option<f64>,
}

impl Mean {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let count = values.clone().count();
        let mean = values.clone().sum::<f64>() / count.max(1) as f64;
        let half = (count > 1).then(|| {
            let freedom = count - 1;
            let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / freedom as f64;
            student(freedom) * (variance / count as f64).sqrt()
        });
        Self { mean, half }
    }
}

/// Student's t for a two-sided 95 % interval.
fn student(freedom: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    freedom
        .checked_sub(1)
        .and_then(|index| TABLE.get(index))
        .copied()
        .unwrap_or(1.96)
}

/// Makes the report; `figures` come in the order of `tasks`, in which the seeds of a row follow each other.
pub(super) fn sum_up(scenario: &Scenario, tasks: &[Task], figures: Vec<Figures>) -> Report {
    let seeds = scenario.seeds as usize;
    let of_row = |chooser, load| {
        tasks
            .iter()
            .position(|task: &Task| task.chooser == chooser && task.load == load)
            .map(|first| &figures[first..first + seeds])
    };
    let rows = tasks
        .chunks(seeds)
        .filter_map(|tasks| tasks.first())
        .filter_map(|task| {
            let runs = of_row(task.chooser, task.load)?;
            let oracle = of_row(Chooser::Oracle, task.load);
            Some(row(*task, runs, oracle))
        })
        .collect();
    let broken = tasks
        .iter()
        .zip(&figures)
        .flat_map(|(task, figures)| {
            figures.broken.iter().map(|what| {
                format!(
                    "{} at {} %, seed {}: {what}",
                    task.chooser,
                    task.load * 100.0,
                    task.seed
                )
            })
        })
        .collect();
    Report {
        scenario: scenario.name.clone(),
        about: scenario.about.clone(),
        rows,
        broken,
    }
}

fn row(task: Task, runs: &[Figures], oracle: Option<&[Figures]>) -> Row {
    let mean = |what: fn(&Figures) -> f64| Mean::of(runs.iter().map(what));
    let planned = runs.iter().filter_map(|run| run.attempts_in_planned);
    Row {
        strategy: task.chooser.as_str(),
        load: task.load,
        effective_load: mean(|run| run.effective_load).mean,
        rate: mean(|run| run.rate).mean,
        seeds: runs.len(),
        requests: runs.iter().map(|run| run.requests).sum(),
        ok: mean(|run| run.ok),
        failed: mean(|run| run.failed as f64),
        turned_away: mean(|run| run.turned_away as f64),
        first_token_p50: mean(|run| run.first_token_p50),
        first_token_p99: mean(|run| run.first_token_p99),
        total_p50: mean(|run| run.total_p50),
        total_p99: mean(|run| run.total_p99),
        good: mean(|run| run.good),
        good_of_seeds: runs.iter().map(|run| run.good).collect(),
        to_oracle: oracle.map(|oracle| {
            Mean::of(
                runs.iter()
                    .zip(oracle)
                    .map(|(run, oracle)| run.good - oracle.good),
            )
        }),
        attempts: mean(|run| run.attempts),
        attempts_in_planned: (planned.clone().count() > 0).then(|| Mean::of(planned)),
        evenness: mean(|run| run.evenness),
        openings: mean(|run| run.openings as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_students() {
        let mean = Mean::of([1.0, 2.0, 3.0].into_iter());
        assert!((mean.mean - 2.0).abs() < 1e-12);
        // t = 4.303 with two degrees of freedom, standard error 1/√3.
        assert!((mean.half.unwrap() - 4.303 / 3f64.sqrt()).abs() < 1e-9);
        assert_eq!(Mean::of([1.0].into_iter()).half, None);
        assert!((student(1_000) - 1.96).abs() < 1e-9);
    }
}
