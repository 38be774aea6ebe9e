//! Stories of asking and answering.

use std::time::Duration;

use super::fake::{Fake, board, quiet_board};
use super::harness::Harness;
use crate::base::{
    Attempt, Chunk, Error, ErrorKind, FinishReason, LlmResponse, Message, Outcome, ToolArguments,
    ToolCallDelta,
};

async fn console() -> Harness {
    Harness::start((120, 40), Fake::new(board())).await
}

#[tokio::test(start_paused = true)]
async fn a_question_is_asked_and_its_answer_streams_in() {
    let console = console().await;
    let asked = console.ask("why is the sky blue?").await;
    assert_eq!(
        asked.request.messages,
        [Message::user("why is the sky blue?")]
    );
    assert!(console.shows("waiting for an instance"));
    asked.started("openai-a");
    asked.says("Because ");
    asked.says("of Rayleigh");
    console.settle().await;
    assert!(console.shows("Because of Rayleigh"));
    assert!(console.shows("openai-a answers"));
    asked.says(" scattering.");
    asked.done("openai-a");
    console.settle().await;
    assert!(console.shows("Because of Rayleigh scattering."));
    assert!(console.shows("openai-a · model-x · first token 340 ms · 50 tok/s"));
    assert!(!console.shows("answers"));
}

#[tokio::test(start_paused = true)]
async fn esc_mid_stream_cancels_generation() {
    let console = console().await;
    let asked = console.ask("count to a million").await;
    asked.started("openai-a");
    asked.says("1, 2, 3");
    console.settle().await;
    console.press("esc").await;
    assert!(asked.is_cancelled(), "the stream is dropped");
    assert!(console.shows("1, 2, 3"), "what had come stays");
    assert!(console.shows("stopped"));
    assert!(!console.has_ended());
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_is_layered() {
    let console = console().await;
    let asked = console.ask("count").await;
    asked.started("openai-a");
    asked.says("1");
    console.type_str("a draft").await;
    console.press("ctrl-c").await;
    assert!(asked.is_cancelled(), "first the answer is stopped");
    assert!(console.shows("a draft"));
    console.press("ctrl-c").await;
    assert!(!console.shows("a draft"), "then the draft is cleared");
    console.press("ctrl-c").await;
    assert!(console.shows("press Ctrl-C again to quit"));
    console.wait(Duration::from_secs(2)).await;
    assert!(!console.shows("press Ctrl-C again"));
    console.press("ctrl-c").await;
    assert!(!console.has_ended(), "too late: it asks again");
    console.press("ctrl-c").await;
    assert!(console.has_ended());
}

#[tokio::test(start_paused = true)]
async fn a_cleared_draft_can_be_brought_back() {
    let console = console().await;
    console.type_str("precious words").await;
    console.press("ctrl-c").await;
    assert!(!console.shows("precious words"));
    console.press("ctrl-_").await;
    assert!(console.shows("precious words"));
}

#[tokio::test(start_paused = true)]
async fn ctrl_d_quits_only_from_an_empty_prompt() {
    let console = console().await;
    console.type_str("x").await;
    console.press("ctrl-d").await;
    assert!(!console.has_ended());
    console.press("backspace ctrl-d").await;
    assert!(console.has_ended());
}

#[tokio::test(start_paused = true)]
async fn q_is_a_letter_in_the_prompt_and_quits_outside() {
    let console = console().await;
    console.type_str("q").await;
    assert!(!console.has_ended());
    console.press("esc").await;
    console.press("q").await;
    assert!(console.has_ended());
}

#[tokio::test(start_paused = true)]
async fn esc_never_quits() {
    let console = console().await;
    for _ in 0..20 {
        console.press("esc").await;
    }
    assert!(!console.has_ended());
}

#[tokio::test(start_paused = true)]
async fn a_paste_never_sends() {
    let console = console().await;
    console.paste("first line\r\nsecond line\nq\n\x03").await;
    assert!(!console.deck.was_asked());
    assert!(console.shows("first line"));
    assert!(console.shows("second line"));
    assert!(!console.has_ended());
}

#[tokio::test(start_paused = true)]
async fn a_paste_outside_the_prompt_runs_no_commands() {
    let console = console().await;
    console.press("alt-2").await;
    console.paste("d q space").await;
    assert!(console.deck.commands().is_empty());
    assert!(console.shows("d q space"), "it went into the prompt");
}

#[tokio::test(start_paused = true)]
async fn newlines_are_typed_in_three_ways() {
    let console = console().await;
    console.type_str("a").await;
    console.press("ctrl-j").await;
    console.type_str("b").await;
    console.press("shift-enter").await;
    console.type_str("c").await;
    console.press("alt-enter").await;
    console.type_str("d").await;
    console.press("enter").await;
    let asked = console.deck.asked();
    assert_eq!(asked.request.messages, [Message::user("a\nb\nc\nd")]);
}

#[tokio::test(start_paused = true)]
async fn text_from_a_model_cannot_reach_the_terminal_as_escape() {
    let console = console().await;
    let asked = console.ask("attack me").await;
    asked.started("openai-a");
    asked.says("red \x1b[31m and \x1b]0;title\x07 and \u{9b}2J and \x1b");
    asked.says("[2J end \u{202e}reversed");
    asked.send(Chunk::Reasoning("\x1b[5m".to_owned()));
    asked.send(Chunk::ToolCall(ToolCallDelta {
        index: 0,
        id: None,
        name: Some("\x1b[1mtool".to_owned()),
        arguments: Some(ToolArguments::Text("{\"a\": \"\x1b[0m\"}".to_owned())),
    }));
    console.settle().await;
    console.press("alt-t").await;
    let screen = console.screen();
    assert!(screen.contains("red") && screen.contains("end"));
    let hostile = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!screen.contains(hostile), "{screen:?}");
}

#[tokio::test(start_paused = true)]
async fn an_error_is_a_sentence_a_hint_and_a_key() {
    let console = console().await;
    let asked = console.ask("hello").await;
    asked.fails(
        Error::new(ErrorKind::Auth, "Incorrect API key provided").with_instance("zhipu".into()),
    );
    console.settle().await;
    assert!(console.shows("zhipu: wrong key: Incorrect API key provided"));
    assert!(console.shows("check the instance's key"));
    assert!(console.shows("Ctrl-R asks again"));
    console.press("ctrl-r").await;
    let again = console.deck.asked();
    assert_eq!(again.request.messages, [Message::user("hello")]);
    again.says("hello yourself");
    again.done("openai-a");
    console.settle().await;
    assert!(console.shows("hello yourself"));
    assert!(!console.shows("wrong key: Incorrect"));
}

#[tokio::test(start_paused = true)]
async fn an_error_after_some_text_keeps_the_text_and_says_so() {
    let console = console().await;
    let asked = console.ask("hello").await;
    asked.started("openai-a");
    asked.says("half an ans");
    asked.fails(Error::protocol("truncated", "the connection closed"));
    console.settle().await;
    assert!(console.shows("half an ans"));
    assert!(console.shows("the answer above is incomplete"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_without_a_word_is_shown_as_cut() {
    let console = console().await;
    let asked = console.ask("hello").await;
    asked.says("half");
    drop(asked);
    console.settle().await;
    assert!(console.shows("broke off without an end"));
}

#[tokio::test(start_paused = true)]
async fn failover_is_told_under_the_answer() {
    let console = console().await;
    let asked = console.ask("hello").await;
    let failed = Attempt {
        instance: "openai-a".into(),
        model: "model-x".to_owned(),
        outcome: Outcome::Failure(ErrorKind::TimeoutFirstToken),
        message: None,
        status: None,
        started_after: Duration::ZERO,
        queued: Duration::ZERO,
        headers: None,
        first_token: None,
        total: Duration::from_secs(10),
    };
    asked.send(Chunk::Retry(Box::new(failed.clone())));
    console.settle().await;
    assert!(console.shows("openai-a: no first token in time; asking another"));
    asked.started("openai-b");
    asked.says("hi");
    asked.send(Chunk::Done(Box::new(LlmResponse {
        text: "hi".to_owned(),
        instance: Some("openai-b".into()),
        finish_reason: Some(FinishReason::Stop),
        attempts: vec![failed],
        ..LlmResponse::default()
    })));
    console.settle().await;
    assert!(console.shows("openai-a: no first token in time; openai-b answered"));
}

#[tokio::test(start_paused = true)]
async fn a_second_question_carries_the_first_turn() {
    let console = console().await;
    let first = console.ask("one").await;
    first.says("eins");
    first.done("openai-a");
    console.settle().await;
    let second = console.ask("two").await;
    assert_eq!(
        second.request.messages,
        [
            Message::user("one"),
            Message::assistant("eins"),
            Message::user("two")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_turn_is_not_told_to_the_model() {
    let console = console().await;
    let first = console.ask("one").await;
    first.fails(Error::new(ErrorKind::Server, "no"));
    console.settle().await;
    let second = console.ask("two").await;
    assert_eq!(second.request.messages, [Message::user("two")]);
}

#[tokio::test(start_paused = true)]
async fn sending_while_an_answer_comes_in_keeps_the_draft() {
    let console = console().await;
    let asked = console.ask("one").await;
    asked.says("an answer");
    console.type_str("two").await;
    console.press("enter").await;
    assert!(!console.deck.was_asked());
    assert!(console.shows("› two"));
    assert!(console.shows("Esc stops it"));
}

#[tokio::test(start_paused = true)]
async fn up_brings_back_what_was_asked_and_down_the_draft() {
    let console = console().await;
    let asked = console.ask("an old question").await;
    asked.done("openai-a");
    console.type_str("draft").await;
    console.press("up").await;
    assert!(console.screen().matches("an old question").count() == 2);
    console.press("down").await;
    assert!(console.shows("› draft"));
}

#[tokio::test(start_paused = true)]
async fn scrolling_up_stops_following_and_says_how_much_is_new() {
    let console = console().await;
    let asked = console.ask("long").await;
    for line in 0..60 {
        asked.says(&format!("line {line}\n\n"));
    }
    console.settle().await;
    assert!(console.shows("line 59"));
    console.press("pageup").await;
    assert!(!console.shows("line 59"));
    assert!(console.shows("more lines"));
    let before = console.screen();
    let visible = before.lines().nth(3).map(str::to_owned);
    asked.says("\n\nnew text\n\n");
    console.settle().await;
    let after = console.screen();
    assert_eq!(
        visible,
        after.lines().nth(3).map(str::to_owned),
        "it does not move"
    );
    console.press("pagedown pagedown pagedown").await;
    assert!(console.shows("new text"));
    assert!(!console.shows("more lines"));
}

#[tokio::test(start_paused = true)]
async fn y_copies_the_last_answer_and_says_which_way() {
    let console = console().await;
    console.press("esc y").await;
    assert!(console.shows("no answer to copy yet"));
    console.press("i").await;
    let asked = console.ask("hello").await;
    asked.says("**hi** there");
    asked.done("openai-a");
    console.settle().await;
    console.press("esc y").await;
    assert_eq!(console.host.copied(), ["**hi** there"]);
    assert!(console.shows("copied by OSC 52"));
}

#[tokio::test(start_paused = true)]
async fn reasoning_is_one_line_that_opens() {
    let console = console().await;
    let asked = console.ask("think").await;
    asked.started("openai-a");
    asked.send(Chunk::Reasoning("first I consider everything".to_owned()));
    console.settle().await;
    assert!(console.shows("thinking, 4 words"));
    assert!(!console.shows("first I consider"));
    console.press("alt-t").await;
    assert!(console.shows("first I consider everything"));
}

#[tokio::test(start_paused = true)]
async fn an_endless_answer_is_stopped() {
    let console = Harness::start((120, 40), Fake::new(quiet_board(&["one"]))).await;
    let asked = console.ask("go on for ever").await;
    asked.started("one");
    let piece = "no end in sight\n".repeat(8 << 10);
    for _ in 0..40 {
        asked.says(&piece);
    }
    console.settle().await;
    assert!(asked.is_cancelled());
    assert!(console.shows("the answer grew over 4 MiB"));
}

#[tokio::test(start_paused = true)]
async fn a_new_conversation_is_asked_for_and_forgets() {
    let console = console().await;
    let asked = console.ask("secret").await;
    asked.says("answer");
    asked.done("openai-a");
    console.press("ctrl-n").await;
    assert!(console.shows("This one is forgotten."));
    console.press("y").await;
    assert!(!console.shows("secret"));
    let next = console.ask("fresh").await;
    assert_eq!(next.request.messages, [Message::user("fresh")]);
}

#[tokio::test(start_paused = true)]
async fn wide_text_is_asked_and_shown_whole() {
    let console = console().await;
    let asked = console.ask("为什么天空是蓝色的？").await;
    assert_eq!(
        asked.request.messages,
        [Message::user("为什么天空是蓝色的？")]
    );
    asked.says("因为瑞利散射。👩‍👩‍👧 ok");
    asked.done("zhipu");
    console.settle().await;
    assert!(console.shows("› 为什么天空是蓝色的？"));
    assert!(console.shows("因为瑞利散射。"));
}
