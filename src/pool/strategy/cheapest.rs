//! Lowest output price, then least load. An unknown price is dearer than any known one.

use rand::rngs::SmallRng;

use super::{Field, Standing, Strategy};

/// Keeps nothing.
#[derive(Debug)]
pub(super) struct Cheapest;

impl Strategy for Cheapest {
    fn choose(&mut self, field: &Field<'_>, rng: &mut SmallRng) -> u32 {
        let lowest = field
            .eligible
            .iter()
            .map(|at| field.standings[*at as usize].price)
            .fold(f32::INFINITY, f32::min);
        field.least(rng, |standing: &Standing| {
            if standing.price <= lowest {
                standing.load()
            } else {
                f32::MAX
            }
        })
    }
}
