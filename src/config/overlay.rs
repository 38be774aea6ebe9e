//! Lays what a file or the environment says over the settings that a module owns.

use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::{Serialize, forward_to_deserialize_any};
use toml::de::{DeValue, Error, ValueDeserializer};

use super::env::Env;
use super::findings::Findings;
use super::probe::fields_of;
use super::problem::{Place, did_you_mean};
use super::rule;
use super::table::Table;

/// Reads a section: defaults, then its table, then the environment. What is wrong is noted, and left at its default.
/// `tables` reads the tables within it.
pub(super) fn section<S: Serialize + DeserializeOwned + Default>(
    name: &'static str,
    file: &mut Table<'_>,
    env: &Env,
    findings: &mut Findings,
    tables: impl FnOnce(&mut S, &mut Table<'_>, &mut Findings),
) -> S {
    let mut settings = S::default();
    if let Some(mut table) = file.take_table(name, findings) {
        tables(&mut settings, &mut table, findings);
        settings = fields(settings, &mut table, findings);
        table.finish(findings);
    }
    from_env(name, settings, env, findings)
}

/// Lays a table within a table over its settings; `tables` reads the tables within that. Tells whether there is one.
pub(super) fn nested<S: Serialize + DeserializeOwned + Clone>(
    name: &'static str,
    settings: &mut S,
    table: &mut Table<'_>,
    findings: &mut Findings,
    tables: impl FnOnce(&mut S, &mut Table<'_>, &mut Findings),
) -> bool {
    if let Some(mut inner) = table.take_table(name, findings) {
        tables(settings, &mut inner, findings);
        *settings = fields(settings.clone(), &mut inner, findings);
        inner.finish(findings);
        return true;
    }
    false
}

/// Takes all keys that a settings type knows from a table, which may hold others too.
pub(super) fn fields<S: Serialize + DeserializeOwned>(
    mut settings: S,
    table: &mut Table<'_>,
    findings: &mut Findings,
) -> S {
    for field in fields_of::<S>() {
        let Some(raw) = table.take_raw(field) else {
            continue;
        };
        let place = table.document().place(raw.span.start);
        findings.origins.insert(raw.path.clone(), place);
        match with_one(&settings, field, raw.deserializer()) {
            Ok(changed) => settings = changed,
            Err(error) => findings.push(table.problem(&raw, &error, true)),
        }
    }
    settings
}

/// Lays `LLMDECK_SECTION_KEY` variables over a section.
fn from_env<S: Serialize + DeserializeOwned>(
    section: &str,
    mut settings: S,
    env: &Env,
    findings: &mut Findings,
) -> S {
    let prefix = format!("LLMDECK_{}_", section.to_uppercase());
    let known = fields_of::<S>();
    for variable in env.names_with_prefix(&prefix) {
        let Some(text) = env.get(variable) else {
            continue;
        };
        let field = variable[prefix.len()..].to_lowercase();
        let Some(field) = known.iter().find(|known| **known == field) else {
            findings.warnings.push(format!(
                "environment variable {variable} sets nothing; {}",
                did_you_mean(&field, known)
            ));
            continue;
        };
        let key = format!("{section}.{field}");
        let place = Place::Variable(variable.to_owned());
        match with_text(&settings, field, text) {
            Ok(changed) => {
                settings = changed;
                findings.origins.insert(key, place);
            }
            Err(error) => {
                findings.push(rule::explain(error.message(), place, &key).with_value(text));
            }
        }
    }
    settings
}

/// Sets one key from text as a variable or a flag has it: TOML where it is TOML, plain text otherwise.
pub(super) fn with_text<S: Serialize + DeserializeOwned>(
    settings: &S,
    field: &'static str,
    text: &str,
) -> Result<S, Error> {
    let as_toml =
        DeValue::parse(text).and_then(|value| with_one(settings, field, value.into_deserializer()));
    let plain = DeValue::String(text.into());
    as_toml.or_else(|_| {
        let value = toml::Spanned::new(0..text.len(), plain);
        with_one(settings, field, value.into_deserializer())
    })
}

/// Returns the settings with one key changed.
fn with_one<'d, S: Serialize + DeserializeOwned>(
    settings: &S,
    field: &'static str,
    value: ValueDeserializer<'d>,
) -> Result<S, Error> {
    // Settings that TOML cannot express leave the base empty, and serde's defaults step in.
    let base = toml::Table::try_from(settings).unwrap_or_default();
    let kept = base
        .into_iter()
        .filter(|(key, _)| key != field)
        .map(|(key, value)| (key, Laid::Base(value)));
    let entries: Vec<(String, Laid<'d>)> = kept
        .chain([(field.to_owned(), Laid::Over(value))])
        .collect();
    S::deserialize(MapDeserializer::new(entries.into_iter()))
}

/// A value of the base, or the one laid over it.
enum Laid<'d> {
    Base(toml::Value),
    Over(ValueDeserializer<'d>),
}

impl<'d> IntoDeserializer<'d, Error> for Laid<'d> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Laid<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Base(value) => value.deserialize_any(visitor),
            Self::Over(value) => value.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Base(value) => value.deserialize_newtype_struct(name, visitor),
            Self::Over(value) => value.deserialize_newtype_struct(name, visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Base(value) => value.deserialize_enum(name, variants, visitor),
            Self::Over(value) => value.deserialize_enum(name, variants, visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Base(value) => value.deserialize_struct(name, fields, visitor),
            Self::Over(value) => value.deserialize_struct(name, fields, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::Document;
    use crate::{limit, provider};
    use std::time::Duration;

    fn read<S: Serialize + DeserializeOwned>(base: S, text: &str) -> (S, Vec<String>) {
        let document = Document::from_text("a.toml", text);
        let table = document.parse().unwrap();
        let mut findings = Findings::default();
        let mut table = Table::new(&document, "x", 0, table);
        let settings = fields(base, &mut table, &mut findings);
        table.finish(&mut findings);
        let problems = findings.problems.iter().map(ToString::to_string).collect();
        (settings, problems)
    }

    #[test]
    fn what_is_given_replaces_the_base_and_the_rest_stays() {
        let base = provider::Timeouts::default_for(crate::base::ProviderType::Ollama);
        let (timeouts, problems) = read(base, "idle = '2m'");
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(
            timeouts,
            provider::Timeouts {
                idle: Duration::from_secs(120),
                ..base
            }
        );
    }

    #[test]
    fn all_wrong_keys_are_told_and_right_ones_still_count() {
        let (limits, problems) = read(
            limit::Settings::default(),
            "permits = -1\nmin_interval = 'soon'\ntokens_per_day = 9\ntoken_per_minute = 5",
        );
        assert_eq!(limits.tokens_per_day, Some(9));
        assert_eq!(
            problems,
            [
                "a.toml:1:11: x.permits = -1: a whole number from 0 is wanted",
                "a.toml:2:16: x.min_interval = 'soon': not a duration",
                "a.toml:4:1: x.token_per_minute: unknown key",
            ]
        );
    }

    #[test]
    fn a_variable_is_toml_or_plain_text() {
        let base = limit::Settings::default();
        assert_eq!(with_text(&base, "permits", "9").unwrap().permits, 9);
        let changed = with_text(&base, "min_interval", "1s").unwrap();
        assert_eq!(changed.min_interval, Duration::from_secs(1));
    }
}
