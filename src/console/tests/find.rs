//! Stories of looking for words, choosing lines, saving, quoting files, and writing in an editor.

use super::fake::{Fake, board};
use super::harness::Harness;
use crate::base::{Error, ErrorKind, Message};

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
async fn words_are_found_counted_and_gone_through() {
    let console = console().await;
    for number in 1..=5 {
        let filler = "some other text\n\n".repeat(12);
        answered(
            &console,
            &format!("question {number}"),
            &format!("{filler}a permit here\n\n{filler}"),
        )
        .await;
    }
    console.press("esc /").await;
    console.type_str("permit").await;
    assert!(console.shows("/permit"));
    assert!(console.shows("of 5"));
    console.press("enter").await;
    assert!(console.shows("a permit here"));
    console.press("n n n n n").await;
    assert!(console.shows("of 5") && console.shows("a permit here"));
    let before = console.screen();
    console.press("N").await;
    assert_ne!(before, console.screen());
    console.press("esc").await;
    assert!(!console.shows("/permit"), "Esc ends the search first");
    console.press("/").await;
    console.type_str("nowhere to be seen").await;
    assert!(console.shows("nowhere "));
    console.press("enter").await;
    assert!(console.shows("is nowhere in the conversation"));
}

#[tokio::test(start_paused = true)]
async fn lines_are_chosen_by_keyboard_and_copied_as_shown() {
    let console = console().await;
    answered(&console, "list", "- one\n- two\n- three\n\nthe end").await;
    console.press("esc v").await;
    assert!(console.shows("choose lines") || console.shows("mark"));
    console.press("g j j space j j y").await;
    let copied = console.host.copied();
    assert_eq!(copied.len(), 1);
    assert!(
        copied[0].contains("one\n") && copied[0].contains("three\n"),
        "{copied:?}"
    );
    assert!(!copied[0].contains("list"), "{copied:?}");
    assert!(console.shows("copied by OSC 52"));
}

#[tokio::test(start_paused = true)]
async fn the_conversation_is_saved_as_markdown_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.md");
    let console = console().await;
    answered(&console, "Why is the sky blue?", "**Because.**").await;
    console.press("esc s").await;
    assert!(console.shows("save as: why-is-the-sky-blue.md"));
    console.press("ctrl-u").await;
    console.type_str(path.to_str().unwrap()).await;
    console.press("enter").await;
    assert!(console.shows("saved as"));
    let saved = std::fs::read_to_string(&path).unwrap();
    assert!(
        saved.starts_with("## You\n\nWhy is the sky blue?\n\n## openai-a\n\n**Because.**\n"),
        "{saved}"
    );
    console.press("i").await;
    console.type_str(&format!("/save {}", path.display())).await;
    console.press("enter").await;
    assert!(console.shows("there already"));
}

#[tokio::test(start_paused = true)]
async fn a_file_is_quoted_with_its_size_and_completed_with_tab() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "remember the milk\n").unwrap();
    std::fs::write(folder.path().join("blob"), b"\0\0").unwrap();
    let console = Harness::start((200, 40), Fake::new(board())).await;
    let begun = format!("/file {}/no", folder.path().display());
    console.type_str(&begun).await;
    console.press("tab").await;
    assert!(console.shows("notes.txt"), "completed");
    console.press("enter").await;
    assert!(!console.deck.was_asked(), "a command is not sent");
    assert!(console.shows("notes.txt, 18B]"), "{}", console.screen());
    console.type_str("what is it about?").await;
    console.press("enter").await;
    let asked = console.deck.asked();
    let Some(Message { content, .. }) = asked.request.messages.first() else {
        panic!("a question");
    };
    let text = content.to_text();
    assert!(
        text.ends_with("notes.txt:\n```txt\nremember the milk\n```\nwhat is it about?"),
        "{text}"
    );
    asked.done("openai-a");
    console.settle().await;
    console
        .type_str(&format!("/file {}/blob", folder.path().display()))
        .await;
    console.press("enter").await;
    assert!(console.shows("is not text"));
    assert!(console.shows("› /file"), "what was typed stays");
}

#[tokio::test(start_paused = true)]
async fn the_question_is_written_in_an_editor_while_answers_go_on() {
    let console = console().await;
    let asked = console.ask("one").await;
    console
        .host
        .editor_writes(Ok("from the editor\n".to_owned()));
    console.type_str("a draft").await;
    console.press("ctrl-g").await;
    asked.says("meanwhile");
    console.settle().await;
    assert_eq!(console.host.edited_times(), 1);
    assert!(console.shows("› from the editor") && console.shows("meanwhile"));
    console.press("ctrl-_").await;
    assert!(console.shows("› a draft"), "the draft of before comes back");
    let error = Error::new(ErrorKind::Config, "the editor 'x' ended with 1");
    console.host.editor_writes(Err(error));
    console.press("ctrl-g").await;
    assert!(console.shows("the editor 'x' ended with 1"));
    assert!(console.shows("› a draft"), "nothing is lost");
}
