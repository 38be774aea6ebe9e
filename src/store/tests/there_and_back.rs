//! Export and import lose nothing, whatever is in it.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::base::{
    Attempt, Content, ErrorKind, Facts, FinishReason, KeptError, Outcome, Part, ProviderType,
    RequestId, Target, ToolArguments, ToolCall, Usage,
};
use crate::store::{Format, export_into, import};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,12}",
        "[\\PC\\n\\t\"\\\\]{0,20}",
        Just("# not a heading\n## User\n```\n---".to_owned()),
        Just("\u{0}\u{1b}[31m\u{202e}".to_owned()),
        Just("许可の数 👩‍👩‍👧‍👦".to_owned()),
    ]
}

fn micros() -> impl Strategy<Value = Duration> {
    (0..10_u64.pow(12)).prop_map(Duration::from_micros)
}

fn message_of(role: Role) -> impl Strategy<Value = Message> {
    let content = prop_oneof![
        text().prop_map(Content::Text),
        proptest::collection::vec(
            prop_oneof![
                text().prop_map(Part::Text),
                Just(Part::Other(
                    serde_json::json!({"type": "image_url", "image_url": {"url": "x"}})
                )),
            ],
            0..3
        )
        .prop_map(Content::Parts),
    ];
    let call = (proptest::option::of(text()), text()).prop_map(|(id, arguments)| ToolCall {
        id,
        name: Some("f".to_owned()),
        arguments: ToolArguments::Text(arguments),
    });
    let calls = proptest::collection::vec(call, 0..2);
    let option = || proptest::option::of(text());
    (content, option(), calls, option(), option(), any::<bool>()).prop_map(
        move |(content, reasoning, tool_calls, tool_call_id, name, odd)| {
            let mut message = Message {
                content,
                reasoning,
                tool_calls,
                tool_call_id,
                name,
                ..Message::text(role, "")
            };
            if odd {
                message.extra.insert("id".to_owned(), Value::from("mine"));
            }
            message
        },
    )
}

fn facts() -> impl Strategy<Value = Facts> {
    let attempt = (micros(), proptest::option::of(text()), 0..3_usize)
        .prop_map(|(total, message, outcome)| Attempt {
            instance: "east".into(),
            model: "m".to_owned(),
            outcome: [
                Outcome::Success,
                Outcome::Cancelled,
                Outcome::Failure(ErrorKind::Network),
            ][outcome],
            message,
            status: Some(503),
            started_after: total / 3 * 1,
            queued: Duration::ZERO,
            headers: Some(total),
            first_token: None,
            total,
        })
        .prop_map(|mut attempt| {
            attempt.started_after = Duration::from_micros(attempt.started_after.as_micros() as u64);
            attempt
        });
    let error = proptest::option::of(text().prop_map(|message| KeptError {
        kind: ErrorKind::Overloaded,
        message,
        instance: Some("west".into()),
        code: None,
        status: Some(529),
        hint: "wait".to_owned(),
    }));
    (
        micros(),
        proptest::option::of(micros()),
        proptest::option::of(any::<f64>().prop_filter("a number", |cost| cost.is_finite())),
        proptest::collection::vec(attempt, 0..3),
        error,
        text(),
        proptest::option::of((any::<u32>(), any::<u32>())),
    )
        .prop_map(
            |(total, first, cost, attempts, error, refusal, tokens)| Facts {
                request_id: Some(RequestId(7)),
                instance: Some("east".into()),
                provider_type: Some(ProviderType::ZhipuAi),
                model: Some("m".to_owned()),
                total_time: total,
                time_to_first_token: first,
                cost,
                attempts,
                error,
                refusal,
                usage: tokens.map(|(prompt, completion)| Usage {
                    prompt_tokens: Some(prompt.into()),
                    completion_tokens: Some(completion.into()),
                    ..Usage::default()
                }),
                timings: Some(serde_json::json!({"predicted_ms": 12.5, "n": [1, null]})),
                finish_reason: Some(FinishReason::ToolCalls),
                finish_raw: Some("tool_use".to_owned()),
                ..Facts::default()
            },
        )
}

/// A tree: each message hangs on any earlier one, or begins.
fn conversation() -> impl Strategy<Value = Conversation> {
    let role = prop_oneof![
        Just(Role::User),
        Just(Role::Assistant),
        Just(Role::Tool),
        Just(Role::System)
    ];
    let one = (
        role.prop_flat_map(message_of),
        any::<proptest::sample::Index>(),
        any::<bool>(),
        0..5_usize,
        proptest::option::of(facts()),
    );
    (
        1..1_i64 << 59,
        proptest::collection::vec(one, 0..6),
        (
            text(),
            text(),
            proptest::option::of(text()),
            any::<bool>(),
            any::<bool>(),
        ),
        proptest::collection::vec(text(), 0..3),
        0..4_usize,
    )
        .prop_map(
            |(id, messages, (title, draft, system, pinned, titled), tags, target)| {
                let mut chat = Conversation {
                    title,
                    draft,
                    system,
                    pinned,
                    titled,
                    tags,
                    model: Some("m".to_owned()),
                    persona: Some("teacher".to_owned()),
                    forked_from: Some(ConversationId(3)),
                    target: [
                        Target::Any,
                        Target::Type(ProviderType::Ollama),
                        Target::Route("r".into()),
                        Target::Instance("i".into()),
                    ][target]
                        .clone(),
                    ..Conversation::new(ConversationId(id), at(id % 1000))
                };
                for (at_index, (message, before, begins, state, answer)) in
                    messages.into_iter().enumerate()
                {
                    let parent =
                        (!begins && at_index > 0).then(|| chat.messages[before.index(at_index)].id);
                    let count = i64::try_from(at_index).unwrap_or_default();
                    let state = MessageState::ALL[state];
                    // What is coming in is the only state that the next start changes.
                    let state = if state == MessageState::Streaming {
                        MessageState::Cut
                    } else {
                        state
                    };
                    chat.say(KeptMessage {
                        id: MessageId(id.wrapping_mul(16) % (1 << 40) + count),
                        parent,
                        chosen: None,
                        at: Timestamp::from_microsecond(1_790_000_000_123_456 + count).unwrap(),
                        state,
                        message,
                        answer: answer.map(Box::new),
                    });
                }
                chat
            },
        )
}

fn exported(format: Format, conversations: &[Conversation]) -> String {
    let mut out = Vec::new();
    let mut each = conversations.iter().cloned().map(Ok);
    export_into(&mut out, format, &mut each).unwrap();
    String::from_utf8(out).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn json_and_the_file_lose_nothing(chat in conversation()) {
        let folder = tempfile::tempdir().unwrap();
        let mut one = history(&folder, 1);
        one.put(&chat).unwrap();
        let kept = one.load(chat.id).unwrap().unwrap();
        prop_assert_eq!(&kept, &chat);
        let text = exported(Format::Json, &[kept]);
        prop_assert_eq!(Format::of_text(&text), Format::Json);
        let back = import(&text, Format::Json, at(0), &mut dice(1)).unwrap();
        let other = tempfile::tempdir().unwrap();
        let mut two = history(&other, 2);
        for conversation in &back.conversations {
            two.put(conversation).unwrap();
        }
        // Once more, over itself.
        two.put(&back.conversations[0]).unwrap();
        prop_assert_eq!(two.load(chat.id).unwrap().unwrap(), chat);
        for table in ["message_text", "message_short"] {
            let check = format!("insert into {table}({table}) values('integrity-check')");
            two.connection.execute(&check, []).unwrap();
        }
    }

    #[test]
    fn jsonl_keeps_what_is_sent_to_a_model(chat in conversation()) {
        let text = exported(Format::Jsonl, std::slice::from_ref(&chat));
        prop_assume!(!text.is_empty());
        prop_assert_eq!(text.lines().count(), 1);
        let back = import(&text, Format::Jsonl, at(0), &mut dice(1));
        // A conversation of nothing but a system message says nothing.
        if let Ok(back) = back {
            for conversation in back.conversations {
                let again = exported(Format::Jsonl, &[conversation]);
                let once: Value = serde_json::from_str(&text).unwrap();
                let twice: Value = serde_json::from_str(&again).unwrap();
                prop_assert_eq!(once, twice);
            }
        }
    }
}

#[test]
fn markdown_brings_questions_and_answers_back() {
    let mut one = chat(
        1,
        "What is\n\n# this?",
        "A heading:\n\n## User\n\n```\n# x\n```\n\n---",
    );
    one.system = Some("Be kind.".to_owned());
    let two = chat(2, "第二", "好");
    let text = exported(Format::Markdown, &[one, two]);
    assert_eq!(Format::of_text(&text), Format::Markdown);
    let back = import(&text, Format::Markdown, at(0), &mut dice(1)).unwrap();
    let said: Vec<Vec<String>> = back
        .conversations
        .iter()
        .map(|chat| {
            chat.path()
                .iter()
                .map(|said| said.message.content.to_text())
                .collect()
        })
        .collect();
    assert_eq!(
        said[0],
        [
            "What is\n\n# this?",
            "A heading:\n\n## User\n\n```\n# x\n```\n\n---"
        ]
    );
    assert_eq!(said[1], ["第二", "好"]);
    assert_eq!(back.conversations[0].system.as_deref(), Some("Be kind."));
    assert_eq!(back.conversations[1].title, "第二");
}

#[test]
fn foreign_and_broken_files_are_refused_with_what_helps() {
    let refused = |text: &str, format| import(text, format, at(0), &mut dice(1)).unwrap_err();
    assert!(
        refused("{}", Format::Json)
            .message()
            .contains("not an export")
    );
    let newer = r#"{"format": "llmdeck.conversations", "version": 9, "conversations": []}"#;
    assert!(refused(newer, Format::Json).message().contains("version 9"));
    assert!(
        refused("hello", Format::Markdown)
            .message()
            .contains("no heading")
    );
    assert!(
        refused("{\"a\": 1}", Format::Jsonl)
            .message()
            .contains("line 1")
    );
    let lines = "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}]}\nnonsense\n";
    let read = import(lines, Format::Jsonl, at(0), &mut dice(1)).unwrap();
    assert_eq!((read.conversations.len(), read.left_out.len()), (1, 1));
}

#[test]
fn thousands_of_conversations_come_in_at_one_moment() {
    let line = r#"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}"#;
    let text = vec![line; 3_000].join("\n");
    let imported = import(&text, Format::Jsonl, at(1), &mut dice(1)).unwrap();
    let ids: std::collections::BTreeSet<MessageId> = imported
        .conversations
        .iter()
        .flat_map(|chat| chat.messages.iter().map(|said| said.id))
        .collect();
    assert_eq!(ids.len(), 6_000, "no two messages have one id");
}
