//! The less loaded of two drawn by chance, without putting the first back (Envoy's draw with it picks the worse of two
//! instances a quarter of the time).

use rand::Rng;
use rand::rngs::SmallRng;

use super::{Field, Strategy};

/// Keeps nothing.
#[derive(Debug)]
pub(super) struct PowerOfTwo;

impl Strategy for PowerOfTwo {
    fn choose(&mut self, field: &Field<'_>, rng: &mut SmallRng) -> u32 {
        let count = field.eligible.len();
        let first = rng.random_range(0..count);
        if count == 1 {
            return field.eligible[0];
        }
        let second = (first + rng.random_range(1..count)) % count;
        let (first, second) = (field.eligible[first], field.eligible[second]);
        if field.standings[second as usize].load() < field.standings[first as usize].load() {
            second
        } else {
            first
        }
    }
}
