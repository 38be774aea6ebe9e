//! Errors as clients of each protocol know them.

use serde_json::{Value, json};

use crate::base::{ErrorKind, ProviderType};

/// Returns the HTTP status under which a kind of error is told to a client.
pub fn error_status(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::ContextLength | ErrorKind::ContentFilter => 400,
        ErrorKind::Auth => 401,
        ErrorKind::Permission => 403,
        ErrorKind::NotFoundModel => 404,
        ErrorKind::RateLimited | ErrorKind::QuotaExhausted => 429,
        ErrorKind::Cancelled => 499,
        ErrorKind::Server | ErrorKind::Config => 500,
        ErrorKind::Network | ErrorKind::Protocol => 502,
        ErrorKind::Overloaded | ErrorKind::QueueFull | ErrorKind::NoInstance => 503,
        ErrorKind::TimeoutConnect
        | ErrorKind::TimeoutFirstToken
        | ErrorKind::TimeoutIdle
        | ErrorKind::Deadline => 504,
    }
}

/// Makes the body of an error answer in the protocol's own shape. `code` replaces the usual code of the kind.
pub fn error_body(
    provider_type: ProviderType,
    kind: ErrorKind,
    message: &str,
    code: Option<&str>,
) -> Value {
    match provider_type {
        ProviderType::OpenAi => {
            let (class, usual) = openai_words(kind);
            json!({"error": {
                "message": message,
                "type": class,
                "param": null,
                "code": code.or(usual),
            }})
        }
        ProviderType::Ollama => json!({ "error": message }),
        ProviderType::ZhipuAi => {
            let code = code.unwrap_or_else(|| zhipu_code(kind));
            json!({"error": {"code": code, "message": message}})
        }
    }
}

/// Type and code.
fn openai_words(kind: ErrorKind) -> (&'static str, Option<&'static str>) {
    match kind {
        ErrorKind::Auth => ("invalid_request_error", Some("invalid_api_key")),
        ErrorKind::Permission => ("permission_error", Some("permission_denied")),
        ErrorKind::QuotaExhausted => ("insufficient_quota", Some("insufficient_quota")),
        ErrorKind::RateLimited => ("requests", Some("rate_limit_exceeded")),
        ErrorKind::Overloaded | ErrorKind::QueueFull | ErrorKind::NoInstance => {
            ("service_unavailable_error", Some("server_is_overloaded"))
        }
        ErrorKind::InvalidRequest => ("invalid_request_error", None),
        ErrorKind::ContextLength => ("invalid_request_error", Some("context_length_exceeded")),
        ErrorKind::ContentFilter => ("invalid_request_error", Some("content_filter")),
        ErrorKind::NotFoundModel => ("invalid_request_error", Some("model_not_found")),
        ErrorKind::TimeoutConnect
        | ErrorKind::TimeoutFirstToken
        | ErrorKind::TimeoutIdle
        | ErrorKind::Deadline => ("timeout_error", Some("timeout")),
        ErrorKind::Network | ErrorKind::Protocol => ("upstream_error", Some("bad_gateway")),
        ErrorKind::Server | ErrorKind::Config => ("server_error", None),
        ErrorKind::Cancelled => ("cancelled", None),
    }
}

/// The business code that says the same.
fn zhipu_code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Auth => "1000",
        ErrorKind::Permission => "1220",
        ErrorKind::QuotaExhausted => "1113",
        ErrorKind::RateLimited => "1302",
        ErrorKind::Overloaded | ErrorKind::QueueFull | ErrorKind::NoInstance => "1305",
        ErrorKind::InvalidRequest => "1210",
        ErrorKind::ContextLength => "1261",
        ErrorKind::ContentFilter => "1301",
        ErrorKind::NotFoundModel => "1211",
        ErrorKind::TimeoutConnect
        | ErrorKind::TimeoutFirstToken
        | ErrorKind::TimeoutIdle
        | ErrorKind::Deadline
        | ErrorKind::Network
        | ErrorKind::Protocol
        | ErrorKind::Cancelled => "1234",
        ErrorKind::Server | ErrorKind::Config => "500",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::classify;

    #[test]
    fn a_client_of_ours_reads_the_same_kind_back() {
        let told_by_code = [
            ErrorKind::Auth,
            ErrorKind::Permission,
            ErrorKind::QuotaExhausted,
            ErrorKind::RateLimited,
            ErrorKind::Overloaded,
            ErrorKind::InvalidRequest,
            ErrorKind::ContextLength,
            ErrorKind::ContentFilter,
            ErrorKind::NotFoundModel,
            ErrorKind::Server,
        ];
        for provider_type in [ProviderType::OpenAi, ProviderType::ZhipuAi] {
            for kind in told_by_code {
                let body = error_body(provider_type, kind, "no", None).to_string();
                let status = error_status(kind);
                let read = classify(provider_type, status, &|_| None, body.as_bytes());
                assert_eq!(read.kind(), kind, "{provider_type}");
                assert_eq!(read.message(), "no");
            }
        }
        for kind in ErrorKind::ALL {
            let body = error_body(ProviderType::Ollama, kind, "no", Some("unused"));
            assert_eq!(body, json!({"error": "no"}));
        }
    }

    #[test]
    fn every_status_is_one_of_an_error() {
        for kind in ErrorKind::ALL {
            assert!((400..600).contains(&error_status(kind)), "{kind}");
        }
    }
}
