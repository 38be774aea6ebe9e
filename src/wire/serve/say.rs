//! Answers in the words of every front: frames as pieces come, or one document at the end.

mod anthropic;
mod prompt;
mod responses;

use bytes::Bytes;
use serde_json::Value;

use super::events::KEEP_ALIVE;
use super::{Encoder, Front};
use crate::base::{Chunk, ErrorKind};

/// What must be known of an answer before its first piece.
#[derive(Clone, Debug)]
pub struct About {
    /// The id that the answer gets.
    pub id: String,
    /// The model that it is said to come from.
    pub model: String,
    /// When it began, in seconds of Unix time.
    pub created_unix: u64,
    /// Whether it goes out in frames.
    pub streaming: bool,
    /// Whether an OpenAI client asked for usage in its stream (the others always get it).
    pub include_usage: bool,
}

/// Says one answer in the words of a front.
pub struct Speaker {
    front: Front,
    streaming: bool,
    kind: Kind,
}

/// Who makes the frames.
enum Kind {
    Chat(Encoder),
    Prompt(prompt::Prompt),
    Anthropic(Box<anthropic::Anthropic>),
    Responses(Box<responses::Responses>),
}

impl Speaker {
    /// Begins an answer.
    pub fn new(front: Front, about: About) -> Self {
        let streaming = about.streaming;
        let kind = match front {
            Front::OpenAi | Front::Ollama | Front::ZhipuAi => Kind::Chat(Encoder::new(
                front.family(),
                &about.id,
                &about.model,
                about.created_unix,
                about.streaming,
                about.include_usage,
            )),
            Front::Completions | Front::Generate => Kind::Prompt(prompt::Prompt::new(front, about)),
            Front::Anthropic => Kind::Anthropic(Box::new(anthropic::Anthropic::new(about))),
            Front::Responses => Kind::Responses(Box::new(responses::Responses::new(about))),
        };
        Self {
            front,
            streaming,
            kind,
        }
    }

    /// Returns the `Content-Type` of the answer.
    pub fn content_type(&self) -> &'static str {
        match (self.streaming, self.front) {
            (false, _) => "application/json",
            (true, Front::Ollama | Front::Generate) => "application/x-ndjson",
            (true, _) => "text/event-stream",
        }
    }

    /// Takes a piece, and gives the frames to send now; `None` when it is kept, or means nothing on the wire.
    pub fn chunk(&mut self, chunk: &Chunk) -> Option<Bytes> {
        match &mut self.kind {
            Kind::Chat(encoder) => encoder.chunk(chunk),
            Kind::Prompt(prompt) => prompt.chunk(chunk),
            Kind::Anthropic(anthropic) => anthropic.chunk(chunk),
            Kind::Responses(responses) => responses.chunk(chunk),
        }
    }

    /// Gives a frame that says nothing but that the answer is still to come. Ollama's clients fail on blank lines and know
    /// no comments, so they get a piece without text.
    pub fn keep_alive(&self) -> Bytes {
        match &self.kind {
            _ if !self.streaming => Bytes::new(),
            Kind::Chat(encoder) => encoder.keep_alive(),
            Kind::Prompt(prompt) => prompt.keep_alive(),
            Kind::Anthropic(_) | Kind::Responses(_) => Bytes::from_static(KEEP_ALIVE),
        }
    }

    /// Gives the rest: the frames that end a stream, or the whole document.
    pub fn finish(&mut self) -> Bytes {
        match &mut self.kind {
            Kind::Chat(encoder) => encoder.finish(),
            Kind::Prompt(prompt) => prompt.finish(),
            Kind::Anthropic(anthropic) => anthropic.finish(),
            Kind::Responses(responses) => responses.finish(),
        }
    }

    /// Gives what tells a client that the answer failed after its status was sent. Nothing follows it.
    pub fn error(&mut self, kind: ErrorKind, message: &str, code: Option<&str>) -> Bytes {
        let body = self.front.error_body(kind, message, code);
        match (&mut self.kind, self.streaming) {
            (_, false) => body.to_string().into(),
            (Kind::Chat(encoder), true) => encoder.error(kind, message, code),
            (Kind::Prompt(_), true) if self.front == Front::Generate => format!("{body}\n").into(),
            (Kind::Prompt(_), true) => format!("data: {body}\n\n").into(),
            (Kind::Anthropic(_), true) => event("error", &body).into(),
            (Kind::Responses(responses), true) => responses.error(&body),
        }
    }
}

/// Makes one named event.
fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}
