//! What came of the requests of one run.

use serde::Serialize;

/// The figures of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Figures {
    /// Requests that count: those that came after the warm-up.
    pub(super) requests: u64,
    pub(super) failed: u64,
    /// Percent.
    pub(super) ok: f64,
    /// Percent of all that were answered in time and fast enough.
    pub(super) good: f64,
    /// Seconds.
    pub(super) first_token_p50: f64,
    pub(super) first_token_p99: f64,
    pub(super) total_p50: f64,
    pub(super) total_p99: f64,
    /// Attempts for each request, the warm-up included.
    pub(super) attempts: f64,
    /// The same for those that came during a planned fault.
    pub(super) attempts_in_planned: Option<f64>,
    /// Jain's index over output tokens relative to capacity: 1 when all instances are equally used.
    pub(super) evenness: f64,
    /// How often breakers opened.
    pub(super) openings: u64,
    /// How many were refused a place in the queue, or waited in vain.
    pub(super) turned_away: u64,
    /// Requests offered a second.
    pub(super) rate: f64,
    /// What of the offered load remains when faults are taken off the capacity.
    pub(super) effective_load: f64,
    /// Promises of the driver that were broken; always empty.
    pub(super) broken: Vec<String>,
}

/// Takes what comes.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) submitted: u64,
    pub(super) outcomes: u64,
    pub(super) measured: u64,
    pub(super) good: u64,
    pub(super) failed: u64,
    pub(super) attempts: u64,
    pub(super) planned: u64,
    pub(super) planned_attempts: u64,
    pub(super) openings: u64,
    pub(super) turned_away: u64,
    pub(super) first_tokens: Vec<f32>,
    pub(super) totals: Vec<f32>,
    /// Output tokens of each instance.
    pub(super) tokens: Vec<f64>,
    pub(super) broken: Vec<String>,
}

impl Tally {
    /// Notes a broken promise; the first few are enough.
    pub(super) fn broke(&mut self, what: impl FnOnce() -> String) {
        if self.broken.len() < 10 {
            self.broken.push(what());
        }
    }

    /// Draws the sums. `capacities` are requests a second of each instance.
    pub(super) fn figures(mut self, capacities: &[f64], rate: f64, effective_load: f64) -> Figures {
        let measured = self.measured.max(1) as f64;
        let succeeded = self.measured - self.failed;
        Figures {
            requests: self.measured,
            failed: self.failed,
            ok: 100.0 * succeeded as f64 / measured,
            good: 100.0 * self.good as f64 / measured,
            first_token_p50: quantile(&mut self.first_tokens, 0.5),
            first_token_p99: quantile(&mut self.first_tokens, 0.99),
            total_p50: quantile(&mut self.totals, 0.5),
            total_p99: quantile(&mut self.totals, 0.99),
            attempts: self.attempts as f64 / self.submitted.max(1) as f64,
            attempts_in_planned: (self.planned > 0)
                .then(|| self.planned_attempts as f64 / self.planned as f64),
            evenness: evenness(&self.tokens, capacities),
            openings: self.openings,
            turned_away: self.turned_away,
            rate,
            effective_load,
            broken: self.broken,
        }
    }
}

/// Returns the value that a share of all does not exceed; 0 when there is none.
fn quantile(values: &mut [f32], share: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let index = ((values.len() as f64 * share) as usize).min(values.len() - 1);
    f64::from(*values.select_nth_unstable_by(index, f32::total_cmp).1)
}

/// Jain's fairness index of shares relative to capacity: (Σx)² / (n·Σx²).
fn evenness(tokens: &[f64], capacities: &[f64]) -> f64 {
    let shares = || {
        tokens
            .iter()
            .zip(capacities)
            .map(|(tokens, capacity)| tokens / capacity)
    };
    let (sum, squares) = (
        shares().sum::<f64>(),
        shares().map(|share| share * share).sum::<f64>(),
    );
    if squares > 0.0 {
        sum * sum / (tokens.len() as f64 * squares)
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_sorted_values() {
        let mut values: Vec<f32> = (0..100_u8).rev().map(f32::from).collect();
        assert!((quantile(&mut values, 0.5) - 50.0).abs() < 1e-9);
        assert!((quantile(&mut values, 0.99) - 99.0).abs() < 1e-9);
        assert!(quantile(&mut [], 0.5).abs() < 1e-9);
    }

    #[test]
    fn evenness_is_one_when_all_are_used_alike_and_falls_to_one_over_n() {
        assert!((evenness(&[2.0, 1.0], &[2.0, 1.0]) - 1.0).abs() < 1e-9);
        assert!((evenness(&[1.0, 0.0], &[1.0, 1.0]) - 0.5).abs() < 1e-9);
    }
}
