//! Anthropic's Messages.

use serde_json::{Map, Value, json};

use super::{open, put, refuse, untranslatable};
use crate::base::{ChatRequest, Content, Error, Message, Part, Role, ToolArguments, ToolCall};
use crate::wire::serve::fields::{Fields, invalid};

/// Reads a request for a message.
pub(in crate::wire::serve) fn anthropic(body: &[u8]) -> Result<ChatRequest, Error> {
    let (mut fields, model) = open(body)?;
    let mut request = ChatRequest {
        model: Some(model),
        stream: fields.boolean("stream")?.unwrap_or(false),
        max_tokens: fields.count("max_tokens")?,
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        stop: fields.strings("stop_sequences")?,
        ..ChatRequest::default()
    };
    if request.max_tokens.is_none() {
        return Err(invalid("'max_tokens' is required"));
    }
    if let Some(system) = fields.take("system") {
        let text = text_of(system, "system")?;
        if !text.is_empty() {
            request.messages.push(Message::system(text));
        }
    }
    let messages = fields.list("messages")?;
    if messages.is_empty() {
        return Err(invalid("'messages' is required and must not be empty"));
    }
    for (number, value) in messages.into_iter().enumerate() {
        message(value, &format!("messages[{number}]"), &mut request.messages)?;
    }
    for (number, value) in fields.list("tools")?.into_iter().enumerate() {
        request
            .tools
            .push(tool(value, &format!("tools[{number}]"))?);
    }
    let mut extra = Map::new();
    if let Some(choice) = fields.take("tool_choice") {
        tool_choice(choice, &mut request, &mut extra)?;
    }
    if let Some(thinking) = fields.take("thinking") {
        think(&thinking, &mut extra)?;
    }
    if let Some(metadata) = fields.take("metadata")
        && let Some(user) = metadata.get("user_id").filter(|user| user.is_string())
    {
        put(&mut extra, "user", user.clone());
    }
    // It chooses among price classes that only Anthropic has; its usual ones ask for nothing.
    match fields.string("service_tier")?.as_deref() {
        None | Some("auto" | "standard_only") => {}
        Some(_) => return Err(untranslatable("service_tier")),
    }
    refuse(
        &mut fields,
        &[
            "mcp_servers",
            "container",
            "context_management",
            "output_config",
            "output_format",
        ],
    )?;
    extra.extend(fields.rest());
    request.extra = extra;
    Ok(request)
}

fn think(thinking: &Value, extra: &mut Map<String, Value>) -> Result<(), Error> {
    match thinking.get("type").and_then(Value::as_str) {
        Some("disabled" | "adaptive") => {}
        Some("enabled") => {
            let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
            let effort = match budget.unwrap_or(0) {
                0..=2_048 => "low",
                2_049..=8_192 => "medium",
                _ => "high",
            };
            put(extra, "reasoning_effort", effort);
        }
        _ => {
            return Err(invalid(
                "'thinking.type' must be enabled, disabled or adaptive",
            ));
        }
    }
    Ok(())
}

fn tool_choice(
    choice: Value,
    request: &mut ChatRequest,
    extra: &mut Map<String, Value>,
) -> Result<(), Error> {
    let mut fields = Fields::new(choice, "tool_choice")?;
    if fields.boolean("disable_parallel_tool_use")? == Some(true) {
        put(extra, "parallel_tool_calls", false);
    }
    let name = fields.string("name")?;
    request.tool_choice = Some(match (fields.string("type")?.as_deref(), name) {
        (Some("auto"), _) => "auto".into(),
        (Some("any"), _) => "required".into(),
        (Some("none"), _) => "none".into(),
        (Some("tool"), Some(name)) => json!({"type": "function", "function": {"name": name}}),
        _ => return Err(fields.wrong("type", "auto, any, none, or tool with a name")),
    });
    Ok(())
}

fn tool(value: Value, place: &str) -> Result<Value, Error> {
    let mut fields = Fields::new(value, place)?;
    match fields.string("type")?.as_deref() {
        None | Some("custom") => {}
        // Tools that only Anthropic's servers run.
        Some(_) => return Err(untranslatable(&fields.place_of("type"))),
    }
    let name = fields.string("name")?;
    let name = name.ok_or_else(|| fields.wrong("name", "a string"))?;
    let mut function = Map::new();
    put(&mut function, "name", name);
    if let Some(description) = fields.string("description")? {
        put(&mut function, "description", description);
    }
    let schema = fields.take("input_schema");
    put(
        &mut function,
        "parameters",
        schema.unwrap_or_else(|| json!({"type": "object"})),
    );
    Ok(json!({"type": "function", "function": function}))
}

/// Reads a message; results of tools become messages of their own, before what else it says.
fn message(value: Value, place: &str, messages: &mut Vec<Message>) -> Result<(), Error> {
    let mut fields = Fields::new(value, place)?;
    let role = match fields.string("role")?.as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        _ => return Err(fields.wrong("role", "user or assistant")),
    };
    let place = fields.place_of("content");
    let blocks = match fields.take("content") {
        Some(Value::String(text)) => {
            messages.push(Message::text(role, text));
            return Ok(());
        }
        Some(Value::Array(blocks)) => blocks,
        _ => return Err(fields.wrong("content", "a string or a list of blocks")),
    };
    let mut said = Message::text(role, "");
    let mut parts = Vec::new();
    for (number, block) in blocks.into_iter().enumerate() {
        let mut block = Fields::new(block, format!("{place}[{number}]"))?;
        match block.string("type")?.as_deref() {
            Some("text") => parts.push(Part::Text(block.string("text")?.unwrap_or_default())),
            Some("image") => parts.push(image(&mut block)?),
            Some("thinking") => {
                let more = block.string("thinking")?.unwrap_or_default();
                said.reasoning.get_or_insert_default().push_str(&more);
            }
            Some("tool_use") => said.tool_calls.push(ToolCall {
                id: block.string("id")?,
                name: block.string("name")?,
                arguments: ToolArguments::Json(block.take("input").unwrap_or_else(|| json!({}))),
            }),
            Some("tool_result") => messages.push(tool_result(&mut block)?),
            Some(kind) => {
                let kind = format!("{} of type {kind}", block.place_of("type"));
                return Err(untranslatable(&kind));
            }
            None => return Err(block.wrong("type", "a string")),
        }
    }
    let is_text = parts.iter().all(|part| matches!(part, Part::Text(_)));
    said.content = match (parts.len(), is_text) {
        (0 | 1, true) => Content::Text(Content::Parts(parts).to_text()),
        _ => Content::Parts(parts),
    };
    if !said.content.is_empty() || !said.tool_calls.is_empty() || said.reasoning.is_some() {
        messages.push(said);
    }
    Ok(())
}

fn image(block: &mut Fields) -> Result<Part, Error> {
    let source = block.take("source");
    let source = source.ok_or_else(|| block.wrong("source", "there"))?;
    let mut source = Fields::new(source, block.place_of("source"))?;
    let url = match source.string("type")?.as_deref() {
        Some("base64") => {
            let kind = source.string("media_type")?.unwrap_or_default();
            let data = source.string("data")?.unwrap_or_default();
            format!("data:{kind};base64,{data}")
        }
        Some("url") => source.string("url")?.unwrap_or_default(),
        _ => return Err(untranslatable(&source.place_of("type"))),
    };
    Ok(Part::Other(
        json!({"type": "image_url", "image_url": {"url": url}}),
    ))
}

fn tool_result(block: &mut Fields) -> Result<Message, Error> {
    let id = block.string("tool_use_id")?;
    let id = id.ok_or_else(|| block.wrong("tool_use_id", "a string"))?;
    let is_error = block.boolean("is_error")?.unwrap_or(false);
    let text = match block.take("content") {
        None => String::new(),
        Some(content) => text_of(content, &block.place_of("content"))?,
    };
    // No other protocol can say that a tool failed, so it is said in words.
    let text = if is_error {
        format!("The tool failed: {text}")
    } else {
        text
    };
    Ok(Message {
        tool_call_id: Some(id),
        ..Message::text(Role::Tool, text)
    })
}

/// Reads what must be text: a string, or blocks of text.
fn text_of(value: Value, place: &str) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(text),
        Value::Array(blocks) => {
            let mut all = String::new();
            for (number, block) in blocks.into_iter().enumerate() {
                let mut block = Fields::new(block, format!("{place}[{number}]"))?;
                match block.string("type")?.as_deref() {
                    Some("text") => all.push_str(&block.string("text")?.unwrap_or_default()),
                    _ => return Err(untranslatable(&block.place_of("type"))),
                }
            }
            Ok(all)
        }
        _ => Err(invalid(format!(
            "'{place}' must be a string or a list of text blocks"
        ))),
    }
}
