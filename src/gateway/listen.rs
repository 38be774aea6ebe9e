//! The port: opens it, takes connections, and goes on when there are too many files.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;

use super::{Shared, connection};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;
/// How long accepting rests after an error that will not go away at once.
const REST: Duration = Duration::from_millis(50);

/// Opens a port.
pub(super) fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    // A restart must not wait until the connections of the last run are forgotten.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Takes connections until the gateway drains.
pub(super) async fn accept_all(shared: Arc<Shared>, listener: TcpListener) {
    let accepting = async {
        loop {
            // Closed only with the gateway itself.
            let Ok(permit) = Arc::clone(&shared.connections).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "no TCP_NODELAY");
                    }
                    let shared = Arc::clone(&shared);
                    let tasks = shared.tasks.clone();
                    tasks.spawn(take(shared, stream, peer, permit));
                }
                Err(error) if is_about_one(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot take connections");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    };
    shared.draining.run_until_cancelled(accepting).await;
}

async fn take(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    _permit: OwnedSemaphorePermit,
) {
    let state = shared.state();
    let Some(tls) = &state.tls else {
        return connection::serve(shared, stream, peer).await;
    };
    match tokio::time::timeout(state.settings.read_timeout, tls.accept(stream)).await {
        Ok(Ok(stream)) => connection::serve(shared, stream, peer).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS"),
        Err(_) => tracing::debug!(%peer, "no TLS in time"),
    }
}

/// Tells whether an error concerns only the connection that was about to be taken.
fn is_about_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
