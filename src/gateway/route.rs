//! Which path means what, and in which protocol it is asked.

use hyper::Method;

use crate::wire::serve::Front;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// A chat, in this protocol.
    Chat(Front),
    /// Embeddings, in this protocol.
    Embed(Front),
    /// The models, as Ollama lists them.
    Tags,
    /// The models that are loaded, as Ollama lists them.
    Loaded,
    /// One model, as Ollama shows it.
    Show,
    /// A version, as Ollama says it.
    Version,
    /// Ollama's "is anybody there".
    Root,
    /// The models, as OpenAI lists them.
    Models,
    /// One model, as OpenAI shows it.
    Model(String),
    /// Whether the process is there.
    Health,
    /// Whether it can answer now.
    Ready,
    /// Figures for Prometheus.
    Metrics,
    /// Whatever is mounted below `/admin`.
    Admin,
}

/// Why a path means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// There is no such path.
    Path,
    /// There is, for this other method.
    Method(&'static str),
}

/// Finds out what is asked for.
pub(super) fn find(method: &Method, path: &str) -> Result<Call, Lost> {
    let path = match path.strip_suffix('/') {
        Some("") | None => path,
        Some(path) => path,
    };
    let (call, wanted) = match path {
        "/v1/chat/completions" => (Call::Chat(Front::OpenAi), Method::POST),
        "/v1/completions" => (Call::Chat(Front::Completions), Method::POST),
        "/v1/responses" => (Call::Chat(Front::Responses), Method::POST),
        "/v1/messages" => (Call::Chat(Front::Anthropic), Method::POST),
        "/api/chat" => (Call::Chat(Front::Ollama), Method::POST),
        "/api/generate" => (Call::Chat(Front::Generate), Method::POST),
        "/v1/embeddings" => (Call::Embed(Front::OpenAi), Method::POST),
        "/api/paas/v4/embeddings" => (Call::Embed(Front::ZhipuAi), Method::POST),
        "/api/embed" => (Call::Embed(Front::Ollama), Method::POST),
        "/api/tags" => (Call::Tags, Method::GET),
        "/api/ps" => (Call::Loaded, Method::GET),
        "/api/show" => (Call::Show, Method::POST),
        "/api/version" => (Call::Version, Method::GET),
        "/" => (Call::Root, Method::GET),
        "/api/paas/v4/chat/completions" => (Call::Chat(Front::ZhipuAi), Method::POST),
        "/v1/models" => (Call::Models, Method::GET),
        "/healthz" => (Call::Health, Method::GET),
        "/readyz" => (Call::Ready, Method::GET),
        "/metrics" => (Call::Metrics, Method::GET),
        path if path == "/admin" || path.starts_with("/admin/") => return Ok(Call::Admin),
        path => match path.strip_prefix("/v1/models/") {
            Some(name) => (Call::Model(name.to_owned()), Method::GET),
            None => return Err(Lost::Path),
        },
    };
    let is_head = *method == Method::HEAD && wanted == Method::GET;
    match *method == wanted || is_head {
        true => Ok(call),
        false if wanted == Method::GET => Err(Lost::Method("GET, HEAD")),
        false => Err(Lost::Method("POST")),
    }
}

/// Returns the protocol in which a path is told that it means nothing.
pub(super) fn front_of(path: &str) -> Front {
    if path.starts_with("/api/paas/") {
        Front::ZhipuAi
    } else if path.starts_with("/api/") {
        Front::Ollama
    } else if path.starts_with("/v1/messages") {
        Front::Anthropic
    } else {
        Front::OpenAi
    }
}
