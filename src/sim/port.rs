//! A port that can be closed and opened again: refused connections are real, and nobody else takes the number.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};

use futures_util::future::poll_fn;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A port on loopback. Opening and closing take effect before they return.
pub(super) struct Port {
    address: SocketAddr,
    /// Keeps the number while the port is closed; never listens.
    _reservation: Socket,
    open: Mutex<Option<Open>>,
    /// Cancelled at the server's end.
    stopped: CancellationToken,
    waker: AtomicWaker,
}

/// What a port has while it is open.
struct Open {
    listener: TcpListener,
    /// Cancelled when the port is closed: breaks the connections of this opening.
    broken: CancellationToken,
}

impl Port {
    /// Opens the port; 0 takes a free one. `stopped` breaks all its connections. Needs a tokio runtime.
    pub(super) fn open(number: u16, stopped: CancellationToken) -> io::Result<Self> {
        let reservation = bound_socket(SocketAddr::from((Ipv4Addr::LOCALHOST, number)))?;
        let address = reservation
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("the reserved port has no address"))?;
        let port = Self {
            address,
            _reservation: reservation,
            open: Mutex::new(None),
            stopped,
            waker: AtomicWaker::new(),
        };
        port.reopen()?;
        Ok(port)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens again. Does nothing on an open port. Needs a tokio runtime.
    pub(super) fn reopen(&self) -> io::Result<()> {
        let mut open = self.open.lock();
        if open.is_none() {
            let socket = bound_socket(self.address)?;
            socket.listen(BACKLOG)?;
            *open = Some(Open {
                listener: TcpListener::from_std(socket.into())?,
                broken: self.stopped.child_token(),
            });
            self.waker.wake();
        }
        Ok(())
    }

    /// Refuses connections from now on and breaks those that stand.
    pub(super) fn close(&self) {
        if let Some(open) = self.open.lock().take() {
            open.broken.cancel();
        }
    }

    /// Refuses connections from now on; those that stand go on.
    pub(super) fn close_gently(&self) {
        drop(self.open.lock().take());
    }

    /// Waits for a connection, over any number of closings and openings.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, CancellationToken)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, CancellationToken)>> {
        self.waker.register(context.waker());
        match &*self.open.lock() {
            None => Poll::Pending,
            Some(open) => open
                .listener
                .poll_accept(context)
                .map_ok(|(stream, _)| (stream, open.broken.clone())),
        }
    }
}

fn bound_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // The reservation and the listener share one address; without this only one socket could have it.
    #[cfg(unix)]
    {
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn connect(port: &Port) -> io::Result<TcpStream> {
        TcpStream::connect(port.address()).await
    }

    #[tokio::test]
    async fn a_closed_port_refuses_and_an_opened_one_accepts_again() {
        let port = Port::open(0, CancellationToken::new()).unwrap();
        for _ in 0..3 {
            let _client = connect(&port).await.unwrap();
            let (_server, broken) = port.accept().await.unwrap();
            port.close();
            assert!(broken.is_cancelled());
            let refused = connect(&port).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            port.reopen().unwrap();
        }
    }

    #[tokio::test]
    async fn who_waits_for_a_connection_wakes_when_the_port_opens() {
        let port = Port::open(0, CancellationToken::new()).unwrap();
        port.close();
        let mut accepting = Box::pin(port.accept());
        assert!(futures_util::poll!(&mut accepting).is_pending());
        port.reopen().unwrap();
        let (client, accepted) = tokio::join!(
            connect(&port),
            tokio::time::timeout(Duration::from_secs(5), accepting)
        );
        client.unwrap();
        accepted.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_number_in_use_is_an_error() {
        let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let number = taken.local_addr().unwrap().port();
        assert!(Port::open(number, CancellationToken::new()).is_err());
    }
}
