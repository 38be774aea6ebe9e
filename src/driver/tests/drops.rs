//! A request that is dropped at each of its await points in turn, whole and as a stream: permits, tickets, places in the
//! queue, budgets, probes and samples settle all the same.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::*;

/// When a future is dropped, counted in its polls.
#[derive(Clone, Copy, Debug)]
enum Drop {
    /// As soon as this poll has come back without a result.
    After(usize),
    /// When something has woken it for this poll: what was sent to it is never looked at.
    Before(usize),
}

/// A future that is dropped at a given poll; gives `None` then.
struct Dropped<F> {
    inner: Option<Pin<Box<F>>>,
    when: Drop,
    polls: usize,
}

impl<F: Future> Future for Dropped<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.polls += 1;
        let (polls, when) = (self.polls, self.when);
        if matches!(when, Drop::Before(poll) if poll == polls) {
            self.inner = None;
            return Poll::Ready(None);
        }
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let polled = inner.as_mut().poll(context);
        match polled {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if matches!(when, Drop::After(poll) if poll == polls) => {
                self.inner = None;
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// What the dropped request meets.
#[derive(Clone, Copy, Debug)]
enum Scene {
    /// Somebody else has the only permit.
    Queue,
    /// The first instance fails, the second answers.
    Failover,
    /// The only instance fails, and answers after a backoff.
    Backoff,
    /// The only instance asks for patience first.
    RateLimit,
    /// The first token is late, and a second attempt is made.
    Hedge,
    /// The request is the one probe of an instance that has failed.
    Probe,
    /// The stream breaks off.
    Break,
}

const SCENES: [Scene; 7] = [
    Scene::Queue,
    Scene::Failover,
    Scene::Backoff,
    Scene::RateLimit,
    Scene::Hedge,
    Scene::Probe,
    Scene::Break,
];

const REQUESTS: u64 = 1_000;
const TOKENS: u64 = 1_000_000;

fn limited(name: &str, upstream: &Arc<Scripted>) -> InstanceSpec {
    let mut spec = spec(name, 1, upstream);
    spec.settings.limits.requests_per_minute = Some(REQUESTS);
    spec.settings.limits.tokens_per_minute = Some(TOKENS);
    spec
}

/// A driver with the scene set, its instances, and how many requests have ended in it.
async fn set(scene: Scene) -> (LlmModelDriver, Vec<Arc<Scripted>>, u64) {
    let ok = || answer(&["a", "b", "c"]);
    let late = Act::Answer(Duration::from_secs(20), vec!["late"]);
    let refused = Error::new(ErrorKind::RateLimited, "slow down")
        .with_status(429)
        .with_retry_after(Duration::from_secs(2));
    let (first, second): (Vec<Act>, Option<Vec<Act>>) = match scene {
        Scene::Queue => (vec![ok()], None),
        Scene::Failover => (vec![Act::Fail(server_error()), ok()], Some(vec![ok()])),
        Scene::Backoff => (vec![Act::Fail(server_error()), ok()], None),
        Scene::RateLimit => (vec![Act::Fail(refused), ok()], None),
        Scene::Hedge => {
            let mut acts = vec![ok(); 30];
            acts.extend([late, ok()]);
            (acts, Some(vec![ok()]))
        }
        Scene::Probe => {
            let mut acts = vec![Act::Fail(server_error()); 5];
            acts.push(ok());
            (acts, None)
        }
        Scene::Break => (vec![Act::Break("half", server_error()), ok()], None),
    };
    let mut upstreams = vec![Scripted::new(ProviderType::OpenAi, first)];
    upstreams.extend(second.map(|acts| Scripted::new(ProviderType::OpenAi, acts)));
    let instances: Vec<InstanceSpec> = ["a", "b"]
        .iter()
        .zip(&upstreams)
        .map(|(name, upstream)| limited(name, upstream))
        .collect();
    let tier = instances.iter().map(|spec| spec.settings.name.clone());
    let route = RouteSettings {
        tiers: vec![tier.collect()],
        hedge: matches!(scene, Scene::Hedge),
        ..RouteSettings::new("r")
    };
    let mut settings = Settings {
        seed: Some(1),
        ..Settings::default()
    };
    if matches!(scene, Scene::Probe) {
        settings.retry.attempts = 1;
    }
    let driver = LlmModelDriver::new(settings, vec![route], instances).unwrap();
    let before = match scene {
        Scene::Hedge => 60,
        Scene::Probe => 5,
        _ => 0,
    };
    for _ in 0..before {
        drop(driver.chat(routed()).await);
    }
    if matches!(scene, Scene::Probe) {
        tokio::time::sleep(Duration::from_secs(7)).await;
        assert_eq!(driver.board().instances[0].state.word(), "half-open");
    }
    (driver, upstreams, before)
}

/// Plays a scene, drops the request at a poll, and looks at what is left. Tells whether the request ended before.
async fn play(scene: Scene, whole: bool, when: Drop) -> bool {
    let (driver, upstreams, mut requests) = set(scene).await;
    let mut events = driver.subscribe();
    let other = if matches!(scene, Scene::Queue) {
        let driver = driver.clone();
        requests += 1;
        let other = tokio::spawn(async move { driver.chat("first").await });
        tokio::task::yield_now().await;
        Some(other)
    } else {
        None
    };
    let request = async {
        if whole {
            drop(driver.chat(routed()).await);
        } else {
            let mut stream = driver.stream(routed());
            while stream.next().await.is_some() {}
        }
    };
    requests += 1;
    let dropped = Dropped {
        inner: Some(Box::pin(request)),
        when,
        polls: 0,
    };
    let is_over = dropped.await.is_some();
    if let Some(other) = other {
        other.await.unwrap().unwrap();
    }
    let at = format!("{scene:?}, whole {whole}, {when:?}");

    let board = driver.board();
    for (instance, upstream) in board.instances.iter().zip(&upstreams) {
        assert_eq!(instance.in_flight, 0, "a permit of {}: {at}", instance.name);
        let running = upstream.running.load(Ordering::SeqCst);
        assert_eq!(running, 0, "a stream of {}: {at}", instance.name);
        adds_up(&instance.metrics);
        assert_eq!(instance.metrics.in_flight, 0, "{at}");
    }
    assert_eq!(board.queue.length, 0, "a place in the queue: {at}");
    adds_up(&board.totals);
    assert_eq!(board.totals.in_flight, 0, "{at}");
    assert_eq!(board.totals.total_requests, requests, "{at}");
    let mut samples = 0;
    while let Ok(event) = events.try_recv() {
        samples += u64::from(matches!(event, DeckEvent::RequestEnded { .. }));
    }
    let before = requests - samples;
    assert!(
        [0, 5, 60].contains(&before),
        "one sample each: {samples}, {at}"
    );

    // Whatever it held of a probe's place is free: the instance is well, and says so.
    tokio::time::sleep(Duration::from_secs(30)).await;
    for instance in ["a", "b"].iter().take(upstreams.len()) {
        let target = Target::Instance((*instance).into());
        let answer = driver
            .chat(ChatRequest::from("Hi").with_target(target))
            .await;
        assert!(answer.is_ok(), "{instance}: {answer:?}, {at}");
    }
    // And its reservations expire or are settled: nothing stays taken, nothing is given back twice.
    tokio::time::sleep(Duration::from_secs(61)).await;
    for instance in driver.board().instances {
        assert_ne!(instance.state.word(), "half-open", "{at}");
        for (budget, limit) in instance.budgets.iter().zip([REQUESTS, TOKENS]) {
            assert_eq!(budget.left, limit.cast_signed(), "{}: {at}", budget.what);
        }
    }
    is_over
}

#[tokio::test(start_paused = true)]
async fn a_request_dropped_after_any_poll_leaves_nothing_behind() {
    for scene in SCENES {
        for whole in [true, false] {
            let mut polls = 1;
            while !play(scene, whole, Drop::After(polls)).await {
                polls += 1;
            }
            assert!(polls > 1, "{scene:?} waits somewhere");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_dropped_when_it_was_woken_leaves_nothing_behind() {
    for scene in SCENES {
        for whole in [true, false] {
            // What was never polled never happened.
            let mut polls = 2;
            while !play(scene, whole, Drop::Before(polls)).await {
                polls += 1;
            }
            assert!(polls > 2, "{scene:?} is woken: {polls}");
        }
    }
}
