//! One request: what it asks for, whether it may, and what it gets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

use super::answer;
use super::body::{self, Body};
use super::catalog::Catalog;
use super::refuse::Refusal;
use super::route::{self, Call, Lost};
use super::{Shared, lists};
use crate::base::{ChatRequest, ErrorKind, InstanceState};
use crate::wire::serve::{About, Front, Speaker};

/// Answers one request.
pub(super) async fn handle(
    shared: Arc<Shared>,
    _peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<Body> {
    let path = request.uri().path();
    let call = match route::find(request.method(), path) {
        Ok(call) => call,
        Err(lost) => {
            let refusal = Refusal::lost(lost, request.method(), path);
            return refusal.into_response(route::front_of(path));
        }
    };
    match call {
        Call::Chat(front) => chat(&shared, front, request)
            .await
            .unwrap_or_else(|refusal| refusal.into_response(front)),
        Call::Models => json(&lists::models(&catalog(&shared), now_unix())),
        Call::Model(name) => match lists::one_model(&catalog(&shared), &name, now_unix()) {
            Some(model) => json(&model),
            None => Refusal::new(
                StatusCode::NOT_FOUND,
                ErrorKind::NotFoundModel,
                format!("there is no model '{name}' here"),
            )
            .into_response(Front::OpenAi),
        },
        Call::Health => text("ok\n"),
        Call::Ready => ready(&shared),
        Call::Metrics => match &shared.mounts.metrics {
            Some(metrics) => metrics_text(metrics()),
            None => nothing_there("/metrics"),
        },
        Call::Admin => match &shared.mounts.admin {
            Some(router) => mounted(router.clone(), request).await,
            None => nothing_there("/admin"),
        },
    }
}

async fn chat(
    shared: &Shared,
    front: Front,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let settings = shared.settings();
    let (_head, incoming) = request.into_parts();
    let bytes = body::read(incoming, settings.body_limit, settings.read_timeout).await?;
    let mut request = front.decode(&bytes).map_err(|error| Refusal::of(&error))?;
    let asked = request.model.take().unwrap_or_default();
    let (target, model) = catalog(shared).find(&asked);
    request.target = target;
    request.model = model;
    let include_usage = wants_usage(&request);
    let streaming = request.stream;
    let created_unix = now_unix();
    let id = format!("chatcmpl-{created_unix:x}{:08x}", rand::random::<u32>());
    let speaker = Speaker::new(
        front,
        &About {
            id: &id,
            model: &asked,
            created_unix,
            streaming,
            include_usage,
        },
    );
    let stream = shared.deck.chat(request);
    let answered = if streaming {
        answer::streamed(stream, speaker, shared.stopped.clone()).await
    } else {
        answer::whole(stream, speaker).await
    };
    Ok(answered.unwrap_or_else(|error| {
        let mut response = Refusal::of(&error).into_response(front);
        answer::of_error(response.headers_mut(), &error);
        response
    }))
}

/// Hands a request to what is mounted.
async fn mounted(mut router: axum::Router, request: Request<Incoming>) -> Response<Body> {
    use tower_service::Service;
    match router.call(request.map(axum::body::Body::new)).await {
        Ok(response) => response.map(Body::Mounted),
        Err(never) => match never {},
    }
}

fn nothing_there(path: &str) -> Response<Body> {
    Refusal::lost(Lost::Path, &Method::GET, path).into_response(Front::OpenAi)
}

/// Says whether a request would find an instance now. A gateway that drains is not ready.
fn ready(shared: &Shared) -> Response<Body> {
    let refused = |why: &str| {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, ErrorKind::NoInstance, why)
            .into_response(Front::OpenAi)
    };
    if shared.draining.is_cancelled() {
        return refused("the gateway is draining");
    }
    let board = shared.deck.board();
    let mut states = board.instances.iter().map(|instance| &instance.state);
    if states.any(takes) {
        text("ready\n")
    } else {
        refused("no instance can take a request now")
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

/// Tells whether an OpenAI client wants usage in its stream.
fn wants_usage(request: &ChatRequest) -> bool {
    let options = request.extra.get("stream_options");
    let wanted = options.and_then(|options| options.get("include_usage"));
    wanted.and_then(Value::as_bool).unwrap_or(false)
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

fn now_unix() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
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
