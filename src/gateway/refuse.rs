//! What is told instead of an answer: an error in the shape of the protocol that was asked.

use std::time::Duration;

use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use super::body::Body;
use super::route::Lost;
use crate::base::{Error, ErrorKind};
use crate::wire::serve::{Front, error_status};

/// How long callers wait that get no better advice, in seconds.
const USUAL_WAIT: u64 = 1;

/// Why a request gets no answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// What kind it is told as.
    pub(super) kind: ErrorKind,
    /// What is told.
    pub(super) message: String,
    /// A code that says more than the kind's usual one.
    pub(super) code: Option<String>,
    /// When to try again.
    pub(super) retry_after: Option<Duration>,
    /// The methods that a path takes.
    pub(super) allow: Option<&'static str>,
}

impl Refusal {
    /// Makes a refusal.
    pub(super) fn new(status: StatusCode, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            code: None,
            retry_after: None,
            allow: None,
        }
    }

    /// The path means nothing, or not with this method.
    pub(super) fn lost(lost: Lost, method: &hyper::Method, path: &str) -> Self {
        let kind = ErrorKind::InvalidRequest;
        match lost {
            Lost::Path => Self::new(
                StatusCode::NOT_FOUND,
                kind,
                format!("there is no {method} {path} here"),
            ),
            Lost::Method(allow) => Self {
                allow: Some(allow),
                ..Self::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    kind,
                    format!("{path} takes {allow}, not {method}"),
                )
            },
        }
    }

    /// The body is larger than it may be.
    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::InvalidRequest,
            format!("the body is larger than {limit} bytes (gateway.body_limit)"),
        )
    }

    /// The body did not arrive in time.
    pub(super) fn too_slow(patience: Duration) -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            ErrorKind::InvalidRequest,
            format!("the body did not arrive within {patience:?} (gateway.read_timeout)"),
        )
    }

    /// The body broke off.
    pub(super) fn broken_body() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            ErrorKind::InvalidRequest,
            "the body broke off",
        )
    }

    /// Tells an error of the pool. What an instance says of *our* key or money is not the caller's fault, and must not
    /// look like it: a client would ask its user for another key.
    pub(super) fn of(error: &Error) -> Self {
        let (status, code) = match error.kind() {
            ErrorKind::Auth | ErrorKind::Permission => (502, Some("upstream_auth".to_owned())),
            ErrorKind::QuotaExhausted => (503, Some("upstream_quota".to_owned())),
            kind => (error_status(kind), error.code().map(str::to_owned)),
        };
        let kind = match error.kind() {
            ErrorKind::Auth | ErrorKind::Permission => ErrorKind::Protocol,
            ErrorKind::QuotaExhausted => ErrorKind::Overloaded,
            kind => kind,
        };
        Self {
            code,
            retry_after: error.retry_after(),
            ..Self::new(
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                kind,
                told(error),
            )
        }
    }

    /// Makes the response.
    pub(super) fn into_response(self, front: Front) -> Response<Body> {
        let body = front.error_body(self.kind, &self.message, self.code.as_deref());
        let mut response = Response::new(Body::Whole(Some(body.to_string().into())));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        let is_for_later = matches!(
            self.status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        if is_for_later || self.retry_after.is_some() {
            let wait = self.retry_after.map_or(USUAL_WAIT, |wait| {
                wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
            });
            headers.insert(RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}

/// Says what went wrong in one line: the instance, what happened, and its words.
pub(super) fn told(error: &Error) -> String {
    error.to_string()
}
