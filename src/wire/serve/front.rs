//! The protocols in which callers may ask a server of ours, and what differs between them.

use serde_json::{Value, json};

use super::{ask, error, error_status};
use crate::base::{ChatRequest, Error, ErrorKind, ProviderType};

/// A protocol that callers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Front {
    /// OpenAI's `/v1/chat/completions`.
    OpenAi,
    /// OpenAI's old `/v1/completions`: a prompt instead of messages.
    Completions,
    /// OpenAI's `/v1/responses`.
    Responses,
    /// Ollama's `/api/chat`.
    Ollama,
    /// Ollama's `/api/generate`: a prompt instead of messages.
    Generate,
    /// Zhipu's `/api/paas/v4/chat/completions`.
    ZhipuAi,
    /// Anthropic's `/v1/messages`.
    Anthropic,
}

impl Front {
    /// Every front.
    pub const ALL: [Self; 7] = [
        Self::OpenAi,
        Self::Completions,
        Self::Responses,
        Self::Ollama,
        Self::Generate,
        Self::ZhipuAi,
        Self::Anthropic,
    ];

    /// Returns the type of the instances that take a request of this front as it is.
    pub const fn same(self) -> Option<ProviderType> {
        match self {
            Self::OpenAi => Some(ProviderType::OpenAi),
            Self::Ollama => Some(ProviderType::Ollama),
            Self::ZhipuAi => Some(ProviderType::ZhipuAi),
            Self::Completions | Self::Responses | Self::Generate | Self::Anthropic => None,
        }
    }

    /// Returns the type whose lists and errors look like this front's; Anthropic's errors are its own.
    pub const fn family(self) -> ProviderType {
        match self {
            Self::OpenAi | Self::Completions | Self::Responses | Self::Anthropic => {
                ProviderType::OpenAi
            }
            Self::Ollama | Self::Generate => ProviderType::Ollama,
            Self::ZhipuAi => ProviderType::ZhipuAi,
        }
    }

    /// Returns the word for it in logs and keys' lists of what is allowed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Ollama => "ollama",
            Self::Generate => "generate",
            Self::ZhipuAi => "zhipuai",
            Self::Anthropic => "anthropic",
        }
    }

    /// Reads the body of a request. What other protocols know under another name is under OpenAI's afterwards, so
    /// that an instance of any type can be asked; fields that nobody knows stay in `extra`.
    ///
    /// # Errors
    /// `invalid_request`, naming the field and the rule, or what cannot be translated.
    pub fn decode(self, body: &[u8]) -> Result<ChatRequest, Error> {
        match self {
            Self::OpenAi => ask::openai(body),
            Self::Completions => ask::completions(body),
            Self::Responses => ask::responses(body),
            Self::Ollama => ask::ollama(body),
            Self::Generate => ask::generate(body),
            Self::ZhipuAi => ask::zhipuai(body),
            Self::Anthropic => ask::anthropic(body),
        }
    }

    /// Makes the body of an error. `code` replaces the usual code of the kind.
    pub fn error_body(self, kind: ErrorKind, message: &str, code: Option<&str>) -> Value {
        match self {
            Self::Anthropic => json!({
                "type": "error",
                "error": {"type": anthropic_word(kind), "message": message},
            }),
            front => error::error_body(front.family(), kind, message, code),
        }
    }
}

/// Returns Anthropic's word for a kind of error.
fn anthropic_word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::QuotaExhausted => "rate_limit_error",
        kind => match error_status(kind) {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            503 => "overloaded_error",
            504 => "timeout_error",
            400 | 499 => "invalid_request_error",
            _ => "api_error",
        },
    }
}
