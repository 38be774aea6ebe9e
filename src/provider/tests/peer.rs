//! A server whose every byte is written by the test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) line: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

/// One connection, seen from the server.
pub(super) struct Peer {
    io: Box<dyn Io>,
    buffer: Vec<u8>,
    log: Arc<Mutex<Vec<Seen>>>,
    /// Which connection this is, from 0.
    pub(super) number: usize,
}

impl Peer {
    pub(super) fn over(&self, io: impl Io + 'static) -> Self {
        Self {
            io: Box::new(io),
            buffer: Vec::new(),
            log: Arc::clone(&self.log),
            number: self.number,
        }
    }

    /// Gives the connection away, for TLS on top of it.
    pub(super) fn take_io(&mut self) -> Box<dyn Io> {
        std::mem::replace(&mut self.io, Box::new(tokio::io::empty()))
    }

    /// Reads one request; `None` when the client closed the connection.
    pub(super) async fn request(&mut self) -> Option<Seen> {
        let head_end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).into_owned();
        let mut lines = head.lines();
        let line = lines.next().unwrap_or_default().to_owned();
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse::<usize>().unwrap());
        while self.buffer.len() < head_end + length {
            self.read_more().await?;
        }
        let body = String::from_utf8_lossy(&self.buffer[head_end..head_end + length]).into_owned();
        self.buffer.drain(..head_end + length);
        let seen = Seen {
            line,
            headers,
            body,
        };
        self.log.lock().push(seen.clone());
        Some(seen)
    }

    async fn read_more(&mut self) -> Option<()> {
        match self.io.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A client that left is no fault of the test's server.
        let _ = self.io.write_all(bytes.as_ref()).await;
        let _ = self.io.flush().await;
    }

    /// Waits until the client closes the connection.
    pub(super) async fn closed(&mut self) {
        while self.read_more().await.is_some() {}
    }

    pub(super) async fn hang(&mut self) {
        std::future::pending::<()>().await;
    }
}

/// A server on loopback; gone when dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    log: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Starts one that treats every connection as `serve` says.
    pub(super) async fn start<F>(serve: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn({
            let log = Arc::clone(&log);
            let connections = Arc::clone(&connections);
            async move {
                let mut peers = JoinSet::new();
                while let Ok((io, _)) = listener.accept().await {
                    let number = connections.fetch_add(1, Ordering::SeqCst);
                    let log = Arc::clone(&log);
                    peers.spawn(serve(Peer {
                        io: Box::new(io),
                        buffer: Vec::new(),
                        log,
                        number,
                    }));
                }
            }
        });
        Self {
            address,
            log,
            connections,
            _tasks: tasks,
        }
    }

    /// Starts one that answers every request with these bytes and then closes.
    pub(super) async fn saying(answer: impl AsRef<[u8]>) -> Self {
        let answer = Arc::new(answer.as_ref().to_vec());
        Self::start(move |mut peer| {
            let answer = Arc::clone(&answer);
            async move {
                if peer.request().await.is_some() {
                    peer.send(&*answer).await;
                }
            }
        })
        .await
    }

    /// Starts one that answers every request with these bytes and keeps its connections.
    pub(super) async fn repeating(answer: impl AsRef<[u8]>) -> Self {
        let answer = Arc::new(answer.as_ref().to_vec());
        Self::start(move |mut peer| {
            let answer = Arc::clone(&answer);
            async move {
                while peer.request().await.is_some() {
                    peer.send(&*answer).await;
                }
            }
        })
        .await
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the requests seen so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.log.lock().clone()
    }
}
