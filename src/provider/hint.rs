//! Hints that know the instance: better than what can be said without knowing it.

use super::base::Upstream;
use crate::base::{Error, ErrorKind, ProviderType};

/// Returns a better hint, for an error that still has its kind's general one or speaks of a wrong path.
pub(super) fn better_hint(upstream: &Upstream, error: &Error) -> Option<String> {
    if error.detail() == Some("endpoint_not_found") {
        return Some(wrong_path(upstream));
    }
    if error.hint() != error.kind().hint() {
        return None;
    }
    match error.kind() {
        ErrorKind::Auth if upstream.credentials.is_empty() => Some(format!(
            "instance {} has no key; give it one in the config or by its variable",
            upstream.name
        )),
        ErrorKind::Network if error.status() == Some(407) => Some(
            "put user and password into the proxy variable: http://user:password@host:port"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Guesses why the base URL has no API under it.
fn wrong_path(upstream: &Upstream) -> String {
    let shown = upstream.address.shown();
    let ends_in_v1 = shown.ends_with("/v1");
    match upstream.provider_type {
        ProviderType::OpenAi if !ends_in_v1 => {
            format!("most servers want /v1 at the end: base_url = \"{shown}/v1\"")
        }
        ProviderType::Ollama if ends_in_v1 => format!(
            "type ollama wants base_url without /v1: \"{}\"; with it, the type is openai",
            shown.trim_end_matches("/v1")
        ),
        ProviderType::OpenAi | ProviderType::Ollama | ProviderType::ZhipuAi => {
            format!("there is no such API below {shown}; check base_url and type")
        }
    }
}
