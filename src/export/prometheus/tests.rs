use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::metric::{self, Metric};
use super::*;
use crate::base::{
    AlertState, AlertView, AttemptFigures, BreakerView, BudgetView, ErrorKind, InstanceState,
    InstanceView, LlmMetrics, Outcome, ProviderType, RequestFigures, Scope, Severity,
};

/// A board and figures in which everything there is has a point.
pub(in crate::export) fn everything() -> (Board, Figures) {
    let spread = |measure: Measure| {
        let mut distribution = Distribution::new(measure);
        for value in [1_500, 80_000, 200_000_000] {
            distribution.record(measure, value);
        }
        (measure, distribution)
    };
    let requests = |outcome| RequestFigures {
        instance: Some("a".into()),
        provider_type: Some(ProviderType::OpenAi),
        route: Some("r".into()),
        model: Some("say \"m\\n\"\u{e9}".to_owned()),
        outcome,
        count: 3,
        retries: 1,
        failovers: 2,
        hedges: 3,
        cached_tokens: 4,
        reasoning_tokens: 5,
        cost: 0.25,
        unpriced: 6,
        distributions: Measure::ALL.map(spread).into(),
    };
    let attempts = |outcome| AttemptFigures {
        instance: "a".into(),
        provider_type: ProviderType::OpenAi,
        model: "m".to_owned(),
        outcome,
        count: 3,
        distributions: Measure::ALL.map(spread).into(),
    };
    let outcomes = [
        Outcome::Success,
        Outcome::Failure(ErrorKind::Server),
        Outcome::Cancelled,
    ];
    let figures = Figures {
        requests: outcomes.map(requests).into(),
        attempts: outcomes.map(attempts).into(),
        merged: 7,
    };
    let board = Board {
        uptime: Duration::from_millis(1_500),
        instances: vec![InstanceView {
            name: "a".into(),
            provider_type: ProviderType::OpenAi,
            base_url: String::new(),
            models: Vec::new(),
            state: InstanceState::Open(Duration::from_secs(1)),
            enabled: true,
            in_flight: 1,
            permits: 4,
            weight: 1,
            min_interval: Duration::ZERO,
            next_start_in: Duration::ZERO,
            breaker: BreakerView::default(),
            budgets: vec![BudgetView {
                what: "tokens/min".to_owned(),
                left: -5,
                limit: 100,
            }],
            score: Some(0.5),
            last_latency: None,
            settings: std::collections::BTreeMap::new(),
            metrics: LlmMetrics::default(),
        }],
        alerts: vec![AlertView {
            rule: "success".to_owned(),
            scope: Scope::All,
            state: AlertState::Firing,
            severity: Severity::Critical,
            age: Duration::ZERO,
            message: String::new(),
            silenced: None,
        }],
        ..Board::default()
    };
    (board, figures)
}

fn written() -> String {
    let (board, figures) = everything();
    prometheus(&board, &figures)
}

#[test]
fn every_metric_of_the_list_is_written_and_none_twice() {
    let text = written();
    for metric in metric::ALL {
        let name = metric.prometheus_name();
        for head in ["HELP", "TYPE"] {
            let line = format!("# {head} {name} ");
            assert_eq!(text.matches(&line).count(), 1, "{line}");
        }
        assert!(text.contains(&format!("\n{name}")), "{name} has no point");
    }
    let names: BTreeSet<_> = metric::ALL.iter().map(Metric::prometheus_name).collect();
    assert_eq!(names.len(), metric::ALL.len());
    let mut lines = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        assert!(lines.insert(series), "{series} stands twice");
    }
}

#[test]
fn a_histogram_rises_to_its_count_and_its_bounds_are_seconds() {
    let text = written();
    let of_success = |line: &&str| !line.contains("error_type");
    let buckets: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("gen_ai_client_operation_duration_seconds_bucket"))
        .filter(of_success)
        .collect();
    assert!(buckets[0].contains("le=\"0.01\"") && buckets[0].ends_with(" 1"));
    assert!(buckets[3].contains("le=\"0.08\"") && buckets[3].ends_with(" 2"));
    assert!(buckets[15].contains("le=\"327.68\"") && buckets[15].ends_with(" 3"));
    assert!(buckets[16].contains("le=\"+Inf\"") && buckets[16].ends_with(" 3"));
    let sum = text
        .lines()
        .filter(|line| line.starts_with("gen_ai_client_operation_duration_seconds_sum"))
        .find(of_success);
    assert!(sum.unwrap().ends_with(" 200.0815"), "{sum:?}");
}

#[test]
fn what_a_model_is_called_cannot_break_a_line() {
    let text = written();
    assert!(
        text.contains(r#"gen_ai_request_model="say \"m\\n\"é""#),
        "{text}"
    );
}

#[test]
fn states_budgets_and_alerts_say_which() {
    let text = written();
    for line in [
        r#"llmdeck_instance_state{llmdeck_instance="a",state="open"} 1"#,
        r#"llmdeck_instance_state{llmdeck_instance="a",state="on"} 0"#,
        r#"llmdeck_instance_budget_left{llmdeck_instance="a",budget="tokens/min"} -5"#,
        r#"llmdeck_alerts{rule="success",severity="critical",state="firing",scope="all"} 1"#,
        "llmdeck_uptime_seconds 1.5",
        "llmdeck_labels_merged_total 7",
    ] {
        assert!(text.lines().any(|one| one == line), "no {line}");
    }
    let outcome = text
        .lines()
        .filter(|line| line.starts_with("llmdeck_requests_total{"))
        .map(|line| line.split("outcome=\"").nth(1).unwrap().split('"').next())
        .map(|word| (word.unwrap(), 1))
        .collect::<BTreeMap<_, _>>();
    assert_eq!(outcome.len(), 3);
}
