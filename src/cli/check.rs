//! `llmdeck check`: asks every instance at once whether it is there, takes the key, and has the models.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::object;
use super::style::Style;
use super::table::lay_out;
use crate::base::{Error, ErrorKind, clean_line, shorten};
use crate::config::Instance;
use crate::provider::LlmModelStrategy;

/// How long an instance may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// What asking one instance brought.
pub(super) struct Checked<'i> {
    instance: &'i Instance,
    probe: Result<(), Error>,
    models: Result<Vec<String>, Error>,
    took: Duration,
}

/// Asks every instance, all at once.
pub(super) async fn ask_all<'i>(
    instances: &'i [Instance],
    strategies: &[Arc<dyn LlmModelStrategy>],
) -> Vec<Checked<'i>> {
    let asked = instances
        .iter()
        .zip(strategies)
        .map(|(instance, strategy)| async move {
            let began = Instant::now();
            let probe = async {
                let answer = in_time(strategy.probe(), instance).await;
                (answer, began.elapsed())
            };
            let ((probe, took), models) = join(probe, in_time(strategy.models(), instance)).await;
            Checked {
                instance,
                probe,
                models,
                took,
            }
        });
    join_all(asked).await
}

async fn in_time<T>(
    answer: impl Future<Output = Result<T, Error>>,
    instance: &Instance,
) -> Result<T, Error> {
    timeout(PATIENCE, answer).await.unwrap_or_else(|_| {
        let message = format!(
            "it did not answer within {}",
            humantime::format_duration(PATIENCE)
        );
        Err(Error::new(ErrorKind::TimeoutConnect, message)
            .with_instance(instance.pool.name.clone()))
    })
}

impl Checked<'_> {
    /// Tells whether it can be used.
    pub(super) fn is_well(&self) -> bool {
        self.probe.is_ok()
    }

    /// Tells whether all is as wanted: what is switched off may be away.
    pub(super) fn is_as_wanted(&self) -> bool {
        self.is_well() || !self.instance.pool.enabled
    }

    /// Returns what works but should be known.
    fn notes(&self) -> Vec<String> {
        let configured = &self.instance.pool.models;
        let mut notes = Vec::new();
        match &self.models {
            Ok(listed) => {
                let unlisted = configured.iter().filter(|model| !lists(listed, model));
                notes.extend(unlisted.map(|model| {
                    let offered = shorten(&clean_line(&listed.join(", ")), 200);
                    format!("the model '{model}' is not in its list, which some servers keep short: {offered}")
                }));
                if configured.is_empty() && listed.is_empty() {
                    notes.push("it offers no model, and none is configured".to_owned());
                }
            }
            Err(error) if self.probe.is_ok() => {
                notes.push(format!("its models could not be listed: {error}"));
            }
            Err(_) => {}
        }
        notes
    }

    fn row(&self) -> Vec<String> {
        let instance = &self.instance.pool;
        let models = match &self.models {
            Ok(listed) => listed.len().to_string(),
            Err(_) => "-".to_owned(),
        };
        let mut result = match &self.probe {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.kind().words().to_owned(),
        };
        if !instance.enabled {
            result.push_str(" (off)");
        }
        vec![
            instance.name.to_string(),
            instance.provider_type.to_string(),
            clean_line(&instance.base_url),
            models,
            format!("{:.0} ms", object::millis(self.took)),
            result,
        ]
    }

    fn object(&self) -> Value {
        let instance = &self.instance.pool;
        json!({
            "name": instance.name,
            "type": instance.provider_type,
            "base_url": instance.base_url,
            "enabled": instance.enabled,
            "configured_models": instance.models,
            "models": self.models.as_ref().ok(),
            "ok": self.is_well(),
            "took_ms": object::millis(self.took),
            "error": self.probe.as_ref().err().map(object::of_error),
            "notes": self.notes(),
        })
    }
}

/// Ollama lists `name:latest` for what people call `name`.
fn lists(listed: &[String], model: &str) -> bool {
    listed
        .iter()
        .any(|known| known == model || known.strip_suffix(":latest") == Some(model))
}

/// Writes the table, and below it what is wrong and what helps.
pub(super) fn write_table(
    checked: &[Checked<'_>],
    out: &mut dyn Write,
    style: Style,
) -> io::Result<()> {
    let heading = ["NAME", "TYPE", "URL", "MODELS", "TIME", "RESULT"].map(str::to_owned);
    let rows: Vec<Vec<String>> = std::iter::once(heading.to_vec())
        .chain(checked.iter().map(Checked::row))
        .collect();
    let lines = lay_out(&rows);
    for (index, line) in lines.iter().enumerate() {
        let line = match index.checked_sub(1).and_then(|index| checked.get(index)) {
            None => style.strong(line),
            Some(checked) if checked.is_well() => line.clone(),
            Some(_) => style.bad(line),
        };
        writeln!(out, "{line}")?;
    }
    for checked in checked {
        let name = &checked.instance.pool.name;
        if let Err(error) = &checked.probe {
            let error = match error.instance() {
                Some(_) => error.to_string(),
                None => format!("{name}: {error}"),
            };
            writeln!(out, "\n{} {error}", style.bad("error:"))?;
        }
        if let Err(error) = &checked.probe {
            writeln!(out, "{} {}", style.helpful("hint:"), error.hint())?;
        }
        for note in checked.notes() {
            writeln!(out, "\n{} {name}: {note}", style.doubtful("note:"))?;
        }
    }
    Ok(())
}

/// Writes everything as one JSON list.
pub(super) fn write_json(checked: &[Checked<'_>], out: &mut dyn Write) -> io::Result<()> {
    let objects: Vec<Value> = checked.iter().map(Checked::object).collect();
    writeln!(out, "{:#}", Value::Array(objects))
}

#[cfg(test)]
mod tests;
