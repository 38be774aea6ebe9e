//! Bodies: those that come, up to a limit and within a time; and those that go out.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::answer::Streamed;
use super::refuse::Refusal;

/// The body of an answer.
pub(super) enum Body {
    /// All of it; `None` once it is taken.
    Whole(Option<Bytes>),
    /// Frames as they come.
    Streamed(Box<Streamed>),
    /// What a mounted router answers.
    Mounted(axum::body::Body),
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => {
                let bytes = bytes.take().filter(|bytes| !bytes.is_empty());
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Streamed(streamed) => streamed
                .poll_frames(context)
                .map(|frames| frames.map(|frames| Ok(Frame::data(frames)))),
            Self::Mounted(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Streamed(_) => false,
            Self::Mounted(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Streamed(_) => SizeHint::default(),
            Self::Mounted(body) => body.size_hint(),
        }
    }
}

/// Reads a request's body.
///
/// # Errors
/// What to tell the caller when it is too long, too slow or broken.
pub(super) async fn read(
    mut body: Incoming,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, Refusal> {
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(Refusal::too_large(limit));
    }
    match tokio::time::timeout(patience, collect(&mut body, limit, announced as usize)).await {
        Ok(read) => read,
        Err(_) => Err(Refusal::too_slow(patience)),
    }
}

async fn collect(body: &mut Incoming, limit: usize, announced: usize) -> Result<Bytes, Refusal> {
    // What is announced is not believed before it is there.
    const BELIEVED: usize = 64 << 10;
    let mut first: Option<Bytes> = None;
    let mut all: Vec<u8> = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
        let frame = frame.map_err(|_| Refusal::broken_body())?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let so_far = first.as_ref().map_or(all.len(), Bytes::len);
        if so_far + data.len() > limit {
            return Err(Refusal::too_large(limit));
        }
        match first.take() {
            None if all.is_empty() => first = Some(data),
            held => {
                if let Some(held) = held {
                    all.reserve(announced.clamp(
                        held.len() + data.len(),
                        BELIEVED.max(held.len() + data.len()),
                    ));
                    all.extend_from_slice(&held);
                }
                all.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| all.into()))
}
