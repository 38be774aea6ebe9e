//! The whole answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Attempt, FinishReason, InstanceName, ProviderType, RequestId, ToolCall, Usage};

/// A whole answer and how it came about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LlmResponse {
    /// The visible text.
    pub text: String,
    /// The reasoning text, empty when there was none.
    pub reasoning: String,
    /// The refusal, empty when there was none.
    pub refusal: String,
    /// The tool calls, in order.
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended; `None` when it did not end properly.
    pub finish_reason: Option<FinishReason>,
    /// The server's own word for that.
    pub finish_raw: Option<String>,
    /// Token counts, when the provider gave any.
    pub usage: Option<Usage>,
    /// What it cost in US dollars; `None` when the price or the token counts are not known.
    pub cost: Option<f64>,
    /// The server's own timings, when it gave any.
    pub timings: Option<Value>,
    /// The request's number.
    pub request_id: Option<RequestId>,
    /// The instance that answered.
    pub instance: Option<InstanceName>,
    /// Its provider type.
    pub provider_type: Option<ProviderType>,
    /// The model that was asked.
    pub model: Option<String>,
    /// Time spent waiting for a permit.
    pub queued: Duration,
    /// From the call to the first token; `None` when none came.
    pub time_to_first_token: Option<Duration>,
    /// From the call to the end.
    pub total_time: Duration,
    /// Every attempt in order, the successful one last.
    pub attempts: Vec<Attempt>,
    /// Fields nobody thought of.
    pub extra: Map<String, Value>,
}

impl LlmResponse {
    /// Returns output tokens per second after the first token, or `None` when that means nothing: fewer than
    /// ten tokens, an unknown count, or an answer that came in one piece (under 100 ms after its first token).
    pub fn tokens_per_second(&self) -> Option<f64> {
        const FEWEST_TOKENS: u64 = 10;
        const SHORTEST: Duration = Duration::from_millis(100);
        let tokens = self.usage?.completion_tokens?;
        let streaming = self.total_time.checked_sub(self.time_to_first_token?)?;
        (tokens >= FEWEST_TOKENS && streaming >= SHORTEST)
            .then(|| (tokens - 1) as f64 / streaming.as_secs_f64())
    }
}
