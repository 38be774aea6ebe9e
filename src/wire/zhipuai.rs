//! What Zhipu (Z.ai) does differently: signed tokens, and limits on request fields. Its answers are read like
//! OpenAI's; its error codes are known to [`super::classify()`].

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Map, Value, json};

use super::openai::{put_extra, put_messages};
use crate::base::{ChatRequest, Error, ErrorKind, Role};

/// Signs a token from an `id.secret` key, good for `ttl_ms` milliseconds from `now_ms` (Unix time).
///
/// # Errors
/// `config` when the key has not exactly two parts. The key is not in the message.
pub fn token(api_key: &str, now_ms: u64, ttl_ms: u64) -> Result<String, Error> {
    let (id, secret) = api_key
        .split_once('.')
        .filter(|(id, secret)| !id.is_empty() && !secret.is_empty() && !secret.contains('.'))
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "this key cannot sign tokens: it is not of the form id.secret",
            )
            .with_hint(
                "use a key of the form id.secret, or send the key as it is (auth = \"bearer\")",
            )
        })?;
    let header = json!({"alg": "HS256", "sign_type": "SIGN", "typ": "JWT"});
    let payload = json!({
        "api_key": id,
        "exp": now_ms.saturating_add(ttl_ms),
        "timestamp": now_ms,
    });
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encoded(&header), encoded(&payload));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    Ok(format!("{signed}.{signature}"))
}

/// Makes the body for `POST {base}/chat/completions`.
pub(super) fn encode(request: &ChatRequest, quirks: &super::Quirks) -> Value {
    let mut body = Map::new();
    put_messages(&mut body, request);
    put_reasoning(&mut body, request);
    body.insert("stream".to_owned(), request.stream.into());
    let max_tokens = quirks.max_tokens_field.as_deref().unwrap_or("max_tokens");
    super::openai::put(&mut body, max_tokens, request.max_tokens);
    if let Some(temperature) = request.temperature {
        put_temperature(&mut body, temperature);
    }
    let top_p = request.top_p.map(|top_p| top_p.clamp(0.01, 1.0));
    super::openai::put(&mut body, "top_p", top_p);
    if let Some(first) = request.stop.first() {
        // At most one is accepted.
        body.insert("stop".to_owned(), json!([first]));
    }
    super::openai::put(&mut body, "seed", request.seed);
    // "none" is not known there; a request without tools means the same.
    if request.tool_choice.as_ref().and_then(Value::as_str) != Some("none") {
        super::openai::put_tools(&mut body, request);
    }
    if let Some(effort) = request
        .extra
        .get("reasoning_effort")
        .and_then(Value::as_str)
        && !request.extra.contains_key("thinking")
    {
        let kind = if effort == "none" {
            "disabled"
        } else {
            "enabled"
        };
        body.insert("thinking".to_owned(), json!({"type": kind}));
    }
    put_extra(&mut body, &request.extra, |field| {
        field == "reasoning_effort"
    });
    Value::Object(body)
}

/// Reasoning goes back unchanged together with the tool calls that came of it.
fn put_reasoning(body: &mut Map<String, Value>, request: &ChatRequest) {
    let Some(Value::Array(messages)) = body.get_mut("messages") else {
        return;
    };
    for (sent, message) in messages.iter_mut().zip(&request.messages) {
        if message.role == Role::Assistant
            && !message.tool_calls.is_empty()
            && let Some(reasoning) = &message.reasoning
            && let Some(fields) = sent.as_object_mut()
        {
            fields.insert("reasoning_content".to_owned(), reasoning.as_str().into());
        }
    }
}

/// Does as the official SDK does: its range is open at both ends, and none means no sampling.
fn put_temperature(body: &mut Map<String, Value>, temperature: f64) {
    if temperature <= 0.0 {
        body.insert("do_sample".to_owned(), false.into());
    }
    let within = match temperature {
        low if low <= 0.0 => 0.01,
        high if high >= 1.0 => 0.99,
        other => other,
    };
    body.insert("temperature".to_owned(), within.into());
}
