//! The course of one answer: send, wait for headers, decode what comes, keep the time, end once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use hyper::Version;
use reqwest::header::HeaderValue;
use tokio::time::{Instant, timeout, timeout_at};

use super::Timeouts;
use super::answered::Answered;
use super::base::{Upstream, content_type, header};
use super::fault::{Stage, explain};
use super::reader::Reader;
use crate::base::trace::Trace;
use crate::base::{
    ChatRequest, ChatStream, Chunk, Endpoint, Error, ErrorKind, RateLimits, RawBody, ResponseHead,
    clean_line, shorten,
};
use crate::wire;

/// How much of a body is read after its end was announced, and for how long, so that its connection can be kept.
const LONGEST_REST: usize = 64 << 10;
const REST_PATIENCE: Duration = Duration::from_secs(1);

/// Headers under which servers name a request.
const REQUEST_ID_HEADERS: [&str; 4] = [
    "x-request-id",
    "request-id",
    "apim-request-id",
    "x-generation-id",
];

/// Makes the stream of one answer. Nothing is sent until it is polled.
pub(super) fn stream(upstream: &Arc<Upstream>, request: &ChatRequest) -> ChatStream {
    let call = Call {
        upstream: Arc::clone(upstream),
        streaming: request.stream,
        raw: request.raw.clone(),
        trace: TraceHeaders::of(request),
        phase: match body(upstream, request) {
            Ok(body) => Phase::Unsent(body),
            Err(error) => Phase::Failed(error),
        },
        ready: VecDeque::new(),
    };
    let items = stream::unfold(call, |mut call| async move {
        let item = call.next().await?;
        Some((item, call))
    });
    Box::pin(items.fuse())
}

/// Makes the request's body: what the caller wrote, where the instance speaks the caller's protocol.
fn body(upstream: &Upstream, request: &ChatRequest) -> Result<Bytes, Error> {
    let provider_type = upstream.provider_type;
    let model = request.model.as_deref().unwrap_or_default();
    match request.raw.as_deref() {
        Some(raw) if raw.provider_type == provider_type => {
            Ok(wire::encode_raw(model, &raw.members).into())
        }
        Some(raw) if raw.endpoint == Endpoint::Embeddings => {
            let members = wire::embed::members(&raw.members)?;
            let members =
                wire::embed::translate_request(raw.provider_type, provider_type, members)?;
            let mut body = serde_json::Map::new();
            body.insert("model".to_owned(), model.into());
            body.extend(members);
            Ok(serde_json::Value::Object(body).to_string().into())
        }
        Some(_) | None => {
            let body = wire::encode(provider_type, request, &upstream.quirks);
            Ok(body.to_string().into())
        }
    }
}

/// The W3C trace context to send along.
#[derive(Default)]
pub(super) struct TraceHeaders {
    pub(super) parent: Option<HeaderValue>,
    pub(super) state: Option<HeaderValue>,
}

impl TraceHeaders {
    /// Reads it; what is no `traceparent` is not sent, and neither is a `tracestate` without one.
    fn of(request: &ChatRequest) -> Self {
        let parent = request.traceparent.as_deref();
        let parent = parent
            .filter(|text| Trace::parse(text).is_some())
            .and_then(|text| HeaderValue::from_str(text).ok());
        let state = request.tracestate.as_deref().filter(|_| parent.is_some());
        Self {
            state: state.and_then(|text| HeaderValue::from_str(text).ok()),
            parent,
        }
    }
}

struct Call {
    upstream: Arc<Upstream>,
    streaming: bool,
    raw: Option<Arc<RawBody>>,
    trace: TraceHeaders,
    phase: Phase,
    /// Pieces that are decoded and not yet taken.
    ready: VecDeque<Chunk>,
}

enum Phase {
    Unsent(Bytes),
    Reading(Box<Reading>),
    Failed(Error),
    Over,
}

struct Reading {
    response: Answered,
    reader: Reader,
    patience: Patience,
}

impl Call {
    async fn next(&mut self) -> Option<Result<Chunk, Error>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Some(Ok(chunk));
            }
            self.phase = match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Unsent(body) => match self.send(body).await {
                    Ok(reading) => Phase::Reading(Box::new(reading)),
                    Err(error) => Phase::Failed(error),
                },
                Phase::Reading(reading) => self.read(reading).await,
                Phase::Failed(error) => return Some(Err(self.upstream.sign(error))),
                Phase::Over => return None,
            };
        }
    }

    async fn send(&mut self, body: Bytes) -> Result<Reading, Error> {
        let upstream = &self.upstream;
        let patience = Patience::start(upstream.timeouts, self.streaming);
        let (until, limit) = patience.next();
        let endpoint = self.raw.as_ref().map_or(Endpoint::Chat, |raw| raw.endpoint);
        let trace = std::mem::take(&mut self.trace);
        let posting = upstream.post(body, endpoint, self.streaming, trace);
        let response = match timeout_at(until, posting).await {
            Ok(response) => response?,
            Err(_) => return Err(patience.exhausted(limit)),
        };
        let response = upstream.accept(response).await?;
        let headers = response.headers();
        // Each look at a header by its name costs more than a look at all names, and most have none of these.
        let has = |part: &str| headers.keys().any(|name| name.as_str().contains(part));
        let rate_limits = if has("x-ratelimit-") {
            wire::rate_limits(&|name| header(headers, name))
        } else {
            RateLimits::default()
        };
        let head = ResponseHead {
            upstream_request_id: REQUEST_ID_HEADERS
                .into_iter()
                .filter(|name| has(name))
                .find_map(|name| header(headers, name))
                .map(|id| shorten(&clean_line(&id), 100)),
            after: patience.start.elapsed(),
            rate_limits,
        };
        tracing::debug!(
            instance = %upstream.name,
            status = response.status().as_u16(),
            after = ?head.after,
            "response headers"
        );
        let reader = Reader::new(
            upstream.provider_type,
            self.raw.as_deref(),
            self.streaming,
            content_type(headers).as_deref(),
            upstream.max_line,
        );
        self.ready.push_back(Chunk::Head(Box::new(head)));
        Ok(Reading {
            response,
            reader,
            patience,
        })
    }

    /// Reads and decodes until there is something to give or the answer is over.
    async fn read(&mut self, mut reading: Box<Reading>) -> Phase {
        let mut out = Vec::new();
        let (until, limit) = reading.patience.next();
        if reading.patience.is_over() {
            return Phase::Failed(reading.patience.exhausted(Limit::Total));
        }
        let received = timeout_at(until, reading.response.chunk()).await;
        let phase = match received {
            Err(_) => Phase::Failed(reading.patience.exhausted(limit)),
            Ok(Ok(Some(bytes))) => match reading.reader.feed(bytes, &mut out) {
                Err(error) => Phase::Failed(error),
                Ok(()) if reading.reader.is_done() => {
                    let ended = reading.reader.finish(&mut out);
                    drain(reading.response);
                    Phase::ended(ended)
                }
                Ok(()) => match reading.patience.sign_of_life(&out) {
                    Some(limit) => Phase::Failed(reading.patience.exhausted(limit)),
                    None => Phase::Reading(reading),
                },
            },
            Ok(Ok(None)) => Phase::ended(reading.reader.finish(&mut out)),
            Ok(Err(error)) => {
                // A connection that breaks after the answer's own end takes nothing away from it.
                if reading.reader.finish(&mut out).is_ok() {
                    Phase::Over
                } else {
                    out.retain(Chunk::is_output);
                    Phase::Failed(explain(error, Stage::Body, &self.upstream.place))
                }
            }
        };
        self.ready.extend(out);
        phase
    }
}

impl Phase {
    fn ended(outcome: Result<(), Error>) -> Self {
        match outcome {
            Ok(()) => Self::Over,
            Err(error) => Self::Failed(error),
        }
    }
}

/// Reads the little that is left of a finished body, so that HTTP/1.1 can use its connection again.
fn drain(mut response: Answered) {
    if response.version() == Version::HTTP_2 {
        return;
    }
    // Mostly the end has come along with the last bytes.
    if let Some(Ok(None) | Err(_)) = response.chunk().now_or_never() {
        return;
    }
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    runtime.spawn(timeout(REST_PATIENCE, async move {
        let mut read = 0;
        while let Ok(Some(bytes)) = response.chunk().await {
            read += bytes.len();
            if read > LONGEST_REST {
                break;
            }
        }
    }));
}

/// Which of the times ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    FirstToken,
    Idle,
    Total,
}

/// How long this answer is waited for.
struct Patience {
    timeouts: Timeouts,
    start: Instant,
    /// When bytes last came, once output has begun.
    last_sign: Option<Instant>,
    /// Whether pieces are to be expected; a whole answer shows nothing until it is there.
    streaming: bool,
}

impl Patience {
    fn start(timeouts: Timeouts, streaming: bool) -> Self {
        Self {
            timeouts,
            start: Instant::now(),
            last_sign: None,
            streaming,
        }
    }

    /// Returns until when to wait now, and what is over then.
    fn next(&self) -> (Instant, Limit) {
        let total = (self.start + self.timeouts.total, Limit::Total);
        let nearer = match self.last_sign {
            Some(last_sign) => (last_sign + self.timeouts.idle, Limit::Idle),
            None if self.streaming => (self.start + self.timeouts.first_token, Limit::FirstToken),
            None => total,
        };
        if nearer.0 < total.0 { nearer } else { total }
    }

    /// Tells whether the time for the whole is over; bytes that never end would otherwise always be in time.
    fn is_over(&self) -> bool {
        self.start.elapsed() >= self.timeouts.total
    }

    /// Notes that bytes came, and what was in them. Returns the limit that comments alone do not push back.
    fn sign_of_life(&mut self, pieces: &[Chunk]) -> Option<Limit> {
        let begins = |piece: &Chunk| piece.is_output() || matches!(piece, Chunk::Finish { .. });
        if self.last_sign.is_some() || pieces.iter().any(begins) {
            self.last_sign = Some(Instant::now());
            return None;
        }
        let (until, limit) = self.next();
        (Instant::now() >= until).then_some(limit)
    }

    fn exhausted(&self, limit: Limit) -> Error {
        let Timeouts {
            first_token,
            idle,
            total,
            ..
        } = self.timeouts;
        match limit {
            Limit::FirstToken => Error::new(
                ErrorKind::TimeoutFirstToken,
                format!("nothing within timeouts.first_token ({first_token:?})"),
            ),
            Limit::Idle => Error::new(
                ErrorKind::TimeoutIdle,
                format!("no sign of life for timeouts.idle ({idle:?})"),
            ),
            // Nothing has been shown, so another instance may well answer.
            Limit::Total if self.last_sign.is_none() => Error::new(
                ErrorKind::TimeoutFirstToken,
                format!("no answer within timeouts.total ({total:?})"),
            ),
            Limit::Total => Error::new(
                ErrorKind::Deadline,
                format!("no end within timeouts.total ({total:?})"),
            )
            .with_detail("total")
            .with_hint("raise timeouts.total of this instance, or ask for less"),
        }
    }
}
