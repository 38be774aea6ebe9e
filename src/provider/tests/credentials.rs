//! How keys travel, and that they are seen nowhere else.

use std::cell::Cell;

use secrecy::SecretString;

use super::super::AuthForm;
use super::super::auth::Credentials;
use super::super::base::BaseLlmGeneration;
use super::peer::Server;
use super::*;

async fn headers_of(change: impl Fn(&mut Settings)) -> super::peer::Seen {
    let server = Server::saying(good_answer("x")).await;
    let mut settings = settings(ProviderType::ZhipuAi, &server.url());
    change(&mut settings);
    let outcome = collect(build(settings, &http()).unwrap().stream(&request())).await;
    assert_eq!(outcome.error, None);
    server.seen().remove(0)
}

#[tokio::test]
async fn a_key_goes_out_in_the_form_that_is_set() {
    let seen = headers_of(|_| {}).await;
    assert_eq!(
        seen.header("authorization").unwrap(),
        format!("Bearer {KEY}")
    );
    let seen = headers_of(|settings| settings.auth = AuthForm::ApiKey).await;
    assert_eq!(seen.header("api-key"), Some(KEY));
    assert_eq!(seen.header("authorization"), None);
    let seen = headers_of(|settings| settings.key = None).await;
    assert_eq!(seen.header("authorization"), None);
    let seen = headers_of(|settings| settings.key = Some(format!(" {KEY}\n").into())).await;
    assert_eq!(
        seen.header("authorization").unwrap(),
        format!("Bearer {KEY}")
    );
}

#[tokio::test]
async fn extra_headers_are_sent_and_win() {
    let seen = headers_of(|settings| {
        settings.headers.insert("X-Team".to_owned(), "blue".into());
        settings
            .headers
            .insert("Authorization".to_owned(), "Token other".into());
        settings
            .headers
            .insert("user-agent".to_owned(), "mine/1".into());
    })
    .await;
    assert_eq!(seen.header("x-team"), Some("blue"));
    assert_eq!(seen.header("authorization"), Some("Token other"));
    assert_eq!(seen.header("user-agent"), Some("mine/1"));
}

#[tokio::test]
async fn a_user_in_the_url_becomes_a_header() {
    let server = Server::saying(good_answer("x")).await;
    let url = format!("http://me:open%20sesame@{}/v1?tenant=7", server.address);
    let mut settings = settings(ProviderType::OpenAi, &url);
    settings.key = None;
    collect(build(settings, &http()).unwrap().stream(&request())).await;
    let seen = server.seen().remove(0);
    assert_eq!(
        seen.header("authorization"),
        Some("Basic bWU6b3BlbiBzZXNhbWU=")
    );
    assert_eq!(seen.line, "POST /v1/chat/completions?tenant=7 HTTP/1.1");
}

#[tokio::test]
async fn a_signed_token_goes_out_as_bearer_and_the_key_does_not() {
    let seen = headers_of(|settings| {
        settings.auth = AuthForm::Jwt;
        settings.key = Some("someid.somesecret".into());
    })
    .await;
    let token = seen
        .header("authorization")
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap();
    assert_eq!(token.split('.').count(), 3, "{token}");
    assert!(!token.contains("somesecret"));
}

thread_local! {
    static NOW_MS: Cell<u64> = const { Cell::new(1_000_000) };
}

fn test_clock() -> u64 {
    NOW_MS.get()
}

#[test]
fn a_signed_token_is_kept_for_three_minutes_and_made_anew_when_the_clock_jumps_back() {
    let settings = Settings {
        auth: AuthForm::Jwt,
        key: Some(SecretString::from("someid.somesecret")),
        ..Settings::new("z", ProviderType::ZhipuAi)
    };
    let credentials = Credentials::new(&settings, None, test_clock).unwrap();
    let token = || credentials.headers().unwrap()["authorization"].clone();
    let first = token();
    assert!(first.is_sensitive());
    NOW_MS.set(1_179_999);
    assert_eq!(token(), first);
    NOW_MS.set(1_180_000);
    let second = token();
    assert_ne!(second, first);
    NOW_MS.set(500_000);
    assert_ne!(token(), second);
    let shown = second.to_str().unwrap().replace("Bearer ", "");
    assert_eq!(
        credentials.hide(&shown),
        shown,
        "an old token is not remembered"
    );
    let current = token().to_str().unwrap().replace("Bearer ", "");
    assert_eq!(
        credentials.hide(&format!("no: {current} somesecret")),
        "no: *** ***"
    );
}

#[test]
fn nothing_that_can_be_printed_shows_a_key() {
    let mut settings = settings(ProviderType::OpenAi, "https://h.example/v1?k=hunter2");
    settings
        .headers
        .insert("x-secret".to_owned(), "hunter2hunter2".into());
    let http = http();
    let base =
        BaseLlmGeneration::new(settings.clone(), &http, super::super::openai::HABITS).unwrap();
    for shown in [
        format!("{base:?}"),
        format!("{http:?}"),
        format!("{:?}", settings.headers),
        format!("{:?}", settings.key),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert_eq!(settings.shown_base_url().unwrap(), "https://h.example/v1");
}

#[tokio::test]
async fn the_field_for_the_most_tokens_depends_on_the_server() {
    let with_most = ChatRequest {
        max_tokens: Some(9),
        ..request()
    };
    let http = http();
    for (base_url, set, expected) in [
        ("https://api.openai.com/v1", None, "max_completion_tokens"),
        (
            "https://eu.api.openai.com/v1",
            None,
            "max_completion_tokens",
        ),
        ("https://api.deepseek.com", None, "max_tokens"),
        (
            "https://api.openai.com/v1",
            Some("max_tokens"),
            "max_tokens",
        ),
    ] {
        let mut settings = settings(ProviderType::OpenAi, base_url);
        settings.max_tokens_field = set.map(str::to_owned);
        let base = BaseLlmGeneration::new(settings, &http, super::super::openai::HABITS).unwrap();
        let body = base.body_for(&with_most);
        assert_eq!(body[expected], 9, "{base_url}: {body}");
    }
}
