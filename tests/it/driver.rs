//! The driver end to end over real sockets: what it counts is what the servers saw.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use llmdeck::base::{InstanceState, Message};
use llmdeck::driver::Settings;
use llmdeck::pool::BreakerSettings;
use llmdeck::provider::AuthForm;
use llmdeck::sim::{Delay, Ending, Fault, FaultShare, InstanceProfile, Spread};
use llmdeck::{ChatInput, ChatRequest, Chunk, ErrorKind, ProviderType, Target};
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{PATIENCE, QUESTION, Rig, http, types};

fn settings() -> Settings {
    let mut settings = Settings {
        seed: Some(7),
        ..Settings::default()
    };
    settings.pool.queue_limit = 1_000;
    settings
}

/// One quick instance of each type, with short answers.
fn profiles() -> Vec<InstanceProfile> {
    let quick = |(name, provider_type)| InstanceProfile {
        length: Some(Spread::exactly(40.0)),
        ..InstanceProfile::new(name, provider_type)
    };
    types().map(quick).into()
}

fn with_permits(permits: usize, profiles: Vec<InstanceProfile>) -> Rig {
    Rig::new(settings(), profiles, &http(), |spec| {
        spec.pool.limits.permits = permits;
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn permits_are_used_and_never_exceeded_as_the_servers_count_them() {
    let slow = |profile| InstanceProfile {
        first_token: Delay::exactly(Duration::from_millis(20)),
        ..profile
    };
    let rig = with_permits(3, profiles().into_iter().map(slow).collect());
    for told in join_all((0..200).map(|_| rig.ask())).await {
        told.outcome.unwrap();
    }
    for (name, _) in types() {
        assert_eq!(rig.stats(name).peak_in_flight, 3, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_dropped_anywhere_leave_no_permit_behind() {
    const PERMITS: usize = 3;
    let slow = |profile| InstanceProfile {
        first_token: Delay::exactly(Duration::from_millis(5)),
        speed: Spread::exactly(2_000.0),
        ..profile
    };
    let rig = with_permits(PERMITS, profiles().into_iter().map(slow).collect());
    let dice = Mutex::new(SmallRng::seed_from_u64(3));
    let one = async || {
        let (leaves, after) = {
            let mut dice = dice.lock();
            (dice.random_bool(0.6), dice.random_range(0..60))
        };
        if leaves {
            // Whatever it was doing by then: waiting for a permit, for the first token, or reading.
            let _ = timeout(Duration::from_millis(after), rig.ask()).await;
        } else {
            rig.ask().await.outcome.unwrap();
        }
    };
    let watched = async {
        let mut most = BTreeMap::new();
        loop {
            for view in rig.driver.board().instances {
                let so_far: &mut usize = most.entry(view.name.to_string()).or_default();
                *so_far = (*so_far).max(view.in_flight);
                assert!(view.in_flight <= PERMITS, "{view:?}");
            }
            sleep(Duration::from_millis(1)).await;
            if rig.driver.board().totals.total_requests == 200
                && rig.driver.board().totals.in_flight == 0
            {
                return most;
            }
        }
    };
    let all = join_all((0..200).map(|_| one()));
    let (_, most) = timeout(PATIENCE, futures_util::future::join(all, watched))
        .await
        .unwrap();
    let board = rig.driver.board();
    assert_eq!(board.queue.length, 0);
    assert!(board.totals.cancelled_requests > 0 && board.totals.successful_requests >= 50);
    for (name, _) in types() {
        assert_eq!(rig.view(name).in_flight, 0);
        assert!(most[name] > 0, "{name} was never seen at work");
        // A permit is free the moment its request is dropped; the server hears of it a little later.
        let gone = rig.server.until(name, |stats| stats.in_flight == 0);
        timeout(PATIENCE, gone).await.unwrap().unwrap();
    }
    // Every permit is there again: as many requests as there are permits run at once, and none waits.
    let told = join_all((0..3 * PERMITS).map(|_| rig.ask())).await;
    for told in told {
        assert_eq!(told.outcome.unwrap().queued, Duration::ZERO);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn round_robin_is_fair_within_one_as_the_servers_count() {
    let rig = with_permits(100, profiles());
    let counts = |rig: &Rig| types().map(|(name, _)| rig.stats(name).requests);
    for n in 1..=20_u64 {
        rig.ask().await.outcome.unwrap();
        let counts = counts(&rig);
        let (most, fewest) = (*counts.iter().max().unwrap(), *counts.iter().min().unwrap());
        assert!(most - fewest <= 1, "after {n}: {counts:?}");
    }
    for told in join_all((0..100).map(|_| rig.ask())).await {
        told.outcome.unwrap();
    }
    assert_eq!(counts(&rig), [40, 40, 40]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_dropped_closes_its_connection_at_once() {
    let slow = InstanceProfile {
        speed: Spread::exactly(20.0),
        ..InstanceProfile::new("slow", ProviderType::OpenAi)
    };
    let rig = with_permits(1, vec![slow]);
    let mut times = Vec::new();
    for n in 1..=9 {
        let mut stream = rig.driver.stream(QUESTION.into());
        loop {
            if let Chunk::Text(_) = stream.next().await.unwrap().unwrap() {
                break;
            }
        }
        let dropped = Instant::now();
        drop(stream);
        let heard = rig.server.until("slow", |stats| stats.disconnects == n);
        timeout(PATIENCE, heard).await.unwrap().unwrap();
        times.push(dropped.elapsed());
    }
    times.sort();
    // The median, for the machine may be busy with something else.
    assert!(times[4] < Duration::from_millis(100), "{times:?}");
    assert_eq!(rig.driver.board().totals.cancelled_requests, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_dropped_before_its_turn_never_reaches_a_server() {
    let rig = with_permits(1, vec![InstanceProfile::new("only", ProviderType::Ollama)]);
    rig.server
        .set_fault("only", Some(Fault::HangBeforeHeaders))
        .unwrap();
    let first = rig.ask();
    let second = timeout(Duration::from_millis(50), rig.ask());
    let both = futures_util::future::join(first, second);
    // The first one hangs; by the time it is dropped, the second is long gone.
    assert!(timeout(Duration::from_millis(200), both).await.is_err());
    let stats = rig.server.until("only", |stats| stats.disconnects == 1);
    let stats = timeout(PATIENCE, stats).await.unwrap().unwrap();
    assert_eq!(stats.requests, 1);
    assert_eq!(rig.driver.board().totals.cancelled_requests, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drivers_counters_are_the_servers_log() {
    const REQUESTS: u64 = 2_000;
    let faults = [
        (Fault::ServerError, ErrorKind::Server),
        (Fault::BadGateway, ErrorKind::Server),
        (Fault::Unavailable, ErrorKind::Overloaded),
        (Fault::HtmlOk, ErrorKind::Protocol),
        (Fault::Truncated, ErrorKind::Protocol),
        (Fault::Garbage, ErrorKind::Protocol),
        (Fault::ErrorMidStream, ErrorKind::Server),
        (Fault::CutMidStream, ErrorKind::Network),
    ];
    let shares: Vec<FaultShare> = faults
        .iter()
        .map(|(fault, _)| FaultShare {
            fault: *fault,
            share: 0.02,
        })
        .collect();
    let faulty = |profile| InstanceProfile {
        faults: shares.clone(),
        length: Some(Spread {
            median: 20.0,
            sigma: 0.5,
        }),
        ..profile
    };
    let mut settings = settings();
    settings.pool.breaker = BreakerSettings {
        open_for: Duration::from_millis(20),
        open_at_most: Duration::from_millis(50),
        ..BreakerSettings::default()
    };
    let profiles = profiles().into_iter().map(faulty).collect();
    let rig = Rig::new(settings, profiles, &http(), |spec| {
        spec.pool.limits.permits = 10;
    });
    let outcomes: Vec<bool> = stream::iter(0..REQUESTS)
        .map(|_| async { rig.ask().await.outcome.is_ok() })
        .buffer_unordered(40)
        .collect()
        .await;
    let seen_well = outcomes.iter().filter(|well| **well).count() as u64;

    let log = rig.server.log();
    let board = rig.driver.board();
    let totals = &board.totals;
    let well: Vec<_> = log.iter().filter(|it| it.ending == Ending::Ok).collect();
    assert_eq!(totals.total_requests, REQUESTS);
    assert_eq!(totals.successful_requests, seen_well);
    assert_eq!(totals.successful_requests, well.len() as u64);
    assert_eq!(totals.failed_requests, REQUESTS - seen_well);
    assert_eq!((totals.in_flight, totals.cancelled_requests), (0, 0));
    assert_eq!(totals.attempts, log.len() as u64);
    assert_eq!(
        totals.attempts,
        REQUESTS + totals.retries + totals.failovers
    );
    assert_eq!(
        totals.completion_tokens,
        well.iter().map(|it| it.tokens_out).sum::<u64>()
    );
    assert_eq!(
        totals.prompt_tokens,
        well.iter().map(|it| it.tokens_in).sum::<u64>()
    );
    for (name, provider_type) in types() {
        let (stats, metrics) = (rig.stats(name), rig.view(name).metrics);
        assert_eq!(metrics.total_requests, stats.requests, "{name}");
        assert_eq!(metrics.successful_requests, stats.ok, "{name}");
        assert_eq!(metrics.failed_requests, stats.requests - stats.ok, "{name}");
        let mut errors: BTreeMap<ErrorKind, u64> = BTreeMap::new();
        for (fault, kind) in faults {
            let count = stats.ended(fault.into());
            assert!(count > 0, "{name} never met {fault:?}");
            *errors.entry(kind).or_default() += count;
        }
        assert_eq!(metrics.errors, errors, "{name}");
        let of_type = rig.driver.get_metrics(provider_type.as_str()).unwrap();
        assert_eq!(of_type.successful_requests, stats.ok, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer_says_the_same_as_a_stream() {
    let rig = with_permits(4, profiles());
    for (name, provider_type) in types() {
        let ask = |stream| ChatRequest {
            stream,
            target: Target::Instance(name.into()),
            ..ChatRequest::new(vec![Message::user(QUESTION)])
        };
        let whole = rig.driver.chat(ask(false)).await.unwrap();
        let streamed = rig.driver.chat(ask(true)).await.unwrap();
        assert!(!whole.text.is_empty() && whole.time_to_first_token.is_some());
        assert_eq!(whole.finish_reason, streamed.finish_reason, "{name}");
        assert_eq!(
            whole.usage.unwrap().prompt_tokens,
            streamed.usage.unwrap().prompt_tokens
        );
        assert_eq!(whole.provider_type, Some(provider_type));
    }
    let streamed: Vec<bool> = rig.server.log().iter().map(|it| it.streamed).collect();
    assert_eq!(streamed, [false, true].repeat(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_callbacks_keep_their_meaning_over_sockets() {
    let rig = with_permits(4, profiles());
    for (name, provider_type) in types() {
        let input = ChatInput {
            provider_type: provider_type.as_str().to_owned(),
            role_name: "Deck".to_owned(),
            you_name: "Ann".to_owned(),
            prompt: "You are {role_name}, and {you_name} asks.".to_owned(),
            ..ChatInput::new(QUESTION)
        };
        let pieces = Mutex::new(Vec::new());
        let ended = Mutex::new(Vec::new());
        let response = rig
            .driver
            .chat_stream(
                &input,
                |role, you, piece, end| {
                    assert_eq!((role, you), ("Deck", "Ann"));
                    assert!(ended.lock().is_empty());
                    pieces.lock().push((piece.to_owned(), end));
                },
                |role, answer, you, query| {
                    assert_eq!((role, you, query), ("Deck", "Ann", QUESTION));
                    ended.lock().push(answer.to_owned());
                },
            )
            .await
            .unwrap();
        let pieces = pieces.into_inner();
        let text: String = pieces.iter().map(|(piece, _)| piece.as_str()).collect();
        assert_eq!(text, response.text);
        assert_eq!(ended.into_inner(), [text]);
        assert_eq!(pieces.iter().filter(|(_, end)| *end).count(), 1);
        assert_eq!(pieces.last().unwrap(), &(String::new(), true));
        assert_eq!(response.instance.unwrap().as_str(), name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn zhipus_signed_tokens_are_taken_and_wrong_ones_are_not() {
    let profile = |name| InstanceProfile {
        key: Some("id-7.a-long-secret".to_owned()),
        ..InstanceProfile::new(name, ProviderType::ZhipuAi)
    };
    let profiles = vec![profile("right"), profile("wrong")];
    let rig = Rig::new(settings(), profiles, &http(), |spec| {
        spec.reach.auth = AuthForm::Jwt;
        if spec.reach.name.as_str() == "wrong" {
            spec.reach.key = Some("id-7.another-secret".to_owned().into());
        }
    });
    let at = |name: &str| {
        ChatRequest::new(vec![Message::user(QUESTION)]).with_target(Target::Instance(name.into()))
    };
    rig.driver.chat(at("right")).await.unwrap();
    let error = rig.driver.chat(at("wrong")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(!format!("{error:?} {error}").contains("another-secret"));
    assert_eq!(rig.state("wrong"), InstanceState::Held(ErrorKind::Auth));
    // With one of two keys wrong, every request is answered.
    for _ in 0..6 {
        rig.ask().await.outcome.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_nobody_has_is_not_found() {
    // What the config lists is known before anybody is asked.
    let rig = with_permits(4, profiles());
    let ask = || ChatRequest::new(vec![Message::user(QUESTION)]).with_model("gpt-99");
    let error = rig.driver.chat(ask()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFoundModel);
    assert!(error.message().contains("sim-llama:8b"), "{error}");
    assert_eq!(rig.server.log().len(), 0);
    // Where it lists nothing, the servers are asked, each once.
    let rig = Rig::new(settings(), profiles(), &http(), |spec| {
        spec.pool.models.clear();
    });
    let error = rig.driver.chat(ask()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFoundModel);
    let asked = types().map(|(name, _)| rig.stats(name).requests);
    assert_eq!(asked, [1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_streams_at_once_come_to_their_end() {
    let slow = |profile| InstanceProfile {
        first_token: Delay::exactly(Duration::from_secs(1)),
        ..profile
    };
    let rig = with_permits(200, profiles().into_iter().map(slow).collect());
    // One poll begins a few of them; all have begun long before the first token of the first.
    let mut all = Box::pin(tokio::task::unconstrained(join_all(
        (0..500).map(|_| rig.ask()),
    )));
    while rig.driver.board().totals.total_requests < 500 {
        assert!(futures_util::poll!(&mut all).is_pending());
    }
    let board = rig.driver.board();
    assert_eq!((board.totals.in_flight, board.queue.length), (500, 0));
    for told in all.await {
        let response = told.outcome.unwrap();
        assert_eq!(response.text, told.text);
        assert!(response.usage.unwrap().completion_tokens.unwrap() > 10);
    }
    assert_eq!(rig.driver.board().totals.successful_requests, 500);
}
