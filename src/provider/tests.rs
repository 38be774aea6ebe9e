//! Real sockets on loopback, with servers that say exactly what a test wants them to say.

mod answers;
mod connections;
mod credentials;
mod failures;
mod patience;
mod peer;
mod proxies;
mod secure;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;

use super::{Http, HttpSettings, LlmModelStrategy, Settings, Timeouts, build};
use crate::base::{
    Answer, ChatRequest, ChatStream, Chunk, Error, LlmResponse, Message, ProviderType,
};

/// A key that must not appear anywhere.
const KEY: &str = "sk-hunter2hunter2hunter2";

/// The start of an answer that is an event stream of unknown length.
const SSE: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Settings for a server on loopback, with short patience and a key.
fn settings(provider_type: ProviderType, base_url: &str) -> Settings {
    Settings {
        base_url: Some(base_url.to_owned()),
        key: Some(KEY.into()),
        timeouts: Timeouts {
            connect: Duration::from_secs(2),
            first_token: Duration::from_secs(2),
            idle: Duration::from_secs(2),
            total: Duration::from_secs(5),
        },
        ..Settings::new("one", provider_type)
    }
}

fn http() -> Http {
    Http::new(HttpSettings::default()).unwrap()
}

fn openai(base_url: &str) -> Arc<dyn LlmModelStrategy> {
    build(settings(ProviderType::OpenAi, base_url), &http()).unwrap()
}

fn request() -> ChatRequest {
    ChatRequest::new(vec![Message::user("hello")]).with_model("m")
}

/// What a stream gave: what came, and how it ended.
struct Outcome {
    chunks: Vec<Chunk>,
    response: LlmResponse,
    error: Option<Error>,
}

impl Outcome {
    fn error(&self) -> &Error {
        self.error.as_ref().expect("an error")
    }

    fn text(&self) -> &str {
        &self.response.text
    }
}

async fn collect(mut stream: ChatStream) -> Outcome {
    let mut answer = Answer::default();
    let mut chunks = Vec::new();
    let mut error = None;
    while let Some(item) = stream.next().await {
        assert!(error.is_none(), "something came after the error: {item:?}");
        match item {
            Ok(chunk) => {
                answer.push(&chunk);
                chunks.push(chunk);
            }
            Err(e) => error = Some(e),
        }
    }
    assert!(stream.next().await.is_none(), "the end is an end");
    Outcome {
        chunks,
        response: answer.into_response(),
        error,
    }
}

/// One event with a piece of text.
fn event(text: &str) -> String {
    let delta = serde_json::json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
    format!("data: {delta}\n\n")
}

/// The events at the end of every good answer.
fn ending() -> String {
    let finish =
        serde_json::json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    format!("data: {finish}\n\ndata: [DONE]\n\n")
}

/// One HTTP chunk.
fn framed(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// A whole good answer as bytes on the wire.
fn good_answer(text: &str) -> String {
    format!(
        "{SSE}{}{}0\r\n\r\n",
        framed(&event(text)),
        framed(&ending())
    )
}

/// A whole response with a length.
fn whole(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn json(status: &str, body: &str) -> String {
    whole(status, "content-type: application/json\r\n", body)
}

/// A loopback address where nothing listens.
fn nowhere() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Asserts that an error tells nothing secret, however it is printed, causes included.
fn assert_no_secret(error: &Error, secrets: &[&str]) {
    let mut everything = format!("{error} {error:?} {} {:?}", error.hint(), error.code());
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let _ = write!(everything, " {next} {next:?}");
        cause = next.source();
    }
    for secret in secrets {
        assert!(!everything.contains(secret), "{everything}");
    }
}
