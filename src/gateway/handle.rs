//! One request: what it asks for, whether it may, and what it gets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Buf, Bytes};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

use super::answer::{self, Guard, REQUEST_ID, Work};
use super::ask::{self, Asked};
use super::body::{self, Body};
use super::catalog::{Catalog, FRESH};
use super::keys::Key;
use super::refuse::Refusal;
use super::route::{self, Call, Lost};
use super::{Shared, State, browser, lists};
use crate::base::{ErrorKind, InstanceName, InstanceState, Loaded, Priority};
use crate::remote::Origin;
use crate::wire::serve::{About, Front, Speaker};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The most bytes of a request's header.
pub(super) const LONGEST_HEADER: usize = 64 << 10;

/// How callers number their requests, by which their own logs can be joined with ours.
const CALLERS_ID: HeaderName = HeaderName::from_static("x-client-request-id");

/// Answers one request.
pub(super) async fn handle(
    shared: Arc<Shared>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<Body> {
    let headers = request.headers();
    let callers_id = [CALLERS_ID, REQUEST_ID]
        .iter()
        .find_map(|name| headers.get(name))
        .filter(|id| is_word(id))
        .cloned();
    let mut response = respond(shared, peer, request, callers_id.as_ref()).await;
    if let Some(id) = callers_id {
        response.headers_mut().insert(CALLERS_ID, id);
    }
    response
}

/// Tells whether a header's value is a short visible word.
fn is_word(value: &HeaderValue) -> bool {
    value.len() <= 128 && !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_graphic)
}

async fn respond(
    shared: Arc<Shared>,
    peer: SocketAddr,
    request: Request<Incoming>,
    callers_id: Option<&HeaderValue>,
) -> Response<Body> {
    let state = shared.state();
    let refuse = |refusal, front| refuse(refusal, front, peer, callers_id);
    if let Some(refusal) = too_long(&request) {
        return refuse(refusal, route::front_of(request.uri().path()));
    }
    let origin = match browser::check(&state.settings.cors, &request) {
        Ok(browser::Verdict::Preflight(response)) => return response,
        Ok(browser::Verdict::Go(origin)) => origin,
        Err(refusal) => return refuse(refusal, route::front_of(request.uri().path())),
    };
    let path = request.uri().path();
    let front = route::front_of(path);
    let call = route::find(request.method(), path);
    let call = call.map_err(|lost| Refusal::lost(lost, request.method(), path));
    let mut response = match call {
        Err(refusal) => refuse(refusal, front),
        Ok(call) => {
            let front = match call {
                Call::Chat(front) | Call::Embed(front) => front,
                _ => front,
            };
            answer(&shared, &state, call, front, request)
                .await
                .unwrap_or_else(|refusal| refuse(refusal, front))
        }
    };
    if let Some(origin) = origin {
        browser::allow(&mut response, origin);
    }
    response
}

/// Refuses a request that the pool never sees. It has a number all the same, which is in the log.
fn refuse(
    refusal: Refusal,
    front: Front,
    peer: SocketAddr,
    callers_id: Option<&HeaderValue>,
) -> Response<Body> {
    let id = format!("refused-{:012x}", rand::random::<u64>() >> 16);
    let callers_id = callers_id.and_then(|id| id.to_str().ok());
    tracing::info!(id, callers_id, %peer, front = front.as_str(), status = refusal.status.as_u16(), why = refusal.message, "refused");
    let mut response = refusal.into_response(front);
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Tells whether the lines before a request's body are longer than they may be.
fn too_long<B>(request: &Request<B>) -> Option<Refusal> {
    let address = request
        .uri()
        .path_and_query()
        .map_or("", PathAndQuery::as_str);
    let headers = request.headers().iter();
    let length: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum();
    let (status, what) = if address.len() > LONGEST_HEADER / 8 {
        (StatusCode::URI_TOO_LONG, "address is")
    } else if length > LONGEST_HEADER {
        (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers are")
    } else {
        return None;
    };
    let told = format!("the request's {what} too long");
    Some(Refusal::new(status, ErrorKind::InvalidRequest, told))
}

async fn answer(
    shared: &Arc<Shared>,
    state: &Arc<State>,
    call: Call,
    front: Front,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    match call {
        Call::Health => return Ok(text("ok\n")),
        Call::Ready => return ready(shared),
        Call::Root => return Ok(text("Ollama is running")),
        Call::Version => return Ok(json(&lists::version())),
        _ => {}
    }
    let key = state.keys.caller(request.headers())?;
    let names = || catalog(shared);
    let may_see = |name: &str| key.as_ref().is_none_or(|key| key.may_ask(name));
    match call {
        Call::Chat(front) | Call::Embed(front) => {
            let is_chat = matches!(call, Call::Chat(_));
            ask(shared, state, front, is_chat, key.as_ref(), request).await
        }
        Call::Models => Ok(json(&lists::models(&names(), shared.begun_unix, may_see))),
        Call::Model(name) => lists::one_model(&names(), &name, shared.begun_unix)
            .filter(|_| may_see(&name))
            .map(|model| json(&model))
            .ok_or_else(|| no_model(&name)),
        Call::Tags => Ok(json(&lists::tags(&names(), shared.begun_unix, may_see))),
        Call::Loaded => Ok(json(&lists::loaded(loaded(shared).await, may_see))),
        Call::Show => {
            let bytes = read_body(state, front, request).await?.1;
            let asked: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let name = asked.get("model").or_else(|| asked.get("name"));
            let name = name.and_then(Value::as_str).unwrap_or_default();
            lists::show(&names(), name)
                .filter(|_| may_see(name))
                .map(|shown| json(&shown))
                .ok_or_else(|| no_model(name))
        }
        Call::Metrics => match &shared.mounts.metrics {
            Some(metrics) => Ok(metrics_text(metrics())),
            None => Err(nothing_there("/metrics")),
        },
        Call::Admin => match (&shared.mounts.admin, key) {
            (Some(router), Some(key)) if key.is_admin() => {
                Ok(mounted(router.clone(), &key, request).await)
            }
            (Some(_), Some(_)) => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                ErrorKind::Permission,
                "this key may not watch and steer the pool; its entry needs admin = true",
            )),
            // Without keys there is no way to tell who asks; the Unix socket is the way in then.
            (Some(_), None) | (None, _) => Err(nothing_there("/admin")),
        },
        Call::Health | Call::Ready | Call::Root | Call::Version => Ok(text("ok\n")),
    }
}

/// Asks the pool.
async fn ask(
    shared: &Arc<Shared>,
    state: &State,
    front: Front,
    is_chat: bool,
    key: Option<&Arc<Key>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let slot = Slot::take(shared, state.settings.max_requests)?;
    let (headers, bytes) = read_body(state, front, request).await?;
    let catalog = catalog(shared);
    let asked = if is_chat {
        ask::chat(front, &bytes, &catalog, &state.settings.routes)
    } else {
        ask::embeddings(front, &bytes, &catalog)
    };
    let Asked {
        mut request,
        model,
        include_usage,
        base64,
    } = asked.map_err(|error| Refusal::of(&error))?;
    drop(bytes);
    let pass = match key {
        None => None,
        Some(key) => {
            if !key.may_ask(&model) {
                return Err(Refusal::new(
                    StatusCode::FORBIDDEN,
                    ErrorKind::Permission,
                    format!("key '{}' may not ask for '{model}'", key.name()),
                ));
            }
            request.caller = Some(key.name().to_owned());
            let tokens = request.estimated_prompt_tokens();
            Some(key.admit(tokens)?)
        }
    };
    request.traceparent = traceparent(&headers);
    request.tracestate = tracestate(&headers).filter(|_| request.traceparent.is_some());
    request.conversation = short(&headers, "x-llmdeck-conversation");
    if short(&headers, "x-llmdeck-priority").as_deref() == Some("batch") {
        request.priority = Priority::Batch;
    }
    let streaming = request.stream;
    let speaker = Speaker::new(
        front,
        About {
            id: id(front),
            model: model.clone(),
            created_unix: super::now_unix(),
            streaming,
            include_usage,
        },
    );
    let work = Work {
        chat: shared.deck.chat(request),
        front,
        speaker,
        guard: Guard { pass, _slot: slot },
    };
    let answered = match (is_chat, streaming) {
        (false, _) => answer::embedded(work, &model, base64).await,
        (true, true) => {
            let silence = state.settings.keep_alive;
            answer::streamed(work, shared.stopped.clone(), silence).await
        }
        (true, false) => answer::whole(work).await,
    };
    Ok(answered.unwrap_or_else(|error| {
        let mut response = Refusal::of(&error).into_response(front);
        answer::of_error(response.headers_mut(), &error);
        response
    }))
}

/// Checks what is said of a body, and reads it.
async fn read_body(
    state: &State,
    front: Front,
    request: Request<Incoming>,
) -> Result<(HeaderMap, Bytes), Refusal> {
    let (head, incoming) = request.into_parts();
    let headers = head.headers;
    let unsupported = |told: String| {
        Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorKind::InvalidRequest,
            told,
        )
    };
    let media_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_json = media_type.is_none_or(|media_type| {
        let media_type = media_type.split(|byte| *byte == b';').next();
        let media_type = media_type.unwrap_or_default().trim_ascii();
        media_type.eq_ignore_ascii_case(b"application/json")
    });
    // Ollama takes anything, and the examples of its users rely on that.
    if !is_json && !matches!(front, Front::Ollama | Front::Generate) {
        return Err(unsupported("the body must be application/json".to_owned()));
    }
    if let Some(coding) = headers.get(CONTENT_ENCODING)
        && coding != "identity"
    {
        return Err(unsupported(
            "a compressed body is not taken; send it as it is".to_owned(),
        ));
    }
    let settings = &state.settings;
    let mut bytes = body::read(incoming, settings.body_limit, settings.read_timeout).await?;
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.advance(BYTE_ORDER_MARK.len());
    }
    match std::str::from_utf8(&bytes) {
        Ok(_) => Ok((headers, bytes)),
        Err(error) => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            ErrorKind::InvalidRequest,
            format!("the body is not UTF-8: see byte {}", error.valid_up_to()),
        )),
    }
}

/// One of the requests that may run at once; free again when dropped.
pub(super) struct Slot(Arc<Shared>);

impl Slot {
    fn take(shared: &Arc<Shared>, most: usize) -> Result<Self, Refusal> {
        let running = shared.running.fetch_add(1, Ordering::Relaxed);
        let slot = Self(Arc::clone(shared));
        if running >= most {
            return Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorKind::Overloaded,
                format!(
                    "the gateway has {most} requests running, which is its limit (gateway.max_requests); try again soon"
                ),
            ));
        }
        Ok(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Hands a request to what is mounted, and says who asks.
async fn mounted(
    mut router: axum::Router,
    key: &Key,
    mut request: Request<Incoming>,
) -> Response<Body> {
    use tower_service::Service;
    request.extensions_mut().insert(Origin::new(key.name()));
    match router.call(request.map(axum::body::Body::new)).await {
        Ok(response) => response.map(Body::Mounted),
        Err(never) => match never {},
    }
}

fn nothing_there(path: &str) -> Refusal {
    Refusal::lost(Lost::Path, &Method::GET, path)
}

fn no_model(name: &str) -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        ErrorKind::NotFoundModel,
        format!("there is no model '{name}' here"),
    )
}

/// Says whether a request would find an instance now. A gateway that drains is not ready.
fn ready(shared: &Shared) -> Result<Response<Body>, Refusal> {
    let refused =
        |why: &str| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, ErrorKind::NoInstance, why);
    if shared.draining.is_cancelled() {
        return Err(refused("the gateway is draining"));
    }
    let board = shared.deck.board();
    let mut states = board.instances.iter().map(|instance| &instance.state);
    if states.any(takes) {
        Ok(text("ready\n"))
    } else {
        Err(refused("no instance can take a request now"))
    }
}

fn takes(state: &InstanceState) -> bool {
    match state {
        InstanceState::On | InstanceState::Failing | InstanceState::HalfOpen => true,
        InstanceState::Cooling(_)
        | InstanceState::Open(_)
        | InstanceState::Held(_)
        | InstanceState::Draining
        | InstanceState::Standby
        | InstanceState::Off => false,
    }
}

/// Returns the names in force, read again when they are old.
fn catalog(shared: &Shared) -> Arc<Catalog> {
    let now = Instant::now();
    let held = Arc::clone(&shared.catalog.lock());
    if held.is_fresh(now) {
        return held;
    }
    let read = Catalog::of(&shared.deck.board(), now);
    *shared.catalog.lock() = Arc::clone(&read);
    read
}

/// Returns what is held in memory, asked for at most once a second however many look.
async fn loaded(shared: &Shared) -> Vec<(InstanceName, Vec<Loaded>)> {
    let mut held = shared.loaded.lock().await;
    let now = Instant::now();
    if held.0.is_none_or(|at| now.duration_since(at) >= FRESH) {
        let found = shared.deck.loaded().await;
        *held = (Some(Instant::now()), found);
    }
    held.1.clone()
}

/// Makes an id as clients of a front expect it.
fn id(front: Front) -> String {
    let prefix = match front {
        Front::OpenAi | Front::Ollama | Front::ZhipuAi => "chatcmpl-",
        Front::Completions | Front::Generate => "cmpl-",
        Front::Responses => "resp_",
        Front::Anthropic => "msg_",
    };
    format!("{prefix}{:016x}", rand::random::<u64>())
}

/// Returns the W3C `tracestate` of a request, of all its lines; one that is too long is left out whole, as W3C has it.
fn tracestate(headers: &HeaderMap) -> Option<String> {
    const LONGEST: usize = 512;
    let lines: Vec<&str> = headers
        .get_all("tracestate")
        .iter()
        .map(|line| line.to_str().ok())
        .collect::<Option<_>>()?;
    let state = lines.join(",");
    (!state.trim().is_empty() && state.len() <= LONGEST).then_some(state)
}

/// Returns the W3C `traceparent` of a request, if it is one.
fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = text.split('-').collect();
    let is_hex = |part: &str, length| {
        part.len() == length
            && part
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_one = matches!(parts.as_slice(), [version, trace, parent, flags, ..]
        if is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2)
            && trace.bytes().any(|byte| byte != b'0'));
    (is_one && text.len() <= 100).then(|| text.to_owned())
}

/// Returns a header's value when it is short visible text.
fn short(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    (!text.is_empty() && text.len() <= 128).then(|| text.to_owned())
}

fn json(value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Some(value.to_string().into())));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn metrics_text(figures: String) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Some(figures.into())));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn text(text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Some(text.into())));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
