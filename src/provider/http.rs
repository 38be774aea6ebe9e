//! HTTP clients, shared by all instances that connect alike. What is asked over them is none of this file's business.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use parking_lot::Mutex;
use reqwest::{Certificate, Client, Url};

use super::connects::CountConnects;
use super::proxy::{Proxies, proxy_of};
use crate::base::{Error, ErrorKind};

/// How long a connection is kept for the next request. Most servers keep theirs for a minute or more.
pub(super) const KEEP_IDLE: Duration = Duration::from_secs(50);
/// How many such connections are kept a host.
pub(super) const KEEP_AT_MOST: usize = 128;
/// Who asks, as servers are told.
pub(super) const PROGRAM: &str = concat!("llmdeck/", env!("CARGO_PKG_VERSION"));

/// What all clients have in common.
#[derive(Clone, Debug, Default)]
pub struct HttpSettings {
    /// The proxies for requests that leave this machine.
    pub proxies: Proxies,
}

impl HttpSettings {
    /// Takes proxies from the environment.
    pub fn from_env() -> Self {
        Self {
            proxies: Proxies::from_env(),
        }
    }
}

/// The HTTP clients of this process. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Http(Arc<Shared>);

struct Shared {
    settings: HttpSettings,
    matcher: Matcher,
    clients: Mutex<HashMap<Way, Client>>,
}

/// What makes two clients differ.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Way {
    /// How long connecting may take.
    pub(super) connect: Duration,
    /// Certificate authorities to trust beside the usual ones, in PEM.
    pub(super) authorities: Option<Vec<u8>>,
    /// Whether it stays on this machine: no proxy.
    pub(super) loopback: bool,
    /// Whether TLS may be needed: without, the system's authorities need not be read.
    pub(super) tls: bool,
}

impl Http {
    /// Makes the place where clients are kept.
    ///
    /// # Errors
    /// `config` when a proxy's URL is none.
    pub fn new(settings: HttpSettings) -> Result<Self, Error> {
        // An Err says that the process has chosen one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let _ = settings.proxies.apply(Client::builder())?;
        Ok(Self(Arc::new(Shared {
            matcher: settings.proxies.matcher(),
            settings,
            clients: Mutex::default(),
        })))
    }

    /// Takes proxies from the environment.
    ///
    /// # Errors
    /// As [`Http::new`].
    pub fn from_env() -> Result<Self, Error> {
        Self::new(HttpSettings::from_env())
    }

    /// Returns the client for a way of connecting, an existing one if there is one.
    pub(super) fn client(&self, way: Way) -> Result<Client, Error> {
        let mut clients = self.0.clients.lock();
        if let Some(client) = clients.get(&way) {
            return Ok(client.clone());
        }
        let client = self.make(&way, |builder| builder)?;
        clients.insert(way, client.clone());
        Ok(client)
    }

    /// Returns a client for calls that are no provider's: webhooks.
    pub(crate) fn plain(&self) -> Result<Client, Error> {
        self.client(Way {
            connect: Duration::from_secs(5),
            authorities: None,
            loopback: false,
            tls: true,
        })
    }

    /// Returns a client for an address that is no provider's: a collector. Loopback is reached without a proxy.
    pub(crate) fn for_url(&self, url: &Url, ca_file: Option<&Path>) -> Result<Client, Error> {
        let host = url.host_str().unwrap_or_default();
        let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        let loopback = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
        self.client(Way {
            connect: Duration::from_secs(5),
            authorities: ca_file.map(read_authorities).transpose()?,
            loopback,
            tls: url.scheme() == "https",
        })
    }

    /// Returns a client for a gateway whose connection is upgraded to a line: HTTP/1.1 and nothing else.
    ///
    /// # Errors
    /// `config` when the file of authorities cannot be used.
    #[cfg(feature = "gateway")]
    pub(crate) fn to_gateway(
        &self,
        authorities: Option<&Path>,
        loopback: bool,
    ) -> Result<Client, Error> {
        let way = Way {
            connect: Duration::from_secs(5),
            authorities: authorities.map(read_authorities).transpose()?,
            loopback,
            tls: true,
        };
        self.make(&way, reqwest::ClientBuilder::http1_only)
    }

    /// Returns `host:port` of the proxy that an address goes through.
    pub(super) fn proxy_of(&self, url: &Url, loopback: bool) -> Option<String> {
        if loopback {
            None
        } else {
            proxy_of(&self.0.matcher, url)
        }
    }

    fn make(
        &self,
        way: &Way,
        adjust: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<Client, Error> {
        let authorities = match &way.authorities {
            Some(pem) => certificates(pem)?,
            None => Vec::new(),
        };
        if way.tls || !authorities.is_empty() {
            let merged = adjust(self.builder(way)?)
                .tls_certs_merge(authorities.clone())
                .build();
            match merged {
                Ok(client) => return Ok(client),
                // With extra ones the system's are not needed, so the fault is in the extra ones.
                Err(_) if !authorities.is_empty() => {
                    return Err(wrong_authorities("holds a certificate that is not valid"));
                }
                Err(_) => tracing::warn!(
                    "this machine has no certificate authorities; https works only with ca_file"
                ),
            }
        }
        adjust(self.builder(way)?)
            .tls_certs_only(authorities)
            .build()
            .map_err(|error| {
                let cause = innermost(&error);
                Error::new(ErrorKind::Config, format!("cannot set up HTTP: {cause}"))
            })
    }

    fn builder(&self, way: &Way) -> Result<reqwest::ClientBuilder, Error> {
        let builder = Client::builder()
            .user_agent(PROGRAM)
            .connect_timeout(way.connect)
            .connector_layer(CountConnects)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .tcp_nodelay(true)
            .pool_idle_timeout(KEEP_IDLE)
            .pool_max_idle_per_host(KEEP_AT_MOST);
        if way.loopback {
            Ok(builder.no_proxy())
        } else {
            self.0.settings.proxies.apply(builder)
        }
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("settings", &self.0.settings)
            .field("clients", &self.0.clients.lock().len())
            .finish_non_exhaustive()
    }
}

/// Reads a file of certificate authorities.
pub(super) fn read_authorities(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| {
        Error::new(
            ErrorKind::Config,
            format!("cannot read ca_file {}: {error}", path.display()),
        )
        .with_hint("ca_file is the path of a file with certificates in PEM form")
    })
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, Error> {
    match Certificate::from_pem_bundle(pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(wrong_authorities("holds no certificate")),
        Err(_) => Err(wrong_authorities("is not a PEM file")),
    }
}

fn wrong_authorities(what: &str) -> Error {
    Error::new(ErrorKind::Config, format!("ca_file {what}"))
        .with_hint("ca_file holds one or more '-----BEGIN CERTIFICATE-----' blocks")
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way() -> Way {
        Way {
            connect: Duration::from_secs(1),
            authorities: None,
            loopback: true,
            tls: false,
        }
    }

    #[test]
    fn instances_that_connect_alike_share_a_client() {
        let http = Http::new(HttpSettings::default()).unwrap();
        http.client(way()).unwrap();
        http.client(way()).unwrap();
        assert_eq!(http.0.clients.lock().len(), 1);
        let slower = Way {
            connect: Duration::from_secs(2),
            ..way()
        };
        http.client(slower).unwrap();
        assert_eq!(http.0.clients.lock().len(), 2);
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let http = Http::new(HttpSettings::default()).unwrap();
        for (pem, part) in [
            ("", "holds no certificate"),
            ("hello", "holds no certificate"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "not valid",
            ),
        ] {
            let way = Way {
                authorities: Some(pem.as_bytes().to_vec()),
                ..way()
            };
            let error = http.client(way).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().contains(part), "{pem:?}: {error}");
        }
        let missing = read_authorities(Path::new("/does/not/exist.pem"))
            .err()
            .unwrap();
        assert!(missing.message().contains("/does/not/exist.pem"));
    }
}
