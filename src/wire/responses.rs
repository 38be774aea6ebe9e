//! The event stream of OpenAI's Responses API.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json as document};

use super::classify::in_band;
use super::ending::Ending;
use super::json::{self, is_truthy};
use super::lenient::{Count, Object, Text};
use super::sse::{Event, Shape};
use super::tools::{Piece, ToolCalls};
use crate::base::{Chunk, Error, ProviderType, ToolArguments, Usage};

/// Reads the events of a response.
#[derive(Default)]
pub(super) struct Responses {
    ending: Ending,
    tools: ToolCalls,
}

impl Responses {
    fn terminal(
        &mut self,
        kind: &str,
        response: Response,
        out: &mut Vec<Chunk>,
    ) -> Result<(), Error> {
        if let Some(usage) = response.usage.0 {
            out.push(Chunk::Usage(usage.into()));
        }
        match kind {
            "response.failed" => {
                let told = response.error.and_then(|error| json::tree(&error));
                let told = told.filter(is_truthy);
                let told = told.unwrap_or_else(|| document!({"message": "failed"}));
                Err(in_band(ProviderType::OpenAi, &document!({ "error": told })))
            }
            "response.incomplete" => {
                let reason = response.incomplete_details.0.and_then(|why| why.reason.0);
                let reason = reason.filter(|reason| !reason.is_empty());
                self.ending.word(reason.as_deref().unwrap_or("incomplete"));
                self.ending.settle(true, out)
            }
            _ => {
                self.ending.word("completed");
                self.ending.settle(true, out)
            }
        }
    }
}

impl Shape for Responses {
    fn event(&mut self, event: &Event<'_>, out: &mut Vec<Chunk>) -> Result<(), Error> {
        let data = event.data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            out.push(Chunk::KeepAlive);
            return Ok(());
        }
        let read: Document = json::read_object(data, event.at_end)?;
        let kind = read.kind.0.as_deref().or(event.name).unwrap_or_default();
        let text = read.delta.0.unwrap_or_default();
        let index = read.output_index.0.and_then(|at| i64::try_from(at).ok());
        match kind {
            "response.output_text.delta" => self.ending.text(text, out),
            "response.refusal.delta" => self.ending.refusal(text, out),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.ending.reasoning(text, out);
            }
            "response.output_item.added" => {
                let item = read.item.0.unwrap_or_default();
                if item.kind.0.as_deref() == Some("function_call") {
                    let piece = Piece {
                        index,
                        id: item.call_id.0,
                        name: item.name.0,
                        arguments: None,
                    };
                    self.tools.push(piece, &mut self.ending, out)?;
                }
            }
            "response.function_call_arguments.delta" => {
                let piece = Piece {
                    index,
                    arguments: Some(ToolArguments::Text(text)),
                    ..Piece::default()
                };
                self.tools.push(piece, &mut self.ending, out)?;
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                let kind = kind.to_owned();
                return self.terminal(&kind, read.response.0.unwrap_or_default(), out);
            }
            "error" => {
                let mut told = json::read_tree(data).unwrap_or_default();
                if !told.get("error").is_some_and(is_truthy) {
                    if let Value::Object(fields) = &mut told {
                        fields.shift_remove("type");
                    }
                    told = document!({ "error": told });
                }
                return Err(in_band(ProviderType::OpenAi, &told));
            }
            _ => {}
        }
        Ok(())
    }

    fn ending(&mut self) -> &mut Ending {
        &mut self.ending
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    #[serde(rename = "type")]
    kind: Text,
    delta: Text,
    output_index: Count,
    item: Object<Item>,
    response: Object<Response>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    #[serde(rename = "type")]
    kind: Text,
    call_id: Text,
    name: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Response {
    usage: Object<UsageFields>,
    error: Option<Box<RawValue>>,
    incomplete_details: Object<Incomplete>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Incomplete {
    reason: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UsageFields {
    input_tokens: Count,
    output_tokens: Count,
    total_tokens: Count,
    input_tokens_details: Object<InputDetails>,
    output_tokens_details: Object<OutputDetails>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Count,
}

impl From<UsageFields> for Usage {
    fn from(fields: UsageFields) -> Self {
        let input = fields.input_tokens_details.0.unwrap_or_default();
        let output = fields.output_tokens_details.0.unwrap_or_default();
        Self {
            prompt_tokens: fields.input_tokens.0,
            completion_tokens: fields.output_tokens.0,
            total_tokens: fields.total_tokens.0,
            cached_tokens: input.cached_tokens.0,
            cache_write_tokens: input.cache_write_tokens.0,
            reasoning_tokens: output.reasoning_tokens.0,
        }
    }
}
