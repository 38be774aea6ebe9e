//! What a route sets for itself counts for its requests and for no others.

use super::*;
use crate::base::Priority;

fn driver_with(route: RouteSettings, instances: Vec<InstanceSpec>) -> LlmModelDriver {
    let names = instances.iter().map(|spec| spec.settings.name.clone());
    let route = RouteSettings {
        tiers: vec![names.collect()],
        ..route
    };
    let settings = Settings {
        seed: Some(1),
        ..Settings::default()
    };
    LlmModelDriver::new(settings, vec![route], instances).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_first_token_later_than_the_route_allows_sends_it_to_another_instance() {
    let a = Scripted::new(ProviderType::OpenAi, [Act::Hang]);
    let b = Scripted::new(ProviderType::OpenAi, [answer(&["b"])]);
    let route = RouteSettings {
        first_token_timeout: Some(Duration::from_secs(3)),
        ..RouteSettings::new("r")
    };
    let driver = driver_with(route, vec![spec("a", 4, &a), spec("b", 4, &b)]);
    let begun = Instant::now();
    let response = driver.chat(routed()).await.unwrap();
    assert_eq!(response.text, "b");
    assert_eq!(begun.elapsed(), Duration::from_millis(3_230));
    let first = &response.attempts[0];
    assert_eq!(
        first.outcome,
        Outcome::Failure(ErrorKind::TimeoutFirstToken)
    );
    assert_eq!(a.running.load(Ordering::SeqCst), 0, "it was broken off");
}

#[tokio::test(start_paused = true)]
async fn an_answer_longer_than_the_route_allows_ends_with_what_came() {
    let a = Scripted::new(
        ProviderType::OpenAi,
        [Act::Answer(Duration::from_secs(1), vec!["x"; 400])],
    );
    let route = RouteSettings {
        total_timeout: Some(Duration::from_secs(2)),
        ..RouteSettings::new("r")
    };
    let driver = driver_with(route, vec![spec("a", 4, &a)]);
    let begun = Instant::now();
    let mut stream = driver.stream(routed());
    let (mut pieces, mut last) = (0, None);
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => pieces += usize::from(piece.is_output()),
            Err(error) => last = Some(error),
        }
    }
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    assert!((95..=101).contains(&pieces), "{pieces}");
    let error = last.unwrap();
    assert!(
        error.message().contains("not finished within 2 s"),
        "{error}"
    );
    assert_eq!(error.attempts().len(), 1, "it is not sent again");
    assert_eq!(driver.chat("Hi").await.unwrap().text.len(), 400);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_silent_for_longer_than_the_route_allows_is_broken_off() {
    let a = Scripted::new(
        ProviderType::OpenAi,
        [Act::Pause("half", Duration::from_secs(30), "rest")],
    );
    let route = RouteSettings {
        idle_timeout: Some(Duration::from_secs(4)),
        total_timeout: Some(Duration::from_secs(60)),
        ..RouteSettings::new("r")
    };
    let driver = driver_with(route, vec![spec("a", 4, &a)]);
    let begun = Instant::now();
    let error = driver.chat(routed()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimeoutIdle);
    assert!(error.message().contains("within 4 s"), "{error}");
    assert_eq!(begun.elapsed(), Duration::from_secs(4));
    assert_eq!(a.running.load(Ordering::SeqCst), 0, "it was broken off");
    assert_eq!(driver.chat("Hi").await.unwrap().text, "halfrest");
}

#[tokio::test(start_paused = true)]
async fn deadline_and_attempts_are_the_routes_own() {
    let a = Scripted::new(ProviderType::OpenAi, [Act::Fail(server_error())]);
    let b = Scripted::new(ProviderType::OpenAi, [Act::Fail(server_error())]);
    let route = RouteSettings {
        attempts: Some(1),
        deadline: Some(Duration::from_secs(5)),
        ..RouteSettings::new("r")
    };
    let driver = driver_with(route, vec![spec("a", 1, &a), spec("b", 1, &b)]);
    assert_eq!(driver.chat(routed()).await.unwrap_err().attempts().len(), 1);
    assert_eq!(driver.chat("Hi").await.unwrap_err().attempts().len(), 3);
    for instance in ["a", "b"] {
        let instance = instance.into();
        let command = Command::ForceOpen { instance };
        driver.command(command, "test").await.unwrap();
    }
    for (request, patience) in [(routed(), 5), (ChatRequest::from("Hi"), 60)] {
        let begun = Instant::now();
        assert!(driver.chat(request).await.is_err());
        assert_eq!(begun.elapsed(), Duration::from_secs(patience));
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_route_goes_last_and_its_queue_is_bounded() {
    let a = Scripted::new(
        ProviderType::OpenAi,
        [Act::Answer(Duration::from_secs(10), vec!["x"])],
    );
    let route = RouteSettings {
        priority: Priority::Batch,
        queue_limit: Some(1),
        ..RouteSettings::new("r")
    };
    let driver = driver_with(route, vec![spec("a", 1, &a)]);
    let ask = |request: ChatRequest| {
        let driver = driver.clone();
        tokio::spawn(async move {
            let answer = driver.chat(request).await;
            (answer.map(|answer| answer.text), Instant::now())
        })
    };
    let first = ask(routed());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let batch = ask(routed());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let error = driver.chat(routed()).await.unwrap_err();
    assert_eq!(
        error.message(),
        "1 requests are waiting for route 'r' already"
    );
    let interactive = ask("Hi".into());
    assert!(
        first.await.unwrap().0.is_ok(),
        "a queue of one is not a queue of none"
    );
    let (batch, interactive) = (batch.await.unwrap(), interactive.await.unwrap());
    assert!(batch.0.is_ok() && interactive.0.is_ok());
    assert!(interactive.1 < batch.1, "it came later and went first");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_in_no_time_and_says_when_to_come_back() {
    let a = Scripted::new(
        ProviderType::OpenAi,
        [Act::Answer(Duration::from_secs(2), vec!["x"])],
    );
    let mut settings = Settings {
        seed: Some(1),
        ..Settings::default()
    };
    settings.pool.queue_limit = 10;
    let driver = LlmModelDriver::new(settings, Vec::new(), vec![spec("a", 1, &a)]).unwrap();
    for _ in 0..25 {
        driver.chat("Hi").await.unwrap();
    }
    let waiting: Vec<_> = (0..11)
        .map(|_| {
            let driver = driver.clone();
            tokio::spawn(async move { driver.chat("Hi").await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(driver.board().queue.length, 10);
    for _ in 0..100 {
        let begun = Instant::now();
        let error = driver.chat("Hi").await.unwrap_err();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(error.kind(), ErrorKind::QueueFull);
        assert!(
            error.message().contains("10 requests are waiting"),
            "{error}"
        );
        // Ten ahead, two seconds each, one permit.
        let wait = error.retry_after().unwrap().as_secs_f64();
        assert!((18.0..23.0).contains(&wait), "{wait}");
    }
    for task in waiting {
        assert!(task.await.unwrap().is_ok(), "the others are served");
    }
}
