//! Every front there and back: what both sides know of a request or an answer survives the translation.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::base::{
    Answer, ChatRequest, Chunk, ErrorKind, FinishReason, Message, ProviderType, Role,
    ToolArguments, ToolCall, ToolCallDelta, Usage,
};
use crate::wire::serve::{About, Front, Speaker};
use crate::wire::{Decode, Quirks, anthropic_decoder, decoder, encode, responses_decoder};

const MAX_LINE: usize = 1 << 20;

fn speaker(front: Front, streaming: bool) -> Speaker {
    let about = About {
        id: "x-1".to_owned(),
        model: "m".to_owned(),
        created_unix: 1_795_400_000,
        streaming,
        include_usage: true,
    };
    Speaker::new(front, about)
}

/// Says an answer in a front's stream, and reads it with the decoder of a client of that front.
fn heard(front: Front, chunks: &[Chunk]) -> Answer {
    let mut speaker = speaker(front, true);
    let mut sent = Vec::new();
    for chunk in chunks {
        sent.extend(speaker.chunk(chunk).unwrap_or_default());
    }
    sent.extend(speaker.finish());
    let mut reader: Box<dyn Decode> = match front {
        Front::Anthropic => anthropic_decoder(MAX_LINE),
        Front::Responses => responses_decoder(MAX_LINE),
        front => decoder(front.family(), true, Some(speaker.content_type()), MAX_LINE),
    };
    let mut out = Vec::new();
    reader.feed(&sent, &mut out).expect("a stream of ours");
    reader.finish(&mut out).expect("a proper end");
    let mut answer = Answer::default();
    for chunk in &out {
        answer.push(chunk);
    }
    answer
}

/// Says an answer as one document of a front, and returns what a client of that front finds in it: text, thoughts,
/// calls with their id, name and arguments, and the tokens of prompt and answer.
fn found_in_whole(front: Front, chunks: &[Chunk]) -> Value {
    let mut speaker = speaker(front, false);
    let mut sent = Vec::new();
    for chunk in chunks {
        sent.extend(speaker.chunk(chunk).unwrap_or_default());
    }
    sent.extend(speaker.finish());
    let document: Value = serde_json::from_slice(&sent).expect("one document");
    let blocks = |list: &Value, kind: &str, name: &str| -> String {
        let blocks = list.as_array().into_iter().flatten();
        let texts = blocks.filter(|block| block["type"] == kind);
        texts.filter_map(|block| block[name].as_str()).collect()
    };
    match front {
        Front::Anthropic => {
            let content = &document["content"];
            let calls = content.as_array().into_iter().flatten();
            let calls: Vec<Value> = calls
                .filter(|block| block["type"] == "tool_use")
                .map(|call| json!([call["id"], call["name"], call["input"]]))
                .collect();
            let usage = &document["usage"];
            json!([
                blocks(content, "text", "text"),
                blocks(content, "thinking", "thinking"),
                calls,
                usage["input_tokens"],
                usage["output_tokens"],
            ])
        }
        Front::Responses => {
            let output = document["output"].as_array().expect("a list").iter();
            let of = |kind: &'static str| output.clone().filter(move |item| item["type"] == kind);
            let text: String = of("message")
                .map(|item| blocks(&item["content"], "output_text", "text"))
                .collect();
            let thoughts: String = of("reasoning")
                .map(|item| {
                    blocks(&item["summary"], "summary_text", "text")
                        + &blocks(&item["content"], "reasoning_text", "text")
                })
                .collect();
            let arguments = |call: &Value| -> Value {
                let text = call["arguments"].as_str().expect("text");
                serde_json::from_str(text).expect("JSON")
            };
            let calls: Vec<Value> = of("function_call")
                .map(|call| json!([call["call_id"], call["name"], arguments(call)]))
                .collect();
            let usage = &document["usage"];
            json!([
                text,
                thoughts,
                calls,
                usage["input_tokens"],
                usage["output_tokens"]
            ])
        }
        front => {
            let kind = Some("application/json");
            let mut reader = decoder(front.family(), false, kind, MAX_LINE);
            let mut out = Vec::new();
            reader.feed(&sent, &mut out).expect("a document of ours");
            reader.finish(&mut out).expect("a proper end");
            let mut answer = Answer::default();
            for chunk in &out {
                answer.push(chunk);
            }
            found(&answer)
        }
    }
}

/// Returns of a folded answer what `found_in_whole` finds in a document.
fn found(answer: &Answer) -> Value {
    let answer = answer.so_far();
    let usage = answer.usage.unwrap_or_default();
    let calls: Vec<Value> = (answer.tool_calls.iter())
        .map(|call| json!([call.id, call.name, call.arguments.parse().ok()]))
        .collect();
    json!([
        answer.text,
        answer.reasoning,
        calls,
        usage.prompt_tokens,
        usage.completion_tokens,
    ])
}

/// A piece of text that is never empty.
fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 .,\\n\"\\\\{}äß中🦀]{1,20}"
}

fn tool_call(index: usize) -> impl Strategy<Value = Vec<Chunk>> {
    ("[a-z_]{1,10}", text()).prop_map(move |(name, value)| {
        let arguments = json!({ "value": value }).to_string();
        let half = arguments.len() / 2;
        let half = (half..arguments.len())
            .find(|at| arguments.is_char_boundary(*at))
            .unwrap_or(0);
        let piece = |id: Option<String>, name: Option<String>, arguments: &str| {
            Chunk::ToolCall(ToolCallDelta {
                index,
                id,
                name,
                arguments: Some(ToolArguments::Text(arguments.to_owned())),
            })
        };
        vec![
            piece(
                Some(format!("call_{index}")),
                Some(name),
                &arguments[..half],
            ),
            piece(None, None, &arguments[half..]),
        ]
    })
}

fn answer() -> impl Strategy<Value = Vec<Chunk>> {
    (
        prop::collection::vec(text().prop_map(Chunk::Reasoning), 0..3),
        prop::collection::vec(text().prop_map(Chunk::Text), 1..5),
        prop::bool::ANY.prop_flat_map(|has| {
            if has {
                (tool_call(0), tool_call(1))
                    .prop_map(|(a, b)| [a, b].concat())
                    .boxed()
            } else {
                Just(Vec::new()).boxed()
            }
        }),
        (1_u64..10_000, 1_u64..10_000),
    )
        .prop_map(|(thoughts, words, calls, (prompt, completion))| {
            let reason = if calls.is_empty() {
                FinishReason::Stop
            } else {
                FinishReason::ToolCalls
            };
            let usage = Usage {
                prompt_tokens: Some(prompt),
                completion_tokens: Some(completion),
                total_tokens: Some(prompt + completion),
                ..Usage::default()
            };
            let end = vec![Chunk::Usage(usage), Chunk::Finish { reason, raw: None }];
            [thoughts, words, calls, end].concat()
        })
}

/// A conversation as all protocols know it: each call is answered.
fn request() -> impl Strategy<Value = ChatRequest> {
    (
        text(),
        text(),
        text(),
        "[a-z_]{1,10}",
        text(),
        prop::bool::ANY,
    )
        .prop_map(
            |(system, question, said, name, value, stream)| ChatRequest {
                model: Some("m".to_owned()),
                messages: vec![
                    Message::system(system),
                    Message::user(question),
                    Message {
                        tool_calls: vec![ToolCall {
                            id: Some("call_1".to_owned()),
                            name: Some(name.clone()),
                            arguments: ToolArguments::Json(json!({ "value": value })),
                        }],
                        ..Message::assistant(said.clone())
                    },
                    Message {
                        tool_call_id: Some("call_1".to_owned()),
                        name: Some(name),
                        ..Message::text(Role::Tool, said)
                    },
                ],
                max_tokens: Some(77),
                temperature: Some(0.5),
                top_p: Some(0.25),
                stream,
                ..ChatRequest::default()
            },
        )
}

/// Writes a request as a client of a front would.
fn written(front: Front, request: &ChatRequest) -> Option<Value> {
    let text = |at: usize| request.messages[at].content.to_text();
    let call = &request.messages[2].tool_calls[0];
    let input = call.arguments.parse().expect("JSON");
    match front {
        Front::OpenAi | Front::Ollama | Front::ZhipuAi => {
            Some(encode(front.family(), request, &Quirks::default()))
        }
        Front::Anthropic => Some(json!({
            "model": request.model, "stream": request.stream, "max_tokens": 77, "temperature": 0.5,
            "top_p": 0.25, "system": text(0),
            "messages": [
                {"role": "user", "content": text(1)},
                {"role": "assistant", "content": [
                    {"type": "text", "text": text(2)},
                    {"type": "tool_use", "id": call.id, "name": call.name, "input": input},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": call.id, "content": text(3)},
                ]},
            ],
        })),
        Front::Responses => Some(json!({
            "model": request.model, "stream": request.stream, "max_output_tokens": 77,
            "temperature": 0.5, "top_p": 0.25, "instructions": text(0),
            "input": [
                {"role": "user", "content": text(1)},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text(2)}]},
                {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments.to_text()},
                {"type": "function_call_output", "call_id": call.id, "output": text(3)},
            ],
        })),
        Front::Completions | Front::Generate => None,
    }
}

/// What every protocol knows of a request; arguments as JSON, for some have them as text.
fn common(request: &ChatRequest) -> Value {
    let messages = request.messages.iter().map(|message| {
        let calls = message.tool_calls.iter().map(|call| {
            json!([
                call.id,
                call.name,
                call.arguments.parse().unwrap_or_default()
            ])
        });
        json!([
            message.role,
            message.content.to_text(),
            calls.collect::<Vec<_>>(),
            message.tool_call_id
        ])
    });
    json!([
        request.model,
        messages.collect::<Vec<_>>(),
        request.max_tokens,
        request.temperature,
        request.top_p,
        request.stream,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn answers_survive_every_front(chunks in answer()) {
        let mut whole = Answer::default();
        for chunk in &chunks {
            whole.push(chunk);
        }
        let wanted = whole.so_far();
        for front in [Front::OpenAi, Front::Responses, Front::Ollama, Front::ZhipuAi, Front::Anthropic] {
            let heard = heard(front, &chunks);
            let got = heard.so_far();
            prop_assert_eq!(&got.text, &wanted.text, "{:?}", front);
            prop_assert_eq!(&got.reasoning, &wanted.reasoning, "{:?}", front);
            let usage = got.usage.unwrap_or_default();
            prop_assert_eq!(usage.prompt_tokens, wanted.usage.unwrap_or_default().prompt_tokens);
            prop_assert_eq!(usage.completion_tokens, wanted.usage.unwrap_or_default().completion_tokens);
            prop_assert_eq!(got.finish_reason, wanted.finish_reason, "{:?}", front);
            prop_assert_eq!(got.tool_calls.len(), wanted.tool_calls.len(), "{:?}", front);
            for (got, wanted) in got.tool_calls.iter().zip(&wanted.tool_calls) {
                prop_assert_eq!(&got.id, &wanted.id, "{:?}", front);
                prop_assert_eq!(&got.name, &wanted.name);
                prop_assert_eq!(got.arguments.parse().ok(), wanted.arguments.parse().ok());
            }
        }
    }

    #[test]
    fn whole_answers_survive_every_front(chunks in answer()) {
        let mut whole = Answer::default();
        for chunk in &chunks {
            whole.push(chunk);
        }
        let wanted = found(&whole);
        for front in [Front::OpenAi, Front::Responses, Front::Ollama, Front::ZhipuAi, Front::Anthropic] {
            prop_assert_eq!(found_in_whole(front, &chunks), wanted.clone(), "{:?}", front);
        }
    }

    #[test]
    fn requests_survive_every_front_and_every_type(request in request()) {
        let wanted = common(&request);
        for front in Front::ALL {
            let Some(body) = written(front, &request) else {
                continue;
            };
            let read = front.decode(body.to_string().as_bytes()).expect("a request of ours");
            prop_assert_eq!(common(&read), wanted.clone(), "read from {:?}", front);
            for provider_type in ProviderType::ALL {
                let sent = encode(provider_type, &read, &Quirks::default()).to_string();
                let same = Front::ALL.into_iter().find(|front| front.same() == Some(provider_type));
                let again = same.expect("a front of the type").decode(sent.as_bytes()).expect("a request");
                prop_assert_eq!(common(&again), wanted.clone(), "{:?} onto {}", front, provider_type);
            }
        }
    }

    #[test]
    fn no_bytes_break_a_front(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for front in Front::ALL {
            let _ = front.decode(&bytes);
        }
    }

    #[test]
    fn no_document_breaks_a_front(document in json_value()) {
        let text = document.to_string();
        for front in Front::ALL {
            if let Err(error) = front.decode(text.as_bytes()) {
                prop_assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            }
        }
    }
}

/// JSON that looks like a request here and there.
fn json_value() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "model",
        "messages",
        "input",
        "prompt",
        "content",
        "role",
        "user",
        "assistant",
        "tool",
        "type",
        "text",
        "tools",
        "function",
        "name",
        "system",
        "max_tokens",
        "tool_use",
        "tool_result",
        "image",
        "source",
        "options",
        "format",
        "think",
        "stream",
        "tool_calls",
        "arguments",
        "output",
        "reasoning",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5_i64..100).prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    let tree = leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6).prop_map(|fields| {
                Value::Object(
                    fields
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    });
    (tree.clone(), tree.clone(), tree).prop_map(|(messages, input, tools)| {
        json!({"model": "m", "messages": messages, "input": input, "prompt": "x", "max_tokens": 1, "tools": tools})
    })
}
