//! Somebody who waits in a quiet pool is woken when time alone helps.

use super::*;

/// Two instances: one is busy for long, the other has opened so often that it stays open for a minute.
fn one_busy_one_open(now: &mut Instant) -> Core {
    let mut core = core(instances(2, 1), *now);
    let only = |at: u32, now: Instant| Want {
        target: Target::Instance(format!("i{at}").as_str().into()),
        deadline: now + Duration::from_secs(600),
        ..want(now)
    };
    for round in 0..5 {
        let tries = if round == 0 { 5 } else { 1 };
        for _ in 0..tries {
            let grant = granted(core.acquire(only(1, *now), *now));
            core.release(grant.lease, End::Failure(&server_error()), *now);
        }
        *now += Duration::from_secs(80);
        core.tick(*now);
    }
    // It has failed its probe once more, and stays open for about a minute.
    let grant = granted(core.acquire(only(1, *now), *now));
    core.release(grant.lease, End::Failure(&server_error()), *now);
    granted(core.acquire(only(0, *now), *now));
    core
}

#[tokio::test(start_paused = true)]
async fn an_open_instance_is_tried_sooner_for_one_who_waits_alone() {
    let mut now = Instant::now();
    let mut core = one_busy_one_open(&mut now);
    assert!(matches!(
        core.slots[1].breaker.opens_door_at(now),
        Some(until) if until > now + Duration::from_secs(50)
    ));
    let begun = now;
    assert!(matches!(
        core.acquire(want(now), now),
        Admission::Waiting(_)
    ));
    // Nothing happens but what the pool asks to be woken for.
    let mut wakes = 0;
    let grant = loop {
        now = core
            .next_wake(now)
            .unwrap()
            .max(now + Duration::from_millis(1));
        core.tick(now);
        wakes += 1;
        if let Some((_, verdict)) = core.take_verdicts().pop() {
            break verdict.unwrap();
        }
    };
    assert_eq!(grant.instance.as_str(), "i1");
    assert!(grant.probe);
    let waited = now - begun;
    assert!(
        waited < Duration::from_secs(15),
        "{waited:?}: a quarter more each time, not the whole minute"
    );
    assert!(wakes <= 4, "{wakes} wakes");
}

#[tokio::test(start_paused = true)]
async fn no_time_to_wait_is_a_time_of_ones_own() {
    let mut now = Instant::now();
    let mut core = core(instances(1, 1), now);
    let refusal = Error::new(ErrorKind::RateLimited, "slow down").with_retry_after(Duration::ZERO);
    let mut waits = Vec::new();
    for _ in 0..3 {
        let grant = granted(core.acquire(want(now), now));
        core.release(grant.lease, End::Failure(&refusal), now);
        assert!(matches!(
            core.acquire(want(now), now),
            Admission::Waiting(_)
        ));
        let begun = now;
        let grant = loop {
            now = core.next_wake(now).unwrap();
            core.tick(now);
            if let Some((_, verdict)) = core.take_verdicts().pop() {
                break verdict.unwrap();
            }
        };
        core.release(grant.lease, End::Cancelled, now);
        waits.push((now - begun).as_secs_f64());
    }
    for (wait, about) in waits.iter().zip([1.0, 2.0, 4.0]) {
        assert!((about..=about * 1.1).contains(wait), "{waits:?}");
    }
}
