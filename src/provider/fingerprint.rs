//! Whether an instance is still reached in the same way, without keeping its key for comparison.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::LazyLock;

use secrecy::ExposeSecret;

use super::Settings;

/// Seeded anew in each run, so that a fingerprint tells nothing of a key.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Returns a number that is another one when anything about the way to the upstream is.
pub(super) fn of(settings: &Settings, authorities: Option<&[u8]>) -> u64 {
    let Settings {
        name,
        provider_type,
        base_url,
        key,
        auth,
        headers,
        // What stands in the file counts, not where it is.
        ca_file: _,
        timeouts,
        max_tokens_field,
        max_line,
    } = settings;
    let mut hasher = SEED.build_hasher();
    (name, provider_type, base_url, *auth as u8).hash(&mut hasher);
    key.as_ref()
        .map(ExposeSecret::expose_secret)
        .hash(&mut hasher);
    for (name, value) in headers {
        (name, value.expose_secret()).hash(&mut hasher);
    }
    let super::Timeouts {
        connect,
        first_token,
        idle,
        total,
    } = timeouts;
    (connect, first_token, idle, total).hash(&mut hasher);
    (max_tokens_field, max_line, authorities).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ProviderType;

    #[test]
    fn another_key_is_another_way_and_the_same_key_is_the_same() {
        let with = |key: &str| Settings {
            key: Some(key.to_owned().into()),
            ..Settings::new("a", ProviderType::OpenAi)
        };
        assert_eq!(of(&with("one"), None), of(&with("one"), None));
        assert_ne!(of(&with("one"), None), of(&with("two"), None));
        assert_ne!(of(&with("one"), None), of(&with("one"), Some(b"ca")));
    }
}
