//! A chat as a request body in OpenAI's shape.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use crate::base::{ChatRequest, Content, Message, Role, ToolCall};
use crate::wire::Quirks;

/// Most compatible servers know only this name.
const MAX_TOKENS: &str = "max_tokens";

/// Makes the body for `POST {base}/chat/completions`.
pub(in crate::wire) fn encode(request: &ChatRequest, quirks: &Quirks) -> Value {
    let mut body = Map::new();
    put_messages(&mut body, request);
    body.insert("stream".to_owned(), request.stream.into());
    if request.stream && !quirks.no_stream_options {
        // Without it a stream has no usage, and the budgets would live on estimates.
        let mut options = match request.extra.get("stream_options") {
            Some(Value::Object(options)) => options.clone(),
            _ => Map::new(),
        };
        options.insert("include_usage".to_owned(), true.into());
        body.insert("stream_options".to_owned(), options.into());
    }
    let max_tokens = quirks.max_tokens_field.as_deref().unwrap_or(MAX_TOKENS);
    put(&mut body, max_tokens, request.max_tokens);
    put(&mut body, "temperature", request.temperature);
    put(&mut body, "top_p", request.top_p);
    match request.stop.as_slice() {
        [] => {}
        stop => {
            body.insert("stop".to_owned(), stop.into());
        }
    }
    put(&mut body, "seed", request.seed);
    put_tools(&mut body, request);
    put_extra(&mut body, &request.extra, |field| field == "stream_options");
    Value::Object(body)
}

/// Puts model and messages into a body.
pub(in crate::wire) fn put_messages(body: &mut Map<String, Value>, request: &ChatRequest) {
    let mut messages = Cow::Borrowed(request.messages.as_slice());
    if messages.iter().any(lacks_id) {
        assign_ids(messages.to_mut());
    }
    let messages: Vec<Value> = messages.iter().map(message).collect();
    body.insert("model".to_owned(), request.model.clone().into());
    body.insert("messages".to_owned(), messages.into());
}

/// Puts tools and the choice among them into a body.
pub(in crate::wire) fn put_tools(body: &mut Map<String, Value>, request: &ChatRequest) {
    if !request.tools.is_empty() {
        body.insert("tools".to_owned(), request.tools.clone().into());
    }
    put(body, "tool_choice", request.tool_choice.clone());
}

/// Puts a field into a body if there is a value.
pub(in crate::wire) fn put(
    body: &mut Map<String, Value>,
    field: &str,
    value: Option<impl Into<Value>>,
) {
    if let Some(value) = value {
        body.insert(field.to_owned(), value.into());
    }
}

/// Puts the fields nobody thought of into a body; what is there already stays.
pub(in crate::wire) fn put_extra(
    body: &mut Map<String, Value>,
    extra: &Map<String, Value>,
    is_taken: impl Fn(&str) -> bool,
) {
    for (field, value) in extra {
        if !body.contains_key(field) && !is_taken(field) {
            body.insert(field.clone(), value.clone());
        }
    }
}

fn lacks_id(message: &Message) -> bool {
    message.tool_calls.iter().any(|call| call.id.is_none())
}

/// Gives an id to every tool call that came without one (from Ollama, say), and to the messages that answer it:
/// this protocol pairs them by id.
fn assign_ids(messages: &mut [Message]) {
    let mut waiting: VecDeque<(String, Option<String>)> = VecDeque::new();
    for (place, message) in messages.iter_mut().enumerate() {
        if message.role == Role::Tool {
            if message.tool_call_id.is_none() {
                let same_name = waiting
                    .iter()
                    .position(|(_, name)| name.is_some() && *name == message.name);
                message.tool_call_id = waiting.remove(same_name.unwrap_or(0)).map(|(id, _)| id);
            }
            continue;
        }
        waiting.clear();
        for (number, call) in message.tool_calls.iter_mut().enumerate() {
            if call.id.is_none() {
                let id = format!("call_{place}_{number}");
                call.id = Some(id.clone());
                waiting.push_back((id, call.name.clone()));
            }
        }
    }
}

fn message(message: &Message) -> Value {
    let mut fields = Map::new();
    fields.insert("role".to_owned(), message.role.as_str().into());
    let content = match &message.content {
        Content::Text(text) if text.is_empty() && !message.tool_calls.is_empty() => Value::Null,
        Content::Text(text) => text.as_str().into(),
        Content::Parts(parts) => parts.iter().cloned().map(Value::from).collect(),
    };
    fields.insert("content".to_owned(), content);
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(tool_call).collect();
        fields.insert("tool_calls".to_owned(), calls);
    }
    put(&mut fields, "tool_call_id", message.tool_call_id.clone());
    // A tool's message is known by its call's id; the schema gives it no name.
    if message.role != Role::Tool {
        put(&mut fields, "name", message.name.clone());
    }
    put_extra(&mut fields, &message.extra, |_| false);
    Value::Object(fields)
}

fn tool_call(call: &ToolCall) -> Value {
    json!({
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments.to_text()},
    })
}
