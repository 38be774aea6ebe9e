//! Setting one key of the config while the driver runs.

use std::time::Duration;

use crate::base::{Command, ProviderType, SetWhose};
use crate::driver::{InstanceSpec, LlmModelDriver, Settings};
use crate::pool::{InstanceSettings, RouteSettings};

use super::scripted::Scripted;

fn driver() -> LlmModelDriver {
    let spec = |name: &str| InstanceSpec {
        settings: InstanceSettings::new(name, ProviderType::OpenAi),
        strategy: Scripted::new(ProviderType::OpenAi, []),
    };
    let mut route = RouteSettings::new("r");
    route.tiers = vec![vec!["b".into(), "a".into()]];
    LlmModelDriver::new(Settings::default(), vec![route], vec![spec("b"), spec("a")]).unwrap()
}

fn set(whose: SetWhose, key: &str, value: Option<&str>) -> Command {
    Command::Set {
        whose,
        key: key.to_owned(),
        value: value.map(str::to_owned),
    }
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_key_is_set_shown_and_taken_back() {
    let driver = driver();
    for (whose, key, value) in [
        (SetWhose::Pool, "queue_limit", "7"),
        (SetWhose::Pool, "breaker.open_for", "9s"),
        (SetWhose::Pool, "scaling.target", "0.5"),
        (SetWhose::Pool, "scaling.enabled", "false"),
        (SetWhose::Pool, "retry.attempts", "2"),
        (SetWhose::Route("r".into()), "deadline", "30s"),
        (SetWhose::Route("r".into()), "hedge", "true"),
        (SetWhose::Route("r".into()), "attempts", "5"),
        (SetWhose::Instance("a".into()), "adaptive", "2..16"),
        (SetWhose::Instance("a".into()), "probe_every", "1m"),
        (
            SetWhose::Instance("a".into()),
            "breaker.consecutive_failures",
            "3",
        ),
    ] {
        let before = driver.board();
        let changed = driver.command(set(whose.clone(), key, Some(value)), "test");
        let changed = changed.await.unwrap();
        assert!(
            changed.what.ends_with(&format!("-> {value}")),
            "{}",
            changed.what
        );
        let board = driver.board();
        let shown = match &whose {
            SetWhose::Pool => &board.settings,
            SetWhose::Route(_) => &board.routes[0].settings,
            SetWhose::Instance(name) => &board.instance(name).unwrap().settings,
        };
        assert_eq!(shown.get(key).map(String::as_str), Some(value), "{key}");
        driver.command(changed.undo.unwrap(), "test").await.unwrap();
        let after = driver.board();
        assert_eq!(after.settings, before.settings);
        assert_eq!(after.routes, before.routes);
        assert_eq!(after.instances, before.instances);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_set_by_hand_before_stays() {
    let driver = driver();
    let permits = Command::SetPermits {
        instance: "a".into(),
        permits: 9,
    };
    driver.command(permits, "test").await.unwrap();
    let key = set(SetWhose::Pool, "deadline", Some("5s"));
    driver.command(key, "test").await.unwrap();
    assert_eq!(driver.board().instance(&"a".into()).unwrap().permits, 9);
    assert_eq!(
        driver.0.in_force().settings.pool.deadline,
        Duration::from_secs(5)
    );
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let driver = driver();
    let before = driver.board();
    for (whose, key, value) in [
        (SetWhose::Pool, "queue_limt", "7"),
        (SetWhose::Pool, "queue_limit", "many"),
        (SetWhose::Pool, "deadline", "0s"),
        (SetWhose::Pool, "scaling.command", "reboot"),
        (SetWhose::Pool, "scaling.webhook", "http://h"),
        (SetWhose::Pool, "breaker", "1"),
        (SetWhose::Pool, "breaker.open_for", "2h"),
        (SetWhose::Route("r".into()), "tiers", "a"),
        (SetWhose::Route("r".into()), "attempts", "0"),
        (SetWhose::Route("x".into()), "attempts", "1"),
        (SetWhose::Instance("a".into()), "adaptive", "9..2"),
        (SetWhose::Instance("a".into()), "adaptive.floor", "2"),
        (SetWhose::Instance("x".into()), "tier", "2"),
    ] {
        let answer = driver.command(set(whose, key, Some(value)), "test").await;
        assert!(answer.is_err(), "{key} {value}");
    }
    assert_eq!(driver.board(), before);
    let wrong = set(SetWhose::Pool, "queue_limt", Some("7"));
    let hint = format!(
        "{:?}",
        driver.command(wrong, "test").await.unwrap_err().hint()
    );
    assert!(hint.contains("did you mean 'queue_limit'"), "{hint}");
}
