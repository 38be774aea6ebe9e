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
    out.section("notify", &config.notify);
    match &config.notify_key {
        Some((_, source)) => out.key("notify", "key", &SECRET.into(), Some(&source.to_string())),
        None => out.line("# key, key_env, key_file are not set"),
    }
    if !config.prices.is_empty() {
        out.line("\n[prices]");
        for (model, price) in &config.prices {
            let key = Value::String(model.clone()).to_string();
            out.key("prices", &key, &value_of(price), None);
        }
    }
    #[cfg(feature = "console")]
    out.section("console", &config.console);
    #[cfg(feature = "gateway")]
    out.section("gateway", &config.gateway);
    out.section("log", &config.log);
    #[cfg(feature = "store")]
    out.section("store", &config.store);
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
            let probe_every = pool.probe_every.map(humantime::format_duration);
            let probe_every = probe_every.map(|every| every.to_string());
            self.option(&path, "probe_every", probe_every.as_ref());
            self.fields(&path, &pool.limits);
            self.option(&path, "adaptive", pool.adaptive.as_ref());
            self.option(&path, "breaker", pool.breaker.as_ref());
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
            let path = format!("routes.{}", route.name);
            self.fields(&path, route);
            #[cfg(feature = "gateway")]
            self.parameters(&path, route.name.as_str());
        }
    }

    #[cfg(feature = "gateway")]
    fn parameters(&mut self, path: &str, name: &str) {
        let routes = &self.config.gateway.routes;
        let Some(route) = routes.iter().find(|route| route.name == name) else {
            return;
        };
        for (key, map) in [
            ("defaults", &route.defaults),
            ("overrides", &route.overrides),
        ] {
            self.option(path, key, (!map.is_empty()).then_some(map));
        }
    }

    fn option(&mut self, path: &str, key: &str, value: Option<&impl Serialize>) {
        match value {
            Some(value) => self.key(path, key, &value_of(value), None),
            None => self.line(&format!("# {key} is not set")),
        }
    }

    fn section<S: Serialize + DeserializeOwned>(&mut self, name: &str, settings: &S) {
        self.line(&format!("\n[{name}]"));
        let values = toml::Table::try_from(settings).unwrap_or_default();
        for field in fields_of::<S>() {
            if !values.contains_key(*field) {
                self.line(&format!("# {field} is not set"));
            }
        }
        self.table(name, &values);
    }

    /// Writes a table's own keys, then the tables within it, as TOML wants it.
    fn table(&mut self, path: &str, values: &toml::Table) {
        let is_list_of_tables =
            |list: &[Value]| !list.is_empty() && list.iter().all(Value::is_table);
        let mut later = Vec::new();
        for (key, value) in values {
            match value {
                Value::Table(_) => later.push((key, value)),
                Value::Array(list) if is_list_of_tables(list) => later.push((key, value)),
                value => self.key(path, key, value, None),
            }
        }
        for (key, value) in later {
            let path = format!("{path}.{key}");
            if let Value::Table(inner) = value {
                self.line(&format!("[{path}]"));
                self.table(&path, inner);
            }
            // The file's place is known of the list as a whole.
            let place = self
                .config
                .origins
                .get(&path)
                .cloned()
                .unwrap_or_default()
                .to_string();
            for inner in value
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_table)
            {
                self.line(&format!("[[{path}]]"));
                for (key, value) in inner {
                    self.key(&path, key, value, Some(&place));
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
                // Lists and tables are read as a whole: what is in them comes from where they do.
                .or_else(|| self.config.origins.get(path))
                .cloned()
                .unwrap_or_default()
                .to_string(),
        };
        // A webhook's URL often is its own password.
        let secret = Value::from(SECRET);
        let value = if key == "webhook" { &secret } else { value };
        let setting = clean_line(&format!("{key} = {}", on_one_line(value)));
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

/// Writes text with line breaks escaped; TOML itself would spread it over lines.
fn on_one_line(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains(char::is_control) => {
            serde_json::Value::from(text.as_str()).to_string()
        }
        Value::Array(list) => format!(
            "[{}]",
            list.iter().map(on_one_line).collect::<Vec<_>>().join(", ")
        ),
        other => other.to_string(),
    }
}

fn value_of(value: &impl Serialize) -> Value {
    Value::try_from(value).unwrap_or_else(|_| Value::String("?".to_owned()))
}
