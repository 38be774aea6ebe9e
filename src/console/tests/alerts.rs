//! Stories of alerts.

use std::time::Duration;

use super::fake::{Fake, quiet_board};
use super::harness::Harness;
use crate::base::{AlertState, AlertView, DeckEvent, Scope, Severity};
use crate::console::{Notice, Settings};

fn alert(state: AlertState) -> AlertView {
    AlertView {
        rule: "capacity".to_owned(),
        scope: Scope::All,
        state,
        severity: Severity::Critical,
        age: Duration::from_secs(1),
        message: "1 of 3 instances can serve".to_owned(),
        silenced: None,
    }
}

#[tokio::test(start_paused = true)]
async fn an_alert_stands_in_the_header_in_words_until_it_clears() {
    let console = Harness::start((100, 24), Fake::new(quiet_board(&["a"]))).await;
    console
        .deck
        .change(|board| board.alerts = vec![alert(AlertState::Firing)]);
    console.deck.tell(DeckEvent::Alerted {
        alert: alert(AlertState::Firing),
    });
    console.wait(Duration::from_secs(30)).await;
    let header = console
        .screen()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    assert!(header.contains("! 1 of 3 instances can serve"), "{header}");
    assert_eq!(console.host.notified().len(), 1);
    console.deck.change(|board| board.alerts.clear());
    console.deck.tell(DeckEvent::Alerted {
        alert: alert(AlertState::Resolved),
    });
    console.settle().await;
    assert!(console.shows("over: 1 of 3"));
    assert_eq!(console.host.notified().len(), 1, "its end rings no bell");
    console.wait(Duration::from_secs(30)).await;
    assert!(!console.shows("instances can serve"));
}

#[tokio::test(start_paused = true)]
async fn silence_is_kept_by_setting() {
    let settings = Settings {
        alerts: Notice::Silent,
        ..Settings::default()
    };
    let console = Harness::start_set((100, 24), Fake::new(quiet_board(&["a"])), settings).await;
    console.deck.tell(DeckEvent::Alerted {
        alert: alert(AlertState::Firing),
    });
    console.settle().await;
    assert!(console.shows("alert: 1 of 3 instances can serve"));
    assert!(console.host.notified().is_empty());
}
