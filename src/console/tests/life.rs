//! Stories of the loop: when it draws, when it sleeps, how it ends.

use std::time::Duration;

use super::fake::{Fake, board, quiet_board};
use super::harness::Harness;
use crate::console::ExitReason;
use crate::console::run::Signal;

async fn quiet() -> Harness {
    let fake = Fake::new(quiet_board(&["one", "two"]));
    fake.has_no_traffic();
    Harness::start((120, 40), fake).await
}

#[tokio::test(start_paused = true)]
async fn nothing_happening_means_nothing_drawn_and_nothing_read() {
    let console = quiet().await;
    let (frames, reads) = (console.frames(), console.deck.reads());
    console.wait(Duration::from_secs(3600)).await;
    assert_eq!(console.frames(), frames);
    assert_eq!(console.deck.reads(), reads);
}

#[tokio::test(start_paused = true)]
async fn a_fast_stream_is_drawn_at_the_frame_rate() {
    let console = quiet().await;
    let asked = console.ask("fast").await;
    let before = console.frames();
    for _ in 0..500 {
        asked.says("x ");
        console.wait(Duration::from_millis(4)).await;
    }
    let frames = console.frames() - before;
    assert!((10..=30).contains(&frames), "{frames} frames in 2 s");
}

#[tokio::test(start_paused = true)]
async fn frames_never_queue_on_a_line_that_is_stuck() {
    let console = quiet().await;
    console.host.is_busy(true);
    let before = console.frames();
    console.type_str("typed into the dark").await;
    assert_eq!(
        console.frames(),
        before,
        "nothing is drawn onto a stuck line"
    );
    console.host.is_busy(false);
    console.settle().await;
    assert!(console.shows("typed into the dark"));
    assert!(console.frames() - before <= 2);
}

#[tokio::test(start_paused = true)]
async fn a_busy_pool_is_read_at_most_four_times_a_second() {
    let console = quiet().await;
    let before = console.deck.reads().0;
    for _ in 0..200 {
        console.deck.change(|_| {});
        console.wait(Duration::from_millis(10)).await;
    }
    let reads = console.deck.reads().0 - before;
    assert!((6..=10).contains(&reads), "{reads} readings in 2 s");
}

#[tokio::test(start_paused = true)]
async fn a_signal_ends_it() {
    let console = quiet().await;
    let reason = ExitReason::Signal(15);
    console.signal(Signal::Leave(reason)).await;
    assert_eq!(console.ended().await, reason);
}

#[tokio::test(start_paused = true)]
async fn ctrl_z_suspends_and_the_picture_comes_back_whole() {
    let console = quiet().await;
    console.press("ctrl-z").await;
    assert_eq!(console.host.suspended(), 1);
    assert!(console.shows("Ask something."));
    console.signal(Signal::Continued).await;
    assert_eq!(console.host.resumed_times(), 1);
    assert!(console.shows("Ask something."));
}

#[tokio::test(start_paused = true)]
async fn the_mouse_can_be_given_back() {
    let console = quiet().await;
    console.press("alt-m").await;
    assert_eq!(console.host.mouse_taken(), Some(false));
    assert!(console.shows("select text as usual"));
    console.press("alt-m").await;
    assert_eq!(console.host.mouse_taken(), Some(true));
}

#[tokio::test(start_paused = true)]
async fn no_size_is_too_small_to_live_through() {
    let console = Harness::start((120, 40), Fake::new(board())).await;
    let asked = console.ask("a question of some length to be wrapped").await;
    asked.says("an answer\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```rust\nfn main() {}\n```\n");
    for (width, height) in [
        (10, 3),
        (1, 1),
        (36, 9),
        (60, 18),
        (80, 24),
        (76, 22),
        (100, 22),
        (99, 60),
        (200, 60),
        (2, 60),
        (200, 2),
    ] {
        for keys in [
            "alt-1", "alt-2", "alt-3", "f1", "esc", "alt-2 s", "esc esc", "alt-z", "alt-z", "alt-1",
        ] {
            console.resize(width, height).await;
            console.press(keys).await;
            assert!(!console.has_ended(), "{width}x{height} {keys}");
        }
    }
    console.resize(10, 3).await;
    assert!(console.shows("too small"));
    console.resize(120, 40).await;
    assert!(console.shows("a question of some length"));
}

#[tokio::test(start_paused = true)]
async fn tab_goes_round_the_panes_and_digits_jump() {
    let console = quiet().await;
    console.press("tab").await;
    console.press("space").await;
    assert_eq!(console.deck.commands().len(), 1, "in the pool");
    console.press("1").await;
    console.type_str("2 is a digit").await;
    assert!(console.shows("› 2 is a digit"));
    console.press("shift-tab").await;
    console.press("+").await;
    assert!(console.shows("5 min"), "in the metrics");
}

#[tokio::test(start_paused = true)]
async fn the_help_shows_every_key_and_closes_with_esc() {
    let console = quiet().await;
    console.press("f1").await;
    assert!(console.shows("In the prompt"));
    console.press("G").await;
    assert!(console.shows("Everywhere"));
    console.press("q").await;
    assert!(
        !console.shows("Everywhere"),
        "q closes the help and no more"
    );
    assert!(!console.has_ended());
}

#[tokio::test(start_paused = true)]
async fn zoom_gives_the_screen_to_one_pane() {
    let console = quiet().await;
    console.press("alt-2 z").await;
    assert!(!console.shows("Metrics"));
    console.press("z").await;
    assert!(console.shows("Metrics"));
}
