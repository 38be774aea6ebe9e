//! Reads one table of a config file key by key: every wrong key is noted, the rest is still read.

use std::ops::Range;

use serde::de::{DeserializeOwned, IntoDeserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::document::Document;
use super::findings::Findings;
use super::problem::{Place, Problem, did_you_mean};
use super::rule;

/// A table that is being read.
pub(super) struct Table<'d> {
    document: &'d Document,
    path: String,
    start: usize,
    entries: Vec<Entry<'d>>,
    known: Vec<&'static str>,
}

struct Entry<'d> {
    key: String,
    key_span: Range<usize>,
    value: Spanned<DeValue<'d>>,
}

/// A value with the place where it stands.
#[derive(Clone, Debug)]
pub(super) struct Given<T> {
    /// The value.
    pub(super) value: T,
    /// Its key in dotted form.
    pub(super) key: String,
    /// Where it stands.
    pub(super) place: Place,
    /// How it is written; `None` when it may be secret.
    pub(super) shown: Option<String>,
}

impl<T> Given<T> {
    /// Makes the problem that this value breaks a rule.
    pub(super) fn problem(&self, rule: impl AsRef<str>) -> Problem {
        let problem = Problem::new(self.place.clone(), &self.key, rule);
        match &self.shown {
            Some(shown) => problem.with_value(shown),
            None => problem,
        }
    }
}

/// One key with its value, as the file has it.
pub(super) struct Raw<'d> {
    /// Its key in dotted form.
    pub(super) path: String,
    /// Where the value stands.
    pub(super) span: Range<usize>,
    value: Spanned<DeValue<'d>>,
}

impl<'d> Raw<'d> {
    /// Returns a deserializer of the value.
    pub(super) fn deserializer(&self) -> ValueDeserializer<'d> {
        self.value.clone().into_deserializer()
    }
}

impl<'d> Table<'d> {
    /// Opens a table; `path` is its dotted key, empty for the whole file.
    pub(super) fn new(
        document: &'d Document,
        path: &str,
        start: usize,
        table: DeTable<'d>,
    ) -> Self {
        let mut entries: Vec<Entry<'d>> = table
            .into_iter()
            .map(|(key, value)| Entry {
                key_span: key.span(),
                key: key.into_inner().into_owned(),
                value,
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_span.start);
        Self {
            document,
            path: path.to_owned(),
            start,
            entries,
            known: Vec::new(),
        }
    }

    /// Returns the document.
    pub(super) fn document(&self) -> &'d Document {
        self.document
    }

    /// Returns where the table begins.
    pub(super) fn place(&self) -> Place {
        self.document.place(self.start)
    }

    /// Returns the table's dotted key.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Gives the table a better name for messages, once it is known.
    pub(super) fn rename(&mut self, path: String) {
        self.path = path;
    }

    /// Returns a key's dotted form.
    pub(super) fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Tells whether the file gives a key, readable or not; asked after it was taken.
    pub(super) fn has_given(&self, key: &str, findings: &Findings) -> bool {
        findings.origins.contains_key(&self.dotted(key))
    }

    /// Returns where a key that was taken stands.
    pub(super) fn given_place(&self, key: &str, findings: &Findings) -> Place {
        let found = findings.origins.get(&self.dotted(key));
        found.cloned().unwrap_or_else(|| self.place())
    }

    /// Takes a key with its value, unread.
    pub(super) fn take_raw(&mut self, key: &'static str) -> Option<Raw<'d>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        let entry = self.entries.remove(at);
        Some(Raw {
            path: self.dotted(&entry.key),
            span: entry.value.span(),
            value: entry.value,
        })
    }

    /// Takes a value; a wrong one is noted and counts as absent.
    pub(super) fn take<T: DeserializeOwned>(
        &mut self,
        key: &'static str,
        findings: &mut Findings,
    ) -> Option<Given<T>> {
        self.take_as(key, true, findings)
    }

    /// Takes a value that must never be repeated in a message.
    pub(super) fn take_secret<T: DeserializeOwned>(
        &mut self,
        key: &'static str,
        findings: &mut Findings,
    ) -> Option<Given<T>> {
        self.take_as(key, false, findings)
    }

    fn take_as<T: DeserializeOwned>(
        &mut self,
        key: &'static str,
        may_show: bool,
        findings: &mut Findings,
    ) -> Option<Given<T>> {
        let raw = self.take_raw(key)?;
        let place = self.document.place(raw.span.start);
        let shown = may_show.then(|| self.document.excerpt(raw.span.clone()).to_owned());
        findings.origins.insert(raw.path.clone(), place.clone());
        match T::deserialize(raw.deserializer()) {
            Ok(value) => Some(Given {
                value,
                key: raw.path,
                place,
                shown,
            }),
            Err(error) => {
                findings.push(self.problem(&raw, &error, may_show));
                None
            }
        }
    }

    /// Makes the problem that a value could not be read.
    pub(super) fn problem(
        &self,
        raw: &Raw<'_>,
        error: &toml::de::Error,
        may_show: bool,
    ) -> Problem {
        let span = error.span().unwrap_or(raw.span.clone());
        let span = if span.is_empty() {
            raw.span.clone()
        } else {
            span
        };
        let problem = rule::explain(error.message(), self.document.place(span.start), &raw.path);
        // What stands at an unknown key within the value is a key, not a value.
        let is_about_value = problem.key == raw.path && !raw.value.get_ref().is_table();
        if may_show && is_about_value {
            problem.with_value(self.document.excerpt(span))
        } else {
            problem
        }
    }

    /// Takes a table.
    pub(super) fn take_table(
        &mut self,
        key: &'static str,
        findings: &mut Findings,
    ) -> Option<Self> {
        let raw = self.take_raw(key)?;
        let start = raw.span.start;
        let (path, document) = (raw.path.clone(), self.document);
        match raw.value.into_inner() {
            DeValue::Table(table) => Some(Self::new(document, &path, start, table)),
            other => {
                let rule = format!("a table is wanted, not {}", article(other.type_str()));
                findings.push(Problem::new(document.place(start), &path, rule).with_right(
                    format!("write [{path}] on a line of its own and the keys below it"),
                ));
                None
            }
        }
    }

    /// Takes an array of tables.
    pub(super) fn take_tables(&mut self, key: &'static str, findings: &mut Findings) -> Vec<Self> {
        let Some(raw) = self.take_raw(key) else {
            return Vec::new();
        };
        let (start, path, document) = (raw.span.start, raw.path.clone(), self.document);
        let right = format!("write [[{path}]] above each one, with two brackets");
        let array = match raw.value.into_inner() {
            DeValue::Array(array) => array,
            other => {
                let rule = format!(
                    "a list of tables is wanted, not {}",
                    article(other.type_str())
                );
                findings.push(Problem::new(document.place(start), &path, rule).with_right(right));
                return Vec::new();
            }
        };
        let mut tables = Vec::new();
        for (index, item) in array.into_iter().enumerate() {
            let start = item.span().start;
            let path = format!("{path}[{index}]");
            match item.into_inner() {
                DeValue::Table(table) => tables.push(Self::new(document, &path, start, table)),
                other => {
                    let rule = format!("a table is wanted, not {}", article(other.type_str()));
                    findings
                        .push(Problem::new(document.place(start), path, rule).with_right(&right));
                }
            }
        }
        tables
    }

    /// Takes what is left as values of one kind, whatever the keys are; wrong ones are noted.
    pub(super) fn take_rest<T: DeserializeOwned>(
        &mut self,
        findings: &mut Findings,
    ) -> Vec<(String, T)> {
        let mut found = Vec::new();
        for entry in std::mem::take(&mut self.entries) {
            let raw = Raw {
                path: self.dotted(&entry.key),
                span: entry.value.span(),
                value: entry.value,
            };
            let place = self.document.place(entry.key_span.start);
            findings.origins.insert(raw.path.clone(), place);
            match T::deserialize(raw.deserializer()) {
                Ok(value) => found.push((entry.key, value)),
                Err(error) => findings.push(self.problem(&raw, &error, true)),
            }
        }
        found
    }

    /// Takes what is left as pairs of key and text, whatever the keys are. The values may be secret.
    pub(super) fn take_rest_as_text(
        &mut self,
        findings: &mut Findings,
    ) -> Vec<(Given<String>, String)> {
        let mut pairs = Vec::new();
        for entry in std::mem::take(&mut self.entries) {
            let path = self.dotted(&entry.key);
            let place = self.document.place(entry.key_span.start);
            findings.origins.insert(path.clone(), place.clone());
            match entry.value.get_ref().as_str() {
                Some(text) => pairs.push((
                    Given {
                        value: entry.key,
                        key: path,
                        place,
                        shown: None,
                    },
                    text.to_owned(),
                )),
                None => findings.push(Problem::new(place, path, "text in quotes is wanted")),
            }
        }
        pairs
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(self, findings: &mut Findings) {
        for entry in &self.entries {
            let place = self.document.place(entry.key_span.start);
            findings.push(
                Problem::new(place, self.dotted(&entry.key), "unknown key")
                    .with_right(did_you_mean(&entry.key, &self.known)),
            );
        }
    }
}

fn article(noun: &str) -> String {
    match noun.chars().next() {
        Some('a' | 'e' | 'i' | 'o' | 'u') => format!("an {noun}"),
        _ => format!("a {noun}"),
    }
}
