//! Ids that two programs can make at the same time without asking each other.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use rand::RngCore;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::{Error, ErrorKind};

/// Crockford's letters: digits, and letters without `i`, `l`, `o` and `u`.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Reads letters as a number; `i`, `l` and `o` count as what they look like.
fn number(text: &str) -> Option<i64> {
    text.bytes().try_fold(0_i64, |sum, letter| {
        let letter = match letter.to_ascii_lowercase() {
            b'i' | b'l' => b'1',
            b'o' => b'0',
            letter => letter,
        };
        let digit = (0_i64..)
            .zip(LETTERS)
            .find(|(_, known)| **known == letter)?
            .0;
        Some(sum << 5 | digit)
    })
}

fn letters(number: i64, count: usize) -> String {
    (0..count)
        .rev()
        .map(|at| char::from(LETTERS[(number >> (5 * at) & 31) as usize]))
        .collect()
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $letters:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&letters(self.0, $letters))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                number(text)
                    .filter(|number| text.len() == $letters && *number >= 0)
                    .map(Self)
                    .ok_or_else(|| {
                        let message = format!("'{text}' is no id: {} letters and digits are wanted", $letters);
                        Error::new(ErrorKind::Config, message)
                            .with_hint("'llmdeck history list' shows the ids")
                    })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(|error: Error| serde::de::Error::custom(error.message()))
            }
        }
    };
}

id_type! {
    /// A conversation: 60 bits by chance, shown as 12 letters, so that a few of them are enough to name it.
    ConversationId, 12
}

id_type! {
    /// A message: its milliseconds since 1970 and 21 bits by chance, shown as 13 letters. Later ones are greater.
    MessageId, 13
}

impl ConversationId {
    /// Letters of an id that lists show.
    pub const SHORT: usize = 8;

    /// Makes a new one.
    pub fn new(dice: &mut impl RngCore) -> Self {
        Self((dice.next_u64() >> 4).cast_signed())
    }

    /// Returns the first letters, enough to name it in nearly every store.
    pub fn short(self) -> String {
        let mut text = self.to_string();
        text.truncate(Self::SHORT);
        text
    }

    /// Returns the ids that begin with these letters, from the first to the last.
    pub fn range(prefix: &str) -> Option<(Self, Self)> {
        let open = 12_usize.checked_sub(prefix.len())?;
        let least = number(prefix).filter(|_| !prefix.is_empty())? << (5 * open);
        Some((Self(least), Self(least | ((1 << (5 * open)) - 1))))
    }
}

impl MessageId {
    const BITS_OF_CHANCE: u32 = 21;

    /// Makes a new one.
    pub fn new(at: Timestamp, dice: &mut impl RngCore) -> Self {
        let millis = at.as_millisecond().clamp(0, (1 << 42) - 1);
        let chance = i64::from(dice.next_u32() >> (32 - Self::BITS_OF_CHANCE));
        Self(millis << Self::BITS_OF_CHANCE | chance)
    }

    /// Returns the id after this one, for many that are made at once.
    #[must_use]
    pub fn after(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn an_id_is_read_back_and_its_first_letters_name_it() {
        let mut dice = SmallRng::seed_from_u64(1);
        for _ in 0..1000 {
            let id = ConversationId::new(&mut dice);
            assert_eq!(id.to_string().parse::<ConversationId>().unwrap(), id);
            let (least, most) = ConversationId::range(&id.short()).unwrap();
            assert!(least <= id && id <= most);
            assert!(least.to_string().ends_with("0000") && most.to_string().ends_with("zzzz"));
        }
        assert_eq!(
            ConversationId::range("I0"),
            ConversationId::range("10"),
            "look-alikes are one"
        );
        assert_eq!(ConversationId::range(""), None);
        assert_eq!(ConversationId::range("u"), None);
        assert!("abc".parse::<ConversationId>().is_err());
    }

    #[test]
    fn a_later_message_has_a_greater_id() {
        let mut dice = SmallRng::seed_from_u64(1);
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let later = now + jiff::SignedDuration::from_millis(1);
        let (first, second) = (
            MessageId::new(now, &mut dice),
            MessageId::new(later, &mut dice),
        );
        assert!(first < second && first.0 > 0);
        assert_eq!(first.to_string().parse::<MessageId>().unwrap(), first);
    }
}
