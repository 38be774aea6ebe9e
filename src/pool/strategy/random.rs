//! Any instance, by chance.

use rand::Rng;
use rand::rngs::SmallRng;

use super::{Field, Strategy};

/// Keeps nothing.
#[derive(Debug)]
pub(super) struct Random;

impl Strategy for Random {
    fn choose(&mut self, field: &Field<'_>, rng: &mut SmallRng) -> u32 {
        field.eligible[rng.random_range(0..field.eligible.len())]
    }
}
