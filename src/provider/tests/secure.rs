//! TLS: whom to trust, and what to say when not.

use std::io::Write as _;
use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;

use super::peer::Server;
use super::*;
use crate::base::ErrorKind;

/// A server with a certificate of its own authority, and the file that makes one trust it.
struct Secure {
    server: Server,
    authority: NamedTempFile,
}

impl Secure {
    async fn start(name: &str, expired: bool) -> Self {
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
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![certificate.der().clone()],
                    PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
                )
                .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
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
        let mut authority = NamedTempFile::new().unwrap();
        authority.write_all(issuer.pem().as_bytes()).unwrap();
        Self { server, authority }
    }

    async fn ask(&self, trusted: bool) -> Outcome {
        let url = format!("https://localhost:{}/v1", self.server.address.port());
        let mut settings = settings(ProviderType::OpenAi, &url);
        settings.ca_file = trusted.then(|| self.authority.path().to_owned());
        collect(build(settings, &http()).unwrap().stream(&request())).await
    }
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
    let secure = Secure::start("localhost", false).await;
    let outcome = secure.ask(true).await;
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.text(), "sealed");
    assert_tls(&secure.ask(false).await, "authority unknown", "ca_file");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let secure = Secure::start("elsewhere.example", false).await;
    assert_tls(&secure.ask(true).await, "another name", "base_url");
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let secure = Secure::start("localhost", true).await;
    assert_tls(&secure.ask(true).await, "expired", "clock");
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
