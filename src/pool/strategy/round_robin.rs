//! Each instance in turn; those that cannot take a request are passed over.

use rand::rngs::SmallRng;

use super::{Field, Strategy};

/// Keeps the position after the last one taken.
#[derive(Debug, Default)]
pub(super) struct RoundRobin {
    cursor: u32,
}

impl Strategy for RoundRobin {
    fn choose(&mut self, field: &Field<'_>, _: &mut SmallRng) -> u32 {
        let at = self.next(field.eligible).unwrap_or(field.eligible[0]);
        self.cursor = at + 1;
        at
    }

    fn next(&self, candidates: &[u32]) -> Option<u32> {
        let after = candidates.partition_point(|at| *at < self.cursor);
        candidates.get(after).or(candidates.first()).copied()
    }
}
