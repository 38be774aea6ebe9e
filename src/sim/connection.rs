//! One accepted connection: HTTP/1.1 over a socket that can also end badly.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// The most bytes of frames that are gathered into one write when frames come faster than they leave; also the most
/// bytes of request headers.
const LARGEST_BUFFER: usize = 64 << 10;

/// What a handler can do to its connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// Cancelled when the server breaks the connection.
    pub(super) broken: CancellationToken,
    reset: Arc<AtomicBool>,
}

impl Connection {
    /// Makes the connection end with a reset instead of a proper close.
    pub(super) fn reset_at_end(&self) {
        self.reset.store(true, Ordering::Release);
    }
}

/// Why a handler gives no response: the connection is closed.
#[derive(Debug, thiserror::Error)]
#[error("the simulated instance closes the connection")]
pub(super) struct Closed;

/// Serves requests until the client leaves, the server breaks the connection, or `stopping` lets it end politely.
pub(super) async fn serve<H, F>(
    stream: TcpStream,
    broken: CancellationToken,
    stopping: CancellationToken,
    handle: H,
) where
    H: Fn(Connection, Request<Body>) -> F,
    F: Future<Output = Result<Response<Body>, Closed>>,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let connection = Connection {
        broken: broken.clone(),
        reset: Arc::default(),
    };
    let socket = Socket {
        stream,
        reset: Arc::clone(&connection.reset),
    };
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        handle(connection.clone(), request.map(Body::new))
    });
    let mut serving = std::pin::pin!(
        http1::Builder::new()
            .max_buf_size(LARGEST_BUFFER)
            .serve_connection(TokioIo::new(socket), service)
    );
    let mut is_stopping = false;
    loop {
        tokio::select! {
            ended = serving.as_mut() => {
                if let Err(error) = ended {
                    tracing::trace!(%error, "simulated connection ended");
                }
                return;
            }
            () = broken.cancelled() => return,
            () = stopping.cancelled(), if !is_stopping => {
                is_stopping = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

/// A socket that is reset instead of closed when told so.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Socket {
    fn is_reset(&self) -> bool {
        self.reset.load(Ordering::Acquire)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.is_reset() {
            // A linger time of zero: close sends RST and forgets what was not sent yet.
            let lingering = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
            if let Err(error) = lingering {
                tracing::debug!(%error, "no SO_LINGER");
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_reset() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
