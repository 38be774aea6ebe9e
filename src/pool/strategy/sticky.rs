//! Prefers the instance whose prompt cache is warm for the conversation; never a pin.
//!
//! Warmth is worth a bonus only while the warm instance's load is at most the mean plus one standard deviation of the
//! eligible ones: one hot conversation must not make one hot instance.

use rand::rngs::SmallRng;

use super::{Field, Standing, Strategy};

/// Keeps nothing; the pool remembers who is warm.
#[derive(Debug)]
pub(super) struct Sticky;

impl Strategy for Sticky {
    fn choose(&mut self, field: &Field<'_>, rng: &mut SmallRng) -> u32 {
        if let Some(warm) = field.warm
            && field.eligible.binary_search(&warm).is_ok()
            && field.standings[warm as usize].load() <= busy_line(field)
        {
            return warm;
        }
        field.least(rng, |standing: &Standing| standing.expected)
    }
}

fn busy_line(field: &Field<'_>) -> f32 {
    let count = field.eligible.len() as f32;
    let loads = || {
        field
            .eligible
            .iter()
            .map(|at| field.standings[*at as usize].load())
    };
    let mean = loads().sum::<f32>() / count;
    let variance = loads().map(|load| (load - mean).powi(2)).sum::<f32>() / count;
    mean + variance.sqrt() + f32::EPSILON
}
