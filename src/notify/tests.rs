use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::*;
use crate::provider::HttpSettings;

fn alert(message: &str) -> AlertView {
    AlertView {
        rule: "success".to_owned(),
        scope: Scope::Instance("gpu1".into()),
        state: AlertState::Firing,
        severity: Severity::Critical,
        age: Duration::ZERO,
        message: message.to_owned(),
        silenced: None,
    }
}

/// HMAC-SHA256 by its definition (RFC 2104), to check the library's use against.
fn hmac_by_hand(key: &str, message: &str) -> String {
    let padded = |with: u8| -> Vec<u8> {
        let mut block = key.as_bytes().to_vec();
        block.resize(64, 0);
        block.iter().map(|byte| byte ^ with).collect()
    };
    let inner = Sha256::digest([padded(0x36), message.as_bytes().to_vec()].concat());
    let outer = Sha256::digest([padded(0x5c), inner.to_vec()].concat());
    outer.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

type Came = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// Gives these answers one after the other, the last one for ever, and keeps what came.
async fn receiver(answers: &[StatusCode]) -> (String, Came) {
    let came = Came::default();
    let (kept, answers) = (Arc::clone(&came), answers.to_vec());
    let take = async move |headers: HeaderMap, body: String| {
        let mut kept = kept.lock();
        kept.push((headers, body));
        answers[(kept.len() - 1).min(answers.len() - 1)]
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move {
        axum::serve(listener, Router::new().fallback(take))
            .await
            .unwrap();
    });
    (url, came)
}

fn webhook(url: &str) -> Webhook {
    let http = Http::new(HttpSettings::default()).unwrap();
    Webhook::new(url, Some("s3cret".into()), &http)
        .unwrap()
        .hastily()
}

#[tokio::test]
async fn a_webhook_is_repeated_until_it_is_taken_and_signed_each_time() {
    let busy = StatusCode::SERVICE_UNAVAILABLE;
    let (url, came) = receiver(&[busy, busy, StatusCode::OK]).await;
    webhook(&url).tell(&alert("it \"fails\"")).await;
    let came = came.lock();
    assert_eq!(came.len(), 3);
    for (headers, body) in came.iter() {
        let timestamp = headers["x-llmdeck-timestamp"].to_str().unwrap();
        let signature = headers["x-llmdeck-signature"].to_str().unwrap();
        let by_hand = hmac_by_hand("s3cret", &format!("{timestamp}.{body}"));
        assert_eq!(signature, format!("v1={by_hand}"));
        let said: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(said["message"], "it \"fails\"");
        assert_eq!(said["scope"], "instance gpu1");
        assert_eq!(said["state"], "firing");
        assert_eq!(said["severity"], "critical");
    }
}

#[tokio::test]
async fn a_webhook_that_is_refused_is_not_repeated_and_one_that_stays_busy_is_given_up() {
    let (url, came) = receiver(&[StatusCode::FORBIDDEN]).await;
    webhook(&url).tell(&alert("x")).await;
    assert_eq!(came.lock().len(), 1);
    let (url, came) = receiver(&[StatusCode::INTERNAL_SERVER_ERROR]).await;
    webhook(&url).tell(&alert("x")).await;
    assert_eq!(came.lock().len(), 6);
}

#[tokio::test]
async fn the_command_is_told_what_fires_and_no_shell_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let script = format!(
        "printf '%s|%s|%s|%s|%s' \"$LLMDECK_EVENT\" \"$LLMDECK_ALERT_RULE\" \"$LLMDECK_ALERT_STATE\" \"$LLMDECK_ALERT_SCOPE\" \"$LLMDECK_ALERT_MESSAGE\" > {}",
        told.display()
    );
    let command = ["sh", "-c", &script].map(str::to_owned);
    run(&command, &alert("$(touch x); 5 of 6")).await;
    assert_eq!(
        std::fs::read_to_string(&told).unwrap(),
        "alert|success|firing|instance gpu1|$(touch x); 5 of 6"
    );
}

#[tokio::test(start_paused = true)]
async fn alerts_are_queued_in_order_and_what_does_not_fit_is_dropped() {
    let (events, heard) = broadcast::channel(1_000);
    let (sender, mut queue) = mpsc::channel(QUEUE);
    for number in 0..QUEUE + 10 {
        let alert = alert(&number.to_string());
        events.send(DeckEvent::Alerted { alert }).unwrap();
    }
    drop(events);
    hear(heard, sender).await;
    let mut came = Vec::new();
    while let Some(alert) = queue.recv().await {
        came.push(alert.message);
    }
    let wanted: Vec<_> = (0..QUEUE).map(|number| number.to_string()).collect();
    assert_eq!(came, wanted);
}
