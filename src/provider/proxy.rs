//! Which proxy is asked for which address. Settings and messages only; reqwest does the talking.

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{NoProxy, Proxy, Url};
use secrecy::{ExposeSecret, SecretString};

use super::address::host_port;
use crate::base::{Error, ErrorKind};

/// The proxies for requests that leave this machine. Loopback addresses never go through one.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// For `http://` addresses; may hold user and password.
    pub http: Option<SecretString>,
    /// For `https://` addresses.
    pub https: Option<SecretString>,
    /// For whatever has none of its own.
    pub all: Option<SecretString>,
    /// Hosts, domains, addresses and networks that are asked directly, separated by commas.
    pub exempt: String,
    /// Whether the system's own settings (macOS, Windows) count when there is none of the above.
    pub system: bool,
}

impl Proxies {
    /// Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or not, and the system's settings.
    pub fn from_env() -> Self {
        Self {
            system: true,
            ..Self::from_vars(|name| std::env::var(name).ok())
        }
    }

    /// Reads the same variables from a function.
    pub fn from_vars(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: [&str; 2]| {
            names
                .into_iter()
                .filter_map(&variable)
                .map(|value| value.trim().to_owned())
                .find(|value| !value.is_empty())
        };
        // In a CGI process a caller can set HTTP_PROXY by sending a 'Proxy' header.
        if variable("REQUEST_METHOD").is_some() {
            return Self::default();
        }
        Self {
            http: first(["HTTP_PROXY", "http_proxy"]).map(SecretString::from),
            https: first(["HTTPS_PROXY", "https_proxy"]).map(SecretString::from),
            all: first(["ALL_PROXY", "all_proxy"]).map(SecretString::from),
            exempt: first(["NO_PROXY", "no_proxy"]).unwrap_or_default(),
            system: false,
        }
    }

    /// Tells whether none is named here.
    fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none() && self.all.is_none()
    }

    /// Sets them on a client.
    pub(super) fn apply(
        &self,
        mut builder: reqwest::ClientBuilder,
    ) -> Result<reqwest::ClientBuilder, Error> {
        if self.is_empty() && self.system {
            return Ok(builder);
        }
        builder = builder.no_proxy();
        type Make = fn(Url) -> reqwest::Result<Proxy>;
        let kinds = [
            ("HTTPS_PROXY", &self.https, Proxy::https as Make),
            ("HTTP_PROXY", &self.http, Proxy::http),
            ("ALL_PROXY", &self.all, Proxy::all),
        ];
        for (name, url, make) in kinds {
            if let Some(url) = url {
                let proxy = make(parse(name, url)?).map_err(|_| wrong(name))?;
                builder = builder.proxy(proxy.no_proxy(NoProxy::from_string(&self.exempt)));
            }
        }
        Ok(builder)
    }

    /// Returns what tells which proxy an address goes through, by the same rules as the client.
    pub(super) fn matcher(&self) -> Matcher {
        if self.is_empty() {
            return if self.system {
                Matcher::from_system()
            } else {
                Matcher::builder().build()
            };
        }
        let text = |url: &Option<SecretString>| {
            url.as_ref()
                .map(|url| url.expose_secret().to_owned())
                .unwrap_or_default()
        };
        Matcher::builder()
            .http(text(&self.http))
            .https(text(&self.https))
            .all(text(&self.all))
            .no(self.exempt.clone())
            .build()
    }
}

/// Returns `host:port` of the proxy that an address goes through.
pub(super) fn proxy_of(matcher: &Matcher, url: &Url) -> Option<String> {
    let uri = url.as_str().parse::<hyper::Uri>().ok()?;
    let proxy = matcher.intercept(&uri)?;
    Some(match Url::parse(&proxy.uri().to_string()) {
        Ok(url) => host_port(&url),
        Err(_) => proxy.uri().host().unwrap_or_default().to_owned(),
    })
}

/// Parses a proxy's URL, with `http://` in front when it has no scheme.
fn parse(name: &str, url: &SecretString) -> Result<Url, Error> {
    const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
    let text = url.expose_secret();
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    Url::parse(&with_scheme)
        .ok()
        .filter(|url| SCHEMES.contains(&url.scheme()) && url.has_host())
        .ok_or_else(|| wrong(name))
}

fn wrong(name: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("the proxy in {name} is not a URL that can be used"),
    )
    .with_hint(format!(
        "{name} looks like http://host:3128 or socks5://host:1080"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &'static [(&'static str, &'static str)]) -> Proxies {
        Proxies::from_vars(|name| {
            pairs
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    fn of(proxies: &Proxies, url: &str) -> Option<String> {
        proxy_of(&proxies.matcher(), &Url::parse(url).unwrap())
    }

    #[test]
    fn each_scheme_has_its_proxy_and_exempt_hosts_have_none() {
        let proxies = vars(&[
            ("https_proxy", "http://me:pw@tls.example:1"),
            ("ALL_PROXY", "other.example:2"),
            ("NO_PROXY", "inside.example, 10.0.0.0/8"),
        ]);
        assert_eq!(of(&proxies, "https://a.example").unwrap(), "tls.example:1");
        assert_eq!(of(&proxies, "http://a.example").unwrap(), "other.example:2");
        assert_eq!(of(&proxies, "https://x.inside.example"), None);
        assert_eq!(of(&proxies, "http://10.1.2.3"), None);
    }

    #[test]
    fn a_cgi_process_takes_no_proxy_from_its_caller() {
        let proxies = vars(&[("HTTP_PROXY", "http://evil:1"), ("REQUEST_METHOD", "GET")]);
        assert_eq!(of(&proxies, "http://a.example"), None);
    }

    #[test]
    fn a_proxy_that_is_no_url_is_named_by_its_variable_only() {
        let proxies = vars(&[("HTTPS_PROXY", "ftp://me:hunter2@h")]);
        let error = proxies.apply(reqwest::Client::builder()).err().unwrap();
        let text = format!("{error} {error:?} {} {proxies:?}", error.hint());
        assert!(text.contains("HTTPS_PROXY"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
