//! A request body becomes a chat.

use serde_json::{Value, json};

use super::fields::{Fields, invalid};
use crate::base::{
    ChatRequest, Content, Error, Message, Part, ProviderType, Role, ToolArguments, ToolCall,
};
use crate::wire::json;

/// Reads a request for a chat. Fields that are not known stay in `extra`, `stream_options` among them; a request that
/// does not say whether to stream gets what the protocol says: OpenAI and Zhipu do not, Ollama does.
///
/// # Errors
/// `invalid_request`, naming the field and the rule.
pub fn decode_request(provider_type: ProviderType, body: &[u8]) -> Result<ChatRequest, Error> {
    let document: Value =
        json::read(body.trim_ascii()).ok_or_else(|| invalid("the body is not valid JSON"))?;
    let mut fields = Fields::new(document, "")?;
    let model = fields.string("model")?.filter(|model| !model.is_empty());
    let model = model.ok_or_else(|| invalid("'model' is required"))?;
    let is_ollama = provider_type == ProviderType::Ollama;
    let messages = fields.list("messages")?;
    if messages.is_empty() && !is_ollama {
        return Err(invalid("'messages' is required and must not be empty"));
    }
    let messages = messages
        .into_iter()
        .enumerate()
        .map(|(number, value)| message(value, number))
        .collect::<Result<_, _>>()?;
    let mut request = ChatRequest {
        model: Some(model),
        messages,
        tools: fields.list("tools")?,
        tool_choice: fields.take("tool_choice"),
        stream: fields.boolean("stream")?.unwrap_or(is_ollama),
        ..ChatRequest::default()
    };
    if is_ollama {
        let options = fields.take("options").unwrap_or_else(|| json!({}));
        let mut options = Fields::new(options, "options")?;
        sampling(&mut request, &mut options)?;
        // Negative numbers have meanings of their own there.
        match options.integer("num_predict")? {
            Some(number) if number < 0 => options.put("num_predict", number.into()),
            most => request.max_tokens = most.and_then(|most| u64::try_from(most).ok()),
        }
        let options = options.rest();
        if !options.is_empty() {
            fields.put("options", options.into());
        }
    } else {
        sampling(&mut request, &mut fields)?;
        let older = fields.count("max_tokens")?;
        request.max_tokens = fields.count("max_completion_tokens")?.or(older);
    }
    request.extra = fields.rest();
    Ok(request)
}

pub(super) fn sampling(request: &mut ChatRequest, fields: &mut Fields) -> Result<(), Error> {
    request.temperature = fields.number("temperature")?;
    request.top_p = fields.number("top_p")?;
    request.stop = fields.strings("stop")?;
    request.seed = fields.integer("seed")?;
    Ok(())
}

fn message(value: Value, number: usize) -> Result<Message, Error> {
    let mut fields = Fields::new(value, format!("messages[{number}]"))?;
    let role = match fields.string("role")?.as_deref() {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool" | "function") => Role::Tool,
        _ => {
            return Err(fields.wrong("role", "one of system, developer, user, assistant, tool"));
        }
    };
    let content = content(&mut fields)?;
    let reasoning = ["reasoning_content", "reasoning", "thinking"]
        .into_iter()
        .find_map(|field| fields.string(field).transpose())
        .transpose()?;
    let tool_calls = fields.list("tool_calls")?;
    let place = fields.place_of("tool_calls");
    let tool_calls = tool_calls
        .into_iter()
        .enumerate()
        .map(|(number, value)| tool_call(value, format!("{place}[{number}]")))
        .collect::<Result<_, _>>()?;
    let tool_name = fields.string("tool_name")?;
    Ok(Message {
        role,
        content,
        reasoning,
        tool_calls,
        tool_call_id: fields.string("tool_call_id")?,
        name: fields.string("name")?.or(tool_name),
        extra: fields.rest(),
    })
}

fn content(fields: &mut Fields) -> Result<Content, Error> {
    let content = match fields.take("content") {
        None => Content::default(),
        Some(Value::String(text)) => Content::Text(text),
        Some(Value::Array(parts)) => {
            let parts = parts.into_iter().map(|part| match part {
                Value::String(text) => Ok(Part::Text(text)),
                Value::Object(_) => Ok(Part::from(part)),
                _ => Err(fields.wrong("content", "a string or a list of parts")),
            });
            Content::Parts(parts.collect::<Result<_, _>>()?)
        }
        Some(_) => return Err(fields.wrong("content", "a string or a list of parts")),
    };
    let images = fields.strings("images")?;
    if images.is_empty() {
        return Ok(content);
    }
    let mut parts = match content {
        Content::Text(text) if text.is_empty() => Vec::new(),
        Content::Text(text) => vec![Part::Text(text)],
        Content::Parts(parts) => parts,
    };
    parts.extend(images.iter().map(|image| image_part(image)));
    Ok(Content::Parts(parts))
}

/// Makes the part of an image in base64.
pub(super) fn image_part(image: &str) -> Part {
    let url = format!("data:{};base64,{image}", media_type(image));
    Part::Other(json!({"type": "image_url", "image_url": {"url": url}}))
}

/// Ollama's images come without their kind; their first bytes in base64 tell it.
fn media_type(base64: &str) -> &'static str {
    match base64 {
        jpeg if jpeg.starts_with("/9j/") => "image/jpeg",
        gif if gif.starts_with("R0lGOD") => "image/gif",
        webp if webp.starts_with("UklGR") => "image/webp",
        _ => "image/png",
    }
}

fn tool_call(value: Value, place: String) -> Result<ToolCall, Error> {
    let mut fields = Fields::new(value, place)?;
    let id = fields.string("id")?;
    let function = fields.take("function").or_else(|| fields.take("custom"));
    let function = function.ok_or_else(|| fields.wrong("function", "there"))?;
    let mut function = Fields::new(function, fields.place_of("function"))?;
    let name = function.string("name")?;
    let arguments = function
        .take("arguments")
        .or_else(|| function.take("input"));
    Ok(ToolCall {
        id,
        name,
        arguments: match arguments {
            None => ToolArguments::Text(String::new()),
            Some(Value::String(text)) => ToolArguments::Text(text),
            Some(other) => ToolArguments::Json(other),
        },
    })
}
