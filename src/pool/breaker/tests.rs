//! The breaker's transitions, as stories and as a table.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;

fn rng() -> SmallRng {
    SmallRng::seed_from_u64(7)
}

fn opened(now: Instant) -> Breaker {
    let mut breaker = Breaker::new(BreakerSettings::default(), now);
    for _ in 0..5 {
        let pass = breaker.pass(now);
        breaker.failure(pass, 2, now, &mut rng());
    }
    breaker
}

#[tokio::test(start_paused = true)]
async fn five_in_a_row_open_it_for_five_seconds_and_a_quarter_at_most() {
    let now = Instant::now();
    let breaker = opened(now);
    let BreakerState::Open { until } = breaker.state(now) else {
        panic!("{breaker:?}")
    };
    let open_for = until - now;
    assert!(
        (5.0..6.25).contains(&open_for.as_secs_f64()),
        "{open_for:?}"
    );
    assert!(!breaker.admits(now));
    assert!(breaker.admits(until));
}

#[tokio::test(start_paused = true)]
async fn half_open_lets_exactly_one_probe_through_and_its_first_token_closes() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let later = now + Duration::from_secs(10);
    let mut probe = breaker.pass(later);
    assert!(probe.probe);
    assert!(!breaker.admits(later));
    assert!(breaker.first_token(&mut probe, later));
    assert!(breaker.is_closed() && breaker.admits(later));
    breaker.success(probe, later);
    assert_eq!(breaker.slow_start(40, later + Duration::from_secs(15)), 20);
}

#[tokio::test(start_paused = true)]
async fn slow_start_is_as_quick_as_first_tokens_come_and_a_failure_halves_it() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let later = now + Duration::from_secs(10);
    let mut probe = breaker.pass(later);
    breaker.first_token(&mut probe, later);
    assert_eq!(breaker.slow_start(16, later), 2, "the probe has proven one");
    for _ in 0..7 {
        let mut pass = breaker.pass(later);
        breaker.first_token(&mut pass, later);
        breaker.success(pass, later);
    }
    assert_eq!(breaker.slow_start(16, later), 9);
    let pass = breaker.pass(later);
    breaker.failure(pass, 2, later, &mut rng());
    assert_eq!(breaker.slow_start(16, later), 5);
    assert_eq!(breaker.slow_start(4, later), 4, "never more than there are");
    let end = later + Duration::from_secs(30);
    assert_eq!(breaker.slow_start(16, end), 16);
}

#[tokio::test(start_paused = true)]
async fn answers_that_began_before_the_failures_do_not_hide_them() {
    let now = Instant::now();
    let mut breaker = Breaker::new(BreakerSettings::default(), now);
    let mut running: Vec<Pass> = (0..4).map(|_| breaker.pass(now)).collect();
    for pass in &mut running {
        breaker.first_token(pass, now);
    }
    let later = now + Duration::from_secs(40);
    for streaming in running {
        let pass = breaker.pass(later);
        breaker.failure(pass, 2, later, &mut rng());
        breaker.success(streaming, later);
    }
    assert!(breaker.is_closed());
    let pass = breaker.pass(later);
    assert!(breaker.failure(pass, 2, later, &mut rng()), "five in a row");
}

#[tokio::test(start_paused = true)]
async fn after_a_probe_one_failure_opens_it_again_until_an_answer_came_to_its_end() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let later = now + Duration::from_secs(10);
    let mut probe = breaker.pass(later);
    breaker.first_token(&mut probe, later);
    assert!(breaker.failure(probe, 2, later, &mut rng()), "cut half-way");
    let again = later + Duration::from_secs(20);
    let mut probe = breaker.pass(again);
    breaker.first_token(&mut probe, again);
    breaker.success(probe, again);
    let pass = breaker.pass(again);
    assert!(!breaker.failure(pass, 2, again, &mut rng()));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_probe_gives_its_place_back() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let later = now + Duration::from_secs(10);
    let probe = breaker.pass(later);
    breaker.nothing(probe);
    assert!(breaker.admits(later));
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_opens_it_for_longer() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let later = now + Duration::from_secs(7);
    let probe = breaker.pass(later);
    assert!(breaker.failure(probe, 2, later, &mut rng()));
    let BreakerState::Open { until } = breaker.state(later) else {
        panic!("{breaker:?}")
    };
    assert!((10.0..12.5).contains(&(until - later).as_secs_f64()));
}

#[tokio::test(start_paused = true)]
async fn when_others_wait_its_open_time_grows_by_a_quarter_and_does_not_double() {
    let mut now = Instant::now();
    let mut breaker = opened(now);
    for _ in 0..3 {
        now += Duration::from_secs(70);
        let probe = breaker.pass(now);
        breaker.failure(probe, 2, now, &mut rng());
    }
    assert!(!breaker.admits(now + Duration::from_secs(39)));
    breaker.hurry();
    // The fourth: 5 s and three quarters of it more, with a quarter of jitter.
    assert!(!breaker.admits(now + Duration::from_millis(8_700)));
    assert!(breaker.admits(now + Duration::from_millis(11_000)));
    breaker.force_open();
    breaker.hurry();
    assert!(
        !breaker.admits(now + Duration::from_secs(1_000)),
        "by hand is by hand"
    );
}

#[tokio::test(start_paused = true)]
async fn what_began_before_the_trip_changes_nothing() {
    let now = Instant::now();
    let mut breaker = Breaker::new(BreakerSettings::default(), now);
    let mut old = breaker.pass(now);
    let others: Vec<Pass> = (0..5).map(|_| breaker.pass(now)).collect();
    for pass in others {
        breaker.failure(pass, 2, now, &mut rng());
    }
    assert!(!breaker.is_closed());
    assert!(!breaker.first_token(&mut old, now));
    breaker.success(old, now);
    assert!(!breaker.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_low_success_rate_opens_it_without_a_run() {
    let now = Instant::now();
    let mut breaker = Breaker::new(BreakerSettings::default(), now);
    let mut opened_at = None;
    for n in 0..30 {
        let pass = breaker.pass(now);
        if n % 5 == 4 {
            breaker.success(pass, now);
        } else if breaker.failure(pass, 2, now, &mut rng()) {
            opened_at = Some(n);
            break;
        }
    }
    assert_eq!(
        opened_at,
        Some(10),
        "at the tenth that counts, four in a row never reached five"
    );
}

#[tokio::test(start_paused = true)]
async fn forced_open_ends_only_by_reset() {
    let now = Instant::now();
    let mut breaker = Breaker::new(BreakerSettings::default(), now);
    breaker.force_open();
    assert!(!breaker.admits(now + Duration::from_secs(1_000_000)));
    breaker.reset();
    assert!(breaker.admits(now));
}

#[tokio::test(start_paused = true)]
async fn open_time_doubles_within_its_jitter_up_to_the_cap_and_starts_anew_after_peace() {
    for seed in 0..50 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut now = Instant::now();
        let mut breaker = Breaker::new(BreakerSettings::default(), now);
        for _ in 0..2 {
            for expected in [5.0, 10.0, 20.0, 40.0, 60.0, 60.0] {
                let tries = if expected > 5.0 { 1 } else { 5 };
                for _ in 0..tries {
                    let pass = breaker.pass(now);
                    breaker.failure(pass, 2, now, &mut rng);
                }
                let BreakerState::Open { until } = breaker.state(now) else {
                    panic!("{breaker:?}")
                };
                let open_for = (until - now).as_secs_f64();
                assert!(
                    (expected..=expected * 1.25).contains(&open_for),
                    "{open_for} s, not {expected}"
                );
                now = until;
            }
            let mut pass = breaker.pass(now);
            assert!(breaker.first_token(&mut pass, now));
            breaker.success(pass, now);
            now += Duration::from_secs(200);
        }
    }
}

/// The legal transitions, as a table.
fn legal(from: BreakerState, to: BreakerState) -> bool {
    use BreakerState::{Closed, Forced, HalfOpen, Open};
    matches!(
        (from, to),
        (Closed, Closed | Open { .. } | Forced)
            | (Open { .. }, Open { .. } | HalfOpen { .. } | Closed | Forced)
            | (
                HalfOpen { .. },
                HalfOpen { .. } | Open { .. } | Closed | Forced
            )
            | (Forced, Forced)
    )
}

proptest! {
    #[test]
    fn only_legal_transitions_and_one_probe(steps in prop::collection::vec((0u8..6, 0u64..4_000, 0usize..8), 1..400)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        let mut now = runtime.block_on(async { Instant::now() });
        let mut breaker = Breaker::new(BreakerSettings::default(), now);
        let mut rng = rng();
        let mut running: Vec<Pass> = Vec::new();
        for (what, gap, which) in steps {
            now += Duration::from_millis(gap);
            let before = breaker.state(now);
            let pick = (!running.is_empty()).then(|| which % running.len().max(1));
            match (what, pick) {
                (0 | 1, _) if breaker.admits(now) => { let pass = breaker.pass(now); running.push(pass); }
                (2, Some(at)) => { let mut pass = running.swap_remove(at); breaker.first_token(&mut pass, now); running.push(pass); }
                (3, Some(at)) => { let pass = running.swap_remove(at); breaker.success(pass, now); }
                (4, Some(at)) => { let pass = running.swap_remove(at); breaker.failure(pass, 2, now, &mut rng); }
                (5, Some(at)) => { let pass = running.swap_remove(at); breaker.nothing(pass); }
                _ => {}
            }
            let after = breaker.state(now);
            prop_assert!(legal(before, after), "{before:?} -> {after:?}");
            let probes = running.iter().filter(|pass| pass.probe && pass.generation == breaker.generation).count();
            prop_assert!(probes <= 1);
            if let BreakerState::HalfOpen { probing: true } = after {
                prop_assert_eq!(probes, 1, "a probe's place is held by a running probe");
            }
        }
    }
}
