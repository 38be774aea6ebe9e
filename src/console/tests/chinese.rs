//! The whole interface in Chinese: every key of every pane is pressed, and no English sentence may be left.

use regex::Regex;

use super::fake::{Fake, board};
use super::harness::Harness;
use super::pages::{failures, moved_on};
use crate::base::{Chunk, Error, ErrorKind};
use crate::console::action::Action;
use crate::console::keymap::{Context as Keys, Keymap};
use crate::console::theme::Theme;
use crate::console::words::LangChoice;
use crate::console::{Context, Memory, Persona, Settings};

/// What stands on the screen in English all the same: names, and what others said.
const NAMES: [&str; 7] = [
    "azure-eu openai",
    "hello there",
    "plain words",
    "be brief",
    "Rate limit reached for requests",
    "no answer came",
    "invalid api key",
];

async fn start(size: (u16, u16), folder: &tempfile::TempDir) -> Harness {
    let settings = Settings {
        lang: LangChoice::Zh,
        ..Settings::default()
    };
    let context = Context {
        source_note: Some("embedded pool".to_owned()),
        personas: vec![Persona {
            name: "Ada".to_owned(),
            prompt: "be brief".to_owned(),
            role_name: "Ada".to_owned(),
            you_name: String::new(),
        }],
        memory: Memory::open(folder.path().join("console.json"), true),
        ..Context::default()
    };
    let fake = Fake::new(board());
    fake.remembers(failures());
    let console = Harness::start_whole(size, fake, context, Theme::no_color(), settings).await;
    console.deck.ends(moved_on(9));
    console
}

/// The English sentences on a screen.
fn english(screen: &str) -> Vec<String> {
    let sentence = Regex::new(r"[A-Za-z']{2,}(?: [a-z']{2,})+").unwrap();
    let mut left = screen.to_owned();
    for name in NAMES {
        left = left.replace(name, "");
    }
    // A name may be cut at the edge of its column.
    let is_cut = |text: &str| NAMES.iter().any(|name| name.starts_with(text));
    sentence
        .find_iter(&left)
        .map(|found| found.as_str().to_owned())
        .filter(|found| !is_cut(found))
        .collect()
}

fn leaves(action: Action) -> bool {
    matches!(
        action,
        Action::Quit | Action::QuitWhenEmpty | Action::Suspend | Action::Editor
    )
}

fn look(console: &Harness, after: &str) {
    let screen = console.screen();
    let found = english(&screen);
    assert!(found.is_empty(), "after {after}: {found:?}\n{screen}");
}

/// Presses every key of a pane, each time from the pane itself.
async fn press_all(size: (u16, u16), pane: Keys, way: &str) {
    let folder = tempfile::tempdir().unwrap();
    let console = start(size, &folder).await;
    look(&console, "the start");
    let asked = console.ask("hello there").await;
    asked.started("openai-a");
    look(&console, "a question");
    asked.send(Chunk::Reasoning("so".to_owned()));
    asked.says("plain words");
    asked.done("openai-a");
    console.settle().await;
    look(&console, "an answer");
    for listed in Keymap::default().all(pane) {
        let (Some(key), false) = (listed.keys.first(), leaves(listed.action)) else {
            continue;
        };
        if listed.context != pane && !matches!(listed.context, Keys::Browse | Keys::Global) {
            continue;
        }
        for key in [way, key] {
            console.press(key).await;
            look(&console, &format!("{way}, {key}"));
        }
        if console.deck.was_asked() {
            let asked = console.deck.asked();
            asked.fails(Error::new(ErrorKind::Network, "no answer came"));
            console.settle().await;
            look(&console, &format!("{way}, {key}, a failure"));
        }
        // Whatever is open is closed, and what stands still goes on.
        console.press("esc").await;
        console.press("esc").await;
        look(&console, &format!("{way}, {key}, esc"));
    }
    assert!(!console.has_ended());
}

#[tokio::test(start_paused = true)]
async fn the_prompt_speaks_chinese() {
    press_all((120, 40), Keys::Prompt, "alt-1").await;
}

#[tokio::test(start_paused = true)]
async fn the_conversation_speaks_chinese() {
    press_all((80, 24), Keys::Transcript, "alt-1 esc").await;
}

#[tokio::test(start_paused = true)]
async fn the_pool_speaks_chinese() {
    press_all((120, 40), Keys::Pool, "alt-2").await;
}

#[tokio::test(start_paused = true)]
async fn the_metrics_speak_chinese() {
    press_all((100, 30), Keys::Metrics, "alt-3").await;
}

#[tokio::test(start_paused = true)]
async fn the_pages_speak_chinese() {
    press_all((120, 40), Keys::Requests, "alt-4").await;
    press_all((120, 40), Keys::Errors, "alt-5").await;
    press_all((80, 24), Keys::Log, "alt-6").await;
}

#[tokio::test(start_paused = true)]
async fn the_states_in_the_lists_of_instances_are_chinese() {
    let folder = tempfile::tempdir().unwrap();
    let console = start((120, 40), &folder).await;
    let state = Regex::new(r"\b(on|off|open|cooling|held|draining|standby|failing)\b").unwrap();
    for key in ["alt-v", "alt-w"] {
        console.press(key).await;
        let screen = console.screen();
        assert!(screen.contains("openai-a"), "{screen}");
        assert!(!state.is_match(&screen), "after {key}:\n{screen}");
        assert!(screen.contains("启用, model-x"), "after {key}:\n{screen}");
        console.press("esc").await;
    }
}

#[test]
fn an_english_sentence_would_be_found() {
    assert_eq!(english("│ 队列 the line is back │"), ["the line is back"]);
    assert!(english("openai-a ✓ p50 300 ms, tok/s").is_empty());
}
