//! OpenAI's chat completions, and every server compatible with it.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::base::{BaseLlmGeneration, Habits};
use super::{Http, LlmModelStrategy, Settings};
use crate::base::{ChatRequest, ChatStream, Error, ErrorKind, ProviderType};
use crate::wire;

/// OpenAI itself knows only the newer name of the field; most compatible servers only the older one.
pub(super) const HABITS: Habits = Habits {
    base_url: "https://api.openai.com/v1",
    max_tokens_fields: &[("api.openai.com", "max_completion_tokens")],
};

/// An upstream that speaks OpenAI's protocol.
pub(super) struct OpenAi(BaseLlmGeneration);

impl OpenAi {
    pub(super) fn new(settings: Settings, http: &Http) -> Result<Self, Error> {
        BaseLlmGeneration::new(settings, http, HABITS).map(Self)
    }
}

impl LlmModelStrategy for OpenAi {
    fn provider_type(&self) -> ProviderType {
        self.0.provider_type()
    }

    fn stream(&self, request: &ChatRequest) -> ChatStream {
        self.0.stream(request)
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        self.0.models().boxed()
    }

    fn fingerprint(&self) -> Option<u64> {
        Some(self.0.fingerprint())
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        probe_by_models(&self.0).boxed()
    }
}

/// Asks for the models. A server without such a list is there all the same.
pub(super) async fn probe_by_models(base: &BaseLlmGeneration) -> Result<(), Error> {
    match base.reach(wire::models_path(base.provider_type())).await {
        Err(error) if has_no_list(&error) => Ok(()),
        outcome => outcome,
    }
}

fn has_no_list(error: &Error) -> bool {
    matches!(error.status(), Some(404 | 405 | 501))
        && matches!(
            error.kind(),
            ErrorKind::InvalidRequest | ErrorKind::NotFoundModel
        )
}
