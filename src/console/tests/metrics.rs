//! Stories of looking at figures.

use super::fake::{Fake, board};
use super::harness::Harness;

async fn console() -> Harness {
    let console = Harness::start((120, 40), Fake::new(board())).await;
    console.press("alt-3").await;
    console
}

#[tokio::test(start_paused = true)]
async fn the_window_goes_from_a_minute_to_a_day_and_no_further() {
    let console = console().await;
    assert!(console.shows("Metrics · all · 1 min"));
    console.press("+").await;
    assert!(console.shows("Metrics · all · 5 min"));
    console.press("+ + + + + + +").await;
    assert!(console.shows("Metrics · all · 24 h"));
    console.press("- - - - - - -").await;
    assert!(console.shows("Metrics · all · 1 min"));
}

#[tokio::test(start_paused = true)]
async fn v_in_the_pool_shows_the_figures_of_one_instance_and_a_of_all() {
    let console = console().await;
    console.press("alt-2 j v").await;
    assert!(console.shows("Metrics · openai-b"));
    console.press("a").await;
    assert!(console.shows("Metrics · all"));
    console.press("alt-3 j j j j j").await;
    assert!(console.shows("Metrics · openai-b"));
    console.press("esc").await;
    assert!(console.shows("Metrics · all"));
}

#[tokio::test(start_paused = true)]
async fn a_deck_without_traffic_shows_dashes_and_no_graph() {
    let fake = Fake::new(board());
    fake.has_no_traffic();
    let console = Harness::start((120, 40), fake).await;
    assert!(console.shows("response time - mean"));
    assert!(!console.screen().contains(['▁', '█', '×']));
}

#[tokio::test(start_paused = true)]
async fn frozen_panes_stand_still_until_they_go_on() {
    let console = console().await;
    console.press("f").await;
    assert!(console.shows("stands still"));
    console
        .deck
        .change(|board| board.instances[0].in_flight = 4);
    console.settle().await;
    assert!(console.shows("1/4"));
    console.press("f").await;
    console
        .deck
        .change(|board| board.instances[0].in_flight = 3);
    console.settle().await;
    assert!(console.shows("3/4"));
}

#[tokio::test(start_paused = true)]
async fn the_whole_screen_shows_charts_with_scales_and_units() {
    let console = console().await;
    console.press("z").await;
    insta::assert_snapshot!(console.screen());
    console.press("j j").await;
    assert!(
        console.shows("Metrics · openai ·"),
        "types come between all and the instances"
    );
}
