//! One line a conversation, as OpenAI takes it for fine-tuning: `{"messages": [{"role": "user", "content": "…"}, …]}`.

use std::io::{self, Write};

use rand::RngCore;
use serde_json::{Map, Value, json};

use super::{Imported, conversation_of};
use crate::base::{Conversation, Error, ErrorKind, Message, MessageId, ToolArguments, ToolCall};

pub(super) fn one(out: &mut dyn Write, conversation: &Conversation) -> io::Result<()> {
    let system = conversation
        .system
        .as_deref()
        .filter(|text| !text.is_empty());
    let system = system.map(|text| json!({"role": "system", "content": text}));
    let said = conversation.path().into_iter();
    let said = said
        .map(|kept| &kept.message)
        .filter(|message| !message.content.is_empty() || !message.tool_calls.is_empty());
    let messages: Vec<Value> = system.into_iter().chain(said.map(value_of)).collect();
    if messages.is_empty() {
        return Ok(());
    }
    serde_json::to_writer(&mut *out, &json!({ "messages": messages }))?;
    out.write_all(b"\n")
}

fn value_of(message: &Message) -> Value {
    let mut fields = Map::new();
    fields.insert("role".to_owned(), message.role.as_str().into());
    fields.insert("content".to_owned(), json!(message.content));
    if let Some(name) = &message.name {
        fields.insert("name".to_owned(), name.as_str().into());
    }
    if let Some(id) = &message.tool_call_id {
        fields.insert("tool_call_id".to_owned(), id.as_str().into());
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            json!({
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments.to_text()},
            })
        });
        fields.insert("tool_calls".to_owned(), calls.collect());
    }
    fields.into()
}

pub(super) fn read(
    text: &str,
    now: jiff::Timestamp,
    dice: &mut dyn RngCore,
) -> Result<Imported, Error> {
    let mut imported = Imported::default();
    let mut lines = 0;
    let mut id = MessageId::new(now, &mut &mut *dice);
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        lines += 1;
        match messages_of(line) {
            Ok(messages) => match conversation_of(messages, now, &mut id, dice) {
                Some(conversation) => imported.conversations.push(conversation),
                None => imported
                    .left_out
                    .push(format!("line {}: nothing is said in it", at + 1)),
            },
            Err(why) => imported.left_out.push(format!("line {}: {why}", at + 1)),
        }
    }
    if imported.conversations.is_empty() && lines > 0 {
        let why = imported.left_out.first().map_or("", String::as_str);
        return Err(Error::new(
            ErrorKind::Config,
            format!("no line is a conversation; {why}"),
        )
        .with_hint("each line is an object as {\"messages\": [{\"role\": \"user\", \"content\": \"...\"}]}"));
    }
    Ok(imported)
}

fn messages_of(line: &str) -> Result<Vec<Message>, String> {
    let document: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let list = document
        .get("messages")
        .and_then(Value::as_array)
        .ok_or("it has no list 'messages'")?;
    list.iter().map(message_of).collect()
}

fn message_of(value: &Value) -> Result<Message, String> {
    let mut fields = value
        .as_object()
        .ok_or("a message is not an object")?
        .clone();
    let calls = fields.remove("tool_calls").unwrap_or(Value::Null);
    // OpenAI writes no content beside tool calls.
    if fields.get("content").is_some_and(Value::is_null) {
        fields.remove("content");
    }
    let mut message: Message =
        serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
    let calls = calls.as_array().into_iter().flatten();
    message.tool_calls = calls.map(call_of).collect();
    Ok(message)
}

fn call_of(call: &Value) -> ToolCall {
    let function = call.get("function").unwrap_or(call);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    ToolCall {
        id: text(call.get("id")),
        name: text(function.get("name")),
        arguments: match function.get("arguments") {
            Some(Value::String(text)) => ToolArguments::Text(text.clone()),
            Some(value) => ToolArguments::Json(value.clone()),
            None => ToolArguments::Text(String::new()),
        },
    }
}
