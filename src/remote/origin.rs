//! Who is at the other end, as the gateway knows it.

use crate::base::{Error, ErrorKind, clean_line, shorten};

/// The longest name that is told to others, in characters.
const LONGEST_NAME: usize = 64;

/// Who speaks, and what they may do. Whoever lets a request through to the admin API puts one into its extensions;
/// without one the API refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Their name, as logs and other consoles show it.
    pub by: String,
    /// Whether they may only look.
    pub read_only: bool,
}

impl Origin {
    /// Makes the origin of somebody who may do everything.
    pub fn new(by: impl AsRef<str>) -> Self {
        Self {
            by: name(by.as_ref()),
            read_only: false,
        }
    }

    /// Adds what they call themselves, so that two consoles with one key can be told apart.
    #[must_use]
    pub(super) fn called(mut self, claimed: Option<&str>) -> Self {
        let claimed = claimed.map(name).filter(|claimed| !claimed.is_empty());
        self.by = match claimed {
            Some(claimed) if self.by.is_empty() => claimed,
            Some(claimed) => name(&format!("{}:{claimed}", self.by)),
            None if self.by.is_empty() => "somebody".to_owned(),
            None => self.by,
        };
        self
    }
}

fn name(text: &str) -> String {
    shorten(clean_line(text).trim(), LONGEST_NAME)
}

/// Refuses what somebody who only looks must not do.
#[derive(Clone, Copy, Debug)]
pub struct Denied;

impl From<Denied> for Error {
    fn from(_: Denied) -> Self {
        Self::new(
            ErrorKind::Permission,
            "this console is read-only; it changes nothing and asks nothing",
        )
        .with_hint("attach without --read-only, or with a key that may do more")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_keys_and_what_they_call_themselves() {
        let named = |key: &str, claimed: Option<&str>| Origin::new(key).called(claimed).by;
        assert_eq!(named("ops", Some("eve@pts/3")), "ops:eve@pts/3");
        assert_eq!(named("", Some("eve@pts/3")), "eve@pts/3");
        assert_eq!(named("ops", None), "ops");
        assert_eq!(
            named("", Some(" \u{1b}[31m ")),
            named("", Some("\u{1b}[31m"))
        );
        assert_eq!(named("", None), "somebody");
        assert!(named("", Some(&"x".repeat(1_000))).chars().count() <= LONGEST_NAME);
    }
}
