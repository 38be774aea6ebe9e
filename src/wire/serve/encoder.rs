//! An answer goes out: as a stream of frames, or whole at its end.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{error_body, events, lines};
use crate::base::{Answer, Chunk, ErrorKind, ProviderType};

/// Turns the pieces of one answer into what is sent, in one protocol.
///
/// Call [`Encoder::finish`] only after a proper end; a failure in the middle is told by [`Encoder::error`], after
/// which the body just ends.
pub struct Encoder {
    pub(super) provider_type: ProviderType,
    pub(super) id: String,
    pub(super) model: String,
    pub(super) created_unix: u64,
    pub(super) include_usage: bool,
    /// Whether the first frame, which names the role, has been made.
    pub(super) has_begun: bool,
    /// The tool calls whose first piece, which names them, has been made.
    pub(super) announced: BTreeSet<usize>,
    /// What must wait for the end: everything, or just usage, timings and finish reason of a stream.
    pub(super) kept: Answer,
    streaming: bool,
}

impl Encoder {
    /// Begins an answer. `created_unix` is in seconds; `include_usage` says whether an OpenAI client asked for usage
    /// in its stream (the others always get it).
    pub fn new(
        provider_type: ProviderType,
        id: &str,
        model: &str,
        created_unix: u64,
        streaming: bool,
        include_usage: bool,
    ) -> Self {
        Self {
            provider_type,
            id: id.to_owned(),
            model: model.to_owned(),
            created_unix,
            include_usage,
            has_begun: false,
            announced: BTreeSet::new(),
            kept: Answer::default(),
            streaming,
        }
    }

    /// Returns the `Content-Type` of the answer.
    pub fn content_type(&self) -> &'static str {
        match (self.streaming, self.provider_type) {
            (false, _) => "application/json",
            (true, ProviderType::OpenAi | ProviderType::ZhipuAi) => "text/event-stream",
            (true, ProviderType::Ollama) => "application/x-ndjson",
        }
    }

    /// Takes a piece, and gives the frames to send now; `None` when it is kept, or means nothing on the wire.
    pub fn chunk(&mut self, chunk: &Chunk) -> Option<Bytes> {
        if !self.streaming {
            if !matches!(chunk, Chunk::Done(_)) {
                self.kept.push(chunk);
            }
            return None;
        }
        if matches!(
            chunk,
            Chunk::Usage(_) | Chunk::Timings(_) | Chunk::Finish { .. }
        ) {
            self.kept.push(chunk);
            return None;
        }
        let frames = match self.provider_type {
            ProviderType::OpenAi | ProviderType::ZhipuAi => events::chunk(self, chunk),
            ProviderType::Ollama => lines::chunk(self, chunk),
        };
        (!frames.is_empty()).then(|| frames.into())
    }

    /// Gives a frame that says nothing but that the answer is still to come.
    pub fn keep_alive(&self) -> Bytes {
        match (self.streaming, self.provider_type) {
            (false, _) => Bytes::new(),
            (true, ProviderType::OpenAi | ProviderType::ZhipuAi) => {
                Bytes::from_static(events::KEEP_ALIVE)
            }
            (true, ProviderType::Ollama) => lines::keep_alive(self).into(),
        }
    }

    /// Gives the rest: the frames that end a stream, or the whole document.
    pub fn finish(&mut self) -> Bytes {
        let sent = match (self.provider_type, self.streaming) {
            (ProviderType::OpenAi | ProviderType::ZhipuAi, true) => events::finish(self),
            (ProviderType::OpenAi | ProviderType::ZhipuAi, false) => events::whole(self),
            (ProviderType::Ollama, true) => lines::finish(self),
            (ProviderType::Ollama, false) => lines::whole(self),
        };
        sent.into()
    }

    /// Gives what tells a client that the answer failed after its status was sent. Nothing follows it.
    pub fn error(&self, kind: ErrorKind, message: &str, code: Option<&str>) -> Bytes {
        let body = error_body(self.provider_type, kind, message, code);
        let frame = match (self.streaming, self.provider_type) {
            (false, _) => body.to_string(),
            (true, ProviderType::OpenAi | ProviderType::ZhipuAi) => format!("data: {body}\n\n"),
            (true, ProviderType::Ollama) => format!("{body}\n"),
        };
        frame.into()
    }
}
