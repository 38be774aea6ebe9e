//! Pictures at the three sizes, as text.

use insta::assert_snapshot;

use super::fake::{Fake, board};
use super::harness::Harness;
use crate::base::Chunk;
use crate::console::theme::Theme;
use crate::console::{Context, Persona};

const ANSWER: &str = "# Round robin\n\nThe pool keeps a **ring** of instances:\n\n1. A request takes the \
                      first one with a free permit.\n2. The pointer moves behind it.\n\n```rust\nlet answer = \
                      driver.chat(\"hi\").await?;\n```\n\nMore with `?`.\n";

async fn answered(size: (u16, u16)) -> Harness {
    let console = Harness::start(size, Fake::new(board())).await;
    let asked = console.ask("how does round robin work?").await;
    asked.started("openai-a");
    asked.says(ANSWER);
    asked.done("openai-a");
    console.settle().await;
    console
}

#[tokio::test(start_paused = true)]
async fn the_first_screen() {
    let context = Context {
        source_note: Some("embedded pool".to_owned()),
        source_hint: Some(
            "No provider is configured, so simulated instances inside this program answer."
                .to_owned(),
        ),
        ..Context::default()
    };
    let theme = Theme::no_color();
    let fake = Fake::new(board());
    let console = Harness::start_with((120, 40), fake, context, theme, false).await;
    assert_snapshot!(console.screen());
}

#[tokio::test(start_paused = true)]
async fn an_answer_at_120x40() {
    assert_snapshot!(answered((120, 40)).await.screen());
}

#[tokio::test(start_paused = true)]
async fn an_answer_at_80x24() {
    assert_snapshot!(answered((80, 24)).await.screen());
}

#[tokio::test(start_paused = true)]
async fn an_answer_at_60x18() {
    assert_snapshot!(answered((60, 18)).await.screen());
}

#[tokio::test(start_paused = true)]
async fn the_pool_at_60x18() {
    let console = answered((60, 18)).await;
    console.press("alt-2").await;
    assert_snapshot!(console.screen());
}

#[tokio::test(start_paused = true)]
async fn the_metrics_at_60x18() {
    let console = answered((60, 18)).await;
    console.press("alt-3").await;
    assert_snapshot!(console.screen());
}

#[tokio::test(start_paused = true)]
async fn the_help_at_80x24() {
    let console = answered((80, 24)).await;
    console.press("alt-2 ?").await;
    assert_snapshot!(console.screen());
}

#[tokio::test(start_paused = true)]
async fn a_question_before_the_last_instance_goes_off() {
    let fake = Fake::new(board());
    fake.change(|board| board.instances.truncate(1));
    let console = Harness::start((80, 24), fake).await;
    console.press("alt-2 space").await;
    assert_snapshot!(console.screen());
}

#[tokio::test(start_paused = true)]
async fn in_ascii_nothing_else_is_drawn() {
    let context = Context {
        personas: vec![Persona {
            name: "helper".to_owned(),
            prompt: "be brief".to_owned(),
            role_name: "Ada".to_owned(),
            you_name: "You".to_owned(),
        }],
        ..Context::default()
    };
    let fake = Fake::new(board());
    let console = Harness::start_with((120, 40), fake, context, Theme::no_color(), true).await;
    let asked = console.ask("hello").await;
    assert_eq!(asked.request.messages.len(), 2, "the persona goes first");
    asked.send(Chunk::Reasoning("so".to_owned()));
    asked.says("plain words");
    asked.done("openai-a");
    console.press("alt-2 s").await;
    let screen = console.screen();
    assert!(screen.is_ascii(), "{screen}");
    assert_snapshot!(screen);
}
