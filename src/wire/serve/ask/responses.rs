//! OpenAI's Responses.

use serde_json::{Map, Value, json};

use super::{open, put, refuse, untranslatable};
use crate::base::{ChatRequest, Content, Error, Message, Part, Role, ToolArguments, ToolCall};
use crate::wire::serve::fields::{Fields, invalid};

/// Fields that ask the server to remember, to run tools of its own, or to answer later.
const ONLY_THERE: [&str; 6] = [
    "previous_response_id",
    "conversation",
    "background",
    "include",
    "prompt",
    "max_tool_calls",
];

/// Reads a request for a response.
pub(in crate::wire::serve) fn responses(body: &[u8]) -> Result<ChatRequest, Error> {
    let (mut fields, model) = open(body)?;
    let mut request = ChatRequest {
        model: Some(model),
        stream: fields.boolean("stream")?.unwrap_or(false),
        max_tokens: fields.count("max_output_tokens")?,
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        ..ChatRequest::default()
    };
    if let Some(text) = fields
        .string("instructions")?
        .filter(|text| !text.is_empty())
    {
        request.messages.push(Message::system(text));
    }
    match fields.take("input") {
        Some(Value::String(text)) => request.messages.push(Message::user(text)),
        Some(Value::Array(items)) => {
            let mut reader = Items::default();
            for (number, item) in items.into_iter().enumerate() {
                reader.item(item, &format!("input[{number}]"), &mut request.messages)?;
            }
        }
        _ => return Err(invalid("'input' is required: a string or a list of items")),
    }
    if request.messages.is_empty() {
        return Err(invalid("'input' must not be empty"));
    }
    for (number, value) in fields.list("tools")?.into_iter().enumerate() {
        request
            .tools
            .push(tool(value, &format!("tools[{number}]"))?);
    }
    request.tool_choice = match fields.take("tool_choice") {
        None => None,
        Some(word @ Value::String(_)) => Some(word),
        Some(choice) => {
            let mut choice = Fields::new(choice, "tool_choice")?;
            match (choice.string("type")?.as_deref(), choice.string("name")?) {
                (Some("function"), Some(name)) => {
                    Some(json!({"type": "function", "function": {"name": name}}))
                }
                _ => return Err(untranslatable("tool_choice")),
            }
        }
    };
    let mut extra = Map::new();
    if let Some(reasoning) = fields.take("reasoning") {
        let mut reasoning = Fields::new(reasoning, "reasoning")?;
        if let Some(effort) = reasoning.string("effort")? {
            put(&mut extra, "reasoning_effort", effort);
        }
        // Reasoning that comes is shown in full, which is more than a summary.
    }
    if let Some(text) = fields.take("text") {
        let mut text = Fields::new(text, "text")?;
        if let Some(verbosity) = text.take("verbosity") {
            put(&mut extra, "verbosity", verbosity);
        }
        if let Some(wanted) = text.take("format") {
            response_format(wanted, &mut extra)?;
        }
    }
    match fields.string("truncation")?.as_deref() {
        None | Some("disabled") => {}
        Some(_) => return Err(untranslatable("truncation")),
    }
    refuse(&mut fields, &ONLY_THERE)?;
    // Nothing is stored here, whatever is asked; the answer says so.
    fields.take("store");
    fields.take("stream_options");
    extra.extend(fields.rest());
    request.extra = extra;
    Ok(request)
}

fn response_format(wanted: Value, extra: &mut Map<String, Value>) -> Result<(), Error> {
    let mut fields = Fields::new(wanted, "text.format")?;
    match fields.string("type")?.as_deref() {
        None | Some("text") => {}
        Some("json_object") => put(extra, "response_format", json!({"type": "json_object"})),
        Some("json_schema") => {
            let schema = Value::Object(fields.rest());
            let format = json!({"type": "json_schema", "json_schema": schema});
            put(extra, "response_format", format);
        }
        Some(_) => return Err(untranslatable("text.format.type")),
    }
    Ok(())
}

fn tool(value: Value, place: &str) -> Result<Value, Error> {
    let mut fields = Fields::new(value, place)?;
    match fields.string("type")?.as_deref() {
        Some("function") => Ok(json!({"type": "function", "function": fields.rest()})),
        // Search, files, computers: OpenAI's own servers run them.
        _ => Err(untranslatable(&fields.place_of("type"))),
    }
}

/// Reads items one after another; reasoning and calls belong to the assistant's message that they stand with.
#[derive(Default)]
struct Items {
    reasoning: Option<String>,
}

impl Items {
    fn item(
        &mut self,
        value: Value,
        place: &str,
        messages: &mut Vec<Message>,
    ) -> Result<(), Error> {
        let mut fields = Fields::new(value, place)?;
        match fields.string("type")?.as_deref() {
            None | Some("message") => {
                let mut message = said(&mut fields)?;
                if message.role == Role::Assistant {
                    message.reasoning = self.reasoning.take();
                }
                messages.push(message);
            }
            Some("function_call") => {
                let call = ToolCall {
                    id: fields.string("call_id")?,
                    name: fields.string("name")?,
                    arguments: ToolArguments::Text(fields.string("arguments")?.unwrap_or_default()),
                };
                match messages.last_mut() {
                    Some(last) if last.role == Role::Assistant && self.reasoning.is_none() => {
                        last.tool_calls.push(call);
                    }
                    _ => messages.push(Message {
                        reasoning: self.reasoning.take(),
                        tool_calls: vec![call],
                        ..Message::assistant("")
                    }),
                }
            }
            Some("function_call_output") => {
                let id = fields.string("call_id")?;
                let output = match fields.take("output") {
                    Some(Value::Array(parts)) => {
                        content(parts, &fields.place_of("output"))?.to_text()
                    }
                    Some(Value::String(text)) => text,
                    None => String::new(),
                    Some(other) => other.to_string(),
                };
                messages.push(Message {
                    tool_call_id: id,
                    ..Message::text(Role::Tool, output)
                });
            }
            Some("reasoning") => {
                let texts = ["content", "summary"].into_iter().find_map(|name| {
                    let list = fields.list(name).ok()?;
                    (!list.is_empty()).then_some(list)
                });
                let texts = texts.unwrap_or_default().into_iter();
                let all: String = texts
                    .filter_map(|part| Some(part.get("text")?.as_str()?.to_owned()))
                    .collect();
                self.reasoning = Some(all).filter(|all| !all.is_empty());
            }
            Some(kind) => {
                let kind = format!("{} of type {kind}", fields.place_of("type"));
                return Err(untranslatable(&kind));
            }
        }
        Ok(())
    }
}

fn said(fields: &mut Fields) -> Result<Message, Error> {
    let role = match fields.string("role")?.as_deref() {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        _ => return Err(fields.wrong("role", "one of system, developer, user, assistant")),
    };
    let content = match fields.take("content") {
        Some(Value::String(text)) => Content::Text(text),
        Some(Value::Array(parts)) => content(parts, &fields.place_of("content"))?,
        _ => return Err(fields.wrong("content", "a string or a list of parts")),
    };
    Ok(Message {
        content,
        ..Message::text(role, "")
    })
}

fn content(values: Vec<Value>, place: &str) -> Result<Content, Error> {
    let mut parts = Vec::new();
    for (number, value) in values.into_iter().enumerate() {
        let mut fields = Fields::new(value, format!("{place}[{number}]"))?;
        match fields.string("type")?.as_deref() {
            Some("input_text" | "output_text" | "text") => {
                parts.push(Part::Text(fields.string("text")?.unwrap_or_default()));
            }
            Some("refusal") => {
                parts.push(Part::Text(fields.string("refusal")?.unwrap_or_default()));
            }
            Some("input_image") => {
                let url = fields.string("image_url")?;
                let url = url.ok_or_else(|| fields.wrong("image_url", "a string"))?;
                let mut image = Map::new();
                put(&mut image, "url", url);
                if let Some(detail) = fields.take("detail") {
                    put(&mut image, "detail", detail);
                }
                parts.push(Part::Other(
                    json!({"type": "image_url", "image_url": image}),
                ));
            }
            Some(kind) => {
                let kind = format!("{} of type {kind}", fields.place_of("type"));
                return Err(untranslatable(&kind));
            }
            None => return Err(fields.wrong("type", "a string")),
        }
    }
    let is_text = parts.iter().all(|part| matches!(part, Part::Text(_)));
    Ok(match (parts.len(), is_text) {
        (0 | 1, true) => Content::Text(Content::Parts(parts).to_text()),
        _ => Content::Parts(parts),
    })
}
