//! One connection of a caller: HTTP/1.1 or HTTP/2, with an end for those who are slow to ask.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};

use super::socket::Socket;
use super::{Shared, handle};

/// The most bytes that are read of a request's header, and of frames that are gathered into one write. More than a
/// header may have ([`handle::LONGEST_HEADER`]), so that one that is too long is told of in the caller's protocol.
const LARGEST_BUFFER: usize = 4 * handle::LONGEST_HEADER;

/// Serves requests until the caller leaves or the gateway stops.
pub(super) async fn serve(
    shared: Arc<Shared>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
) {
    let state = shared.state();
    let settings = &state.settings;
    let stream = Socket::new(stream, settings.write_timeout);
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(handle::handle(shared, peer, request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.read_timeout)
        .max_buf_size(LARGEST_BUFFER);
    builder.http2().timer(TokioTimer::new());
    let mut serving =
        std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut is_draining = false;
    loop {
        tokio::select! {
            ended = serving.as_mut() => {
                if let Err(error) = ended {
                    tracing::trace!(%error, %peer, "connection ended");
                }
                return;
            }
            () = shared.draining.cancelled(), if !is_draining => {
                is_draining = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}
