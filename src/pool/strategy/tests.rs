//! What each strategy promises.

use rand::SeedableRng;

use super::*;

fn standings(count: usize) -> Vec<Standing> {
    (0..count)
        .map(|n| Standing {
            permits: 4,
            weight: 1,
            price: f32::INFINITY,
            budget_left: 1.0,
            expected: 1.0 + n as f32,
            ..Standing::default()
        })
        .map(Standing::weighed)
        .collect()
}

fn picks(kind: StrategyKind, standings: &[Standing], eligible: &[u32], count: usize) -> Vec<u32> {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut strategy = kind.build();
    (0..count)
        .map(|_| {
            strategy.choose(
                &Field {
                    standings,
                    eligible,
                    warm: None,
                    request: 0,
                },
                &mut rng,
            )
        })
        .collect()
}

#[test]
fn every_strategy_chooses_among_the_eligible_only() {
    let standings = standings(8);
    for kind in StrategyKind::ALL {
        for pick in picks(kind, &standings, &[1, 4, 6], 200) {
            assert!([1, 4, 6].contains(&pick), "{kind}");
        }
    }
}

#[test]
fn names_are_read_back_and_unknown_ones_list_the_known() {
    for kind in StrategyKind::ALL {
        assert_eq!(kind.as_str().parse::<StrategyKind>().unwrap(), kind);
    }
    let error = "rond_robin".parse::<StrategyKind>().unwrap_err();
    assert!(
        error
            .message()
            .contains("round_robin, weighted_round_robin")
    );
}

#[test]
fn round_robin_is_fair_within_one() {
    let standings = standings(5);
    let all = [0, 1, 2, 3, 4];
    let mut counts = [0i32; 5];
    for pick in picks(StrategyKind::RoundRobin, &standings, &all, 1_003) {
        counts[pick as usize] += 1;
        let most = counts.iter().max().unwrap();
        let least = counts.iter().min().unwrap();
        assert!(most - least <= 1, "{counts:?}");
    }
}

#[test]
fn round_robin_takes_each_at_least_once_in_n_while_it_stays_eligible() {
    let standings = standings(4);
    let mut rng = SmallRng::seed_from_u64(3);
    let mut strategy = StrategyKind::RoundRobin.build();
    let mut since = [0usize; 4];
    for step in 0..10_000u32 {
        // 0 and 2 are always eligible, the others come and go.
        let mut eligible = vec![0u32];
        if step % 3 == 0 {
            eligible.push(1);
        }
        eligible.push(2);
        if step % 7 < 3 {
            eligible.push(3);
        }
        let pick = strategy.choose(
            &Field {
                standings: &standings,
                eligible: &eligible,
                warm: None,
                request: 0,
            },
            &mut rng,
        );
        for at in [0usize, 2] {
            since[at] = if pick as usize == at {
                0
            } else {
                since[at] + 1
            };
            assert!(since[at] < 4, "{at} was passed over four times");
        }
    }
}

#[test]
fn weights_5_1_1_are_spread_smoothly() {
    let mut standings = standings(3);
    standings[0].weight = 5;
    let got: String = picks(StrategyKind::WeightedRoundRobin, &standings, &[0, 1, 2], 14)
        .into_iter()
        .map(|at| char::from(b'a' + at as u8))
        .collect();
    assert_eq!(got, "aabacaaaabacaa");
}

#[test]
fn least_in_flight_is_relative_to_permits() {
    let mut standings = standings(2);
    standings[0] = Standing {
        in_flight: 3,
        permits: 4,
        ..standings[0].clone()
    }
    .weighed();
    standings[1] = Standing {
        in_flight: 8,
        permits: 32,
        ..standings[1].clone()
    }
    .weighed();
    assert_eq!(
        picks(StrategyKind::LeastInFlight, &standings, &[0, 1], 3),
        [1, 1, 1]
    );
}

#[test]
fn priority_takes_the_first_tier_that_is_there_and_turns_within_it() {
    let mut standings = standings(4);
    standings[2].tier = 1;
    standings[3].tier = 1;
    assert_eq!(
        picks(StrategyKind::Priority, &standings, &[0, 1, 2, 3], 4),
        [0, 1, 0, 1]
    );
    assert_eq!(
        picks(StrategyKind::Priority, &standings, &[2, 3], 3),
        [2, 3, 2]
    );
}

#[test]
fn cheapest_prefers_a_known_price_and_most_budget_the_fullest() {
    let mut standings = standings(3);
    standings[1].price = 2.0;
    standings[2].price = 0.5;
    standings[0].budget_left = 0.9;
    standings[1].budget_left = 0.2;
    standings[2].budget_left = 0.1;
    assert_eq!(
        picks(StrategyKind::Cheapest, &standings, &[0, 1, 2], 2),
        [2, 2]
    );
    assert_eq!(
        picks(StrategyKind::Cheapest, &standings, &[0, 1], 2),
        [1, 1]
    );
    assert_eq!(
        picks(StrategyKind::MostBudget, &standings, &[0, 1, 2], 2),
        [0, 0]
    );
}

#[test]
fn sticky_goes_home_unless_home_is_busy() {
    let mut standings = standings(4);
    let mut rng = SmallRng::seed_from_u64(1);
    let mut strategy = StrategyKind::Sticky.build();
    let all = [0, 1, 2, 3];
    let field = Field {
        standings: &standings,
        eligible: &all,
        warm: Some(2),
        request: 0,
    };
    assert_eq!(strategy.choose(&field, &mut rng), 2);
    standings[2].in_flight = 3;
    standings[2].weigh();
    let field = Field {
        standings: &standings,
        eligible: &all,
        warm: Some(2),
        request: 0,
    };
    assert_ne!(strategy.choose(&field, &mut rng), 2);
}

#[test]
fn auto_takes_the_least_expected_time() {
    let standings = standings(4);
    assert_eq!(picks(StrategyKind::Auto, &standings, &[1, 2, 3], 2), [1, 1]);
}

#[test]
fn among_many_equals_each_gets_its_turn_and_the_least_always_wins() {
    let mut standings = vec![
        Standing {
            permits: 4,
            ..Standing::default()
        }
        .weighed();
        200
    ];
    let eligible: Vec<u32> = (0..200).collect();
    let mut rng = SmallRng::seed_from_u64(1);
    let mut hits = vec![0u32; 200];
    for _ in 0..20_000 {
        let field = Field {
            standings: &standings,
            eligible: &eligible,
            warm: None,
            request: 0,
        };
        hits[field.least(&mut rng, Standing::load) as usize] += 1;
    }
    assert!(hits.iter().all(|hits| (50..160).contains(hits)), "{hits:?}");
    for standing in &mut standings {
        standing.in_flight = 2;
        standing.weigh();
    }
    standings[137].in_flight = 1;
    standings[137].weigh();
    let field = Field {
        standings: &standings,
        eligible: &eligible,
        warm: None,
        request: 0,
    };
    assert_eq!(field.least(&mut rng, Standing::load), 137);
    assert!(eligible.contains(&field.least(&mut rng, |_| f32::INFINITY)));
}

#[test]
fn whatever_the_weights_each_gets_its_own_number_of_turns_in_a_period() {
    for seed in 0..50 {
        let mut dice = SmallRng::seed_from_u64(seed);
        let mut standings = standings(rand::Rng::random_range(&mut dice, 1..7));
        for standing in &mut standings {
            standing.weight = rand::Rng::random_range(&mut dice, 1..9);
        }
        let all: Vec<u32> = (0u32..).take(standings.len()).collect();
        let period: u32 = standings.iter().map(|standing| standing.weight).sum();
        let turns = picks(
            StrategyKind::WeightedRoundRobin,
            &standings,
            &all,
            3 * period as usize,
        );
        for turn in turns.chunks(period as usize) {
            for (at, standing) in (0u32..).zip(&standings) {
                let count = turn.iter().filter(|pick| **pick == at).count();
                assert_eq!(count, standing.weight as usize, "{at} of {standings:?}");
            }
        }
    }
}
