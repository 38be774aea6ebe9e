//! A response body that is written by an async function, in its own time. When the client leaves, the function is
//! dropped where it stands.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

/// Where the function puts its frames.
pub(super) struct Frames(mpsc::Sender<io::Result<Bytes>>);

impl Frames {
    /// Sends a frame; waits until the one before it was taken.
    pub(super) async fn send(&self, frame: impl Into<Bytes>) {
        let frame = frame.into();
        if !frame.is_empty() {
            self.put(Ok(frame)).await;
        }
    }

    /// Breaks the body off: the connection is closed without a proper end of the body.
    pub(super) async fn break_off(&self) {
        self.put(Err(io::Error::other("broken off"))).await;
    }

    async fn put(&self, frame: io::Result<Bytes>) {
        // The receiver lives in the same body as the function that calls this: it cannot be gone.
        let _ = self.0.send(frame).await;
    }
}

/// Makes a body of what `write` sends.
pub(super) fn body<F>(write: impl FnOnce(Frames) -> F) -> Body
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, frames) = mpsc::channel(1);
    Body::from_stream(Written {
        writing: Some(Box::pin(write(Frames(sender)))),
        frames,
    })
}

struct Written {
    writing: Option<BoxFuture<'static, ()>>,
    frames: mpsc::Receiver<io::Result<Bytes>>,
}

impl Stream for Written {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(Some(frame)) = self.frames.poll_recv(context) {
            return Poll::Ready(Some(frame));
        }
        if let Some(writing) = &mut self.writing
            && writing.as_mut().poll(context).is_ready()
        {
            self.writing = None;
        }
        // The function owns the sender: once it is done and all is read, this gives the end.
        self.frames.poll_recv(context)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn what_is_sent_is_the_body() {
        let body = body(|frames| async move {
            frames.send("one ").await;
            frames.send("").await;
            tokio::task::yield_now().await;
            frames.send("two").await;
        });
        assert_eq!(to_bytes(body, 100).await.unwrap(), "one two");
    }

    #[tokio::test]
    async fn a_broken_body_is_an_error_after_its_frames() {
        let body = body(|frames| async move {
            frames.send("one").await;
            frames.break_off().await;
        });
        let mut body = body.into_data_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), "one");
        assert!(body.next().await.unwrap().is_err());
    }
}
