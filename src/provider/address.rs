//! Where an instance is: its base URL checked, taken apart, and joined with paths. Not for connecting.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;
use secrecy::SecretString;

use crate::base::{Error, ErrorKind, ProviderType};

/// An instance's base URL, its user and query kept apart from what may be shown.
pub(super) struct Address {
    /// Scheme, host, port and path; no user, query or fragment; the path without a slash at its end.
    base: Url,
    /// Sent with every request (Azure's `api-version`); never shown.
    query: Option<String>,
    /// User and password out of the URL; never shown.
    pub(super) user: Option<(String, SecretString)>,
}

impl Address {
    /// Checks and takes apart a base URL.
    pub(super) fn parse(text: &str, provider_type: ProviderType) -> Result<Self, Error> {
        let mut url = match provider_type {
            ProviderType::Ollama => parse_url(&ollama_base_url(text))?,
            ProviderType::OpenAi | ProviderType::ZhipuAi => parse_url(text.trim())?,
        };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!(
                "base_url begins with '{}:', but only http:// and https:// are spoken",
                url.scheme()
            )));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(wrong("base_url names no host"));
        }
        if url.fragment().is_some() {
            return Err(wrong("base_url has a '#' part, which is never sent"));
        }
        let query = url.query().map(str::to_owned);
        let user = take_user(&url);
        url.set_query(None);
        // Both only fail on URLs without a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let path = url.path().trim_end_matches('/').to_owned();
        for whole in [
            "/chat/completions",
            "/api/chat",
            "/api/generate",
            "/completions",
        ] {
            if let Some(short) = path.strip_suffix(whole) {
                url.set_path(short);
                let better = shown(&url);
                return Err(
                    wrong(format!("base_url must not contain the call '{whole}'"))
                        .with_hint(format!("set base_url to {better}")),
                );
            }
        }
        url.set_path(&path);
        Ok(Self {
            base: url,
            query,
            user,
        })
    }

    /// Returns the URL of a path below the base.
    pub(super) fn join(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let whole = format!("{}{path}", self.base.path().trim_end_matches('/'));
        url.set_path(&whole);
        url.set_query(self.query.as_deref());
        url
    }

    /// Returns the base URL without user, password and query.
    pub(super) fn shown(&self) -> String {
        shown(&self.base)
    }

    /// Returns `host:port`.
    pub(super) fn host_port(&self) -> String {
        host_port(&self.base)
    }

    /// Returns the base URL itself.
    pub(super) fn url(&self) -> &Url {
        &self.base
    }

    /// Tells whether TLS is spoken.
    pub(super) fn is_tls(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// Tells whether it is this very machine; proxies are never asked for that.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.base.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(ip) => {
                let ip = ip.to_canonical();
                ip.is_loopback() || ip.is_unspecified()
            }
            Err(_) => host == "localhost" || host.ends_with(".localhost"),
        }
    }

    /// Tells whether the host is this domain or one below it.
    pub(super) fn is_at(&self, domain: &str) -> bool {
        self.base.host_str().is_some_and(|host| {
            host.strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}

/// Returns `host:port` of a URL, the port also when it is the usual one.
pub(super) fn host_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Returns a URL without user, password, query and fragment, and without a slash at its end.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// Turns what stands in `OLLAMA_HOST` into a base URL, as Ollama's own client does.
///
/// Without a scheme it is http on port 11434; with one, the scheme's usual port. An address to listen on
/// (`0.0.0.0`, `[::]`, no host at all) becomes loopback, a port that is none becomes the usual one, a path stays.
pub fn ollama_base_url(host: &str) -> String {
    let text = host
        .trim()
        .trim_matches(|c| matches!(c, '"' | '\''))
        .trim()
        .trim_end_matches('/');
    let (scheme, rest, usual_port) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme, rest, ""),
        None if text == "ollama.com" => ("https", text, ""),
        None => ("http", text, ":11434"),
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (user, host_and_port) = match authority.rfind('@') {
        Some(at) => authority.split_at(at + 1),
        None => ("", authority),
    };
    let (host, port) = split_port(host_and_port);
    let port = match port.and_then(|port| port.parse::<u16>().ok()) {
        Some(port) => format!(":{port}"),
        None => usual_port.to_owned(),
    };
    format!("{scheme}://{user}{}{port}{path}", client_host(host))
}

/// Splits `host:port`, `[v6]:port` and a bare v6 address, which has colons but no port.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if text.parse::<Ipv6Addr>().is_ok() {
        return (text, None);
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    }
}

/// Returns the host that a client asks, where the server listens on `host`.
fn client_host(host: &str) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.is_empty() {
        return Ipv4Addr::LOCALHOST.to_string();
    }
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        Ok(IpAddr::V4(_)) | Err(_) => host.to_owned(),
    }
}

fn take_user(url: &Url) -> Option<(String, SecretString)> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    Some((
        percent_decoded(url.username()),
        SecretString::from(percent_decoded(url.password().unwrap_or_default())),
    ))
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after
            .get(..2)
            .filter(|_| first == b'%')
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        if let Some(byte) = hex {
            out.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            out.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Parses a URL; the message does not repeat it, for it may hold a password.
fn parse_url(text: &str) -> Result<Url, Error> {
    if text.is_empty() {
        return Err(wrong("base_url is empty"));
    }
    let looks_like_host = !text.contains("://");
    Url::parse(text)
        .ok()
        .filter(|url| !looks_like_host || url.has_host())
        .ok_or_else(|| {
            if looks_like_host {
                wrong("base_url has no http:// or https:// in front")
            } else {
                let reason = Url::parse(text).err().map(|e| e.to_string());
                wrong(format!(
                    "base_url is not a URL: {}",
                    reason.unwrap_or_default()
                ))
            }
        })
}

fn wrong(message: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::Config, message)
        .with_hint("base_url looks like https://host/v1 or http://127.0.0.1:11434")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn openai(text: &str) -> Result<Address, Error> {
        Address::parse(text, ProviderType::OpenAi)
    }

    #[test]
    fn ollama_host_forms_are_those_of_its_own_client() {
        for (host, base_url) in [
            ("", "http://127.0.0.1:11434"),
            ("  \"box\"  ", "http://box:11434"),
            ("box:1234", "http://box:1234"),
            (":1234", "http://127.0.0.1:1234"),
            ("box:nonsense", "http://box:11434"),
            ("box:99999", "http://box:11434"),
            ("0.0.0.0", "http://127.0.0.1:11434"),
            ("0.0.0.0:8080", "http://127.0.0.1:8080"),
            ("[::]:8080", "http://[::1]:8080"),
            ("::1", "http://[::1]:11434"),
            ("[::1]", "http://[::1]:11434"),
            ("[fe80::1]:99", "http://[fe80::1]:99"),
            ("http://box", "http://box"),
            ("https://box", "https://box"),
            ("https://box:1/a/b/", "https://box:1/a/b"),
            ("box/prefix", "http://box:11434/prefix"),
            ("ollama.com", "https://ollama.com"),
            ("http://me:pw@box:1", "http://me:pw@box:1"),
        ] {
            assert_eq!(ollama_base_url(host), base_url, "{host}");
        }
    }

    #[test]
    fn a_query_travels_but_is_not_shown() {
        let azure =
            openai("https://me:pw%40@r.example/openai/deployments/d/?api-version=7").unwrap();
        assert_eq!(
            azure.join("/chat/completions").as_str(),
            "https://r.example/openai/deployments/d/chat/completions?api-version=7"
        );
        assert_eq!(azure.shown(), "https://r.example/openai/deployments/d");
        assert_eq!(azure.host_port(), "r.example:443");
        let (user, password) = azure.user.unwrap();
        assert_eq!(user, "me");
        assert_eq!(secrecy::ExposeSecret::expose_secret(&password), "pw@");
    }

    #[test]
    fn a_bare_host_joins_without_double_slashes() {
        for text in ["http://h", "http://h/", "http://h//"] {
            assert_eq!(
                openai(text).unwrap().join("/models").as_str(),
                "http://h/models"
            );
        }
    }

    #[test]
    fn wrong_base_urls_say_what_is_wrong_and_never_repeat_a_password() {
        for (text, part) in [
            ("", "empty"),
            ("api.example.com/v1", "no http:// or https://"),
            ("localhost:8080", "no http:// or https://"),
            ("ftp://me:hunter2@h/", "'ftp:'"),
            ("http://me:hunter2@", "not a URL"),
            ("http://h:hunter2/", "not a URL"),
            ("http://h/v1#hunter2", "'#'"),
            (
                "http://me:hunter2@h/v1/chat/completions",
                "must not contain",
            ),
        ] {
            let error = openai(text).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            assert!(error.message().contains(part), "{text}: {error}");
            let everything = format!("{error} {error:?} {}", error.hint());
            assert!(!everything.contains("hunter2"), "{everything}");
        }
        let error = openai("http://h/v1/chat/completions").err().unwrap();
        assert_eq!(error.hint(), "set base_url to http://h/v1");
    }

    #[test]
    fn loopback_is_recognised() {
        for (url, expected) in [
            ("http://127.0.0.1:1", true),
            ("http://127.9.9.9", true),
            ("http://localhost", true),
            ("http://a.localhost", true),
            ("http://[::1]:5", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://0.0.0.0", true),
            ("http://192.168.0.1", false),
            ("http://notlocalhost", false),
        ] {
            assert_eq!(openai(url).unwrap().is_loopback(), expected, "{url}");
        }
    }

    #[test]
    fn a_domain_holds_its_subdomains_only() {
        assert!(
            openai("https://api.openai.com/v1")
                .unwrap()
                .is_at("api.openai.com")
        );
        assert!(
            openai("https://eu.api.openai.com/v1")
                .unwrap()
                .is_at("api.openai.com")
        );
        assert!(
            !openai("https://xapi.openai.com/v1")
                .unwrap()
                .is_at("api.openai.com")
        );
    }
}
