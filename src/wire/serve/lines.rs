//! Ollama's answers as a server sends them. Never a blank line: the official Python client fails on one.

use serde_json::{Map, Value};

use super::Encoder;
use crate::base::{Chunk, FinishReason, LlmResponse};
use crate::wire::ollama::arguments;

const DURATIONS: [&str; 4] = [
    "total_duration",
    "load_duration",
    "prompt_eval_duration",
    "eval_duration",
];

/// Makes the line of one piece; empty when there is none. Tool calls wait: they go out whole.
pub(super) fn chunk(encoder: &mut Encoder, chunk: &Chunk) -> Vec<u8> {
    let mut message = empty_message();
    match chunk {
        Chunk::Text(text) => message.insert("content".to_owned(), text.as_str().into()),
        // There is no refusal there; it is what the model says.
        Chunk::Refusal(text) => message.insert("content".to_owned(), text.as_str().into()),
        Chunk::Reasoning(text) => message.insert("thinking".to_owned(), text.as_str().into()),
        Chunk::ToolCall(_) => {
            encoder.kept.push(chunk);
            return Vec::new();
        }
        Chunk::Head(_)
        | Chunk::Retry(_)
        | Chunk::Started(_)
        | Chunk::Frames(_)
        | Chunk::Usage(_)
        | Chunk::Timings(_)
        | Chunk::KeepAlive
        | Chunk::Finish { .. }
        | Chunk::Done(_) => return Vec::new(),
    };
    line(encoder, message, Map::new())
}

/// Makes a line that says nothing: there are no comments here.
pub(super) fn keep_alive(encoder: &Encoder) -> Vec<u8> {
    line(encoder, empty_message(), Map::new())
}

/// Makes the lines that end a stream.
pub(super) fn finish(encoder: &Encoder) -> Vec<u8> {
    let so_far = encoder.kept.so_far();
    let mut out = Vec::new();
    if !so_far.tool_calls.is_empty() {
        let mut message = empty_message();
        message.insert("tool_calls".to_owned(), tool_calls(so_far));
        out = line(encoder, message, Map::new());
    }
    out.extend(line(encoder, empty_message(), end(so_far)));
    out
}

/// Makes the whole answer.
pub(super) fn whole(encoder: &Encoder) -> Vec<u8> {
    let so_far = encoder.kept.so_far();
    let mut message = empty_message();
    let text = format!("{}{}", so_far.text, so_far.refusal);
    message.insert("content".to_owned(), text.into());
    if !so_far.reasoning.is_empty() {
        let thinking = so_far.reasoning.as_str().into();
        message.insert("thinking".to_owned(), thinking);
    }
    if !so_far.tool_calls.is_empty() {
        message.insert("tool_calls".to_owned(), tool_calls(so_far));
    }
    line(encoder, message, end(so_far))
}

fn empty_message() -> Map<String, Value> {
    let mut message = Map::new();
    message.insert("role".to_owned(), "assistant".into());
    message.insert("content".to_owned(), "".into());
    message
}

/// Makes a line; it is the last one when there is something in `end`.
fn line(encoder: &Encoder, message: Map<String, Value>, end: Map<String, Value>) -> Vec<u8> {
    let mut fields = Map::new();
    fields.insert("model".to_owned(), encoder.model.as_str().into());
    fields.insert(
        "created_at".to_owned(),
        created_at(encoder.created_unix).into(),
    );
    fields.insert("message".to_owned(), message.into());
    fields.insert("done".to_owned(), (!end.is_empty()).into());
    fields.extend(end);
    let mut line = Value::Object(fields).to_string().into_bytes();
    line.push(b'\n');
    line
}

/// Writes a time as there.
pub(super) fn created_at(created_unix: u64) -> String {
    let created = i64::try_from(created_unix).unwrap_or(i64::MAX);
    let created = jiff::Timestamp::from_second(created).unwrap_or(jiff::Timestamp::MAX);
    created.to_string()
}

fn tool_calls(so_far: &LlmResponse) -> Value {
    let calls = so_far.tool_calls.iter().enumerate().map(|(index, call)| {
        let mut function = Map::new();
        function.insert("index".to_owned(), index.into());
        function.insert("name".to_owned(), call.name.clone().into());
        function.insert("arguments".to_owned(), arguments(&call.arguments));
        let mut sent = Map::new();
        if let Some(id) = &call.id {
            sent.insert("id".to_owned(), id.as_str().into());
        }
        sent.insert("function".to_owned(), function.into());
        Value::Object(sent)
    });
    calls.collect()
}

/// The fields of the last line. Counts and durations of zero are left out there.
pub(super) fn end(so_far: &LlmResponse) -> Map<String, Value> {
    let mut end = Map::new();
    let reason = match so_far.finish_reason {
        Some(FinishReason::Length) => "length",
        Some(FinishReason::Load) => "load",
        Some(FinishReason::Unload) => "unload",
        Some(FinishReason::ContentFilter) => "content_filter",
        Some(FinishReason::Error) => "error",
        // Tool calls end in "stop" there, too.
        Some(
            FinishReason::Stop
            | FinishReason::ToolCalls
            | FinishReason::Pause
            | FinishReason::Other
            | FinishReason::Unknown,
        )
        | None => "stop",
    };
    end.insert("done_reason".to_owned(), reason.into());
    let timings = so_far.timings.as_ref();
    for name in DURATIONS {
        let nanos = timings.and_then(|timings| timings.get(name)?.as_u64());
        put_count(&mut end, name, nanos);
    }
    let usage = so_far.usage.unwrap_or_default();
    put_count(&mut end, "prompt_eval_count", usage.prompt_tokens);
    put_count(&mut end, "eval_count", usage.completion_tokens);
    end
}

fn put_count(fields: &mut Map<String, Value>, name: &str, count: Option<u64>) {
    if let Some(count) = count.filter(|count| *count > 0) {
        fields.insert(name.to_owned(), count.into());
    }
}
