//! Which request means what, for each provider type.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::connection::{Closed, Connection};
use super::instance::Instance;
use super::refusal::{self, Reason, Refusal};
use super::{Fault, auth, chat, lists};
use crate::base::{ErrorKind, ProviderType};
use crate::wire::serve;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Route {
    Chat,
    Embeddings,
    Models,
    Model(String),
    Tags,
    Loaded,
    Version,
    /// Ollama's "is anybody there".
    Root,
    WrongMethod,
    Unknown,
}

/// Answers one request.
pub(super) async fn handle(
    instance: Arc<Instance>,
    connection: Connection,
    request: Request<Body>,
) -> Result<Response<Body>, Closed> {
    let profile = &instance.profile;
    let route = route(
        profile.provider_type,
        request.method(),
        request.uri().path(),
    );
    if route == Route::Chat {
        return chat::handle(Arc::clone(&instance), connection, request).await;
    }
    if let Some(fault) = instance.fault() {
        if let Some(refusal) = Refusal::of_fault(fault, "") {
            return Ok(refusal.into_response(profile.provider_type));
        }
        if fault == Fault::HangBeforeHeaders {
            std::future::pending::<()>().await;
        }
        if fault == Fault::HtmlOk {
            return Ok(refusal::html(StatusCode::OK, chat::WEB_PAGE));
        }
        if fault == Fault::Close {
            return Err(Closed);
        }
    }
    let is_list = matches!(
        route,
        Route::Models | Route::Embeddings | Route::Model(_) | Route::Tags | Route::Loaded
    );
    if is_list {
        let wanted = profile.key.as_deref();
        if let Err(denied) = auth::check(profile.provider_type, wanted, request.headers()) {
            return Ok(Refusal::from(denied).into_response(profile.provider_type));
        }
    }
    if route == Route::Embeddings {
        return Ok(embeddings(&instance, request).await);
    }
    Ok(answer(&instance, route, &request))
}

/// Answers with a vector for each text: how often each of eight groups of bytes is in it.
async fn embeddings(instance: &Instance, request: Request<Body>) -> Response<Body> {
    const LARGEST_BODY: usize = 16 << 20;
    let provider_type = instance.profile.provider_type;
    let bytes = axum::body::to_bytes(request.into_body(), LARGEST_BODY).await;
    let asked = bytes
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let texts: Option<Vec<&str>> = asked.as_ref().and_then(|asked| match asked.get("input")? {
        Value::String(text) => Some(vec![text.as_str()]),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    });
    let Some(texts) = texts else {
        let told = "'input' must be a text or a list of texts".to_owned();
        return Refusal::new(Reason::BadRequest(told)).into_response(provider_type);
    };
    let vectors = texts.iter().map(|text| {
        let mut vector = [0.0_f64; 8];
        for byte in text.bytes() {
            vector[usize::from(byte % 8)] += 1.0 / text.len() as f64;
        }
        vector
    });
    let tokens: usize = texts.iter().map(|text| text.len().div_ceil(4)).sum();
    let model = instance.models.first();
    let body = if provider_type == ProviderType::Ollama {
        json!({"model": model, "embeddings": vectors.collect::<Vec<_>>(), "prompt_eval_count": tokens})
    } else {
        let data: Vec<Value> = vectors
            .enumerate()
            .map(|(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector}))
            .collect();
        let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
        json!({"object": "list", "data": data, "model": model, "usage": usage})
    };
    refusal::json_response(StatusCode::OK, &body)
}

fn answer(instance: &Instance, route: Route, request: &Request<Body>) -> Response<Body> {
    let provider_type = instance.profile.provider_type;
    let ok = |body| refusal::json_response(StatusCode::OK, &body);
    match route {
        Route::Models => ok(lists::models(instance)),
        Route::Model(name) if instance.models.contains(&name) => ok(lists::model(&name)),
        Route::Model(name) => Refusal::new(Reason::UnknownModel(name)).into_response(provider_type),
        Route::Tags => ok(lists::tags(instance)),
        Route::Loaded => ok(lists::loaded(instance)),
        Route::Version => ok(lists::version()),
        Route::Root => refusal::text(StatusCode::OK, "Ollama is running"),
        Route::WrongMethod => no_such_call(provider_type, StatusCode::METHOD_NOT_ALLOWED, request),
        Route::Chat | Route::Embeddings | Route::Unknown => {
            no_such_call(provider_type, StatusCode::NOT_FOUND, request)
        }
    }
}

fn no_such_call(
    provider_type: ProviderType,
    status: StatusCode,
    request: &Request<Body>,
) -> Response<Body> {
    if provider_type == ProviderType::Ollama {
        return if status == StatusCode::NOT_FOUND {
            refusal::text(status, "404 page not found")
        } else {
            refusal::json_response(status, &json!({"error": "method not allowed"}))
        };
    }
    let message = format!(
        "Invalid URL ({} {})",
        request.method(),
        request.uri().path()
    );
    let kind = ErrorKind::InvalidRequest;
    let body = serve::error_body(provider_type, kind, &message, None);
    refusal::json_response(status, &body)
}

fn route(provider_type: ProviderType, method: &Method, path: &str) -> Route {
    let (route, wanted) = match provider_type {
        ProviderType::OpenAi => compatible(path.strip_prefix("/v1")),
        ProviderType::ZhipuAi => compatible(path.strip_prefix("/api/paas/v4")),
        ProviderType::Ollama => match path {
            "/" | "" => (Route::Root, Method::GET),
            "/api/chat" => (Route::Chat, Method::POST),
            "/api/embed" => (Route::Embeddings, Method::POST),
            "/api/tags" => (Route::Tags, Method::GET),
            "/api/ps" => (Route::Loaded, Method::GET),
            "/api/version" => (Route::Version, Method::GET),
            _ => return Route::Unknown,
        },
    };
    let is_head = *method == Method::HEAD && wanted == Method::GET;
    match route {
        Route::Unknown => Route::Unknown,
        route if *method == wanted || is_head => route,
        _ => Route::WrongMethod,
    }
}

fn compatible(path: Option<&str>) -> (Route, Method) {
    match path {
        Some("/chat/completions") => (Route::Chat, Method::POST),
        Some("/embeddings") => (Route::Embeddings, Method::POST),
        Some("/models") => (Route::Models, Method::GET),
        Some(path) => match path.strip_prefix("/models/") {
            Some(name) => (Route::Model(name.to_owned()), Method::GET),
            None => (Route::Unknown, Method::GET),
        },
        None => (Route::Unknown, Method::GET),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_own_paths() {
        use ProviderType::{Ollama, OpenAi, ZhipuAi};
        let post = |provider_type, path| route(provider_type, &Method::POST, path);
        let get = |provider_type, path| route(provider_type, &Method::GET, path);
        assert_eq!(post(OpenAi, "/v1/chat/completions"), Route::Chat);
        assert_eq!(post(ZhipuAi, "/api/paas/v4/chat/completions"), Route::Chat);
        assert_eq!(post(Ollama, "/api/chat"), Route::Chat);
        assert_eq!(get(OpenAi, "/v1/models"), Route::Models);
        assert_eq!(
            get(OpenAi, "/v1/models/a/b"),
            Route::Model("a/b".to_owned())
        );
        assert_eq!(get(Ollama, "/"), Route::Root);
        assert_eq!(route(Ollama, &Method::HEAD, "/"), Route::Root);
        assert_eq!(get(OpenAi, "/v1/chat/completions"), Route::WrongMethod);
        assert_eq!(post(Ollama, "/v1/chat/completions"), Route::Unknown);
        assert_eq!(post(OpenAi, "/api/chat"), Route::Unknown);
    }
}
