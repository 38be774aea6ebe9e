//! The one queue as those see it who wait in it: fair turns, honest refusals, nothing left behind.

use super::*;

fn of_caller(caller: &str, now: Instant) -> Want {
    Want {
        caller: Some(caller.to_owned()),
        ..want(now)
    }
}

fn waiting(admission: Admission) -> Place {
    match admission {
        Admission::Waiting(place) => place,
        other => panic!("{other:?}"),
    }
}

/// A pool that has learned that an answer takes ten seconds.
fn ten_seconds_each(settings: Settings, permits: usize, now: &mut Instant) -> Core {
    let mut core = Core::new(settings, Vec::new(), instances(1, permits), 1, *now).unwrap();
    for _ in 0..40 {
        let grant = granted(core.acquire(want(*now), *now));
        *now += Duration::from_secs(10);
        core.release(grant.lease, GOOD, *now);
    }
    core
}

fn long(now: Instant) -> Want {
    Want {
        deadline: now + Duration::from_secs(3_600),
        ..want(now)
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_a_long_backlog_takes_turns_with_the_others() {
    let now = Instant::now();
    let mut core = core(instances(1, 1), now);
    let mut lease = granted(core.acquire(of_caller("a", now), now)).lease;
    let mut who = HashMap::new();
    for (caller, count) in [("a", 30), ("b", 3), ("c", 3)] {
        for _ in 0..count {
            who.insert(waiting(core.acquire(of_caller(caller, now), now)), caller);
        }
    }
    let mut order = String::new();
    for _ in 0..12 {
        core.release(lease, GOOD, now);
        let (place, verdict) = core.take_verdicts().remove(0);
        order.push_str(who[&place]);
        lease = verdict.unwrap().lease;
    }
    assert_eq!(order, "abcabcabcaaa");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_served_soon_is_not_refused_for_those_behind() {
    let mut now = Instant::now();
    let mut core = ten_seconds_each(Settings::default(), 1, &mut now);
    granted(core.acquire(long(now), now));
    for _ in 0..50 {
        let batch = Want {
            priority: Priority::Batch,
            caller: Some("greedy".to_owned()),
            ..long(now)
        };
        waiting(core.acquire(batch, now));
    }
    // Interactive, and so before all of the batch.
    waiting(core.acquire(want(now), now));
    // Batch, but of a caller whose turn is next.
    let mut turn = of_caller("modest", now);
    turn.priority = Priority::Batch;
    waiting(core.acquire(turn, now));
    // Behind everything.
    let mut behind = of_caller("greedy", now);
    behind.priority = Priority::Batch;
    let error = refused(core.acquire(behind, now));
    assert_eq!(error.kind(), ErrorKind::QueueFull);
    let wait = error.retry_after().unwrap().as_secs();
    assert!((500..=540).contains(&wait), "{wait} s");
}

#[tokio::test(start_paused = true)]
async fn the_time_to_come_back_is_the_time_that_the_queue_takes() {
    let mut now = Instant::now();
    let settings = Settings {
        queue_limit: 30,
        ..Settings::default()
    };
    let mut core = ten_seconds_each(settings, 3, &mut now);
    let mut running: Vec<u64> = (0..3)
        .map(|_| granted(core.acquire(long(now), now)).lease)
        .collect();
    for _ in 0..30 {
        waiting(core.acquire(long(now), now));
    }
    let promised = refused(core.acquire(long(now), now)).retry_after().unwrap();
    let begun = now;
    while core.waiting() > 0 {
        now += Duration::from_secs(10);
        for lease in std::mem::take(&mut running) {
            core.release(lease, GOOD, now);
        }
        let verdicts = core.take_verdicts().into_iter();
        running.extend(verdicts.map(|(_, verdict)| verdict.unwrap().lease));
    }
    let took = now - begun;
    let off = promised.as_secs_f64() / took.as_secs_f64();
    assert!((0.8..1.25).contains(&off), "{promised:?} for {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_keeps_nobody_from_an_instance_that_is_free() {
    let now = Instant::now();
    let settings = Settings {
        queue_limit: 5,
        ..Settings::default()
    };
    let mut core = Core::new(settings, Vec::new(), instances(2, 1), 1, now).unwrap();
    let only = |at: &str| Want {
        target: Target::Instance(at.into()),
        ..want(now)
    };
    granted(core.acquire(only("i0"), now));
    for _ in 0..5 {
        waiting(core.acquire(only("i0"), now));
    }
    let error = refused(core.acquire(only("i0"), now));
    assert_eq!(error.kind(), ErrorKind::QueueFull);
    granted(core.acquire(only("i1"), now));
    let error = refused(core.acquire(only("i1"), now));
    assert_eq!(error.kind(), ErrorKind::QueueFull);
    assert_eq!(core.waiting(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_none_lets_through_what_need_not_wait() {
    let now = Instant::now();
    let settings = Settings {
        queue_limit: 0,
        ..Settings::default()
    };
    let mut core = Core::new(settings, Vec::new(), instances(1, 1), 1, now).unwrap();
    let lease = granted(core.acquire(want(now), now)).lease;
    let error = refused(core.acquire(want(now), now));
    assert_eq!(error.kind(), ErrorKind::QueueFull);
    core.release(lease, GOOD, now);
    granted(core.acquire(want(now), now));
}

#[tokio::test(start_paused = true)]
async fn who_leaves_takes_everything_along() {
    let now = Instant::now();
    let mut core = core(instances(1, 1), now);
    let mut lease = granted(core.acquire(of_caller("a", now), now)).lease;
    let stays = waiting(core.acquire(of_caller("b", now), now));
    for _ in 0..100 {
        let places: Vec<Place> = (0..3)
            .map(|_| waiting(core.acquire(of_caller("a", now), now)))
            .collect();
        for place in places {
            core.give_up(place, now);
        }
    }
    assert_eq!(core.view(now).queue.length, 1);
    assert_eq!(core.next_wake(now), Some(now + Duration::from_secs(60)));
    // As the second of b, and not as the 301st of a.
    let second = waiting(core.acquire(of_caller("b", now), now));
    let back = waiting(core.acquire(of_caller("a", now), now));
    let mut order = Vec::new();
    for _ in 0..3 {
        core.release(lease, GOOD, now);
        let (place, verdict) = core.take_verdicts().remove(0);
        order.push(place);
        lease = verdict.unwrap().lease;
    }
    assert_eq!(order, [stays, back, second]);
    core.release(lease, GOOD, now);
    assert!(core.leases.is_empty());
    assert!(core.classes.iter().all(|class| class.waiting == 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_for_one_who_leaves_goes_to_others_at_once() {
    let now = Instant::now();
    let mut some = instances(1, 2);
    some[0].limits.tokens_per_minute = Some(10_000);
    let mut core = core(some, now);
    let sized = |tokens: u64| Want {
        cost: Cost {
            tokens,
            ..Cost::default()
        },
        ..want(now)
    };
    let mut lease = granted(core.acquire(sized(100), now)).lease;
    let other = granted(core.acquire(sized(100), now)).lease;
    let large = waiting(core.acquire(sized(9_950), now));
    for _ in 0..20 {
        waiting(core.acquire(sized(10), now));
    }
    // The small ones pass the large one as often as they may.
    let mut passed = 0;
    loop {
        core.release(lease, GOOD, now);
        let Some((place, verdict)) = core.take_verdicts().pop() else {
            break;
        };
        assert_ne!(place, large);
        lease = verdict.unwrap().lease;
        passed += 1;
    }
    assert_eq!(passed, 16);
    core.release(other, GOOD, now);
    assert_eq!(
        core.take_verdicts().len(),
        0,
        "both permits are kept for it"
    );
    core.give_up(large, now);
    let verdicts = core.take_verdicts();
    assert_eq!(verdicts.len(), 2, "as many as there are permits");
    assert!(verdicts.into_iter().all(|(_, verdict)| verdict.is_ok()));
}
