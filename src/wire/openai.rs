//! Chat completions as OpenAI answers them, and everybody who says to be compatible.

mod request;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

pub(super) use request::{encode, put, put_extra, put_messages, put_tools};

use super::classify::{in_band, is_error_object};
use super::ending::Ending;
use super::json::{self, is_truthy_raw};
use super::lenient::{Content, Count, List, Object, Text};
use super::sse::{Event, Shape};
use super::tools::{Piece, ToolCalls};
use super::whole::Whole;
use crate::base::{Chunk, Error, ProviderType, ToolArguments, Usage};

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
        for choice in document.choices.items {
            // Further choices (n > 1) are not for one reader.
            if choice.index.0.unwrap_or(0) == 0 {
                self.choice(choice, out)?;
            }
        }
        if let Some(usage) = document.usage.0.as_deref().and_then(usage) {
            out.push(Chunk::Usage(usage));
        }
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
        if !document.choices.is_present && !document.usage.1 {
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

/// Makes the error for a whole event that is not JSON.
pub(super) fn bad_json() -> Error {
    Error::protocol(
        "bad_json",
        "the answer has something in it that is not JSON",
    )
}

/// Makes the error for an event that the end of the body cut.
pub(super) fn cut_off() -> Error {
    Error::protocol(
        "truncated",
        "the answer broke off in the middle of an event",
    )
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    error: Option<Box<RawValue>>,
    choices: List<Choice>,
    usage: Given,
    timings: Option<Box<RawValue>>,
}

impl Document {
    fn has_error(&self) -> bool {
        self.error.as_deref().is_some_and(is_truthy_raw)
    }
}

/// A part that is left unread, and whether it was given at all, even as null.
#[derive(Default)]
struct Given(Option<Box<RawValue>>, bool);

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::deserialize(deserializer)?, true))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice {
    index: Count,
    delta: Object<Delta>,
    message: Object<Delta>,
    finish_reason: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    content: Content,
    reasoning_content: Content,
    reasoning: Content,
    refusal: Text,
    tool_calls: List<Call>,
}

impl Delta {
    fn is_empty(&self) -> bool {
        self.content.0.is_none()
            && self.reasoning_content.0.is_none()
            && self.reasoning.0.is_none()
            && self.refusal.0.is_none()
            && self.tool_calls.items.is_empty()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Call {
    index: Option<Box<RawValue>>,
    id: Text,
    function: Object<Function>,
    custom: Object<Function>,
}

impl Call {
    fn into_piece(self) -> Piece {
        let function = self.function.0.or(self.custom.0).unwrap_or_default();
        let arguments = function
            .arguments
            .or(function.input)
            .and_then(|raw| json::read::<Value>(raw.get().as_bytes()))
            .map(|arguments| match arguments {
                Value::String(text) => text,
                Value::Null => String::new(),
                other => other.to_string(),
            });
        Piece {
            index: self
                .index
                .and_then(|index| json::read::<i64>(index.get().as_bytes())),
            id: self.id.0,
            name: function.name.0,
            arguments: arguments.map(ToolArguments::Text),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Function {
    name: Text,
    arguments: Option<Box<RawValue>>,
    input: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UsageFields {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    prompt_cache_hit_tokens: Count,
    prompt_tokens_details: Object<PromptDetails>,
    completion_tokens_details: Object<CompletionDetails>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Count,
}

fn usage(raw: &RawValue) -> Option<Usage> {
    if !raw.get().starts_with('{') || !is_truthy_raw(raw) {
        return None;
    }
    let fields: UsageFields = json::read(raw.get().as_bytes())?;
    let input = fields.prompt_tokens_details.0.unwrap_or_default();
    let output = fields.completion_tokens_details.0.unwrap_or_default();
    let (prompt, completion) = (fields.prompt_tokens.0, fields.completion_tokens.0);
    let sum = prompt
        .zip(completion)
        .map(|(prompt, completion)| prompt.saturating_add(completion));
    Some(Usage {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: fields.total_tokens.0.or(sum),
        cached_tokens: input.cached_tokens.0.or(fields.prompt_cache_hit_tokens.0),
        cache_write_tokens: input.cache_write_tokens.0,
        reasoning_tokens: output.reasoning_tokens.0,
    })
}
