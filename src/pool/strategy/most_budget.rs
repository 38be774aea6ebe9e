//! Largest share of rate budget left, then least load.

use rand::rngs::SmallRng;

use super::{Field, Standing, Strategy};

/// Keeps nothing.
#[derive(Debug)]
pub(super) struct MostBudget;

impl Strategy for MostBudget {
    fn choose(&mut self, field: &Field<'_>, rng: &mut SmallRng) -> u32 {
        // Load is at most a tie-breaker: a thousandth of a budget's share.
        field.least(rng, |standing: &Standing| {
            (1.0 - standing.budget_left) + standing.load().min(1.0) * 1e-3
        })
    }
}
