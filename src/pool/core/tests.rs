//! The pool's promises, in virtual time.

mod change;
mod invariants;
mod waiting;
mod waking;

use proptest::prelude::*;
use rand::Rng;

use super::*;
use crate::base::{Command, ErrorKind};
use crate::limit;

fn instances(count: usize, permits: usize) -> Vec<InstanceSettings> {
    (0..count)
        .map(|n| InstanceSettings {
            models: vec!["m".to_owned()],
            limits: limit::Settings {
                permits,
                ..limit::Settings::default()
            },
            ..InstanceSettings::new(format!("i{n}"), ProviderType::OpenAi)
        })
        .collect()
}

fn core(instances: Vec<InstanceSettings>, now: Instant) -> Core {
    Core::new(Settings::default(), Vec::new(), instances, 1, now).unwrap()
}

fn want(now: Instant) -> Want {
    Want {
        target: Target::Any,
        model: None,
        cost: Cost {
            tokens: 100,
            ..Cost::default()
        },
        priority: Priority::Interactive,
        caller: None,
        conversation: None,
        deadline: now + Duration::from_secs(60),
        tried: Vec::new(),
        tag: None,
        types: 0,
        request: 0,
    }
}

fn granted(admission: Admission) -> Grant {
    match admission {
        Admission::Granted(grant) => grant,
        other => panic!("{other:?}"),
    }
}

fn refused(admission: Admission) -> Error {
    match admission {
        Admission::Refused(error) => error,
        other => panic!("{other:?}"),
    }
}

const GOOD: End<'static> = End::Success {
    tokens: Some(100),
    output: Some(50),
    spend: None,
};

fn server_error() -> Error {
    Error::new(ErrorKind::Server, "boom")
}

#[tokio::test(start_paused = true)]
async fn round_robin_goes_round_and_a_disabled_one_gets_nothing() {
    let now = Instant::now();
    let mut core = core(instances(3, 10), now);
    let mut order = String::new();
    for n in 0..9 {
        if n == 3 {
            core.command(
                &Command::Disable {
                    instance: "i1".into(),
                },
                now,
            )
            .unwrap();
        }
        let grant = granted(core.acquire(want(now), now));
        order.push_str(&grant.instance.as_str()[1..]);
        core.release(grant.lease, GOOD, now);
    }
    assert_eq!(order, "012020202");
    assert_eq!(core.view(now).next, Some("i0".into()));
}

#[tokio::test(start_paused = true)]
async fn a_full_pool_makes_one_wait_and_binds_late() {
    let now = Instant::now();
    let mut core = core(instances(2, 1), now);
    let first = granted(core.acquire(want(now), now));
    let second = granted(core.acquire(want(now), now));
    let Admission::Waiting(place) = core.acquire(want(now), now) else {
        panic!("nothing is free")
    };
    let later = now + Duration::from_secs(3);
    core.release(second.lease, GOOD, later);
    let verdicts = core.take_verdicts();
    assert_eq!(verdicts.len(), 1);
    let (who, verdict) = &verdicts[0];
    let grant = verdict.as_ref().unwrap();
    assert_eq!(*who, place);
    assert_eq!(
        grant.instance, second.instance,
        "the one that was freed first"
    );
    assert_eq!(grant.queued, Duration::from_secs(3));
    core.release(first.lease, GOOD, later);
    core.release(grant.lease, GOOD, later);
    assert!(
        core.view(now)
            .instances
            .iter()
            .all(|instance| instance.in_flight == 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait() {
    let now = Instant::now();
    let mut core = core(instances(1, 1), now);
    granted(core.acquire(want(now), now));
    assert!(matches!(
        core.acquire(want(now), now),
        Admission::Waiting(_)
    ));
    let wake = core.next_wake(now).unwrap();
    assert_eq!(wake, now + Duration::from_secs(60));
    core.tick(wake);
    let verdict = core.take_verdicts().remove(0).1;
    assert_eq!(verdict.unwrap_err().kind(), ErrorKind::Deadline);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_with_a_time_to_come_back() {
    let now = Instant::now();
    let mut core = Core::new(
        Settings {
            queue_limit: 2,
            ..Settings::default()
        },
        Vec::new(),
        instances(1, 1),
        1,
        now,
    )
    .unwrap();
    granted(core.acquire(want(now), now));
    for _ in 0..2 {
        assert!(matches!(
            core.acquire(want(now), now),
            Admission::Waiting(_)
        ));
    }
    let error = refused(core.acquire(want(now), now));
    assert_eq!(error.kind(), ErrorKind::QueueFull);
    assert!(error.retry_after().is_some());
}

#[tokio::test(start_paused = true)]
async fn nobody_left_says_why_by_name_and_tells_those_who_wait() {
    let now = Instant::now();
    let mut core = core(instances(2, 1), now);
    let first = granted(core.acquire(want(now), now));
    granted(core.acquire(want(now), now));
    assert!(matches!(
        core.acquire(want(now), now),
        Admission::Waiting(_)
    ));
    core.command(
        &Command::Disable {
            instance: "i1".into(),
        },
        now,
    )
    .unwrap();
    assert!(core.take_verdicts().is_empty());
    core.release(
        first.lease,
        End::Failure(&Error::new(ErrorKind::Auth, "bad key")),
        now,
    );
    let error = core.take_verdicts().remove(0).1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoInstance);
    assert_eq!(error.message(), "i0 wrong key, i1 off");
    assert_eq!(
        refused(core.acquire(want(now), now)).kind(),
        ErrorKind::NoInstance
    );
}

#[tokio::test(start_paused = true)]
async fn a_429_is_obeyed_exactly_and_never_shortened() {
    let now = Instant::now();
    let mut core = core(instances(1, 4), now);
    let leases: Vec<Grant> = (0..2)
        .map(|_| granted(core.acquire(want(now), now)))
        .collect();
    let limited = |seconds| {
        Error::new(ErrorKind::RateLimited, "slow down")
            .with_status(429)
            .with_retry_after(Duration::from_secs(seconds))
    };
    core.release(leases[0].lease, End::Failure(&limited(20)), now);
    core.release(leases[1].lease, End::Failure(&limited(1)), now);
    assert!(matches!(
        core.view(now).instances[0].state,
        InstanceState::Cooling(_)
    ));
    assert!(matches!(
        core.acquire(want(now), now),
        Admission::Waiting(_)
    ));
    let wake = core.next_wake(now).unwrap();
    let wait = wake.duration_since(now).as_secs_f64();
    assert!((20.0..=22.0).contains(&wait), "{wait}");
    core.tick(wake - Duration::from_millis(1));
    assert!(core.take_verdicts().is_empty());
    core.tick(wake);
    assert!(core.take_verdicts().remove(0).1.is_ok());
    assert_eq!(
        core.view(wake).instances[0].breaker.opened,
        0,
        "not ill health"
    );
}

#[tokio::test(start_paused = true)]
async fn the_failing_one_is_ejected_and_comes_back_by_one_probe() {
    let mut now = Instant::now();
    let mut core = core(instances(3, 4), now);
    for _ in 0..15 {
        let grant = granted(core.acquire(want(now), now));
        let end = server_error();
        let end = if grant.at == 1 {
            End::Failure(&end)
        } else {
            GOOD
        };
        core.release(grant.lease, end, now);
    }
    assert!(matches!(
        core.view(now).instances[1].state,
        InstanceState::Open(_)
    ));
    for _ in 0..20 {
        let grant = granted(core.acquire(want(now), now));
        assert_ne!(grant.at, 1);
        core.release(grant.lease, GOOD, now);
    }
    now += Duration::from_secs(7);
    let running: Vec<Grant> = (0..6)
        .map(|_| granted(core.acquire(want(now), now)))
        .collect();
    assert_eq!(
        running.iter().filter(|grant| grant.at == 1).count(),
        1,
        "exactly one probe"
    );
    for grant in running {
        core.first_token(grant.lease, now);
        core.release(grant.lease, GOOD, now);
    }
    assert_eq!(core.view(now).instances[1].state, InstanceState::On);
}

#[tokio::test(start_paused = true)]
async fn while_others_wait_an_open_instance_is_tried_sooner() {
    let mut now = Instant::now();
    let mut core = core(instances(3, 1), now);
    // The second one fails, and its probes fail, so that it stays open for 40 s and more.
    for _ in 0..4 {
        for _ in 0..20 {
            let grant = granted(core.acquire(want(now), now));
            let error = server_error();
            let end = match grant.at {
                1 => End::Failure(&error),
                _ => GOOD,
            };
            core.release(grant.lease, end, now);
        }
        now += Duration::from_secs(26);
    }
    let InstanceState::Open(left) = core.view(now).instances[1].state else {
        panic!("{:?}", core.view(now).instances[1].state)
    };
    assert!(left > Duration::from_secs(10), "{left:?}");
    for _ in 0..2 {
        assert_ne!(granted(core.acquire(want(now), now)).at, 1);
    }
    assert!(matches!(
        core.acquire(want(now), now),
        Admission::Waiting(_)
    ));
    now += Duration::from_millis(1_500);
    core.tick(now);
    let verdict = core.take_verdicts().pop().map(|(_, verdict)| verdict);
    assert_eq!(
        verdict.unwrap().unwrap().at,
        1,
        "its first open time was over long ago"
    );
}

#[tokio::test(start_paused = true)]
async fn beyond_half_the_least_bad_is_tried() {
    let now = Instant::now();
    let mut core = core(instances(2, 4), now);
    for _ in 0..10 {
        let grant = granted(core.acquire(want(now), now));
        core.release(grant.lease, End::Failure(&server_error()), now);
    }
    let grant = granted(core.acquire(want(now), now));
    core.first_token(grant.lease, now);
    core.release(grant.lease, GOOD, now);
    assert!(matches!(
        core.view(now).instances[grant.at as usize].state,
        InstanceState::On
    ));
}

#[tokio::test(start_paused = true)]
async fn the_same_instance_is_not_asked_twice_while_another_is_left() {
    let now = Instant::now();
    let mut core = core(instances(2, 1), now);
    let first = granted(core.acquire(want(now), now));
    let second = granted(core.acquire(want(now), now));
    let mut again = want(now);
    again.tried = vec![first.at];
    assert!(core.has_untried(&again, now));
    core.release(first.lease, End::Failure(&server_error()), now);
    assert!(
        matches!(core.acquire(again.clone(), now), Admission::Waiting(_)),
        "the tried one is free, but tried"
    );
    core.release(second.lease, GOOD, now);
    assert_eq!(core.take_verdicts().remove(0).1.unwrap().at, second.at);
    again.tried = vec![0, 1];
    assert!(!core.has_untried(&again, now));
}

#[tokio::test(start_paused = true)]
async fn a_model_that_only_one_serves_goes_there_and_an_unknown_one_lists_the_known() {
    let now = Instant::now();
    let mut some = instances(2, 4);
    some[1].models.push("big".to_owned());
    let mut core = core(some, now);
    let mut big = want(now);
    big.model = Some("big".to_owned());
    let grant = granted(core.acquire(big.clone(), now));
    assert_eq!((grant.at, grant.model.as_str()), (1, "big"));
    big.model = Some("huge".to_owned());
    let error = refused(core.acquire(big, now));
    assert_eq!(error.kind(), ErrorKind::NotFoundModel);
    assert!(error.message().contains("big, m"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_route_uses_its_tiers_in_order() {
    let now = Instant::now();
    let route = RouteSettings {
        tiers: vec![vec!["i2".into()], vec!["i0".into(), "i1".into()]],
        strategy: Some("least_in_flight".to_owned()),
        hedge: false,
        ..RouteSettings::new("fast")
    };
    let mut core = Core::new(Settings::default(), vec![route], instances(3, 1), 1, now).unwrap();
    let mut routed = want(now);
    routed.target = Target::Route("fast".into());
    assert_eq!(granted(core.acquire(routed.clone(), now)).at, 2);
    assert_ne!(granted(core.acquire(routed.clone(), now)).at, 2);
    assert_eq!(core.view(now).routes[0].strategy, "least_in_flight");
    routed.target = Target::Route("slow".into());
    assert!(
        refused(core.acquire(routed, now))
            .message()
            .contains("known routes: fast")
    );
}

#[tokio::test(start_paused = true)]
async fn every_command_says_what_changed_and_is_taken_back() {
    let now = Instant::now();
    let mut core = core(instances(2, 4), now);
    let commands = [
        Command::Disable {
            instance: "i0".into(),
        },
        Command::Drain {
            instance: "i0".into(),
        },
        Command::SetPermits {
            instance: "i0".into(),
            permits: 9,
        },
        Command::SetWeight {
            instance: "i0".into(),
            weight: 7,
        },
        Command::SetMinInterval {
            instance: "i0".into(),
            interval: Duration::from_secs(1),
        },
        Command::SetStrategy {
            route: None,
            strategy: "auto".to_owned(),
        },
        Command::ForceOpen {
            instance: "i0".into(),
        },
    ];
    for command in commands {
        let before = core.view(now);
        let changed = core.command(&command, now).unwrap();
        assert_ne!(core.view(now), before, "{command:?}");
        core.command(&changed.undo.unwrap(), now).unwrap();
        let mut after = core.view(now);
        after.next.clone_from(&before.next);
        assert_eq!(after, before, "{command:?}");
    }
    let error = core
        .command(
            &Command::Disable {
                instance: "nope".into(),
            },
            now,
        )
        .unwrap_err();
    assert!(error.message().contains("known instances: i0, i1"));
}

/// One step of a random life of the pool.
#[derive(Clone, Debug)]
enum Step {
    Acquire { caller: u8, tokens: u64 },
    FirstToken(usize),
    Succeed(usize),
    Fail(usize, u8),
    Cancel(usize),
    Leave(usize),
    Wait(u64),
    Toggle(u8),
    Permits(u8, usize),
}

fn step() -> impl Strategy_ {
    prop_oneof![
        6 => (0u8..3, 1u64..400).prop_map(|(caller, tokens)| Step::Acquire { caller, tokens }),
        3 => any::<usize>().prop_map(Step::FirstToken),
        4 => any::<usize>().prop_map(Step::Succeed),
        2 => (any::<usize>(), 0u8..8).prop_map(|(which, kind)| Step::Fail(which, kind)),
        2 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::Leave),
        3 => (0u64..20_000).prop_map(Step::Wait),
        1 => (0u8..4).prop_map(Step::Toggle),
        1 => ((0u8..4), 1usize..6).prop_map(|(which, permits)| Step::Permits(which, permits)),
    ]
}

use proptest::strategy::Strategy as Strategy_Base;
trait Strategy_: Strategy_Base<Value = Step> {}
impl<T: Strategy_Base<Value = Step>> Strategy_ for T {}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn permits_and_budgets_hold_and_nobody_is_lost_whatever_happens(
        steps in prop::collection::vec(step(), 1..250),
        strategy in 0usize..10,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        let start = runtime.block_on(async { Instant::now() });
        let mut now = start;
        let mut some = instances(4, 2);
        some[1].limits.requests_per_minute = Some(5);
        some[2].limits.min_interval = Duration::from_secs(1);
        some[3].limits.permits = 3;
        let settings = Settings { strategy: StrategyKind::ALL[strategy].as_str().to_owned(), queue_limit: 6, ..Settings::default() };
        let mut core = Core::new(settings, Vec::new(), some, 5, now).unwrap();
        let mut running: Vec<Grant> = Vec::new();
        let mut waiting: Vec<Place> = Vec::new();
        let mut starts: Vec<(u32, Instant)> = Vec::new();
        let (mut submitted, mut ended, mut turned_away, mut left) = (0u64, 0u64, 0u64, 0u64);
        let mut ever_more_permits = [false; 4];
        for step in steps {
            match step {
                Step::Acquire { caller, tokens } => {
                    submitted += 1;
                    let mut want = want(now);
                    want.caller = Some(caller.to_string());
                    want.cost = Cost { tokens, ..Cost::default() };
                    match core.acquire(want, now) {
                        Admission::Granted(grant) => { starts.push((grant.at, now)); running.push(grant); }
                        Admission::Waiting(place) => waiting.push(place),
                        Admission::Refused(_) => turned_away += 1,
                    }
                }
                Step::FirstToken(which) if !running.is_empty() => {
                    let grant = &running[which % running.len()];
                    core.first_token(grant.lease, now);
                    core.progress(grant.lease, 20);
                }
                Step::Succeed(which) if !running.is_empty() => {
                    let grant = running.swap_remove(which % running.len());
                    core.release(grant.lease, GOOD, now);
                    ended += 1;
                }
                Step::Fail(which, kind) if !running.is_empty() => {
                    let grant = running.swap_remove(which % running.len());
                    let kind = [ErrorKind::Server, ErrorKind::RateLimited, ErrorKind::Overloaded, ErrorKind::InvalidRequest,
                        ErrorKind::Network, ErrorKind::NotFoundModel, ErrorKind::Server, ErrorKind::QuotaExhausted][kind as usize];
                    core.release(grant.lease, End::Failure(&Error::new(kind, "x")), now);
                    ended += 1;
                }
                Step::Cancel(which) if !running.is_empty() => {
                    let grant = running.swap_remove(which % running.len());
                    core.release(grant.lease, End::Cancelled, now);
                    ended += 1;
                }
                Step::Leave(which) if !waiting.is_empty() => {
                    let place = waiting.swap_remove(which % waiting.len());
                    core.leave(place);
                    left += 1;
                }
                Step::Wait(millis) => {
                    now += Duration::from_millis(millis);
                    core.tick(now);
                }
                Step::Toggle(which) => {
                    let instance = InstanceName::new(format!("i{which}"));
                    let on = core.view(now).instances[which as usize].enabled;
                    let command = if on { Command::Disable { instance } } else { Command::Enable { instance } };
                    core.command(&command, now).unwrap();
                }
                Step::Permits(which, permits) => {
                    ever_more_permits[which as usize] = true;
                    let instance = InstanceName::new(format!("i{which}"));
                    core.command(&Command::SetPermits { instance, permits }, now).unwrap();
                }
                Step::FirstToken(_) | Step::Succeed(_) | Step::Fail(..) | Step::Cancel(_) | Step::Leave(_) => {}
            }
            for (place, verdict) in core.take_verdicts() {
                let at = waiting.iter().position(|waiting| *waiting == place).expect("a verdict is for somebody who waits, once");
                waiting.swap_remove(at);
                match verdict {
                    Ok(grant) => { starts.push((grant.at, now)); running.push(grant); }
                    Err(_) => turned_away += 1,
                }
            }
            let view = core.view(now);
            for (at, instance) in view.instances.iter().enumerate() {
                let really = running.iter().filter(|grant| grant.at as usize == at).count();
                prop_assert_eq!(instance.in_flight, really, "in flight is what runs");
                let most = if at == 3 { 3 } else { 2 };
                prop_assert!(really <= most || ever_more_permits[at], "permits of {at}: {really}");
            }
            prop_assert_eq!(view.queue.length, waiting.len());
            prop_assert!(waiting.len() <= 6);
            prop_assert_eq!(submitted, ended + turned_away + left + waiting.len() as u64 + running.len() as u64);
            let minute = starts.iter().filter(|(at, since)| *at == 1 && now.duration_since(*since) < Duration::from_secs(60)).count();
            prop_assert!(minute <= 5, "{minute} starts in a minute");
        }
        let mut slow: Vec<Instant> = starts.iter().filter(|(at, _)| *at == 2).map(|(_, since)| *since).collect();
        slow.sort();
        for pair in slow.windows(2) {
            prop_assert!(pair[1].duration_since(pair[0]) >= Duration::from_secs(1), "minimum interval");
        }
        for grant in running.drain(..) {
            core.release(grant.lease, End::Cancelled, now);
        }
        prop_assert!(core.leases.is_empty() || !core.take_verdicts().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_and_calls_give_the_same_decisions() {
    let now = Instant::now();
    let run = || {
        let mut core = Core::new(
            Settings {
                strategy: "power_of_two".to_owned(),
                ..Settings::default()
            },
            Vec::new(),
            instances(5, 3),
            9,
            now,
        )
        .unwrap();
        let mut dice = SmallRng::seed_from_u64(4);
        let mut order = Vec::new();
        let mut running = Vec::new();
        for _ in 0..200 {
            if let Admission::Granted(grant) = core.acquire(want(now), now) {
                order.push(grant.at);
                running.push(grant);
            }
            if dice.random_bool(0.6) && !running.is_empty() {
                let grant: Grant = running.remove(dice.random_range(0..running.len()));
                core.release(grant.lease, GOOD, now);
            }
            core.take_verdicts();
        }
        order
    };
    assert_eq!(run(), run());
}

#[tokio::test(start_paused = true)]
async fn one_that_is_passed_over_too_often_gets_its_instance_kept() {
    let now = Instant::now();
    let mut some = instances(2, 1);
    some[1].limits.requests_per_minute = Some(1_000);
    let mut core = core(some, now);
    let only_second = granted(core.acquire(
        Want {
            target: Target::Instance("i1".into()),
            ..want(now)
        },
        now,
    ));
    let first = granted(core.acquire(want(now), now));
    let mut picky = want(now);
    picky.tried = vec![0];
    let Admission::Waiting(picky_place) = core.acquire(picky, now) else {
        panic!()
    };
    let mut others = Vec::new();
    for _ in 0..40 {
        if let Admission::Waiting(place) = core.acquire(want(now), now) {
            others.push(place);
        }
    }
    // The first instance serves the others one after another; the picky one is bypassed but loses nothing.
    let mut lease = first.lease;
    for _ in 0..20 {
        core.release(lease, GOOD, now);
        let (place, verdict) = core.take_verdicts().remove(0);
        assert_ne!(place, picky_place);
        lease = verdict.unwrap().lease;
    }
    core.release(only_second.lease, GOOD, now);
    let (place, verdict) = core.take_verdicts().remove(0);
    assert_eq!(place, picky_place, "what only it can use was kept for it");
    assert_eq!(verdict.unwrap().at, 1);
}
