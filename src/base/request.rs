//! What a caller asks for, in no provider's words.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{InstanceName, Message, ProviderType, RouteName};

/// Which instances may answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Any instance of the pool.
    #[default]
    Any,
    /// Any instance of one provider type.
    Type(ProviderType),
    /// The instances of a route.
    Route(RouteName),
    /// One instance and no other.
    Instance(InstanceName),
}

/// How urgent a request is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Somebody is waiting for the first word.
    #[default]
    Interactive,
    /// Nobody is; goes after everything interactive.
    Batch,
}

/// What is asked of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// An answer to a chat.
    #[default]
    Chat,
    /// Texts as vectors. The answer is one document, and comes as [`super::Chunk::Frames`].
    Embeddings,
}

/// A request's body as its caller wrote it, for instances that speak the caller's own protocol: they get it untouched
/// but for the model, and their answer comes back as [`super::Chunk::Frames`].
#[derive(Clone, PartialEq, Eq)]
pub struct RawBody {
    /// Who takes it as it is.
    pub provider_type: ProviderType,
    /// What is asked.
    pub endpoint: Endpoint,
    /// The members of the JSON object without the model: what stands between its braces.
    pub members: Bytes,
    /// Whether usage was asked of a stream for our own sake only, so that its frame is not passed on.
    pub hides_usage: bool,
    /// About how many tokens the prompt is, when the messages have not been read into the request.
    pub prompt_tokens: Option<u64>,
}

impl std::fmt::Debug for RawBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawBody")
            .field("provider_type", &self.provider_type)
            .field("endpoint", &self.endpoint)
            .field("bytes", &self.members.len())
            .finish_non_exhaustive()
    }
}

/// A chat to be answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatRequest {
    /// Which instances may answer.
    pub target: Target,
    /// The model; `None` takes the first model of the instance that answers.
    pub model: Option<String>,
    /// The messages in order.
    pub messages: Vec<Message>,
    /// Tools in OpenAI's shape, kept unread.
    pub tools: Vec<Value>,
    /// Which tool to use, in OpenAI's shape.
    pub tool_choice: Option<Value>,
    /// Upper bound of generated tokens.
    pub max_tokens: Option<u64>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Seed of the provider's sampler.
    pub seed: Option<i64>,
    /// Whether the provider is asked to stream; a whole answer comes as one piece otherwise.
    pub stream: bool,
    /// Fields nobody thought of; sent as they are.
    pub extra: Map<String, Value>,
    /// How urgent it is.
    pub priority: Priority,
    /// How long the caller waits for the first token, over all attempts; `None` takes the pool's setting.
    pub deadline: Option<Duration>,
    /// Who asks (a key's name); the queue is fair between callers.
    pub caller: Option<String>,
    /// The conversation it belongs to, for strategies that like warm caches.
    pub conversation: Option<String>,
    /// The W3C `traceparent` that came with it, passed on to the instance.
    pub traceparent: Option<String>,
    /// The W3C `tracestate` that came with it, passed on as it is; it means nothing without a `traceparent`.
    #[serde(default)]
    pub tracestate: Option<String>,
    /// Instances that must not answer this request.
    pub avoid: Vec<InstanceName>,
    /// The types of instances that can do what is asked; empty for all.
    pub types: Vec<ProviderType>,
    /// The body as the caller wrote it, where the caller speaks a provider type's own protocol.
    #[serde(skip)]
    pub raw: Option<Arc<RawBody>>,
}

impl ChatRequest {
    /// Makes a streaming request with these messages to any instance.
    pub fn new(messages: Vec<Message>) -> Self {
        Self {
            messages,
            stream: true,
            ..Self::default()
        }
    }

    /// Sets which instances may answer.
    #[must_use]
    pub fn with_target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// Sets the model.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Estimates the tokens of the prompt, for rate budgets only: 1 for 4 bytes of ASCII, 1 for each other
    /// character, 4 for each message. The real usage replaces it when the answer ends.
    pub fn estimated_prompt_tokens(&self) -> u64 {
        if let Some(raw) = &self.raw
            && self.messages.is_empty()
        {
            let by_length = raw.members.len() as u64 / 4;
            return raw.prompt_tokens.unwrap_or(by_length);
        }
        self.messages
            .iter()
            .map(|message| {
                let text = message.content.to_text();
                let ascii = text.bytes().filter(u8::is_ascii).count() as u64;
                let other = text.chars().filter(|c| !c.is_ascii()).count() as u64;
                4 + ascii.div_ceil(4) + other
            })
            .sum()
    }
}
