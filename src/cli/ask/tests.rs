//! Stories of one question.

use std::future::{pending, ready};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::broadcast;

use super::*;
use crate::base::{
    Board, Changed, Command, DeckEvent, Failures, FinishReason, LlmMetrics, Role, Sample, Scope,
    Series, Target,
};
use crate::cli::args::{Cli, Command as Typed};
use crate::cli::style::Style;
use crate::deck::{Deck, DeckSource};

/// A deck that answers with what it was given, and then with nothing more.
#[derive(Clone, Default)]
struct Scripted {
    chunks: Arc<Mutex<Vec<Result<Chunk, Error>>>>,
    hangs: bool,
    asked: Arc<Mutex<Vec<ChatRequest>>>,
}

impl DeckSource for Scripted {
    fn chat(&self, request: ChatRequest) -> ChatStream {
        self.asked.lock().push(request);
        let chunks = stream::iter(std::mem::take(&mut *self.chunks.lock()));
        if self.hangs {
            Box::pin(chunks.chain(stream::pending()))
        } else {
            Box::pin(chunks)
        }
    }
    fn board(&self) -> Arc<Board> {
        Arc::default()
    }
    fn series(&self, _: &Scope, _: Duration, _: usize) -> Series {
        Series::default()
    }
    fn window_metrics(&self, _: &Scope, _: Duration) -> LlmMetrics {
        LlmMetrics::default()
    }
    fn requests(&self, _: usize) -> Vec<Arc<Sample>> {
        Vec::new()
    }
    fn failures(&self, _: usize) -> Failures {
        Failures::default()
    }
    fn subscribe(&self) -> broadcast::Receiver<DeckEvent> {
        broadcast::channel(1).1
    }
    fn command(&self, _: Command, _: &str) -> BoxFuture<'static, Result<Changed, Error>> {
        Box::pin(ready(Err(Error::new(
            ErrorKind::Config,
            "no commands here",
        ))))
    }
}

fn text(text: &str) -> Chunk {
    Chunk::Text(text.to_owned())
}

fn done(text: &str) -> Chunk {
    let response = crate::base::LlmResponse {
        text: text.to_owned(),
        finish_reason: Some(FinishReason::Stop),
        instance: Some("east".into()),
        model: Some("m".to_owned()),
        time_to_first_token: Some(Duration::from_millis(250)),
        total_time: Duration::from_micros(1_500_250),
        ..Default::default()
    };
    Chunk::Done(Box::new(response))
}

fn typed(arguments: &[&str]) -> ChatArgs {
    let line = ["llmdeck", "chat"].iter().chain(arguments);
    match Cli::try_parse_from(line).unwrap().command {
        Some(Typed::Chat(args)) => args,
        _ => panic!("this is no chat"),
    }
}

struct Ended {
    out: String,
    err: String,
    code: u8,
    asked: Vec<ChatRequest>,
}

async fn chat(
    arguments: &[&str],
    chunks: Vec<Result<Chunk, Error>>,
    cancelled: impl Future<Output = ()>,
) -> Ended {
    let args = typed(arguments);
    let scripted = Scripted {
        chunks: Arc::new(Mutex::new(chunks)),
        hangs: true,
        ..Scripted::default()
    };
    let asked = Arc::clone(&scripted.asked);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut screen = Screen {
        out: &mut out,
        out_is_terminal: false,
        err: &mut err,
        err_is_terminal: false,
        style: Style::PLAIN,
    };
    let request = request(&args, "why?".to_owned()).unwrap();
    let ended = ask(
        Deck::new(scripted).chat(request),
        &args,
        &mut screen,
        cancelled,
    )
    .await;
    let code = match &ended {
        Ok(()) => 0,
        Err(failure) => {
            failure.report(&mut err, Style::PLAIN).unwrap();
            failure.exit_code()
        }
    };
    let asked = asked.lock().clone();
    Ended {
        out: String::from_utf8(out).unwrap(),
        err: String::from_utf8(err).unwrap(),
        code,
        asked,
    }
}

#[tokio::test]
async fn an_answer_streams_to_stdout_and_ends_its_line() {
    let ended = chat(
        &["why?"],
        vec![Ok(text("be")), Ok(text("cause")), Ok(done("because"))],
        pending(),
    )
    .await;
    assert_eq!(
        (ended.out.as_str(), ended.err.as_str(), ended.code),
        ("because\n", "", 0)
    );
}

#[tokio::test]
async fn a_failure_keeps_what_came_and_gives_its_kind_as_exit_code() {
    let failed = Error::new(ErrorKind::TimeoutIdle, "silence").with_instance("east".into());
    let ended = chat(&["why?"], vec![Ok(text("bec")), Err(failed)], pending()).await;
    assert_eq!(ended.out, "bec\n");
    assert!(
        ended
            .err
            .starts_with("error: east: stream fell silent: silence\nhint: ")
    );
    assert_eq!(ended.code, 21);
}

#[tokio::test]
async fn a_stream_that_just_ends_is_no_success() {
    let args = typed(&["why?"]);
    let deck = Deck::new(Scripted::default());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut screen = Screen {
        out: &mut out,
        out_is_terminal: false,
        err: &mut err,
        err_is_terminal: false,
        style: Style::PLAIN,
    };
    let request = request(&args, String::new()).unwrap();
    let failure = ask(deck.chat(request), &args, &mut screen, pending())
        .await
        .unwrap_err();
    assert_eq!(failure.exit_code(), ErrorKind::Protocol.exit_code());
}

#[tokio::test]
async fn json_is_one_object_with_the_times() {
    let ended = chat(
        &["why?", "--json"],
        vec![Ok(text("because")), Ok(done("because"))],
        pending(),
    )
    .await;
    let object: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(object["text"], "because");
    assert_eq!(object["finish_reason"], "stop");
    assert_eq!(object["error"], Value::Null);
    assert_eq!(object["instance"], "east");
    assert_eq!(object["time_to_first_token_ms"], 250.0);
    assert_eq!(object["total_ms"], 1500.25);
    assert_eq!(ended.code, 0);
}

#[tokio::test]
async fn json_tells_a_failure_in_the_object_and_nowhere_else() {
    let failed = Error::new(ErrorKind::Auth, "no")
        .with_instance("east".into())
        .with_status(401);
    let ended = chat(&["why?", "--json"], vec![Err(failed)], pending()).await;
    let object: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(object["error"]["kind"], "auth");
    assert_eq!(object["error"]["status"], 401);
    assert_eq!(object["instance"], "east");
    assert_eq!((ended.err.as_str(), ended.code), ("", 10));
}

#[tokio::test]
async fn ctrl_c_ends_an_answer_that_hangs() {
    let ended = chat(&["why?"], vec![], ready(())).await;
    assert_eq!((ended.err.as_str(), ended.code), ("cancelled\n", 130));
}

#[tokio::test]
async fn what_was_typed_becomes_the_request() {
    let arguments = [
        "why?",
        "--system",
        "be brief",
        "--model",
        "m",
        "--type",
        "ollama",
        "--no-stream",
        "--max-tokens",
        "9",
        "--temperature",
        "0.5",
    ];
    let ended = chat(&arguments, vec![Ok(done(""))], pending()).await;
    let request = &ended.asked[0];
    let said: Vec<(Role, String)> = request
        .messages
        .iter()
        .map(|message| (message.role, message.content.to_text()))
        .collect();
    assert_eq!(
        said,
        [
            (Role::System, "be brief".to_owned()),
            (Role::User, "why?".to_owned())
        ]
    );
    assert_eq!(
        request.target,
        Target::Type(crate::base::ProviderType::Ollama)
    );
    assert_eq!(request.model.as_deref(), Some("m"));
    assert_eq!(
        (request.max_tokens, request.temperature, request.stream),
        (Some(9), Some(0.5), false)
    );
}

#[test]
fn an_unknown_type_lists_the_known_ones() {
    let error = request(&typed(&["x", "--type", "opnai"]), "x".to_owned()).unwrap_err();
    assert!(error.message().contains("openai, ollama, zhipuai"));
}
