//! What chunks and whole answers look like in OpenAI's shape. Everything is optional, and may be of another kind.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::base::{ToolArguments, Usage};
use crate::wire::json::{self, is_truthy_raw};
use crate::wire::lenient::{Content, Count, List, Object, Text};
use crate::wire::tools::Piece;

/// A chunk, or a whole answer.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Document {
    error: Option<Box<RawValue>>,
    pub(super) choices: List<Choice>,
    usage: Given,
    pub(super) timings: Option<Box<RawValue>>,
}

impl Document {
    /// Tells whether it is an error.
    pub(super) fn has_error(&self) -> bool {
        self.error.as_deref().is_some_and(is_truthy_raw)
    }

    /// Tells whether usage was given at all, even as null.
    pub(super) fn has_usage(&self) -> bool {
        self.usage.1
    }

    /// Returns the token counts, if there are any.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.usage.0.as_deref().and_then(usage)
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

/// One of the answers that were asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    pub(super) index: Count,
    pub(super) delta: Object<Delta>,
    pub(super) message: Object<Delta>,
    pub(super) finish_reason: Text,
}

/// What a choice says: a piece, or all of it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta {
    pub(super) content: Content,
    pub(super) reasoning_content: Content,
    pub(super) reasoning: Content,
    pub(super) refusal: Text,
    pub(super) tool_calls: List<Call>,
}

impl Delta {
    /// Tells whether nothing in it is of use.
    pub(super) fn is_empty(&self) -> bool {
        self.content.0.is_none()
            && self.reasoning_content.0.is_none()
            && self.reasoning.0.is_none()
            && self.refusal.0.is_none()
            && self.tool_calls.items.is_empty()
    }
}

/// A tool call, or a piece of one.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Call {
    index: Option<Box<RawValue>>,
    id: Text,
    function: Object<Function>,
    custom: Object<Function>,
}

impl Call {
    /// Returns what the assembly of calls needs.
    pub(super) fn into_piece(self) -> Piece {
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
