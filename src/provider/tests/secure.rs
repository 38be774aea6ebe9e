//! TLS: whom to trust, and what to say when not.

use std::io::Write as _;
use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::peer::Server;
use super::*;
use crate::base::ErrorKind;

/// An authority of our own, a certificate signed by it, and the file that makes one trust it.
struct Authority {
    acceptor: TlsAcceptor,
    file: NamedTempFile,
}

impl Authority {
    fn new(name: &str, expired: bool, protocol: &[u8]) -> Self {
        let mut params =
            CertificateParams::new(vec!["the test's own authority".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![protocol.to_vec()];
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(issuer.pem().as_bytes()).unwrap();
        Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            file,
        }
    }

    /// Makes the strategy that asks `server`, trusting this authority or not.
    fn client_of(&self, server: &Server, trusted: bool) -> Arc<dyn LlmModelStrategy> {
        let url = format!("https://localhost:{}/v1", server.address.port());
        let mut settings = settings(ProviderType::OpenAi, &url);
        settings.ca_file = trusted.then(|| self.file.path().to_owned());
        build(settings, &http()).unwrap()
    }
}

/// Asks a server with a certificate for `name`.
async fn ask(name: &str, expired: bool, trusted: bool) -> Outcome {
    let authority = Authority::new(name, expired, b"http/1.1");
    let acceptor = authority.acceptor.clone();
    let server = Server::start(move |mut peer| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(io) = acceptor.accept(peer.take_io()).await else {
                return;
            };
            let mut peer = peer.over(io);
            if peer.request().await.is_some() {
                peer.send(good_answer("sealed")).await;
            }
        }
    })
    .await;
    collect(authority.client_of(&server, trusted).stream(&request())).await
}

fn assert_tls(outcome: &Outcome, what: &str, hint: &str) {
    let error = outcome.error();
    assert_eq!(
        (error.kind(), error.detail()),
        (ErrorKind::Network, Some("tls")),
        "{error}"
    );
    assert!(error.message().contains(what), "{error}");
    assert!(error.message().contains("localhost:"), "{error}");
    assert!(error.hint().contains(hint), "{}", error.hint());
    assert_no_secret(error, &[KEY]);
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_when_it_is_named() {
    let outcome = ask("localhost", false, true).await;
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.text(), "sealed");
    let outcome = ask("localhost", false, false).await;
    assert_tls(&outcome, "authority unknown", "ca_file");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let outcome = ask("elsewhere.example", false, true).await;
    assert_tls(&outcome, "another name", "base_url");
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let outcome = ask("localhost", true, true).await;
    assert_tls(&outcome, "expired", "clock");
}

/// What an HTTP/2 server does with its requests, one after the other.
#[derive(Clone, Copy)]
enum Then {
    End,
    Reset,
    Wait,
}

/// Starts an HTTP/2 server; it tells through the channel when a client has given a stream up.
async fn http2(
    authority: &Authority,
    plan: &'static [Then],
) -> (Server, mpsc::UnboundedReceiver<h2::Reason>) {
    let (given_up, news) = mpsc::unbounded_channel();
    let acceptor = authority.acceptor.clone();
    let server = Server::start(move |mut peer| {
        let (acceptor, given_up) = (acceptor.clone(), given_up.clone());
        async move {
            let io = acceptor.accept(peer.take_io()).await.unwrap();
            let mut connection = h2::server::handshake(io).await.unwrap();
            let mut plan = plan.iter();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let then = *plan.next().unwrap();
                let given_up = given_up.clone();
                let head = hyper::Response::builder().header("content-type", "text/event-stream");
                let mut body = respond
                    .send_response(head.body(()).unwrap(), false)
                    .unwrap();
                body.send_data(event("second version").into(), false)
                    .unwrap();
                tokio::spawn(async move {
                    match then {
                        Then::End => body.send_data(ending().into(), true).unwrap(),
                        Then::Reset => {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            body.send_reset(h2::Reason::INTERNAL_ERROR);
                        }
                        Then::Wait => {
                            let reason = std::future::poll_fn(|cx| body.poll_reset(cx)).await;
                            given_up.send(reason.unwrap()).unwrap();
                        }
                    }
                });
            }
        }
    })
    .await;
    (server, news)
}

#[tokio::test]
async fn http2_is_spoken_over_one_connection_and_a_dropped_stream_is_reset() {
    let authority = Authority::new("localhost", false, b"h2");
    let (server, mut news) =
        http2(&authority, &[Then::End, Then::Reset, Then::Wait, Then::End]).await;
    let upstream = authority.client_of(&server, true);
    let outcome = collect(upstream.stream(&request())).await;
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.text(), "second version");

    let outcome = collect(upstream.stream(&request())).await;
    assert_eq!(outcome.text(), "second version");
    let error = outcome.error();
    assert_eq!(
        (error.kind(), error.detail()),
        (ErrorKind::Network, Some("cut"))
    );

    let mut stream = upstream.stream(&request());
    while !matches!(stream.next().await, Some(Ok(Chunk::Text(_)))) {}
    drop(stream);
    let reason = tokio::time::timeout(Duration::from_secs(2), news.recv()).await;
    assert_eq!(
        reason.expect("the server hears of it"),
        Some(h2::Reason::CANCEL)
    );

    assert_eq!(collect(upstream.stream(&request())).await.error, None);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_server_without_tls_is_called_so() {
    let server = Server::start(|mut peer| async move {
        peer.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            .await;
        peer.closed().await;
    })
    .await;
    let url = format!("https://localhost:{}/v1", server.address.port());
    let outcome = collect(openai(&url).stream(&request())).await;
    assert_tls(&outcome, "does not speak TLS", "http://");
}
