//! Budgets of money, and limits that are changed by hand.

use super::*;
use crate::base::LimitKind;
use crate::prices::PriceSettings;

/// One dollar for a token of input and two for one of output, in millions: an answer of 10 and 2 tokens costs 14 dollars.
fn dear() -> Settings {
    let price = PriceSettings {
        input: 1e6,
        output: 2e6,
        cached: None,
    };
    Settings {
        seed: Some(1),
        prices: BTreeMap::from([("model-of-a".to_owned(), price)]),
        ..Settings::default()
    }
}

fn limit(value: Option<f64>, limit: LimitKind) -> Command {
    Command::SetLimit {
        instance: "a".into(),
        limit,
        value,
    }
}

/// Asks for two tokens at most, so that little is reserved.
fn short() -> ChatRequest {
    ChatRequest {
        max_tokens: Some(2),
        ..ChatRequest::from("Hi")
    }
}

#[tokio::test(start_paused = true)]
async fn a_daily_budget_is_reserved_settled_and_shown_and_then_nothing_more_is_sent() {
    let a = Scripted::new(
        ProviderType::OpenAi,
        [
            Act::Fail(Error::new(ErrorKind::Overloaded, "busy").with_status(529)),
            answer(&["Hel", "lo"]),
        ],
    );
    let mut limited = spec("a", 1, &a);
    limited.settings.limits.spend_per_day = Some(30.0);
    let once = Settings {
        retry: RetrySettings {
            attempts: 1,
            ..RetrySettings::default()
        },
        ..dear()
    };
    let driver = LlmModelDriver::new(once, Vec::new(), vec![limited]).unwrap();
    let left = || driver.board().instances[0].budgets[0].dollars().unwrap();
    assert_eq!(left(), (30.0, 30.0));
    assert!(driver.chat(short()).await.is_err());
    assert_eq!(left(), (30.0, 30.0), "a refusal costs nothing");

    let mut stream = driver.stream(short());
    while let Some(Ok(piece)) = stream.next().await {
        if piece.is_output() {
            assert_eq!(
                left(),
                (21.0, 30.0),
                "5 of input and 2 of output were thought of"
            );
        }
        if let Chunk::Done(response) = piece {
            assert_eq!(response.cost, Some(14.0));
        }
    }
    assert_eq!(left(), (16.0, 30.0), "what it really cost");
    assert_eq!(driver.chat(short()).await.unwrap().cost, Some(14.0));
    assert_eq!(left(), (2.0, 30.0));
    let error = driver.chat(short()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QueueFull);
    assert!(error.message().contains("out of budget"), "{error}");
    assert!(error.retry_after().unwrap() > Duration::from_secs(23 * 3600));
    assert_eq!(a.asked(), 3);

    let changed = driver
        .command(limit(Some(50.0), LimitKind::SpendPerDay), "test")
        .await
        .unwrap();
    assert_eq!(changed.what, "a: spend_per_day $30 -> $50");
    assert!(driver.chat(short()).await.is_ok(), "there is money again");
    driver.command(changed.undo.unwrap(), "test").await.unwrap();
    assert!(driver.chat(short()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn spending_is_only_limited_where_the_price_is_known() {
    let a = Scripted::new(ProviderType::OpenAi, [answer(&["x"])]);
    let mut limited = spec("a", 1, &a);
    limited.settings.limits.spend_per_day = Some(1.0);
    let settings = Settings::default();
    let error = LlmModelDriver::new(settings, Vec::new(), vec![limited])
        .err()
        .unwrap();
    assert!(
        error
            .message()
            .contains("the price of 'model-of-a' is not known"),
        "{error}"
    );
    let driver = driver(vec![spec("a", 1, &a)]);
    let error = driver
        .command(limit(Some(1.0), LimitKind::SpendPerDay), "test")
        .await
        .unwrap_err();
    assert!(error.hint().contains("[prices.\"model-of-a\"]"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn every_limit_is_set_and_taken_back_by_hand() {
    let a = Scripted::new(ProviderType::OpenAi, [answer(&["x"])]);
    let driver = LlmModelDriver::new(dear(), Vec::new(), vec![spec("a", 1, &a)]).unwrap();
    for kind in LimitKind::ALL {
        let changed = driver.command(limit(Some(100.0), kind), "test").await;
        let changed = changed.unwrap();
        let dollar = if kind == LimitKind::SpendPerDay {
            "$"
        } else {
            ""
        };
        assert_eq!(
            changed.what,
            format!("a: {} none -> {dollar}100", kind.as_str())
        );
        assert_eq!(driver.board().instances[0].budgets.len(), 1);
        let undone = driver.command(changed.undo.unwrap(), "test").await;
        assert_eq!(undone.unwrap().undo, Some(limit(Some(100.0), kind)));
        assert!(driver.board().instances[0].budgets.is_empty());
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = driver.command(limit(Some(wrong), kind), "test").await;
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Config);
        }
    }
    let half = limit(Some(0.5), LimitKind::TokensPerMinute);
    assert!(driver.command(half, "test").await.is_err());
    // What was used counts when the limit is lowered.
    let set = |value| limit(Some(value), LimitKind::RequestsPerMinute);
    driver.command(set(3.0), "test").await.unwrap();
    for _ in 0..2 {
        driver.chat("Hi").await.unwrap();
    }
    driver.command(set(2.0), "test").await.unwrap();
    let begun = Instant::now();
    driver.chat("Hi").await.unwrap();
    assert!(begun.elapsed() > Duration::from_secs(59));
}
