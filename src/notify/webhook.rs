//! The webhook: a POST of JSON, signed, and sent again with growing waits while it may yet be taken.
//!
//! With a key, the header `x-llmdeck-signature` is `v1=` and the HMAC-SHA256, in hex, of the header `x-llmdeck-timestamp`
//! (seconds since 1970), a full stop, and the body. A receiver should refuse old timestamps, so that nobody can
//! send a message again later.

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::sleep;

use super::{scope_words, severity_word, state_word};
use crate::base::{AlertView, Error, ErrorKind};
use crate::provider::Http;

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Tries of one message: with waits of 1, 2, 4, 8 and 16 seconds between them.
const TRIES: u32 = 6;

/// Where messages go.
pub(super) struct Webhook {
    client: Client,
    url: Url,
    key: Option<hmac::Key>,
    first_wait: Duration,
}

impl Webhook {
    pub(super) fn new(url: &str, key: Option<SecretString>, http: &Http) -> Result<Self, Error> {
        let url = Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            // Its URL often is its own password, so it is not repeated.
            .ok_or_else(|| Error::new(ErrorKind::Config, "notify.webhook is no http URL"))?;
        Ok(Self {
            client: http.for_url(&url, None)?,
            url,
            key: key.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret().as_bytes())),
            first_wait: Duration::from_secs(1),
        })
    }

    #[cfg(test)]
    pub(super) fn hastily(mut self) -> Self {
        self.first_wait = Duration::from_millis(1);
        self
    }

    /// Sends a message until it is taken, refused for good, or was tried often enough.
    pub(super) async fn tell(&self, alert: &AlertView) {
        let body = body(alert, Timestamp::now());
        let mut wait = self.first_wait;
        for tries_left in (0..TRIES).rev() {
            let (why, is_final) = match self.post(&body).await {
                Ok(()) => return,
                Err(failed) => failed,
            };
            if is_final || tries_left == 0 {
                tracing::warn!(rule = alert.rule, why, "the alert webhook failed for good");
                return;
            }
            tracing::debug!(why, tries_left, "the alert webhook failed");
            sleep(wait).await;
            wait *= 2;
        }
    }

    /// Sends it once; an error says why it failed, and whether it would again.
    async fn post(&self, body: &str) -> Result<(), (String, bool)> {
        // Signed anew for each try: a receiver may refuse old timestamps.
        let timestamp = Timestamp::now().as_second().to_string();
        let mut request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("x-llmdeck-timestamp", &timestamp)
            .timeout(PATIENCE)
            .body(body.to_owned());
        if let Some(key) = &self.key {
            let signature = sign(key, &timestamp, body);
            request = request.header("x-llmdeck-signature", signature);
        }
        let answer = request.send().await;
        let answer = answer.map_err(|error| (error.without_url().to_string(), false))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let may_change = status.is_server_error()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
            );
        Err((format!("it answered {status}"), !may_change))
    }
}

/// Returns `v1=` and the signature of a message.
pub(super) fn sign(key: &hmac::Key, timestamp: &str, body: &str) -> String {
    let signature = hmac::sign(key, format!("{timestamp}.{body}").as_bytes());
    let mut text = "v1=".to_owned();
    for byte in signature.as_ref() {
        // A string takes all that is written to it.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn body(alert: &AlertView, now: Timestamp) -> String {
    serde_json::json!({
        "event": "alert",
        "rule": alert.rule,
        "state": state_word(alert.state),
        "severity": severity_word(alert.severity),
        "scope": scope_words(&alert.scope),
        "message": alert.message,
        "at": now,
    })
    .to_string()
}
