//! OpenAI's responses: a list of items, each added, continued and done, with every event numbered.

use bytes::Bytes;
use serde_json::{Value, json};

use super::About;
use crate::base::{Answer, Chunk, FinishReason, LlmResponse, ToolCallDelta, Usage};

/// An item of the output.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    Reasoning(String),
    Text(String),
    Refusal(String),
    Call {
        number: usize,
        id: String,
        name: String,
        arguments: String,
    },
}

impl Item {
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Call { number, .. }, Self::Call { number: other, .. }) => number == other,
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        }
    }
}

/// A response under way.
pub(super) struct Responses {
    about: About,
    kept: Answer,
    items: Vec<Item>,
    /// Whether the last item is open.
    open: bool,
    begun: bool,
    events: u64,
}

impl Responses {
    pub(super) fn new(about: About) -> Self {
        Self {
            about,
            kept: Answer::default(),
            items: Vec::new(),
            open: false,
            begun: false,
            events: 0,
        }
    }

    pub(super) fn chunk(&mut self, chunk: &Chunk) -> Option<Bytes> {
        let mut out = String::new();
        match chunk {
            Chunk::Text(text) => self.add(Item::Text(text.clone()), &mut out),
            Chunk::Refusal(text) => self.add(Item::Refusal(text.clone()), &mut out),
            Chunk::Reasoning(text) => self.add(Item::Reasoning(text.clone()), &mut out),
            Chunk::ToolCall(piece) => self.call(piece, &mut out),
            Chunk::KeepAlive => out.push_str(": keep-alive\n\n"),
            Chunk::Done(_) => {}
            chunk => self.kept.push(chunk),
        }
        (self.about.streaming && !out.is_empty()).then(|| out.into())
    }

    pub(super) fn finish(&mut self) -> Bytes {
        let mut out = String::new();
        self.begin(&mut out);
        self.close(&mut out);
        let so_far = self.kept.so_far();
        let cut = match so_far.finish_reason {
            Some(FinishReason::Length) => Some("max_output_tokens"),
            Some(FinishReason::ContentFilter) => Some("content_filter"),
            _ => None,
        };
        let status = if cut.is_some() {
            "incomplete"
        } else {
            "completed"
        };
        let mut response = self.response(status);
        response["incomplete_details"] = cut.map_or(Value::Null, |why| json!({"reason": why}));
        response["output"] = self.output();
        response["usage"] = usage_fields(so_far);
        if !self.about.streaming {
            return response.to_string().into();
        }
        let name = format!("response.{status}");
        self.put(&name, json!({"response": response}), &mut out);
        out.into()
    }

    /// Gives the event of a failure; clients look for an `error` in it.
    pub(super) fn error(&mut self, body: &Value) -> Bytes {
        let mut out = String::new();
        let error = body["error"].clone();
        let (code, message) = (error["code"].clone(), error["message"].clone());
        let data = json!({"error": error, "code": code, "message": message, "param": null});
        self.put("error", data, &mut out);
        out.into()
    }

    /// Continues the open item, or closes it and begins another one.
    fn add(&mut self, more: Item, out: &mut String) {
        self.begin(out);
        let continues = self.open && self.items.last().is_some_and(|last| last.is_like(&more));
        if !continues {
            self.close(out);
            self.open_item(&more, out);
        }
        let at = self.items.len() - 1;
        let id = self.item_id(at);
        match (self.items.last_mut(), more) {
            (Some(Item::Reasoning(all)), Item::Reasoning(text)) => {
                all.push_str(&text);
                let data =
                    json!({"item_id": id, "output_index": at, "content_index": 0, "delta": text});
                self.put("response.reasoning_text.delta", data, out);
            }
            (Some(Item::Text(all)), Item::Text(text)) => {
                all.push_str(&text);
                let data = json!({
                    "item_id": id, "output_index": at, "content_index": 0, "delta": text, "logprobs": [],
                });
                self.put("response.output_text.delta", data, out);
            }
            (Some(Item::Refusal(all)), Item::Refusal(text)) => {
                all.push_str(&text);
                let data =
                    json!({"item_id": id, "output_index": at, "content_index": 0, "delta": text});
                self.put("response.refusal.delta", data, out);
            }
            _ => {}
        }
    }

    fn call(&mut self, piece: &ToolCallDelta, out: &mut String) {
        self.begin(out);
        let known = self
            .items
            .iter()
            .position(|item| matches!(item, Item::Call { number, .. } if *number == piece.index));
        let at = known.unwrap_or_else(|| {
            self.close(out);
            let id = piece.id.clone();
            let call = Item::Call {
                number: piece.index,
                id: id.unwrap_or_else(|| format!("call_{}_{}", self.about.id, piece.index)),
                name: piece.name.clone().unwrap_or_default(),
                arguments: String::new(),
            };
            self.open_item(&call, out);
            self.items.len() - 1
        });
        let more = piece
            .arguments
            .as_ref()
            .map(crate::base::ToolArguments::to_text);
        if let Some(more) = more.filter(|more| !more.is_empty()) {
            if let Some(Item::Call { arguments, .. }) = self.items.get_mut(at) {
                arguments.push_str(&more);
            }
            let data = json!({"item_id": self.item_id(at), "output_index": at, "delta": more});
            self.put("response.function_call_arguments.delta", data, out);
        }
    }

    fn begin(&mut self, out: &mut String) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let response = self.response("in_progress");
        self.put("response.created", json!({"response": response}), out);
        self.put("response.in_progress", json!({"response": response}), out);
    }

    fn open_item(&mut self, first: &Item, out: &mut String) {
        let empty = match first {
            Item::Reasoning(_) => Item::Reasoning(String::new()),
            Item::Text(_) => Item::Text(String::new()),
            Item::Refusal(_) => Item::Refusal(String::new()),
            call @ Item::Call { .. } => call.clone(),
        };
        self.items.push(empty);
        self.open = true;
        let at = self.items.len() - 1;
        let mut item = self.item(at, "in_progress");
        if matches!(first, Item::Text(_) | Item::Refusal(_)) {
            item["content"] = json!([]);
        }
        self.put(
            "response.output_item.added",
            json!({"output_index": at, "item": item}),
            out,
        );
        if let Some(part) = self.part(at) {
            let data = json!({
                "item_id": self.item_id(at), "output_index": at, "content_index": 0, "part": part,
            });
            self.put("response.content_part.added", data, out);
        }
    }

    fn close(&mut self, out: &mut String) {
        if !std::mem::replace(&mut self.open, false) {
            return;
        }
        let at = self.items.len() - 1;
        let id = self.item_id(at);
        let (name, data) = match &self.items[at] {
            Item::Reasoning(text) => (
                "response.reasoning_text.done",
                json!({"item_id": id, "output_index": at, "content_index": 0, "text": text}),
            ),
            Item::Text(text) => (
                "response.output_text.done",
                json!({"item_id": id, "output_index": at, "content_index": 0, "text": text, "logprobs": []}),
            ),
            Item::Refusal(text) => (
                "response.refusal.done",
                json!({"item_id": id, "output_index": at, "content_index": 0, "refusal": text}),
            ),
            Item::Call {
                name, arguments, ..
            } => (
                "response.function_call_arguments.done",
                json!({"item_id": id, "output_index": at, "name": name, "arguments": arguments}),
            ),
        };
        self.put(name, data, out);
        if let Some(part) = self.part(at) {
            let data = json!({"item_id": id, "output_index": at, "content_index": 0, "part": part});
            self.put("response.content_part.done", data, out);
        }
        let item = self.item(at, "completed");
        self.put(
            "response.output_item.done",
            json!({"output_index": at, "item": item}),
            out,
        );
    }

    fn put(&mut self, name: &str, data: Value, out: &mut String) {
        if !self.about.streaming {
            return;
        }
        let mut fields = serde_json::Map::new();
        fields.insert("type".to_owned(), name.into());
        fields.insert("sequence_number".to_owned(), self.events.into());
        self.events += 1;
        if let Value::Object(data) = data {
            fields.extend(data);
        }
        out.push_str(&super::event(name, &Value::Object(fields)));
    }

    fn item_id(&self, at: usize) -> String {
        let kind = match self.items.get(at) {
            Some(Item::Reasoning(_)) => "rs",
            Some(Item::Call { .. }) => "fc",
            Some(Item::Text(_) | Item::Refusal(_)) | None => "msg",
        };
        format!("{kind}_{}_{at}", self.about.id)
    }

    /// The part of a message; the other items have none.
    fn part(&self, at: usize) -> Option<Value> {
        match self.items.get(at)? {
            Item::Text(text) => Some(
                json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []}),
            ),
            Item::Refusal(text) => Some(json!({"type": "refusal", "refusal": text})),
            Item::Reasoning(_) | Item::Call { .. } => None,
        }
    }

    fn item(&self, at: usize, status: &str) -> Value {
        let id = self.item_id(at);
        match &self.items[at] {
            Item::Reasoning(text) => json!({
                "id": id, "type": "reasoning", "summary": [],
                "content": [{"type": "reasoning_text", "text": text}],
            }),
            Item::Text(_) | Item::Refusal(_) => json!({
                "id": id, "type": "message", "status": status, "role": "assistant",
                "content": [self.part(at)],
            }),
            Item::Call {
                id: call,
                name,
                arguments,
                ..
            } => json!({
                "id": id, "type": "function_call", "status": status,
                "call_id": call, "name": name, "arguments": arguments,
            }),
        }
    }

    fn output(&self) -> Value {
        (0..self.items.len())
            .map(|at| self.item(at, "completed"))
            .collect()
    }

    fn response(&self, status: &str) -> Value {
        json!({
            "id": self.about.id,
            "object": "response",
            "created_at": self.about.created_unix,
            "status": status,
            "error": null,
            "incomplete_details": null,
            "instructions": null,
            "metadata": {},
            "model": self.about.model,
            "output": [],
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "store": false,
            "temperature": null,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": null,
            "truncation": "disabled",
            "usage": null,
        })
    }
}

fn usage_fields(so_far: &LlmResponse) -> Value {
    let Some(usage) = so_far.usage else {
        return Value::Null;
    };
    let Usage {
        prompt_tokens,
        completion_tokens,
        cached_tokens,
        reasoning_tokens,
        cache_write_tokens,
        ..
    } = usage;
    let mut fields = json!({
        "input_tokens": prompt_tokens.unwrap_or(0),
        "input_tokens_details": {"cached_tokens": cached_tokens.unwrap_or(0)},
        "output_tokens": completion_tokens.unwrap_or(0),
        "output_tokens_details": {"reasoning_tokens": reasoning_tokens.unwrap_or(0)},
        "total_tokens": usage.total().unwrap_or(0),
    });
    if let Some(written) = cache_write_tokens {
        fields["input_tokens_details"]["cache_write_tokens"] = written.into();
    }
    fields
}
