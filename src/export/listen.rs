//! The metrics of a deck over HTTP, for a Prometheus that scrapes a console.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::{CONTENT_TYPE, prometheus};
use crate::base::{Error, ErrorKind};
use crate::deck::Deck;

/// How long one scrape may take to be made and sent.
const PATIENCE: Duration = Duration::from_secs(10);
/// Scrapes that are answered at one time; others wait.
const AT_ONCE: usize = 4;

/// Metrics that are being served; dropping it ends that.
#[derive(Debug)]
pub struct MetricsListener {
    address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

impl MetricsListener {
    /// Serves a deck's metrics at `/metrics` from now on, on the tokio runtime that this is called in.
    ///
    /// # Errors
    /// `config` when the address is taken or not this machine's.
    pub async fn start(deck: Deck, address: SocketAddr) -> Result<Self, Error> {
        let cannot = |error: std::io::Error| {
            Error::new(
                ErrorKind::Config,
                format!("cannot serve metrics at {address}: {error}"),
            )
            .with_hint("choose another address with --metrics-listen")
        };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router(deck)).await {
                tracing::warn!(%error, "metrics are no longer served");
            }
        });
        tracing::info!(%address, "metrics are served at /metrics");
        Ok(Self {
            address,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn router(deck: Deck) -> Router {
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let metrics = async move || {
        let scrape = async {
            // It is never closed.
            let _place = places.acquire().await;
            // Writing it down takes milliseconds, which others of this runtime should not wait for.
            tokio::task::spawn_blocking(move || prometheus(&deck.board(), &deck.figures())).await
        };
        match tokio::time::timeout(PATIENCE, scrape).await {
            Ok(Ok(text)) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
            Ok(Err(_)) | Err(_) => axum::http::StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    };
    let hint = async || "llmdeck: see /metrics\n";
    Router::new()
        .route("/metrics", get(metrics))
        .route("/", get(hint))
}

/// Reads an address to listen at: `9464` and `:9464` are on loopback, anything else says where.
///
/// # Errors
/// What is wrong with it.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    let spelled = text
        .strip_prefix("localhost:")
        .map(|port| format!("127.0.0.1:{port}"));
    spelled
        .as_deref()
        .unwrap_or(text)
        .parse()
        .map_err(|_| "not an address; write a port for this machine alone, or IP:PORT".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_on_loopback() {
        for text in ["9464", ":9464", "localhost:9464", "127.0.0.1:9464"] {
            assert_eq!(listen_address(text).unwrap().to_string(), "127.0.0.1:9464");
        }
        assert_eq!(
            listen_address("0.0.0.0:1").unwrap().to_string(),
            "0.0.0.0:1"
        );
        assert_eq!(listen_address("[::1]:1").unwrap().to_string(), "[::1]:1");
        for text in ["", "metrics", "1.2.3.4", "99999"] {
            assert!(listen_address(text).is_err(), "{text}");
        }
    }
}
