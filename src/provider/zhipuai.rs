//! Zhipu's (Z.ai's) `/api/paas/v4`: OpenAI's protocol with habits of its own, which `wire` knows.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::base::{BaseLlmGeneration, Habits};
use super::openai::probe_by_models;
use super::{Http, LlmModelStrategy, Settings};
use crate::base::{ChatRequest, ChatStream, Error, ProviderType};

pub(super) const HABITS: Habits = Habits {
    base_url: "https://open.bigmodel.cn/api/paas/v4",
    max_tokens_fields: &[],
};

/// An upstream that speaks Zhipu's protocol.
pub(super) struct ZhipuAi(BaseLlmGeneration);

impl ZhipuAi {
    pub(super) fn new(settings: Settings, http: &Http) -> Result<Self, Error> {
        BaseLlmGeneration::new(settings, http, HABITS).map(Self)
    }
}

impl LlmModelStrategy for ZhipuAi {
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
