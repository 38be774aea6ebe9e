//! What the driver says of a request when it ends. There is exactly one for each request; monitor, traces, request log
//! and faces read the same one.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Attempt, ErrorKind, FinishReason, InstanceName, Outcome, ProviderType, RequestId, RouteName,
    Target, Usage,
};

/// One ended request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Its number, unique while the driver runs.
    pub request: RequestId,
    /// When it was called, by the wall clock.
    pub called_at: Timestamp,
    /// Who asked (a key's name).
    pub caller: Option<String>,
    /// The conversation it belongs to.
    pub conversation: Option<String>,
    /// The W3C `traceparent` that came with it.
    pub traceparent: Option<String>,
    /// The W3C `tracestate` that came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
    /// Which instances might answer.
    pub target: Target,
    /// The instance that answered, or was asked last; `None` when none was asked.
    pub instance: Option<InstanceName>,
    /// That instance's provider type.
    pub provider_type: Option<ProviderType>,
    /// The route it was for.
    pub route: Option<RouteName>,
    /// The model that was asked, or was wanted when none was asked.
    pub model: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Time in the queue, over all attempts.
    pub queued: Duration,
    /// From the call to the first token; `None` when none came.
    pub time_to_first_token: Option<Duration>,
    /// Mean time between tokens after the first; `None` with fewer than two.
    pub time_between_tokens: Option<Duration>,
    /// From the call to the end.
    pub total: Duration,
    /// Every attempt in order.
    pub attempts: Vec<Attempt>,
    /// Attempts after the first, at the same instance.
    pub retries: u32,
    /// Attempts after the first, at another instance.
    pub failovers: u32,
    /// Attempts made beside a slow one.
    pub hedges: u32,
    /// Token counts, when the provider gave any.
    pub usage: Option<Usage>,
    /// Why the answer ended, when one did.
    pub finish_reason: Option<FinishReason>,
    /// What it cost in the currency of the price list; `None` when the price is not known.
    pub cost: Option<f64>,
    /// What went wrong, when it failed.
    pub error: Option<(ErrorKind, String)>,
    /// The messages of the request as JSON, where a setting wants them in the request log. They never go over a line.
    #[serde(skip)]
    pub prompt: Option<Arc<str>>,
}

impl Sample {
    /// Makes the sample of a request that ended like this and of which nothing else is known.
    pub fn new(request: RequestId, outcome: Outcome, total: Duration) -> Self {
        Self {
            request,
            called_at: Timestamp::UNIX_EPOCH,
            caller: None,
            conversation: None,
            traceparent: None,
            tracestate: None,
            target: Target::Any,
            instance: None,
            provider_type: None,
            route: None,
            model: None,
            outcome,
            queued: Duration::ZERO,
            time_to_first_token: None,
            time_between_tokens: None,
            total,
            attempts: Vec::new(),
            retries: 0,
            failovers: 0,
            hedges: 0,
            usage: None,
            finish_reason: None,
            cost: None,
            error: None,
            prompt: None,
        }
    }
}
