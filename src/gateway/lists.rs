//! The lists of models, in the shapes of the protocols.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::catalog::{Catalog, Listed};
use crate::base::{InstanceName, Loaded};

/// The version of Ollama whose API is spoken here.
const OLLAMA: &str = "0.12.0";

/// Lists the models as OpenAI does. `created_unix` is when the gateway began, since nobody knows it of a model.
pub(super) fn models(
    catalog: &Catalog,
    created_unix: u64,
    may_see: impl Fn(&str) -> bool,
) -> Value {
    let listed = catalog.list().into_iter();
    let listed = listed.filter(|listed| may_see(&listed.name));
    let data: Vec<Value> = listed.map(|listed| model(&listed, created_unix)).collect();
    json!({"object": "list", "data": data})
}

/// Shows one model as OpenAI does; `None` when there is none of that name.
pub(super) fn one_model(catalog: &Catalog, name: &str, created_unix: u64) -> Option<Value> {
    let listed = catalog.list().into_iter();
    let mut found = listed.filter(|listed| listed.name == name);
    found.next().map(|listed| model(&listed, created_unix))
}

fn model(listed: &Listed, created_unix: u64) -> Value {
    json!({
        "id": listed.name,
        "object": "model",
        "created": created_unix,
        "owned_by": listed.owner,
    })
}

/// Lists the models as Ollama does. Sizes and digests are not known of models that live elsewhere.
pub(super) fn tags(catalog: &Catalog, created_unix: u64, may_see: impl Fn(&str) -> bool) -> Value {
    let modified = i64::try_from(created_unix).unwrap_or_default();
    let modified = jiff::Timestamp::from_second(modified).unwrap_or_default();
    let listed = catalog.list().into_iter();
    let listed = listed.filter(|listed| may_see(&listed.name));
    let models = listed.map(|listed| {
        json!({
            "name": listed.name,
            "model": listed.name,
            "modified_at": modified.to_string(),
            "size": 0,
            "digest": "",
            "details": details(),
        })
    });
    json!({"models": models.collect::<Vec<_>>()})
}

/// Lists what the pool's Ollamas hold in memory, as Ollama does. A model that several hold is named once as it is, and
/// then as `instance/model`, under which that one can be asked.
pub(super) fn loaded(
    held: Vec<(InstanceName, Vec<Loaded>)>,
    may_see: impl Fn(&str) -> bool,
) -> Value {
    let mut named = HashSet::new();
    let mut models = Vec::new();
    for (instance, loaded) in held {
        for model in loaded {
            if !may_see(&model.model) {
                continue;
            }
            let name = if named.insert(model.model.clone()) {
                model.model
            } else {
                format!("{instance}/{}", model.model)
            };
            models.push(json!({
                "name": name,
                "model": name,
                "size": model.bytes,
                "digest": model.digest,
                "details": {
                    "parent_model": "",
                    "format": model.format,
                    "family": model.family,
                    "families": [model.family],
                    "parameter_size": model.parameters,
                    "quantization_level": model.quantization,
                },
                "expires_at": Some(model.until).filter(|until| !until.is_empty()),
                "size_vram": model.bytes_on_gpu,
                "context_length": model.context,
            }));
        }
    }
    json!({"models": models})
}

/// Shows one model as Ollama does; `None` when there is none of that name.
pub(super) fn show(catalog: &Catalog, name: &str) -> Option<Value> {
    let tagged = format!("{name}:latest");
    let mut listed = catalog.list().into_iter();
    listed.find(|listed| listed.name == name || listed.name == tagged)?;
    Some(json!({
        "modelfile": "",
        "parameters": "",
        "template": "",
        "details": details(),
        "model_info": {},
        "capabilities": ["completion", "tools"],
    }))
}

/// Says the version as Ollama does.
pub(super) fn version() -> Value {
    json!({"version": OLLAMA})
}

fn details() -> Value {
    json!({
        "parent_model": "",
        "format": "",
        "family": "",
        "families": [],
        "parameter_size": "",
        "quantization_level": "",
    })
}
