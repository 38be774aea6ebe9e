//! The protocols in which callers may ask a server of ours; one provider type may have several.

use bytes::Bytes;
use serde_json::Value;

use super::{Encoder, decode_request, error};
use crate::base::{ChatRequest, Chunk, Error, ErrorKind, ProviderType};

/// A protocol that callers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Front {
    /// OpenAI's `/v1/chat/completions`.
    OpenAi,
    /// Ollama's `/api/chat`.
    Ollama,
    /// Zhipu's `/api/paas/v4/chat/completions`.
    ZhipuAi,
}

impl Front {
    /// Every front.
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::Ollama, Self::ZhipuAi];

    /// Returns the type of the instances that speak the very same protocol.
    pub const fn same(self) -> Option<ProviderType> {
        match self {
            Self::OpenAi => Some(ProviderType::OpenAi),
            Self::Ollama => Some(ProviderType::Ollama),
            Self::ZhipuAi => Some(ProviderType::ZhipuAi),
        }
    }

    /// Returns the type whose shapes of errors it uses.
    const fn shape(self) -> ProviderType {
        match self {
            Self::OpenAi => ProviderType::OpenAi,
            Self::Ollama => ProviderType::Ollama,
            Self::ZhipuAi => ProviderType::ZhipuAi,
        }
    }

    /// Reads the body of a request.
    ///
    /// # Errors
    /// `invalid_request`, naming the field and the rule.
    pub fn decode(self, body: &[u8]) -> Result<ChatRequest, Error> {
        decode_request(self.shape(), body)
    }

    /// Makes the body of an error.
    pub fn error_body(self, kind: ErrorKind, message: &str, code: Option<&str>) -> Value {
        error::error_body(self.shape(), kind, message, code)
    }
}

/// Says an answer in the words of a front, in frames or whole.
pub struct Speaker(Encoder);

/// What a [`Speaker`] must know of the answer before its first piece.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// The id that the answer gets.
    pub id: &'a str,
    /// The model that it is said to come from.
    pub model: &'a str,
    /// When it began, in seconds of Unix time.
    pub created_unix: u64,
    /// Whether it goes out in frames.
    pub streaming: bool,
    /// Whether an OpenAI client asked for usage in its stream.
    pub include_usage: bool,
}

impl Speaker {
    /// Begins an answer.
    pub fn new(front: Front, about: &About<'_>) -> Self {
        Self(Encoder::new(
            front.shape(),
            about.id,
            about.model,
            about.created_unix,
            about.streaming,
            about.include_usage,
        ))
    }

    /// Returns the `Content-Type` of the answer.
    pub fn content_type(&self) -> &'static str {
        self.0.content_type()
    }

    /// Takes a piece, and gives the frames to send now; `None` when it is kept, or means nothing on the wire.
    pub fn chunk(&mut self, chunk: &Chunk) -> Option<Bytes> {
        self.0.chunk(chunk)
    }

    /// Gives the rest: the frames that end a stream, or the whole document.
    pub fn finish(&mut self) -> Bytes {
        self.0.finish()
    }

    /// Gives what tells a client that the answer failed after its status was sent. Nothing follows it.
    pub fn error(&self, kind: ErrorKind, message: &str, code: Option<&str>) -> Bytes {
        self.0.error(kind, message, code)
    }
}
