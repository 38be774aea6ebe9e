//! Anthropic's messages: a list of blocks, each begun, continued and ended.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{About, event};
use crate::base::{Answer, Chunk, FinishReason, LlmResponse, ToolCallDelta, Usage};

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Thinking,
    Text,
    /// The tool call of this number.
    Tool(usize),
}

/// A message under way.
pub(super) struct Anthropic {
    about: About,
    kept: Answer,
    begun: bool,
    /// The blocks so far; the last one is open.
    blocks: Vec<Block>,
    open: bool,
}

impl Anthropic {
    pub(super) fn new(about: About) -> Self {
        Self {
            about,
            kept: Answer::default(),
            begun: false,
            blocks: Vec::new(),
            open: false,
        }
    }

    pub(super) fn chunk(&mut self, chunk: &Chunk) -> Option<Bytes> {
        if matches!(chunk, Chunk::Done(_)) {
            return None;
        }
        if !self.about.streaming {
            self.kept.push(chunk);
            return None;
        }
        let mut out = String::new();
        match chunk {
            Chunk::Text(text) | Chunk::Refusal(text) => {
                let at = self.block(Block::Text, None, &mut out);
                delta(at, &json!({"type": "text_delta", "text": text}), &mut out);
            }
            Chunk::Reasoning(text) => {
                let at = self.block(Block::Thinking, None, &mut out);
                let more = json!({"type": "thinking_delta", "thinking": text});
                delta(at, &more, &mut out);
            }
            Chunk::ToolCall(piece) => self.tool(piece, &mut out),
            Chunk::KeepAlive => {
                self.begin(&mut out);
                out.push_str(&event("ping", &json!({"type": "ping"})));
            }
            chunk => self.kept.push(chunk),
        }
        (!out.is_empty()).then(|| out.into())
    }

    pub(super) fn finish(&mut self) -> Bytes {
        let so_far = self.kept.so_far();
        if !self.about.streaming {
            return self.whole(so_far).to_string().into();
        }
        let ended = json!({
            "type": "message_delta",
            "delta": {"stop_reason": stop_reason(so_far), "stop_sequence": null},
            "usage": usage_fields(so_far.usage),
        });
        let mut out = String::new();
        self.begin(&mut out);
        self.close(&mut out);
        out.push_str(&event("message_delta", &ended));
        out.push_str(&event("message_stop", &json!({"type": "message_stop"})));
        out.into()
    }

    fn begin(&mut self, out: &mut String) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let mut message = self.message(&[]);
        message["usage"] = json!({"input_tokens": 0, "output_tokens": 0});
        let start = json!({"type": "message_start", "message": message});
        out.push_str(&event("message_start", &start));
    }

    /// Opens a block unless it is the open one, and returns its place. A tool's block that was closed is not opened
    /// again; what still comes for it goes to its place.
    fn block(&mut self, block: Block, call: Option<&ToolCallDelta>, out: &mut String) -> usize {
        self.begin(out);
        if self.open && self.blocks.last() == Some(&block) {
            return self.blocks.len() - 1;
        }
        let is_tool = matches!(block, Block::Tool(_));
        if let Some(at) = self
            .blocks
            .iter()
            .position(|known| is_tool && *known == block)
        {
            return at;
        }
        self.close(out);
        let at = self.blocks.len();
        let content = match block {
            Block::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
            Block::Text => json!({"type": "text", "text": ""}),
            Block::Tool(number) => json!({
                "type": "tool_use",
                "id": call_id(&self.about.id, number, call.and_then(|call| call.id.as_deref())),
                "name": call.and_then(|call| call.name.as_deref()).unwrap_or_default(),
                "input": {},
            }),
        };
        let start = json!({"type": "content_block_start", "index": at, "content_block": content});
        out.push_str(&event("content_block_start", &start));
        self.blocks.push(block);
        self.open = true;
        at
    }

    fn tool(&mut self, piece: &ToolCallDelta, out: &mut String) {
        let at = self.block(Block::Tool(piece.index), Some(piece), out);
        let arguments = piece
            .arguments
            .as_ref()
            .map(crate::base::ToolArguments::to_text);
        if let Some(arguments) = arguments.filter(|arguments| !arguments.is_empty()) {
            let more = json!({"type": "input_json_delta", "partial_json": arguments});
            delta(at, &more, out);
        }
    }

    fn close(&mut self, out: &mut String) {
        if std::mem::replace(&mut self.open, false) {
            let stop = json!({"type": "content_block_stop", "index": self.blocks.len() - 1});
            out.push_str(&event("content_block_stop", &stop));
        }
    }

    fn whole(&self, so_far: &LlmResponse) -> Value {
        let mut content = Vec::new();
        if !so_far.reasoning.is_empty() {
            content.push(json!({
                "type": "thinking", "thinking": so_far.reasoning, "signature": "",
            }));
        }
        let text = format!("{}{}", so_far.text, so_far.refusal);
        if !text.is_empty() {
            content.push(json!({"type": "text", "text": text}));
        }
        for (number, call) in so_far.tool_calls.iter().enumerate() {
            let input = crate::wire::ollama::arguments(&call.arguments);
            content.push(json!({
                "type": "tool_use",
                "id": call_id(&self.about.id, number, call.id.as_deref()),
                "name": call.name,
                "input": input,
            }));
        }
        let mut message = self.message(&content);
        message["stop_reason"] = stop_reason(so_far).into();
        message["usage"] = usage_fields(so_far.usage);
        message
    }

    fn message(&self, content: &[Value]) -> Value {
        json!({
            "id": self.about.id,
            "type": "message",
            "role": "assistant",
            "model": self.about.model,
            "content": content,
            "stop_reason": null,
            "stop_sequence": null,
        })
    }
}

fn delta(at: usize, delta: &Value, out: &mut String) {
    let data = json!({"type": "content_block_delta", "index": at, "delta": delta});
    out.push_str(&event("content_block_delta", &data));
}

fn call_id(answer: &str, number: usize, id: Option<&str>) -> String {
    id.map_or_else(|| format!("toolu_{answer}_{number}"), str::to_owned)
}

fn stop_reason(so_far: &LlmResponse) -> &'static str {
    match so_far.finish_reason {
        Some(FinishReason::Length) => "max_tokens",
        Some(FinishReason::ToolCalls) => "tool_use",
        Some(FinishReason::ContentFilter) => "refusal",
        Some(FinishReason::Pause) => "pause_turn",
        Some(
            FinishReason::Stop
            | FinishReason::Load
            | FinishReason::Unload
            | FinishReason::Error
            | FinishReason::Other
            | FinishReason::Unknown,
        )
        | None => "end_turn",
    }
}

/// Input counts leave out what the cache gave or took, there.
fn usage_fields(usage: Option<Usage>) -> Value {
    let usage = usage.unwrap_or_default();
    let cached = usage.cached_tokens.unwrap_or(0);
    let written = usage.cache_write_tokens.unwrap_or(0);
    let input = usage.prompt_tokens.unwrap_or(0);
    let mut fields = Map::new();
    let fresh = input.saturating_sub(cached.saturating_add(written));
    fields.insert("input_tokens".to_owned(), fresh.into());
    fields.insert(
        "output_tokens".to_owned(),
        usage.completion_tokens.unwrap_or(0).into(),
    );
    if let Some(cached) = usage.cached_tokens {
        fields.insert("cache_read_input_tokens".to_owned(), cached.into());
    }
    if let Some(written) = usage.cache_write_tokens {
        fields.insert("cache_creation_input_tokens".to_owned(), written.into());
    }
    if let Some(thinking) = usage.reasoning_tokens {
        let details = json!({"thinking_tokens": thinking});
        fields.insert("output_tokens_details".to_owned(), details);
    }
    Value::Object(fields)
}
