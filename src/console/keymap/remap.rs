//! Keys of one's own: `[console.keys.CONTEXT]` lays them over the table, and what cannot work is said.
//!
//! ```toml
//! [console.keys.pool]
//! toggle = ["space", "x"]     # the first one is shown in the footer
//! drain = []                  # no key; the palette still has it
//! ```

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Chord, Context, Keymap, Row, TABLE};
use crate::console::action::Action;

/// Keys by context and action, both by their names.
pub type KeySettings = BTreeMap<String, BTreeMap<String, Keys>>;

/// The keys of one action: one text (`"ctrl-x"`) or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Keys(pub Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key in quotes, or a list of keys,")
            }

            fn visit_str<E>(self, text: &str) -> Result<Keys, E> {
                Ok(Keys(text.split_whitespace().map(str::to_owned).collect()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = list.next_element::<String>()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

/// Why keys cannot be as they are set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyProblem {
    /// The context in which they are set.
    pub context: String,
    /// The action for which they are set; empty when the context itself is wrong.
    pub action: String,
    /// The rule that is broken.
    pub rule: String,
    /// What would be right; `None` when the name is not known, so that a better one can be looked for.
    pub right: Option<String>,
    /// The other place of a conflict, when that is set too: its context and action.
    pub other: Option<(String, String)>,
}

/// Returns the names of the contexts in which keys can be set.
pub fn key_contexts() -> &'static [&'static str] {
    &Context::NAMES
}

/// Returns the names of the actions that can have keys in a context.
pub fn key_actions(context: &str) -> Vec<String> {
    let Some(context) = Context::named(context) else {
        return Vec::new();
    };
    let mut names: Vec<String> = TABLE
        .iter()
        .filter(|(of, ..)| context.chain().contains(of))
        .map(|(_, _, action, _)| action.name())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Checks keys before anything starts.
pub fn check_keys(settings: &KeySettings) -> Vec<KeyProblem> {
    Keymap::with(settings).1
}

impl Keymap {
    /// Lays keys over the table; what cannot be is left as it was and told.
    pub(crate) fn with(settings: &KeySettings) -> (Self, Vec<KeyProblem>) {
        let mut keymap = Self::default();
        let mut problems = Vec::new();
        let mut own = Vec::new();
        for (context, actions) in settings {
            for (action, keys) in actions {
                match keymap.lay(context, action, keys) {
                    Ok(row) => own.push(row),
                    Err(problem) => problems.push(*problem),
                }
            }
        }
        problems.extend(keymap.conflicts(&own));
        (keymap, problems)
    }

    /// Sets the keys of one action in one context.
    fn lay(
        &mut self,
        context_name: &str,
        action_name: &str,
        keys: &Keys,
    ) -> Result<(Context, Action), Box<KeyProblem>> {
        let problem = |rule: String, right: Option<String>| {
            Box::new(KeyProblem {
                context: context_name.to_owned(),
                action: action_name.to_owned(),
                rule,
                right,
                other: None,
            })
        };
        let context = Context::named(context_name)
            .ok_or_else(|| problem("not a place where keys can be set".to_owned(), None))?;
        let known = TABLE
            .iter()
            .find(|(of, _, action, _)| context.chain().contains(of) && action.name() == action_name)
            .map(|(_, _, action, _)| *action)
            .ok_or_else(|| problem("not something that keys can do here".to_owned(), None))?;
        let mut chords = Vec::new();
        for written in &keys.0 {
            let Some(chord) = Chord::parse(written) else {
                let rule = format!("'{written}' is not a key");
                let right =
                    "write such as \"x\", \"ctrl-x\", \"alt-1\", \"shift-tab\", \"f5\", \"pageup\"";
                return Err(problem(rule, Some(right.to_owned())));
            };
            if context.takes_text() && chord.is_text() {
                let rule = format!("'{chord}' is text here");
                let right = "take a key with ctrl or alt, or a function key";
                return Err(problem(rule, Some(right.to_owned())));
            }
            if !chords.contains(&chord) {
                chords.push(chord);
            }
        }
        let found = self
            .rows
            .iter_mut()
            .find(|row| row.context == context && row.action == known);
        match found {
            Some(row) => row.chords = chords,
            None => self.rows.push(Row {
                context,
                chords,
                action: known,
                in_footer: false,
            }),
        }
        Ok((context, known))
    }

    /// Finds keys that would mean two things in one context. Keys nobody touched cannot be in conflict.
    fn conflicts(&self, own: &[(Context, Action)]) -> Vec<KeyProblem> {
        let mut problems = Vec::new();
        let is_own = |row: &Row| own.contains(&(row.context, row.action));
        for (index, row) in self.rows.iter().enumerate() {
            for other in self.rows.iter().skip(index + 1) {
                if row.context != other.context || !(is_own(row) || is_own(other)) {
                    continue;
                }
                let Some(chord) = row.chords.iter().find(|c| other.chords.contains(c)) else {
                    continue;
                };
                let (told, with) = if is_own(other) {
                    (other, row)
                } else {
                    (row, other)
                };
                let (told_name, with_name) = (told.action.name(), with.action.name());
                let context = told.context.name().to_owned();
                problems.push(KeyProblem {
                    rule: format!("'{chord}' is the key of '{with_name}' too"),
                    right: Some(format!("give '{with_name}' another key, or [] for none")),
                    other: is_own(with).then(|| (context.clone(), with_name)),
                    context,
                    action: told_name,
                });
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(rows: &[(&str, &str, &str)]) -> KeySettings {
        let mut settings = KeySettings::new();
        for (context, action, keys) in rows {
            let keys = keys.split_whitespace().map(str::to_owned).collect();
            let of = settings.entry((*context).to_owned()).or_default();
            of.insert((*action).to_owned(), Keys(keys));
        }
        settings
    }

    fn action(keymap: &Keymap, context: Context, key: &str) -> Option<Action> {
        keymap.action(context, Chord::parse(key).unwrap().event())
    }

    #[test]
    fn a_key_of_ones_own_replaces_the_usual_one_in_its_context_only() {
        let (keymap, problems) = Keymap::with(&settings(&[("pool", "toggle", "x ctrl-t")]));
        assert_eq!(problems, []);
        assert_eq!(action(&keymap, Context::Pool, "x"), Some(Action::Toggle));
        assert_eq!(
            action(&keymap, Context::Pool, "ctrl-t"),
            Some(Action::Toggle)
        );
        assert_ne!(
            action(&keymap, Context::Pool, "space"),
            Some(Action::Toggle)
        );
        assert_eq!(
            action(&keymap, Context::Transcript, "space"),
            Some(Action::PageDown)
        );
        assert_eq!(
            keymap.key_for(Context::Pool, Action::Toggle).as_deref(),
            Some("x")
        );
    }

    #[test]
    fn what_works_everywhere_can_have_another_key_in_one_place() {
        let (keymap, problems) = Keymap::with(&settings(&[("pool", "freeze", "F")]));
        assert_eq!(problems, []);
        assert_eq!(action(&keymap, Context::Pool, "F"), Some(Action::Freeze));
        assert_eq!(action(&keymap, Context::Metrics, "F"), None);
    }

    #[test]
    fn a_key_that_would_mean_two_things_is_a_conflict() {
        let told = |rows: &[(&str, &str, &str)]| {
            let problems = check_keys(&settings(rows));
            problems
                .into_iter()
                .map(|p| (p.action, p.rule, p.other))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told(&[("pool", "toggle", "d")]),
            [(
                "toggle".into(),
                "'d' is the key of 'drain' too".into(),
                None
            )]
        );
        assert_eq!(
            told(&[("pool", "toggle", "x"), ("pool", "drain", "x")]).len(),
            1
        );
        assert_eq!(
            told(&[("pool", "toggle", "d"), ("pool", "drain", "x")]),
            [],
            "both were changed, and nothing collides"
        );
    }

    #[test]
    fn wrong_names_wrong_keys_and_letters_in_the_prompt_are_refused() {
        let rule = |row| check_keys(&settings(&[row])).remove(0).rule;
        assert!(rule(("poool", "toggle", "x")).contains("not a place"));
        assert!(rule(("pool", "togle", "x")).contains("not something"));
        assert!(rule(("pool", "toggle", "hyper-x")).contains("is not a key"));
        assert!(rule(("prompt", "send", "s")).contains("is text here"));
        assert_eq!(check_keys(&settings(&[("prompt", "send", "ctrl-s")])), []);
    }

    #[test]
    fn every_context_has_a_name_and_actions() {
        for name in key_contexts() {
            assert!(Context::named(name).is_some(), "{name}");
            assert!(!key_actions(name).is_empty(), "{name}");
        }
    }
}
