//! Ollama's native chat: lines of JSON, or one document.

mod request;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub(super) use request::{OPTIONS, arguments, encode};

use super::classify::in_band;
use super::ending::Ending;
use super::json::{self, is_truthy_raw};
use super::lenient::{Count, List, Object, Text};
use super::ndjson::Documents;
use super::tools::{Piece, ToolCalls};
use super::whole::Whole;
use crate::base::{Chunk, Error, ProviderType, ToolArguments, Usage};

/// Reads the documents of `/api/chat` (and the texts of `/api/generate`).
#[derive(Default)]
pub(super) struct Ollama {
    ending: Ending,
    tools: ToolCalls,
    calls: i64,
}

impl Ollama {
    fn take(&mut self, document: Document, out: &mut Vec<Chunk>) -> Result<(), Error> {
        let message = document.message.0.unwrap_or_default();
        let either = |first: Text, second: Text| {
            let first = first.0.filter(|text| !text.is_empty());
            first.or(second.0).unwrap_or_default()
        };
        let reasoning = either(message.thinking, document.thinking);
        self.ending.reasoning(reasoning, out);
        let text = either(message.content, document.response);
        self.ending.text(text, out);
        for call in message.tool_calls.items {
            let function = call.function.0.unwrap_or_default();
            // Calls come whole, so every one is a new one, whatever index it has.
            let piece = Piece {
                index: Some(self.calls),
                id: call.id.0,
                name: function.name.0,
                arguments: Some(received_arguments(function.arguments.as_deref())?),
            };
            self.calls += 1;
            self.tools.push(piece, &mut self.ending, out)?;
        }
        if document.done.as_deref().is_some_and(is_truthy_raw) {
            let counts = (document.prompt_eval_count.0, document.eval_count.0);
            if let (prompt, completion) = counts
                && (prompt.is_some() || completion.is_some())
            {
                let total = prompt.unwrap_or(0).saturating_add(completion.unwrap_or(0));
                out.push(Chunk::Usage(Usage {
                    prompt_tokens: prompt,
                    completion_tokens: completion,
                    total_tokens: Some(total),
                    ..Usage::default()
                }));
            }
            let durations = [
                ("total_duration", document.total_duration.0),
                ("load_duration", document.load_duration.0),
                ("prompt_eval_duration", document.prompt_eval_duration.0),
                ("eval_duration", document.eval_duration.0),
            ];
            let timings: Map<String, Value> = durations
                .into_iter()
                .filter_map(|(name, nanos)| Some((name.to_owned(), nanos?.into())))
                .collect();
            if !timings.is_empty() {
                out.push(Chunk::Timings(Value::Object(timings)));
            }
            self.ending
                .word(document.done_reason.0.as_deref().unwrap_or_default());
            self.ending.settle(true, out)?;
        }
        Ok(())
    }
}

fn received_arguments(raw: Option<&RawValue>) -> Result<ToolArguments, Error> {
    let Some(raw) = raw else {
        return Ok(ToolArguments::Json(Value::Object(Map::new())));
    };
    match json::tree(raw) {
        Some(Value::String(text)) => Ok(ToolArguments::Text(text)),
        Some(other) => Ok(ToolArguments::Json(other)),
        None => Err(Error::protocol(
            "too_long",
            "a tool call's arguments are too long",
        )),
    }
}

impl Documents for Ollama {
    fn document(&mut self, line: &[u8], at_end: bool, out: &mut Vec<Chunk>) -> Result<(), Error> {
        let document: Document = json::read_object(line, at_end)?;
        if document.error.as_deref().is_some_and(is_truthy_raw) {
            let told = json::read_tree(line).unwrap_or_default();
            return Err(in_band(ProviderType::Ollama, &told));
        }
        self.take(document, out)
    }

    fn ending(&mut self) -> &mut Ending {
        &mut self.ending
    }
}

impl Whole for Ollama {
    fn answer(&mut self, body: &[u8], out: &mut Vec<Chunk>) -> Result<(), Error> {
        self.document(body, false, out)?;
        self.ending.settle(false, out)
    }

    fn ending(&mut self) -> &mut Ending {
        &mut self.ending
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    error: Option<Box<RawValue>>,
    message: Object<Message>,
    response: Text,
    thinking: Text,
    done: Option<Box<RawValue>>,
    done_reason: Text,
    total_duration: Count,
    load_duration: Count,
    prompt_eval_count: Count,
    prompt_eval_duration: Count,
    eval_count: Count,
    eval_duration: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    content: Text,
    thinking: Text,
    tool_calls: List<Call>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Call {
    id: Text,
    function: Object<Function>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Function {
    name: Text,
    arguments: Option<Box<RawValue>>,
}
