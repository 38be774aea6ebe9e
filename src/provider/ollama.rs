//! Ollama's native protocol: local, mostly without a key, slow to its first token while it loads a model.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::base::{BaseLlmGeneration, Habits};
use super::{Http, LlmModelStrategy, Settings};
use crate::base::{ChatRequest, ChatStream, Error, Loaded, ProviderType};

pub(super) const HABITS: Habits = Habits {
    base_url: "http://127.0.0.1:11434",
    max_tokens_fields: &[],
};

/// An upstream that speaks Ollama's protocol.
pub(super) struct Ollama(BaseLlmGeneration);

impl Ollama {
    pub(super) fn new(settings: Settings, http: &Http) -> Result<Self, Error> {
        BaseLlmGeneration::new(settings, http, HABITS).map(Self)
    }
}

impl LlmModelStrategy for Ollama {
    fn provider_type(&self) -> ProviderType {
        self.0.provider_type()
    }

    fn stream(&self, request: &ChatRequest) -> ChatStream {
        self.0.stream(request)
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        self.0.models().boxed()
    }

    fn loaded(&self) -> BoxFuture<'_, Result<Vec<Loaded>, Error>> {
        self.0.loaded().boxed()
    }

    fn fingerprint(&self) -> Option<u64> {
        Some(self.0.fingerprint())
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.0.reach("/api/version").boxed()
    }
}
