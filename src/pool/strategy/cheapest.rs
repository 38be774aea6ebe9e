//! Lowest output price, then least load. An unknown price is dearer than any known one.

use rand::rngs::SmallRng;

use super::{Field, Standing, Strategy};

/// Keeps nothing.
#[derive(Debug)]
pub(super) struct Cheapest;

impl Strategy for Cheapest {
    fn choose(&mut self, field: &Field<'_>, rng: &mut SmallRng) -> u32 {
        // A price is never negative, so its bits have its order, and are compared in half the time.
        let price = |standing: &Standing| standing.price.to_bits();
        let all = field.eligible.iter();
        let lowest = all.map(|at| price(&field.standings[*at as usize])).min();
        field.least(rng, |standing: &Standing| {
            if Some(price(standing)) == lowest {
                standing.load()
            } else {
                f32::MAX
            }
        })
    }
}
