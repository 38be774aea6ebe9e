//! Smooth weighted round robin, as nginx does it: with weights 5, 1, 1 the turns are a a b a c a a.

use rand::rngs::SmallRng;

use super::{Field, Strategy};

/// Keeps each position's running weight.
#[derive(Debug, Default)]
pub(super) struct WeightedRoundRobin {
    current: Vec<i64>,
}

impl Strategy for WeightedRoundRobin {
    fn choose(&mut self, field: &Field<'_>, _: &mut SmallRng) -> u32 {
        if self.current.len() < field.standings.len() {
            self.current.resize(field.standings.len(), 0);
        }
        let mut total = 0;
        let (mut best, mut most) = (field.eligible[0], i64::MIN);
        for &at in field.eligible {
            let weight = i64::from(field.standings[at as usize].weight.max(1));
            total += weight;
            let current = &mut self.current[at as usize];
            *current += weight;
            if *current > most {
                (best, most) = (at, *current);
            }
        }
        self.current[best as usize] -= total;
        best
    }
}
