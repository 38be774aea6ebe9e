//! Proxies: asked for what is far away, never for what is here.

use std::collections::BTreeMap;

use super::super::Proxies;
use super::peer::Server;
use super::*;
use crate::base::ErrorKind;

/// HTTP clients that take their proxies from these variables.
fn http_with(variables: &[(&str, String)]) -> Http {
    let variables: BTreeMap<_, _> = variables.iter().cloned().collect();
    let proxies = Proxies::from_vars(|name| variables.get(name).cloned());
    Http::new(HttpSettings { proxies }).unwrap()
}

fn far_away(scheme: &str) -> Settings {
    settings(
        ProviderType::OpenAi,
        &format!("{scheme}://upstream.invalid/v1"),
    )
}

#[tokio::test]
async fn plain_http_goes_through_its_proxy_with_user_and_password() {
    let proxy = Server::saying(good_answer("by proxy")).await;
    let http = http_with(&[("HTTP_PROXY", format!("http://me:sesame@{}", proxy.address))]);
    let outcome = collect(build(far_away("http"), &http).unwrap().stream(&request())).await;
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.text(), "by proxy");
    let seen = proxy.seen().remove(0);
    assert_eq!(
        seen.line,
        "POST http://upstream.invalid/v1/chat/completions HTTP/1.1"
    );
    assert_eq!(
        seen.header("proxy-authorization"),
        Some("Basic bWU6c2VzYW1l")
    );
}

#[tokio::test]
async fn https_asks_its_proxy_for_a_tunnel() {
    let proxy =
        Server::saying("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            .await;
    let http = http_with(&[("https_proxy", format!("http://me:sesame@{}", proxy.address))]);
    let outcome = collect(build(far_away("https"), &http).unwrap().stream(&request())).await;
    let error = outcome.error();
    assert_eq!(
        (error.kind(), error.detail()),
        (ErrorKind::Network, Some("proxy"))
    );
    assert!(error.hint().contains("user:password"), "{}", error.hint());
    assert_no_secret(error, &[KEY, "sesame", "bWU6c2VzYW1l"]);
    assert_eq!(
        proxy.seen()[0].line,
        "CONNECT upstream.invalid:443 HTTP/1.1"
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_the_tunnel_or_is_not_there_is_named() {
    let proxy = Server::saying("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
    let address = proxy.address.to_string();
    let http = http_with(&[("ALL_PROXY", address.clone())]);
    let outcome = collect(build(far_away("https"), &http).unwrap().stream(&request())).await;
    let error = outcome.error();
    assert_eq!(
        (error.kind(), error.detail()),
        (ErrorKind::Network, Some("proxy"))
    );
    assert!(error.message().contains(&address), "{error}");

    let address = nowhere();
    let http = http_with(&[("ALL_PROXY", address.to_string())]);
    for scheme in ["http", "https"] {
        let outcome = collect(build(far_away(scheme), &http).unwrap().stream(&request())).await;
        let error = outcome.error();
        assert_eq!(error.kind(), ErrorKind::Network);
        assert!(
            error.message().contains(&format!("the proxy {address}")),
            "{error}"
        );
        assert!(error.hint().contains("proxy variables"), "{}", error.hint());
    }
}

#[tokio::test]
async fn a_plain_407_says_what_to_do() {
    let proxy =
        Server::saying("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            .await;
    let http = http_with(&[("HTTP_PROXY", format!("http://{}", proxy.address))]);
    let outcome = collect(build(far_away("http"), &http).unwrap().stream(&request())).await;
    assert_eq!(outcome.error().kind(), ErrorKind::Network);
    assert!(
        outcome.error().hint().contains("user:password"),
        "{}",
        outcome.error().hint()
    );
}

#[tokio::test]
async fn loopback_and_exempt_hosts_are_asked_directly() {
    let proxy = Server::saying(good_answer("by proxy")).await;
    let server = Server::saying(good_answer("direct")).await;
    let http = http_with(&[
        ("ALL_PROXY", format!("http://{}", proxy.address)),
        ("NO_PROXY", "upstream.invalid".to_owned()),
    ]);
    let here = settings(ProviderType::OpenAi, &server.url());
    let outcome = collect(build(here, &http).unwrap().stream(&request())).await;
    assert_eq!(outcome.text(), "direct");
    let outcome = collect(build(far_away("http"), &http).unwrap().stream(&request())).await;
    assert_eq!(outcome.error().detail(), Some("dns"));
    assert_eq!(proxy.connections(), 0);
}
