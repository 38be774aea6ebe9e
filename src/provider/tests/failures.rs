//! Everything that can go wrong, what it is called, and what is not told.

use super::peer::Server;
use super::*;
use crate::base::ErrorKind;

async fn fails_with(answer: impl AsRef<[u8]>) -> Outcome {
    let server = Server::saying(answer).await;
    let outcome = collect(openai(&server.url()).stream(&request())).await;
    let error = outcome.error();
    assert_eq!(
        error.instance().expect("the instance is named").as_str(),
        "one"
    );
    assert_no_secret(error, &[KEY, "hunter2"]);
    outcome
}

#[tokio::test]
async fn a_status_is_an_error_of_its_class_with_the_wait_it_asks_for() {
    let body =
        r#"{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}"#;
    let headers = "content-type: application/json\r\nretry-after: 7\r\n";
    let outcome = fails_with(whole("429 Too Many Requests", headers, body)).await;
    let error = outcome.error();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.status(), Some(429));
    assert_eq!(error.code(), Some("rate_limit_exceeded"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(outcome.chunks.is_empty(), "an error has no head");
}

#[tokio::test]
async fn a_key_that_the_server_quotes_is_taken_out() {
    // Right at the place where a message is shortened, too.
    for blanks in [0, 480, 490, 495] {
        let body = serde_json::json!({"error": {
            "message": format!("{}{}bad key {KEY}", "x".repeat(blanks), " "),
            "code": KEY,
        }});
        let outcome = fails_with(json("401 Unauthorized", &body.to_string())).await;
        assert_eq!(outcome.error().kind(), ErrorKind::Auth);
    }
    let in_band = serde_json::json!({"error": {"message": format!("bad key {KEY}"), "code": KEY}});
    let outcome = fails_with(format!(
        "{SSE}{}0\r\n\r\n",
        framed(&format!("data: {in_band}\n\n"))
    ))
    .await;
    assert!(
        outcome.error().message().contains("***"),
        "{}",
        outcome.error()
    );
}

#[tokio::test]
async fn a_refusal_that_hangs_is_still_that_refusal() {
    let server = Server::start(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 100\r\n\r\nbusy")
            .await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    })
    .await;
    let mut settings = settings(ProviderType::OpenAi, &server.url());
    settings.timeouts.first_token = Duration::from_millis(50);
    let outcome = collect(build(settings, &http()).unwrap().stream(&request())).await;
    assert_eq!(outcome.error().kind(), ErrorKind::Overloaded);
}

#[tokio::test]
async fn a_missing_key_is_called_missing_and_not_wrong() {
    let server = Server::saying(json("401 Unauthorized", "{}")).await;
    let mut settings = settings(ProviderType::OpenAi, &server.url());
    settings.key = None;
    let outcome = collect(build(settings, &http()).unwrap().stream(&request())).await;
    assert_eq!(outcome.error().kind(), ErrorKind::Auth);
    assert!(outcome.error().hint().contains("one has no key"));
}

#[tokio::test]
async fn only_the_beginning_of_an_endless_refusal_is_read() {
    let server = Server::start(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 500 Internal Server Error\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        let piece = framed(&"no ".repeat(1000));
        for _ in 0..1000 {
            peer.send(&piece).await;
        }
        peer.hang().await;
    })
    .await;
    let outcome = collect(openai(&server.url()).stream(&request())).await;
    assert_eq!(outcome.error().kind(), ErrorKind::Server);
    assert!(outcome.error().message().len() < 2000);
}

#[tokio::test]
async fn a_refused_connection_says_what_to_try() {
    let outcome = collect(openai(&format!("http://{}", nowhere())).stream(&request())).await;
    let error = outcome.error();
    assert_eq!(
        (error.kind(), error.detail()),
        (ErrorKind::Network, Some("connect"))
    );
    assert!(error.message().contains("refused"), "{error}");
    assert!(
        error.hint().contains("nothing listens there"),
        "{}",
        error.hint()
    );
    assert_no_secret(error, &[KEY]);

    let ollama = build(
        settings(ProviderType::Ollama, &nowhere().to_string()),
        &http(),
    )
    .unwrap();
    let outcome = collect(ollama.stream(&request())).await;
    assert_eq!(
        outcome.error().hint(),
        "is ollama running? try 'ollama serve'"
    );
    let probe = ollama.probe().await.err().unwrap();
    assert_eq!(probe.hint(), "is ollama running? try 'ollama serve'");
    assert_eq!(probe.instance().unwrap().as_str(), "one");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_called_so() {
    let outcome =
        collect(openai("http://no-such-host.invalid/v1?k=hunter2").stream(&request())).await;
    let error = outcome.error();
    assert_eq!(
        (error.kind(), error.detail()),
        (ErrorKind::Network, Some("dns"))
    );
    assert!(error.message().contains("no-such-host.invalid"), "{error}");
    assert_no_secret(error, &[KEY, "hunter2"]);
}

#[tokio::test]
async fn a_body_cut_by_the_transport_is_network_and_keeps_what_came() {
    let outcome = fails_with(format!("{SSE}{}", framed(&event("half")))).await;
    assert_eq!(outcome.text(), "half");
    let error = outcome.error();
    assert_eq!(
        (error.kind(), error.detail()),
        (ErrorKind::Network, Some("cut"))
    );
}

#[tokio::test]
async fn a_body_that_ends_early_but_properly_is_truncated() {
    let outcome = fails_with(format!("{SSE}{}0\r\n\r\n", framed(&event("half")))).await;
    assert_eq!(outcome.text(), "half");
    let error = outcome.error();
    assert_eq!(
        (error.kind(), error.detail()),
        (ErrorKind::Protocol, Some("truncated"))
    );
}

#[tokio::test]
async fn a_connection_cut_after_the_finish_takes_nothing_away() {
    let finish = ending().replace("data: [DONE]\n\n", "");
    let answer = format!("{SSE}{}", framed(&format!("{}{finish}", event("whole"))));
    let server = Server::saying(answer).await;
    let outcome = collect(openai(&server.url()).stream(&request())).await;
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.text(), "whole");
}

#[tokio::test]
async fn a_web_page_is_no_answer() {
    let page = whole(
        "200 OK",
        "content-type: text/html\r\n",
        "<html><body>Welcome</body></html>",
    );
    let outcome = fails_with(page).await;
    let error = outcome.error();
    assert_eq!(
        (error.kind(), error.detail()),
        (ErrorKind::Protocol, Some("not_event_stream"))
    );
    assert!(error.hint().contains("base_url"), "{}", error.hint());
}

#[tokio::test]
async fn a_line_without_end_is_cut_off_at_the_bound() {
    let server = Server::start(|mut peer| async move {
        peer.request().await;
        peer.send(format!("{SSE}{}", framed("data: "))).await;
        let piece = framed(&"a".repeat(16 << 10));
        for _ in 0..1000 {
            peer.send(&piece).await;
        }
        peer.hang().await;
    })
    .await;
    let mut settings = settings(ProviderType::OpenAi, &server.url());
    settings.max_line = 100 << 10;
    let outcome = collect(build(settings, &http()).unwrap().stream(&request())).await;
    let error = outcome.error();
    assert_eq!(
        (error.kind(), error.detail()),
        (ErrorKind::Protocol, Some("too_long"))
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let answer = whole(
        "307 Temporary Redirect",
        "location: https://me:hunter2@other.example/v1?k=hunter2\r\n",
        "",
    );
    let outcome = fails_with(answer).await;
    let error = outcome.error();
    assert_eq!(
        (error.kind(), error.detail()),
        (ErrorKind::Protocol, Some("redirect"))
    );
    assert!(
        error.message().contains("https://other.example/v1"),
        "{error}"
    );
    assert!(error.hint().contains("base_url"), "{}", error.hint());
}

#[tokio::test]
async fn something_that_is_not_http_is_called_so() {
    let outcome = fails_with("220 mail.example ESMTP ready\r\n").await;
    let error = outcome.error();
    assert_eq!(
        (error.kind(), error.detail()),
        (ErrorKind::Protocol, Some("not_http"))
    );
}

#[tokio::test]
async fn an_unknown_or_broken_compression_is_called_so() {
    let headers = "content-type: text/event-stream\r\ncontent-encoding: br\r\n";
    let outcome = fails_with(whole("200 OK", headers, "xxxx")).await;
    assert_eq!(outcome.error().detail(), Some("bad_encoding"));
    let headers = "content-type: text/event-stream\r\ncontent-encoding: gzip\r\n";
    let outcome = fails_with(whole("200 OK", headers, "this is not gzip at all")).await;
    let error = outcome.error();
    assert_eq!(
        (error.kind(), error.detail()),
        (ErrorKind::Protocol, Some("bad_encoding"))
    );
}

#[tokio::test]
async fn a_wrong_path_gives_the_right_one_as_a_hint() {
    let server = Server::repeating(whole("404 Not Found", "", "404 page not found")).await;
    let base_url = format!("http://{}", server.address);
    let outcome = collect(openai(&base_url).stream(&request())).await;
    assert_eq!(
        outcome.error().hint(),
        format!("most servers want /v1 at the end: base_url = \"{base_url}/v1\"")
    );
    let ollama = build(settings(ProviderType::Ollama, &server.url()), &http()).unwrap();
    let outcome = collect(ollama.stream(&request())).await;
    assert!(
        outcome.error().hint().contains("without /v1"),
        "{}",
        outcome.error().hint()
    );
}

#[tokio::test]
async fn wrong_settings_fail_before_anything_is_sent() {
    let http = http();
    let base = || settings(ProviderType::OpenAi, "http://127.0.0.1:9/v1");
    let wrong = [
        Settings {
            base_url: Some("nonsense".into()),
            ..base()
        },
        Settings {
            base_url: Some("http://me:hunter2@h/v1".into()),
            ..base()
        },
        Settings {
            key: Some("two\nlines-hunter2".into()),
            ..base()
        },
        Settings {
            ca_file: Some("/does/not/exist".into()),
            ..base()
        },
        Settings {
            headers: [("bad name".to_owned(), "hunter2".into())].into(),
            ..base()
        },
        Settings {
            headers: [("Content-Length".to_owned(), "7".into())].into(),
            ..base()
        },
        Settings {
            headers: [
                ("x-a".to_owned(), "hunter2\n".to_owned().into()),
                ("x-b".to_owned(), "hunter2\u{1}".into()),
            ]
            .into(),
            ..base()
        },
        Settings {
            auth: super::super::AuthForm::Jwt,
            key: None,
            ..base()
        },
        Settings {
            auth: super::super::AuthForm::Jwt,
            key: Some("nodothunter2".into()),
            ..base()
        },
    ];
    for settings in wrong {
        let shown = format!("{settings:?}");
        let error = build(settings, &http).err().expect(&shown);
        assert_eq!(error.kind(), ErrorKind::Config, "{shown}");
        assert_eq!(error.instance().unwrap().as_str(), "one", "{shown}");
        assert_no_secret(&error, &[KEY, "hunter2"]);
    }
}
