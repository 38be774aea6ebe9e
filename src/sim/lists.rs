//! What an instance offers: model lists and Ollama's small calls.

use serde_json::{Value, json};

use super::instance::Instance;

/// The date of everything that has no date of its own (2026-01-01).
const MADE: u64 = 1_767_225_600;

/// `GET /models` of OpenAI and Zhipu.
pub(super) fn models(instance: &Instance) -> Value {
    let data: Vec<Value> = instance.models.iter().map(|name| model(name)).collect();
    json!({"object": "list", "data": data})
}

/// `GET /models/NAME`.
pub(super) fn model(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": MADE, "owned_by": "llmdeck-sim"})
}

/// `GET /api/tags`.
pub(super) fn tags(instance: &Instance) -> Value {
    let models: Vec<Value> = instance.models.iter().map(|name| tag(name)).collect();
    json!({"models": models})
}

/// `GET /api/ps`: the models that are loaded; here all are, always.
pub(super) fn loaded(instance: &Instance) -> Value {
    let models: Vec<Value> = instance
        .models
        .iter()
        .map(|name| {
            let mut model = tag(name);
            model["expires_at"] = "2100-01-01T00:00:00Z".into();
            model["size_vram"] = model["size"].clone();
            model["context_length"] = instance.profile.context.unwrap_or(4096).into();
            model
        })
        .collect();
    json!({"models": models})
}

/// `GET /api/version`.
pub(super) fn version() -> Value {
    json!({"version": concat!(env!("CARGO_PKG_VERSION"), "-sim")})
}

fn tag(name: &str) -> Value {
    json!({
        "name": name,
        "model": name,
        "modified_at": "2026-01-01T00:00:00Z",
        "size": 4_661_224_676_u64,
        "digest": "0".repeat(64),
        "details": {
            "parent_model": "",
            "format": "gguf",
            "family": "sim",
            "families": ["sim"],
            "parameter_size": "8B",
            "quantization_level": "Q4_0",
        },
    })
}
