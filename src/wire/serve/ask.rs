//! Requests of every front, read into one vocabulary: OpenAI's, for that is what most know.
//!
//! The body of a caller goes untouched to instances of the caller's own protocol, so nothing here is for them.

mod anthropic;
mod prompt;
mod responses;

use serde_json::{Map, Value, json};

use super::fields::{Fields, invalid};
use super::request::decode_request;
use crate::base::{ChatRequest, Error, ProviderType};
use crate::wire::json;

pub(super) use anthropic::anthropic;
pub(super) use prompt::{completions, generate};
pub(super) use responses::responses;

/// Reads OpenAI's chat completions.
pub(super) fn openai(body: &[u8]) -> Result<ChatRequest, Error> {
    decode_request(ProviderType::OpenAi, body)
}

/// Reads Zhipu's chat completions.
pub(super) fn zhipuai(body: &[u8]) -> Result<ChatRequest, Error> {
    let mut request = decode_request(ProviderType::ZhipuAi, body)?;
    let extra = &mut request.extra;
    if let Some(thinking) = extra.shift_remove("thinking") {
        match thinking.get("type").and_then(Value::as_str) {
            Some("disabled") => put(extra, "reasoning_effort", "none"),
            // It is what a model that can think does by itself.
            _ if thinking.is_null()
                || thinking.get("type").is_some_and(|kind| kind == "enabled") => {}
            _ => return Err(untranslatable("thinking")),
        }
    }
    if let Some(user) = extra.shift_remove("user_id") {
        put(extra, "user", user);
    }
    // Only tells its logs apart; ours have a number of their own.
    extra.shift_remove("request_id");
    if extra.shift_remove("do_sample") == Some(Value::Bool(false)) {
        request.temperature = Some(0.0);
    }
    Ok(request)
}

/// Reads Ollama's chat.
pub(super) fn ollama(body: &[u8]) -> Result<ChatRequest, Error> {
    let mut request = decode_request(ProviderType::Ollama, body)?;
    canonical_ollama(&mut request.extra)?;
    Ok(request)
}

/// Gives what Ollama alone names like this the names that others know.
fn canonical_ollama(extra: &mut Map<String, Value>) -> Result<(), Error> {
    match extra.shift_remove("format") {
        None | Some(Value::Null) => {}
        Some(Value::String(word)) if word.is_empty() => {}
        Some(Value::String(word)) if word == "json" => {
            put(extra, "response_format", json!({"type": "json_object"}));
        }
        Some(schema @ Value::Object(_)) => {
            let schema = json!({"name": "answer", "schema": schema});
            put(
                extra,
                "response_format",
                json!({"type": "json_schema", "json_schema": schema}),
            );
        }
        Some(_) => return Err(invalid("'format' must be \"json\" or a JSON schema")),
    }
    match extra.shift_remove("think") {
        // Thinking is what a model that can does by itself.
        None | Some(Value::Null | Value::Bool(true)) => {}
        Some(Value::Bool(false)) => put(extra, "reasoning_effort", "none"),
        Some(Value::String(level)) => put(extra, "reasoning_effort", level),
        Some(_) => return Err(invalid("'think' must be true, false or a level")),
    }
    // Those that others know too; the rest stays where it is, for Ollama alone.
    if let Some(Value::Object(mut options)) = extra.shift_remove("options") {
        for name in crate::wire::ollama::OPTIONS {
            if let Some(value) = options.shift_remove(name) {
                put(extra, name, value);
            }
        }
        if !options.is_empty() {
            put(extra, "options", options);
        }
    }
    Ok(())
}

fn put(fields: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    fields.insert(name.to_owned(), value.into());
}

/// Opens the body of a request, with its model taken out.
fn open(body: &[u8]) -> Result<(Fields, String), Error> {
    let document: Value =
        json::read(body.trim_ascii()).ok_or_else(|| invalid("the body is not valid JSON"))?;
    let mut fields = Fields::new(document, "")?;
    let model = fields.string("model")?.filter(|model| !model.is_empty());
    let model = model.ok_or_else(|| invalid("'model' is required"))?;
    Ok((fields, model))
}

/// Makes the error for what has no counterpart elsewhere.
fn untranslatable(field: &str) -> Error {
    invalid(format!(
        "'{field}' cannot be translated to any instance of this pool; leave it out"
    ))
}

/// Refuses fields that ask for something, when it is more than nothing.
fn refuse(fields: &mut Fields, names: &[&str]) -> Result<(), Error> {
    for name in names {
        let asks = match fields.take(name) {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Array(list)) => !list.is_empty(),
            Some(Value::String(text)) => !text.is_empty(),
            Some(_) => true,
        };
        if asks {
            return Err(untranslatable(&fields.place_of(name)));
        }
    }
    Ok(())
}
