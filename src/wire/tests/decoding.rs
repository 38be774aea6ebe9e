//! What the recorded bodies do not show: labels that lie, ends that nobody planned, calls that hide.

use serde_json::json;

use super::{decoder, fold};
use crate::base::{Chunk, ErrorKind, FinishReason, ProviderType, ToolArguments};

const CAP: usize = 1 << 20;

const EVENTS: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
const DOCUMENT: &str = r#"{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}"#;
const PAGE: &str = "<!doctype html><title>Sign in</title>";
const LINES: &str =
    "{\"message\":{\"content\":\"hi\"}}\n{\"done\":true,\"done_reason\":\"stop\"}\n";

/// Decodes a stream of OpenAI's and gives text and error detail.
fn outcome(
    provider_type: ProviderType,
    streaming: bool,
    content_type: Option<&str>,
    body: &str,
) -> (String, Option<&'static str>) {
    let decoder = decoder(provider_type, streaming, content_type, CAP);
    let (answer, error, _) = fold(decoder, [body.as_bytes()]);
    let detail = error.map(|error| error.detail().unwrap_or("error"));
    (answer.into_response().text, detail)
}

fn stream(events: &[serde_json::Value]) -> String {
    let events: Vec<String> = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    events.concat()
}

#[test]
fn the_first_byte_decides_where_the_label_does_not() {
    let good = ("hi".to_owned(), None);
    for label in [None, Some("text/plain"), Some("application/octet-stream")] {
        let openai = |body: &str| outcome(ProviderType::OpenAi, true, label, body);
        assert_eq!(openai(EVENTS), good);
        assert_eq!(openai(DOCUMENT), good);
        assert_eq!(openai(&format!("\u{feff}\n\n{EVENTS}")), good);
        assert_eq!(openai(PAGE).1, Some("not_event_stream"));
        assert_eq!(openai(" \n").1, Some("empty_stream"));
    }
}

#[test]
fn a_label_that_says_it_clearly_is_believed() {
    let openai =
        |streaming, label, body| outcome(ProviderType::OpenAi, streaming, Some(label), body).1;
    assert_eq!(openai(true, "application/json", DOCUMENT), None);
    assert_eq!(
        openai(true, "application/json", EVENTS),
        Some("not_event_stream")
    );
    assert_eq!(
        openai(true, "Text/HTML; charset=x", PAGE),
        Some("not_event_stream")
    );
    assert_eq!(openai(false, "text/html", PAGE), Some("bad_json"));
    // Servers that always stream.
    assert_eq!(openai(false, "text/event-stream", EVENTS), None);
}

#[test]
fn lines_are_read_under_many_labels() {
    for label in [
        None,
        Some("application/x-ndjson"),
        Some("application/json"),
        Some("text/plain"),
    ] {
        let ollama = outcome(ProviderType::Ollama, true, label, LINES);
        assert_eq!(ollama, ("hi".to_owned(), None));
    }
    let page = outcome(ProviderType::Ollama, true, Some("text/html"), PAGE);
    assert_eq!(page.1, Some("not_event_stream"));
    let unasked = outcome(
        ProviderType::Ollama,
        false,
        Some("application/x-ndjson"),
        LINES,
    );
    assert_eq!(unasked.1, None);
}

#[test]
fn a_whole_answer_needs_no_finish_reason() {
    let body = r#"{"choices":[{"message":{"content":"hi"}}]}"#;
    let decoder = decoder(ProviderType::OpenAi, false, None, CAP);
    let (answer, error, _) = fold(decoder, [body.as_bytes()]);
    assert_eq!(error, None);
    assert_eq!(answer.so_far().finish_reason, Some(FinishReason::Unknown));
}

#[test]
fn whole_calls_without_ids_stay_apart() {
    let call = |name: &str| json!({"function": {"name": name, "arguments": {"x": 1}}});
    let body = json!({"choices": [{"message": {"tool_calls": [call("a"), call("b")]}, "finish_reason": "stop"}]});
    let decoder = decoder(ProviderType::OpenAi, false, None, CAP);
    let (answer, error, _) = fold(decoder, [body.to_string().as_bytes()]);
    assert_eq!(error, None);
    let calls = &answer.so_far().tool_calls;
    let names: Vec<_> = calls
        .iter()
        .filter_map(|call| call.name.as_deref())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        calls[0].arguments,
        ToolArguments::Text("{\"x\":1}".to_owned())
    );
    assert_eq!(answer.so_far().finish_reason, Some(FinishReason::ToolCalls));
}

#[test]
fn an_index_used_again_means_its_newest_call() {
    let piece = |call| json!({"choices": [{"delta": {"tool_calls": [call]}}]});
    let body = stream(&[
        piece(json!({"index": 0, "id": "c1", "function": {"name": "a", "arguments": "1"}})),
        piece(json!({"index": 0, "id": "c2", "function": {"name": "b"}})),
        piece(json!({"index": 0, "function": {"arguments": "2"}})),
        piece(json!({"index": 0, "id": "c1", "function": {"arguments": "1"}})),
    ]);
    let decoder = decoder(ProviderType::OpenAi, true, Some("text/event-stream"), CAP);
    let (answer, _, _) = fold(decoder, [body.as_bytes(), b"data: [DONE]"]);
    let calls = &answer.so_far().tool_calls;
    let arguments: Vec<_> = calls.iter().map(|call| call.arguments.to_text()).collect();
    assert_eq!(arguments, ["11", "2"]);
}

#[test]
fn an_error_after_the_finish_reason_is_still_an_error() {
    let body = stream(&[
        json!({"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}),
        json!({"error": {"message": "broken", "code": "server_error"}}),
    ]);
    let decoder = decoder(ProviderType::OpenAi, true, Some("text/event-stream"), CAP);
    let (_, error, out) = fold(decoder, [body.as_bytes(), b"data: [DONE]\n\n"]);
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Server));
    assert!(matches!(
        out.as_slice(),
        [
            Chunk::Text(_),
            Chunk::Finish {
                reason: FinishReason::Stop,
                ..
            }
        ]
    ));
}

#[test]
fn nothing_counts_after_the_end() {
    let mut decoder = decoder(ProviderType::OpenAi, true, Some("text/event-stream"), CAP);
    let mut out = Vec::new();
    assert_eq!(decoder.feed(EVENTS.as_bytes(), &mut out), Ok(()));
    assert!(decoder.is_done());
    let before = out.clone();
    assert_eq!(decoder.feed(&vec![b'x'; 2 * CAP], &mut out), Ok(()));
    assert_eq!(
        decoder.feed(b"\ndata: {\"error\":\"late\"}\n\n", &mut out),
        Ok(())
    );
    assert_eq!(decoder.finish(&mut out), Ok(()));
    assert_eq!(out, before);
}

#[test]
fn an_error_is_told_once() {
    let mut decoder = decoder(ProviderType::OpenAi, true, Some("text/event-stream"), CAP);
    let mut out = Vec::new();
    let fed = decoder.feed(
        b"data: {\"error\":\"no\"}\n\ndata: {\"error\":\"again\"}\n\n",
        &mut out,
    );
    assert_eq!(
        fed.err().map(|error| error.message().to_owned()),
        Some("no".to_owned())
    );
    assert!(decoder.is_done());
    assert_eq!(decoder.finish(&mut out), Ok(()));
}

#[test]
fn lines_that_together_exceed_the_cap_are_refused() {
    let line = format!("data: {}\n", "x".repeat(600));
    let decoder = decoder(ProviderType::OpenAi, true, Some("text/event-stream"), 1000);
    let (_, error, _) = fold(decoder, [line.repeat(2).as_bytes()]);
    assert_eq!(error.and_then(|error| error.detail()), Some("too_long"));
}

#[test]
fn comments_and_blank_lines_are_signs_of_life() {
    let keep_alives = |provider_type, streaming, label, body: &str| {
        let decoder = decoder(provider_type, streaming, label, CAP);
        let (_, _, out) = fold(decoder, [body.as_bytes()]);
        out.iter()
            .filter(|chunk| **chunk == Chunk::KeepAlive)
            .count()
    };
    let sse = Some("text/event-stream");
    let body = format!(": a\n\n: b\n\n{EVENTS}");
    assert_eq!(keep_alives(ProviderType::OpenAi, true, sse, &body), 2);
    let body = format!("\n\n\n{DOCUMENT}\n");
    assert_eq!(keep_alives(ProviderType::OpenAi, false, None, &body), 3);
    let body = format!("\n{LINES}");
    assert_eq!(keep_alives(ProviderType::Ollama, true, None, &body), 1);
}

#[test]
fn hints_say_what_to_do_where_the_kind_cannot() {
    let hint = |provider_type, status, body: &str| {
        crate::wire::classify(provider_type, status, &|_| None, body.as_bytes())
            .hint()
            .to_owned()
    };
    let wrong_path = hint(ProviderType::OpenAi, 404, "404 page not found");
    assert!(wrong_path.contains("base_url"), "{wrong_path}");
    let missing = hint(
        ProviderType::Ollama,
        404,
        r#"{"error":"model 'x' not found"}"#,
    );
    assert!(missing.contains("ollama pull"), "{missing}");
    let plan = hint(ProviderType::ZhipuAi, 429, r#"{"error":{"code":"1113"}}"#);
    assert!(plan.contains("coding base_url"), "{plan}");
}
