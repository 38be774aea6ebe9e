//! The lists of models, in the shapes of the protocols.

use serde_json::{Value, json};

use super::catalog::{Catalog, Listed};

/// Lists the models as OpenAI does. `created_unix` is when the gateway began, since nobody knows it of a model.
pub(super) fn models(catalog: &Catalog, created_unix: u64) -> Value {
    let data = catalog.list().into_iter();
    let data: Vec<Value> = data.map(|listed| model(&listed, created_unix)).collect();
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
