//! Instances come, go and change, and nobody's request suffers for it.

use super::*;
use crate::base::{Changed, InstanceState, Target};

fn add(core: &mut Core, number: u32, name: &str, permits: usize, now: Instant) -> Changed {
    let mut settings = instances(1, permits).remove(0);
    settings.name = name.into();
    core.add(number, settings, now).unwrap()
}

fn remove(core: &mut Core, name: &str, now: Instant) -> Result<Changed, Error> {
    let instance = name.into();
    core.command(&Command::RemoveInstance { instance }, now)
}

fn names(core: &Core, now: Instant) -> Vec<String> {
    let shown = core.view(now).instances.into_iter();
    shown.map(|instance| instance.name.to_string()).collect()
}

/// The same set again, as the driver would ask for it.
fn same(settings: &[InstanceSettings]) -> Vec<Wanted> {
    (0..)
        .zip(settings)
        .map(|(number, settings)| Wanted {
            number,
            settings: settings.clone(),
            before: Some(settings.clone()),
            mended: false,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn one_that_is_removed_finishes_what_runs_and_is_gone() {
    let now = Instant::now();
    let mut core = core(instances(3, 1), now);
    let grants: Vec<Grant> = (0..3)
        .map(|_| granted(core.acquire(want(now), now)))
        .collect();
    let Admission::Waiting(place) = core.acquire(want(now), now) else {
        panic!("nothing is free")
    };
    let changed = remove(&mut core, "i0", now).unwrap();
    assert_eq!(
        changed.what,
        "i0 leaves when its last request has ended; 1 still runs"
    );
    assert_eq!(core.view(now).instances[2].name.as_str(), "i0");
    assert_eq!(core.view(now).instances[2].state, InstanceState::Draining);
    core.take_events();
    core.release(grants[0].lease, GOOD, now);
    assert!(core.take_verdicts().is_empty(), "it takes nothing new");
    assert_eq!(names(&core, now), ["i1", "i2"]);
    let told = format!("{:?}", core.take_events());
    assert!(
        told.contains("i0 has left; its last request has ended"),
        "{told}"
    );
    core.release(grants[1].lease, GOOD, now);
    let (who, verdict) = core.take_verdicts().remove(0);
    assert_eq!((who, verdict.unwrap().instance.as_str()), (place, "i1"));
    let error = remove(&mut core, "i0", now).unwrap_err();
    assert!(
        error.message().starts_with("unknown instance 'i0'"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_one_of_all_and_the_last_one_of_a_route_stay() {
    let now = Instant::now();
    let route = RouteSettings {
        tiers: vec![vec!["i0".into()], vec!["i1".into()]],
        ..RouteSettings::new("fast")
    };
    let mut core = Core::new(Settings::default(), vec![route], instances(3, 1), 1, now).unwrap();
    remove(&mut core, "i0", now).unwrap();
    assert_eq!(core.view(now).routes[0].tiers, [[InstanceName::from("i1")]]);
    let error = remove(&mut core, "i1", now).unwrap_err();
    assert_eq!(
        error.message(),
        "i1 is the only instance left of route 'fast'"
    );
    add(&mut core, 7, "i0", 1, now);
    remove(&mut core, "i1", now).unwrap();
    remove(&mut core, "i2", now).unwrap();
    let error = remove(&mut core, "i0", now).unwrap_err();
    assert!(error.message().contains("the only instance"), "{error}");
    assert_eq!(names(&core, now), ["i0"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_added_serves_who_waits_and_grows_into_its_permits() {
    let now = Instant::now();
    let mut core = core(instances(1, 1), now);
    granted(core.acquire(want(now), now));
    for _ in 0..5 {
        assert!(matches!(
            core.acquire(want(now), now),
            Admission::Waiting(_)
        ));
    }
    let changed = add(&mut core, 1, "new", 20, now);
    assert_eq!(
        changed.undo,
        Some(Command::RemoveInstance {
            instance: "new".into()
        })
    );
    let verdicts = core.take_verdicts();
    assert_eq!(verdicts.len(), 2, "a tenth of its permits at first");
    assert!(
        verdicts
            .iter()
            .all(|(_, verdict)| verdict.as_ref().unwrap().at == 1)
    );
    let later = now + Duration::from_secs(31);
    core.tick(later);
    assert_eq!(core.take_verdicts().len(), 3);
    assert_eq!(core.view(later).instances[1].permits, 20);
    let error = core.add(2, instances(1, 1).remove(0), now).unwrap_err();
    assert!(
        error.message().contains("there is an instance called 'i0'"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_may_be_given_again_while_its_first_owner_still_finishes() {
    let now = Instant::now();
    let mut core = core(instances(2, 1), now);
    let old = granted(core.acquire(want(now), now));
    assert_eq!(old.instance.as_str(), "i0");
    remove(&mut core, "i0", now).unwrap();
    add(&mut core, 2, "i0", 1, now);
    let mut only = want(now);
    only.target = Target::Instance("i0".into());
    let new = granted(core.acquire(only, now));
    assert_eq!((old.at, new.at), (0, 2));
    assert_eq!(
        names(&core, now),
        ["i1", "i0"],
        "the old one is not shown beside it"
    );
    core.release(new.lease, GOOD, now);
    assert_eq!(core.numbers(), [1, 2, 0]);
    core.release(old.lease, GOOD, now);
    assert_eq!(core.numbers(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_new_set_keeps_state_and_what_was_set_by_hand_and_changes_the_rest() {
    let now = Instant::now();
    let mut settings = instances(3, 2);
    settings[0].limits.requests_per_minute = Some(10);
    let mut core = core(settings.clone(), now);
    let running: Vec<Grant> = (0..2)
        .map(|_| granted(core.acquire(want(now), now)))
        .collect();
    for grant in &running {
        core.first_token(grant.lease, now);
    }
    for _ in 0..5 {
        let mut only = want(now);
        only.target = Target::Instance("i1".into());
        let grant = granted(core.acquire(only, now));
        core.release(grant.lease, End::Failure(&server_error()), now);
    }
    let instance = InstanceName::from("i0");
    core.command(
        &Command::SetPermits {
            instance,
            permits: 7,
        },
        now,
    )
    .unwrap();

    let mut wanted = same(&settings);
    wanted[0].settings.limits.requests_per_minute = Some(4);
    wanted[1].settings.models = vec!["m".to_owned(), "n".to_owned()];
    let third = wanted.remove(2);
    wanted.insert(
        0,
        Wanted {
            number: 9,
            settings: InstanceSettings::new("x", ProviderType::Ollama),
            before: None,
            mended: false,
        },
    );
    let pool = Settings {
        queue_limit: 3,
        strategy: "random".to_owned(),
        ..Settings::default()
    };
    core.apply(pool, Vec::new(), wanted, now).unwrap();

    let view = core.view(now);
    assert_eq!(
        names(&core, now),
        ["x", "i0", "i1"],
        "in the new order, and the third is gone"
    );
    assert_eq!((view.strategy.as_str(), view.queue.limit), ("random", 3));
    let (first, second) = (&view.instances[1], &view.instances[2]);
    assert_eq!((first.in_flight, first.permits), (1, 7), "set by hand");
    assert_eq!(
        (first.budgets[0].left, first.budgets[0].limit),
        (3, 4),
        "one is used"
    );
    assert_eq!(second.state.word(), "open", "what was known of it is known");
    assert_eq!(second.in_flight, 1);
    for grant in running {
        core.release(grant.lease, GOOD, now);
    }
    assert!(
        core.view(now)
            .instances
            .iter()
            .all(|instance| instance.in_flight == 0)
    );

    let mut again = same(&settings);
    again[0].settings.limits.permits = 5;
    again[2] = Wanted {
        number: 10,
        ..third
    };
    core.apply(Settings::default(), Vec::new(), again, now)
        .unwrap();
    assert_eq!(names(&core, now), ["i0", "i1", "i2"]);
    assert_eq!(
        core.view(now).instances[0].permits,
        5,
        "the new set changes it too"
    );
}

#[tokio::test(start_paused = true)]
async fn a_wrong_set_changes_nothing() {
    let now = Instant::now();
    let settings = instances(2, 2);
    let mut core = core(settings.clone(), now);
    let before = core.view(now);
    let route = |name: &str| RouteSettings {
        tiers: vec![vec![name.into()]],
        ..RouteSettings::new("r")
    };
    let strategy = Settings {
        strategy: "fastest".to_owned(),
        ..Settings::default()
    };
    let mut twins = same(&settings);
    twins[1].settings.name = "i0".into();
    for (pool, routes, set, says) in [
        (
            Settings::default(),
            Vec::new(),
            Vec::new(),
            "without an instance",
        ),
        (strategy, Vec::new(), same(&settings), "unknown strategy"),
        (
            Settings::default(),
            vec![route("gone")],
            same(&settings),
            "'gone', which does not exist",
        ),
        (
            Settings::default(),
            vec![route("i0"), route("i1")],
            same(&settings),
            "two routes",
        ),
        (Settings::default(), Vec::new(), twins, "two instances"),
    ] {
        let error = core.apply(pool, routes, set, now).unwrap_err();
        assert!(error.message().contains(says), "{error}");
        assert_eq!(core.view(now), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_mended_key_ends_the_hold_for_the_old_one() {
    let now = Instant::now();
    let settings = instances(1, 1);
    let mut core = core(settings.clone(), now);
    let grant = granted(core.acquire(want(now), now));
    let wrong_key = Error::new(ErrorKind::Auth, "no");
    core.release(grant.lease, End::Failure(&wrong_key), now);
    core.apply(Settings::default(), Vec::new(), same(&settings), now)
        .unwrap();
    assert_eq!(core.view(now).instances[0].state.word(), "wrong key");
    let mut mended = same(&settings);
    mended[0].mended = true;
    core.apply(Settings::default(), Vec::new(), mended, now)
        .unwrap();
    granted(core.acquire(want(now), now));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_what_is_gone_is_told_so() {
    let now = Instant::now();
    let mut core = core(instances(2, 1), now);
    let mut only = want(now);
    only.target = Target::Instance("i0".into());
    granted(core.acquire(only.clone(), now));
    assert!(matches!(core.acquire(only, now), Admission::Waiting(_)));
    remove(&mut core, "i0", now).unwrap();
    let error = core.take_verdicts().remove(0).1.unwrap_err();
    assert_eq!(error.message(), "i0 is leaving; it only finishes what runs");
}

proptest! {
    #[test]
    fn no_permit_is_lost_and_nobody_new_is_sent_to_one_that_left(
        steps in prop::collection::vec((0u8..8, 0usize..64, 1usize..4), 1..250),
        strategy in 0usize..10,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        let mut now = runtime.block_on(async { Instant::now() });
        let strategy = StrategyKind::ALL[strategy].as_str().to_owned();
        let settings = Settings { strategy, ..Settings::default() };
        let mut core = Core::new(settings.clone(), Vec::new(), instances(3, 2), 5, now).unwrap();
        // What the driver would know: the number behind each name, and who left.
        let mut there: Vec<(u32, String)> = (0..3).map(|n| (n, format!("i{n}"))).collect();
        let mut left: Vec<u32> = Vec::new();
        let mut next = 3;
        let mut running: Vec<Grant> = Vec::new();
        let mut waiting = 0usize;
        for (what, which, permits) in steps {
            let gone = left.clone();
            match what {
                0..=2 => {
                    let mut want = want(now);
                    want.conversation = Some((which % 5).to_string());
                    want.tried = vec![which as u32 % next];
                    match core.acquire(want, now) {
                        Admission::Granted(grant) => {
                            prop_assert!(!gone.contains(&grant.at));
                            running.push(grant);
                        }
                        Admission::Waiting(_) => waiting += 1,
                        Admission::Refused(_) => {}
                    }
                }
                3 | 4 if !running.is_empty() => {
                    let grant = running.swap_remove(which % running.len());
                    core.first_token(grant.lease, now);
                    let end = if what == 3 { GOOD } else { End::Cancelled };
                    core.release(grant.lease, end, now);
                }
                5 => {
                    let mut settings = instances(1, permits).remove(0);
                    settings.name = format!("n{}", which % 4).as_str().into();
                    let name = settings.name.to_string();
                    let taken = there.iter().any(|(_, known)| *known == name);
                    let added = core.add(next, settings, now);
                    prop_assert_eq!(added.is_err(), taken);
                    if !taken {
                        there.push((next, name));
                        next += 1;
                    }
                }
                6 => {
                    let (number, name) = there[which % there.len()].clone();
                    let removed = remove(&mut core, &name, now);
                    prop_assert_eq!(removed.is_err(), there.len() == 1);
                    if removed.is_ok() {
                        there.retain(|(known, _)| *known != number);
                        left.push(number);
                    }
                }
                7 => {
                    // The same instances in another order, and one more or one less.
                    let by = which % there.len();
                    there.rotate_left(by);
                    if which % 2 == 0 && there.len() > 1 {
                        left.push(there.remove(0).0);
                    } else if !there.iter().any(|(_, name)| name == "s") {
                        there.push((next, "s".to_owned()));
                        next += 1;
                    }
                    let set = there.iter().map(|(number, name)| {
                        let mut settings = instances(1, permits).remove(0);
                        settings.name = name.as_str().into();
                        Wanted { number: *number, settings, before: None, mended: false }
                    });
                    let set = set.collect();
                    core.apply(settings.clone(), Vec::new(), set, now).unwrap();
                }
                _ => {
                    now += Duration::from_millis(which as u64 * 200);
                    core.tick(now);
                }
            }
            for (_, verdict) in core.take_verdicts() {
                waiting -= 1;
                if let Ok(grant) = verdict {
                    prop_assert!(!gone.contains(&grant.at), "{} had left", grant.at);
                    running.push(grant);
                }
            }
            let mut expected: Vec<u32> = there.iter().map(|(number, _)| *number).collect();
            let mut busy: Vec<u32> = running.iter().map(|grant| grant.at).filter(|at| left.contains(at)).collect();
            expected.append(&mut busy);
            expected.sort_unstable();
            expected.dedup();
            let mut numbers = core.numbers();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, expected, "there are those that are there, and those that still finish");
            prop_assert_eq!(core.waiting(), waiting);
            for (at, slot) in core.slots.iter().enumerate() {
                let really = running.iter().filter(|grant| grant.at == slot.number).count();
                prop_assert_eq!(core.standings[at].in_flight as usize, really);
            }
        }
        for grant in running.drain(..) {
            core.release(grant.lease, End::Cancelled, now);
        }
    }
}
