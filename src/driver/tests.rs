//! The driver's promises, with scripted instances under paused time.

mod budgets;
mod change;
mod routes;

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;

use futures_util::{FutureExt, StreamExt, stream};
use parking_lot::Mutex;
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::base::{Chunk, ErrorKind, FinishReason, InstanceName, Message, Outcome, Target, Usage};
use crate::limit;

/// What a scripted instance does with one request.
#[derive(Clone, Debug)]
enum Act {
    /// Answers with these pieces, the first after this time, the others 10 ms apart.
    Answer(Duration, Vec<&'static str>),
    /// Fails at once.
    Fail(Error),
    /// Sends a piece, then fails.
    Break(&'static str, Error),
    /// Never says anything.
    Hang,
}

/// An instance that follows its script, then repeats the last act.
struct Scripted {
    provider_type: ProviderType,
    script: Mutex<VecDeque<Act>>,
    running: Arc<AtomicUsize>,
    peak: AtomicUsize,
    asked: AtomicUsize,
}

/// Counts one running upstream stream.
struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Scripted {
    fn new(provider_type: ProviderType, acts: impl Into<Vec<Act>>) -> Arc<Self> {
        Arc::new(Self {
            provider_type,
            script: Mutex::new(acts.into().into()),
            running: Arc::default(),
            peak: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl LlmModelStrategy for Scripted {
    fn provider_type(&self) -> ProviderType {
        self.provider_type
    }

    fn stream(&self, request: &ChatRequest) -> ChatStream {
        assert!(request.model.is_some(), "the driver always sets a model");
        let act = {
            let mut script = self.script.lock();
            if script.len() > 1 {
                script.pop_front()
            } else {
                script.front().cloned()
            }
        }
        .unwrap_or(Act::Hang);
        self.asked.fetch_add(1, Ordering::SeqCst);
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(now, Ordering::SeqCst);
        let guard = Guard(Arc::clone(&self.running));
        let (wait, pieces): (Duration, Vec<Result<Chunk, Error>>) = match act {
            Act::Answer(wait, texts) => {
                let mut pieces: Vec<_> = texts
                    .iter()
                    .map(|text| Ok(Chunk::Text((*text).to_owned())))
                    .collect();
                pieces.push(Ok(Chunk::Finish {
                    reason: FinishReason::Stop,
                    raw: Some("stop".to_owned()),
                }));
                pieces.push(Ok(Chunk::Usage(Usage {
                    prompt_tokens: Some(10),
                    completion_tokens: Some(texts.len() as u64),
                    ..Usage::default()
                })));
                (wait, pieces)
            }
            Act::Fail(error) => (Duration::ZERO, vec![Err(error)]),
            Act::Break(text, error) => (
                Duration::ZERO,
                vec![Ok(Chunk::Text(text.to_owned())), Err(error)],
            ),
            Act::Hang => (Duration::from_secs(1_000_000), Vec::new()),
        };
        Box::pin(stream::unfold(
            (guard, VecDeque::from(pieces), wait),
            |(guard, mut pieces, wait)| async move {
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                let piece = pieces.pop_front()?;
                Some((piece, (guard, pieces, Duration::from_millis(10))))
            },
        ))
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        async { Ok(vec!["m".to_owned()]) }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        async { Ok(()) }.boxed()
    }
}

fn answer(texts: &[&'static str]) -> Act {
    Act::Answer(Duration::from_millis(200), texts.to_vec())
}

fn server_error() -> Error {
    Error::new(ErrorKind::Server, "boom").with_status(500)
}

fn spec(name: &str, permits: usize, strategy: &Arc<Scripted>) -> InstanceSpec {
    InstanceSpec {
        settings: InstanceSettings {
            models: vec![format!("model-of-{name}")],
            limits: limit::Settings {
                permits,
                ..limit::Settings::default()
            },
            ..InstanceSettings::new(name, strategy.provider_type)
        },
        strategy: Arc::clone(strategy) as Arc<dyn LlmModelStrategy>,
    }
}

fn driver(instances: Vec<InstanceSpec>) -> LlmModelDriver {
    let settings = Settings {
        seed: Some(1),
        ..Settings::default()
    };
    LlmModelDriver::new(settings, Vec::new(), instances).unwrap()
}

fn names(response: &LlmResponse) -> Vec<&str> {
    response
        .attempts
        .iter()
        .map(|attempt| attempt.instance.as_str())
        .collect()
}

fn adds_up(metrics: &LlmMetrics) {
    assert_eq!(
        metrics.total_requests,
        metrics.successful_requests
            + metrics.failed_requests
            + metrics.cancelled_requests
            + metrics.in_flight,
        "{metrics:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_says_how_it_came_about() {
    let a = Scripted::new(ProviderType::OpenAi, [answer(&["Hel", "lo"])]);
    let driver = driver(vec![spec("a", 1, &a)]);
    let response = driver.chat("Hi").await.unwrap();
    assert_eq!(response.text, "Hello");
    assert_eq!(response.instance, Some("a".into()));
    assert_eq!(response.model.as_deref(), Some("model-of-a"));
    assert_eq!(response.finish_reason, Some(FinishReason::Stop));
    assert_eq!(
        response.time_to_first_token,
        Some(Duration::from_millis(200))
    );
    assert!(response.total_time >= Duration::from_millis(220));
    assert_eq!(response.usage.unwrap().completion_tokens, Some(2));
    assert_eq!(response.attempts.len(), 1);
    let metrics = driver.get_metrics("openai").unwrap();
    assert_eq!(
        (metrics.total_requests, metrics.successful_requests),
        (1, 1)
    );
    assert_eq!((metrics.prompt_tokens, metrics.completion_tokens), (10, 2));
    assert_eq!(
        driver.get_all_metrics()[&ProviderType::Ollama].total_requests,
        0
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_type_is_an_error_that_lists_the_known_ones() {
    let a = Scripted::new(ProviderType::OpenAi, [answer(&["x"])]);
    let driver = driver(vec![spec("a", 1, &a)]);
    let error = driver.get_metrics("opnai").unwrap_err();
    assert!(error.message().contains("openai, ollama, zhipuai"));
}

#[tokio::test(start_paused = true)]
async fn the_callbacks_keep_their_documented_meaning() {
    let a = Scripted::new(ProviderType::OpenAi, [answer(&["One", " two", " three"])]);
    let driver = driver(vec![spec("a", 1, &a)]);
    let input = ChatInput {
        role_name: "Ada".to_owned(),
        you_name: "Bo".to_owned(),
        ..ChatInput::new("Count")
    };
    let mut heard = Vec::new();
    let mut ended = Vec::new();
    driver
        .chat_stream(
            &input,
            |role, you, content, end| heard.push(format!("{role}>{you}: {content:?} {end}")),
            |role, answer, you, query| ended.push(format!("{role}|{answer}|{you}|{query}")),
        )
        .await
        .unwrap();
    assert_eq!(
        heard,
        [
            "Ada>Bo: \"One\" false",
            "Ada>Bo: \" two\" false",
            "Ada>Bo: \" three\" false",
            "Ada>Bo: \"\" true"
        ]
    );
    assert_eq!(ended, ["Ada|One two three|Bo|Count"]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_ends_realtime_but_not_the_conversation() {
    let a = Scripted::new(ProviderType::OpenAi, [Act::Break("half", server_error())]);
    let driver = driver(vec![spec("a", 1, &a)]);
    let mut last = None;
    let mut ended = 0;
    let error = driver
        .chat_stream(
            &ChatInput::new("x"),
            |_, _, _, end| last = Some(end),
            |_, _, _, _| ended += 1,
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert_eq!((last, ended), (Some(true), 0));
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_first_token_is_answered_by_another() {
    let a = Scripted::new(ProviderType::OpenAi, [Act::Fail(server_error())]);
    let b = Scripted::new(ProviderType::Ollama, [answer(&["fine"])]);
    let driver = driver(vec![spec("a", 1, &a), spec("b", 1, &b)]);
    let pieces: Vec<_> = driver.stream("Hi".into()).collect().await;
    assert!(matches!(&pieces[0], Ok(Chunk::Retry(attempt)) if attempt.instance.as_str() == "a"));
    assert!(matches!(&pieces[1], Ok(Chunk::Started(started)) if started.attempt == 2));
    let Ok(Chunk::Done(done)) = pieces.last().unwrap() else {
        panic!("{pieces:?}")
    };
    assert_eq!(names(done), ["a", "b"]);
    assert_eq!(
        done.attempts[0].outcome,
        Outcome::Failure(ErrorKind::Server)
    );
    assert_eq!(done.text, "fine");
    let board = driver.board();
    assert_eq!(board.totals.successful_requests, 1);
    assert_eq!(board.totals.failovers, 1);
    assert_eq!(board.instances[0].metrics.failed_requests, 1);
    adds_up(&board.totals);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_again_after_the_first_token() {
    let a = Scripted::new(ProviderType::OpenAi, [Act::Break("half", server_error())]);
    let b = Scripted::new(ProviderType::OpenAi, [answer(&["never"])]);
    let driver = driver(vec![spec("a", 1, &a), spec("b", 1, &b)]);
    let pieces: Vec<_> = driver.stream("Hi".into()).collect().await;
    assert_eq!(b.asked(), 0);
    assert!(
        pieces
            .iter()
            .any(|piece| matches!(piece, Ok(Chunk::Text(text)) if text == "half"))
    );
    let error = pieces.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.instance(), Some(&"a".into()));
    assert_eq!(error.attempts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_takes_the_instance_out_and_the_rest_go_on() {
    let a = Scripted::new(
        ProviderType::OpenAi,
        [Act::Fail(
            Error::new(ErrorKind::Auth, "bad key").with_status(401),
        )],
    );
    let b = Scripted::new(ProviderType::OpenAi, [answer(&["ok"])]);
    let driver = driver(vec![spec("a", 4, &a), spec("b", 4, &b)]);
    for _ in 0..5 {
        driver.chat("Hi").await.unwrap();
    }
    assert_eq!(a.asked(), 1);
    assert_eq!(driver.board().instances[0].state.word(), "wrong key");
}

#[tokio::test(start_paused = true)]
async fn what_only_a_person_mends_takes_the_instance_out_and_is_told_of_at_once() {
    for (kind, word, says) in [
        (ErrorKind::Auth, "wrong key", "wrong key"),
        (ErrorKind::QuotaExhausted, "no quota", "quota used up"),
    ] {
        let refused = Act::Fail(Error::new(kind, "no").with_status(429));
        let a = Scripted::new(ProviderType::OpenAi, [refused]);
        let driver = driver(vec![spec("a", 1, &a)]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut events = driver.subscribe();
        let begun = Instant::now();
        assert_eq!(driver.chat("Hi").await.unwrap_err().kind(), kind);
        assert_eq!(
            begun.elapsed(),
            Duration::ZERO,
            "and it was not tried again"
        );
        assert_eq!(driver.board().instances[0].state.word(), word);
        let mut told = Vec::new();
        while let Ok(event) = events.try_recv() {
            if let DeckEvent::Alerted { alert } = event {
                told.push((alert.rule, alert.message));
            }
        }
        let message = format!("instance a is out until somebody mends it: {says}");
        assert!(told.contains(&("held".to_owned(), message)), "{told:?}");
        let board = driver.board();
        assert!(board.alerts.iter().any(|alert| alert.rule == "held"));
        assert_eq!(
            driver.chat("Hi").await.unwrap_err().kind(),
            ErrorKind::NoInstance
        );
        assert_eq!(a.asked(), 1, "nobody asks it any more");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_wrong_itself_is_asked_once() {
    let a = Scripted::new(
        ProviderType::OpenAi,
        [Act::Fail(
            Error::new(ErrorKind::InvalidRequest, "no").with_status(400),
        )],
    );
    let b = Scripted::new(ProviderType::OpenAi, [answer(&["ok"])]);
    let driver = driver(vec![spec("a", 4, &a), spec("b", 4, &b)]);
    assert_eq!(
        driver.chat("Hi").await.unwrap_err().kind(),
        ErrorKind::InvalidRequest
    );
    assert_eq!(b.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn alone_it_is_tried_again_after_a_backoff_three_times_in_all() {
    let a = Scripted::new(
        ProviderType::OpenAi,
        [
            Act::Fail(server_error()),
            Act::Fail(server_error()),
            answer(&["at last"]),
        ],
    );
    let driver = driver(vec![spec("a", 1, &a)]);
    let response = driver.chat("Hi").await.unwrap();
    assert_eq!(names(&response), ["a", "a", "a"]);
    let b = Scripted::new(ProviderType::OpenAi, [Act::Fail(server_error())]);
    let driver = self::driver(vec![spec("b", 1, &b)]);
    let error = driver.chat("Hi").await.unwrap_err();
    assert_eq!(error.attempts().len(), 3);
    assert_eq!(b.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_waited_out_when_nobody_else_is_left() {
    let limited = Error::new(ErrorKind::RateLimited, "slow down")
        .with_status(429)
        .with_retry_after(Duration::from_secs(7));
    let a = Scripted::new(ProviderType::OpenAi, [Act::Fail(limited), answer(&["ok"])]);
    let driver = driver(vec![spec("a", 1, &a)]);
    let begun = Instant::now();
    let response = driver.chat("Hi").await.unwrap();
    assert_eq!(response.text, "ok");
    let waited = begun.elapsed().as_secs_f64();
    assert!((7.0..8.2).contains(&waited), "{waited}");
    assert!(response.queued >= Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn the_queue_hands_permits_on_in_order() {
    let a = Scripted::new(ProviderType::OpenAi, [answer(&["x"])]);
    let driver = driver(vec![spec("a", 1, &a)]);
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for n in 0..5 {
        let (driver, order) = (driver.clone(), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            driver.chat("Hi").await.unwrap();
            order.lock().push(n);
        }));
        tokio::task::yield_now().await;
    }
    assert_eq!(driver.board().queue.length, 4);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock(), [0, 1, 2, 3, 4]);
    assert_eq!(a.peak.load(Ordering::SeqCst), 1);
    assert_eq!(driver.board().queue.length, 0);
}

#[tokio::test(start_paused = true)]
async fn a_minimum_interval_spaces_requests() {
    let a = Scripted::new(
        ProviderType::OpenAi,
        [Act::Answer(Duration::from_millis(1), vec!["x"])],
    );
    let mut spec = spec("a", 4, &a);
    spec.settings.limits.min_interval = Duration::from_millis(500);
    let driver = driver(vec![spec]);
    let begun = Instant::now();
    for _ in 0..4 {
        driver.chat("Hi").await.unwrap();
    }
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_millis(1_500) && took < Duration::from_millis(1_700),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_callers_own_deadline_is_hard() {
    let a = Scripted::new(ProviderType::OpenAi, [Act::Hang]);
    let driver = driver(vec![spec("a", 1, &a)]);
    let mut request = ChatRequest::from("Hi");
    request.deadline = Some(Duration::from_secs(3));
    let begun = Instant::now();
    assert_eq!(
        driver.chat(request).await.unwrap_err().kind(),
        ErrorKind::Deadline
    );
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
    assert_eq!(
        a.running.load(Ordering::SeqCst),
        0,
        "the upstream stream is gone"
    );
    assert_eq!(driver.board().instances[0].in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_gives_everything_back_and_counts_as_cancelled() {
    let a = Scripted::new(ProviderType::OpenAi, [Act::Hang]);
    let driver = driver(vec![spec("a", 1, &a)]);
    let mut stream = driver.stream("Hi".into());
    assert!(futures_util::poll!(stream.next()).is_pending());
    assert_eq!(driver.board().instances[0].in_flight, 1);
    assert_eq!(driver.board().totals.in_flight, 1);
    drop(stream);
    let board = driver.board();
    assert_eq!(board.instances[0].in_flight, 0);
    assert_eq!(a.running.load(Ordering::SeqCst), 0);
    assert_eq!(
        (board.totals.cancelled_requests, board.totals.in_flight),
        (1, 0)
    );
    assert_eq!(
        board.totals.success_rate(),
        None,
        "neither success nor failure"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_never_polled_never_happened() {
    let a = Scripted::new(ProviderType::OpenAi, [answer(&["x"])]);
    let driver = driver(vec![spec("a", 1, &a)]);
    drop(driver.stream("Hi".into()));
    assert_eq!(driver.board().totals.total_requests, 0);
}

#[tokio::test(start_paused = true)]
async fn instances_to_avoid_are_avoided_while_another_is_there() {
    let a = Scripted::new(ProviderType::OpenAi, [answer(&["a"])]);
    let b = Scripted::new(ProviderType::OpenAi, [answer(&["b"])]);
    let driver = driver(vec![spec("a", 4, &a), spec("b", 4, &b)]);
    for _ in 0..4 {
        let mut request = ChatRequest::from("Hi");
        request.avoid = vec!["a".into()];
        assert_eq!(driver.chat(request).await.unwrap().text, "b");
    }
}

#[tokio::test(start_paused = true)]
async fn an_alert_rule_is_silenced_and_speaks_again_when_that_is_taken_back() {
    let a = Scripted::new(ProviderType::OpenAi, [answer(&["a"])]);
    let driver = driver(vec![spec("a", 4, &a)]);
    let silence = |rule: &str, seconds| Command::SilenceAlert {
        rule: rule.to_owned(),
        time: Duration::from_secs(seconds),
    };
    let changed = driver
        .command(silence("success", 600), "test")
        .await
        .unwrap();
    assert_eq!(changed.what, "alert rule success is silent for 10m");
    assert_eq!(changed.undo, Some(silence("success", 0)));
    let changed = driver.command(changed.undo.unwrap(), "test").await.unwrap();
    assert_eq!(changed.what, "alert rule success tells again");
    assert_eq!(changed.undo, Some(silence("success", 600)));
    let unknown = driver
        .command(silence("nobody", 1), "test")
        .await
        .unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Config);
    let endless = Command::SilenceAlert {
        rule: "success".to_owned(),
        time: Duration::MAX,
    };
    driver.command(endless, "test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn events_and_commands_are_heard() {
    let a = Scripted::new(ProviderType::OpenAi, [answer(&["a"])]);
    let driver = driver(vec![spec("a", 4, &a)]);
    let mut events = driver.subscribe();
    driver.chat("Hi").await.unwrap();
    let off = Command::Disable {
        instance: "a".into(),
    };
    let changed = driver.command(off, "test").await.unwrap();
    assert_eq!(changed.what, "a off");
    let probed = driver
        .command(
            Command::Probe {
                instance: "a".into(),
            },
            "test",
        )
        .await
        .unwrap();
    assert_eq!(probed.what, "a answers in 0 ms");
    let mut heard = Vec::new();
    while let Ok(event) = events.try_recv() {
        heard.push(match event {
            DeckEvent::RequestStarted { .. } => "started",
            DeckEvent::AttemptEnded { .. } => "attempt",
            DeckEvent::RequestEnded { .. } => "ended",
            DeckEvent::StateChanged { .. } => "state",
            DeckEvent::Commanded { .. } => "command",
            DeckEvent::Alerted { .. } => "alert",
            DeckEvent::Missed { .. } => "missed",
            DeckEvent::News => "news",
        });
    }
    assert_eq!(
        heard,
        ["started", "attempt", "ended", "state", "command", "command"]
    );
    assert_eq!(
        driver.chat("Hi").await.unwrap_err().kind(),
        ErrorKind::NoInstance
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_of_one_instance_never_goes_elsewhere() {
    let a = Scripted::new(ProviderType::OpenAi, [Act::Fail(server_error())]);
    let b = Scripted::new(ProviderType::OpenAi, [answer(&["b"])]);
    let driver = driver(vec![spec("a", 4, &a), spec("b", 4, &b)]);
    let request = ChatRequest::new(vec![Message::user("x")])
        .with_target(Target::Instance(InstanceName::new("a")));
    assert!(driver.chat(request).await.is_err());
    assert_eq!((a.asked(), b.asked()), (3, 0));
}

fn random_act(dice: &mut SmallRng) -> Act {
    match dice.random_range(0..10) {
        0 => Act::Fail(server_error()),
        1 => Act::Fail(Error::new(ErrorKind::RateLimited, "x").with_status(429)),
        2 => Act::Break("half", server_error()),
        3 => Act::Fail(Error::new(ErrorKind::InvalidRequest, "x").with_status(400)),
        4 => Act::Answer(Duration::from_secs(2), vec!["slow"; 30]),
        _ => Act::Answer(
            Duration::from_millis(dice.random_range(1..500)),
            vec!["a", "b", "c"],
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Requests are dropped after a random number of pieces and at a random moment: at every await point sooner or later.
    #[test]
    fn permits_hold_and_counters_add_up_under_random_cancellation(seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let mut dice = SmallRng::seed_from_u64(seed);
            let strategies: Vec<Arc<Scripted>> = (0..3)
                .map(|n| {
                    let acts: Vec<Act> = (0..60).map(|_| random_act(&mut dice)).collect();
                    Scripted::new(ProviderType::ALL[n], acts)
                })
                .collect();
            let permits = [1, 2, 3];
            let specs = strategies.iter().zip(permits).enumerate()
                .map(|(n, (strategy, permits))| spec(&format!("i{n}"), permits, strategy))
                .collect();
            let driver = driver(specs);
            let ended_well = Arc::new(AtomicUsize::new(0));
            let mut tasks = Vec::new();
            for _ in 0..40 {
                let caller = driver.clone();
                let ended_well = Arc::clone(&ended_well);
                let patience = Duration::from_millis(dice.random_range(0..6_000));
                let most = dice.random_range(0..12usize);
                let whole = dice.random_bool(0.5);
                let pause = Duration::from_millis(dice.random_range(0..300));
                tasks.push(tokio::spawn(async move {
                    let mut stream = caller.stream("Hi".into());
                                        let read = async {
                        let mut count = 0;
                        while let Some(piece) = stream.next().await {
                                                        if matches!(piece, Ok(Chunk::Done(_))) {
                                ended_well.fetch_add(1, Ordering::SeqCst);
                            }
                            count += 1;
                            if !whole && count >= most {
                                break;
                            }
                        }
                    };
                    let _ = tokio::time::timeout(patience, read).await;
                    drop(stream);
                                    }));
                tokio::time::sleep(pause).await;
                let board = driver.board();
                adds_up(&board.totals);
                for (instance, permits) in board.instances.iter().zip(permits) {
                    assert!(instance.in_flight <= permits);
                    adds_up(&instance.metrics);
                }
            }
            for task in tasks {
                task.await.unwrap();
            }
            for (strategy, permits) in strategies.iter().zip(permits) {
                assert!(strategy.peak.load(Ordering::SeqCst) <= permits, "permits were exceeded");
                assert_eq!(strategy.running.load(Ordering::SeqCst), 0, "a stream leaked");
            }
            let board = driver.board();
            assert!(board.instances.iter().all(|instance| instance.in_flight == 0), "a permit leaked");
            assert_eq!(board.queue.length, 0);
            assert_eq!(board.totals.in_flight, 0);
            assert_eq!(board.totals.total_requests, board.totals.successful_requests + board.totals.failed_requests + board.totals.cancelled_requests);
            assert_eq!(board.totals.successful_requests as usize, ended_well.load(Ordering::SeqCst), "one sample a request");
            let by_type: u64 = driver.get_all_metrics().values().map(|metrics| metrics.successful_requests).sum();
            assert_eq!(by_type, board.totals.successful_requests);
        });
    }
}

fn hedging(instances: Vec<InstanceSpec>) -> LlmModelDriver {
    let route = RouteSettings {
        tiers: vec![
            instances
                .iter()
                .map(|instance| instance.settings.name.clone())
                .collect(),
        ],
        strategy: None,
        hedge: true,
        ..RouteSettings::new("r")
    };
    LlmModelDriver::new(
        Settings {
            seed: Some(1),
            ..Settings::default()
        },
        vec![route],
        instances,
    )
    .unwrap()
}

fn routed() -> ChatRequest {
    ChatRequest::from("Hi").with_target(Target::Route("r".into()))
}

#[tokio::test(start_paused = true)]
async fn a_late_first_token_is_hedged_and_the_loser_is_cancelled() {
    let quick = Act::Answer(Duration::from_millis(100), vec!["quick"]);
    let mut acts = vec![quick.clone(); 30];
    acts.push(Act::Hang);
    let a = Scripted::new(ProviderType::OpenAi, acts);
    let b = Scripted::new(ProviderType::OpenAi, [quick]);
    let driver = hedging(vec![spec("a", 4, &a), spec("b", 4, &b)]);
    for _ in 0..60 {
        assert_eq!(
            driver.chat(routed()).await.unwrap().attempts.len(),
            1,
            "nothing was late"
        );
    }
    let begun = Instant::now();
    let response = driver.chat(routed()).await.unwrap();
    assert_eq!(response.text, "quick");
    assert_eq!(response.instance, Some("b".into()));
    assert!(
        begun.elapsed() < Duration::from_millis(400),
        "{:?}",
        begun.elapsed()
    );
    let outcomes: Vec<Outcome> = response
        .attempts
        .iter()
        .map(|attempt| attempt.outcome)
        .collect();
    assert_eq!(outcomes, [Outcome::Cancelled, Outcome::Success]);
    assert_eq!(a.running.load(Ordering::SeqCst), 0, "the loser is gone");
    let board = driver.board();
    assert_eq!(board.totals.hedges, 1);
    assert_eq!(board.totals.failovers, 0);
    assert!(
        board
            .instances
            .iter()
            .all(|instance| instance.in_flight == 0)
    );
}

#[tokio::test(start_paused = true)]
async fn hedges_stay_within_their_budget_and_need_samples() {
    let a = Scripted::new(
        ProviderType::OpenAi,
        [Act::Answer(Duration::from_millis(100), vec!["x"])],
    );
    let slow = Scripted::new(
        ProviderType::OpenAi,
        [Act::Answer(Duration::from_secs(3), vec!["x"])],
    );
    let driver = hedging(vec![spec("a", 4, &a), spec("slow", 4, &slow)]);
    for _ in 0..200 {
        driver.chat(routed()).await.unwrap();
    }
    let hedges = driver.board().totals.hedges;
    assert!(hedges <= 11, "{hedges} of 200");
}

#[tokio::test(start_paused = true)]
async fn a_standby_instance_joins_by_itself() {
    let a = Scripted::new(
        ProviderType::OpenAi,
        [Act::Answer(Duration::from_secs(30), vec!["a"])],
    );
    let b = Scripted::new(
        ProviderType::OpenAi,
        [Act::Answer(Duration::from_secs(30), vec!["b"])],
    );
    let mut standby = spec("b", 2, &b);
    standby.settings.standby = true;
    let settings = Settings {
        seed: Some(1),
        ..Settings::default()
    };
    let driver =
        LlmModelDriver::new(settings, Vec::new(), vec![spec("a", 1, &a), standby]).unwrap();
    let mut events = driver.subscribe();
    let answers = futures_util::future::join_all((0..3).map(|_| driver.chat("Hi"))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(b.asked() >= 1, "it was called to help");
    let mut heard = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let DeckEvent::Commanded { what, by } = event {
            heard.push(format!("{by}: {what}"));
        }
    }
    assert_eq!(heard, ["scaling: b joins: permits run short"]);
}

#[tokio::test(start_paused = true)]
async fn an_active_probe_brings_a_held_instance_back() {
    let a = Scripted::new(
        ProviderType::OpenAi,
        [
            Act::Fail(Error::new(ErrorKind::Auth, "bad key").with_status(401)),
            answer(&["ok"]),
        ],
    );
    let mut probed = spec("a", 1, &a);
    probed.settings.probe_every = Some(Duration::from_secs(10));
    let driver = driver(vec![probed]);
    assert!(driver.chat("Hi").await.is_err());
    assert_eq!(driver.board().instances[0].state.word(), "wrong key");
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(driver.chat("Hi").await.unwrap().text, "ok");
}
