//! Chat completions as OpenAI answers them, and everybody who says to be compatible.

mod document;
mod request;

use serde_json::Value;

use document::{Choice, Document};
pub(super) use request::{encode, put, put_extra, put_messages, put_tools};

use super::classify::{in_band, is_error_object};
use super::ending::Ending;
use super::json::{self, bad_json, cut_off};
use super::sse::{Event, Shape};
use super::tools::ToolCalls;
use super::whole::Whole;
use crate::base::{Chunk, Error, ProviderType};

/// Reads chunks and whole answers.
pub(super) struct OpenAi {
    provider_type: ProviderType,
    ending: Ending,
    tools: ToolCalls,
}

impl OpenAi {
    /// Makes a reader; the provider type decides which error codes are known.
    pub(super) fn new(provider_type: ProviderType) -> Self {
        Self {
            provider_type,
            ending: Ending::default(),
            tools: ToolCalls::default(),
        }
    }

    /// Takes everything of a chunk or an answer but its error.
    fn take(&mut self, document: Document, out: &mut Vec<Chunk>) -> Result<(), Error> {
        let usage = document.usage();
        for choice in document.choices.items {
            // Further choices (n > 1) are not for one reader.
            if choice.index.0.unwrap_or(0) == 0 {
                self.choice(choice, out)?;
            }
        }
        out.extend(usage.map(Chunk::Usage));
        if let Some(timings) = document.timings
            && let Some(timings @ Value::Object(_)) = json::tree(&timings)
        {
            out.push(Chunk::Timings(timings));
        }
        Ok(())
    }

    fn choice(&mut self, choice: Choice, out: &mut Vec<Chunk>) -> Result<(), Error> {
        let delta = choice.delta.0.filter(|delta| !delta.is_empty());
        let is_whole = delta.is_none();
        let delta = delta.or(choice.message.0).unwrap_or_default();
        // Some send the same reasoning under both names; never both.
        let reasoning = delta.reasoning_content.0.or(delta.reasoning.0);
        self.ending.reasoning(reasoning.unwrap_or_default(), out);
        self.ending.text(delta.content.0.unwrap_or_default(), out);
        self.ending
            .refusal(delta.refusal.0.unwrap_or_default(), out);
        for (place, call) in delta.tool_calls.items.into_iter().enumerate() {
            let mut piece = call.into_piece();
            if is_whole {
                // A whole message has whole calls, whatever ids and indexes they have.
                piece.index = i64::try_from(place).ok();
            }
            self.tools.push(piece, &mut self.ending, out)?;
        }
        if let Some(word) = choice.finish_reason.0.filter(|word| !word.is_empty()) {
            self.ending.word(&word);
        }
        Ok(())
    }

    /// Reads an event that is an error, or is no object.
    fn unusual(&mut self, event: &Event<'_>, is_named_error: bool) -> Result<(), Error> {
        let Some(document) = json::read_tree(event.data) else {
            return self.not_json(event.at_end);
        };
        let document = match document {
            Value::Array(_) => document,
            Value::String(_) if is_named_error => serde_json::json!({ "error": document }),
            _ if is_named_error => document,
            _ => return Err(bad_json()),
        };
        Err(in_band(self.provider_type, &document))
    }

    fn not_json(&self, at_end: bool) -> Result<(), Error> {
        match at_end {
            // The finish reason has come; what broke off after it is not missed.
            true if self.ending.has_word() => Ok(()),
            true => Err(cut_off()),
            false => Err(bad_json()),
        }
    }
}

impl Shape for OpenAi {
    fn event(&mut self, event: &Event<'_>, out: &mut Vec<Chunk>) -> Result<(), Error> {
        let data = event.data.trim_ascii();
        if data.is_empty() {
            out.push(Chunk::KeepAlive);
            return Ok(());
        }
        if data == b"[DONE]" {
            return self.ending.settle(true, out);
        }
        let is_named_error = event.name == Some("error");
        if data.first() != Some(&b'{') {
            return self.unusual(event, is_named_error);
        }
        let Some(document) = json::read::<Document>(data) else {
            return self.not_json(event.at_end);
        };
        if document.has_error() || is_named_error {
            let has_error = document.has_error();
            self.take(document, out)?;
            let told = json::read_tree(data).unwrap_or_default();
            let told = if has_error {
                told
            } else {
                serde_json::json!({ "error": told })
            };
            return Err(in_band(self.provider_type, &told));
        }
        if !document.choices.is_present && !document.has_usage() {
            let told = json::read_tree(data).unwrap_or_default();
            let names_an_error = told.get("code").is_some()
                || told.get("detail").is_some()
                || told.get("object").and_then(Value::as_str) == Some("error");
            if names_an_error && is_error_object(&told) {
                return Err(in_band(self.provider_type, &told));
            }
        }
        self.take(document, out)
    }

    fn ending(&mut self) -> &mut Ending {
        &mut self.ending
    }
}

impl Whole for OpenAi {
    fn answer(&mut self, body: &[u8], out: &mut Vec<Chunk>) -> Result<(), Error> {
        let document = match body.first() {
            Some(b'{') => json::read::<Document>(body),
            _ => None,
        };
        let Some(document) = document else {
            let told = json::read_tree(body).ok_or_else(bad_json)?;
            return Err(in_band(self.provider_type, &told));
        };
        if document.has_error() || !document.choices.is_present {
            let told = json::read_tree(body).unwrap_or_default();
            if document.has_error() || is_error_object(&told) {
                return Err(in_band(self.provider_type, &told));
            }
        }
        let has_choices = !document.choices.items.is_empty();
        self.take(document, out)?;
        if has_choices {
            // The JSON is whole, so the answer is, even where a server forgets to say why it ended.
            self.ending.settle(true, out)
        } else {
            Err(Error::protocol(
                "no_choices",
                "the answer has no choices in it",
            ))
        }
    }

    fn ending(&mut self) -> &mut Ending {
        &mut self.ending
    }
}
