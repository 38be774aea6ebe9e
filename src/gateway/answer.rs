//! An answer of the pool on its way to the caller: whole, or in frames as they come.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::body::Body;
use super::handle::Slot;
use super::keys::Pass;
use super::refuse::{Refusal, told};
use crate::base::{
    ChatStream, Chunk, Error, ErrorKind, InstanceName, LlmResponse, RequestId, Started,
};
use crate::wire::embed;
use crate::wire::serve::{Front, Speaker};

/// The most bytes of frames that are gathered into one write.
const AT_ONCE: usize = 16 << 10;
/// What ends a stream of events in the protocols of OpenAI and Zhipu.
const DONE: &[u8] = b"data: [DONE]";

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const INSTANCE: HeaderName = HeaderName::from_static("x-llmdeck-instance");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-llmdeck-attempts");
const QUEUED: HeaderName = HeaderName::from_static("x-llmdeck-queued-ms");

/// A request in the pool, and how its answer is said.
pub(super) struct Work {
    /// The answer.
    pub(super) chat: ChatStream,
    /// The caller's protocol.
    pub(super) front: Front,
    /// Who says it.
    pub(super) speaker: Speaker,
    /// What is held meanwhile.
    pub(super) guard: Guard,
}

/// What a request holds until its answer has ended.
pub(super) struct Guard {
    /// The right of the caller's key.
    pub(super) pass: Option<Pass>,
    /// A place among the requests that run at once.
    pub(super) _slot: Slot,
}

impl Guard {
    fn settle(&mut self, response: &LlmResponse) {
        if let Some(pass) = &mut self.pass {
            pass.used(response.usage.as_ref());
        }
    }
}

/// Reads the whole answer and makes the response.
///
/// # Errors
/// What ended the request instead.
pub(super) async fn whole(mut work: Work) -> Result<Response<Body>, Error> {
    let mut raw: Option<Bytes> = None;
    let mut text = BytesMut::new();
    while let Some(piece) = work.chat.next().await {
        match piece? {
            Chunk::Done(response) => {
                work.guard.settle(&response);
                let text = raw.unwrap_or_else(|| {
                    text.extend_from_slice(&work.speaker.finish());
                    text.freeze()
                });
                let mut answer = Response::new(Body::Whole(Some(text)));
                let content_type = HeaderValue::from_static(work.speaker.content_type());
                let headers = answer.headers_mut();
                headers.insert(CONTENT_TYPE, content_type);
                of_whole(headers, &response);
                return Ok(answer);
            }
            Chunk::Frames(frames) => raw = Some(frames.bytes),
            chunk => {
                if let Some(more) = work.speaker.chunk(&chunk) {
                    text.extend_from_slice(&more);
                }
            }
        }
    }
    Err(ended_early())
}

/// Reads vectors and makes the response; `model` is what they are said to come from.
///
/// # Errors
/// What ended the request instead.
pub(super) async fn embedded(
    mut work: Work,
    model: &str,
    base64: bool,
) -> Result<Response<Body>, Error> {
    let mut document = Bytes::new();
    while let Some(piece) = work.chat.next().await {
        match piece? {
            Chunk::Done(response) => {
                work.guard.settle(&response);
                let wanted = work.front.family();
                let from = response.provider_type.unwrap_or(wanted);
                if !embed::is_alike(from, wanted) {
                    let said = embed::translate_answer(from, wanted, model, &document)?;
                    document = said.to_string().into();
                }
                // Some servers do not know of base64, and clients that ask for it read nothing else.
                if base64 && let Some(packed) = embed::pack(&document) {
                    document = packed.to_string().into();
                }
                let mut answer = Response::new(Body::Whole(Some(document)));
                let headers = answer.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                of_whole(headers, &response);
                return Ok(answer);
            }
            Chunk::Frames(frames) => document = frames.bytes,
            _ => {}
        }
    }
    Err(ended_early())
}

/// Waits for the first token and makes a response whose body goes on by itself. When that takes longer than `silence`
/// (zero for never), the response goes out without it, for callers and proxies give up on those of whom they hear
/// nothing; from then on an error can only be told in band.
///
/// # Errors
/// What ended the request before its first token: it can still be told with a status of its own.
pub(super) async fn streamed(
    mut work: Work,
    stopped: CancellationToken,
    silence: Duration,
) -> Result<Response<Body>, Error> {
    let mut quiet = Quiet::new(silence);
    let mut first = BytesMut::new();
    let mut raw = false;
    let started = loop {
        let next = poll_fn(|context| match work.chat.poll_next_unpin(context) {
            Poll::Pending => quiet.poll(context).map(|()| None),
            Poll::Ready(next) => Poll::Ready(Some(next)),
        });
        match next.await {
            Some(Some(Ok(Chunk::Started(started)))) => break Some(started),
            Some(Some(Ok(Chunk::Frames(frames)))) => {
                raw = true;
                first.extend_from_slice(&frames.bytes);
            }
            Some(Some(Ok(chunk))) => {
                if let Some(frames) = work.speaker.chunk(&chunk) {
                    first.extend_from_slice(&frames);
                }
            }
            Some(Some(Err(error))) => return Err(error),
            Some(None) => return Err(ended_early()),
            None => {
                if first.is_empty() {
                    first.extend_from_slice(&work.speaker.keep_alive());
                }
                quiet.broken();
                break None;
            }
        }
    };
    let content_type = HeaderValue::from_static(work.speaker.content_type());
    let mut answer = Response::new(Body::Streamed(Box::new(Streamed {
        chat: Some(work.chat),
        front: work.front,
        speaker: work.speaker,
        first,
        raw,
        ends_itself: false,
        quiet,
        stopped: Box::pin(stopped.cancelled_owned()),
        guard: Some(work.guard),
    })));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Some(started) = started {
        of_started(headers, &started);
    }
    Ok(answer)
}

/// Knows when nothing has been sent for too long.
struct Quiet {
    silence: Duration,
    since: Instant,
    /// Made when first needed, and put off lazily: bytes come far more often than it ends.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Quiet {
    fn new(silence: Duration) -> Self {
        Self {
            silence,
            since: Instant::now(),
            alarm: None,
        }
    }

    /// Notes that something is sent.
    fn broken(&mut self) {
        if !self.silence.is_zero() {
            self.since = Instant::now();
        }
    }

    /// Is ready when it is time for a sign of life.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.silence.is_zero() {
            return Poll::Pending;
        }
        let until = self.since + self.silence;
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        while alarm.poll_unpin(context).is_ready() {
            if Instant::now() >= until {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(until);
        }
        Poll::Pending
    }
}

/// The frames of an answer that has begun. Dropping it cancels the request.
pub(super) struct Streamed {
    /// `None` once it is over.
    chat: Option<ChatStream>,
    front: Front,
    speaker: Speaker,
    /// What came before the first token.
    first: BytesMut,
    /// Whether frames come as the upstream made them.
    raw: bool,
    /// Whether the upstream has sent what ends a stream.
    ends_itself: bool,
    quiet: Quiet,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    guard: Option<Guard>,
}

impl Streamed {
    /// Gives all frames that are there, gathered; `None` at the end.
    pub(super) fn poll_frames(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut gathered = Gathered {
            first: None,
            more: std::mem::take(&mut self.first),
        };
        while let Some(chat) = &mut self.chat {
            if gathered.len() >= AT_ONCE {
                break;
            }
            let frames = match chat.poll_next_unpin(context) {
                Poll::Pending if self.stopped.poll_unpin(context).is_ready() => {
                    Some(self.fail(&shut_down()))
                }
                Poll::Pending if gathered.len() > 0 => break,
                Poll::Pending => match self.quiet.poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => Some(self.speaker.keep_alive()),
                },
                Poll::Ready(Some(Ok(Chunk::Frames(frames)))) => {
                    self.raw = true;
                    let end = frames.bytes.trim_ascii_end();
                    self.ends_itself = end.ends_with(DONE);
                    Some(frames.bytes)
                }
                Poll::Ready(Some(Ok(Chunk::Done(response)))) => Some(self.end(&response)),
                Poll::Ready(Some(Ok(_))) if self.raw => None,
                Poll::Ready(Some(Ok(chunk))) => self.speaker.chunk(&chunk),
                Poll::Ready(Some(Err(error))) => Some(self.fail(&error)),
                Poll::Ready(None) => Some(self.fail(&ended_early())),
            };
            if let Some(frames) = frames {
                gathered.add(frames);
            }
        }
        self.quiet.broken();
        Poll::Ready(gathered.into_bytes())
    }

    /// Ends the answer properly.
    fn end(&mut self, response: &LlmResponse) -> Bytes {
        self.chat = None;
        if let Some(mut guard) = self.guard.take() {
            guard.settle(response);
        }
        match (self.raw, self.front) {
            (false, _) => self.speaker.finish(),
            // Clients wait for it, and some servers leave it out.
            (true, Front::OpenAi | Front::ZhipuAi) if !self.ends_itself => {
                Bytes::from_static(b"data: [DONE]\n\n")
            }
            (true, _) => Bytes::new(),
        }
    }

    /// Ends the answer with an error told in band.
    fn fail(&mut self, error: &Error) -> Bytes {
        self.chat = None;
        self.guard = None;
        let refusal = Refusal::of(error);
        self.speaker
            .error(refusal.kind, &told(error), refusal.code.as_deref())
    }
}

/// Frames that go out together; a single one goes as it is.
struct Gathered {
    first: Option<Bytes>,
    more: BytesMut,
}

impl Gathered {
    fn len(&self) -> usize {
        self.first.as_ref().map_or(0, Bytes::len) + self.more.len()
    }

    fn add(&mut self, frames: Bytes) {
        if self.len() == 0 {
            self.first = Some(frames);
            return;
        }
        if let Some(first) = self.first.take() {
            self.more.extend_from_slice(&first);
        }
        self.more.extend_from_slice(&frames);
    }

    fn into_bytes(self) -> Option<Bytes> {
        let bytes = match self.first {
            Some(first) => first,
            None => self.more.freeze(),
        };
        (!bytes.is_empty()).then_some(bytes)
    }
}

fn ended_early() -> Error {
    Error::protocol("truncated", "the answer ended without its end")
}

fn shut_down() -> Error {
    Error::new(
        ErrorKind::Overloaded,
        "the gateway is shutting down, and this answer took too long",
    )
}

fn of_started(headers: &mut HeaderMap, started: &Started) {
    put(
        headers,
        Some(started.request_id),
        Some(&started.instance),
        started.attempt as usize,
        started.queued,
    );
}

fn of_whole(headers: &mut HeaderMap, response: &LlmResponse) {
    put(
        headers,
        response.request_id,
        response.instance.as_ref(),
        response.attempts.len(),
        response.queued,
    );
}

/// Says in headers of an error who was asked.
pub(super) fn of_error(headers: &mut HeaderMap, error: &Error) {
    let queued = error.attempts().iter().map(|attempt| attempt.queued).sum();
    put(
        headers,
        error.request(),
        error.instance(),
        error.attempts().len(),
        queued,
    );
}

fn put(
    headers: &mut HeaderMap,
    id: Option<RequestId>,
    instance: Option<&InstanceName>,
    attempts: usize,
    queued: Duration,
) {
    if let Some(id) = id.and_then(|id| HeaderValue::from_str(&id.to_string()).ok()) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(name) = instance.and_then(|name| HeaderValue::from_str(name.as_str()).ok()) {
        headers.insert(INSTANCE, name);
    }
    headers.insert(ATTEMPTS, HeaderValue::from(attempts));
    headers.insert(QUEUED, HeaderValue::from(queued.as_millis() as u64));
}
