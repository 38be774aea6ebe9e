//! Chat completions as a server sends them, in OpenAI's shape and in Zhipu's, which differs in small things: the role
//! is on every delta, the finish reason is absent until the end, and usage is on the chunk that has it.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Encoder;
use crate::base::{Chunk, FinishReason, LlmResponse, ProviderType, ToolCall, ToolCallDelta, Usage};

/// A comment, which every client skips.
pub(super) const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";
const DONE: &[u8] = b"data: [DONE]\n\n";

#[derive(Serialize)]
struct Frame<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'static str>,
    created: u64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    /// Absent, null, or the counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timings: Option<&'a Value>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Delta<'a>,
    /// Absent, null, or a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<Value>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[Value; 1]>,
}

/// Makes the frames of one piece; empty when there are none.
pub(super) fn chunk(encoder: &mut Encoder, chunk: &Chunk) -> Vec<u8> {
    let mut out = Vec::new();
    let mut delta = Delta::default();
    match chunk {
        Chunk::Text(text) => delta.content = Some(text),
        Chunk::Reasoning(text) => delta.reasoning_content = Some(text),
        Chunk::Refusal(text) => delta.refusal = Some(text),
        Chunk::ToolCall(piece) => delta.tool_calls = Some([tool_piece(encoder, piece)]),
        Chunk::KeepAlive => return KEEP_ALIVE.to_vec(),
        Chunk::Head(_)
        | Chunk::Retry(_)
        | Chunk::Started(_)
        | Chunk::Frames(_)
        | Chunk::Usage(_)
        | Chunk::Timings(_)
        | Chunk::Finish { .. }
        | Chunk::Done(_) => return out,
    }
    begin(encoder, &mut out);
    put_delta(encoder, delta, None, &mut out);
    out
}

/// Makes the frames that end a stream.
pub(super) fn finish(encoder: &mut Encoder) -> Vec<u8> {
    let mut out = Vec::new();
    begin(encoder, &mut out);
    let is_zhipu = encoder.provider_type == ProviderType::ZhipuAi;
    let word = finish_word(encoder.kept.so_far(), is_zhipu);
    let delta = match encoder.provider_type {
        ProviderType::ZhipuAi => Delta {
            content: Some(""),
            ..Delta::default()
        },
        ProviderType::OpenAi | ProviderType::Ollama => Delta::default(),
    };
    put_delta(encoder, delta, Some(&word), &mut out);
    let so_far = encoder.kept.so_far();
    if encoder.provider_type == ProviderType::OpenAi
        && encoder.include_usage
        && let Some(usage) = &so_far.usage
    {
        put_frame(encoder, &[], Some(usage_fields(usage)), &mut out);
    }
    out.extend_from_slice(DONE);
    out
}

/// Makes the whole answer.
pub(super) fn whole(encoder: &Encoder) -> Vec<u8> {
    let so_far = encoder.kept.so_far();
    let is_openai = encoder.provider_type == ProviderType::OpenAi;
    let mut message = Map::new();
    message.insert("role".to_owned(), "assistant".into());
    let content = match so_far.text.as_str() {
        "" if !so_far.tool_calls.is_empty() || !so_far.refusal.is_empty() => Value::Null,
        text => text.into(),
    };
    message.insert("content".to_owned(), content);
    if !so_far.reasoning.is_empty() {
        let reasoning = so_far.reasoning.as_str().into();
        message.insert("reasoning_content".to_owned(), reasoning);
    }
    if !so_far.refusal.is_empty() {
        message.insert("refusal".to_owned(), so_far.refusal.as_str().into());
    } else if is_openai {
        message.insert("refusal".to_owned(), Value::Null);
    }
    if !so_far.tool_calls.is_empty() {
        let calls = so_far.tool_calls.iter().enumerate();
        let calls = calls.map(|(index, call)| whole_call(encoder, index, call));
        message.insert("tool_calls".to_owned(), calls.collect());
    }
    let mut answer = Map::new();
    answer.insert("id".to_owned(), encoder.id.as_str().into());
    if is_openai {
        answer.insert("object".to_owned(), "chat.completion".into());
    } else {
        answer.insert("request_id".to_owned(), encoder.id.as_str().into());
    }
    answer.insert("created".to_owned(), encoder.created_unix.into());
    answer.insert("model".to_owned(), encoder.model.as_str().into());
    let choice = json!({
        "index": 0,
        "message": message,
        "finish_reason": finish_word(so_far, !is_openai),
    });
    answer.insert("choices".to_owned(), json!([choice]));
    if let Some(usage) = &so_far.usage {
        answer.insert("usage".to_owned(), usage_fields(usage));
    }
    if let Some(timings) = &so_far.timings {
        answer.insert("timings".to_owned(), timings.clone());
    }
    Value::Object(answer).to_string().into_bytes()
}

/// OpenAI names the role in a first frame of its own, and never again.
fn begin(encoder: &mut Encoder, out: &mut Vec<u8>) {
    if std::mem::replace(&mut encoder.has_begun, true)
        || encoder.provider_type == ProviderType::ZhipuAi
    {
        return;
    }
    let delta = Delta {
        role: Some("assistant"),
        content: Some(""),
        ..Delta::default()
    };
    put_delta(encoder, delta, None, out);
}

fn put_delta(encoder: &Encoder, mut delta: Delta<'_>, finish: Option<&str>, out: &mut Vec<u8>) {
    let so_far = encoder.kept.so_far();
    let (finish_reason, usage) = match encoder.provider_type {
        ProviderType::ZhipuAi => {
            delta.role = Some("assistant");
            let usage = so_far.usage.as_ref().filter(|_| finish.is_some());
            (finish.map(Value::from), usage.map(usage_fields))
        }
        ProviderType::OpenAi | ProviderType::Ollama => (
            Some(finish.into()),
            encoder.include_usage.then_some(Value::Null),
        ),
    };
    let choice = Choice {
        index: 0,
        delta,
        finish_reason,
    };
    put_frame(encoder, &[choice], usage, out);
}

fn put_frame(encoder: &Encoder, choices: &[Choice<'_>], usage: Option<Value>, out: &mut Vec<u8>) {
    let is_last = choices
        .iter()
        .any(|choice| matches!(choice.finish_reason, Some(Value::String(_))));
    let timings = encoder.kept.so_far().timings.as_ref();
    let frame = Frame {
        id: &encoder.id,
        object: (encoder.provider_type == ProviderType::OpenAi).then_some("chat.completion.chunk"),
        created: encoder.created_unix,
        model: &encoder.model,
        choices,
        usage,
        timings: timings.filter(|_| is_last),
    };
    out.extend_from_slice(b"data: ");
    // Writing these types into memory cannot fail.
    let written = serde_json::to_writer(&mut *out, &frame);
    debug_assert!(written.is_ok(), "a frame that is not JSON");
    out.extend_from_slice(b"\n\n");
}

fn tool_piece(encoder: &mut Encoder, piece: &ToolCallDelta) -> Value {
    let is_first = encoder.announced.insert(piece.index);
    let mut function = Map::new();
    if let Some(name) = &piece.name {
        function.insert("name".to_owned(), name.as_str().into());
    }
    let arguments = piece.arguments.as_ref();
    let arguments = arguments.map(crate::base::ToolArguments::to_text);
    function.insert("arguments".to_owned(), arguments.unwrap_or_default().into());
    let mut sent = Map::new();
    sent.insert("index".to_owned(), piece.index.into());
    if is_first {
        let id = call_id(encoder, piece.index, piece.id.as_deref());
        sent.insert("id".to_owned(), id.into());
        sent.insert("type".to_owned(), "function".into());
    }
    sent.insert("function".to_owned(), function.into());
    Value::Object(sent)
}

fn whole_call(encoder: &Encoder, index: usize, call: &ToolCall) -> Value {
    json!({
        "id": call_id(encoder, index, call.id.as_deref()),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments.to_text()},
    })
}

/// Clients pair calls and results by id, so a call that came without one gets one.
fn call_id(encoder: &Encoder, index: usize, id: Option<&str>) -> String {
    match id {
        Some(id) => id.to_owned(),
        None => format!("call_{}_{index}", encoder.id),
    }
}

/// Returns the word for why an answer ended.
pub(super) fn finish_word(so_far: &LlmResponse, is_zhipu: bool) -> String {
    let word = match so_far.finish_reason {
        Some(FinishReason::Length)
            if is_zhipu && so_far.finish_raw.as_deref() == Some(WINDOW_USED_UP) =>
        {
            WINDOW_USED_UP
        }
        Some(FinishReason::Length) => "length",
        Some(FinishReason::ToolCalls) => "tool_calls",
        Some(FinishReason::ContentFilter) if is_zhipu => "sensitive",
        Some(FinishReason::ContentFilter) => "content_filter",
        Some(FinishReason::Error) if is_zhipu => "network_error",
        Some(FinishReason::Error) => "error",
        // Clients know a closed list of words.
        Some(
            FinishReason::Stop
            | FinishReason::Pause
            | FinishReason::Load
            | FinishReason::Unload
            | FinishReason::Other
            | FinishReason::Unknown,
        )
        | None => "stop",
    };
    word.to_owned()
}

const WINDOW_USED_UP: &str = "model_context_window_exceeded";

/// Makes the token counts.
pub(super) fn usage_fields(usage: &Usage) -> Value {
    // These three are required there.
    let mut fields = json!({
        "prompt_tokens": usage.prompt_tokens.unwrap_or(0),
        "completion_tokens": usage.completion_tokens.unwrap_or(0),
        "total_tokens": usage.total().unwrap_or(0),
    });
    let mut input = Map::new();
    if let Some(cached) = usage.cached_tokens {
        input.insert("cached_tokens".to_owned(), cached.into());
    }
    if let Some(written) = usage.cache_write_tokens {
        input.insert("cache_write_tokens".to_owned(), written.into());
    }
    if !input.is_empty() {
        fields["prompt_tokens_details"] = input.into();
    }
    if let Some(reasoning) = usage.reasoning_tokens {
        fields["completion_tokens_details"] = json!({"reasoning_tokens": reasoning});
    }
    fields
}
