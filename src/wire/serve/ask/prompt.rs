//! The two protocols that send one prompt: OpenAI's old completions, and Ollama's generate. It becomes a user message.

use serde_json::{Value, json};

use super::{canonical_ollama, open, refuse};
use crate::base::{ChatRequest, Content, Error, Message, Part, Role};
use crate::wire::serve::fields::{Fields, invalid};
use crate::wire::serve::request::{image_part, sampling};

/// Reads a request for a completion.
pub(in crate::wire::serve) fn completions(body: &[u8]) -> Result<ChatRequest, Error> {
    let (mut fields, model) = open(body)?;
    let prompt = match fields.take("prompt") {
        Some(Value::String(prompt)) => prompt,
        Some(Value::Array(mut list)) if list.len() == 1 && list[0].is_string() => {
            match list.remove(0) {
                Value::String(prompt) => prompt,
                _ => String::new(),
            }
        }
        Some(Value::Array(_)) => {
            return Err(invalid(
                "'prompt' must be one text: several at once, and tokens, cannot be translated",
            ));
        }
        _ => return Err(invalid("'prompt' is required and must be a string")),
    };
    refuse(&mut fields, &["suffix", "echo", "logprobs"])?;
    for name in ["n", "best_of"] {
        if fields.count(name)?.is_some_and(|count| count > 1) {
            return Err(super::untranslatable(name));
        }
    }
    let mut request = ChatRequest {
        model: Some(model),
        messages: vec![Message::user(prompt)],
        stream: fields.boolean("stream")?.unwrap_or(false),
        ..ChatRequest::default()
    };
    sampling(&mut request, &mut fields)?;
    request.max_tokens = fields.count("max_tokens")?;
    request.extra = fields.rest();
    Ok(request)
}

/// Reads a request for a generation.
pub(in crate::wire::serve) fn generate(body: &[u8]) -> Result<ChatRequest, Error> {
    let (mut fields, model) = open(body)?;
    refuse(&mut fields, &["suffix", "template", "raw", "context"])?;
    let prompt = fields.string("prompt")?.unwrap_or_default();
    let images = fields.strings("images")?;
    let mut messages = Vec::new();
    if let Some(system) = fields.string("system")?.filter(|system| !system.is_empty()) {
        messages.push(Message::system(system));
    }
    // Without a prompt Ollama just loads the model.
    if !prompt.is_empty() || !images.is_empty() {
        let mut message = Message::text(Role::User, prompt.as_str());
        if !images.is_empty() {
            let mut parts = Vec::new();
            if !prompt.is_empty() {
                parts.push(Part::Text(prompt));
            }
            parts.extend(images.iter().map(|image| image_part(image)));
            message.content = Content::Parts(parts);
        }
        messages.push(message);
    }
    if messages.is_empty() {
        return Err(invalid("'prompt' is required and must not be empty"));
    }
    let mut request = ChatRequest {
        model: Some(model),
        messages,
        stream: fields.boolean("stream")?.unwrap_or(true),
        ..ChatRequest::default()
    };
    let options = fields.take("options").unwrap_or_else(|| json!({}));
    let mut options = Fields::new(options, "options")?;
    sampling(&mut request, &mut options)?;
    if let Some(most) = options.integer("num_predict")? {
        // Negative numbers mean no bound.
        request.max_tokens = u64::try_from(most).ok();
    }
    let options = options.rest();
    if !options.is_empty() {
        fields.put("options", options.into());
    }
    request.extra = fields.rest();
    canonical_ollama(&mut request.extra)?;
    Ok(request)
}
