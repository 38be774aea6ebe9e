//! One instance that is set up while the program runs: the same keys, the same checks, no file.

use std::path::Path;

use serde_json::{Map, Value};
use toml::de::DeTable;

use super::document::Document;
use super::env::Env;
use super::findings::Findings;
use super::instance::{self, Instance};
use super::names::Names;
use super::problem::{Place, Problem};
use super::table::Table;
use crate::base::{Error, ErrorKind, InstanceDocument};
use crate::pool;

/// Reads what stands in an `[[instances]]` entry. Relative files are looked for beside `config`, the config file.
/// Gives warnings too.
///
/// # Errors
/// Of kind `config`, telling all that is wrong at once, and never a key.
pub fn entry(
    entry: &InstanceDocument,
    pool: &pool::Settings,
    config: Option<&Path>,
    env: &Env,
) -> Result<(Instance, Vec<String>), Error> {
    let mut findings = Findings::default();
    let read = as_toml(entry.expose()).and_then(|text| {
        let path = config.unwrap_or_else(|| Path::new(""));
        let document = Document::of_text(path, text);
        let toml: DeTable<'_> = document.parse().ok()?;
        let table = Table::new(&document, "instance", 0, toml);
        instance::read(table, pool, &mut Names::default(), env, &mut findings)
    });
    match read {
        Some(instance) => Ok((instance, findings.warnings)),
        None => Err(told(findings.problems)),
    }
}

/// Writes JSON as TOML; a null is a key left out.
fn as_toml(entry: &Map<String, Value>) -> Option<String> {
    let given: Map<String, Value> = (entry.iter())
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    toml::to_string(&given).ok()
}

fn told(problems: Vec<Problem>) -> Error {
    let right = problems.iter().find_map(|problem| problem.right.clone());
    let lines: Vec<String> = problems
        .into_iter()
        .map(|problem| {
            // Where it would stand in a file that is not there helps nobody.
            let place = Place::Default;
            Problem { place, ..problem }.to_string()
        })
        .collect();
    let message = if lines.is_empty() {
        "this is not an entry of [[instances]]".to_owned()
    } else {
        lines.join("; ")
    };
    let error = Error::new(ErrorKind::Config, message);
    match right {
        Some(right) => error.with_hint(right),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    fn read(json: Value) -> Result<Instance, Error> {
        let env = Env::of([("SOME_KEY", "sk-from-env")]);
        let document: InstanceDocument = serde_json::from_value(json).unwrap();
        entry(&document, &pool::Settings::default(), None, &env).map(|(instance, _)| instance)
    }

    #[test]
    fn the_same_keys_as_in_the_config_set_it_up() {
        let instance = read(json!({
            "name": "b", "type": "openai", "base_url": "http://127.0.0.1:9/v1", "key_env": "SOME_KEY",
            "models": ["m"], "permits": 3, "min_interval": "200ms", "weight": null,
            "headers": {"X-Team": "deck"}, "timeouts": {"first_token": "9s"},
        }))
        .unwrap();
        assert_eq!(instance.pool.limits.permits, 3);
        assert_eq!(instance.pool.limits.min_interval.as_millis(), 200);
        assert_eq!(instance.provider.timeouts.first_token.as_secs(), 9);
        assert_eq!(
            instance.provider.key.unwrap().expose_secret(),
            "sk-from-env"
        );
    }

    #[test]
    fn everything_wrong_is_told_at_once_and_no_key_is() {
        let error = read(json!({
            "name": "two words", "typ": "openai", "base_url": "http://127.0.0.1:9", "permit": 3,
            "key": "sk-very\nsecret", "key_env": "SOME_KEY",
        }))
        .unwrap_err();
        let told = error.to_string();
        for part in [
            "instance.permit: unknown key",
            "'type' is missing",
            "instance.name",
        ] {
            assert!(told.contains(part), "{told}");
        }
        assert!(
            !told.contains("secret") && error.kind() == ErrorKind::Config,
            "{told}"
        );
        let error = read(json!({"permits": {"no": []}})).unwrap_err();
        assert!(error.message().contains("permits"), "{error}");
    }
}
