//! What holds whatever comes, drawn by chance from fixed seeds; `docs/invariants.md` lists these and the others.

use super::*;

const SEEDS: std::ops::Range<u64> = 0..40;

fn fail(kind: ErrorKind) -> Error {
    Error::new(kind, "x")
}

/// Health alone, by an instance's own failures and successes.
fn open_ones(core: &Core, now: Instant) -> usize {
    let slots = core.slots.iter();
    slots
        .filter(|slot| slot.breaker.opens_door_at(now).is_some())
        .count()
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_of_health_never_moves_a_breaker() {
    let mut now = Instant::now();
    for kind in ErrorKind::ALL {
        if matches!(
            kind.health(),
            crate::base::Health::Fail | crate::base::Health::HalfFail
        ) {
            continue;
        }
        let mut core = core(instances(2, 4), now);
        for _ in 0..50 {
            now += Duration::from_secs(1);
            core.tick(now);
            if let Admission::Granted(grant) = core.acquire(want(now), now) {
                let error = fail(kind).with_status(429);
                core.release(grant.lease, End::Failure(&error), now);
            }
            if let Admission::Granted(grant) = core.acquire(want(now), now) {
                core.release(grant.lease, End::Cancelled, now);
            }
            core.take_verdicts();
            for slot in &core.slots {
                assert_eq!(slot.breaker.opened(), 0, "{kind}");
                assert_eq!(slot.breaker.consecutive_failures(), 0, "{kind}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn at_most_half_are_out_for_ill_health_and_somebody_is_always_tried() {
    for seed in SEEDS {
        let mut dice = SmallRng::seed_from_u64(seed);
        let mut now = Instant::now();
        let count = dice.random_range(1..9);
        let mut core = core(instances(count, 1_000), now);
        for _ in 0..400 {
            now += Duration::from_millis(dice.random_range(0..2_000));
            core.tick(now);
            // With permits for all nobody waits: whoever is asked is tried at once, however ill all are.
            let grant = granted(core.acquire(want(now), now));
            let mut eligible = Vec::new();
            let class = core.class(&want(now)).unwrap();
            core.collect(&want(now), class, &[], now, &mut eligible);
            let probing = |at: usize| {
                let state = core.slots[at].breaker.state(now);
                state == super::super::super::breaker::BreakerState::HalfOpen { probing: true }
            };
            // One that has failed lately and is being asked is not out, it is waited for.
            let awaited = |at: usize| {
                core.slots[at].breaker.trust().is_some() && core.standings[at].in_flight > 0
            };
            let asked = (0..count)
                .filter(|at| probing(*at) || (awaited(*at) && !eligible.contains(&(*at as u32))))
                .count();
            assert!(
                eligible.len() + asked >= count - count / 2,
                "{} of {count} can be asked, {} are open",
                eligible.len(),
                open_ones(&core, now)
            );
            if dice.random_bool(0.8) {
                core.release(grant.lease, End::Failure(&server_error()), now);
            } else {
                core.first_token(grant.lease, now);
                core.release(grant.lease, GOOD, now);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_the_latest_time_a_provider_has_named() {
    for seed in SEEDS {
        let mut dice = SmallRng::seed_from_u64(seed);
        let mut now = Instant::now();
        let mut core = core(instances(1, 6), now);
        let mut not_before = now;
        let mut running: Vec<Grant> = Vec::new();
        for _ in 0..300 {
            now += Duration::from_millis(dice.random_range(0..3_000));
            core.tick(now);
            let mut came: Vec<Grant> = core
                .take_verdicts()
                .into_iter()
                .filter_map(|(_, verdict)| verdict.ok())
                .collect();
            if let Admission::Granted(grant) = core.acquire(want(now), now) {
                came.push(grant);
            }
            assert!(
                came.is_empty() || now >= not_before,
                "{:?} too early",
                not_before - now
            );
            running.extend(came);
            if dice.random_bool(0.5) && !running.is_empty() {
                let grant = running.swap_remove(dice.random_range(0..running.len()));
                let wait = Duration::from_millis(dice.random_range(1..9_000));
                let error = fail(ErrorKind::RateLimited).with_retry_after(wait);
                core.release(grant.lease, End::Failure(&error), now);
                not_before = not_before.max(now + wait);
            } else if let Some(grant) = running.pop() {
                core.release(grant.lease, GOOD, now);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_past_the_deadline_or_is_passed_over_without_end() {
    for seed in SEEDS {
        let mut dice = SmallRng::seed_from_u64(seed);
        let mut now = Instant::now();
        let mut core = core(instances(3, 1), now);
        let mut running: Vec<Grant> = Vec::new();
        let mut deadlines: HashMap<Place, Instant> = HashMap::new();
        for _ in 0..400 {
            // As the driver's timer does: never later than the pool asks for.
            let next = now + Duration::from_millis(dice.random_range(0..900));
            while let Some(wake) = core.next_wake(now).filter(|wake| *wake <= next) {
                now = wake.max(now + Duration::from_nanos(1));
                core.tick(now);
            }
            now = now.max(next);
            let mut one = want(now);
            one.deadline = now + Duration::from_millis(dice.random_range(1..8_000));
            one.caller = Some(dice.random_range(0..3).to_string());
            one.tried = (0..3).filter(|_| dice.random_bool(0.3)).collect();
            if one.tried.len() == 3 {
                one.tried.clear();
            }
            let deadline = one.deadline;
            match core.acquire(one, now) {
                Admission::Granted(grant) => running.push(grant),
                Admission::Waiting(place) => drop(deadlines.insert(place, deadline)),
                Admission::Refused(_) => {}
            }
            if dice.random_bool(0.7) && !running.is_empty() {
                let grant = running.swap_remove(dice.random_range(0..running.len()));
                core.release(grant.lease, GOOD, now);
            }
            for (place, verdict) in core.take_verdicts() {
                let deadline = deadlines.remove(&place).unwrap();
                assert!(verdict.is_err() || now <= deadline + Duration::from_secs(1));
                running.extend(verdict.ok());
            }
            assert!(
                deadlines.values().all(|deadline| *deadline > now),
                "somebody is forgotten"
            );
            let mut after = None;
            while let Some((place, waiter)) = core.queue.behind(after) {
                after = Some(place);
                // Each free permit may pass over one who then has it kept; never more than instances beyond the bound.
                assert!(waiter.bypassed <= 16 + 3, "{}", waiter.bypassed);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_one_gets_nothing_but_probes_once_it_is_out() {
    for kind in StrategyKind::ALL {
        let mut now = Instant::now();
        let settings = Settings {
            strategy: kind.as_str().to_owned(),
            ..Settings::default()
        };
        let mut core = Core::new(settings, Vec::new(), instances(4, 8), 1, now).unwrap();
        let mut after_it_opened = 0;
        for _ in 0..3_000 {
            now += Duration::from_millis(100);
            core.tick(now);
            let grant = granted(core.acquire(want(now), now));
            if grant.at == 0 {
                let was_out = core.slots[0].breaker.opened() > 0;
                assert!(!was_out || grant.probe, "{kind}: only probes");
                after_it_opened += u32::from(was_out);
                core.release(grant.lease, End::Failure(&server_error()), now);
            } else {
                core.first_token(grant.lease, now);
                core.release(grant.lease, GOOD, now);
            }
        }
        // 300 s: after 5, 10, 20, 40 s and then each minute at the soonest.
        assert!(after_it_opened <= 9, "{kind}: {after_it_opened} probes");
    }
}

#[tokio::test(start_paused = true)]
async fn reservations_are_settled_to_nothing_and_overshoot_is_never_forgiven() {
    const LIMIT: u64 = 10_000;
    for seed in SEEDS {
        let mut dice = SmallRng::seed_from_u64(seed);
        let mut now = Instant::now();
        let mut some = instances(1, 50);
        some[0].limits.tokens_per_minute = Some(LIMIT);
        let mut core = core(some, now);
        let mut running = Vec::new();
        let mut used: Vec<(Instant, u64)> = Vec::new();
        for _ in 0..200 {
            now += Duration::from_millis(dice.random_range(0..2_000));
            core.tick(now);
            core.take_verdicts();
            if let Some(grant) = core.try_acquire(want(now), now) {
                running.push((grant, now));
            }
            if dice.random_bool(0.6) && !running.is_empty() {
                let (grant, began) = running.swap_remove(dice.random_range(0..running.len()));
                let really: u64 = dice.random_range(0..400);
                let end = End::Success {
                    tokens: Some(really),
                    output: Some(really / 2),
                    spend: None,
                };
                core.release(grant.lease, end, now);
                // What was reserved counts from the start; what goes beyond it, from the end.
                used.push((began, really.min(100)));
                used.push((now, really.saturating_sub(100)));
            }
        }
        for (grant, _) in running.drain(..) {
            core.release(
                grant.lease,
                End::Failure(&fail(ErrorKind::RateLimited).with_status(429)),
                now,
            );
        }
        let minute = Duration::from_secs(60);
        let recent = used
            .iter()
            .filter(|(at, _)| now.duration_since(*at) < minute);
        let spent: u64 = recent.map(|(_, tokens)| tokens).sum();
        let left = |core: &Core, now| core.view(now).instances[0].budgets[0].left;
        // Slices of the window are merged to the later time: never too lax.
        assert!(left(&core, now) <= LIMIT.cast_signed() - spent.cast_signed());
        assert!(left(&core, now) >= LIMIT.cast_signed() - spent.cast_signed() - 1_000);
        assert_eq!(
            left(&core, now + minute + minute / 100),
            LIMIT.cast_signed()
        );
    }
}
