//! What a client sees of a server of ours, frame by frame.

use serde_json::{Value, json};

use crate::base::{
    Chunk, ErrorKind, FinishReason, ProviderType, ToolArguments, ToolCallDelta, Usage,
};
use crate::wire::serve::{Encoder, decode_request};

fn encoder(provider_type: ProviderType, streaming: bool, include_usage: bool) -> Encoder {
    Encoder::new(
        provider_type,
        "x-1",
        "m",
        1_795_400_000,
        streaming,
        include_usage,
    )
}

/// Text, usage and an end.
fn chunks() -> Vec<Chunk> {
    vec![
        Chunk::Text("a".to_owned()),
        Chunk::Text("b".to_owned()),
        Chunk::Usage(Usage {
            prompt_tokens: Some(1),
            completion_tokens: Some(2),
            ..Usage::default()
        }),
        Chunk::Finish {
            reason: FinishReason::Stop,
            raw: None,
        },
    ]
}

fn sent(encoder: &mut Encoder, chunks: &[Chunk]) -> String {
    let mut sent = Vec::new();
    for chunk in chunks {
        sent.extend(encoder.chunk(chunk).unwrap_or_default());
    }
    sent.extend(encoder.finish());
    String::from_utf8(sent).expect("text")
}

/// The data of all events but the last, which must be `[DONE]`.
fn events(body: &str) -> Vec<Value> {
    let mut events: Vec<&str> = body.split_terminator("\n\n").collect();
    assert_eq!(events.pop(), Some("data: [DONE]"));
    events
        .iter()
        .map(|event| {
            let data = event.strip_prefix("data: ").expect("one line of data");
            serde_json::from_str(data).expect("JSON")
        })
        .collect()
}

#[test]
fn openai_gets_the_role_once_and_usage_only_when_asked() {
    let events = events(&sent(
        &mut encoder(ProviderType::OpenAi, true, false),
        &chunks(),
    ));
    let deltas: Vec<&Value> = events
        .iter()
        .map(|event| &event["choices"][0]["delta"])
        .collect();
    assert_eq!(
        json!(deltas),
        json!([{"role": "assistant", "content": ""}, {"content": "a"}, {"content": "b"}, {}])
    );
    for event in &events {
        assert_eq!(event["id"], "x-1");
        assert_eq!(event["created"], 1_795_400_000);
        assert_eq!(event.get("usage"), None);
    }
    let reasons: Vec<&Value> = events
        .iter()
        .map(|event| {
            event["choices"][0]
                .get("finish_reason")
                .expect("never missing")
        })
        .collect();
    assert_eq!(json!(reasons), json!([null, null, null, "stop"]));
}

#[test]
fn openai_gets_usage_in_a_chunk_of_its_own_and_null_before() {
    let mut events = events(&sent(
        &mut encoder(ProviderType::OpenAi, true, true),
        &chunks(),
    ));
    let last = events.pop().expect("a last one");
    assert_eq!(last["choices"], json!([]));
    assert_eq!(
        last["usage"],
        json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
    );
    assert!(
        events
            .iter()
            .all(|event| event.get("usage") == Some(&Value::Null))
    );
}

#[test]
fn zhipu_gets_usage_with_the_finish_reason_that_was_absent_before() {
    let mut events = events(&sent(
        &mut encoder(ProviderType::ZhipuAi, true, false),
        &chunks(),
    ));
    let last = events.pop().expect("a last one");
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(last["usage"]["total_tokens"], 3);
    for event in &events {
        assert_eq!(event["choices"][0].get("finish_reason"), None);
        assert_eq!(event["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(event.get("usage"), None);
    }
}

#[test]
fn a_client_of_ollama_never_gets_a_blank_line() {
    let mut chunks = chunks();
    chunks.insert(1, Chunk::KeepAlive);
    let body = sent(&mut encoder(ProviderType::Ollama, true, false), &chunks);
    assert!(body.ends_with("}\n"));
    let lines: Vec<Value> = body
        .split_terminator('\n')
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["created_at"], "2026-11-23T02:13:20Z");
    assert_eq!(lines[0]["done"], false);
    let expected = json!({
        "model": "m",
        "created_at": "2026-11-23T02:13:20Z",
        "message": {"role": "assistant", "content": ""},
        "done": true,
        "done_reason": "stop",
        "prompt_eval_count": 1,
        "eval_count": 2,
    });
    assert_eq!(lines[2], expected);
}

#[test]
fn a_waiting_stream_is_kept_alive_by_comments() {
    let mut openai = encoder(ProviderType::OpenAi, true, false);
    let comment = openai.chunk(&Chunk::KeepAlive);
    assert_eq!(comment.as_deref(), Some(&b": keep-alive\n\n"[..]));
    assert_eq!(
        encoder(ProviderType::OpenAi, false, false).chunk(&Chunk::KeepAlive),
        None
    );
}

#[test]
fn ollama_gets_calls_whole_and_everybody_else_gets_an_id() {
    let piece = |name: Option<&str>, arguments: &str| {
        Chunk::ToolCall(ToolCallDelta {
            index: 0,
            id: None,
            name: name.map(str::to_owned),
            arguments: Some(ToolArguments::Text(arguments.to_owned())),
        })
    };
    let chunks = [
        piece(Some("f"), "{\"a\":"),
        piece(None, "1}"),
        Chunk::Finish {
            reason: FinishReason::ToolCalls,
            raw: None,
        },
    ];
    let lines = sent(&mut encoder(ProviderType::Ollama, true, false), &chunks);
    let first: Value = lines
        .lines()
        .next()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .expect("a line");
    assert_eq!(
        first["message"]["tool_calls"],
        json!([{"function": {"index": 0, "name": "f", "arguments": {"a": 1}}}])
    );
    assert!(lines.contains("\"done_reason\":\"stop\""));

    let events = events(&sent(
        &mut encoder(ProviderType::OpenAi, true, false),
        &chunks,
    ));
    let call = |at: usize| &events[at]["choices"][0]["delta"]["tool_calls"][0];
    assert_eq!(call(1)["id"], "call_x-1_0");
    assert_eq!(call(1)["type"], "function");
    assert_eq!(call(2).get("id"), None);
    assert_eq!(events[3]["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn a_failure_in_the_middle_is_the_last_thing_that_is_sent() {
    let frame = |provider_type, streaming| {
        let encoder = encoder(provider_type, streaming, false);
        let frame = encoder.error(ErrorKind::Overloaded, "busy", None);
        String::from_utf8(frame.to_vec()).expect("text")
    };
    assert_eq!(
        frame(ProviderType::OpenAi, true),
        "data: {\"error\":{\"message\":\"busy\",\"type\":\"service_unavailable_error\",\"param\":null,\"code\":\"server_is_overloaded\"}}\n\n"
    );
    assert_eq!(frame(ProviderType::Ollama, true), "{\"error\":\"busy\"}\n");
    assert_eq!(
        frame(ProviderType::ZhipuAi, false),
        "{\"error\":{\"code\":\"1305\",\"message\":\"busy\"}}"
    );
}

#[test]
fn each_protocol_has_its_own_idea_of_streaming() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let streams = |provider_type| {
        decode_request(provider_type, body)
            .map(|request| request.stream)
            .expect("a request")
    };
    assert!(!streams(ProviderType::OpenAi));
    assert!(!streams(ProviderType::ZhipuAi));
    assert!(streams(ProviderType::Ollama));
}

#[test]
fn ollama_s_options_and_images_are_understood() {
    let body = json!({
        "model": "m",
        "messages": [
            {"role": "user", "content": "look", "images": ["/9j/abc"]},
            {"role": "tool", "content": "1", "tool_name": "f"},
        ],
        "options": {"num_predict": -1, "temperature": 0.5, "stop": "x", "num_ctx": 4096},
        "keep_alive": 0,
        "stream": false,
    });
    let body = body.to_string();
    let request = decode_request(ProviderType::Ollama, body.as_bytes()).expect("a request");
    assert_eq!(request.max_tokens, None);
    assert_eq!(request.temperature, Some(0.5));
    assert_eq!(request.stop, ["x"]);
    assert_eq!(
        request.extra["options"],
        json!({"num_ctx": 4096, "num_predict": -1})
    );
    assert_eq!(request.extra["keep_alive"], 0);
    assert_eq!(request.messages[1].name.as_deref(), Some("f"));
    let image =
        json!({"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/abc"}});
    let content = serde_json::to_value(&request.messages[0].content).expect("JSON");
    assert_eq!(content, json!([{"type": "text", "text": "look"}, image]));
    let empty = decode_request(ProviderType::Ollama, br#"{"model":"m"}"#).expect("loads the model");
    assert!(empty.messages.is_empty());
}
