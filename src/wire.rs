//! Formats on the wire, both directions, no I/O.
//!
//! Bytes of an answer go into a [`Decode`] and come out as [`Chunk`]s; a [`ChatRequest`] becomes a request body; an
//! HTTP error answer becomes an [`Error`]. [`serve`] is the other direction: what a server of these protocols needs.
//!
//! ```text
//! bytes -+-> lines -+-> sse ----> openai / anthropic / responses -+
//!        |          +-> ndjson -> ollama -----------------------+-> tools, ending -> Chunk
//!        +-> whole (one document) -> openai / ollama -----------+
//! ```
//!
//! The details that errors from here carry are a closed list: `truncated`, `empty_stream`, `bad_json`, `too_long`,
//! `not_event_stream`, `no_choices`, `no_models` (all `protocol`), `finish_reason`, `endpoint_not_found`,
//! `not_supported`.

mod anthropic;
mod classify;
pub mod embed;
mod ending;
mod glance;
mod headers;
mod json;
mod lenient;
mod lines;
mod loaded;
mod models;
mod ndjson;
mod ollama;
mod openai;
mod responses;
pub mod serve;
mod sniff;
mod sse;
mod tap;
#[cfg(test)]
mod tests;
mod tools;
mod whole;
pub mod zhipuai;

pub use classify::classify;
pub use headers::rate_limits;
pub use loaded::{LOADED_PATH, decode_loaded};
pub use models::decode_models;
pub use tap::Tap;

use crate::base::{ChatRequest, Chunk, Error, ProviderType};

/// An incremental decoder of one response body.
///
/// The pieces, folded by [`crate::base::Answer`], and the error, if there is one, do not depend on how the body was
/// cut into pieces. A finish reason is held back until the end is settled, and then given exactly once, after all
/// usage; it comes before the error when there are both.
pub trait Decode: Send {
    /// Takes bytes as they came, appends pieces. An `Err` is final; pieces decoded before it are in `out`.
    ///
    /// # Errors
    /// Errors inside the stream, and `protocol` ones with their detail.
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Chunk>) -> Result<(), Error>;

    /// The body is over: gives what is left, or says why this was no proper end. Does nothing after an `Err` or
    /// once it is done.
    ///
    /// # Errors
    /// As [`Decode::feed`], and `truncated`, `empty_stream`, or what the finish reason stands for.
    fn finish(&mut self, out: &mut Vec<Chunk>) -> Result<(), Error>;

    /// Tells whether the terminal event was seen, or an error: the rest of the body is drained and ignored.
    fn is_done(&self) -> bool;
}

/// How one server's requests differ from its type's usual ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    /// The name of the field for the most output tokens; `None` takes the type's usual one.
    pub max_tokens_field: Option<String>,
    /// The server refuses `stream_options`, so its streams have no usage.
    pub no_stream_options: bool,
}

/// Picks the decoder by provider type, whether a stream was asked for, and the `Content-Type` of the answer: servers
/// do answer a stream with JSON, and proxies with a web page (`protocol/not_event_stream`).
///
/// `max_line` is the most bytes of a line, an event or a whole document; more is `protocol/too_long`.
pub fn decoder(
    provider_type: ProviderType,
    streaming: bool,
    content_type: Option<&str>,
    max_line: usize,
) -> Box<dyn Decode> {
    let media_type = content_type
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    let media_type = media_type.as_deref();
    match provider_type {
        ProviderType::OpenAi | ProviderType::ZhipuAi => {
            let reader = openai::OpenAi::new(provider_type);
            match media_type {
                Some("text/event-stream") => Box::new(sse::SseDecoder::new(reader, max_line)),
                Some("application/json" | "text/html") => {
                    Box::new(whole::WholeDecoder::new(reader, streaming, max_line))
                }
                _ if streaming => Box::new(sniff::SniffDecoder::new(provider_type, max_line)),
                _ => Box::new(whole::WholeDecoder::new(reader, streaming, max_line)),
            }
        }
        ProviderType::Ollama => {
            let reader = ollama::Ollama::default();
            match media_type {
                // Many servers that imitate Ollama stream lines and call them plain JSON.
                Some("application/x-ndjson") => {
                    Box::new(ndjson::NdjsonDecoder::new(reader, max_line))
                }
                Some("text/html") => {
                    Box::new(whole::WholeDecoder::new(reader, streaming, max_line))
                }
                _ if streaming => Box::new(ndjson::NdjsonDecoder::new(reader, max_line)),
                _ => Box::new(whole::WholeDecoder::new(reader, streaming, max_line)),
            }
        }
    }
}

/// Makes the decoder of Anthropic's Messages stream.
pub fn anthropic_decoder(max_line: usize) -> Box<dyn Decode> {
    Box::new(sse::SseDecoder::new(
        anthropic::Anthropic::default(),
        max_line,
    ))
}

/// Makes the decoder of the stream of OpenAI's Responses API.
pub fn responses_decoder(max_line: usize) -> Box<dyn Decode> {
    Box::new(sse::SseDecoder::new(
        responses::Responses::default(),
        max_line,
    ))
}

/// Makes the request body for the provider type; `request.model` is set.
pub fn encode(
    provider_type: ProviderType,
    request: &ChatRequest,
    quirks: &Quirks,
) -> serde_json::Value {
    match provider_type {
        ProviderType::OpenAi => openai::encode(request, quirks),
        ProviderType::Ollama => ollama::encode(request),
        ProviderType::ZhipuAi => zhipuai::encode(request, quirks),
    }
}

/// Makes a request body of what a caller of the very same protocol wrote, with the model put in.
pub fn encode_raw(model: &str, members: &[u8]) -> Vec<u8> {
    let model = serde_json::Value::from(model).to_string();
    let mut body = Vec::with_capacity(members.len() + model.len() + 16);
    body.extend_from_slice(b"{\"model\":");
    body.extend_from_slice(model.as_bytes());
    if !members.trim_ascii().is_empty() {
        body.push(b',');
        body.extend_from_slice(members);
    }
    body.push(b'}');
    body
}

/// Returns where chats are posted, below the base URL.
pub fn chat_path(provider_type: ProviderType) -> &'static str {
    match provider_type {
        ProviderType::OpenAi | ProviderType::ZhipuAi => "/chat/completions",
        ProviderType::Ollama => "/api/chat",
    }
}

/// Returns where the models are listed, below the base URL.
pub fn models_path(provider_type: ProviderType) -> &'static str {
    match provider_type {
        ProviderType::OpenAi | ProviderType::ZhipuAi => "/models",
        ProviderType::Ollama => "/api/tags",
    }
}

fn too_long(most: usize) -> Error {
    Error::protocol(
        "too_long",
        format!("the answer has a line of more than {most} bytes"),
    )
}
