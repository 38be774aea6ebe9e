//! A config that is read again, and instances that come and go, under requests that run.

use futures_util::FutureExt;

use super::*;
use crate::base::InstanceDocument;

fn settings() -> Settings {
    Settings {
        seed: Some(1),
        ..Settings::default()
    }
}

fn slow(text: &'static str) -> Act {
    Act::Answer(Duration::from_secs(5), vec![text])
}

/// Sets up whatever is asked for over this instance, and refuses a name that begins with "bad".
fn builder(upstream: &Arc<Scripted>) -> InstanceBuilder {
    let upstream = Arc::clone(upstream);
    Box::new(move |entry: InstanceDocument| {
        let name = entry.name().unwrap_or_default().to_owned();
        let made = if name.starts_with("bad") {
            Err(Error::new(ErrorKind::Config, "instances[0].name: not so"))
        } else {
            Ok(spec(&name, 2, &upstream))
        };
        async { made }.boxed()
    })
}

fn entry(name: &str) -> Command {
    let entry = serde_json::json!({"name": name, "key": "sk-secret"});
    Command::AddInstance {
        settings: serde_json::from_value(entry).unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_config_leaves_running_requests_alone() {
    let a = Scripted::new(ProviderType::OpenAi, [slow("a")]);
    let b = Scripted::new(ProviderType::OpenAi, [slow("b")]);
    let c = Scripted::new(ProviderType::OpenAi, [slow("c")]);
    let driver = driver(vec![spec("a", 1, &a), spec("b", 1, &b)]);
    let mut events = driver.subscribe();
    let running: Vec<_> = (0..2)
        .map(|_| {
            let driver = driver.clone();
            tokio::spawn(async move { driver.chat("Hi").await })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((a.asked(), b.asked()), (1, 1));

    let mut more = spec("a", 3, &a);
    more.settings.weight = 5;
    let applied = driver
        .apply(settings(), Vec::new(), vec![more, spec("c", 1, &c)], "test")
        .unwrap();
    assert_eq!(applied.added, ["c".into()]);
    assert_eq!(applied.leaving, ["b".into()]);
    assert_eq!(
        applied.to_string(),
        "config read again: added c; b leaving; a: weight 1 -> 5, permits 1 -> 3"
    );
    let words: Vec<_> = driver
        .board()
        .instances
        .iter()
        .map(|i| (i.name.to_string(), i.state.word(), i.in_flight))
        .collect();
    assert_eq!(
        words,
        [
            ("a".to_owned(), "on", 1),
            ("c".to_owned(), "on", 0),
            ("b".to_owned(), "draining", 1)
        ]
    );
    let mut answers = Vec::new();
    for task in running {
        answers.push(task.await.unwrap().unwrap().text);
    }
    answers.sort();
    assert_eq!(answers, ["a", "b"], "both came to their end");
    assert_eq!(driver.board().instances.len(), 2);
    let response = driver
        .chat(ChatRequest::from("Hi").with_target(Target::Instance("c".into())))
        .await;
    assert_eq!(response.unwrap().text, "c");
    let mut heard = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let DeckEvent::Commanded { what, by } = event {
            heard.push(format!("{by}: {what}"));
        }
    }
    assert_eq!(heard[0], format!("test: {applied}"));
    assert_eq!(heard[1], "pool: b has left; its last request has ended");
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(driver.0.roster.read().find(&"b".into()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_config_is_refused_whole_and_the_old_one_goes_on() {
    let a = Scripted::new(ProviderType::OpenAi, [answer(&["a"])]);
    let driver = driver(vec![spec("a", 1, &a)]);
    let wrong = Settings {
        pool: pool::Settings {
            strategy: "best".to_owned(),
            deadline: Duration::from_secs(1),
            ..pool::Settings::default()
        },
        ..settings()
    };
    let b = Scripted::new(ProviderType::OpenAi, [answer(&["b"])]);
    let error = driver
        .apply(wrong, Vec::new(), vec![spec("b", 1, &b)], "test")
        .unwrap_err();
    assert!(
        error.message().contains("unknown strategy 'best'"),
        "{error}"
    );
    assert_eq!(driver.chat("Hi").await.unwrap().text, "a");
    assert_eq!(
        driver.0.in_force().settings.pool.deadline,
        Duration::from_secs(60)
    );
    assert!(driver.0.roster.read().find(&"b".into()).is_none());
    let applied = driver
        .apply(settings(), Vec::new(), vec![spec("a", 1, &a)], "test")
        .unwrap();
    assert_eq!(applied.to_string(), "config read again: nothing changed");
    assert_eq!(applied.unchanged, 1);
    let mut events = driver.subscribe();
    let besides = vec!["[notify] changed".to_owned()];
    driver
        .apply_besides(
            settings(),
            Vec::new(),
            vec![spec("a", 1, &a)],
            "test",
            besides,
        )
        .unwrap();
    let told = std::iter::from_fn(|| events.try_recv().ok()).find_map(|event| match event {
        DeckEvent::Commanded { what, .. } => Some(what),
        _ => None,
    });
    assert_eq!(told.as_deref(), Some("config read again: [notify] changed"));
}

#[tokio::test(start_paused = true)]
async fn a_new_key_counts_for_the_next_request_and_ends_the_hold() {
    let wrong = Scripted::new(
        ProviderType::OpenAi,
        [Act::Fail(
            Error::new(ErrorKind::Auth, "bad key").with_status(401),
        )],
    );
    let driver = driver(vec![spec("a", 1, &wrong)]);
    assert!(driver.chat("Hi").await.is_err());
    assert_eq!(driver.board().instances[0].state.word(), "wrong key");
    let right = Scripted::new(ProviderType::OpenAi, [answer(&["ok"])]);
    let applied = driver
        .apply(settings(), Vec::new(), vec![spec("a", 1, &right)], "test")
        .unwrap();
    assert_eq!(
        applied.to_string(),
        "config read again: a: reached with another key, headers or timeouts"
    );
    assert_eq!(driver.chat("Hi").await.unwrap().text, "ok");
    assert_eq!(wrong.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn routes_deadline_retries_and_probes_follow_the_new_config() {
    let a = Scripted::new(ProviderType::OpenAi, [Act::Fail(server_error())]);
    let b = Scripted::new(ProviderType::OpenAi, [Act::Fail(server_error())]);
    let driver = driver(vec![spec("a", 4, &a), spec("b", 4, &b)]);
    assert_eq!(driver.chat("Hi").await.unwrap_err().attempts().len(), 3);
    let mut probed = spec("a", 4, &a);
    probed.settings.probe_every = Some(Duration::from_secs(10));
    let once = Settings {
        retry: RetrySettings {
            attempts: 1,
            ..RetrySettings::default()
        },
        ..settings()
    };
    let route = RouteSettings {
        tiers: vec![vec!["b".into()]],
        ..RouteSettings::new("r")
    };
    let specs = vec![probed, spec("b", 4, &b)];
    let applied = driver.apply(once, vec![route], specs, "test").unwrap();
    assert_eq!(
        applied.to_string(),
        "config read again: a: probe_every; route r added; [retry] changed"
    );
    assert_eq!(driver.chat("Hi").await.unwrap_err().attempts().len(), 1);
    let error = driver.chat(routed()).await.unwrap_err();
    assert_eq!(error.attempts()[0].instance.as_str(), "b");
    let command = Command::ForceOpen {
        instance: "a".into(),
    };
    driver.command(command, "test").await.unwrap();
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(
        driver.board().instances[0].state.word(),
        "on",
        "a probe brought it back"
    );
    let specs = vec![spec("a", 4, &a), spec("b", 4, &b)];
    driver.apply(settings(), Vec::new(), specs, "test").unwrap();
    let command = Command::ForceOpen {
        instance: "a".into(),
    };
    driver.command(command, "test").await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        driver.board().instances[0].state.word(),
        "open",
        "nobody probes any more"
    );
}

#[tokio::test(start_paused = true)]
async fn an_instance_is_added_and_removed_by_command_and_its_key_is_never_told() {
    let a = Scripted::new(ProviderType::OpenAi, [answer(&["a"])]);
    let driver = driver(vec![spec("a", 1, &a)]);
    let error = driver.command(entry("b"), "test").await.unwrap_err();
    assert!(error.message().contains("does not know how"), "{error}");

    let b = Scripted::new(ProviderType::Ollama, [slow("b")]);
    driver.build_with(builder(&b));
    let mut events = driver.subscribe();
    let error = driver.command(entry("bad"), "test").await.unwrap_err();
    assert_eq!(error.message(), "instances[0].name: not so");
    let changed = driver.command(entry("b"), "test").await.unwrap();
    assert_eq!(changed.what, "b added");
    let error = driver.command(entry("b"), "test").await.unwrap_err();
    assert!(
        error.message().contains("there is an instance called 'b'"),
        "{error}"
    );
    let told = format!("{changed:?} {:?} {:?}", events.try_recv(), driver.board());
    assert!(!told.contains("sk-secret"), "{told}");

    let running = {
        let driver = driver.clone();
        let request = ChatRequest::from("Hi").with_target(Target::Instance("b".into()));
        tokio::spawn(async move { driver.chat(request).await })
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    let undone = driver.command(changed.undo.unwrap(), "test").await.unwrap();
    assert_eq!(
        undone.what,
        "b leaves when its last request has ended; 1 still runs"
    );
    assert_eq!(running.await.unwrap().unwrap().text, "b");
    let command = Command::RemoveInstance {
        instance: "a".into(),
    };
    let error = driver.command(command, "test").await.unwrap_err();
    assert!(error.message().contains("the only instance"), "{error}");
    assert_eq!(driver.board().instances.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_new_config_instances_are_set_up_by_the_new_builder() {
    let a = Scripted::new(ProviderType::OpenAi, [answer(&["a"])]);
    let old = Scripted::new(ProviderType::OpenAi, [answer(&["old"])]);
    let new = Scripted::new(ProviderType::OpenAi, [answer(&["new"])]);
    let driver = driver(vec![spec("a", 1, &a)]);
    driver.build_with(builder(&old));
    driver.build_with(builder(&new));
    driver.command(entry("b"), "test").await.unwrap();
    let request = ChatRequest::from("Hi").with_target(Target::Instance("b".into()));
    assert_eq!(driver.chat(request).await.unwrap().text, "new");
}

#[test]
fn instances_change_under_random_load_and_every_request_ends_once() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    for seed in 0..20 {
        runtime.block_on(churn(seed));
    }
}

async fn churn(seed: u64) {
    let mut dice = SmallRng::seed_from_u64(seed);
    let upstream = Scripted::new(
        ProviderType::OpenAi,
        [Act::Answer(Duration::from_millis(300), vec!["x", "y", "z"])],
    );
    let driver = driver(vec![spec("i0", 2, &upstream)]);
    driver.build_with(builder(&upstream));
    let mut tasks = Vec::new();
    for n in 0..120u32 {
        let caller = driver.clone();
        let patience = Duration::from_millis(dice.random_range(0..2_000));
        tasks.push(tokio::spawn(async move {
            tokio::time::timeout(patience, caller.chat("Hi"))
                .await
                .is_ok_and(|answer| answer.is_ok())
        }));
        let name = format!("i{}", dice.random_range(0..5));
        match dice.random_range(0..4) {
            0 => drop(driver.command(entry(&name), "test").await),
            1 => {
                let instance = name.as_str().into();
                drop(
                    driver
                        .command(Command::RemoveInstance { instance }, "test")
                        .await,
                );
            }
            2 => {
                let names: Vec<u32> = (0..5).filter(|_| dice.random_bool(0.5)).collect();
                let set = names
                    .iter()
                    .map(|name| spec(&format!("i{name}"), dice.random_range(1..4), &upstream));
                let set = set.collect();
                let applied = driver.apply(settings(), Vec::new(), set, "test");
                assert_eq!(applied.is_err(), names.is_empty());
            }
            _ => tokio::time::sleep(Duration::from_millis(dice.random_range(0..300))).await,
        }
        let board = driver.board();
        adds_up(&board.totals);
        assert!(!board.instances.is_empty(), "{n}");
    }
    let mut well = 0;
    for task in tasks {
        well += u64::from(task.await.unwrap());
    }
    let board = driver.board();
    adds_up(&board.totals);
    assert_eq!((board.totals.in_flight, board.queue.length), (0, 0));
    assert!(
        board
            .instances
            .iter()
            .all(|instance| instance.in_flight == 0 && instance.state.word() == "on")
    );
    assert_eq!(
        upstream.running.load(Ordering::SeqCst),
        0,
        "a stream leaked"
    );
    assert!(well > 0 && board.totals.successful_requests >= well);
    assert_eq!(
        board.totals.failed_requests, 0,
        "nobody was sent to one that had left"
    );
}
