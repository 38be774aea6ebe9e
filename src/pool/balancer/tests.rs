//! Those who wait are woken when something changes, and not later.

use futures_util::FutureExt;

use super::*;
use crate::base::{ErrorKind, LimitKind};

fn instance(name: &str) -> InstanceSettings {
    let mut settings = InstanceSettings::new(name, ProviderType::OpenAi);
    settings.limits.permits = 1;
    settings.models = vec!["m".to_owned()];
    settings
}

fn pool(settings: Settings, instances: Vec<InstanceSettings>) -> LlmLoadBalancer {
    let (events, _) = broadcast::channel(64);
    LlmLoadBalancer::new(settings, Vec::new(), instances, 1, events).unwrap()
}

fn want(pool: &LlmLoadBalancer) -> Want {
    let request = ChatRequest::default();
    pool.want(&request, Instant::now() + Duration::from_secs(60))
}

/// Somebody waits while `change` is made, and has a lease in the same moment.
async fn wakes(what: &str, pool: &LlmLoadBalancer, change: impl FnOnce()) {
    let waits = tokio::spawn({
        let (pool, want) = (pool.clone(), want(pool));
        async move { pool.lease(want).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(pool.view().queue.length, 1, "{what}: it does not wait");
    let then = Instant::now();
    change();
    let lease = waits.await.unwrap();
    assert_eq!(then.elapsed(), Duration::ZERO, "{what}");
    drop(lease.unwrap());
}

#[tokio::test(start_paused = true)]
async fn whatever_makes_room_wakes_who_waits_at_once() {
    let of = |name: &str| InstanceName::new(name);
    let order = |pool: &LlmLoadBalancer, command: Command| drop(pool.command(&command).unwrap());

    let pool1 = pool(Settings::default(), vec![instance("a")]);
    let held = pool1.lease(want(&pool1)).await.unwrap();
    let raise = Command::SetPermits {
        instance: of("a"),
        permits: 2,
    };
    wakes("permits", &pool1, || order(&pool1, raise)).await;
    drop(held);

    let pool2 = pool(Settings::default(), vec![instance("a"), instance("b")]);
    order(&pool2, Command::Disable { instance: of("b") });
    let held = pool2.lease(want(&pool2)).await.unwrap();
    let on = Command::Enable { instance: of("b") };
    wakes("on", &pool2, || order(&pool2, on)).await;
    order(&pool2, Command::Drain { instance: of("b") });
    let on = Command::Enable { instance: of("b") };
    wakes("drained and on", &pool2, || order(&pool2, on)).await;
    order(&pool2, Command::ForceOpen { instance: of("b") });
    let reset = Command::ResetBreaker { instance: of("b") };
    wakes("breaker", &pool2, || order(&pool2, reset)).await;
    order(&pool2, Command::Disable { instance: of("b") });
    wakes("added", &pool2, || {
        drop(pool2.add(7, instance("c")).unwrap())
    })
    .await;
    drop(held);

    let mut limited = instance("a");
    limited.limits.requests_per_minute = Some(1);
    let pool3 = pool(Settings::default(), vec![limited]);
    drop(pool3.lease(want(&pool3)).await.unwrap());
    let looser = Command::SetLimit {
        instance: of("a"),
        limit: LimitKind::RequestsPerMinute,
        value: Some(60.0),
    };
    wakes("limit", &pool3, || order(&pool3, looser)).await;

    let mut slow = instance("a");
    slow.limits.min_interval = Duration::from_secs(20);
    let pool4 = pool(Settings::default(), vec![slow]);
    drop(pool4.lease(want(&pool4)).await.unwrap());
    let none = Command::SetMinInterval {
        instance: of("a"),
        interval: Duration::ZERO,
    };
    wakes("interval", &pool4, || order(&pool4, none)).await;

    let pool5 = pool(Settings::default(), vec![instance("a")]);
    let held = pool5.lease(want(&pool5)).await.unwrap();
    let mut larger = instance("a");
    larger.limits.permits = 2;
    wakes("a new config", &pool5, || {
        let set = vec![Wanted {
            number: 0,
            settings: larger,
            before: Some(instance("a")),
            mended: false,
        }];
        pool5.apply(Settings::default(), Vec::new(), set).unwrap();
    })
    .await;
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_wait_on_time_and_nothing_is_left() {
    let pool = pool(Settings::default(), vec![instance("a")]);
    let held = pool.lease(want(&pool)).await.unwrap();
    let begun = Instant::now();
    let error = pool.lease(want(&pool)).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    let waited = begun.elapsed().as_secs_f64();
    assert!((60.0..60.05).contains(&waited), "{waited} s");
    assert!(pool.0.state.lock().waiting.is_empty());
    drop(held);
    assert_eq!(pool.view().instances[0].in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_takes_no_time_and_one_who_cancels_leaves_no_trace() {
    let settings = Settings {
        queue_limit: 2,
        ..Settings::default()
    };
    let pool = pool(settings, vec![instance("a")]);
    let held = pool.lease(want(&pool)).await.unwrap();
    let mut waits: Vec<_> = (0..2).map(|_| Box::pin(pool.lease(want(&pool)))).collect();
    for wait in &mut waits {
        assert!(wait.now_or_never().is_none());
    }
    let begun = Instant::now();
    let error = pool.lease(want(&pool)).await.err().unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(error.kind(), ErrorKind::QueueFull);
    assert!(error.retry_after().is_some());

    // One leaves while it waits, the other after its permit was given and before it looked.
    let last = waits.pop();
    drop(last);
    assert_eq!(pool.view().queue.length, 1);
    drop(held);
    assert_eq!(pool.view().instances[0].in_flight, 1);
    drop(waits);
    let view = pool.view();
    assert_eq!((view.queue.length, view.instances[0].in_flight), (0, 0));
    assert!(pool.0.state.lock().waiting.is_empty());
}
