//! Saying no, as each provider type says it: status, headers and the body's shape and words.

mod words;

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

use super::auth::Denied;
use super::gate::{Headroom, TooSoon};
use super::{Ending, Fault};
use crate::base::{ErrorKind, ProviderType};
use crate::wire::serve;

/// The wait that a full instance asks for.
const WHEN_FULL: Duration = Duration::from_secs(1);

/// What a proxy in front of a dead server answers.
const BAD_GATEWAY_PAGE: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    NoKey,
    WrongKey,
    ExpiredKey,
    Forbidden,
    UnknownModel(String),
    NoQuota,
    RateLimited {
        tokens: bool,
    },
    /// Too many at once, where that is a rate limit.
    TooMany,
    /// 503.
    Busy,
    /// 529.
    Overloaded,
    /// 500.
    Internal,
    /// 502 with a proxy's page.
    BadGateway,
    Filtered,
    TooLong,
    BadRequest(String),
    /// 413.
    TooLarge,
    /// Zhipu's own code.
    Business(u16),
}

/// A refusal with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    /// How long the client is asked to wait.
    wait: Option<Duration>,
    headroom: Headroom,
}

/// What goes into the answer.
struct Words {
    status: u16,
    kind: ErrorKind,
    code: Option<String>,
    message: String,
}

impl Refusal {
    pub(super) fn new(reason: Reason) -> Self {
        Self {
            reason,
            wait: None,
            headroom: Headroom::default(),
        }
    }

    /// Returns the refusal that a fault is, or `None` when it shows in another way.
    pub(super) fn of_fault(fault: Fault, model: &str) -> Option<Self> {
        let reason = match fault {
            Fault::ServerError => Reason::Internal,
            Fault::BadGateway => Reason::BadGateway,
            Fault::Unavailable => Reason::Busy,
            Fault::Overloaded => Reason::Overloaded,
            Fault::WrongKey => Reason::WrongKey,
            Fault::Forbidden => Reason::Forbidden,
            Fault::UnknownModel => Reason::UnknownModel(model.to_owned()),
            Fault::NoQuota => Reason::NoQuota,
            Fault::RateLimited { retry_after } => {
                return Some(Self {
                    wait: retry_after,
                    ..Self::new(Reason::RateLimited { tokens: false })
                });
            }
            Fault::ContentFilter => Reason::Filtered,
            Fault::ContextLength => Reason::TooLong,
            Fault::Business { code } => Reason::Business(code),
            Fault::HangBeforeHeaders
            | Fault::HangBeforeToken
            | Fault::HangMidStream
            | Fault::CutMidStream
            | Fault::ResetMidStream
            | Fault::Truncated
            | Fault::ErrorMidStream
            | Fault::FilteredMidStream
            | Fault::Garbage
            | Fault::BadUtf8
            | Fault::HugeLine { .. }
            | Fault::Endless
            | Fault::Trickle
            | Fault::Close
            | Fault::Refuse
            | Fault::HtmlOk
            | Fault::WholeForStream => return None,
        };
        Some(Self::new(reason))
    }

    /// Returns the refusal of a full instance: a rate limit, or 503.
    pub(super) fn full(is_rate_limit: bool) -> Self {
        Self {
            wait: Some(WHEN_FULL),
            ..Self::new(if is_rate_limit {
                Reason::TooMany
            } else {
                Reason::Busy
            })
        }
    }

    /// Returns how the journal calls it when no fault was behind it.
    pub(super) fn ending(&self) -> Ending {
        match self.reason {
            Reason::NoKey | Reason::WrongKey | Reason::ExpiredKey | Reason::Forbidden => {
                Ending::Unauthorized
            }
            Reason::UnknownModel(_) => Ending::UnknownModel,
            Reason::NoQuota | Reason::RateLimited { .. } => Ending::RateLimited,
            Reason::TooMany | Reason::Busy | Reason::Overloaded => Ending::Full,
            Reason::TooLong => Ending::TooLong,
            Reason::Internal
            | Reason::BadGateway
            | Reason::Filtered
            | Reason::BadRequest(_)
            | Reason::TooLarge
            | Reason::Business(_) => Ending::BadRequest,
        }
    }

    /// Makes the response.
    pub(super) fn into_response(self, provider_type: ProviderType) -> Response<Body> {
        if self.reason == Reason::BadGateway {
            return html(StatusCode::BAD_GATEWAY, BAD_GATEWAY_PAGE);
        }
        let words = words::of(provider_type, &self);
        let code = words.code.as_deref();
        let mut body = serve::error_body(provider_type, words.kind, &words.message, code);
        if provider_type == ProviderType::ZhipuAi && self.reason == Reason::Filtered {
            body["contentFilter"] = json!([{"level": 1, "role": "user"}]);
        }
        let status = StatusCode::from_u16(words.status);
        let mut response = json_response(status.unwrap_or(StatusCode::BAD_REQUEST), &body);
        let headers = response.headers_mut();
        if let Some(wait) = self.wait {
            let seconds = wait.as_millis().div_ceil(1000).max(1) as u64;
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if provider_type == ProviderType::OpenAi {
            if let Some(wait) = self.wait {
                let ms = HeaderValue::from(wait.as_millis() as u64);
                headers.insert("retry-after-ms", ms);
            }
            if self.reason == Reason::NoQuota {
                headers.insert("x-should-retry", HeaderValue::from_static("false"));
            }
            put_limits(headers, &self.headroom);
        }
        response
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::new(match denied {
            Denied::Missing => Reason::NoKey,
            Denied::Wrong => Reason::WrongKey,
            Denied::Expired => Reason::ExpiredKey,
        })
    }
}

impl From<TooSoon> for Refusal {
    fn from(too_soon: TooSoon) -> Self {
        Self {
            wait: Some(too_soon.wait),
            headroom: too_soon.headroom,
            ..Self::new(Reason::RateLimited {
                tokens: too_soon.tokens,
            })
        }
    }
}

/// Writes OpenAI's headers about limits, where there are limits.
pub(super) fn put_limits(headers: &mut HeaderMap, headroom: &Headroom) {
    let reset = go_duration(headroom.reset);
    let counts = [
        (
            headroom.requests,
            [
                "x-ratelimit-limit-requests",
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
            ],
        ),
        (
            headroom.tokens,
            [
                "x-ratelimit-limit-tokens",
                "x-ratelimit-remaining-tokens",
                "x-ratelimit-reset-tokens",
            ],
        ),
    ];
    for (count, [limit_name, left_name, reset_name]) in counts {
        if let Some((limit, left)) = count {
            headers.insert(limit_name, HeaderValue::from(limit));
            headers.insert(left_name, HeaderValue::from(left));
            if let Ok(reset) = HeaderValue::from_str(&reset) {
                headers.insert(reset_name, reset);
            }
        }
    }
}

/// Makes a JSON response.
pub(super) fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    with_type(status, "application/json", body.to_string())
}

/// Makes a web page.
pub(super) fn html(status: StatusCode, page: &'static str) -> Response<Body> {
    with_type(status, "text/html", page)
}

/// Makes a response of plain text.
pub(super) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    with_type(status, "text/plain; charset=utf-8", text)
}

fn with_type(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Writes a duration as Go does: `12ms`, `1.5s`, `6m0s`.
fn go_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms < 1000 {
        return format!("{ms}ms");
    }
    let (minutes, rest) = (ms / 60_000, ms % 60_000);
    let seconds = rest as f64 / 1000.0;
    if minutes == 0 {
        format!("{seconds}s")
    } else {
        format!("{minutes}m{seconds}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_does() {
        let write = |ms| go_duration(Duration::from_millis(ms));
        assert_eq!(write(12), "12ms");
        assert_eq!(write(1000), "1s");
        assert_eq!(write(1500), "1.5s");
        assert_eq!(write(360_000), "6m0s");
    }
}
