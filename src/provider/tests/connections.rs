//! What becomes of connections: closed when nobody listens, used again when the answer was whole.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::peer::Server;
use super::*;
use crate::base::ErrorKind;

/// How soon the other side must notice.
const SOON: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_stream_dropped_inside_the_answer_closes_its_connection() {
    let gone = Arc::new(Notify::new());
    let server = Server::start({
        let gone = Arc::clone(&gone);
        move |mut peer| {
            let gone = Arc::clone(&gone);
            async move {
                peer.request().await;
                peer.send(format!("{SSE}{}", framed(&event("on and on"))))
                    .await;
                peer.closed().await;
                gone.notify_one();
            }
        }
    })
    .await;
    let mut stream = openai(&server.url()).stream(&request());
    while !matches!(stream.next().await, Some(Ok(Chunk::Text(_)))) {}
    drop(stream);
    timeout(SOON, gone.notified())
        .await
        .expect("the server sees the end");
}

#[tokio::test]
async fn a_stream_dropped_before_the_headers_closes_its_connection() {
    let asked = Arc::new(Notify::new());
    let gone = Arc::new(Notify::new());
    let server = Server::start({
        let (asked, gone) = (Arc::clone(&asked), Arc::clone(&gone));
        move |mut peer| {
            let (asked, gone) = (Arc::clone(&asked), Arc::clone(&gone));
            async move {
                peer.request().await;
                asked.notify_one();
                peer.closed().await;
                gone.notify_one();
            }
        }
    })
    .await;
    let mut stream = openai(&server.url()).stream(&request());
    tokio::select! {
        item = stream.next() => panic!("nothing was said, but {item:?} came"),
        () = asked.notified() => {}
    }
    drop(stream);
    timeout(SOON, gone.notified())
        .await
        .expect("the server sees the end");
}

#[tokio::test]
async fn a_connection_is_used_again_after_the_end_of_an_answer() {
    let server = Server::repeating(good_answer("x")).await;
    let upstream = openai(&server.url());
    for _ in 0..3 {
        assert_eq!(collect(upstream.stream(&request())).await.text(), "x");
        // The rest of the body is read behind our back.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.seen().len(), 3);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn what_follows_the_end_is_drained_without_delaying_the_end() {
    const LATE: Duration = Duration::from_millis(400);
    let server = Server::start(|mut peer| async move {
        while peer.request().await.is_some() {
            let all = format!("{}{}", event("x"), ending());
            peer.send(format!("{SSE}{}", framed(&all))).await;
            tokio::time::sleep(LATE).await;
            peer.send(format!("{}0\r\n\r\n", framed(": bye\n\n"))).await;
        }
    })
    .await;
    let upstream = openai(&server.url());
    let begin = tokio::time::Instant::now();
    assert_eq!(collect(upstream.stream(&request())).await.text(), "x");
    assert!(begin.elapsed() < LATE, "{:?}", begin.elapsed());
    tokio::time::sleep(LATE * 3 / 2).await;
    assert_eq!(collect(upstream.stream(&request())).await.text(), "x");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closes_unasked_is_replaced_silently() {
    // The first connection answers once and is closed in the very moment in which it is used again.
    let server = Server::start(|mut peer| async move {
        if peer.number > 0 {
            while peer.request().await.is_some() {
                peer.send(good_answer("second")).await;
            }
        } else if peer.request().await.is_some() {
            peer.send(good_answer("first")).await;
            peer.request().await;
        }
    })
    .await;
    let upstream = openai(&server.url());
    assert_eq!(collect(upstream.stream(&request())).await.text(), "first");
    tokio::time::sleep(Duration::from_millis(20)).await;
    let outcome = collect(upstream.stream(&request())).await;
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.text(), "second");
    assert_eq!(server.seen().len(), 3, "sent again exactly once");
}

#[tokio::test]
async fn a_new_connection_that_is_closed_unanswered_is_an_error_and_not_repeated() {
    let server = Server::start(|mut peer| async move {
        peer.request().await;
    })
    .await;
    let outcome = collect(openai(&server.url()).stream(&request())).await;
    assert_eq!(outcome.error().kind(), ErrorKind::Network);
    assert_eq!(outcome.error().detail(), Some("closed"));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn many_streams_run_at_once_over_one_client() {
    let server = Server::repeating(good_answer("x")).await;
    let upstream = openai(&server.url());
    let streams = (0..20).map(|_| collect(upstream.stream(&request())));
    for outcome in futures_util::future::join_all(streams).await {
        assert_eq!(outcome.error, None);
        assert_eq!(outcome.text(), "x");
    }
}
