//! An answer of the pool on its way to the caller: whole, or in frames as they come.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::body::Body;
use super::refuse::{Refusal, told};
use crate::base::{
    ChatStream, Chunk, Error, ErrorKind, InstanceName, LlmResponse, RequestId, Started,
};
use crate::wire::serve::Speaker;

/// The most bytes of frames that are gathered into one write.
const AT_ONCE: usize = 16 << 10;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const INSTANCE: HeaderName = HeaderName::from_static("x-llmdeck-instance");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-llmdeck-attempts");
const QUEUED: HeaderName = HeaderName::from_static("x-llmdeck-queued-ms");

/// Reads the whole answer and makes the response.
///
/// # Errors
/// What ended the request instead.
pub(super) async fn whole(
    mut chat: ChatStream,
    mut speaker: Speaker,
) -> Result<Response<Body>, Error> {
    let mut text = BytesMut::new();
    while let Some(piece) = chat.next().await {
        match piece? {
            Chunk::Done(response) => {
                text.extend_from_slice(&speaker.finish());
                let mut answer = Response::new(Body::Whole(Some(text.freeze())));
                let headers = answer.headers_mut();
                headers.insert(
                    CONTENT_TYPE,
                    HeaderValue::from_static(speaker.content_type()),
                );
                of_whole(headers, &response);
                return Ok(answer);
            }
            chunk => {
                if let Some(more) = speaker.chunk(&chunk) {
                    text.extend_from_slice(&more);
                }
            }
        }
    }
    Err(ended_early())
}

/// Waits for the first token and makes a response whose body goes on by itself.
///
/// # Errors
/// What ended the request before its first token: it can still be told with a status of its own.
pub(super) async fn streamed(
    mut chat: ChatStream,
    mut speaker: Speaker,
    stopped: CancellationToken,
) -> Result<Response<Body>, Error> {
    let mut first = BytesMut::new();
    loop {
        match chat.next().await {
            Some(Ok(Chunk::Started(started))) => {
                let content_type = HeaderValue::from_static(speaker.content_type());
                let mut answer = Response::new(Body::Streamed(Box::new(Streamed {
                    chat: Some(chat),
                    speaker,
                    first,
                    stopped: Box::pin(stopped.cancelled_owned()),
                })));
                let headers = answer.headers_mut();
                headers.insert(CONTENT_TYPE, content_type);
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
                of_started(headers, &started);
                return Ok(answer);
            }
            Some(Ok(chunk)) => {
                if let Some(frames) = speaker.chunk(&chunk) {
                    first.extend_from_slice(&frames);
                }
            }
            Some(Err(error)) => return Err(error),
            None => return Err(ended_early()),
        }
    }
}

/// The frames of an answer that has begun. Dropping it cancels the request.
pub(super) struct Streamed {
    /// `None` once it is over.
    chat: Option<ChatStream>,
    speaker: Speaker,
    /// What came before the first token.
    first: BytesMut,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Streamed {
    /// Gives all frames that are there, gathered; `None` at the end.
    pub(super) fn poll_frames(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut gathered = std::mem::take(&mut self.first);
        while let Some(chat) = &mut self.chat {
            if gathered.len() >= AT_ONCE {
                break;
            }
            let frames = match chat.poll_next_unpin(context) {
                Poll::Pending => match self.stopped.poll_unpin(context) {
                    Poll::Pending if gathered.is_empty() => return Poll::Pending,
                    Poll::Pending => break,
                    Poll::Ready(()) => Some(self.end(Some(&shut_down()))),
                },
                Poll::Ready(Some(Ok(Chunk::Done(_)))) => Some(self.end(None)),
                Poll::Ready(Some(Ok(chunk))) => self.speaker.chunk(&chunk),
                Poll::Ready(Some(Err(error))) => Some(self.end(Some(&error))),
                Poll::Ready(None) => Some(self.end(Some(&ended_early()))),
            };
            match frames {
                // Mostly one piece at a time: it goes out as it is.
                Some(frames) if gathered.is_empty() && self.chat.is_none() => {
                    return Poll::Ready(Some(frames));
                }
                Some(frames) => gathered.extend_from_slice(&frames),
                None => {}
            }
        }
        if gathered.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(gathered.freeze()))
    }

    /// Ends the answer, properly or with an error told in band.
    fn end(&mut self, error: Option<&Error>) -> Bytes {
        self.chat = None;
        match error {
            None => self.speaker.finish(),
            Some(error) => {
                let refusal = Refusal::of(error);
                self.speaker
                    .error(refusal.kind, &told(error), refusal.code.as_deref())
            }
        }
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
