//! Who may ask, how much, and what becomes of those who leave.

use std::time::Duration;

use llmdeck::ProviderType;
use llmdeck::base::Outcome;
use llmdeck::gateway::{Digest, KeySettings, Settings};
use llmdeck::sim::{InstanceProfile, Spread};
use serde_json::json;
use tokio::time::Instant;

use super::rig::{Front, chat, quick, read};
use crate::support::PATIENCE;

/// What becomes of the upstream's work when a caller leaves is over within this time.
const PROMISED: Duration = Duration::from_millis(100);

fn key(name: &str) -> KeySettings {
    KeySettings {
        name: name.to_owned(),
        hash: Digest::of(&format!("secret-{name}")).to_string(),
        requests_per_minute: None,
        tokens_per_minute: None,
        concurrency: None,
        models: Vec::new(),
        admin: false,
    }
}

fn slow(name: &str) -> InstanceProfile {
    InstanceProfile {
        speed: Spread::exactly(20.0),
        length: Some(Spread::exactly(400.0)),
        ..quick(name, ProviderType::OpenAi)
    }
}

#[tokio::test]
async fn keys_let_in_count_and_refuse() {
    let profiles = vec![quick("one", ProviderType::OpenAi)];
    let front = Front::with(profiles, |settings| {
        let limited = KeySettings {
            requests_per_minute: Some(2),
            models: vec!["one-model".to_owned()],
            ..key("limited")
        };
        settings.keys = vec![key("free"), limited];
    });
    let ask = async |secret: Option<&str>, model: &str| {
        let mut post = front.post("/v1/chat/completions", &chat(model, false));
        if let Some(secret) = secret {
            post = post.bearer_auth(secret);
        }
        post.send().await.unwrap()
    };
    let refused = ask(None, "auto").await;
    assert_eq!(refused.status(), 401);
    let (_, told) = read(refused).await;
    assert_eq!(told["error"]["code"], "invalid_api_key");
    assert_eq!(ask(Some("wrong"), "auto").await.status(), 401);
    assert_eq!(ask(Some("secret-free"), "auto").await.status(), 200);
    let last = front.rig.driver.requests(1).pop().unwrap();
    assert_eq!(
        last.caller.as_deref(),
        Some("free"),
        "the console shows who asked"
    );
    assert_eq!(ask(Some("secret-limited"), "auto").await.status(), 403);
    assert_eq!(ask(Some("secret-limited"), "one-model").await.status(), 200);
    assert_eq!(ask(Some("secret-limited"), "one-model").await.status(), 200);
    let over = ask(Some("secret-limited"), "one-model").await;
    assert_eq!(over.status(), 429);
    let wait: u64 = over.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((50..=60).contains(&wait), "{wait}");
    assert_eq!(front.get("/healthz").send().await.unwrap().status(), 200);
    assert_eq!(front.get("/v1/models").send().await.unwrap().status(), 401);
    assert_eq!(front.get("/metrics").send().await.unwrap().status(), 401);
}

#[test]
fn a_public_address_without_keys_is_refused() {
    let mut settings = Settings {
        listen: "0.0.0.0:0".to_owned(),
        ..Settings::default()
    };
    assert!(
        settings
            .validate()
            .unwrap_err()
            .message()
            .contains("without keys")
    );
    settings.keys = vec![key("a")];
    assert!(settings.validate().is_ok());
    settings.keys.push(key("a"));
    assert!(settings.validate().unwrap_err().message().contains("twice"));
}

#[tokio::test]
async fn web_pages_may_not_ask_unless_listed() {
    let profiles = vec![quick("one", ProviderType::OpenAi)];
    let front = Front::with(profiles, |settings| {
        settings.cors = vec!["http://good".to_owned()];
    });
    let from = |origin: &'static str| {
        let post = front.post("/v1/chat/completions", &chat("auto", false));
        post.header("origin", origin).send()
    };
    assert_eq!(from("http://evil").await.unwrap().status(), 403);
    let good = from("http://good").await.unwrap();
    assert_eq!(good.status(), 200);
    assert_eq!(good.headers()["access-control-allow-origin"], "http://good");
}

#[tokio::test]
async fn who_leaves_ends_the_upstream_request_and_everything_settles() {
    let front = Front::with(vec![slow("one")], |settings| {
        settings.keys = vec![KeySettings {
            concurrency: Some(1),
            ..key("a")
        }];
    });
    // A busy machine may be late itself, so the best of some tries counts.
    let mut best = [Duration::MAX; 2];
    for stream in [true, false, true, false, true, false, true, false] {
        let best = &mut best[usize::from(stream)];
        if *best < PROMISED {
            continue;
        }
        let post = front
            .post("/v1/chat/completions", &chat("auto", stream))
            .bearer_auth("secret-a");
        if stream {
            let mut response = post.send().await.unwrap();
            assert!(response.chunk().await.unwrap().is_some());
            drop(response);
        } else {
            let sent = tokio::time::timeout(Duration::from_millis(300), post.send()).await;
            assert!(sent.is_err(), "a whole answer takes longer");
        }
        let left = Instant::now();
        let gone = front.rig.server.until("one", |stats| stats.in_flight == 0);
        tokio::time::timeout(PATIENCE, gone).await.unwrap().unwrap();
        let took = left.elapsed();
        *best = took.min(*best);
        println!("stream {stream}: the upstream request ended {took:?} after its caller left");
        let begun = Instant::now();
        let newest = loop {
            let newest = front.rig.driver.requests(1).pop();
            if front.rig.driver.board().totals.in_flight == 0 || begun.elapsed() > PATIENCE {
                break newest.unwrap();
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(newest.outcome, Outcome::Cancelled);
        assert_eq!(front.rig.view("one").in_flight, 0);
    }
    assert!(best.iter().all(|best| *best < PROMISED), "{best:?}");
    // The key's one permit is free again.
    let begun = Instant::now();
    loop {
        let post = front.post(
            "/v1/chat/completions",
            &json!({"model": "auto", "max_tokens": 1,
            "messages": [{"role": "user", "content": "Hi"}]}),
        );
        let sent = tokio::time::timeout(
            Duration::from_millis(200),
            post.bearer_auth("secret-a").send(),
        );
        match sent.await {
            Ok(response) if response.as_ref().unwrap().status() == 429 => {
                assert!(begun.elapsed() < PATIENCE, "the permit has not come back");
            }
            Ok(_) | Err(_) => break,
        }
    }
}

#[tokio::test]
async fn a_drain_lets_answers_end_and_tells_those_it_cuts() {
    let front = Front::with(vec![slow("one")], |_| {});
    let mut response = front
        .post("/v1/chat/completions", &chat("auto", true))
        .send()
        .await
        .unwrap();
    let mut text = String::new();
    text.push_str(&String::from_utf8_lossy(
        &response.chunk().await.unwrap().unwrap(),
    ));
    let drained = tokio::spawn(front.gateway.drain(Duration::from_millis(300)));
    while let Some(bytes) = response.chunk().await.unwrap() {
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    let drained = drained.await.unwrap();
    assert_eq!((drained.running, drained.cut), (1, 1));
    assert!(text.contains("shutting down"), "{text}");
    assert!(!text.contains("[DONE]"));
}

#[tokio::test]
async fn a_flood_is_shed_at_once_and_those_who_are_in_go_on() {
    let front = Front::with(vec![slow("one")], |settings| settings.max_requests = 2);
    let first = front
        .post("/v1/chat/completions", &chat("auto", true))
        .send()
        .await
        .unwrap();
    let second = front
        .post("/v1/chat/completions", &chat("auto", true))
        .send()
        .await
        .unwrap();
    for _ in 0..20 {
        let shed = front
            .post("/v1/chat/completions", &chat("auto", true))
            .send()
            .await
            .unwrap();
        assert_eq!(shed.status(), 503);
        assert_eq!(shed.headers()["retry-after"], "1");
    }
    drop(second);
    assert!(first.status().is_success());
}

#[tokio::test]
async fn settings_are_replaced_while_it_runs_and_wrong_ones_are_refused() {
    let front = Front::over(&[("one", ProviderType::OpenAi)]);
    let settings = Settings {
        listen: front.gateway.address().to_string(),
        keys: vec![key("a")],
        ..Settings::default()
    };
    front.gateway.apply(settings.clone()).unwrap();
    let (status, _) = front
        .ask("/v1/chat/completions", &chat("auto", false))
        .await;
    assert_eq!(status, 401);
    let wrong = Settings {
        body_limit: 0,
        ..settings
    };
    assert!(front.gateway.apply(wrong).is_err());
    let (status, _) = front
        .ask("/v1/chat/completions", &chat("auto", false))
        .await;
    assert_eq!(status, 401, "the old ones stay");
}
