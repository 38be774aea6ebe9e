//! Ways to a gateway: its Unix socket, or HTTPS with an admin key.

use std::path::PathBuf;
use std::time::Duration;

use axum::http::header;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::super::VERSION;
use super::super::message::{Told, protocol};
use super::super::server::{BY, READ_ONLY};
use super::Visitor;
use crate::base::{Error, ErrorKind, clean_line, shorten};
use crate::provider::Http;

/// How long it may take until the gateway answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read when it says no, in bytes.
const LONGEST_REFUSAL: usize = 64 << 10;
const PATH: &str = "/admin/v1/line";

/// A line that is open.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// How to reach a gateway.
#[derive(Clone, Debug)]
pub enum Way {
    /// Its Unix socket; checked to be this user's before each connection.
    #[cfg(unix)]
    Socket(PathBuf),
    /// Its address, with an admin key.
    Url {
        /// Where it listens.
        url: Url,
        /// The admin key.
        key: SecretString,
        /// A file of certificate authorities to trust beside the usual ones.
        authorities: Option<PathBuf>,
    },
}

impl Way {
    /// Makes a way over the network.
    ///
    /// # Errors
    /// Of kind `config` when the address is none, or when the key would travel in clear.
    pub fn url(text: &str, key: SecretString, authorities: Option<PathBuf>) -> Result<Self, Error> {
        let wrong = |what: &str| {
            Error::new(ErrorKind::Config, format!("--url {what}"))
                .with_hint("an address looks like https://host:port")
        };
        let url = Url::parse(text).map_err(|error| wrong(&format!("is no address: {error}")))?;
        if url.host_str().is_none() {
            return Err(wrong("names no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "must hold no user and password; the key comes from --key-env",
            ));
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => {
                return Err(wrong(
                    "must be https: over http the key could be read on the way",
                ));
            }
            _ => return Err(wrong("must be https")),
        }
        Ok(Self::Url {
            url,
            key,
            authorities,
        })
    }

    /// Returns the place as a person knows it.
    pub fn place(&self) -> String {
        match self {
            #[cfg(unix)]
            Self::Socket(path) => path.display().to_string(),
            Self::Url { url, .. } => url.origin().ascii_serialization(),
        }
    }

    /// Opens the line.
    pub(super) async fn open(&self, visitor: &Visitor) -> Result<Box<dyn Duplex>, Error> {
        let opened = async {
            match self {
                #[cfg(unix)]
                Self::Socket(path) => open_socket(path, visitor).await,
                Self::Url {
                    url,
                    key,
                    authorities,
                } => open_url(url, key, authorities.as_deref(), visitor).await,
            }
        };
        timeout(PATIENCE, opened).await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::TimeoutConnect,
                format!("{} gives no answer", self.place()),
            ))
        })
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(unix)]
async fn open_socket(path: &std::path::Path, visitor: &Visitor) -> Result<Box<dyn Duplex>, Error> {
    use axum::body::Body;
    use hyper_util::rt::TokioIo;
    use rustix::process::geteuid;

    let place = path.display().to_string();
    super::super::place::check(path)?;
    let stream = tokio::net::UnixStream::connect(path)
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Error::new(
                ErrorKind::Network,
                format!("nobody listens on {place}: the 'llmdeck serve' that made it is gone"),
            )
            .with_hint("start it again with 'llmdeck serve'"),
            _ => cannot_connect(&place, &error),
        })?;
    let me = geteuid().as_raw();
    let peer = stream
        .peer_cred()
        .map_err(|error| cannot_connect(&place, &error))?;
    if me != 0 && peer.uid() != me && peer.uid() != 0 {
        return Err(Error::new(
            ErrorKind::Permission,
            format!(
                "{place} is answered by another user's program (uid {})",
                peer.uid()
            ),
        ));
    }
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| cannot_connect(&place, &error))?;
    tokio::spawn(async move {
        // What goes wrong is seen at the line itself.
        let _ = connection.with_upgrades().await;
    });
    let mut request = hyper::Request::builder()
        .uri(PATH)
        .header(header::HOST, "llmdeck")
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, protocol())
        .header(header::USER_AGENT, format!("llmdeck/{VERSION}"))
        .header(BY, header_text(&visitor.by));
    if visitor.read_only {
        request = request.header(READ_ONLY, "1");
    }
    let request = request
        .body(Body::empty())
        .map_err(|error| cannot_connect(&place, &error))?;
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| cannot_connect(&place, &error))?;
    if response.status() != hyper::StatusCode::SWITCHING_PROTOCOLS {
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(Body::new(response.into_body()), LONGEST_REFUSAL).await;
        return Err(refused(&place, status, &body.unwrap_or_default()));
    }
    let upgraded = hyper::upgrade::on(response).await;
    let upgraded = upgraded.map_err(|error| cannot_connect(&place, &error))?;
    Ok(Box::new(TokioIo::new(upgraded)))
}

async fn open_url(
    url: &Url,
    key: &SecretString,
    authorities: Option<&std::path::Path>,
    visitor: &Visitor,
) -> Result<Box<dyn Duplex>, Error> {
    let place = url.origin().ascii_serialization();
    let plain = |error: reqwest::Error| cannot_connect(&place, &error.without_url());
    let mut to = url.clone();
    to.set_path(PATH);
    to.set_query(None);
    let client = Http::from_env()?.to_gateway(authorities, is_loopback(url))?;
    let mut request = client
        .get(to)
        .bearer_auth(key.expose_secret())
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, protocol())
        .header(BY, header_text(&visitor.by));
    if visitor.read_only {
        request = request.header(READ_ONLY, "1");
    }
    let mut response = request.send().await.map_err(plain)?;
    if response.status() != reqwest::StatusCode::SWITCHING_PROTOCOLS {
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Ok(Some(part)) = response.chunk().await
            && body.len() < LONGEST_REFUSAL
        {
            body.extend_from_slice(&part);
        }
        return Err(refused(&place, status, &body));
    }
    Ok(Box::new(response.upgrade().await.map_err(plain)?))
}

/// A header holds visible ASCII only.
fn header_text(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '_' })
        .collect()
}

fn cannot_connect(place: &str, error: &dyn std::error::Error) -> Error {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    Error::new(
        ErrorKind::Network,
        format!("cannot connect to {place}: {cause}"),
    )
    .with_hint("is 'llmdeck serve' running there?")
}

/// Says why somebody does not let us in: in its own words when they are a gateway's.
fn refused(place: &str, status: u16, body: &[u8]) -> Error {
    let said = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|mut value| value.get_mut("error").map(Value::take))
        .and_then(|error| serde_json::from_value::<Told>(error).ok());
    if let Some(told) = said {
        return Error::from(told).with_status(status);
    }
    let words = shorten(&clean_line(&String::from_utf8_lossy(body)), 120);
    let (kind, what) = match status {
        401 => (ErrorKind::Auth, "does not know this key"),
        403 => (ErrorKind::Permission, "does not let this key in"),
        200 | 404 | 405 => (ErrorKind::Protocol, "answers, but has no admin API"),
        _ => (ErrorKind::Protocol, "does not open a line"),
    };
    let error = Error::new(kind, format!("{place} {what} ({status}) {words}"));
    match kind {
        ErrorKind::Auth | ErrorKind::Permission => {
            error.with_hint("the key must be one of the gateway's with admin rights")
        }
        _ => error.with_hint(
            "the address must be that of 'llmdeck serve', and a proxy in between must pass upgrades on",
        ),
    }
    .with_status(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_travels_in_clear() {
        let way = |url: &str| Way::url(url, "k".into(), None);
        assert!(way("https://host:8443").is_ok());
        assert!(way("http://127.0.0.1:8080").is_ok());
        assert!(way("http://[::1]:8080").is_ok());
        assert!(way("http://localhost").is_ok());
        for wrong in [
            "http://host",
            "ftp://host",
            "host:80",
            "https://u:p@host",
            "x",
        ] {
            assert_eq!(way(wrong).unwrap_err().kind(), ErrorKind::Config, "{wrong}");
        }
        let shown = format!(
            "{:?}",
            Way::url("https://h", "secret-key".into(), None).unwrap()
        );
        assert!(!shown.contains("secret-key"));
    }

    #[test]
    fn a_refusal_is_told_in_the_gateways_words() {
        let body =
            br#"{"error":{"kind":"invalid_request","message":"speaks line 2","hint":"update"}}"#;
        let error = refused("p", 426, body);
        assert_eq!((error.message(), error.hint()), ("speaks line 2", "update"));
        let error = refused("p", 404, b"<html>\x1b[31m not found");
        assert!(
            error
                .message()
                .starts_with("p answers, but has no admin API (404)"),
            "{error}"
        );
        assert!(!error.message().contains('\x1b'));
    }
}
