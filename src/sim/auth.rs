//! Whether a request brings the right key: as bearer, and for Zhipu's type also as a signed token.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::Deserialize;

use crate::base::ProviderType;

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// No key came.
    Missing,
    /// The key or the signature is wrong.
    Wrong,
    /// The signed token is over.
    Expired,
}

/// Checks the key of a request.
pub(super) fn check(
    provider_type: ProviderType,
    wanted: Option<&str>,
    headers: &HeaderMap,
) -> Result<(), Denied> {
    let Some(wanted) = wanted else {
        return Ok(());
    };
    let given = given_key(headers).ok_or(Denied::Missing)?;
    if given == wanted {
        return Ok(());
    }
    match provider_type {
        ProviderType::OpenAi | ProviderType::Ollama => Err(Denied::Wrong),
        ProviderType::ZhipuAi => check_token(given, wanted, now()),
    }
}

fn given_key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| {
            let (scheme, key) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
        });
    bearer.or_else(|| headers.get("api-key")?.to_str().ok())
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    api_key: String,
    /// Unix time in milliseconds.
    exp: u64,
}

fn check_token(token: &str, key: &str, now: Duration) -> Result<(), Denied> {
    let (id, secret) = key.split_once('.').ok_or(Denied::Wrong)?;
    let (signed, signature) = token.rsplit_once('.').ok_or(Denied::Wrong)?;
    let (header, claims) = signed.split_once('.').ok_or(Denied::Wrong)?;
    let signature = decode(signature)?;
    let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&secret, signed.as_bytes(), &signature).map_err(|_| Denied::Wrong)?;
    let header: Header = parse(header)?;
    let claims: Claims = parse(claims)?;
    if header.alg != "HS256" || claims.api_key != id {
        return Err(Denied::Wrong);
    }
    if u128::from(claims.exp) <= now.as_millis() {
        return Err(Denied::Expired);
    }
    Ok(())
}

fn decode(text: &str) -> Result<Vec<u8>, Denied> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Denied::Wrong)
}

fn parse<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Denied> {
    serde_json::from_slice(&decode(text)?).map_err(|_| Denied::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The bytes that the official SDK makes of this key at this time.
    const KEY: &str = "0123456789abcdef.s3cr3tKey";
    const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInNpZ25fdHlwZSI6IlNJR04iLCJ0eXAiOiJKV1QifQ.eyJhcGlfa2V5IjoiMDEyMzQ1Njc4OWFiY2RlZiIsImV4cCI6MTc5NTQwMDIxMDEyMywidGltZXN0YW1wIjoxNzk1NDAwMDAwMTIzfQ.HyKYBMU_LfYiChCEScoHsby9zyVup-j9zpkQ48-QTwA";
    const EXPIRES: u64 = 1_795_400_210_123;

    #[test]
    fn a_signed_token_passes_until_it_expires() {
        let at = |ms| check_token(TOKEN, KEY, Duration::from_millis(ms));
        assert_eq!(at(EXPIRES - 1), Ok(()));
        assert_eq!(at(EXPIRES), Err(Denied::Expired));
    }

    #[test]
    fn a_token_of_another_key_or_with_a_changed_byte_is_wrong() {
        let check = |token: &str, key| check_token(token, key, Duration::ZERO);
        assert_eq!(check(TOKEN, "0123456789abcdef.other"), Err(Denied::Wrong));
        assert_eq!(check(TOKEN, "other.s3cr3tKey"), Err(Denied::Wrong));
        assert_eq!(
            check(&TOKEN.replace("eyJhcGl", "eyJhcGk"), KEY),
            Err(Denied::Wrong)
        );
        assert_eq!(check("a.b", KEY), Err(Denied::Wrong));
    }

    #[test]
    fn bearer_and_api_key_headers_count() {
        let with = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            check(ProviderType::OpenAi, Some("sk-1"), &headers)
        };
        assert_eq!(with("authorization", "Bearer sk-1"), Ok(()));
        assert_eq!(with("authorization", "bearer sk-1"), Ok(()));
        assert_eq!(with("api-key", "sk-1"), Ok(()));
        assert_eq!(with("authorization", "Bearer sk-2"), Err(Denied::Wrong));
        assert_eq!(with("authorization", "sk-1"), Err(Denied::Missing));
        assert_eq!(with("accept", "x"), Err(Denied::Missing));
        assert_eq!(check(ProviderType::OpenAi, None, &HeaderMap::new()), Ok(()));
    }
}
