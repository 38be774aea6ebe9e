//! Providers: a chat becomes a stream. One strategy a provider type, over real HTTP.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::base::{ChatRequest, ChatStream, Error, InstanceName, Loaded, ProviderType};

mod address;
mod answered;
mod auth;
mod base;
mod call;
mod connects;
mod fault;
mod fingerprint;
mod hint;
mod http;
mod ollama;
mod openai;
mod plain;
mod proxy;
mod reader;
#[cfg(test)]
mod tests;
mod zhipuai;

pub use address::ollama_base_url;
pub use base::{BaseLlmGeneration, Habits};
pub use http::{Http, HttpSettings};
pub use proxy::Proxies;

/// What every provider type does; the design document's name for it.
///
/// An implementation sends exactly one upstream request per `stream`, never retries, and names its instance in
/// every error. Its stream does nothing until it is polled, and closes its connection when it is dropped.
pub trait LlmModelStrategy: Send + Sync {
    /// Tells which protocol it speaks.
    fn provider_type(&self) -> ProviderType;

    /// Asks for an answer. `request.model` is always set by the driver.
    fn stream(&self, request: &ChatRequest) -> ChatStream;

    /// Lists the models the upstream offers, by id.
    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Error>>;

    /// Lists the models that the upstream holds in memory now; nothing where the protocol cannot say.
    fn loaded(&self) -> BoxFuture<'_, Result<Vec<Loaded>, Error>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Returns a number that is another one when address, credentials or patience are; `None` when it cannot tell.
    /// It is made anew in each run of the program, and says nothing of what it is made of.
    fn fingerprint(&self) -> Option<u64> {
        None
    }

    /// Asks cheaply whether the upstream is there and takes the key; costs no tokens.
    fn probe(&self) -> BoxFuture<'_, Result<(), Error>>;
}

/// Makes the strategy of an instance; sends nothing.
///
/// # Errors
/// `config`, naming the instance, when URL, key, headers or `ca_file` are wrong.
pub fn build(settings: Settings, http: &Http) -> Result<Arc<dyn LlmModelStrategy>, Error> {
    Ok(match settings.provider_type {
        ProviderType::OpenAi => Arc::new(openai::OpenAi::new(settings, http)?),
        ProviderType::Ollama => Arc::new(ollama::Ollama::new(settings, http)?),
        ProviderType::ZhipuAi => Arc::new(zhipuai::ZhipuAi::new(settings, http)?),
    })
}

/// Returns the usual base URL of a provider type.
pub const fn default_base_url(provider_type: ProviderType) -> &'static str {
    match provider_type {
        ProviderType::OpenAi => openai::HABITS.base_url,
        ProviderType::Ollama => ollama::HABITS.base_url,
        ProviderType::ZhipuAi => zhipuai::HABITS.base_url,
    }
}

/// How an instance is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The instance's name, put into every error.
    pub name: InstanceName,
    /// The protocol it speaks.
    pub provider_type: ProviderType,
    /// Its base URL; `None` takes the type's usual one.
    pub base_url: Option<String>,
    /// Its key.
    pub key: Option<SecretString>,
    /// How the key is sent.
    pub auth: AuthForm,
    /// More request headers; values may be secret.
    pub headers: BTreeMap<String, SecretString>,
    /// A PEM file with certificate authorities to trust beside the usual ones.
    pub ca_file: Option<PathBuf>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// The name of the field for the most output tokens; `None` takes the type's usual one.
    pub max_tokens_field: Option<String>,
    /// The longest line accepted in a stream, in bytes.
    pub max_line: usize,
}

impl Settings {
    /// Makes settings with everything at its default.
    pub fn new(name: impl AsRef<str>, provider_type: ProviderType) -> Self {
        Self {
            name: InstanceName::new(name),
            provider_type,
            base_url: None,
            key: None,
            auth: AuthForm::default(),
            headers: BTreeMap::new(),
            ca_file: None,
            timeouts: Timeouts::default_for(provider_type),
            max_tokens_field: None,
            max_line: 32 << 20,
        }
    }

    /// Returns the base URL for people: the usual one filled in, without user, password and query.
    ///
    /// # Errors
    /// `config` when it is not a base URL.
    pub fn shown_base_url(&self) -> Result<String, Error> {
        let base_url = self.base_url.as_deref();
        let base_url = base_url.unwrap_or(default_base_url(self.provider_type));
        address::Address::parse(base_url, self.provider_type)
            .map(|address| address.shown())
            .map_err(|error| error.with_instance(self.name.clone()))
    }
}

/// How a key is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthForm {
    /// `Authorization: Bearer KEY`.
    #[default]
    Bearer,
    /// Zhipu's signed token, made from an `id.secret` key.
    Jwt,
    /// `api-key: KEY` (Azure).
    #[serde(rename = "api-key")]
    ApiKey,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// Until the connection stands, TLS included.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// From sending the request to the first output; comments do not count. A whole answer, which shows nothing
    /// until it is there, has only `total`.
    #[serde(with = "humantime_serde")]
    pub first_token: Duration,
    /// Between two signs of life after that; comments count.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// From sending the request to its end.
    #[serde(with = "humantime_serde")]
    pub total: Duration,
}

impl Timeouts {
    /// Returns the defaults of a provider type: a local loader may take minutes for its first token.
    pub const fn default_for(provider_type: ProviderType) -> Self {
        let (connect, first_token) = match provider_type {
            ProviderType::OpenAi => (5, 60),
            ProviderType::Ollama => (5, 300),
            ProviderType::ZhipuAi => (8, 60),
        };
        Self {
            connect: Duration::from_secs(connect),
            first_token: Duration::from_secs(first_token),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(600),
        }
    }
}
