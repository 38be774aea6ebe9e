//! Stories of who answers: one, another, several side by side.

use super::fake::{Asked, Fake, board};
use super::harness::Harness;
use crate::base::{Error, ErrorKind, Message, ProviderType, Target};
use crate::console::theme::Theme;
use crate::console::{Context, Persona};

async fn console(size: (u16, u16)) -> Harness {
    Harness::start(size, Fake::new(board())).await
}

/// Marks the first so many instances and asks them all.
async fn compare(console: &Harness, count: usize, question: &str) -> Vec<Asked> {
    console.press("alt-v").await;
    for _ in 0..count {
        console.press("space j").await;
    }
    console.press("enter").await;
    console.type_str(question).await;
    console.press("enter").await;
    (0..count).map(|_| console.deck.asked()).collect()
}

#[tokio::test(start_paused = true)]
async fn who_answers_is_chosen_from_a_list() {
    let console = console((120, 40)).await;
    console.press("alt-w").await;
    assert!(console.shows("Who answers"));
    console.press("G k enter").await;
    assert!(console.shows("only zhipu answers"));
    let asked = console.ask("hello").await;
    assert_eq!(asked.request.target, Target::Instance("zhipu".into()));
    asked.done("zhipu");
    console.settle().await;
    console.press("alt-w g j enter").await;
    let asked = console.ask("again").await;
    assert_eq!(asked.request.target, Target::Type(ProviderType::OpenAi));
}

#[tokio::test(start_paused = true)]
async fn one_question_goes_to_several_and_one_answer_goes_on() {
    let console = console((160, 40)).await;
    let asked = compare(&console, 3, "why?").await;
    let targets: Vec<Target> = asked.iter().map(|one| one.request.target.clone()).collect();
    assert!(
        targets
            .iter()
            .all(|target| matches!(target, Target::Instance(_)))
    );
    asked[0].started("openai-a");
    asked[0].says("the first answer");
    asked[1].started("openai-b");
    asked[1].says("the second answer");
    console.settle().await;
    let screen = console.screen();
    let row = screen
        .lines()
        .find(|line| line.contains("the first answer"));
    assert!(
        row.is_some_and(|row| row.contains("the second answer")),
        "side by side:\n{screen}"
    );
    assert!(console.shows("3 answers come in"));
    asked[0].done("openai-a");
    asked[1].done("openai-b");
    asked[2].fails(Error::new(ErrorKind::Auth, "Incorrect API key"));
    console.settle().await;
    assert!(console.shows("wrong key"));
    insta::assert_snapshot!(console.screen());
    console.press("esc l a").await;
    assert!(console.shows("the answer of openai-b goes on"));
    assert!(console.shows("the second answer") && !console.shows("the first answer"));
    assert!(console.shows("answer 2/3"), "the others stay reachable");
    console.press("w g enter i").await;
    let next = console.ask("and?").await;
    assert_eq!(
        next.request.messages[1],
        Message::assistant("the second answer")
    );
}

#[tokio::test(start_paused = true)]
async fn whose_answer_it_is_stands_there_from_the_first_moment_also_of_a_long_one() {
    let console = console((120, 24)).await;
    let asked = compare(&console, 2, "why?").await;
    let row_with = |what: &str| {
        let screen = console.screen();
        let row = screen.lines().find(|line| line.contains(what));
        row.unwrap_or_default().to_owned()
    };
    let row = row_with("openai-a waits");
    assert!(row.contains("openai-b waits"), "{}", console.screen());
    asked[0].says(&"a line\n\n".repeat(60));
    asked[1].says(&"another line\n\n".repeat(60));
    console.settle().await;
    assert!(
        !console.shows("openai-a answers"),
        "its head is out of sight"
    );
    let row = row_with("instance    openai-a");
    assert!(row.contains("instance    openai-b"), "{}", console.screen());
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_room_they_stand_one_below_the_other() {
    let console = console((60, 40)).await;
    let asked = compare(&console, 3, "why?").await;
    for (one, name) in asked.iter().zip(["openai-a", "openai-b", "azure-eu"]) {
        one.started(name);
        one.says(&format!("says {name}"));
        one.done(name);
    }
    console.settle().await;
    insta::assert_snapshot!(console.screen());
}

#[tokio::test(start_paused = true)]
async fn what_grows_above_does_not_move_the_lowest_answer() {
    let console = console((60, 18)).await;
    let asked = compare(&console, 3, "why?").await;
    asked[2].started("azure-eu");
    asked[2].says("short");
    asked[2].done("azure-eu");
    asked[0].says(&"a line\n\n".repeat(20));
    console.settle().await;
    let place = || {
        let screen = console.screen();
        screen.lines().position(|row| row.contains("first token"))
    };
    let before = place();
    assert!(before.is_some(), "{}", console.screen());
    for _ in 0..8 {
        asked[0].says("one more line\n\n");
        console.settle().await;
        assert_eq!(place(), before, "{}", console.screen());
    }
}

#[tokio::test(start_paused = true)]
async fn comparing_needs_two_and_takes_four() {
    let console = console((120, 40)).await;
    console.press("alt-v space enter").await;
    assert!(console.shows("mark at least two"));
    for _ in 0..4 {
        console.press("j space").await;
    }
    assert!(console.shows("at most 4 can be compared"));
}

#[tokio::test(start_paused = true)]
async fn esc_stops_all_that_race() {
    let console = console((120, 40)).await;
    let asked = compare(&console, 2, "why?").await;
    console.press("esc").await;
    assert!(asked.iter().all(Asked::is_cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_persona_is_chosen_and_names_both_sides() {
    let persona = |name: &str| Persona {
        name: name.to_owned(),
        prompt: format!("You are a {name}."),
        role_name: format!("The {name}"),
        you_name: "Pupil".to_owned(),
    };
    let context = Context {
        personas: vec![persona("teacher"), persona("pirate")],
        ..Context::default()
    };
    let deck = Fake::new(board());
    let console = Harness::start_with((120, 40), deck, context, Theme::no_color(), false).await;
    console.press("alt-p j enter").await;
    let asked = console.ask("hello").await;
    assert_eq!(
        asked.request.messages,
        [Message::system("You are a pirate."), Message::user("hello")]
    );
    asked.says("arr");
    asked.done("openai-a");
    console.settle().await;
    assert!(console.shows("The pirate") && console.shows("Pupil"));
    console.press("alt-p G enter").await;
    let asked = console.ask("hello again").await;
    assert_eq!(asked.request.messages[0], Message::user("hello"));
    assert!(
        console.shows("The pirate"),
        "who answered before keeps the name"
    );
}
