//! Limits, seeds, disconnects and endings.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use tokio::time::{Instant, timeout};

use super::{PATIENCE, Sim, first_piece, header};
use crate::base::ErrorKind;
use crate::base::ProviderType::{self, Ollama, OpenAi, ZhipuAi};
use crate::sim::{Delay, Ending, Fault, FaultShare, Outage, Spread, WhenFull};
use crate::wire;

/// An answer that takes about 50 ms.
fn take_a_moment(profile: &mut crate::sim::InstanceProfile) {
    profile.first_token = Delay::exactly(Duration::from_millis(50));
}

#[tokio::test]
async fn never_more_than_allowed_at_once_and_the_rest_is_refused() {
    for provider_type in ProviderType::ALL {
        let sim = Sim::new(provider_type, |profile| {
            take_a_moment(profile);
            profile.concurrency = Some(3);
        });
        let asked = join_all((0..10).map(|_| sim.answer(true))).await;
        let (fine, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(|(_, end)| end.is_ok());
        assert_eq!((fine.len(), refused.len()), (3, 7), "{provider_type}");
        for (_, end) in refused {
            let error = end.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::RateLimited);
            assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
        }
        let stats = sim.server.stats("a").unwrap();
        assert_eq!((stats.peak_in_flight, stats.in_flight), (3, 0));
        assert_eq!(stats.ended(Ending::Full), 7);
    }
}

#[tokio::test]
async fn a_queueing_instance_answers_all_it_can_hold_and_says_busy_beyond() {
    let sim = Sim::new(Ollama, |profile| {
        take_a_moment(profile);
        profile.concurrency = Some(2);
        profile.when_full = WhenFull::Queue(4);
    });
    let asked = join_all((0..9).map(|_| sim.answer(true))).await;
    let errors: Vec<_> = asked.into_iter().filter_map(|(_, end)| end.err()).collect();
    assert_eq!(errors.len(), 3);
    assert!(
        errors
            .iter()
            .all(|error| error.kind() == ErrorKind::Overloaded)
    );
    let stats = sim.server.stats("a").unwrap();
    assert_eq!((stats.peak_in_flight, stats.peak_waiting), (2, 4));
    assert_eq!((stats.ok, stats.waiting), (6, 0));
}

#[tokio::test]
async fn who_asks_again_after_reading_the_end_is_never_one_too_many() {
    let sim = Sim::new(OpenAi, |profile| {
        profile.concurrency = Some(1);
        profile.length = Some(Spread::exactly(10.0));
    });
    for _ in 0..25 {
        sim.answer(true).await.1.unwrap();
        sim.answer(false).await.1.unwrap();
    }
    assert_eq!(sim.server.stats("a").unwrap().ok, 50);
}

#[tokio::test]
async fn requests_per_minute_are_refused_with_a_wait_and_told_in_headers() {
    let sim = Sim::new(OpenAi, |profile| profile.requests_per_minute = Some(2));
    let response = sim.ask("Hello", true).send().await.unwrap();
    let told = |name: &str| header(&response, name);
    let limits = wire::rate_limits(&told);
    assert_eq!(limits.limit_requests, Some(2));
    assert_eq!(limits.remaining_requests, Some(1));
    assert!(limits.reset_requests > Some(Duration::from_secs(58)));
    assert_eq!(limits.limit_tokens, None);
    sim.answer(true).await.1.unwrap();
    let error = sim.answer(true).await.1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.status(), Some(429));
    let wait = error.retry_after().unwrap();
    assert!(wait > Duration::from_secs(55) && wait <= Duration::from_secs(60));
    assert_eq!(sim.server.stats("a").unwrap().ended(Ending::RateLimited), 1);
}

#[tokio::test]
async fn tokens_per_minute_count_prompt_and_answer() {
    let sim = Sim::new(ZhipuAi, |profile| profile.tokens_per_minute = Some(400));
    let (answer, end) = sim.answer(false).await;
    end.unwrap();
    assert!(answer.usage.unwrap().total().unwrap() < 400);
    let (answer, end) = sim.answer(false).await;
    let total = answer.usage.and_then(|usage| usage.total()).unwrap_or(0);
    if let Err(error) = &end {
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(error.code(), Some("1302"));
    }
    let (_, third) = sim.answer(false).await;
    let (_, fourth) = sim.answer(false).await;
    assert!(third.is_err() || fourth.is_err(), "{total}");
}

#[tokio::test]
async fn the_same_seed_and_order_meet_the_same_behaviour() {
    async fn run(seed: u64) -> Vec<(Ending, u64)> {
        let sim = Sim::with_seed(seed, OpenAi, |profile| {
            profile.length = Some(Spread {
                median: 40.0,
                sigma: 0.8,
            });
            let share = |fault| FaultShare { fault, share: 0.15 };
            profile.faults = [Fault::ServerError, Fault::Truncated, Fault::NoQuota]
                .map(share)
                .to_vec();
        });
        for _ in 0..20 {
            let _ = sim.answer(true).await;
        }
        let log = sim.server.log();
        log.iter().map(|r| (r.ending, r.tokens_out)).collect()
    }
    let first = run(5).await;
    assert_eq!(first.len(), 20);
    assert!(first.iter().any(|(ending, _)| *ending != Ending::Ok));
    assert_eq!(first, run(5).await);
    assert_ne!(first, run(6).await);
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_at_once_wherever_it_leaves() {
    let soon = Duration::from_millis(100);
    for provider_type in ProviderType::ALL {
        let sim = Sim::new(provider_type, |profile| {
            profile.first_token = Delay::exactly(Duration::from_millis(10));
            profile.speed = Spread::exactly(5.0);
            profile.concurrency = Some(1);
        });
        let noticed = async |nth: u64| {
            let left = Instant::now();
            let gone = sim
                .server
                .until("a", |s| (s.disconnects, s.in_flight) == (nth, 0));
            timeout(PATIENCE, gone).await.unwrap().unwrap();
            left.elapsed()
        };
        // The quickest of three: a busy machine may be late now and then, a server that does not look never is.
        let (mut in_stream, mut before_headers) = (PATIENCE, PATIENCE);
        for round in 0..3 {
            let mut response = sim.ask("Hello", true).send().await.unwrap();
            first_piece(&mut response).await;
            drop(response);
            in_stream = in_stream.min(noticed(2 * round + 1).await);

            let asking = tokio::spawn(sim.ask("Hello", false).send());
            let running = sim.server.until("a", |stats| stats.in_flight == 1).await;
            running.unwrap();
            asking.abort();
            before_headers = before_headers.min(noticed(2 * round + 2).await);
        }
        assert!(in_stream < soon, "{provider_type}: {in_stream:?}");
        assert!(before_headers < soon, "{provider_type}: {before_headers:?}");
        let log = sim.server.log();
        assert!(log.iter().all(|record| record.disconnected));
        assert!(log[0].tokens_out < 5, "it stops generating");
    }
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_gives_its_place_back() {
    let sim = Sim::new(Ollama, |profile| {
        profile.first_token = Delay::exactly(PATIENCE);
        profile.concurrency = Some(1);
        profile.when_full = WhenFull::Queue(1);
    });
    let first = tokio::spawn(sim.ask("Hello", true).send());
    sim.server
        .until("a", |stats| stats.in_flight == 1)
        .await
        .unwrap();
    let second = tokio::spawn(sim.ask("Hello", true).send());
    sim.server
        .until("a", |stats| stats.waiting == 1)
        .await
        .unwrap();
    second.abort();
    sim.server
        .until("a", |stats| stats.waiting == 0)
        .await
        .unwrap();
    first.abort();
    let stats = sim.server.until("a", |stats| stats.all_ended() == 2).await;
    assert_eq!(stats.unwrap().disconnects, 2);
}

#[tokio::test]
async fn speed_and_first_token_are_as_set() {
    let sim = Sim::new(OpenAi, |profile| {
        profile.first_token = Delay::exactly(Duration::from_millis(60));
        profile.speed = Spread::exactly(500.0);
        profile.length = Some(Spread::exactly(60.0));
    });
    let begun = Instant::now();
    let (answer, _) = sim.answer(false).await;
    let took = begun.elapsed();
    let tokens = answer.usage.unwrap().completion_tokens.unwrap();
    let wanted = Duration::from_millis(60) + Duration::from_secs_f64((tokens - 1) as f64 / 500.0);
    assert!(took >= wanted, "{took:?} {wanted:?}");
    assert!(
        took < wanted + Duration::from_secs(1),
        "{took:?} {wanted:?}"
    );
}

#[tokio::test]
async fn others_slow_an_answer_down() {
    let sim = Sim::new(OpenAi, |profile| {
        profile.speed = Spread::exactly(1000.0);
        profile.length = Some(Spread::exactly(60.0));
        profile.concurrency = Some(2);
        profile.slowdown = 8.0;
    });
    let begun = Instant::now();
    let ((answer, _), _) = tokio::join!(sim.answer(false), sim.answer(false));
    let took = begun.elapsed();
    // One beside it in two slots: a fifth of the speed. The other may come a little later and go a little earlier.
    let tokens = answer.usage.unwrap().completion_tokens.unwrap();
    let together = Duration::from_millis(5 * tokens);
    assert!(took > together.mul_f64(0.7), "{took:?} {together:?}");
}

#[tokio::test]
async fn an_outage_refuses_and_breaks_and_ends_on_schedule() {
    let sim = Sim::new(OpenAi, |profile| {
        profile.first_token = Delay::exactly(PATIENCE);
        profile.outage = Some(Outage {
            from: Duration::from_millis(300),
            lasting: Duration::from_millis(200),
            every: Duration::from_secs(1000),
        });
    });
    let broken = sim.answer(true).await.1.unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::Network);
    let refused = sim.ask("Hello", true).send().await.unwrap_err();
    assert!(refused.is_connect(), "{refused}");
    let stats = sim.server.stats("a").unwrap();
    assert_eq!((stats.ended(Ending::Outage), stats.disconnects), (1, 0));
    while sim.get("/models").send().await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn shutdown_lets_a_running_answer_end_and_drop_does_not() {
    let patient = Sim::new(OpenAi, take_a_moment);
    let response = patient.ask("Hello", true).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let Sim {
        server,
        client,
        endpoint,
    } = patient;
    let (body, ()) = tokio::join!(response.text(), server.shutdown(PATIENCE));
    assert!(body.unwrap().ends_with("data: [DONE]\n\n"));
    let refused = client
        .get(format!("{}/models", endpoint.base_url))
        .send()
        .await;
    assert!(refused.unwrap_err().is_connect());

    let hasty = Sim::new(OpenAi, |profile| {
        profile.first_token = Delay::exactly(PATIENCE);
    });
    let response = hasty.ask("Hello", true).send().await.unwrap();
    drop(hasty.server);
    assert!(response.text().await.is_err());
}
