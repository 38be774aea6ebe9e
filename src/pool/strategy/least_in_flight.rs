//! Fewest in flight relative to permits. The best of the simple ones: raw counts would ignore that permits differ.

use rand::rngs::SmallRng;

use super::{Field, Standing, Strategy};

/// Keeps nothing.
#[derive(Debug)]
pub(super) struct LeastInFlight;

impl Strategy for LeastInFlight {
    fn choose(&mut self, field: &Field<'_>, rng: &mut SmallRng) -> u32 {
        field.least(rng, Standing::load)
    }
}
