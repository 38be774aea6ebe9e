//! Requests that are wrong in every way: each is answered in the protocol's shape, and the gateway goes on.

use std::time::Duration;

use llmdeck::ProviderType;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::rig::{Front, chat, quick, read};

const PATHS: [&str; 9] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/messages",
    "/api/chat",
    "/api/generate",
    "/api/embed",
    "/api/paas/v4/chat/completions",
];

/// Tells whether an error looks as clients of a path expect it.
fn has_shape(path: &str, told: &Value) -> bool {
    match path {
        "/v1/messages" => told["type"] == "error" && told["error"]["message"].is_string(),
        path if path.starts_with("/api/paas") => told["error"]["code"].is_string(),
        path if path.starts_with("/api/") => told["error"].is_string(),
        _ => told["error"]["message"].is_string() && told["error"]["type"].is_string(),
    }
}

#[tokio::test]
async fn wrong_bodies_are_told_in_shape() {
    let profiles = vec![quick("one", ProviderType::OpenAi)];
    let front = Front::with(profiles, |settings| settings.body_limit = 4_096);
    let deep = format!("{}1{}", "[".repeat(3_000), "]".repeat(300));
    let long = format!("{{\"model\":\"auto\",\"x\":\"{}\"}}", "x".repeat(5_000));
    let bodies: [(&[u8], u16); 11] = [
        (b"", 400),
        (b"{", 400),
        (b"null", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b"\xff\xfe{\"model\"", 400),
        (b"{\"model\":1}", 400),
        (b"{\"model\":\"auto\",\"messages\":\"x\",\"input\":null,\"prompt\":7,\"max_tokens\":1}", 400),
        (b"{\"model\":\"auto\",\"messages\":[{\"role\":\"nobody\"}],\"input\":[{\"role\":1}],\"prompt\":[],\"images\":5,\"max_tokens\":1}", 400),
        (deep.as_bytes(), 400),
        (long.as_bytes(), 413),
    ];
    for path in PATHS {
        for (body, wanted) in bodies {
            let post = front.client().post(front.url(path));
            let post = post
                .header("content-type", "application/json")
                .body(body.to_vec());
            let (status, told) = read(post.send().await.unwrap()).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert_eq!(status, wanted, "{path} {shown}: {told}");
            assert!(has_shape(path, &told), "{path} {shown}: {told}");
        }
        let get = front.get(path).send().await.unwrap();
        assert_eq!(
            (
                get.status().as_u16(),
                get.headers()["allow"].to_str().unwrap()
            ),
            (405, "POST")
        );
        assert!(has_shape(path, &read(get).await.1));
        let (status, told) = front.ask(&format!("{path}/x"), &json!({})).await;
        assert_eq!(status, 404);
        assert!(has_shape(path, &told), "{told}");
        let zipped = front
            .post(path, &json!({}))
            .header("content-encoding", "gzip")
            .send()
            .await
            .unwrap();
        assert_eq!(zipped.status(), 415);
    }
    let plain = front
        .client()
        .post(front.url(PATHS[0]))
        .header("content-type", "text/plain")
        .body("{}");
    assert_eq!(plain.send().await.unwrap().status(), 415);
    let (status, _) = front.ask(PATHS[0], &chat("auto", false)).await;
    assert_eq!(status, 200, "and it goes on");
}

#[tokio::test]
async fn who_is_slow_to_ask_is_given_up() {
    let profiles = vec![quick("one", ProviderType::OpenAi)];
    let front = Front::with(profiles, |settings| {
        settings.read_timeout = Duration::from_millis(300);
    });
    for head in [
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"model\"",
    ] {
        let mut socket = TcpStream::connect(front.gateway.address()).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut told = Vec::new();
        let reading = socket.read_to_end(&mut told);
        tokio::time::timeout(Duration::from_secs(10), reading)
            .await
            .unwrap()
            .unwrap();
        let told = String::from_utf8_lossy(&told);
        assert!(told.is_empty() || told.contains(" 408 "), "{told}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_http_do_no_harm() {
    let front = Front::over(&[("one", ProviderType::OpenAi)]);
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    for bytes in [
        &b"\x00\x01\x02\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
        long.as_bytes(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\njunk",
    ] {
        let mut socket = TcpStream::connect(front.gateway.address()).await.unwrap();
        let _ = socket.write_all(bytes).await;
        let _ = socket.shutdown().await;
        let mut told = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut told))
            .await
            .unwrap();
    }
    let (status, _) = front.ask(PATHS[0], &chat("auto", false)).await;
    assert_eq!(status, 200);
}
