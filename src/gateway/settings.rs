//! What the gateway is set to.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::{Error, ErrorKind};

/// What the gateway is set to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where it listens: an address and a port.
    pub listen: String,
    /// The largest request body, in bytes.
    pub body_limit: usize,
    /// How long a request's header or body may take to arrive.
    #[serde(with = "humantime_serde")]
    pub read_timeout: Duration,
    /// How long running answers may take to end after a polite stop.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// Where the socket for consoles that attach is; empty for the usual place, `off` for none.
    pub admin_socket: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8377".to_owned(),
            body_limit: 32 << 20,
            read_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            admin_socket: String::new(),
        }
    }
}

/// What is wrong with one key.
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
        if self.address().is_none() {
            wrong.push(Wrong::new(
                "listen",
                format!("\"{}\"", self.listen),
                "it is an address with a port",
                "such as \"127.0.0.1:8377\", or \"[::1]:8377\" for IPv6",
            ));
        }
        for (key, is_zero) in [
            ("body_limit", self.body_limit == 0),
            ("read_timeout", self.read_timeout.is_zero()),
        ] {
            if is_zero {
                wrong.push(Wrong::new(
                    key,
                    "0",
                    "it is more than nothing",
                    "leave it out for the usual one",
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
