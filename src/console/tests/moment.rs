//! Stories of standing still and looking back.

use std::time::Duration;

use super::fake::{Fake, quiet_board};
use super::harness::Harness;

async fn console() -> Harness {
    Harness::start((120, 30), Fake::new(quiet_board(&["a", "b"]))).await
}

#[tokio::test(start_paused = true)]
async fn while_it_stands_still_nothing_moves_and_it_says_so() {
    let console = console().await;
    console.press("alt-2 f").await;
    assert!(
        console.shows("stands still at 12:00:00"),
        "{}",
        console.screen()
    );
    console
        .deck
        .change(|board| board.instances[0].in_flight = 3);
    console.settle().await;
    assert!(!console.shows("3/4"));
    console.press("f").await;
    assert!(console.shows("3/4"), "what came meanwhile is there");
    assert!(!console.shows("stands still"));
}

#[tokio::test(start_paused = true)]
async fn the_time_cursor_shows_the_pool_as_it_was() {
    let console = console().await;
    console.press("alt-2").await;
    for (seconds, in_flight) in [(10, 1), (10, 2), (10, 3)] {
        console.wait(Duration::from_secs(seconds)).await;
        console
            .deck
            .change(|board| board.instances[0].in_flight = in_flight);
        console.settle().await;
    }
    assert!(console.shows("3/4"));
    console.press("< <").await;
    assert!(
        console.shows("looking back at 12:00:2"),
        "{}",
        console.screen()
    );
    assert!(console.shows("2/4"), "{}", console.screen());
    console.press("{").await;
    assert!(console.shows("nothing older is held"));
    assert!(console.shows("0/4"), "{}", console.screen());
    console.press("} f").await;
    assert!(console.shows("3/4"));
}

#[tokio::test(start_paused = true)]
async fn what_is_done_while_looking_back_is_done_to_the_pool_as_it_is() {
    let console = console().await;
    console.press("alt-2").await;
    console.wait(Duration::from_secs(10)).await;
    console.deck.change(|board| board.instances[0].permits = 9);
    console.settle().await;
    console.press("< < +").await;
    assert_eq!(
        console.deck.commands(),
        [crate::base::Command::SetPermits {
            instance: "a".into(),
            permits: 10
        }]
    );
}
