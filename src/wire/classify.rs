//! What an error answer means. The order of decision: the provider's business code, the words in its fields,
//! patterns in its message, the HTTP status.

mod object;
mod patterns;
mod wait;
mod words;

use serde_json::{Map, Value};

use object::ErrorObject;
pub(super) use wait::go_duration;

use super::json;
use crate::base::{Error, ErrorKind, ProviderType};

/// How much of a body that is not JSON is quoted, in characters.
const LONGEST_QUOTE: usize = 200;

/// Response headers by lower-case name.
type Headers<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Makes an [`Error`] of an HTTP answer that is not what was asked for: kind, the provider's code and words, and how
/// long to wait. `headers` is asked by lower-case names; a `body` of more than a mebibyte is quoted, not understood.
pub fn classify(
    provider_type: ProviderType,
    status: u16,
    headers: &dyn Fn(&str) -> Option<String>,
    body: &[u8],
) -> Error {
    let document = json::read_tree(body.trim_ascii());
    let quote = || {
        let most_bytes = body.len().min(8 * LONGEST_QUOTE);
        let text = String::from_utf8_lossy(body.get(..most_bytes).unwrap_or_default());
        text.trim().chars().take(LONGEST_QUOTE).collect()
    };
    let error = decide(
        provider_type,
        Some(status),
        headers,
        document.as_ref(),
        quote,
    );
    if (200..300).contains(&status) {
        error
    } else {
        error.with_status(status)
    }
}

/// Makes an [`Error`] of an error that came inside a body with a good status.
pub(super) fn in_band(provider_type: ProviderType, document: &Value) -> Error {
    decide(
        provider_type,
        None,
        &|_| None,
        Some(document),
        String::default,
    )
}

/// Tells whether a document is an error in any of the known shapes.
pub(super) fn is_error_object(document: &Value) -> bool {
    ErrorObject::of(document).is_some()
}

fn decide(
    provider_type: ProviderType,
    http_status: Option<u16>,
    headers: Headers<'_>,
    document: Option<&Value>,
    quote: impl FnOnce() -> String,
) -> Error {
    let object = document.and_then(ErrorObject::of);
    let is_json_error = object.is_some();
    let object = object.unwrap_or_else(|| ErrorObject::of_text(quote()));
    let status = http_status
        .filter(|status| !(200..300).contains(status))
        .or_else(|| object.status_inside());

    let (kind, detail) = kind_and_detail(provider_type, status, &object, is_json_error);
    let mut error = Error::new(kind, &object.message);
    if let Some(detail) = detail {
        error = error.with_detail(detail);
    }
    if let Some(code) = object.shown_code() {
        error = error.with_code(code);
    }
    if matches!(
        kind,
        ErrorKind::RateLimited
            | ErrorKind::Overloaded
            | ErrorKind::Server
            | ErrorKind::QuotaExhausted
    ) && let Some(wait) = wait::retry_after(headers, object.detail_list(), &object.message)
    {
        error = error.with_retry_after(wait);
    }
    match hint(provider_type, kind, detail, &object) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn kind_and_detail(
    provider_type: ProviderType,
    status: Option<u16>,
    object: &ErrorObject<'_>,
    is_json_error: bool,
) -> (ErrorKind, Option<&'static str>) {
    if status == Some(501) {
        return (ErrorKind::InvalidRequest, Some("not_supported"));
    }
    let known = by_code(provider_type, object).or_else(|| by_words(status, object));
    let may_be_told_better =
        known == Some(ErrorKind::Server) && matches!(status, Some(400 | 404 | 413 | 422));
    let kind = match known {
        Some(kind) if !may_be_told_better => Some(kind),
        _ => by_message(status, object).or(known),
    };
    match (kind, status) {
        (Some(kind), _) => (kind, None),
        (None, Some(404)) if !is_json_error => {
            (ErrorKind::InvalidRequest, Some("endpoint_not_found"))
        }
        (None, Some(status)) => (by_status(status), None),
        (None, None) => (ErrorKind::Server, None),
    }
}

fn by_code(provider_type: ProviderType, object: &ErrorObject<'_>) -> Option<ErrorKind> {
    if provider_type != ProviderType::ZhipuAi {
        return None;
    }
    let code = object.code_text()?;
    let kind = words::zhipu_kind(&code)?;
    if code == "1214" && patterns::is_about_model(&object.message) {
        return Some(ErrorKind::NotFoundModel);
    }
    Some(kind)
}

fn by_words(status: Option<u16>, object: &ErrorObject<'_>) -> Option<ErrorKind> {
    let told = object.words();
    let kind = if told.iter().any(|word| word == "slow_down") {
        match status {
            None | Some(429) => ErrorKind::RateLimited,
            Some(_) => ErrorKind::Overloaded,
        }
    } else {
        told.iter().find_map(|word| words::kind(word))?
    };
    if kind == ErrorKind::RateLimited && object.is_daily_quota() {
        return Some(ErrorKind::QuotaExhausted);
    }
    Some(kind)
}

/// Never looks for "429" or "rate limit" in the text: messages quote what the user wrote.
fn by_message(status: Option<u16>, object: &ErrorObject<'_>) -> Option<ErrorKind> {
    let message = &object.message;
    let fits = |statuses: &[u16]| status.is_none_or(|status| statuses.contains(&status));
    if fits(&[400, 402, 403, 429]) && patterns::is_about_money(message) {
        Some(ErrorKind::QuotaExhausted)
    } else if fits(&[400, 413, 422, 500]) && patterns::is_about_context(message) {
        Some(ErrorKind::ContextLength)
    } else if (fits(&[400, 403, 422, 451]) && patterns::is_about_content(message))
        || (status == Some(403) && object.is_moderation())
    {
        Some(ErrorKind::ContentFilter)
    } else if fits(&[400, 403, 404, 422]) && patterns::is_about_model(message) {
        Some(ErrorKind::NotFoundModel)
    } else {
        None
    }
}

fn by_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Auth,
        402 => ErrorKind::QuotaExhausted,
        403 | 451 => ErrorKind::Permission,
        404 => ErrorKind::NotFoundModel,
        407 | 421 => ErrorKind::Network,
        408 | 409 | 425 => ErrorKind::Server,
        429 => ErrorKind::RateLimited,
        499 => ErrorKind::Cancelled,
        503 | 529 => ErrorKind::Overloaded,
        400..=499 => ErrorKind::InvalidRequest,
        _ => ErrorKind::Server,
    }
}

fn hint(
    provider_type: ProviderType,
    kind: ErrorKind,
    detail: Option<&'static str>,
    object: &ErrorObject<'_>,
) -> Option<&'static str> {
    if detail == Some("endpoint_not_found") {
        return Some("nothing answers at this path; check the instance's base_url");
    }
    match (provider_type, kind) {
        (ProviderType::Ollama, ErrorKind::NotFoundModel) => {
            Some("run 'ollama pull MODEL' on that server, or ask for a model it has")
        }
        (ProviderType::ZhipuAi, ErrorKind::QuotaExhausted)
            if object.code_text().as_deref() == Some("1113") =>
        {
            Some("top up the account; the key of a coding plan needs the coding base_url")
        }
        _ => None,
    }
}

type Fields = Map<String, Value>;
