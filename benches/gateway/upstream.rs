//! The upstream: answers chats with bytes that were made beforehand.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Between the events of a paced stream.
pub(super) const PACE: Duration = Duration::from_millis(10);
/// The events of a stream: 50 with text, the end, usage, and what ends it.
pub(super) const EVENTS: usize = 53;
/// Events that go out in one write when there is no pace, as servers that gather do.
const AT_ONCE: usize = 16;

struct Answers {
    whole: Vec<u8>,
    head: Vec<u8>,
    events: Vec<Vec<u8>>,
}

/// Serves until its standard input ends; prints its port.
pub(super) fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        std::io::stdout().flush().unwrap();
        let answers = Arc::new(Answers::new());
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            tokio::spawn(answer(socket, Arc::clone(&answers)));
        }
    });
}

impl Answers {
    fn new() -> Self {
        let text = "It will most likely rain in the mountains tomorrow afternoon, so take a jacket and good shoes along. ".repeat(3);
        let usage = "\"usage\":{\"prompt_tokens\":25,\"completion_tokens\":50,\"total_tokens\":75}";
        let body = format!(
            "{{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"m\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"logprobs\":null,\"finish_reason\":\"stop\"}}],{usage}}}"
        );
        let whole = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\ndate: Mon, 01 Jan 2029 00:00:00 GMT\r\n\r\n{body}",
            body.len()
        );
        let shared = "\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"m\",\"system_fingerprint\":null";
        let mut events: Vec<String> = (0..EVENTS - 3)
            .map(|at| format!("{{{shared},\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word{at}\"}},\"logprobs\":null,\"finish_reason\":null}}]}}"))
            .collect();
        events.push(format!("{{{shared},\"choices\":[{{\"index\":0,\"delta\":{{}},\"logprobs\":null,\"finish_reason\":\"stop\"}}]}}"));
        events.push(format!("{{{shared},\"choices\":[],{usage}}}"));
        events.push("[DONE]".to_owned());
        let chunk = |event: String| {
            let event = format!("data: {event}\n\n");
            format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
        };
        Self {
            whole: whole.into_bytes(),
            head: b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
            events: events.into_iter().map(chunk).collect(),
        }
    }
}

async fn answer(mut socket: TcpStream, answers: Arc<Answers>) {
    let mut held = Vec::with_capacity(16 << 10);
    loop {
        let end = loop {
            if let Some(end) = request_end(&held) {
                break end;
            }
            match socket.read_buf(&mut held).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        };
        let asked = &held[..end];
        let is_stream = memchr::memmem::find(asked, b"\"stream\":true").is_some();
        let is_paced = memchr::memmem::find(asked, b"\"paced\"").is_some();
        held.drain(..end);
        let said = match (is_stream, is_paced) {
            (false, _) => socket.write_all(&answers.whole).await,
            (true, false) => at_once(&mut socket, &answers).await,
            (true, true) => paced(&mut socket, &answers).await,
        };
        if said.is_err() {
            return;
        }
    }
}

async fn at_once(socket: &mut TcpStream, answers: &Answers) -> std::io::Result<()> {
    let mut bytes = answers.head.clone();
    for (at, events) in answers.events.chunks(AT_ONCE).enumerate() {
        bytes.extend(events.iter().flatten());
        if (at + 1) * AT_ONCE >= EVENTS {
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
        socket.write_all(&bytes).await?;
        bytes.clear();
    }
    Ok(())
}

async fn paced(socket: &mut TcpStream, answers: &Answers) -> std::io::Result<()> {
    socket.write_all(&answers.head).await?;
    let mut pace = tokio::time::interval(PACE);
    for event in &answers.events {
        pace.tick().await;
        socket.write_all(event).await?;
    }
    socket.write_all(b"0\r\n\r\n").await
}

/// Returns where a request with a body of a told length ends.
fn request_end(held: &[u8]) -> Option<usize> {
    let head = memchr::memmem::find(held, b"\r\n\r\n")?;
    let text = std::str::from_utf8(&held[..head]).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().unwrap_or(0))
    });
    let end = head + 4 + length.unwrap_or(0);
    (held.len() >= end).then_some(end)
}
