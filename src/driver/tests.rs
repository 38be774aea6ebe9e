//! The driver's promises, with scripted instances under paused time.

mod budgets;
mod by_itself;
mod cancelling;
mod change;
mod drops;
mod hedging;
mod routes;
mod scripted;
mod setting;

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;

use futures_util::StreamExt;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::base::{Chunk, ErrorKind, FinishReason, InstanceName, Message, Outcome, Target};
use crate::limit;

use scripted::*;

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
