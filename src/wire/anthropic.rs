//! Anthropic's Messages stream.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::classify::in_band;
use super::ending::Ending;
use super::json::{self, is_truthy_raw};
use super::lenient::{Count, Object, Text};
use super::sse::{Event, Shape};
use super::tools::{Piece, ToolCalls};
use crate::base::{Chunk, Error, ProviderType, ToolArguments, Usage};

/// Reads the events of a Messages stream.
#[derive(Default)]
pub(super) struct Anthropic {
    ending: Ending,
    tools: ToolCalls,
    /// The tool block that is open, and whether any of its arguments have come.
    open_tool: Option<(i64, bool)>,
    input: Option<u64>,
    output: Option<u64>,
    cache_write: Option<u64>,
    cache_read: Option<u64>,
    thinking: Option<u64>,
}

impl Anthropic {
    /// Counts are cumulative, and a later event need not repeat an earlier one's.
    fn usage(&mut self, fields: UsageFields, out: &mut Vec<Chunk>) {
        self.input = fields.input_tokens.0.or(self.input);
        self.output = fields.output_tokens.0.or(self.output);
        self.cache_write = fields.cache_creation_input_tokens.0.or(self.cache_write);
        self.cache_read = fields.cache_read_input_tokens.0.or(self.cache_read);
        let details = fields.output_tokens_details.0.unwrap_or_default();
        self.thinking = details.thinking_tokens.0.or(self.thinking);
        if self.input.is_none() && self.output.is_none() {
            return;
        }
        let prompt = [self.input, self.cache_write, self.cache_read]
            .into_iter()
            .flatten()
            .fold(0_u64, u64::saturating_add);
        let completion = self.output.unwrap_or(0);
        out.push(Chunk::Usage(Usage {
            prompt_tokens: Some(prompt),
            completion_tokens: Some(completion),
            total_tokens: Some(prompt.saturating_add(completion)),
            cached_tokens: self.cache_read,
            cache_write_tokens: self.cache_write,
            reasoning_tokens: self.thinking,
        }));
    }

    fn tool(&mut self, piece: Piece, out: &mut Vec<Chunk>) -> Result<(), Error> {
        self.tools.push(piece, &mut self.ending, out)
    }

    fn block_start(&mut self, index: i64, block: Block, out: &mut Vec<Chunk>) -> Result<(), Error> {
        match block.kind.0.as_deref() {
            Some("tool_use") => {
                let input = block
                    .input
                    .filter(|input| is_truthy_raw(input))
                    .and_then(|input| json::tree(&input));
                self.open_tool = Some((index, input.is_some()));
                let piece = Piece {
                    index: Some(index),
                    id: block.id.0,
                    name: block.name.0,
                    arguments: input.map(|input| ToolArguments::Text(input.to_string())),
                };
                self.tool(piece, out)?;
            }
            Some("text") => self.ending.text(block.text.0.unwrap_or_default(), out),
            _ => {}
        }
        Ok(())
    }

    fn block_delta(&mut self, index: i64, delta: Delta, out: &mut Vec<Chunk>) -> Result<(), Error> {
        match delta.kind.0.as_deref() {
            Some("text_delta") => self.ending.text(delta.text.0.unwrap_or_default(), out),
            Some("thinking_delta") => self
                .ending
                .reasoning(delta.thinking.0.unwrap_or_default(), out),
            Some("input_json_delta") => {
                let Some((open, has_arguments)) = &mut self.open_tool else {
                    return Ok(());
                };
                let more = delta.partial_json.0.unwrap_or_default();
                if *open == index && !more.is_empty() {
                    *has_arguments = true;
                    self.tool(arguments(index, more), out)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn block_stop(&mut self, index: i64, out: &mut Vec<Chunk>) -> Result<(), Error> {
        match self.open_tool.take_if(|(open, _)| *open == index) {
            // No delta at all means an empty object.
            Some((_, false)) => self.tool(arguments(index, "{}".to_owned()), out),
            Some((_, true)) | None => Ok(()),
        }
    }
}

fn arguments(index: i64, text: String) -> Piece {
    Piece {
        index: Some(index),
        arguments: Some(ToolArguments::Text(text)),
        ..Piece::default()
    }
}

impl Shape for Anthropic {
    fn event(&mut self, event: &Event<'_>, out: &mut Vec<Chunk>) -> Result<(), Error> {
        let data = event.data.trim_ascii();
        if data.is_empty() {
            out.push(Chunk::KeepAlive);
            return Ok(());
        }
        let document: Document = json::read_object(data, event.at_end)?;
        let kind = document.kind.0.as_deref().or(event.name);
        let index = i64::try_from(document.index.0.unwrap_or(0)).unwrap_or(i64::MAX);
        match kind {
            Some("error") => {
                let told = json::read_tree(data).unwrap_or_default();
                return Err(in_band(ProviderType::OpenAi, &told));
            }
            Some("message_start") => {
                self.ending.saw_opening();
                let message = document.message.0.unwrap_or_default();
                self.usage(message.usage.0.unwrap_or_default(), out);
            }
            Some("content_block_start") => {
                let block = document.content_block.0.unwrap_or_default();
                self.block_start(index, block, out)?;
            }
            Some("content_block_delta") => {
                self.block_delta(index, document.delta.0.unwrap_or_default(), out)?;
            }
            Some("content_block_stop") => self.block_stop(index, out)?,
            Some("message_delta") => {
                self.usage(document.usage.0.unwrap_or_default(), out);
                let delta = document.delta.0.unwrap_or_default();
                if let Some(word) = delta.stop_reason.0.filter(|word| !word.is_empty()) {
                    self.ending.word(&word);
                }
            }
            Some("message_stop") => return self.ending.settle(true, out),
            Some("ping") => out.push(Chunk::KeepAlive),
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
    index: Count,
    message: Object<Start>,
    content_block: Object<Block>,
    delta: Object<Delta>,
    usage: Object<UsageFields>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Start {
    usage: Object<UsageFields>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Block {
    #[serde(rename = "type")]
    kind: Text,
    id: Text,
    name: Text,
    text: Text,
    input: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    #[serde(rename = "type")]
    kind: Text,
    text: Text,
    thinking: Text,
    partial_json: Text,
    stop_reason: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UsageFields {
    input_tokens: Count,
    output_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_read_input_tokens: Count,
    output_tokens_details: Object<OutputDetails>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Count,
}
