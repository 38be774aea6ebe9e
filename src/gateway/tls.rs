//! TLS by certificate files.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::Settings;
use crate::base::{Error, ErrorKind};

/// Reads the files; `None` when there is to be no TLS.
///
/// # Errors
/// `config`, naming the file.
pub(super) fn acceptor(settings: &Settings) -> Result<Option<TlsAcceptor>, Error> {
    if settings.tls_cert.is_empty() {
        return Ok(None);
    }
    let (cert, key) = (Path::new(&settings.tls_cert), Path::new(&settings.tls_key));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| unusable("tls_cert", cert, &error))?;
    if chain.is_empty() {
        return Err(unusable("tls_cert", cert, &"there is no certificate in it"));
    }
    let key_der =
        PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("tls_key", key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable("tls_cert", cert, &error))?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .map_err(|error| unusable("tls_key", key, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn unusable(key: &str, path: &Path, why: &dyn std::fmt::Display) -> Error {
    let message = format!("gateway.{key} {} cannot be used: {why}", path.display());
    Error::new(ErrorKind::Config, message).with_hint(
        "both are PEM files: the certificates, the server's own first, and its private key",
    )
}
