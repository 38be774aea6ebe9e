//! Stories of asking again, in other words, going on, and finding the way back.

use super::fake::{Fake, board};
use super::harness::Harness;
use crate::base::{Chunk, Error, ErrorKind, FinishReason, LlmResponse, Message, Target};

async fn console() -> Harness {
    Harness::start((120, 40), Fake::new(board())).await
}

async fn answered(console: &Harness, question: &str, answer: &str) {
    let asked = console.ask(question).await;
    asked.started("openai-a");
    asked.says(answer);
    asked.done("openai-a");
    console.settle().await;
}

#[tokio::test(start_paused = true)]
async fn an_earlier_question_is_asked_in_other_words_and_the_old_branch_stays() {
    let console = console().await;
    answered(&console, "one", "eins").await;
    answered(&console, "two", "zwei").await;
    console.type_str("a draft").await;
    console.press("esc K K e").await;
    assert!(console.shows("› one"), "it is in the prompt");
    assert!(console.shows("asking in other words"));
    console.type_str(", please").await;
    console.press("enter").await;
    let asked = console.deck.asked();
    assert_eq!(asked.request.messages, [Message::user("one, please")]);
    asked.says("bitte");
    asked.done("openai-b");
    console.settle().await;
    assert!(console.shows("question 2/2"));
    assert!(console.shows("bitte") && !console.shows("zwei"));
    assert!(console.shows("› a draft"), "the draft is back");
    console.press("esc h").await;
    assert!(console.shows("eins") && console.shows("zwei"));
    assert!(console.shows("question 1/2"));
    console.press("l").await;
    assert!(console.shows("bitte"));
    console.press("l").await;
    assert!(console.shows("this is the last version"));
}

#[tokio::test(start_paused = true)]
async fn esc_leaves_the_question_as_it_was_and_brings_the_draft_back() {
    let console = console().await;
    answered(&console, "one", "eins").await;
    console.type_str("a draft").await;
    console.press("alt-e").await;
    assert!(console.shows("asking in other words"));
    console.type_str(" more").await;
    console.press("esc").await;
    assert!(console.shows("› a draft"));
    assert!(!console.shows("asking in other words"));
    console.press("up").await;
    assert!(console.shows("› one more"), "what was typed is not lost");
}

#[tokio::test(start_paused = true)]
async fn a_question_is_answered_again_and_both_answers_stay() {
    let console = console().await;
    answered(&console, "one", "eins").await;
    console.press("esc r").await;
    let again = console.deck.asked();
    again.says("uno");
    again.done("openai-b");
    console.settle().await;
    assert!(console.shows("answer 2/2") && console.shows("uno") && !console.shows("eins"));
    console.press("left").await;
    assert!(console.shows("answer 1/2") && console.shows("eins"));
    console.press("i").await;
    let next = console.ask("two").await;
    assert_eq!(
        next.request.messages[1],
        Message::assistant("eins"),
        "what is shown goes on"
    );
}

#[tokio::test(start_paused = true)]
async fn another_instance_is_chosen_from_a_list_to_answer_again() {
    let console = console().await;
    answered(&console, "one", "eins").await;
    console.press("esc R").await;
    assert!(console.shows("Who answers again"));
    console.press("enter").await;
    let again = console.deck.asked();
    let other = Target::Instance("openai-b".into());
    assert_eq!(again.request.target, other, "the one after who answered");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_cut_goes_on_by_a_question_that_everybody_sees() {
    let console = console().await;
    let asked = console.ask("count").await;
    asked.says("1, 2, 3");
    asked.send(Chunk::Done(Box::new(LlmResponse {
        finish_reason: Some(FinishReason::Length),
        ..LlmResponse::default()
    })));
    console.settle().await;
    assert!(console.shows("cut at the token limit"));
    assert!(console.shows("Alt-g goes on from here"));
    console.press("alt-g").await;
    let more = console.deck.asked();
    assert_eq!(more.request.messages[1], Message::assistant("1, 2, 3"));
    assert!(console.shows("› Go on exactly where your last answer broke off."));
    more.says("4");
    more.done("openai-a");
    console.settle().await;
    console.press("alt-g").await;
    assert!(console.shows("the last answer is whole"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_broken_off_by_an_error_goes_on_as_well() {
    let console = console().await;
    let asked = console.ask("count").await;
    asked.says("1, 2, 3");
    asked.fails(Error::new(ErrorKind::Server, "gone"));
    console.settle().await;
    console.press("esc o").await;
    let more = console.deck.asked();
    assert_eq!(more.request.messages.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_jumps_from_question_to_question() {
    let console = console().await;
    for number in 1..=4 {
        let long = "a line\n\n".repeat(15);
        answered(&console, &format!("question {number}"), &long).await;
    }
    console.press("esc K").await;
    assert!(
        console
            .screen()
            .lines()
            .nth(2)
            .unwrap_or_default()
            .contains("question 4")
    );
    console.press("K K").await;
    assert!(
        console
            .screen()
            .lines()
            .nth(2)
            .unwrap_or_default()
            .contains("question 2")
    );
    console.press("J").await;
    assert!(
        console
            .screen()
            .lines()
            .nth(2)
            .unwrap_or_default()
            .contains("question 3")
    );
    console.press("J J").await;
    assert!(
        !console.shows("more lines"),
        "behind the last one is the end"
    );
}

#[tokio::test(start_paused = true)]
async fn one_block_of_code_is_copied_chosen_where_there_are_several() {
    let console = console().await;
    answered(&console, "code", "```rust\nfn a() {}\n```\n").await;
    console.press("esc b").await;
    assert_eq!(console.host.copied(), ["fn a() {}\n"]);
    console.press("i").await;
    answered(
        &console,
        "more",
        "```rust\nfn a() {}\n```\ntext\n```sh\nls\ncd\n```\n",
    )
    .await;
    console.press("esc b").await;
    assert!(console.shows("Which block"));
    console.press("k enter").await;
    console.press("b enter").await;
    assert_eq!(
        console.host.copied(),
        ["fn a() {}\n", "fn a() {}\n", "ls\ncd\n"]
    );
}
