//! HTTP at its edges, byte by byte over sockets: what hyper and the gateway make of it together.

use std::time::Duration;

use llmdeck::ProviderType;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::rig::{Front, chat, quick};
use super::upstream::{Plan, Program, Upstream};

fn front() -> Front {
    Front::over(&[("one", ProviderType::OpenAi)])
}

/// Sends bytes and reads until the other side closes.
async fn say(front: &Front, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(front.gateway.address()).await.unwrap();
    // The rest may be refused before it is sent.
    let _ = socket.write_all(bytes).await;
    let mut told = Vec::new();
    let reading = socket.read_to_end(&mut told);
    let _ = tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .unwrap();
    String::from_utf8_lossy(&told).into_owned()
}

/// A request that asks for the connection to be closed after it.
fn post(headers: &str, body: &str) -> String {
    let headers = format!("content-type: application/json\r\nconnection: close\r\n{headers}");
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

fn body_of(told: &str) -> Value {
    let (_, body) = told.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn bodies_come_in_every_way_that_http_knows() {
    let front = front();
    let body = chat("auto", false).to_string();
    let (first, rest) = body.split_at(10);
    let chunked = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x};ext=1\r\n{rest}\r\n0\r\ntrailer: x\r\n\r\n",
        first.len(),
        rest.len()
    );
    let old = format!(
        "POST /v1/chat/completions HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    for (way, request) in [
        ("chunked", chunked),
        ("HTTP/1.0", old),
        (
            "charset",
            post("", &body).replace("application/json", "Application/JSON; charset=utf-8"),
        ),
        ("byte order mark", post("", &format!("\u{feff}{body}"))),
        (
            "absolute",
            post("", &body).replace("POST /v1", "POST http://x/v1"),
        ),
    ] {
        let told = say(&front, request.as_bytes()).await;
        assert!(told.contains(" 200 OK"), "{way}: {told}");
        assert!(told.contains("\"finish_reason\":\"stop\""), "{way}: {told}");
    }
}

#[tokio::test]
async fn a_stream_over_the_old_http_ends_with_its_connection() {
    let front = front();
    let body = chat("auto", true).to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let told = say(&front, request.as_bytes()).await;
    assert!(!told.contains("transfer-encoding"), "{told}");
    assert!(told.ends_with("data: [DONE]\n\n"), "{told}");
}

#[tokio::test]
async fn who_waits_for_a_go_ahead_gets_it() {
    let front = front();
    let body = chat("auto", false).to_string();
    let mut socket = TcpStream::connect(front.gateway.address()).await.unwrap();
    let whole = post("expect: 100-continue\r\n", &body);
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    socket
        .write_all(format!("{head}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut go_ahead = [0; 25];
    socket.read_exact(&mut go_ahead).await.unwrap();
    assert_eq!(&go_ahead, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(body.as_bytes()).await.unwrap();
    let mut told = String::new();
    socket.read_to_string(&mut told).await.unwrap();
    assert!(told.starts_with("HTTP/1.1 200 OK"), "{told}");
    // Who is refused anyway need not send anything.
    let wrong = head.replace("application/json", "text/plain");
    let told = say(&front, format!("{wrong}\r\n\r\n").as_bytes()).await;
    assert!(told.starts_with("HTTP/1.1 415"), "{told}");
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_order() {
    let front = front();
    let first = post("", &chat("auto", false).to_string()).replace("connection: close\r\n", "");
    let second = "GET /api/version HTTP/1.1\r\nhost: x\r\n\r\n";
    let last = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let told = say(&front, format!("{first}{second}{last}").as_bytes()).await;
    assert_eq!(told.matches("HTTP/1.1 200 OK").count(), 3, "{told}");
    let chat = told.find("finish_reason").unwrap();
    let version = told.find("\"version\"").unwrap();
    assert!(chat < version && told.ends_with("ok\n"), "{told}");
}

#[tokio::test]
async fn heads_options_and_wrong_methods_are_told() {
    let front = front();
    let ask = async |method: &str, path: &str| {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        say(&front, request.as_bytes()).await
    };
    let head = ask("HEAD", "/v1/models").await;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(
        head.ends_with("\r\n\r\n") && !head.contains("content-length: 0"),
        "{head}"
    );
    for method in ["OPTIONS", "PUT", "DELETE", "TRACE", "BREW"] {
        let told = ask(method, "/v1/chat/completions").await;
        assert!(told.starts_with("HTTP/1.1 405"), "{method}: {told}");
        assert!(told.contains("\r\nallow: POST\r\n"), "{method}: {told}");
        assert!(body_of(&told)["error"]["message"].is_string(), "{told}");
    }
    let told = ask("POST", "/v1/models").await;
    assert!(told.contains("\r\nallow: GET, HEAD\r\n"), "{told}");
    let told = ask("GET", "/%2e%2e/%00?x=%ff").await;
    assert!(told.starts_with("HTTP/1.1 404"), "{told}");
}

#[tokio::test]
async fn headers_that_are_too_long_are_told_in_shape() {
    let front = front();
    let body = chat("auto", false).to_string();
    let long = format!("x-long: {}\r\n", "y".repeat(80_000));
    let told = say(&front, post(&long, &body).as_bytes()).await;
    assert!(told.starts_with("HTTP/1.1 431"), "{told}");
    assert!(body_of(&told)["error"]["message"].is_string(), "{told}");
    let longer = format!("x-long: {}\r\n", "y".repeat(2_000_000));
    let told = say(&front, post(&longer, &body).as_bytes()).await;
    assert!(
        told.is_empty() || told.starts_with("HTTP/1.1 431"),
        "{told}"
    );
}

#[tokio::test]
async fn absurd_bodies_are_refused_or_taken_and_never_kill() {
    let front = front();
    let with = |more: &str| {
        format!(
            "{{\"model\":\"auto\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hi\"}}]{more}}}"
        )
    };
    let deep = format!(",\"x\":{}1{}", "[".repeat(120), "]".repeat(120));
    let too_deep = format!(",\"x\":{}1{}", "[".repeat(9_000), "]".repeat(9_000));
    for (more, wanted) in [
        (",\"max_tokens\":18446744073709551616", 0),
        (",\"max_tokens\":1e308", 0),
        (",\"max_tokens\":-1", 400),
        (",\"max_tokens\":1.5", 400),
        (",\"temperature\":1e999", 400),
        (",\"temperature\":NaN", 400),
        (",\"n\":-9223372036854775809", 0),
        (",\"seed\":1e18", 0),
        (",\"model\":\"auto\"", 200),
        (",\"messages\":[]", 400),
        (",\"\\ud800\":1", 400),
        (deep.as_str(), 200),
        (too_deep.as_str(), 400),
        (",", 400),
        ("}{", 400),
    ] {
        let shown = &more[..more.len().min(40)];
        let told = say(&front, post("", &with(more)).as_bytes()).await;
        let status: u16 = told.get(9..12).unwrap_or_default().parse().unwrap_or(0);
        if wanted == 0 {
            assert!((200..500).contains(&status), "{shown}: {told}");
        } else {
            assert_eq!(status, wanted, "{shown}: {told}");
        }
        if status != 200 {
            assert!(
                body_of(&told)["error"]["message"].is_string(),
                "{shown}: {told}"
            );
        }
    }
    for path in [
        "/v1/chat/completions",
        "/v1/messages",
        "/api/chat",
        "/api/generate",
    ] {
        let mut bytes = post("", &with("").replace("Hi", "HXi")).into_bytes();
        let at = bytes.windows(3).position(|bytes| bytes == b"HXi").unwrap();
        bytes[at + 1] = 0xff;
        let text = "/v1/chat/completions";
        let at = bytes
            .windows(text.len())
            .position(|bytes| bytes == text.as_bytes());
        bytes.splice(at.unwrap()..at.unwrap() + text.len(), path.bytes());
        let told = say(&front, &bytes).await;
        assert!(told.starts_with("HTTP/1.1 400"), "{path}: {told}");
        assert!(told.contains("UTF-8"), "{path}: {told}");
    }
}

#[tokio::test]
async fn every_answer_has_a_number_and_the_callers_own_comes_back_clean() {
    let front = front();
    let body = chat("auto", false).to_string();
    let told = say(&front, post("x-request-id: mine-1\r\n", &body).as_bytes()).await;
    assert!(
        told.contains("\r\nx-client-request-id: mine-1\r\n"),
        "{told}"
    );
    assert!(told.contains("\r\nx-request-id: "), "{told}");
    let hostile = format!("x-request-id: {}\r\n", "z".repeat(300));
    for header in [
        hostile.as_str(),
        "x-request-id: a\u{1b}[2J\r\n",
        "x-request-id: \u{e9}\r\n",
    ] {
        let told = say(&front, post(header, &body).as_bytes()).await;
        assert!(!told.contains("x-client-request-id"), "{told}");
    }
    // Who is refused before the pool was asked gets one too.
    let told = say(
        &front,
        post("x-client-request-id: mine-2\r\n", "{}").as_bytes(),
    )
    .await;
    assert!(told.starts_with("HTTP/1.1 400"), "{told}");
    assert!(told.contains("\r\nx-request-id: "), "{told}");
    assert!(
        told.contains("\r\nx-client-request-id: mine-2\r\n"),
        "{told}"
    );
}

#[tokio::test]
async fn a_long_silence_is_broken_by_signs_of_life() {
    let slow = Plan {
        first: Duration::from_millis(1_500),
        events: 3,
        pace: Duration::ZERO,
        length: 5,
    };
    let upstream = Upstream::start(slow).await;
    let program = Program::over(&upstream, "keep_alive = \"200ms\"", 4).await;
    for (path, sign) in [
        ("/v1/chat/completions", ": keep-alive\n\n"),
        ("/v1/completions", ": keep-alive\n\n"),
        ("/v1/messages", ": keep-alive\n\n"),
        ("/api/chat", "\"content\":\"\"},\"done\":false}\n"),
        ("/api/generate", "\"response\":\"\",\"done\":false}\n"),
    ] {
        let mut body = chat("m", true);
        body["prompt"] = "Hi".into();
        body["max_tokens"] = 9.into();
        if path != "/v1/chat/completions" && path != "/v1/messages" && path != "/api/chat" {
            body.as_object_mut().unwrap().remove("messages");
        } else {
            body.as_object_mut().unwrap().remove("prompt");
        }
        if path.starts_with("/api/") {
            body.as_object_mut().unwrap().remove("max_tokens");
        }
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let begun = tokio::time::Instant::now();
        let url = format!("http://{}{path}", program.address);
        let response = client.post(url).json(&body).send().await.unwrap();
        let (status, after) = (response.status(), begun.elapsed());
        let text = response.text().await.unwrap();
        assert_eq!(status, 200, "{path}: {text}");
        assert!(after < slow.first, "{path}: {after:?}");
        assert!(
            text.starts_with(sign) || text.contains(sign),
            "{path}: {text}"
        );
        assert!(text.contains("xxxxx"), "{path}: {text}");
    }
}

#[tokio::test]
async fn without_signs_of_life_the_status_waits_for_the_first_token() {
    let profiles = vec![quick("one", ProviderType::OpenAi)];
    let front = Front::with(profiles, |settings| settings.keep_alive = Duration::ZERO);
    let text = front
        .stream("/v1/chat/completions", &chat("auto", true))
        .await;
    assert!(!text.contains("keep-alive"));
}
