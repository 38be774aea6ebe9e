//! Embeddings: texts as vectors. One request, one document; what differs is small.

use base64::Engine;
use serde_json::{Map, Value, json};

use super::json;
use crate::base::{Error, ErrorKind, ProviderType, Usage};

/// Returns where embeddings are asked for, below the base URL.
pub fn embed_path(provider_type: ProviderType) -> &'static str {
    match provider_type {
        ProviderType::OpenAi | ProviderType::ZhipuAi => "/embeddings",
        ProviderType::Ollama => "/api/embed",
    }
}

/// Reads the members of a request's body.
///
/// # Errors
/// `invalid_request` when they are not JSON.
pub fn members(text: &[u8]) -> Result<Map<String, Value>, Error> {
    let object = [b"{", text, b"}"].concat();
    json::read(&object).ok_or_else(|| invalid("the body is not valid JSON".to_owned()))
}

/// Translates the members of a request's body (without the model) from one type's shape to another's.
///
/// # Errors
/// `invalid_request`, naming what cannot be translated.
pub fn translate_request(
    from: ProviderType,
    to: ProviderType,
    mut members: Map<String, Value>,
) -> Result<Map<String, Value>, Error> {
    if shape(from) == shape(to) {
        return Ok(members);
    }
    let mut out = Map::new();
    for name in ["input", "dimensions"] {
        if let Some(value) = members.shift_remove(name) {
            out.insert(name.to_owned(), value);
        }
    }
    let is_text = |value: &Value| match value {
        Value::String(_) => true,
        Value::Array(list) => list.iter().all(Value::is_string),
        _ => false,
    };
    if !out.get("input").is_some_and(is_text) {
        return Err(invalid(
            "'input' must be a text or a list of texts".to_owned(),
        ));
    }
    for (name, value) in members {
        let asks_nothing = match name.as_str() {
            // Who asks, and how long a local server keeps its model, shows in no vector.
            "user" | "keep_alive" => true,
            // OpenAI's own clients ask for base64 unless told otherwise; the answer gets it from `pack`.
            "encoding_format" => value == "float" || value == "base64",
            "truncate" => value == true,
            _ => value.is_null(),
        };
        if !asks_nothing {
            return Err(invalid(format!("'{name}' cannot be translated for {to}")));
        }
    }
    Ok(out)
}

/// Translates an answer from one type's shape to another's; `model` is what it is said to come from.
///
/// # Errors
/// `protocol/bad_json` when there are no vectors in it.
pub fn translate_answer(
    from: ProviderType,
    to: ProviderType,
    model: &str,
    body: &[u8],
) -> Result<Value, Error> {
    let bad = || Error::protocol("bad_json", "the answer has no embeddings in it");
    let document: Value = json::read(body).ok_or_else(bad)?;
    let usage = usage(&document);
    let prompt = usage.prompt_tokens.unwrap_or(0);
    if to == ProviderType::Ollama {
        let data = document
            .get("data")
            .and_then(Value::as_array)
            .ok_or_else(bad)?;
        let vectors: Vec<&Value> = data.iter().filter_map(|one| one.get("embedding")).collect();
        return Ok(json!({"model": model, "embeddings": vectors, "prompt_eval_count": prompt}));
    }
    debug_assert_eq!(from, ProviderType::Ollama, "the others are alike");
    let vectors = document.get("embeddings").and_then(Value::as_array);
    let data: Vec<Value> = vectors
        .ok_or_else(bad)?
        .iter()
        .enumerate()
        .map(|(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector}))
        .collect();
    let usage = json!({"prompt_tokens": prompt, "total_tokens": prompt});
    Ok(json!({"object": "list", "data": data, "model": model, "usage": usage}))
}

/// Tells whether a caller wants its vectors in base64, by the members of its request.
pub fn wants_base64(members: &Map<String, Value>) -> bool {
    members
        .get("encoding_format")
        .is_some_and(|form| form == "base64")
}

/// Writes the vectors of an answer in OpenAI's shape as base64 of 32-bit floats, low bytes first. `None` when they are
/// no lists of numbers: then they are written so already.
pub fn pack(body: &[u8]) -> Option<Value> {
    let mut document: Value = json::read(body)?;
    let mut is_changed = false;
    for one in document.get_mut("data")?.as_array_mut()? {
        let Some(Value::Array(numbers)) = one.get("embedding") else {
            continue;
        };
        let bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| (number.as_f64().unwrap_or(0.0) as f32).to_le_bytes())
            .collect();
        let packed = base64::engine::general_purpose::STANDARD.encode(bytes);
        one["embedding"] = packed.into();
        is_changed = true;
    }
    is_changed.then_some(document)
}

/// Tells whether a body holds vectors, and what they cost.
///
/// # Errors
/// `protocol/bad_json` when it does not.
pub fn read_answer(body: &[u8]) -> Result<Usage, Error> {
    let document: Value =
        json::read(body).ok_or_else(|| Error::protocol("bad_json", "the answer is not JSON"))?;
    if document.get("data").is_none() && document.get("embeddings").is_none() {
        let told = "the answer has no embeddings in it";
        return Err(Error::protocol("bad_json", told));
    }
    Ok(usage(&document))
}

/// Tells whether two types' embeddings look alike.
pub fn is_alike(one: ProviderType, other: ProviderType) -> bool {
    shape(one) == shape(other)
}

fn shape(provider_type: ProviderType) -> ProviderType {
    match provider_type {
        ProviderType::OpenAi | ProviderType::ZhipuAi => ProviderType::OpenAi,
        ProviderType::Ollama => ProviderType::Ollama,
    }
}

fn usage(document: &Value) -> Usage {
    let count = |value: Option<&Value>| value.and_then(Value::as_u64);
    let told = document.get("usage");
    let prompt = count(told.and_then(|usage| usage.get("prompt_tokens")))
        .or_else(|| count(document.get("prompt_eval_count")));
    Usage {
        prompt_tokens: prompt,
        completion_tokens: prompt.map(|_| 0),
        total_tokens: prompt,
        ..Usage::default()
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_packed_for_those_who_want_them_so() {
        let body = br#"{"object":"list","data":[{"object": "embedding", "index":0,"embedding" : [0.5,-2]}],"model":"m"}"#;
        let packed = pack(body).unwrap();
        // 0x3f000000 and 0xc0000000, low bytes first.
        assert_eq!(packed["data"][0]["embedding"], "AAAAPwAAAMA=");
        assert_eq!(
            (
                packed["data"][0]["index"].as_u64(),
                packed["model"].as_str()
            ),
            (Some(0), Some("m"))
        );
        let again = packed.to_string();
        assert_eq!(pack(again.as_bytes()), None, "packed already");
        for other in [
            &b"{}"[..],
            b"",
            b"\"embedding\"",
            b"{\"data\":[{\"embedding\":[1,]}]}",
        ] {
            assert_eq!(pack(other), None);
        }
        let asked = members(br#""input":"x","encoding_format":"base64""#).unwrap();
        assert!(wants_base64(&asked));
        let asked = translate_request(ProviderType::OpenAi, ProviderType::Ollama, asked).unwrap();
        assert_eq!(Value::Object(asked), json!({"input": "x"}));
    }
}
