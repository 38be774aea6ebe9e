//! Stories of changing the pool.

use std::time::Duration;

use super::fake::{Fake, board, quiet_board};
use super::harness::Harness;
use crate::base::{Command, DeckEvent, InstanceState, ScalingStep, ScalingView};

async fn console() -> Harness {
    let console = Harness::start((120, 40), Fake::new(board())).await;
    console.press("alt-2").await;
    console
}

#[tokio::test(start_paused = true)]
async fn space_switches_an_instance_off_and_says_what_goes_on() {
    let console = console().await;
    console.press("j space").await;
    assert_eq!(
        console.deck.commands(),
        [Command::Disable {
            instance: "openai-b".into()
        }]
    );
    assert!(console.shows("openai-b off; 2 requests finish"));
    assert!(console.shows("○ off"));
    assert!(console.shows("5/6 on"));
    console.press("u").await;
    assert!(console.shows("6/6 on"), "it can be taken back");
    console.press("u").await;
    assert!(console.shows("nothing to take back"));
}

#[tokio::test(start_paused = true)]
async fn space_on_the_last_instance_asks_first() {
    let console = Harness::start((80, 24), Fake::new(quiet_board(&["alone", "off"]))).await;
    console.deck.change(|board| {
        board.instances[1].enabled = false;
        board.instances[1].state = InstanceState::Off;
    });
    console.settle().await;
    console.press("alt-2 space").await;
    assert!(console.shows("alone is the last instance"));
    assert!(console.deck.commands().is_empty());
    console.press("enter").await;
    assert!(console.shows("alone is the last"), "Enter is no answer");
    console.press("n").await;
    assert!(console.deck.commands().is_empty());
    console.press("space y").await;
    assert_eq!(
        console.deck.commands(),
        [Command::Disable {
            instance: "alone".into()
        }]
    );
    assert!(console.shows("no instance is on"));
}

#[tokio::test(start_paused = true)]
async fn draining_the_last_instance_asks_too() {
    let console = Harness::start((80, 24), Fake::new(quiet_board(&["alone"]))).await;
    console.press("alt-2 d").await;
    assert!(console.shows("alone is the last instance"));
    console.press("y").await;
    assert_eq!(
        console.deck.commands(),
        [Command::Drain {
            instance: "alone".into()
        }]
    );
}

#[tokio::test(start_paused = true)]
async fn permits_go_up_and_down_but_never_to_none() {
    let console = console().await;
    console.press("+ + -").await;
    assert_eq!(console.deck.commands().len(), 3);
    assert!(console.shows("1/5"));
    console.press("j j j -").await;
    assert!(console.deck.commands().is_empty());
    assert!(console.shows("ollama-1 keeps its one permit"));
}

#[tokio::test(start_paused = true)]
async fn the_strategy_is_chosen_from_a_list() {
    let console = console().await;
    console.press("s").await;
    assert!(console.shows("each instance in turn"));
    console.press("j enter").await;
    assert!(matches!(
        console.deck.commands().as_slice(),
        [Command::SetStrategy { strategy, .. }] if strategy == "weighted_round_robin"
    ));
    assert!(console.shows("Pool · weighted round robin"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_command_says_why_and_what_to_do() {
    let console = console().await;
    console.press("p").await;
    assert!(console.shows("openai-a: network failed: connection refused; check the address"));
}

#[tokio::test(start_paused = true)]
async fn selection_stays_on_its_instance_when_the_pool_changes() {
    let console = console().await;
    console.press("j j").await;
    console.deck.change(|board| board.instances.swap(0, 2));
    console.settle().await;
    console.press("b").await;
    assert_eq!(
        console.deck.commands(),
        [Command::ResetBreaker {
            instance: "azure-eu".into()
        }]
    );
}

#[tokio::test(start_paused = true)]
async fn the_marker_of_the_next_instance_moves_as_requests_come() {
    let console = console().await;
    assert!(console.shows("▸ openai-b"));
    console
        .deck
        .change(|board| board.next = Some("ollama-1".into()));
    console.settle().await;
    assert!(console.shows("▸ ollama-1"));
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_changed_is_told() {
    let console = console().await;
    console.deck.tell(DeckEvent::Commanded {
        what: "openai-a off".to_owned(),
        by: "gateway".to_owned(),
    });
    console.settle().await;
    assert!(console.shows("openai-a off (by gateway)"));
}

#[tokio::test(start_paused = true)]
async fn an_empty_pool_takes_every_key_without_harm() {
    let console = Harness::start((80, 24), Fake::new(quiet_board(&[]))).await;
    console
        .press("alt-2 space d + - w W b p s esc u enter a j k g G")
        .await;
    assert!(console.shows("no instances"));
    assert!(!console.has_ended());
}

#[tokio::test(start_paused = true)]
async fn a_click_selects_and_the_wheel_moves() {
    let console = console().await;
    console.press("alt-1").await;
    let row = console
        .screen()
        .lines()
        .position(|line| line.contains("azure-eu"))
        .expect("it is shown");
    console.click(75, row as u16).await;
    console.press("b").await;
    assert_eq!(
        console.deck.commands(),
        [Command::ResetBreaker {
            instance: "azure-eu".into()
        }]
    );
}

#[tokio::test(start_paused = true)]
async fn several_are_marked_and_changed_together_and_taken_back_together() {
    let console = console().await;
    console.press("t t d").await;
    assert_eq!(
        console.deck.commands(),
        ["openai-a", "openai-b"].map(|name| Command::Drain {
            instance: name.into()
        })
    );
    console.press("+").await;
    assert_eq!(console.deck.commands().len(), 2);
    console.press("u").await;
    let undone = console.deck.commands();
    assert_eq!(undone.len(), 2, "one key takes both back: {undone:?}");
    console.press("T T").await;
    assert!(!console.shows("marked"));
}

#[tokio::test(start_paused = true)]
async fn switching_all_off_at_once_asks_first() {
    let console = console().await;
    console.press("T space").await;
    assert!(console.shows("the last instances"), "{}", console.screen());
    assert!(console.deck.commands().is_empty());
    console.press("y").await;
    assert!(console.deck.commands().len() > 1);
}

#[tokio::test(start_paused = true)]
async fn the_table_sorts_by_any_column_and_the_selected_one_stays() {
    let console = console().await;
    console.press("j o o o").await;
    assert!(console.shows("sorted by state"));
    let screen = console.screen();
    assert!(screen.find("wrong key").unwrap() < screen.find("● on").unwrap());
    console.press("O p").await;
    assert_eq!(
        console.deck.commands(),
        [Command::Probe {
            instance: "openai-b".into()
        }]
    );
    let screen = console.screen();
    assert!(screen.find("● on").unwrap() < screen.find("wrong key").unwrap());
}

#[tokio::test(start_paused = true)]
async fn enter_shows_all_that_is_known_of_an_instance_and_esc_goes_back() {
    let console = console().await;
    console.press("j j j j enter").await;
    insta::assert_snapshot!(console.screen());
    console.press("esc").await;
    assert!(console.shows("1 Chat"));
}

#[tokio::test(start_paused = true)]
async fn at_80_columns_no_figure_is_cut() {
    let console = Harness::start((80, 24), Fake::new(board())).await;
    console.press("alt-2 z").await;
    insta::assert_snapshot!(console.screen());
}

#[tokio::test(start_paused = true)]
async fn the_detail_of_who_comes_next_says_when_and_the_queue_says_who_waits() {
    let console = console().await;
    console.deck.change(|board| {
        board.queue.length = 5;
        board.queue.batch = 2;
        board.instances[1].state = InstanceState::Standby;
        board.scaling = Some(ScalingView {
            enabled: true,
            demand: 9.0,
            mean_demand: Some(6.25),
            permits: 12.0,
            join: Some(ScalingStep {
                instance: board.instances[1].name.clone(),
                demand: 8.4,
                due_in: Some(Duration::from_secs(12)),
            }),
            cool_down_left: Duration::from_secs(10),
            ..ScalingView::default()
        });
    });
    console.settle().await;
    let title = console.screen();
    assert!(title.contains("queue 5/256"), "{title}");
    assert!(title.contains("2 batch"), "{title}");
    console.press("j enter").await;
    assert!(console.shows("joins next, above a demand of 8.4 · now 9"));
    assert!(console.shows("in 12 s if that stays"));
    assert!(console.shows("cool-down 10 s"));
    // Whose turn it is not has no such line.
    console.press("k").await;
    assert!(!console.shows("joins next"));
}
