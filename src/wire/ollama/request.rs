//! A chat as a request body for Ollama.

use serde_json::{Map, Value, json};

use crate::base::{ChatRequest, Content, Message, Part, Role, ToolArguments};
use crate::wire::openai::{put, put_extra};

/// Fields that others know at the top and Ollama among its options.
pub(in crate::wire) const OPTIONS: [&str; 6] = [
    "frequency_penalty",
    "presence_penalty",
    "repeat_penalty",
    "top_k",
    "min_p",
    "num_ctx",
];

/// Fields of OpenAI's that are translated here.
const TRANSLATED: [&str; 3] = ["response_format", "reasoning_effort", "stream_options"];

/// Makes the body for `POST {base}/api/chat`.
pub(in crate::wire) fn encode(request: &ChatRequest) -> Value {
    let mut body = Map::new();
    let messages: Vec<Value> = request
        .messages
        .iter()
        .enumerate()
        .map(|(place, message)| {
            let earlier = request.messages.get(..place).unwrap_or_default();
            encode_message(message, earlier)
        })
        .collect();
    body.insert("model".to_owned(), request.model.clone().into());
    body.insert("messages".to_owned(), messages.into());
    body.insert("stream".to_owned(), request.stream.into());
    // Ollama knows no tool choice; without tools none is called.
    let calls_none = request.tool_choice.as_ref().and_then(Value::as_str) == Some("none");
    if !request.tools.is_empty() && !calls_none {
        body.insert("tools".to_owned(), request.tools.clone().into());
    }
    if !calls_none {
        put(&mut body, "tool_choice", request.tool_choice.clone());
    }
    if !request.extra.contains_key("format") {
        let format = request.extra.get("response_format").and_then(format);
        put(&mut body, "format", format);
    }
    if !request.extra.contains_key("think") {
        let think = request.extra.get("reasoning_effort").and_then(think);
        put(&mut body, "think", think);
    }
    let options = options(request);
    if !options.is_empty() {
        body.insert("options".to_owned(), options.into());
    }
    put_extra(&mut body, &request.extra, |field| {
        OPTIONS.contains(&field) || TRANSLATED.contains(&field)
    });
    Value::Object(body)
}

fn options(request: &ChatRequest) -> Map<String, Value> {
    let mut options = match request.extra.get("options") {
        Some(Value::Object(options)) => options.clone(),
        _ => Map::new(),
    };
    for name in OPTIONS {
        let value = request.extra.get(name).filter(|value| !value.is_null());
        put(&mut options, name, value.cloned());
    }
    put(&mut options, "num_predict", request.max_tokens);
    put(&mut options, "temperature", request.temperature);
    put(&mut options, "top_p", request.top_p);
    put(&mut options, "seed", request.seed);
    if !request.stop.is_empty() {
        options.insert("stop".to_owned(), request.stop.clone().into());
    }
    options
}

/// Translates OpenAI's `response_format`.
fn format(wanted: &Value) -> Option<Value> {
    match wanted.get("type")?.as_str()? {
        "json_object" => Some("json".into()),
        "json_schema" => wanted.get("json_schema")?.get("schema").cloned(),
        _ => None,
    }
}

/// Translates OpenAI's `reasoning_effort`.
fn think(effort: &Value) -> Option<Value> {
    Some(match effort.as_str()? {
        "none" => false.into(),
        "minimal" | "low" => "low".into(),
        "medium" => "medium".into(),
        "high" => "high".into(),
        "xhigh" | "max" => "max".into(),
        _ => return None,
    })
}

fn encode_message(message: &Message, earlier: &[Message]) -> Value {
    let mut fields = Map::new();
    fields.insert("role".to_owned(), message.role.as_str().into());
    let (text, images) = text_and_images(&message.content);
    fields.insert("content".to_owned(), text.into());
    if !images.is_empty() {
        fields.insert("images".to_owned(), images.into());
    }
    put(&mut fields, "thinking", message.reasoning.clone());
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            let mut function = Map::new();
            put(&mut function, "name", call.name.clone());
            function.insert("arguments".to_owned(), arguments(&call.arguments));
            let mut sent = Map::new();
            put(&mut sent, "id", call.id.clone());
            sent.insert("function".to_owned(), function.into());
            Value::Object(sent)
        });
        fields.insert("tool_calls".to_owned(), calls.collect());
    }
    if message.role == Role::Tool {
        let name = message.name.clone().or_else(|| called(message, earlier));
        put(&mut fields, "tool_name", name);
        put(&mut fields, "tool_call_id", message.tool_call_id.clone());
    }
    put_extra(&mut fields, &message.extra, |_| false);
    Value::Object(fields)
}

/// Finds the name of the tool whose call a message answers.
fn called(message: &Message, earlier: &[Message]) -> Option<String> {
    let id = message.tool_call_id.as_ref()?;
    let calls = earlier.iter().rev().flat_map(|message| &message.tool_calls);
    calls
        .into_iter()
        .find(|call| call.id.as_ref() == Some(id))?
        .name
        .clone()
}

/// Splits content into the text and the images that Ollama takes. What it cannot take is named in the text, so that
/// neither the model nor the reader is left to guess.
fn text_and_images(content: &Content) -> (String, Vec<String>) {
    let parts = match content {
        Content::Text(text) => return (text.clone(), Vec::new()),
        Content::Parts(parts) => parts,
    };
    let mut text = String::new();
    let mut images = Vec::new();
    for part in parts {
        let value = match part {
            Part::Text(more) => {
                text.push_str(more);
                continue;
            }
            Part::Other(value) => value,
        };
        let field = |name: &str| value.get(name).and_then(Value::as_str);
        match field("type") {
            Some("text") => text.push_str(field("text").unwrap_or_default()),
            kind => match embedded_image(value) {
                Some(image) => images.push(image.to_owned()),
                None => {
                    let kind = kind.unwrap_or("part");
                    text.push_str("[an ");
                    text.push_str(kind);
                    text.push_str(" was left out: only text and embedded images can be sent here]");
                }
            },
        }
    }
    (text, images)
}

/// Returns the base64 of an image that is embedded as a `data:` URL.
fn embedded_image(part: &Value) -> Option<&str> {
    let image = part.get("image_url")?;
    let url = image.get("url").unwrap_or(image).as_str()?;
    let (head, base64) = url.strip_prefix("data:")?.split_once(',')?;
    head.ends_with(";base64").then_some(base64)
}

/// Returns the arguments as the object that Ollama insists on.
pub(in crate::wire) fn arguments(arguments: &ToolArguments) -> Value {
    match arguments.parse() {
        Ok(object @ Value::Object(_)) => object,
        Ok(Value::Null) => json!({}),
        Ok(other) => json!({ "arguments": other }),
        Err(_) => json!({ "arguments": arguments.to_text() }),
    }
}
