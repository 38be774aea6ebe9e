//! Answers that come as they should, in every packaging.

use std::io::Write as _;

use super::peer::Server;
use super::*;
use crate::base::FinishReason;

#[tokio::test]
async fn a_stream_comes_head_first_then_in_pieces_then_ends() {
    let answer = format!(
        "{}{}{}0\r\n\r\n",
        SSE.replace(
            "\r\n\r\n",
            "\r\nX-Request-Id: up-7\r\nx-ratelimit-remaining-requests: 41\r\n\r\n"
        ),
        framed(&event("Hel")),
        framed(&format!("{}{}", event("lo"), ending())),
    );
    let server = Server::saying(answer).await;
    let outcome = collect(openai(&server.url()).stream(&request())).await;
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.text(), "Hello");
    assert_eq!(outcome.response.finish_reason, Some(FinishReason::Stop));
    let Chunk::Head(head) = &outcome.chunks[0] else {
        panic!("the head is first: {:?}", outcome.chunks)
    };
    assert_eq!(head.upstream_request_id.as_deref(), Some("up-7"));
    assert_eq!(head.rate_limits.remaining_requests, Some(41));
    assert!(head.after > Duration::ZERO);
}

#[tokio::test]
async fn the_request_says_who_asks_for_what() {
    let server = Server::saying(good_answer("x")).await;
    collect(openai(&server.url()).stream(&request())).await;
    let seen = server.seen().remove(0);
    assert_eq!(seen.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(
        seen.header("authorization"),
        Some(&*format!("Bearer {KEY}"))
    );
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("accept"), Some("text/event-stream"));
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    let agent = format!("llmdeck/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(seen.header("user-agent"), Some(&*agent));
    assert_eq!(seen.json()["model"], "m");
    assert_eq!(seen.json()["stream"], true);
}

#[tokio::test]
async fn nothing_is_sent_before_the_first_poll() {
    let server = Server::saying(good_answer("x")).await;
    let stream = openai(&server.url()).stream(&request());
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(server.connections(), 0);
    assert_eq!(collect(stream).await.text(), "x");
}

#[tokio::test]
async fn every_cut_of_the_bytes_gives_the_same_answer() {
    let events = format!(": hello\n\n{}{}", event("日本語と ünï"), ending());
    for size in [1, 2, 7] {
        let mut bytes = SSE.as_bytes().to_vec();
        for piece in events.as_bytes().chunks(size) {
            bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        let server = Server::saying(bytes).await;
        let outcome = collect(openai(&server.url()).stream(&request())).await;
        assert_eq!(outcome.error, None, "{size}");
        assert_eq!(outcome.text(), "日本語と ünï", "{size}");
    }
}

#[tokio::test]
async fn a_whole_answer_goes_the_same_way() {
    let body = serde_json::json!({"choices": [{"index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "all at once"}}]});
    let server = Server::saying(json("200 OK", &body.to_string())).await;
    let request = ChatRequest {
        stream: false,
        ..request()
    };
    let outcome = collect(openai(&server.url()).stream(&request)).await;
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.text(), "all at once");
    let seen = server.seen().remove(0);
    assert_eq!(seen.header("accept"), Some("application/json"));
    assert_eq!(seen.header("accept-encoding"), Some("gzip"));
}

#[tokio::test]
async fn a_compressed_stream_is_unpacked_even_unasked() {
    let packed = gzip(format!("{}{}", event("small"), ending()).as_bytes());
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        packed.len()
    )
    .into_bytes();
    answer.extend_from_slice(&packed);
    let server = Server::saying(answer).await;
    let outcome = collect(openai(&server.url()).stream(&request())).await;
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.text(), "small");
}

#[tokio::test]
async fn ollama_speaks_lines_of_json() {
    let lines = concat!(
        r#"{"model":"m","message":{"role":"assistant","content":"hi"},"done":false}"#,
        "\n",
        r#"{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}"#,
        "\n"
    );
    let server = Server::saying(whole(
        "200 OK",
        "content-type: application/x-ndjson\r\n",
        lines,
    ))
    .await;
    let base_url = format!("{}", server.address);
    let mut settings = settings(ProviderType::Ollama, &base_url);
    settings.key = None;
    let outcome = collect(build(settings, &http()).unwrap().stream(&request())).await;
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.text(), "hi");
    let seen = server.seen().remove(0);
    assert_eq!(seen.line, "POST /api/chat HTTP/1.1");
    assert_eq!(seen.header("accept"), Some("application/x-ndjson"));
    assert_eq!(seen.header("authorization"), None);
}

#[tokio::test]
async fn models_are_listed_and_probed() {
    let list = r#"{"object":"list","data":[{"id":"a"},{"id":"b"}]}"#;
    let server = Server::repeating(json("200 OK", list)).await;
    let upstream = openai(&server.url());
    assert_eq!(upstream.models().await.unwrap(), ["a", "b"]);
    upstream.probe().await.unwrap();
    assert_eq!(server.seen()[0].line, "GET /v1/models HTTP/1.1");

    let tags = r#"{"models":[{"name":"qwen3:8b","model":"qwen3:8b"}],"version":"0.30.0"}"#;
    let server = Server::repeating(json("200 OK", tags)).await;
    let base_url = server.address.to_string();
    let ollama = build(settings(ProviderType::Ollama, &base_url), &http()).unwrap();
    assert_eq!(ollama.models().await.unwrap(), ["qwen3:8b"]);
    ollama.probe().await.unwrap();
    let lines: Vec<_> = server.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(
        lines,
        ["GET /api/tags HTTP/1.1", "GET /api/version HTTP/1.1"]
    );
}

#[tokio::test]
async fn a_server_without_a_list_of_models_is_there_all_the_same() {
    for (answer, reachable) in [
        (whole("404 Not Found", "", "404 page not found"), true),
        (
            json(
                "401 Unauthorized",
                r#"{"error":{"message":"no","code":"invalid_api_key"}}"#,
            ),
            false,
        ),
        (json("500 Internal Server Error", "{}"), false),
        (
            whole("200 OK", "content-type: text/html\r\n", "<html>"),
            false,
        ),
    ] {
        let server = Server::saying(&answer).await;
        for provider_type in [ProviderType::OpenAi, ProviderType::ZhipuAi] {
            let upstream = build(settings(provider_type, &server.url()), &http()).unwrap();
            let probe = upstream.probe().await;
            assert_eq!(probe.is_ok(), reachable, "{answer}: {probe:?}");
            if let Err(error) = probe {
                assert_eq!(error.instance().unwrap().as_str(), "one");
            }
        }
    }
}

/// Packs bytes without compressing them: gzip with one stored block.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    let length = u16::try_from(bytes.len()).unwrap();
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    packed.extend_from_slice(&length.to_le_bytes());
    packed.extend_from_slice(&(!length).to_le_bytes());
    packed.extend_from_slice(bytes);
    packed.write_all(&(!crc).to_le_bytes()).unwrap();
    packed.extend_from_slice(&u32::from(length).to_le_bytes());
    packed
}
