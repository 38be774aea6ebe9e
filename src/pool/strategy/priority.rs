//! Failover order: the first tier that can take the request, round robin within it.

use rand::rngs::SmallRng;

use super::round_robin::RoundRobin;
use super::{Field, Strategy};

/// Keeps a turn over all tiers.
#[derive(Debug, Default)]
pub(super) struct Priority {
    turn: RoundRobin,
    first_tier: Vec<u32>,
}

impl Strategy for Priority {
    fn choose(&mut self, field: &Field<'_>, rng: &mut SmallRng) -> u32 {
        let tier = |at: &u32| field.standings[*at as usize].tier;
        let first = field.eligible.iter().map(tier).min().unwrap_or(0);
        self.first_tier.clear();
        self.first_tier.extend(
            field
                .eligible
                .iter()
                .copied()
                .filter(|at| tier(at) == first),
        );
        let eligible = std::mem::take(&mut self.first_tier);
        let at = self.turn.choose(
            &Field {
                eligible: &eligible,
                ..*field
            },
            rng,
        );
        self.first_tier = eligible;
        at
    }
}
