//! The paths below `/admin/v1`: plain JSON for scripts, and the way onto the line.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use futures_util::Stream;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::super::VERSION;
use super::super::message::{LINE, Told, protocol};
use super::super::origin::{Denied, Origin};
use super::views::to_value;
use super::{Shared, line};
use crate::base::{Command, DeckEvent, Error, ErrorKind, InstanceName, RouteName, Scope};

/// The longest command, in bytes.
const LONGEST_COMMAND: usize = 64 << 10;
/// The header in which a console or script says what it calls itself.
pub(in crate::remote) const BY: &str = "llmdeck-by";
/// The header in which a console says that it only looks.
pub(in crate::remote) const READ_ONLY: &str = "llmdeck-read-only";

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let paths = Router::new()
        .route("/", get(about))
        .route("/board", get(board))
        .route("/series", get(series))
        .route("/requests", get(requests))
        .route("/failures", get(failures))
        .route("/events", get(events))
        .route("/command", post(command))
        .route("/line", get(open_line))
        .fallback(async || refuse(StatusCode::NOT_FOUND, &nothing_here()))
        .method_not_allowed_fallback(async || {
            let error = Error::new(ErrorKind::InvalidRequest, "this path has another method");
            refuse(StatusCode::METHOD_NOT_ALLOWED, &error)
        })
        .layer(axum::extract::DefaultBodyLimit::max(LONGEST_COMMAND))
        .layer(middleware::from_fn(only_known))
        .with_state(shared);
    Router::new()
        .nest("/admin/v1", paths)
        .fallback(async || refuse(StatusCode::NOT_FOUND, &nothing_here()))
}

/// Lets nobody in whom nobody vouches for, and adds what they call themselves.
async fn only_known(mut request: Request, next: Next) -> Response {
    let Some(origin) = request.extensions().get::<Origin>().cloned() else {
        let error = Error::new(ErrorKind::Permission, "the admin API needs an admin key");
        return refuse(StatusCode::FORBIDDEN, &error);
    };
    let headers = request.headers();
    let claimed = headers.get(BY).and_then(|by| by.to_str().ok());
    let mut origin = origin.called(claimed);
    origin.read_only |= headers.contains_key(READ_ONLY);
    request.extensions_mut().insert(origin);
    next.run(request).await
}

fn nothing_here() -> Error {
    Error::new(ErrorKind::InvalidRequest, "the admin API has no such path")
        .with_hint("its paths: /admin/v1/{board,series,requests,failures,events,command,line}")
}

/// Refuses with the error as JSON.
pub(super) fn refuse(status: StatusCode, error: &Error) -> Response {
    let mut told = Told::from(error);
    told.hint.get_or_insert_with(|| error.hint().to_owned());
    (
        status,
        Json(json!({ "error": whole_seconds(to_value(&told)) })),
    )
        .into_response()
}

/// Turns durations, which serde writes as two numbers, into seconds.
pub fn whole_seconds(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let seconds = fields.get("secs").and_then(Value::as_u64);
            let nanos = fields.get("nanos").and_then(Value::as_u64);
            if let (2, Some(seconds), Some(nanos)) = (fields.len(), seconds, nanos) {
                let micros = (nanos / 1_000) as f64 / 1e6;
                return json!(seconds as f64 + micros);
            }
            let fields = fields
                .into_iter()
                .map(|(name, value)| (name, whole_seconds(value)));
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.into_iter().map(whole_seconds).collect(),
        other => other,
    }
}

fn answer(shown: &impl serde::Serialize) -> Response {
    Json(whole_seconds(to_value(shown))).into_response()
}

async fn about(Extension(origin): Extension<Origin>) -> Response {
    Json(json!({
        "llmdeck": VERSION,
        "api": 1,
        "line": LINE,
        "by": origin.by,
        "read_only": origin.read_only,
    }))
    .into_response()
}

async fn board(State(shared): State<Arc<Shared>>) -> Response {
    answer(&*shared.deck.board())
}

/// What a series is of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeriesQuery {
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    window: Option<u64>,
    #[serde(default)]
    buckets: Option<usize>,
}

async fn series(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<SeriesQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    const LONGEST: u64 = 400 * 24 * 3600;
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejected) => return wrong(&rejected.body_text()),
    };
    let scope = match scope(query.scope.as_deref()) {
        Ok(scope) => scope,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error),
    };
    let window = Duration::from_secs(query.window.unwrap_or(300).clamp(1, LONGEST));
    let buckets = query.buckets.unwrap_or(60).clamp(1, 2_000);
    answer(&shared.deck.series(&scope, window, buckets))
}

fn scope(text: Option<&str>) -> Result<Scope, Error> {
    Ok(
        match text.map(|text| text.split_once(':').unwrap_or((text, ""))) {
            None | Some(("all", "")) => Scope::All,
            Some(("type", name)) => Scope::Type(name.parse()?),
            Some(("route", name)) => Scope::Route(RouteName::new(name)),
            Some(("instance", name)) => Scope::Instance(InstanceName::new(name)),
            Some(_) => {
                let error = Error::new(ErrorKind::InvalidRequest, "scope is not understood");
                return Err(error.with_hint("all, type:NAME, route:NAME or instance:NAME"));
            }
        },
    )
}

fn wrong(what: &str) -> Response {
    refuse(
        StatusCode::BAD_REQUEST,
        &Error::new(ErrorKind::InvalidRequest, what),
    )
}

/// How many.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitQuery {
    #[serde(default)]
    limit: Option<usize>,
}

async fn requests(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<LimitQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    match query {
        Ok(Query(query)) => answer(&shared.deck.requests(query.limit.unwrap_or(100).min(1_000))),
        Err(rejected) => wrong(&rejected.body_text()),
    }
}

async fn failures(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<LimitQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    match query {
        Ok(Query(query)) => answer(&shared.deck.failures(query.limit.unwrap_or(100).min(1_000))),
        Err(rejected) => wrong(&rejected.body_text()),
    }
}

async fn events(State(shared): State<Arc<Shared>>) -> Response {
    let Some(seat) = shared.sit_down() else {
        return too_many();
    };
    let stream = told_events(&shared, seat);
    Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
        .into_response()
}

fn told_events(
    shared: &Shared,
    seat: super::Seat,
) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    let heard = shared.deck.subscribe();
    let closing = shared.closing.clone();
    futures_util::stream::unfold((heard, closing, seat), |(mut heard, closing, seat)| async {
        let event = tokio::select! {
            () = closing.cancelled() => return None,
            event = heard.recv() => match event {
                Ok(event) => event,
                Err(RecvError::Lagged(count)) => DeckEvent::Missed { count },
                Err(RecvError::Closed) => return None,
            },
        };
        let data = whole_seconds(to_value(&event));
        let mut told = Event::default().data(data.to_string());
        if let Some(name) = data["event"].as_str() {
            told = told.event(name);
        }
        Some((Ok(told), (heard, closing, seat)))
    })
}

async fn command(
    State(shared): State<Arc<Shared>>,
    Extension(origin): Extension<Origin>,
    body: axum::body::Bytes,
) -> Response {
    let by = &origin.by;
    if origin.read_only {
        tracing::info!(by, "command refused: read-only");
        return refuse(StatusCode::FORBIDDEN, &Denied.into());
    }
    let command: Command = match serde_json::from_slice(&body) {
        Ok(command) => command,
        Err(error) => return wrong(&format!("this is no command: {error}")),
    };
    match shared.deck.command(command.clone(), by).await {
        Ok(changed) => Json(to_value(&changed)).into_response(),
        Err(error) => {
            tracing::info!(by, ?command, %error, "command failed");
            let status = match error.kind() {
                ErrorKind::Config => StatusCode::BAD_REQUEST,
                ErrorKind::Permission => StatusCode::FORBIDDEN,
                _ => StatusCode::BAD_GATEWAY,
            };
            refuse(status, &error)
        }
    }
}

async fn open_line(
    State(shared): State<Arc<Shared>>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
    mut request: Request,
) -> Response {
    let asked = headers
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok());
    let ours = protocol();
    if asked != Some(&ours) {
        return refuse_protocol(asked, &headers);
    }
    let Some(seat) = shared.sit_down() else {
        return too_many();
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgrade.await {
            Ok(io) => line::speak(shared, seat, TokioIo::new(io), origin).await,
            Err(error) => tracing::info!(%error, "a console's connection was not upgraded"),
        }
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Ok(ours) = HeaderValue::from_str(&ours) {
        headers.insert(header::UPGRADE, ours);
    }
    response
}

/// Explains why a console cannot attach.
fn refuse_protocol(asked: Option<&str>, headers: &HeaderMap) -> Response {
    let theirs = asked.and_then(|asked| asked.strip_prefix("llmdeck-line/"));
    let error = match theirs {
        Some(theirs) => {
            let agent = headers
                .get(header::USER_AGENT)
                .and_then(|agent| agent.to_str().ok())
                .unwrap_or("the console");
            Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "the gateway is llmdeck {VERSION} and speaks line {LINE}, but {agent} speaks line {theirs}"
                ),
            )
            .with_hint("use the same llmdeck at both ends")
        }
        None => Error::new(
            ErrorKind::InvalidRequest,
            "this path is for 'llmdeck attach'",
        )
        .with_hint("scripts read /admin/v1/board and /admin/v1/events"),
    };
    let mut response = refuse(StatusCode::UPGRADE_REQUIRED, &error);
    if let Ok(ours) = HeaderValue::from_str(&protocol()) {
        response.headers_mut().insert(header::UPGRADE, ours);
    }
    response
}

fn too_many() -> Response {
    let many = format!("{} consoles are attached already", super::MOST_CONSOLES);
    refuse(
        StatusCode::SERVICE_UNAVAILABLE,
        &Error::new(ErrorKind::Overloaded, many).with_hint("close one of them"),
    )
}
