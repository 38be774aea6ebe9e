//! What is said of an instance that is set up while the program runs: the keys of an `[[instances]]` entry.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// An `[[instances]]` entry as JSON: name, type, base_url, key (or key_env, key_file), models, permits and so on.
///
/// It may hold a key, so it shows nothing secret of itself: written out, in a log or on a wire, it is without its key,
/// without the values of its headers, and without user, password and query of its URL. Only
/// [`expose`](Self::expose) tells all.
#[derive(Clone, Default, PartialEq)]
pub struct InstanceDocument(Map<String, Value>);

impl InstanceDocument {
    /// Takes the keys and values of an entry.
    pub fn new(entry: Map<String, Value>) -> Self {
        Self(entry)
    }

    /// Returns the name it gives, if it gives one.
    pub fn name(&self) -> Option<&str> {
        self.0.get("name")?.as_str()
    }

    /// Returns everything, secrets too: for whoever sets it up, or sends it over a connection that may carry a key.
    pub fn expose(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Returns what may be shown.
    fn plain(&self) -> Map<String, Value> {
        let mut plain = self.0.clone();
        plain.remove("key");
        match plain.get_mut("headers") {
            Some(Value::Object(headers)) => {
                for value in headers.values_mut() {
                    *value = Value::from("***");
                }
            }
            Some(other) => *other = Value::from("***"),
            None => {}
        }
        if let Some(url) = plain.get_mut("base_url") {
            *url = Value::from(without_secrets(url.as_str().unwrap_or_default()));
        }
        plain
    }
}

/// Leaves out what may be a password: everything before an `@` in the host, and everything from a `?` or `#` on.
fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            format!("{scheme}://{rest}")
        }
        None => url
            .rsplit_once('@')
            .map_or(url, |(_, host)| host)
            .to_owned(),
    }
}

impl fmt::Debug for InstanceDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InstanceDocument")
            .field(&self.plain())
            .finish()
    }
}

impl Serialize for InstanceDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.plain().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for InstanceDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use crate::base::Command;

    #[test]
    fn nothing_secret_is_shown_and_all_of_it_is_read() {
        let text = r#"{"command":"add_instance","settings":{"name":"b","type":"openai","key":"sk-very-secret",
            "headers":{"X-Key":"other-secret"},"base_url":"https://me:third-secret@host/v1?k=fourth-secret","permits":2}}"#;
        let command: Command = serde_json::from_str(text).unwrap();
        for shown in [
            format!("{command:?}"),
            format!("{command:#?}"),
            serde_json::to_string(&command).unwrap(),
        ] {
            assert!(!shown.contains("secret"), "{shown}");
            assert!(
                shown.contains("https://host/v1") && shown.contains("X-Key"),
                "{shown}"
            );
        }
        let Command::AddInstance { settings } = command else {
            panic!("{command:?}")
        };
        assert_eq!(settings.name(), Some("b"));
        assert_eq!(settings.expose()["key"], "sk-very-secret");
    }
}
