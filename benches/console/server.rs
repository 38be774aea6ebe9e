//! A server that answers in the way its model is called: `usual`, `fast` or `lines`.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// What a model writes: headings, lists, tables, code, emphasis.
const TEXT: &str = "## Permits\n\nA **permit** is the right to have *one* request in flight at an instance. When all are \
    taken, a request waits in the queue until somebody gives one back, and goes to whoever has one free.\n\n\
    1. The pool looks for instances that are healthy.\n2. Of these it takes the one that `auto` expects to answer \
    soonest.\n3. It takes the permit and reserves the budget in one step.\n\n```rust\nfn lease(&mut self, now: Instant) \
    -> Option<Lease> {\n    let found = self.instances.iter().position(|one| one.is_free(now))?;\n    \
    self.instances[found].in_flight += 1;\n    Some(Lease { number: found, at: now })\n}\n```\n\n| state | takes \
    requests |\n|---|---|\n| on | yes |\n| cooling | in a moment |\n\n> What is given back is given back once, whatever \
    happens: the lease does it when it is dropped.\n\n- a timeout counts as a failure\n- a wrong key takes the \
    instance out until a person mends it\n\n";

/// Starts it; returns its port.
pub(crate) fn start() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who hangs up is gone.
            thread::spawn(move || drop(answer(&stream)));
        }
    });
    port
}

fn answer(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.to_ascii_lowercase();
        if let Some(said) = line.strip_prefix("content-length:") {
            length = said.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let mut out = stream;
    out.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
    )?;
    if body.contains("\"lines\"") {
        let text = lines(100_000);
        for piece in pieces(&text, 1_000) {
            out.write_all(event(piece).as_bytes())?;
        }
        out.write_all(
            b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        )?;
        return out.write_all(b"data: [DONE]\n\n");
    }
    // Tokens at once, and the pause after them.
    let (at_once, pause) = if body.contains("\"fast\"") {
        (2, 4)
    } else {
        (1, 20)
    };
    let pieces: Vec<&str> = pieces(TEXT, 6).collect();
    let mut number = 0;
    loop {
        let mut events = String::new();
        for _ in 0..at_once {
            events.push_str(&event(pieces[number % pieces.len()]));
            number += 1;
        }
        out.write_all(events.as_bytes())?;
        thread::sleep(Duration::from_millis(pause));
    }
}

fn event(text: &str) -> String {
    let choice = serde_json::json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
    format!("data: {choice}\n\n")
}

/// Cuts text into pieces of so many bytes; it is ASCII.
fn pieces(text: &str, length: usize) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    bytes
        .chunks(length)
        .map(|piece| std::str::from_utf8(piece).unwrap())
}

/// So many lines of Markdown.
fn lines(count: usize) -> String {
    let mut text = String::new();
    let all: Vec<&str> = TEXT.lines().collect();
    for number in 0..count {
        let line = all[number % all.len()];
        // Numbers, so that no two pages look alike.
        let _ = match line {
            "" => writeln!(text),
            line if line.starts_with("## ") => writeln!(text, "{line} {number}"),
            line => writeln!(text, "{line}"),
        };
    }
    text
}

/// A conversation of so many questions, each answered with so many lines, in the format of `llmdeck history import`.
pub(crate) fn conversation(questions: usize, lines: usize) -> String {
    let mut messages = Vec::new();
    let mut said = String::new();
    for question in 0..questions {
        messages
            .push(serde_json::json!({"role": "user", "content": format!("Question {question}")}));
        said.clear();
        for line in 0..lines {
            let _ = writeln!(
                said,
                "- line {line} of answer {question}, with *some* `words` in it"
            );
        }
        messages.push(serde_json::json!({"role": "assistant", "content": said}));
    }
    serde_json::json!({"messages": messages}).to_string()
}
