//! The times that are waited, each for itself. Short ones, for the sockets are real.

use super::peer::Server;
use super::*;
use crate::base::ErrorKind;

const SHORT: Duration = Duration::from_millis(60);

fn patient(url: &str, change: impl Fn(&mut Timeouts)) -> Arc<dyn LlmModelStrategy> {
    let mut settings = settings(ProviderType::OpenAi, url);
    change(&mut settings.timeouts);
    build(settings, &http()).unwrap()
}

/// A server that sends a beginning and then a piece every 10 ms, for ever.
async fn trickling(beginning: String, piece: &'static str) -> Server {
    Server::start(move |mut peer| {
        let beginning = beginning.clone();
        async move {
            peer.request().await;
            peer.send(beginning).await;
            loop {
                tokio::time::sleep(Duration::from_millis(10)).await;
                peer.send(framed(piece)).await;
            }
        }
    })
    .await
}

async fn hanging(beginning: String) -> Server {
    Server::start(move |mut peer| {
        let beginning = beginning.clone();
        async move {
            peer.request().await;
            peer.send(beginning).await;
            peer.hang().await;
        }
    })
    .await
}

#[tokio::test]
async fn silence_before_the_headers_is_no_first_token() {
    let server = hanging(String::new()).await;
    let upstream = patient(&server.url(), |timeouts| timeouts.first_token = SHORT);
    let outcome = collect(upstream.stream(&request())).await;
    assert_eq!(outcome.error().kind(), ErrorKind::TimeoutFirstToken);
    assert!(
        outcome.error().message().contains("60ms"),
        "{}",
        outcome.error()
    );
}

#[tokio::test]
async fn silence_after_the_headers_is_no_first_token_whatever_idle_says() {
    let server = hanging(SSE.to_owned()).await;
    let upstream = patient(&server.url(), |timeouts| {
        timeouts.first_token = Duration::from_millis(120);
        timeouts.idle = Duration::from_millis(20);
    });
    let begin = tokio::time::Instant::now();
    let outcome = collect(upstream.stream(&request())).await;
    assert_eq!(outcome.error().kind(), ErrorKind::TimeoutFirstToken);
    assert!(begin.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn comments_are_no_first_token() {
    let server = trickling(SSE.to_owned(), ": keep-alive\n\n").await;
    let upstream = patient(&server.url(), |timeouts| {
        timeouts.first_token = Duration::from_millis(300);
    });
    let outcome = collect(upstream.stream(&request())).await;
    assert_eq!(outcome.error().kind(), ErrorKind::TimeoutFirstToken);
    assert!(outcome.chunks.contains(&Chunk::KeepAlive));
}

#[tokio::test]
async fn silence_inside_the_answer_is_idle() {
    let server = hanging(format!("{SSE}{}", framed(&event("so")))).await;
    let upstream = patient(&server.url(), |timeouts| timeouts.idle = SHORT);
    let outcome = collect(upstream.stream(&request())).await;
    assert_eq!(outcome.text(), "so");
    assert_eq!(outcome.error().kind(), ErrorKind::TimeoutIdle);
}

#[tokio::test]
async fn comments_inside_the_answer_are_a_sign_of_life_until_the_whole_takes_too_long() {
    let beginning = format!("{SSE}{}", framed(&event("so")));
    let server = trickling(beginning, ": keep-alive\n\n").await;
    let upstream = patient(&server.url(), |timeouts| {
        timeouts.idle = Duration::from_millis(400);
        timeouts.total = Duration::from_millis(700);
    });
    let begin = tokio::time::Instant::now();
    let outcome = collect(upstream.stream(&request())).await;
    assert_eq!(outcome.error().kind(), ErrorKind::Deadline);
    assert!(outcome.error().message().contains("timeouts.total"));
    assert!(begin.elapsed() >= Duration::from_millis(700));
}

#[tokio::test]
async fn a_whole_answer_may_take_longer_than_a_first_token() {
    let body = serde_json::json!({"choices": [{"index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "at last"}}]});
    let answer = json("200 OK", &body.to_string());
    let server = Server::start(move |mut peer| {
        let answer = answer.clone();
        async move {
            peer.request().await;
            tokio::time::sleep(SHORT * 2).await;
            peer.send(answer).await;
        }
    })
    .await;
    let upstream = patient(&server.url(), |timeouts| timeouts.first_token = SHORT);
    let request = ChatRequest {
        stream: false,
        ..request()
    };
    assert_eq!(collect(upstream.stream(&request)).await.text(), "at last");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_no_connection() {
    // The listener takes the connection and never says a word of TLS.
    let server = hanging(String::new()).await;
    let url = format!("https://{}/v1", server.address);
    let upstream = patient(&url, |timeouts| timeouts.connect = SHORT);
    let outcome = collect(upstream.stream(&request())).await;
    assert_eq!(outcome.error().kind(), ErrorKind::TimeoutConnect);
    assert!(
        outcome
            .error()
            .message()
            .contains(&server.address.to_string())
    );
}

#[tokio::test]
async fn a_slow_reader_is_not_a_silent_server() {
    let server = Server::saying(good_answer("x")).await;
    let upstream = patient(&server.url(), |timeouts| {
        timeouts.idle = Duration::from_millis(20);
    });
    let mut stream = upstream.stream(&request());
    assert!(matches!(stream.next().await, Some(Ok(Chunk::Head(_)))));
    tokio::time::sleep(SHORT).await;
    assert!(matches!(stream.next().await, Some(Ok(Chunk::Text(_)))));
    tokio::time::sleep(SHORT).await;
    assert!(matches!(
        stream.next().await,
        Some(Ok(Chunk::Finish { .. }))
    ));
}

/// Reads slower than the server sends, so that bytes are always there; returns the error at the end.
async fn sip(mut stream: ChatStream) -> Error {
    loop {
        match stream.next().await.expect("no end without an error") {
            Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => return error,
        }
    }
}

#[tokio::test]
async fn comments_that_are_always_there_do_not_stop_the_clock() {
    let comments = framed(": still here\n\n").repeat(200);
    let server = Server::saying(format!("{SSE}{comments}0\r\n\r\n")).await;
    let upstream = patient(&server.url(), |timeouts| timeouts.first_token = SHORT);
    let error = sip(upstream.stream(&request())).await;
    assert_eq!(error.kind(), ErrorKind::TimeoutFirstToken);
}

#[tokio::test]
async fn text_that_is_always_there_does_not_stop_the_clock() {
    let text = framed(&event("and ")).repeat(40);
    let server = Server::saying(format!("{SSE}{text}0\r\n\r\n")).await;
    let upstream = patient(&server.url(), |timeouts| timeouts.total = SHORT);
    let error = sip(upstream.stream(&request())).await;
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(error.health(), crate::base::Health::Fail);
}

#[tokio::test]
async fn a_whole_answer_that_never_comes_is_one_that_another_may_give() {
    let server = hanging(String::new()).await;
    let upstream = patient(&server.url(), |timeouts| timeouts.total = SHORT);
    let request = ChatRequest {
        stream: false,
        ..request()
    };
    let error = sip(upstream.stream(&request)).await;
    assert_eq!(error.kind(), ErrorKind::TimeoutFirstToken);
    assert!(error.message().contains("timeouts.total"), "{error}");
    assert!(error.kind().failover());
}
