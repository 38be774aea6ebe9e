//! What the driver does by itself: standby instances that join, probes.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_standby_instance_joins_by_itself() {
    let a = Scripted::new(
        ProviderType::OpenAi,
        [Act::Answer(Duration::from_secs(30), vec!["a"])],
    );
    let b = Scripted::new(
        ProviderType::OpenAi,
        [Act::Answer(Duration::from_secs(30), vec!["b"])],
    );
    let mut standby = spec("b", 2, &b);
    standby.settings.standby = true;
    let settings = Settings {
        seed: Some(1),
        ..Settings::default()
    };
    let driver =
        LlmModelDriver::new(settings, Vec::new(), vec![spec("a", 1, &a), standby]).unwrap();
    let mut events = driver.subscribe();
    let answers = futures_util::future::join_all((0..3).map(|_| driver.chat("Hi"))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(b.asked() >= 1, "it was called to help");
    let mut heard = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let DeckEvent::Commanded { what, by } = event {
            heard.push(format!("{by}: {what}"));
        }
    }
    assert_eq!(heard, ["scaling: b joins: permits run short"]);
}

#[tokio::test(start_paused = true)]
async fn an_active_probe_brings_a_held_instance_back() {
    let a = Scripted::new(
        ProviderType::OpenAi,
        [
            Act::Fail(Error::new(ErrorKind::Auth, "bad key").with_status(401)),
            answer(&["ok"]),
        ],
    );
    let mut probed = spec("a", 1, &a);
    probed.settings.probe_every = Some(Duration::from_secs(10));
    let driver = driver(vec![probed]);
    assert!(driver.chat("Hi").await.is_err());
    assert_eq!(driver.board().instances[0].state.word(), "wrong key");
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(driver.chat("Hi").await.unwrap().text, "ok");
}
