//! Why a connection did not do its duty, in plain words: a client's chains of causes become our errors.
//! What a server answered in words of its own is not for here, but for `wire::classify`.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use rustls::CertificateError;

use crate::base::{Error, ErrorKind, ProviderType};

/// Whom the request went to, as far as messages may tell.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// `host:port` of the upstream.
    pub(super) host: String,
    /// `host:port` of the proxy in between.
    pub(super) proxy: Option<String>,
    /// Which protocol is spoken there.
    pub(super) provider_type: ProviderType,
    /// Whether it is this very machine.
    pub(super) loopback: bool,
}

/// How far a request had got when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// No response headers yet.
    Sending,
    /// Inside the response's body.
    Body,
}

/// A failure of the transport, and what the client knows of it.
#[derive(Debug)]
pub(super) struct Transport {
    source: Arc<dyn StdError + Send + Sync>,
    step: Step,
    is_timeout: bool,
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Resolve,
    Connect,
    Ask,
    Unpack,
    Other,
}

impl From<reqwest::Error> for Transport {
    fn from(error: reqwest::Error) -> Self {
        let step = if error.is_connect() && error.is_dns() {
            Step::Resolve
        } else if error.is_connect() {
            Step::Connect
        } else if error.is_decode() {
            Step::Unpack
        } else if error.is_request() {
            Step::Ask
        } else {
            Step::Other
        };
        Self {
            is_timeout: error.is_timeout(),
            step,
            source: Arc::new(error.without_url()),
        }
    }
}

impl Transport {
    fn new(source: impl StdError + Send + Sync + 'static, step: Step) -> Self {
        Self {
            source: Arc::new(source),
            step,
            is_timeout: false,
        }
    }

    /// The name has no address.
    pub(super) fn unknown_name(error: io::Error) -> Self {
        Self::new(error, Step::Resolve)
    }

    /// The server takes no connection.
    pub(super) fn no_connection(error: io::Error) -> Self {
        Self::new(error, Step::Connect)
    }

    /// The server did not take the connection in time.
    pub(super) fn no_connection_in_time(error: tokio::time::error::Elapsed) -> Self {
        Self {
            is_timeout: true,
            ..Self::new(error, Step::Connect)
        }
    }

    /// No answer came.
    pub(super) fn unanswered(error: hyper::Error) -> Self {
        Self::new(error, Step::Ask)
    }

    /// The answer broke off.
    pub(super) fn broken_off(error: impl StdError + Send + Sync + 'static) -> Self {
        Self::new(error, Step::Other)
    }

    /// The answer cannot be unpacked.
    pub(super) fn packed_badly(error: io::Error) -> Self {
        Self::new(error, Step::Unpack)
    }

    fn is_connect(&self) -> bool {
        matches!(self.step, Step::Resolve | Step::Connect)
    }
}

/// Says what a failure of the transport means.
pub(super) fn explain(error: impl Into<Transport>, stage: Stage, place: &Place) -> Error {
    let error = error.into();
    let explained = {
        let chain = causes(&*error.source);
        tls(&chain, place)
            .or_else(|| tunnel(&chain, place))
            .or_else(|| connecting(&error, &chain, place))
            .or_else(|| answering(&error, &chain, stage, place))
            .unwrap_or_else(|| {
                let last = chain.last().map(ToString::to_string).unwrap_or_default();
                network("transport", format!("{} failed: {last}", place.target()))
            })
    };
    explained.with_source(error.source)
}

/// Tells whether the connection was closed before a single byte of an answer.
pub(super) fn closed_unanswered(error: &Transport) -> bool {
    if error.is_timeout || error.step != Step::Ask {
        return false;
    }
    causes(&*error.source).iter().any(|cause| {
        let by_hyper = cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(|e| e.is_incomplete_message() || e.is_canceled() || e.is_closed());
        by_hyper
            || io_kind(*cause).is_some_and(|kind| {
                matches!(
                    kind,
                    io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::BrokenPipe
                )
            })
    })
}

impl Place {
    /// Names who is at the other end of the connection.
    fn target(&self) -> String {
        match &self.proxy {
            Some(proxy) => format!("the connection to {} through the proxy {proxy}", self.host),
            None => format!("the connection to {}", self.host),
        }
    }

    /// Names the machine that is connected to first.
    fn first_hop(&self) -> String {
        match &self.proxy {
            Some(proxy) => format!("the proxy {proxy}"),
            None => self.host.clone(),
        }
    }

    fn refused_hint(&self) -> String {
        match (&self.proxy, self.provider_type) {
            (Some(_), _) => "check the proxy variables (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)".into(),
            (None, ProviderType::Ollama) => "is ollama running? try 'ollama serve'".into(),
            (None, ProviderType::OpenAi | ProviderType::ZhipuAi) if self.loopback => {
                "nothing listens there; start the server, or check the port in base_url".into()
            }
            (None, ProviderType::OpenAi | ProviderType::ZhipuAi) => {
                "check host and port in base_url, and whether a firewall is in between".into()
            }
        }
    }
}

/// Certificates and handshakes.
fn tls(chain: &[&(dyn StdError + 'static)], place: &Place) -> Option<Error> {
    let fault = chain
        .iter()
        .find_map(|cause| cause.downcast_ref::<rustls::Error>())?;
    let host = &place.host;
    let (message, hint) = match fault {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => (
                format!("the certificate of {host} is signed by an authority unknown to this machine"),
                "set ca_file to the authority's certificate (PEM), or install it on this machine (package ca-certificates)".to_owned(),
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                format!("the certificate of {host} has expired"),
                "the server's owner must renew it; also check this machine's clock".to_owned(),
            ),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
                format!("the certificate of {host} is not valid yet"),
                "check this machine's clock".to_owned(),
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                format!("the certificate shown by {host} is for another name"),
                "use the name in the certificate in base_url; or something in between answers in its place".to_owned(),
            ),
            CertificateError::Revoked => (
                format!("the certificate of {host} has been revoked"),
                "do not use this server until its owner has a new certificate".to_owned(),
            ),
            other => (
                format!("the certificate of {host} is not acceptable: {other}"),
                "ask the server's owner; a private authority's certificate goes into ca_file".to_owned(),
            ),
        },
        rustls::Error::InvalidMessage(_) => (
            format!("{host} does not speak TLS"),
            "if this server speaks plain HTTP, write http:// in base_url".to_owned(),
        ),
        other => (
            format!("no TLS connection with {host}: {other}"),
            "check that base_url's host and port are the API's own, and what proxy stands in between".to_owned(),
        ),
    };
    Some(network("tls", message).with_hint(hint))
}

/// Failures of proxies that tunnel. Their types are private, so their words must do.
fn tunnel(chain: &[&(dyn StdError + 'static)], place: &Place) -> Option<Error> {
    let words = chain
        .iter()
        .map(ToString::to_string)
        .find(|words| words.starts_with("tunnel error: ") || words.starts_with("SOCKS error: "))?;
    let proxy = place.first_hop();
    let error = if words.ends_with("proxy authorization required") {
        network("proxy", format!("{proxy} asks for a user and a password"))
            .with_hint("put them into the proxy variable: http://user:password@host:port")
    } else if words.ends_with("failed to create underlying connection") {
        network("proxy", format!("no connection to {proxy}")).with_hint(place.refused_hint())
    } else {
        let reason = words.split_once(": ").map_or("", |(_, reason)| reason);
        let host = &place.host;
        network(
            "proxy",
            format!("{proxy} did not let through to {host}: {reason}"),
        )
        .with_hint(place.refused_hint())
    };
    Some(error)
}

/// Failures before the connection stands.
fn connecting(
    error: &Transport,
    chain: &[&(dyn StdError + 'static)],
    place: &Place,
) -> Option<Error> {
    if !error.is_connect() {
        return None;
    }
    let hop = place.first_hop();
    let kind = chain.iter().find_map(|cause| io_kind(*cause));
    if error.step == Step::Resolve && !error.is_timeout {
        let name = hop.rsplit_once(':').map_or(hop.as_str(), |(name, _)| name);
        return Some(
            network("dns", format!("the name {name} cannot be resolved"))
                .with_hint("check the spelling in base_url, and this machine's network and DNS"),
        );
    }
    if error.is_timeout {
        return Some(
            Error::new(
                ErrorKind::TimeoutConnect,
                format!("no connection to {hop} within timeouts.connect"),
            )
            .with_detail("connect"),
        );
    }
    let refused = |what: String| Some(network("connect", what).with_hint(place.refused_hint()));
    match kind? {
        io::ErrorKind::ConnectionRefused => refused(format!("{hop} refused the connection")),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            refused(format!("there is no way to {hop} from this machine"))
        }
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => refused(format!(
            "{hop} closed the connection while it was being set up"
        )),
        other => Some(network(
            "connect",
            format!("no connection to {hop}: {other}"),
        )),
    }
}

/// Failures once the connection stands.
fn answering(
    error: &Transport,
    chain: &[&(dyn StdError + 'static)],
    stage: Stage,
    place: &Place,
) -> Option<Error> {
    let by_hyper = chain
        .iter()
        .find_map(|cause| cause.downcast_ref::<hyper::Error>());
    if by_hyper.is_some_and(hyper::Error::is_parse) {
        return Some(
            Error::protocol(
                "not_http",
                format!("what {} answered is not HTTP", place.host),
            )
            .with_hint("check host, port and http:// or https:// in base_url"),
        );
    }
    match stage {
        Stage::Sending => closed_unanswered(error).then(|| {
            network(
                "closed",
                format!("{} closed the connection without an answer", place.host),
            )
            .with_hint("the server or a proxy in between gave up; try again, and see its log")
        }),
        Stage::Body => {
            let broken_off = by_hyper.is_some()
                || chain.iter().any(|cause| cause.is::<io::Error>()) && error.step != Step::Unpack;
            Some(if broken_off {
                network(
                    "cut",
                    format!("{} broke off inside the answer", place.target()),
                )
                .with_hint("the server or a proxy in between gave up; try again, and see its log")
            } else {
                Error::protocol(
                    "bad_encoding",
                    format!("the compressed answer of {} cannot be unpacked", place.host),
                )
            })
        }
    }
}

fn network(detail: &'static str, message: String) -> Error {
    Error::new(ErrorKind::Network, message).with_detail(detail)
}

fn io_kind(cause: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    cause.downcast_ref::<io::Error>().map(io::Error::kind)
}

/// Lists an error and its causes. What an `io::Error` wraps is a cause too, which its `source` skips.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    const DEEPEST: usize = 32;
    let mut found = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next
        && found.len() < DEEPEST
    {
        found.push(cause);
        next = match cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner as &'a (dyn StdError + 'static)),
            None => cause.source(),
        };
    }
    found
}
