//! What is in force, key by key, and where each came from. Secrets show as `***`.

use std::fmt::Write;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Value;

use super::load::Config;
use super::probe::fields_of;
use super::problem::Place;
use crate::base::clean_line;

/// What stands for a secret.
const SECRET: &str = "***";

/// Writes the config as TOML with the origin of each key as a comment.
pub fn print(config: &Config) -> String {
    let mut out = Printer {
        config,
        text: String::new(),
    };
    let file = match &config.file {
        Some(path) => path.display().to_string(),
        None => "none".to_owned(),
    };
    out.line(&format!("# config file: {file}"));
    out.line(&format!("# instances from: {}", config.found));
    out.instances();
    out.routes();
    out.section("pool", &config.pool);
    out.section("retry", &config.retry);
    out.section("monitor", &config.monitor);
    if !config.prices.is_empty() {
        out.section("prices", &config.prices);
    }
    #[cfg(feature = "console")]
    out.section("console", &config.console);
    out.section("log", &config.log);
    for persona in &config.personas {
        let path = format!("personas.{}", persona.name);
        out.line("\n[[personas]]");
        out.fields(&path, persona);
    }
    out.text
}

struct Printer<'c> {
    config: &'c Config,
    text: String,
}

impl Printer<'_> {
    fn instances(&mut self) {
        for instance in &self.config.instances {
            let path = format!("instances.{}", instance.pool.name);
            let (pool, provider) = (&instance.pool, &instance.provider);
            self.line("\n[[instances]]");
            // An instance that the environment named has one origin for all that it sets.
            let whole = match &instance.from {
                Place::Variable(_) => Some(instance.from.to_string()),
                Place::Default | Place::File { .. } | Place::Flag(_) => None,
            };
            self.key(&path, "name", &pool.name.as_str().into(), whole.as_deref());
            self.key(
                &path,
                "type",
                &pool.provider_type.as_str().into(),
                whole.as_deref(),
            );
            self.key(
                &path,
                "base_url",
                &pool.base_url.as_str().into(),
                whole.as_deref(),
            );
            if let Some(from) = &instance.key_from {
                self.key(&path, "key", &SECRET.into(), Some(&from.to_string()));
            }
            self.key(&path, "auth", &value_of(&provider.auth), None);
            self.key(&path, "models", &value_of(&pool.models), None);
            self.key(&path, "enabled", &pool.enabled.into(), None);
            self.key(&path, "weight", &i64::from(pool.weight).into(), None);
            self.key(&path, "tier", &i64::from(pool.tier).into(), None);
            self.option(&path, "price", pool.price.as_ref());
            self.key(&path, "standby", &pool.standby.into(), None);
            self.fields(&path, &pool.limits);
            self.option(&path, "adaptive", pool.adaptive.as_ref());
            if !provider.headers.is_empty() {
                let names = provider
                    .headers
                    .keys()
                    .map(|name| (name.clone(), Value::from(SECRET)));
                let headers: toml::Table = names.collect();
                self.key(&path, "headers", &Value::Table(headers), None);
            }
            if let Some(file) = &provider.ca_file {
                self.key(&path, "ca_file", &file.display().to_string().into(), None);
            }
            if let Some(field) = &provider.max_tokens_field {
                self.key(&path, "max_tokens_field", &field.as_str().into(), None);
            }
            self.line("[instances.timeouts]");
            self.fields(&format!("{path}.timeouts"), &provider.timeouts);
        }
    }

    fn routes(&mut self) {
        for route in &self.config.routes {
            self.line("\n[[routes]]");
            self.fields(&format!("routes.{}", route.name), route);
        }
    }

    fn option(&mut self, path: &str, key: &str, value: Option<&impl Serialize>) {
        match value {
            Some(value) => self.key(path, key, &value_of(value), None),
            None => self.line(&format!("# {key} is not set")),
        }
    }

    /// Tables within a section come after its other keys, as TOML wants it.
    fn section<S: Serialize + DeserializeOwned>(&mut self, name: &str, settings: &S) {
        self.line(&format!("\n[{name}]"));
        let values = toml::Table::try_from(settings).unwrap_or_default();
        for field in fields_of::<S>() {
            match values.get(*field) {
                Some(Value::Table(_)) => {}
                Some(value) => self.key(name, field, value, None),
                None => self.line(&format!("# {field} is not set")),
            }
        }
        for (field, value) in &values {
            if let Value::Table(inner) = value {
                self.table(&format!("{name}.{field}"), inner);
            }
        }
    }

    /// Writes a table within a section, and the tables within it below its keys.
    fn table(&mut self, path: &str, table: &toml::Table) {
        self.line(&format!("[{path}]"));
        let tables_of = |value: &Value| -> Vec<toml::Table> {
            let array = value.as_array().map_or(&[][..], Vec::as_slice);
            array.iter().filter_map(Value::as_table).cloned().collect()
        };
        let (plain, nested): (Vec<_>, Vec<_>) = table
            .iter()
            .partition(|(_, value)| !value.is_table() && tables_of(value).is_empty());
        // What was set as a whole has one origin for all that is in it.
        let whole = self.config.origins.get(path).map(ToString::to_string);
        for (key, value) in plain {
            self.key(path, key, value, whole.as_deref());
        }
        for (field, value) in nested {
            let path = format!("{path}.{field}");
            if let Value::Table(inner) = value {
                self.table(&path, inner);
            }
            let whole = self.config.origins.get(&path).map(ToString::to_string);
            for inner in tables_of(value) {
                self.line(&format!("[[{path}]]"));
                for (key, value) in &inner {
                    self.key(&path, key, value, whole.as_deref());
                }
            }
        }
    }

    fn fields<S: Serialize + DeserializeOwned>(&mut self, path: &str, settings: &S) {
        let values = toml::Table::try_from(settings).unwrap_or_default();
        for field in fields_of::<S>() {
            match values.get(*field) {
                Some(value) => self.key(path, field, value, None),
                None => self.line(&format!("# {field} is not set")),
            }
        }
    }

    fn key(&mut self, path: &str, key: &str, value: &Value, origin: Option<&str>) {
        const COMMENT_COLUMN: usize = 44;
        let dotted = format!("{path}.{key}");
        let origin = match origin {
            Some(origin) => origin.to_owned(),
            None => self
                .config
                .origins
                .get(&dotted)
                .cloned()
                .unwrap_or_default()
                .to_string(),
        };
        let setting = clean_line(&format!("{key} = {value}"));
        let _ = writeln!(
            self.text,
            "{setting:COMMENT_COLUMN$}  # {}",
            clean_line(&origin)
        );
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

fn value_of(value: &impl Serialize) -> Value {
    Value::try_from(value).unwrap_or_else(|_| Value::String("?".to_owned()))
}
