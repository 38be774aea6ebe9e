//! The pieces in which an answer arrives.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Attempt, Error, InstanceName, LlmResponse, ProviderType, RequestId, Usage};

/// A streaming answer. Dropping it cancels the request and closes the upstream connection.
///
/// The driver's streams end in exactly one of: `Ok(Chunk::Done(_))`, or one `Err`. Nothing follows either.
/// A provider's own stream has no `Done`; it simply ends after `Finish`, or with one `Err`.
pub type ChatStream = Pin<Box<dyn Stream<Item = Result<Chunk, Error>> + Send>>;

/// One piece of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chunk {
    /// The upstream's response headers have come (from the provider). Not yet a token.
    Head(Box<ResponseHead>),
    /// An attempt failed before its first token, and another will be made (from the driver).
    Retry(Box<Attempt>),
    /// The first token is about to follow; names who answers (from the driver, once). From here no retry.
    Started(Box<Started>),
    /// Visible text.
    Text(String),
    /// Reasoning text.
    Reasoning(String),
    /// A refusal, where the protocol sends it apart from the text.
    Refusal(String),
    /// A piece of a tool call.
    ToolCall(ToolCallDelta),
    /// Frames of the upstream as they came, for a caller of its own protocol. What is in them is not told again as
    /// text, but usage and the finish reason are.
    #[serde(skip)]
    Frames(Frames),
    /// Token counts; the last one counts, never the sum.
    Usage(Usage),
    /// The server's own timings (llama.cpp, Ollama), as they came.
    Timings(Value),
    /// A comment or other sign of life without content.
    KeepAlive,
    /// The answer is over; usage may still follow.
    Finish {
        /// The unified reason.
        reason: FinishReason,
        /// The server's own word; `None` when it gave none.
        raw: Option<String>,
    },
    /// The whole answer with its times and attempts (from the driver, last).
    Done(Box<LlmResponse>),
}

impl Chunk {
    /// Tells whether this piece is output: what makes a first token, and what must never be sent twice.
    pub fn is_output(&self) -> bool {
        match self {
            Self::Text(text) | Self::Reasoning(text) | Self::Refusal(text) => !text.is_empty(),
            Self::ToolCall(_) => true,
            Self::Frames(frames) => frames.tokens > 0,
            Self::Head(_)
            | Self::Retry(_)
            | Self::Started(_)
            | Self::Usage(_)
            | Self::Timings(_)
            | Self::KeepAlive
            | Self::Finish { .. }
            | Self::Done(_) => false,
        }
    }
}

/// Whole frames of an answer, or a whole answer, as the upstream sent them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames {
    /// The bytes; they begin and end between two frames.
    pub bytes: Bytes,
    /// About how many tokens of output are in them.
    pub tokens: u32,
}

/// What the upstream's response headers said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResponseHead {
    /// The upstream's own request id, for its support.
    pub upstream_request_id: Option<String>,
    /// From sending the request to the headers.
    pub after: Duration,
    /// The upstream's view of its limits.
    pub rate_limits: RateLimits,
}

/// An upstream's rate-limit headers. `None` where it did not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimits {
    /// Requests per window.
    pub limit_requests: Option<u64>,
    /// Requests left in the window.
    pub remaining_requests: Option<u64>,
    /// Until the request count is full again.
    pub reset_requests: Option<Duration>,
    /// Tokens per window.
    pub limit_tokens: Option<u64>,
    /// Tokens left in the window.
    pub remaining_tokens: Option<u64>,
    /// Until the token count is full again.
    pub reset_tokens: Option<Duration>,
}

/// Who answers, and how long it took until the first token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The request's number.
    pub request_id: RequestId,
    /// The instance that answers.
    pub instance: InstanceName,
    /// Its provider type.
    pub provider_type: ProviderType,
    /// The model that was asked for, as sent to the instance.
    pub model: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Time spent in the queue, all attempts together.
    pub queued: Duration,
    /// From the caller's call to the first token.
    pub time_to_first_token: Duration,
}

/// A piece of a tool call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCallDelta {
    /// Which call of this answer, from 0, in the order of their first pieces.
    pub index: usize,
    /// The call's id, once known.
    pub id: Option<String>,
    /// The tool's name, once known.
    pub name: Option<String>,
    /// More of the arguments: text to append, or a whole object.
    pub arguments: Option<super::ToolArguments>,
}

/// Why an answer ended, unified over all protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model was done.
    Stop,
    /// A token limit was reached.
    Length,
    /// The model calls tools.
    ToolCalls,
    /// Moderation stopped it.
    ContentFilter,
    /// A pause that the caller may continue (Anthropic).
    Pause,
    /// Ollama loaded the model and had nothing to say.
    Load,
    /// Ollama unloaded the model.
    Unload,
    /// The server failed and said so as a finish reason.
    Error,
    /// A word that is not known here.
    Other,
    /// The stream ended properly but gave no reason.
    Unknown,
}

impl FinishReason {
    /// Returns the word used in JSON, logs and on the screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Pause => "pause",
            Self::Load => "load",
            Self::Unload => "unload",
            Self::Error => "error",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}
