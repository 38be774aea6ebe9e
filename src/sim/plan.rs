//! What will happen to one request: drawn from seed, instance and the request's number, and from nothing else.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Fault, InstanceProfile};
use crate::base::InstanceName;

/// The fate of one request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// From the request to the first token.
    pub(super) first_token: Duration,
    /// Tokens per second when alone.
    pub(super) speed: f64,
    /// Tokens of the answer; `None` is the whole text.
    pub(super) length: Option<usize>,
    /// What goes wrong, by chance.
    pub(super) fault: Option<Fault>,
    /// How far into the answer something in its middle happens, from 0 to 1.
    pub(super) middle: f64,
    /// Picks among things that are equally good.
    pub(super) pick: u64,
}

impl Plan {
    /// Draws the fate of the request with this number, from 0.
    pub(super) fn draw(seed: u64, profile: &InstanceProfile, number: u64) -> Self {
        let mut chance = chance(seed, &profile.name, number);
        // Always the same draws in the same order: what a profile leaves out must not move the rest.
        let first_token = profile.first_token.sample(&mut chance);
        let speed = profile.speed.sample(&mut chance);
        let any_length = chance.random::<u64>();
        let luck: f64 = chance.random();
        let middle = chance.random_range(0.1..0.6);
        let pick = chance.random();
        let length = profile.length.map(|length| {
            let mut chance = StdRng::seed_from_u64(any_length);
            length.sample(&mut chance).round().max(1.0) as usize
        });
        Self {
            first_token,
            speed: speed.max(0.01),
            length,
            fault: fault(profile, luck),
            middle,
            pick,
        }
    }

    /// Returns after how many of `pieces` the middle is: at least one before, and one after where there are two.
    pub(super) fn middle_of(&self, pieces: usize) -> usize {
        let at = (pieces as f64 * self.middle) as usize;
        at.min(pieces.saturating_sub(1)).max(1)
    }
}

fn fault(profile: &InstanceProfile, luck: f64) -> Option<Fault> {
    let mut so_far = 0.0;
    profile.faults.iter().find_map(|chance| {
        so_far += chance.share;
        (luck < so_far).then_some(chance.fault)
    })
}

fn chance(seed: u64, name: &InstanceName, number: u64) -> StdRng {
    // FNV-1a over the name, then a mix: neighbours in number or seed have nothing in common.
    let name = name
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    StdRng::seed_from_u64(mix(mix(mix(seed) ^ name) ^ number))
}

/// The finaliser of splitmix64.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ProviderType;
    use crate::sim::{Delay, FaultShare, Spread};

    fn profile() -> InstanceProfile {
        InstanceProfile {
            first_token: Delay {
                median: Duration::from_millis(200),
                sigma: 0.5,
            },
            speed: Spread {
                median: 50.0,
                sigma: 0.2,
            },
            faults: vec![
                FaultShare {
                    fault: Fault::ServerError,
                    share: 0.1,
                },
                FaultShare {
                    fault: Fault::Close,
                    share: 0.2,
                },
            ],
            ..InstanceProfile::new("a", ProviderType::OpenAi)
        }
    }

    #[test]
    fn the_same_seed_and_number_give_the_same_fate() {
        for number in 0..100 {
            assert_eq!(
                Plan::draw(7, &profile(), number),
                Plan::draw(7, &profile(), number)
            );
        }
        assert_ne!(Plan::draw(7, &profile(), 0), Plan::draw(8, &profile(), 0));
        assert_ne!(Plan::draw(7, &profile(), 0), Plan::draw(7, &profile(), 1));
    }

    #[test]
    fn another_instance_has_another_fate() {
        let mut other = profile();
        other.name = "b".into();
        assert_ne!(Plan::draw(7, &profile(), 0), Plan::draw(7, &other, 0));
    }

    #[test]
    fn a_length_moves_nothing_else() {
        let mut other = profile();
        other.length = Some(Spread::exactly(30.0));
        let plan = Plan::draw(7, &other, 0);
        assert_eq!(plan.length, Some(30));
        assert_eq!(
            Plan {
                length: None,
                ..plan
            },
            Plan::draw(7, &profile(), 0)
        );
    }

    #[test]
    fn faults_come_as_often_as_their_share_says() {
        let profile = profile();
        let fates: Vec<_> = (0..4_000)
            .map(|number| Plan::draw(1, &profile, number).fault)
            .collect();
        let count = |wanted| fates.iter().filter(|fault| **fault == wanted).count();
        assert!((340..460).contains(&count(Some(Fault::ServerError))));
        assert!((720..880).contains(&count(Some(Fault::Close))));
        assert!((2_700..2_900).contains(&count(None)));
    }

    #[test]
    fn the_middle_is_inside() {
        let plan = Plan::draw(1, &profile(), 0);
        for pieces in 2..200 {
            let at = plan.middle_of(pieces);
            assert!(at >= 1 && at < pieces, "{at} of {pieces}");
        }
    }
}
