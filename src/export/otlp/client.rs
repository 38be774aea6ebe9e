//! Sending to a collector: what may go better later is sent again, as the OTLP specification says.

use std::time::Duration;

use prost::Message;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::settings::Signal;
use crate::base::Error;
use crate::provider::Http;

/// The first wait before it is tried again; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Sends one kind of data to one place.
pub(super) struct Client {
    http: reqwest::Client,
    signal: Signal,
    stop: CancellationToken,
}

/// What became of one try.
enum Tried {
    Taken,
    /// Not now; perhaps after this time.
    Later(String, Option<Duration>),
    Refused(String),
}

impl Client {
    /// Makes one. When `stop` comes, nothing is tried a second time any more.
    pub(super) fn new(
        signal: &Signal,
        http: &Http,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        Ok(Self {
            http: http.for_url(&signal.url, signal.certificate.as_deref())?,
            signal: signal.clone(),
            stop,
        })
    }

    /// Sends a message within the signal's time; what cannot be sent is told of in the log and lost.
    pub(super) async fn send(&self, message: &impl Message) {
        let body = message.encode_to_vec();
        let deadline = Instant::now() + self.signal.timeout;
        let mut wait = FIRST_WAIT;
        loop {
            let tried = timeout_at(deadline, self.try_once(body.clone())).await;
            let (why, asked) = match tried {
                Ok(Tried::Taken) => return,
                Ok(Tried::Refused(why)) => return self.give_up(&why),
                Ok(Tried::Later(why, asked)) => (why, asked),
                Err(_) => return self.give_up("no answer in time"),
            };
            let next = asked.unwrap_or(wait);
            if Instant::now() + next >= deadline {
                return self.give_up(&why);
            }
            tokio::select! {
                () = sleep(next) => {}
                () = self.stop.cancelled() => return self.give_up(&why),
            }
            wait *= 2;
        }
    }

    async fn try_once(&self, body: Vec<u8>) -> Tried {
        let sent = self
            .http
            .post(self.signal.url.clone())
            .headers(self.signal.headers.clone())
            .header(
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-protobuf"),
            )
            .body(body)
            .send()
            .await;
        match sent {
            // The address may hold a secret, so errors go without it.
            Err(error) => Tried::Later(error.without_url().to_string(), None),
            Ok(answer) if answer.status().is_success() => Tried::Taken,
            Ok(answer) => {
                let status = answer.status();
                let asked = answer
                    .headers()
                    .get(RETRY_AFTER)
                    .and_then(|value| value.to_str().ok()?.parse().ok())
                    .map(Duration::from_secs);
                let why = format!("it answered {status}");
                match status {
                    StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT => Tried::Later(why, asked),
                    _ => Tried::Refused(why),
                }
            }
        }
    }

    fn give_up(&self, why: &str) {
        tracing::warn!(
            to = self.signal.shown(),
            why,
            "the collector did not take an export"
        );
    }
}
