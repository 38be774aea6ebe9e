//! The load: connections that ask, read to the end, and ask again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::upstream::{EVENTS, PACE};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A whole answer.
    Whole,
    /// A stream of 50 chunks, all there at once.
    Stream,
    /// A stream of 50 chunks, one after the other.
    Paced,
}

impl Kind {
    pub(super) fn told(self) -> String {
        match self {
            Self::Whole => "a whole answer".to_owned(),
            Self::Stream => "a stream of 50 chunks at once".to_owned(),
            Self::Paced => format!("a stream of 50 chunks, one each {} ms", PACE.as_millis()),
        }
    }

    fn request(self) -> Vec<u8> {
        let model = if self == Self::Paced { "paced" } else { "m" };
        let stream = self != Self::Whole;
        let body = format!(
            "{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"system\",\"content\":\"You answer questions about the weather in one short sentence, and you never make anything up.\"}},{{\"role\":\"user\",\"content\":\"Will it rain in the mountains tomorrow in the afternoon, and what should I take along?\"}}],\"temperature\":0.7,\"max_tokens\":256,\"stream\":{stream},\"stream_options\":{{\"include_usage\":true}}}}"
        );
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nauthorization: Bearer key\r\nuser-agent: bench\r\naccept: */*\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// One round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) kind: Kind,
    pub(super) at_once: usize,
    pub(super) requests: usize,
    /// The least time between two requests of a connection.
    pub(super) every: Duration,
}

/// What came of it; times in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) wrong: usize,
    pub(super) took: Duration,
    pub(super) first: Vec<f64>,
    pub(super) end: Vec<f64>,
}

impl Outcome {
    pub(super) fn add(&mut self, other: Self) {
        self.wrong += other.wrong;
        self.took += other.took;
        self.first.extend(other.first);
        self.end.extend(other.end);
    }
}

impl Load {
    pub(super) async fn run(self, port: u16) -> Outcome {
        let left = Arc::new(AtomicUsize::new(self.requests));
        let request: Arc<[u8]> = self.kind.request().into();
        let begun = Instant::now();
        let asking: Vec<_> = (0..self.at_once)
            .map(|_| tokio::spawn(ask(self, port, Arc::clone(&request), Arc::clone(&left))))
            .collect();
        let mut all = Outcome::default();
        for asking in asking {
            all.add(asking.await.expect("a connection"));
        }
        all.took = begun.elapsed();
        all
    }
}

async fn ask(load: Load, port: u16, request: Arc<[u8]>, left: Arc<AtomicUsize>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut socket = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("a connection");
    socket.set_nodelay(true).expect("no delay");
    let mut held = Vec::with_capacity(32 << 10);
    let take = |left: usize| left.checked_sub(1);
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        .is_ok()
    {
        let begun = Instant::now();
        held.clear();
        socket.write_all(&request).await.expect("to be heard");
        let mut first = None;
        while !is_over(&held) {
            let read = socket.read_buf(&mut held).await.expect("an answer");
            assert!(
                read > 0,
                "closed in the middle: {}",
                String::from_utf8_lossy(&held)
            );
            first.get_or_insert_with(|| begun.elapsed());
        }
        let took = begun.elapsed();
        outcome
            .first
            .push(first.unwrap_or(took).as_secs_f64() * 1e3);
        outcome.end.push(took.as_secs_f64() * 1e3);
        if !is_right(load.kind, &held) {
            outcome.wrong += 1;
        }
        if !load.every.is_zero() {
            tokio::time::sleep_until(begun + load.every).await;
        }
    }
    outcome
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}

/// Tells whether a whole response is there.
fn is_over(held: &[u8]) -> bool {
    let Some(head) = find(held, b"\r\n\r\n") else {
        return false;
    };
    let length = find(&held[..head], b"ontent-").and_then(|_| {
        let head = std::str::from_utf8(&held[..head]).ok()?;
        let line = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then_some(value)
        })?;
        line.trim().parse::<usize>().ok()
    });
    match length {
        Some(length) => held.len() >= head + 4 + length,
        None => held.ends_with(b"\r\n0\r\n\r\n"),
    }
}

fn is_right(kind: Kind, held: &[u8]) -> bool {
    let is_well = held.starts_with(b"HTTP/1.1 200");
    match kind {
        Kind::Whole => is_well && find(held, b"\"total_tokens\":75").is_some(),
        Kind::Stream | Kind::Paced => {
            is_well && memchr::memmem::find_iter(held, b"data: ").count() == EVENTS
        }
    }
}
