//! The callers' keys: who asks, and how much they may.
//!
//! The config holds hashes only. Keys are long random texts, so a plain SHA-256 of one cannot be turned back.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap};
use parking_lot::Mutex;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

use super::refuse::Refusal;
use super::settings::KeySettings;
use crate::base::{Error, ErrorKind, Usage};
use crate::limit::{self, Cost, Limiter, Ticket};

/// What keys of ours begin with, so that scanners for leaked secrets can find them.
const PREFIX: &str = "sk-llmdeck-";

/// The SHA-256 of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes a key.
    pub fn of(key: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, key.as_bytes()).as_ref());
        Self(bytes)
    }

    /// Reads `sha256:` and 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:")?.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Compares in a time that does not tell how much is alike.
    fn is(&self, other: &Self) -> bool {
        let differing = self
            .0
            .iter()
            .zip(&other.0)
            .fold(0, |all, (a, b)| all | (a ^ b));
        std::hint::black_box(differing) == 0
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Makes a new key, and its hash for the config.
///
/// # Errors
/// When the system gives no randomness.
pub fn new_key() -> Result<(String, Digest), Error> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::new(ErrorKind::Config, "the system gives no random numbers"))?;
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let digest = Digest::of(&key);
    Ok((key, digest))
}

/// All keys in force.
#[derive(Default)]
pub(super) struct Keys(Vec<Arc<Key>>);

/// One key in force.
pub(super) struct Key {
    settings: KeySettings,
    digest: Digest,
    used: Mutex<Used>,
}

struct Used {
    limiter: Limiter,
    running: usize,
}

impl Keys {
    /// Puts keys in force; those that were there before keep what is used of their limits.
    pub(super) fn new(settings: &[KeySettings], before: &Self) -> Self {
        let keys = settings.iter().filter_map(|settings| {
            let digest = Digest::parse(&settings.hash)?;
            let limits = limits(settings);
            let mut used = Used {
                limiter: Limiter::new(&limits),
                running: 0,
            };
            if let Some(known) = before.0.iter().find(|key| key.digest == digest) {
                if known.settings == *settings {
                    return Some(Arc::clone(known));
                }
                // What still runs counts at the old entry alone: at most one more full set.
                let mut held = known.used.lock();
                std::mem::swap(&mut used.limiter, &mut held.limiter);
                drop(held);
                used.limiter.tune(&limits);
            }
            Some(Arc::new(Key {
                settings: settings.clone(),
                digest,
                used: Mutex::new(used),
            }))
        });
        Self(keys.collect())
    }

    /// Finds out who asks; `None` when there are no keys and anybody may.
    ///
    /// # Errors
    /// 401 when the key is missing or wrong.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Option<Arc<Key>>, Refusal> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let given = given(headers).ok_or_else(|| {
            refused("a key is needed: send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY'")
        })?;
        let digest = Digest::of(given);
        let mut found = None;
        // All are looked at, so that the time tells nothing.
        for key in &self.0 {
            if key.digest.is(&digest) {
                found = Some(key);
            }
        }
        found.cloned().map(Some).ok_or_else(|| {
            refused(match given.matches('.').count() {
                2 => "this is a signed token, and only hashes of keys are known here; send the key itself (for zhipuai's client: disable_token_cache=True and a key without a dot)",
                _ => "the key is wrong",
            })
        })
    }
}

impl Key {
    /// Returns whose it is.
    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Tells whether it may watch and steer the pool.
    pub(super) fn is_admin(&self) -> bool {
        self.settings.admin
    }

    /// Tells whether it may ask for a model by this name.
    pub(super) fn may_ask(&self, model: &str) -> bool {
        self.settings.models.is_empty() || self.settings.models.iter().any(|known| known == model)
    }

    /// Counts a request of about so many tokens, and lets it in.
    ///
    /// # Errors
    /// 429 and when to come back, when it is too much.
    pub(super) fn admit(self: &Arc<Self>, tokens: u64) -> Result<Pass, Refusal> {
        let now = Instant::now();
        let mut used = self.used.lock();
        let name = &self.settings.name;
        if let Some(most) = self
            .settings
            .concurrency
            .filter(|most| used.running >= *most)
        {
            return Err(too_many(
                format!("key '{name}' has {most} requests running, which is its limit"),
                None,
            ));
        }
        let cost = Cost {
            tokens,
            ..Cost::default()
        };
        let when = used.limiter.earliest(cost, now);
        if when > now {
            let told = format!("key '{name}' has used up its requests or tokens per minute");
            return Err(too_many(told, Some(when.duration_since(now))));
        }
        used.running += 1;
        let ticket = used.limiter.reserve(cost, now);
        Ok(Pass {
            key: Arc::clone(self),
            ticket: Some(ticket),
            tokens: None,
        })
    }
}

/// The right to one request of a key; gives it back when dropped.
pub(super) struct Pass {
    key: Arc<Key>,
    ticket: Option<Ticket>,
    tokens: Option<u64>,
}

impl Pass {
    /// Notes what the answer really used.
    pub(super) fn used(&mut self, usage: Option<&Usage>) {
        self.tokens = usage.and_then(Usage::total);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut used = self.key.used.lock();
        used.running = used.running.saturating_sub(1);
        if let Some(ticket) = self.ticket.take() {
            let really = limit::Used {
                tokens: self.tokens,
                spend: None,
            };
            used.limiter.settle(ticket, really, Instant::now());
        }
    }
}

fn limits(settings: &KeySettings) -> limit::Settings {
    limit::Settings {
        requests_per_minute: settings.requests_per_minute,
        tokens_per_minute: settings.tokens_per_minute,
        ..limit::Settings::default()
    }
}

/// Returns the key as clients of all protocols send it.
fn given(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| match value.split_once(' ') {
        Some((scheme, key)) => scheme.eq_ignore_ascii_case("bearer").then(|| key.trim()),
        // Zhipu's own client sends no scheme.
        None => Some(value),
    });
    let others = || {
        ["x-api-key", "api-key"]
            .into_iter()
            .find_map(|name| headers.get(name)?.to_str().ok())
    };
    bearer.or_else(others).filter(|key| !key.is_empty())
}

fn refused(message: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, ErrorKind::Auth, message)
}

fn too_many(message: String, wait: Option<Duration>) -> Refusal {
    Refusal {
        retry_after: wait,
        ..Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::RateLimited,
            message,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(key: &str) -> KeySettings {
        KeySettings {
            name: "ci".to_owned(),
            hash: Digest::of(key).to_string(),
            requests_per_minute: Some(2),
            tokens_per_minute: Some(1_000),
            concurrency: Some(1),
            models: Vec::new(),
            admin: false,
        }
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a header"));
        headers
    }

    #[test]
    fn a_new_key_is_known_by_its_hash_alone() {
        let (key, digest) = new_key().expect("a key");
        assert!(key.len() > 40);
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        assert_eq!(Digest::of(&key), digest);
        assert_ne!(new_key().expect("a key").0, key);
        assert_eq!(Digest::parse("sha256:12"), None);
        assert_eq!(Digest::parse(&"x".repeat(71)), None);
    }

    #[test]
    fn every_way_to_send_a_key_is_taken_and_a_wrong_one_is_not() {
        let keys = Keys::new(&[settings("right")], &Keys::default());
        for (name, value) in [
            ("authorization", "Bearer right"),
            ("authorization", "bearer right"),
            ("authorization", "right"),
            ("x-api-key", "right"),
            ("api-key", "right"),
        ] {
            let found = keys.caller(&headers(name, value));
            assert!(found.is_ok_and(|key| key.is_some()), "{name}: {value}");
        }
        for wrong in [
            headers("authorization", "Bearer wrong"),
            headers("x-api-key", ""),
            HeaderMap::new(),
        ] {
            let refusal = keys.caller(&wrong).err().expect("refused");
            assert_eq!(refusal.status, StatusCode::UNAUTHORIZED);
        }
        assert!(
            Keys::default()
                .caller(&HeaderMap::new())
                .is_ok_and(|key| key.is_none())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn limits_hold_and_say_when_to_come_back() {
        let keys = Keys::new(&[settings("right")], &Keys::default());
        let key = keys.0[0].clone();
        let first = key.admit(10).expect("the first");
        assert_eq!(
            key.admit(10).err().map(|told| told.status),
            Some(StatusCode::TOO_MANY_REQUESTS)
        );
        drop(first);
        drop(
            key.admit(10)
                .expect("the second, after the first has ended"),
        );
        let told = key.admit(10).err().expect("the third in a minute");
        assert!(
            told.retry_after
                .is_some_and(|wait| wait > Duration::from_secs(50)),
            "{told:?}"
        );
        // A reload changes nothing of it.
        let mut changed = settings("right");
        changed.name = "renamed".to_owned();
        let keys = Keys::new(&[changed], &keys);
        assert!(keys.0[0].admit(10).is_err());
        tokio::time::advance(Duration::from_secs(61)).await;
        let mut pass = keys.0[0].admit(10).expect("a minute later");
        pass.used(Some(&Usage {
            total_tokens: Some(5_000),
            ..Usage::default()
        }));
        drop(pass);
        assert!(
            keys.0[0].admit(10).is_err(),
            "tokens that were really used count"
        );
    }
}
