//! Web pages: none may ask unless its origin is listed. A page that is open in a browser on this machine could spend
//! somebody's money otherwise, since a browser sends simple requests without asking first.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, Request, Response, StatusCode};

use super::body::Body;
use super::refuse::Refusal;
use crate::base::ErrorKind;

/// What becomes of a request, as far as browsers are concerned.
pub(super) enum Verdict {
    /// It goes on; a page from this origin asks, if any.
    Go(Option<HeaderValue>),
    /// It only asked whether it may, and this is the answer.
    Preflight(Response<Body>),
}

/// Checks where a request comes from.
///
/// # Errors
/// 403 when a page asks that may not.
pub(super) fn check<B>(allowed: &[String], request: &Request<B>) -> Result<Verdict, Refusal> {
    let Some(origin) = request.headers().get(ORIGIN) else {
        return Ok(Verdict::Go(None));
    };
    let is_allowed = allowed
        .iter()
        .any(|known| known == "*" || known.as_bytes() == origin.as_bytes());
    if !is_allowed {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            ErrorKind::Permission,
            "web pages may not ask here; their origins are listed in gateway.cors",
        ));
    }
    let asks_first = *request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if !asks_first {
        return Ok(Verdict::Go(Some(origin.clone())));
    }
    let mut response = Response::new(Body::Whole(None));
    *response.status_mut() = StatusCode::NO_CONTENT;
    allow(&mut response, origin.clone());
    let headers = response.headers_mut();
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "*, authorization"),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(Verdict::Preflight(response))
}

/// Lets a page read a response.
pub(super) fn allow(response: &mut Response<Body>, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    headers.append(VARY, HeaderValue::from_static("origin"));
}
