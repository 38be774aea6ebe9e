//! Least expected time: learned first token, learned and live pace, the age of what is unanswered, and a decaying
//! penalty for failures (see `estimate`). A warm prompt cache saves a little of the first token.

use rand::rngs::SmallRng;

use super::{Field, Strategy};

/// Keeps nothing; the pool keeps the estimates.
#[derive(Debug)]
pub(super) struct Auto;

impl Strategy for Auto {
    fn choose(&mut self, field: &Field<'_>, rng: &mut SmallRng) -> u32 {
        /// The share of its expected time that a warm cache is taken to save.
        const WARM: f32 = 0.95;
        let coldest = field.least(rng, |standing| standing.expected);
        match field.warm {
            Some(warm)
                if field.eligible.binary_search(&warm).is_ok()
                    && field.standings[warm as usize].expected * WARM
                        <= field.standings[coldest as usize].expected =>
            {
                warm
            }
            _ => coldest,
        }
    }
}
