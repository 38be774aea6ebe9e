//! What proves to an upstream who asks: the key in its form, extra headers, and the art of never showing either.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::{AuthForm, Settings};
use crate::base::{Error, ErrorKind};
use crate::wire;

/// How long a signed token is valid, and how long it is used, in milliseconds: as Zhipu's own client does.
const TOKEN_LIFE_MS: u64 = 210_000;
const TOKEN_USE_MS: u64 = 180_000;

/// The shortest header value that is taken for a secret; shorter ones occur in ordinary text.
const SHORTEST_SECRET: usize = 6;

/// Headers that belong to the connection and not to the caller.
const FORBIDDEN: [&str; 7] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Tells the time in milliseconds since 1970.
pub(super) type Clock = fn() -> u64;

/// Reads the system's clock.
pub(super) fn system_clock() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

/// Everything secret about an instance, and the headers made of it.
pub(super) struct Credentials {
    fixed: HeaderMap,
    signer: Option<Signer>,
    secrets: Vec<SecretString>,
}

struct Signer {
    key: SecretString,
    clock: Clock,
    last: Mutex<Option<Token>>,
}

struct Token {
    text: SecretString,
    made_ms: u64,
}

impl Credentials {
    /// Checks key and headers and makes of them what every request carries. `user` is what stood in the URL.
    pub(super) fn new(
        settings: &Settings,
        user: Option<&(String, SecretString)>,
        clock: Clock,
    ) -> Result<Self, Error> {
        let mut made = Self {
            fixed: HeaderMap::new(),
            signer: None,
            secrets: Vec::new(),
        };
        let key = settings
            .key
            .as_ref()
            .map(|key| key.expose_secret().trim())
            .filter(|key| !key.is_empty());
        if let Some((name, password)) = user {
            if key.is_some() && settings.auth != AuthForm::ApiKey {
                return Err(wrong(
                    "base_url has a user and the instance has a key; both would go into the Authorization header",
                ));
            }
            let pair = STANDARD.encode(format!("{name}:{}", password.expose_secret()));
            made.fixed.insert(
                AUTHORIZATION,
                secret_value(&format!("Basic {pair}"), "user")?,
            );
            made.remember(&pair);
            made.remember(password.expose_secret());
        }
        if let Some(key) = key {
            made.remember(key);
            match settings.auth {
                AuthForm::Bearer => {
                    let value = secret_value(&format!("Bearer {key}"), "key")?;
                    made.fixed.insert(AUTHORIZATION, value);
                }
                AuthForm::ApiKey => {
                    let value = secret_value(key, "key")?;
                    made.fixed.insert(HeaderName::from_static("api-key"), value);
                }
                AuthForm::Jwt => made.sign_with(key, clock)?,
            }
        } else if settings.auth == AuthForm::Jwt {
            return Err(wrong("auth = \"jwt\" needs a key of the form id.secret"));
        }
        for (name, value) in &settings.headers {
            made.add_header(name, value.expose_secret())?;
        }
        Ok(made)
    }

    /// Returns the headers that every request carries; the values are marked as sensitive.
    pub(super) fn headers(&self) -> Result<HeaderMap, Error> {
        let mut headers = self.fixed.clone();
        if let Some(signer) = &self.signer
            && !headers.contains_key(AUTHORIZATION)
        {
            headers.insert(AUTHORIZATION, signer.header()?);
        }
        Ok(headers)
    }

    /// Tells whether nothing proves who asks.
    pub(super) fn is_empty(&self) -> bool {
        self.fixed.is_empty() && self.signer.is_none()
    }

    /// Replaces every secret in a text by stars: servers like to quote the key they refuse.
    pub(super) fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut hidden = Cow::Borrowed(text);
        let token = self.signer.as_ref().and_then(Signer::current);
        for secret in self.secrets.iter().chain(&token) {
            let secret = secret.expose_secret();
            if hidden.contains(secret) {
                hidden = Cow::Owned(hidden.replace(secret, "***"));
            }
        }
        hidden
    }

    fn sign_with(&mut self, key: &str, clock: Clock) -> Result<(), Error> {
        if let Some((_, secret)) = key.split_once('.') {
            self.remember(secret);
        }
        let signer = Signer {
            key: SecretString::from(key.to_owned()),
            clock,
            last: Mutex::new(None),
        };
        signer.header()?;
        self.signer = Some(signer);
        Ok(())
    }

    fn add_header(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let parsed = HeaderName::try_from(name)
            .map_err(|_| wrong(format!("'{name}' is not a header name")))?;
        if FORBIDDEN.contains(&parsed.as_str()) {
            return Err(wrong(format!("header '{name}' cannot be set by hand")));
        }
        let made = secret_value(value.trim(), &format!("header '{name}'"))?;
        self.fixed.insert(parsed, made);
        self.remember(value.trim());
        if let Some((_scheme, token)) = value.trim().split_once(' ') {
            self.remember(token);
        }
        Ok(())
    }

    /// Notes a text that must never be shown. Longer ones come first, for they may contain shorter ones.
    fn remember(&mut self, secret: &str) {
        if secret.len() >= SHORTEST_SECRET {
            self.secrets.push(SecretString::from(secret.to_owned()));
            self.secrets
                .sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        }
    }
}

impl Signer {
    fn header(&self) -> Result<HeaderValue, Error> {
        let now_ms = (self.clock)();
        let mut last = self.last.lock();
        if let Some(token) = &*last
            && (token.made_ms..token.made_ms + TOKEN_USE_MS).contains(&now_ms)
        {
            return bearer(&token.text);
        }
        let text = wire::zhipuai::token(self.key.expose_secret(), now_ms, TOKEN_LIFE_MS)?;
        let text = SecretString::from(text);
        let value = bearer(&text)?;
        *last = Some(Token {
            text,
            made_ms: now_ms,
        });
        Ok(value)
    }

    fn current(&self) -> Option<SecretString> {
        self.last.lock().as_ref().map(|token| token.text.clone())
    }
}

fn bearer(token: &SecretString) -> Result<HeaderValue, Error> {
    secret_value(&format!("Bearer {}", token.expose_secret()), "key")
}

fn secret_value(text: &str, what: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        wrong(format!(
            "{what} holds characters that cannot stand in a header, such as a line end"
        ))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn wrong(message: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::Config, message)
}
