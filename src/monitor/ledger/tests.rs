use std::time::Duration;

use super::*;
use crate::base::{RequestId, Usage};

fn sample(model: &str, outcome: Outcome) -> Sample {
    Sample {
        instance: Some("a".into()),
        provider_type: Some(ProviderType::Ollama),
        model: Some(model.to_owned()),
        usage: Some(Usage {
            prompt_tokens: Some(64),
            completion_tokens: Some(65),
            ..Usage::default()
        }),
        cost: Some(0.5),
        ..Sample::new(RequestId(1), outcome, Duration::from_millis(20))
    }
}

#[test]
fn alike_requests_are_counted_together_and_others_apart() {
    let ledger = Ledger::default();
    ledger.request(&sample("m", Outcome::Success), false);
    ledger.request(&sample("m", Outcome::Success), false);
    ledger.request(&sample("m", Outcome::Cancelled), false);
    let mut routed = sample("m", Outcome::Success);
    routed.route = Some("r".into());
    ledger.request(&routed, true);
    let figures = ledger.figures();
    let counts: Vec<u64> = figures.requests.iter().map(|of| of.count).collect();
    assert_eq!(counts, [2, 1, 1]);
    let twice = &figures.requests[0];
    assert_eq!((twice.cost, twice.unpriced), (1.0, 0));
    assert_eq!(
        (figures.requests[2].cost, figures.requests[2].unpriced),
        (0.0, 1)
    );
    let input = &twice.distributions[&Measure::InputTokens];
    assert_eq!((input.sum, input.cumulative().nth(3)), (128, Some(2)));
    let output = &twice.distributions[&Measure::OutputTokens];
    assert_eq!((output.sum, output.cumulative().nth(3)), (130, Some(0)));
    let duration = &twice.distributions[&Measure::Duration];
    assert_eq!(duration.cumulative().take(2).collect::<Vec<_>>(), [0, 2]);
    assert!(!twice.distributions.contains_key(&Measure::FirstToken));
}

#[test]
fn endless_model_names_end_in_one_and_nothing_is_lost() {
    let ledger = Ledger::default();
    for number in 0..5_000 {
        ledger.request(&sample(&format!("m{number}"), Outcome::Success), false);
    }
    let figures = ledger.figures();
    assert_eq!(figures.requests.len(), MOST + 1);
    assert_eq!(figures.merged, 5_000 - MOST as u64);
    assert_eq!(
        figures.requests.iter().map(|of| of.count).sum::<u64>(),
        5_000
    );
    let other = figures
        .requests
        .iter()
        .find(|of| of.model.as_deref() == Some(OTHER_MODEL));
    assert_eq!(other.unwrap().count, figures.merged);
    assert!(ledger.memory_bytes() < 600_000, "{}", ledger.memory_bytes());
}

#[test]
fn endless_instances_end_too() {
    let ledger = Ledger::default();
    for number in 0..5_000 {
        let mut sample = sample("m", Outcome::Success);
        sample.instance = Some(InstanceName::new(format!("i{number}")));
        ledger.request(&sample, false);
    }
    let figures = ledger.figures();
    assert_eq!(figures.requests.len(), MOST_WITH_OTHERS + 1);
    assert_eq!(
        figures.requests.iter().map(|of| of.count).sum::<u64>(),
        5_000
    );
}

#[test]
fn names_that_look_alike_when_written_are_one_set() {
    let ledger = Ledger::default();
    for model in ["a\tb", "a b", "a  b", "", "_other"] {
        ledger.request(&sample(model, Outcome::Success), false);
    }
    let missing = Outcome::Failure(ErrorKind::NotFoundModel);
    ledger.request(&sample("gpt-5-turbo-ultra", missing), false);
    let mut written: Vec<_> = ledger.figures().requests;
    written.retain(|of| of.outcome == Outcome::Success);
    let models: Vec<_> = written.iter().map(|of| of.model.as_deref()).collect();
    assert_eq!(models, [None, Some("_other"), Some("a b")]);
    let figures = ledger.figures();
    let missed = figures.requests.iter().find(|of| of.outcome == missing);
    assert_eq!(missed.unwrap().model.as_deref(), Some(OTHER_MODEL));
}
