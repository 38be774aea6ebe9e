//! What must hold for any input: no cut changes a result, nothing panics, and both directions agree.

use bytes::BytesMut;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use super::{anthropic_decoder, cut, decoder, fold, folder, responses_decoder};
use crate::base::{
    Answer, ChatRequest, Chunk, Content, Error, ErrorKind, FinishReason, Message, Part,
    ProviderType, Role, ToolArguments, ToolCall, ToolCallDelta, Usage,
};
use crate::wire::serve::{Encoder, decode_request};
use crate::wire::{Decode, Quirks, classify, decode_models, encode, rate_limits};

/// Every decoder there is, by number.
fn any_decoder(number: usize, max_line: usize) -> Box<dyn Decode> {
    let pick = |provider_type, streaming, content_type| {
        decoder(provider_type, streaming, content_type, max_line)
    };
    match number {
        0 => pick(ProviderType::OpenAi, true, Some("text/event-stream")),
        1 => pick(ProviderType::OpenAi, true, None),
        2 => pick(ProviderType::OpenAi, false, Some("application/json")),
        3 => pick(ProviderType::ZhipuAi, true, Some("text/event-stream")),
        4 => pick(ProviderType::Ollama, true, Some("application/x-ndjson")),
        5 => pick(ProviderType::Ollama, false, None),
        6 => anthropic_decoder(max_line),
        _ => responses_decoder(max_line),
    }
}

/// Recorded bodies, small ones only.
fn recorded() -> Vec<Vec<u8>> {
    let mut files: Vec<_> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|kind| kind != "json"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| std::fs::read(path).expect("a file"))
        .collect()
}

/// Pieces from which bodies are put together that are nearly right.
const FRAGMENTS: [&[u8]; 30] = [
    b"data: ",
    b"data:",
    b"event: error\n",
    b"error: {\"message\":\"x\"}",
    b": ping",
    b"[DONE]",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\xef\xbb\xbf",
    b"{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}",
    b"{\"choices\":[{\"delta\":{\"content\":[{\"text\":\"\\ud83d\"}]},\"finish_reason\":\"stop\"}]}",
    b"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\"}}]}}]}",
    b"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":{}}}]}}]}",
    b"{\"choices\":null,\"usage\":{\"prompt_tokens\":1e3}}",
    b"{\"error\":{\"code\":\"1305\"}}",
    b"{\"message\":{\"content\":\"b\",\"tool_calls\":[{\"function\":{}}]}}",
    b"{\"done\":true,\"eval_count\":-1}",
    b"{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\"}}",
    b"{\"type\":\"content_block_stop\",\"index\":1}",
    b"{\"type\":\"response.output_text.delta\",\"delta\":\"c\"}",
    b"{\"type\":\"response.failed\",\"response\":{}}",
    b"{\"choices\":",
    b"[",
    b"{}",
    b"\"",
    b"\\ud800",
    b"null",
    b"\xff\xc3",
];

fn body() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        8 => select(FRAGMENTS.to_vec()).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    let assembled = prop::collection::vec(fragment, 0..24).prop_map(|parts| parts.concat());
    let damage = prop::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 0..4);
    let damaged = (select(recorded()), damage).prop_map(|(mut body, damage)| {
        for (place, byte, how) in damage {
            if body.is_empty() {
                break;
            }
            let at = place.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => body.truncate(at),
            }
        }
        body
    });
    prop_oneof![assembled, damaged]
}

/// Answers as a provider gives them: reasoning, text, calls, usage, an end.
fn answer(provider_type: ProviderType) -> impl Strategy<Value = Vec<Chunk>> {
    let texts = prop::collection::vec(".{1,8}", 1..4);
    let calls = prop::collection::vec(("[a-z]{1,6}", "[a-z]{1,4}", any::<u16>()), 0..3);
    let usage = proptest::option::of((1..1000_u64, 1..1000_u64));
    (
        texts.clone(),
        texts,
        calls,
        usage,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(move |(thoughts, texts, calls, usage, thinks, is_cut)| {
            let mut chunks = vec![Chunk::KeepAlive];
            if thinks {
                chunks.extend(thoughts.into_iter().map(Chunk::Reasoning));
            }
            chunks.extend(texts.into_iter().map(Chunk::Text));
            let has_calls = !calls.is_empty();
            for (index, (id, name, number)) in calls.into_iter().enumerate() {
                let object = json!({ "n": number });
                let first = ToolCallDelta {
                    index,
                    id: Some(id),
                    name: Some(name),
                    arguments: None,
                };
                let arguments = match provider_type {
                    ProviderType::Ollama => vec![ToolArguments::Json(object)],
                    ProviderType::OpenAi | ProviderType::ZhipuAi => {
                        let text = object.to_string();
                        let (head, tail) = text.split_at(3);
                        [head, tail]
                            .map(|piece| ToolArguments::Text(piece.to_owned()))
                            .to_vec()
                    }
                };
                chunks.push(Chunk::ToolCall(first));
                chunks.extend(arguments.into_iter().map(|piece| {
                    Chunk::ToolCall(ToolCallDelta {
                        index,
                        id: None,
                        name: None,
                        arguments: Some(piece),
                    })
                }));
            }
            chunks.extend(usage.map(|(prompt, completion)| {
                Chunk::Usage(Usage {
                    prompt_tokens: Some(prompt),
                    completion_tokens: Some(completion),
                    total_tokens: Some(prompt + completion),
                    ..Usage::default()
                })
            }));
            chunks.push(Chunk::Finish {
                reason: match (is_cut, has_calls) {
                    (true, _) => FinishReason::Length,
                    (false, true) => FinishReason::ToolCalls,
                    (false, false) => FinishReason::Stop,
                },
                raw: None,
            });
            chunks
        })
}

fn provider_types() -> impl Strategy<Value = ProviderType> {
    select(ProviderType::ALL.to_vec())
}

/// A message in the one form that both directions agree on for the type.
fn message(provider_type: ProviderType) -> impl Strategy<Value = Message> {
    let role = select(vec![Role::System, Role::User, Role::Assistant, Role::Tool]);
    let call = ("[a-z]{1,6}", "[a-z]{1,6}", any::<u16>()).prop_map(move |(id, name, number)| {
        let object = json!({ "n": number });
        ToolCall {
            id: Some(id),
            name: Some(name),
            arguments: match provider_type {
                ProviderType::Ollama => ToolArguments::Json(object),
                ProviderType::OpenAi | ProviderType::ZhipuAi => {
                    ToolArguments::Text(object.to_string())
                }
            },
        }
    });
    let calls = prop::collection::vec(call, 0..3);
    let extra = prop::collection::btree_map("x_[a-z]{1,4}", any::<i32>(), 0..3);
    let flags = (any::<bool>(), any::<bool>());
    (role, ".{1,12}", "[a-z]{1,6}", calls, extra, flags).prop_map(
        move |(role, text, word, calls, extra, (in_parts, has_reasoning))| {
            let mut message = Message::text(role, text.clone());
            message.extra = extra
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect();
            match role {
                Role::System => {}
                Role::User if in_parts => {
                    let url = format!("data:image/png;base64,{word}");
                    let image = json!({"type": "image_url", "image_url": {"url": url}});
                    message.content = Content::Parts(vec![Part::Text(text), Part::Other(image)]);
                }
                Role::User => {}
                Role::Assistant => {
                    let is_sent_back = match provider_type {
                        ProviderType::OpenAi => false,
                        ProviderType::Ollama => true,
                        ProviderType::ZhipuAi => !calls.is_empty(),
                    };
                    message.reasoning = (is_sent_back && has_reasoning).then_some(word);
                    message.tool_calls = calls;
                }
                Role::Tool => {
                    message.tool_call_id = Some(word.clone());
                    message.name = (provider_type == ProviderType::Ollama).then_some(word);
                }
            }
            message
        },
    )
}

fn chat(provider_type: ProviderType) -> impl Strategy<Value = ChatRequest> {
    let messages = prop::collection::vec(message(provider_type), 1..5);
    let sampling = (
        // Fractions that decimal text keeps exactly.
        proptest::option::of((3..125_u8).prop_map(|part| f64::from(part) / 128.0)),
        proptest::option::of((3..125_u8).prop_map(|part| f64::from(part) / 128.0)),
        proptest::option::of(any::<i64>()),
        proptest::option::of(0..100_000_u64),
        prop::collection::vec("[a-z]{1,3}", 0..2),
    );
    (messages, sampling, any::<bool>(), any::<bool>()).prop_map(
        |(messages, (temperature, top_p, seed, max_tokens, stop), stream, has_tools)| {
            let mut request = ChatRequest::new(messages).with_model("some-model");
            request.temperature = temperature;
            request.top_p = top_p;
            request.seed = seed;
            request.max_tokens = max_tokens;
            request.stop = stop;
            request.stream = stream;
            if has_tools {
                request.tools = vec![json!({"type": "function", "function": {"name": "f"}})];
                request.tool_choice = Some("auto".into());
            }
            request
                .extra
                .insert("x_new".to_owned(), json!({"deep": [1, null]}));
            request
        },
    )
}

fn send(encoder: &mut Encoder, chunks: &[Chunk]) -> BytesMut {
    let mut sent = BytesMut::new();
    for chunk in chunks {
        if let Some(frames) = encoder.chunk(chunk) {
            sent.extend_from_slice(&frames);
        }
    }
    sent.extend_from_slice(&encoder.finish());
    sent
}

fn folded(chunks: &[Chunk]) -> Answer {
    let mut answer = Answer::default();
    for chunk in chunks {
        answer.push(chunk);
    }
    answer
}

proptest! {
    #[test]
    fn no_cut_changes_a_result_and_nothing_panics(
        body in body(),
        number in 0..8_usize,
        max_line in select(vec![16, 200, 1 << 20]),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        places.sort_unstable();
        let (_, whole_error, whole) = fold(any_decoder(number, max_line), [body.as_slice()]);
        let (_, error, pieces) = fold(any_decoder(number, max_line), cut(&body, &places));
        prop_assert_eq!(&whole, &pieces);
        prop_assert_eq!(&whole_error, &error);
        let (_, error, bytes) = fold(any_decoder(number, max_line), body.chunks(1));
        prop_assert_eq!(&whole, &bytes);
        prop_assert_eq!(&whole_error, &error);
        let has_finish = whole.iter().any(|chunk| matches!(chunk, Chunk::Finish { .. }));
        prop_assert!(has_finish || whole_error.is_some(), "an end that is neither good nor bad");
    }

    #[test]
    fn any_error_answer_becomes_an_error(
        body in body(),
        status in 100..600_u16,
        provider_type in provider_types(),
        header in ".{0,12}",
    ) {
        let error = classify(provider_type, status, &|_| Some(header.clone()), &body);
        prop_assert!(!error.message().chars().any(char::is_control));
        prop_assert!(error.message().chars().count() <= 500);
        rate_limits(&|_| Some(header.clone()));
    }

    #[test]
    fn any_body_is_a_request_or_an_invalid_one(body in body(), provider_type in provider_types()) {
        if let Err(error) = decode_request(provider_type, &body) {
            prop_assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        }
        if let Ok(models) = decode_models(provider_type, &body) {
            prop_assert!(models.iter().all(|model| !model.is_empty()));
        }
    }

    #[test]
    fn a_request_arrives_as_it_was_meant(
        (provider_type, request) in provider_types()
            .prop_flat_map(|provider_type| (Just(provider_type), chat(provider_type))),
    ) {
        let body = encode(provider_type, &request, &Quirks::default()).to_string();
        let mut expected = request;
        if provider_type == ProviderType::OpenAi && expected.stream {
            let options = json!({"include_usage": true});
            expected.extra.insert("stream_options".to_owned(), options);
        }
        prop_assert_eq!(decode_request(provider_type, body.as_bytes()), Ok(expected));
    }

    #[test]
    fn an_answer_arrives_as_it_was_sent(
        (provider_type, chunks) in provider_types()
            .prop_flat_map(|provider_type| (Just(provider_type), answer(provider_type))),
        streaming in any::<bool>(),
        piece in 1..40_usize,
    ) {
        let mut encoder = Encoder::new(provider_type, "id-1", "m", 1_795_400_000, streaming, true);
        let content_type = encoder.content_type();
        let sent = send(&mut encoder, &chunks);
        let decoder = decoder(provider_type, streaming, Some(content_type), 1 << 20);
        let (answer, error, _) = fold(decoder, sent.chunks(piece));
        prop_assert_eq!(error, None::<Error>);
        let mut expected = folded(&chunks).into_response();
        let mut arrived = answer.into_response();
        let raw = arrived.finish_raw.take();
        prop_assert!(raw.is_some());
        if provider_type == ProviderType::Ollama && raw.as_deref() == Some("length") {
            expected.finish_reason = Some(FinishReason::Length);
        }
        prop_assert_eq!(arrived, expected);
    }
}

#[test]
fn endless_nesting_is_refused_or_skipped_without_a_crash() {
    let deep = "[".repeat(200_000);
    for number in 0..8 {
        for body in [
            deep.clone(),
            format!("data: {deep}\n\n"),
            format!("data: {{\"choices\":{deep}\n\n"),
            format!("data: {{\"choices\":{deep}{}}}\n\n", "]".repeat(200_000)),
            format!("{{\"message\":{{\"tool_calls\":[{{\"function\":{{\"arguments\":{deep}"),
        ] {
            let (_, error, _) = fold(any_decoder(number, 1 << 20), [body.as_bytes()]);
            assert!(error.is_some());
        }
    }
    assert!(decode_request(ProviderType::OpenAi, deep.as_bytes()).is_err());
}

#[test]
fn a_flood_of_tool_calls_is_refused() {
    let call = json!({"choices": [{"delta": {"tool_calls": [{"id": "a"}, {"id": "b"}]}}]});
    let mut flood = String::new();
    for number in 0..600 {
        let call = call.to_string();
        let call = call.replace("\"a\"", &format!("\"a{number}\""));
        flood.push_str("data: ");
        flood.push_str(&call.replace("\"b\"", &format!("\"b{number}\"")));
        flood.push_str("\n\n");
    }
    let (answer, error, _) = fold(any_decoder(0, 1 << 20), [flood.as_bytes()]);
    assert_eq!(error.and_then(|error| error.detail()), Some("too_long"));
    assert_eq!(answer.so_far().tool_calls.len(), 1024);
    let one_piece: Vec<Value> = (0..2000).map(|number| json!({ "index": number })).collect();
    let one_piece = json!({"choices": [{"delta": {"tool_calls": one_piece}}]});
    let body = format!("data: {one_piece}\n\n");
    let (_, error, _) = fold(any_decoder(0, 1 << 20), [body.as_bytes()]);
    assert_eq!(error.and_then(|error| error.detail()), Some("too_long"));
}

#[test]
fn fields_of_the_wrong_kind_are_named() {
    let with = |field: &str, value: Value| {
        let mut body: Map<String, Value> =
            json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
                .as_object()
                .expect("an object")
                .clone();
        body.insert(field.to_owned(), value);
        let body = Value::Object(body).to_string();
        decode_request(ProviderType::OpenAi, body.as_bytes())
    };
    for (field, value, message) in [
        ("model", json!(null), "'model' is required"),
        ("model", json!(7), "'model' must be a string"),
        (
            "messages",
            json!([]),
            "'messages' is required and must not be empty",
        ),
        ("messages", json!({}), "'messages' must be a list"),
        ("messages", json!([1]), "'messages[0]' must be an object"),
        (
            "messages",
            json!([{"role": "robot"}]),
            "'messages[0].role' must be one of system, developer, user, assistant, tool",
        ),
        (
            "messages",
            json!([{"role": "user", "content": 7}]),
            "'messages[0].content' must be a string or a list of parts",
        ),
        (
            "messages",
            json!([{"role": "assistant", "tool_calls": [{}]}]),
            "'messages[0].tool_calls[0].function' must be there",
        ),
        (
            "temperature",
            json!("hot"),
            "'temperature' must be a number",
        ),
        (
            "max_tokens",
            json!(-1),
            "'max_tokens' must be a whole number from 0",
        ),
        (
            "max_completion_tokens",
            json!(1.5),
            "'max_completion_tokens' must be a whole number",
        ),
        ("stop", json!([1]), "'stop' must be a list of strings"),
        ("stream", json!("yes"), "'stream' must be true or false"),
    ] {
        let error = with(field, value).expect_err(field);
        assert_eq!(error.message(), message);
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }
    let request = with("max_completion_tokens", json!(5)).expect("a request");
    assert_eq!(request.max_tokens, Some(5));
}
