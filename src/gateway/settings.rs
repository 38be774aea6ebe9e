//! What the gateway is set to.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::keys::Digest;
use crate::base::{Error, ErrorKind};

/// What the gateway is set to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where it listens: an address and a port.
    pub listen: String,
    /// A PEM file with the certificates to show, the server's own first; empty for no TLS.
    pub tls_cert: String,
    /// The PEM file with their private key.
    pub tls_key: String,
    /// Requests at once; more are told to come back later.
    pub max_requests: usize,
    /// Connections at once; more wait to be accepted.
    pub max_connections: usize,
    /// The largest request body, in bytes.
    pub body_limit: usize,
    /// How long a request's header or body may take to arrive.
    #[serde(with = "humantime_serde")]
    pub read_timeout: Duration,
    /// How long a caller may take no bytes of its answer.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// How long a stream may send nothing before its status and a sign of life are sent; zero for never.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// How long running answers may take to end after a polite stop.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// Where the socket for consoles that attach is; empty for the usual place, `off` for none.
    pub admin_socket: String,
    /// The web pages' origins that may ask from a browser; `*` for all, none by default.
    pub cors: Vec<String>,
    /// Who may ask; anybody who can connect when there are none.
    pub keys: Vec<KeySettings>,
    /// What routes add to requests; read from `[[routes]]`.
    #[serde(skip)]
    pub routes: Vec<RouteSettings>,
}

/// One key of a caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// Whose it is; told to the queue, the log and the console.
    pub name: String,
    /// `sha256:` and 64 hexadecimal digits, as `llmdeck gateway key NAME` prints them.
    pub hash: String,
    /// Requests in any 60 seconds.
    #[serde(default)]
    pub requests_per_minute: Option<u64>,
    /// Tokens, input and output, in any 60 seconds.
    #[serde(default)]
    pub tokens_per_minute: Option<u64>,
    /// Requests at once.
    #[serde(default)]
    pub concurrency: Option<usize>,
    /// The model names that it may ask for; all when empty.
    #[serde(default)]
    pub models: Vec<String>,
    /// Whether it may also watch and steer the pool, under `/admin`.
    #[serde(default)]
    pub admin: bool,
}

/// What a route adds to the requests that come through it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteSettings {
    /// The route's name.
    pub name: String,
    /// Parameters for requests that do not say themselves, in OpenAI's names.
    pub defaults: Map<String, Value>,
    /// Parameters that hold whatever a request says.
    pub overrides: Map<String, Value>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8377".to_owned(),
            tls_cert: String::new(),
            tls_key: String::new(),
            max_requests: 1024,
            max_connections: 4096,
            body_limit: 32 << 20,
            read_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(15),
            drain: Duration::from_secs(30),
            admin_socket: String::new(),
            cors: Vec::new(),
            keys: Vec::new(),
            routes: Vec::new(),
        }
    }
}

/// What is wrong with one key of the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The key, below `gateway`.
    pub key: String,
    /// Its value.
    pub value: String,
    /// The rule that it breaks.
    pub rule: String,
    /// What would be right.
    pub right: String,
}

impl Wrong {
    fn new(key: &str, value: impl Into<String>, rule: &str, right: &str) -> Self {
        Self {
            key: key.to_owned(),
            value: value.into(),
            rule: rule.to_owned(),
            right: right.to_owned(),
        }
    }
}

impl Settings {
    /// Checks what a type cannot say, and returns all that is wrong.
    pub fn check(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let listen = format!("\"{}\"", self.listen);
        match self.address() {
            None => wrong.push(Wrong::new(
                "listen",
                listen,
                "it is an address with a port",
                "such as \"127.0.0.1:8377\", or \"[::1]:8377\" for IPv6",
            )),
            Some(address) if !is_private(address.ip()) && self.keys.is_empty() => {
                wrong.push(Wrong::new(
                    "listen",
                    listen,
                    "others can reach this address, and without keys anybody may spend your money",
                    "add [[gateway.keys]] ('llmdeck gateway key NAME' makes one), or listen on 127.0.0.1",
                ));
            }
            Some(_) => {}
        }
        for (key, is_zero) in [
            ("body_limit", self.body_limit == 0),
            ("max_requests", self.max_requests == 0),
            ("max_connections", self.max_connections == 0),
            ("read_timeout", self.read_timeout.is_zero()),
            ("write_timeout", self.write_timeout.is_zero()),
        ] {
            if is_zero {
                let right = "leave it out for the usual one";
                wrong.push(Wrong::new(key, "0", "it is more than nothing", right));
            }
        }
        if self.tls_cert.is_empty() != self.tls_key.is_empty() {
            let key = if self.tls_cert.is_empty() {
                "tls_cert"
            } else {
                "tls_key"
            };
            let rule = "TLS needs both tls_cert and tls_key";
            wrong.push(Wrong::new(key, "\"\"", rule, "set both, or neither"));
        }
        for (at, key) in self.keys.iter().enumerate() {
            let shown = format!("\"{}\"", key.name);
            let is_word =
                !key.name.is_empty() && key.name.chars().all(|c| c.is_ascii_graphic() && c != '"');
            if !is_word {
                let rule = "a key's name is a word of visible ASCII";
                wrong.push(Wrong::new(
                    "keys.name",
                    &shown,
                    rule,
                    "such as name = \"ci\"",
                ));
            }
            let is_same = |other: &KeySettings| other.name == key.name || other.hash == key.hash;
            if self.keys.iter().take(at).any(is_same) {
                let rule = "its name or its hash stands there twice";
                wrong.push(Wrong::new("keys.name", &shown, rule, "one entry a key"));
            }
            if Digest::parse(&key.hash).is_none() {
                wrong.push(Wrong::new(
                    "keys.hash",
                    "***",
                    "it is sha256: and 64 hexadecimal digits",
                    "'llmdeck gateway key NAME' makes a key and prints its hash",
                ));
            }
            if key.concurrency == Some(0) || key.requests_per_minute == Some(0) {
                let rule = "a key with this limit could never be used";
                wrong.push(Wrong::new(
                    "keys.name",
                    shown,
                    rule,
                    "take the key out instead",
                ));
            }
        }
        wrong
    }

    /// Reads where to listen; `None` when it is no address with a port.
    pub fn address(&self) -> Option<SocketAddr> {
        let text = self.listen.replace("localhost:", "127.0.0.1:");
        text.parse().ok()
    }

    /// Returns where the socket for consoles is, when a place of its own was set.
    pub fn socket_place(&self) -> Option<std::path::PathBuf> {
        let place = self.admin_socket.as_str();
        (!place.is_empty() && place != "off").then(|| place.into())
    }

    /// Checks everything and tells the first fault.
    ///
    /// # Errors
    /// `config`, naming the key and the rule.
    pub fn validate(&self) -> Result<SocketAddr, Error> {
        match (self.check().into_iter().next(), self.address()) {
            (None, Some(address)) => Ok(address),
            (wrong, _) => {
                let wrong =
                    wrong.unwrap_or_else(|| Wrong::new("listen", self.listen.as_str(), "?", "?"));
                let message = format!("gateway.{} = {}: {}", wrong.key, wrong.value, wrong.rule);
                Err(Error::new(ErrorKind::Config, message).with_hint(wrong.right))
            }
        }
    }
}

/// Tells whether only this machine reaches an address.
fn is_private(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
