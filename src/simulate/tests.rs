//! What a run must be, whatever its figures: repeatable, complete, within the driver's promises.

use super::*;
use crate::pool::StrategyKind;

/// Runs a scenario shortened to about so many requests.
fn run(scenario: &str, strategies: &[Chooser], requests: u64, instances: Option<usize>) -> Report {
    let change = Change {
        strategies: strategies.to_vec(),
        loads: vec![0.7],
        seeds: Some(2),
        requests: Some(requests),
        instances,
    };
    let plan = Plan::new(Scenario::open(scenario).unwrap(), &change).unwrap();
    plan.run(&|_| {}).unwrap()
}

fn of(kind: StrategyKind) -> Chooser {
    Chooser::Strategy(kind)
}

#[test]
fn the_same_command_gives_the_same_figures() {
    let strategies = [of(StrategyKind::PowerOfTwo), of(StrategyKind::Auto)];
    let once = run("het8", &strategies, 300, None);
    assert_eq!(once.rows, run("het8", &strategies, 300, None).rows);
    assert!(once.rows.iter().all(|row| row.requests >= 300));
}

#[test]
fn every_scenario_runs_and_no_promise_is_broken() {
    let names = scenarios::names();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        let report = run(
            name,
            &[of(StrategyKind::RoundRobin), of(StrategyKind::Auto)],
            150,
            None,
        );
        assert_eq!(report.broken, Vec::<String>::new(), "{name}");
        for row in report.rows {
            // So short a run of an outage is mostly outage.
            let least = if name.contains("outage") { 25.0 } else { 50.0 };
            assert!(row.ok.mean > least, "{name} {}: {:?}", row.strategy, row.ok);
            assert!(row.attempts.mean >= 0.9, "{name} {}", row.strategy);
        }
    }
}

#[test]
fn every_strategy_keeps_the_promises_under_faults() {
    let all: Vec<Chooser> = StrategyKind::ALL.into_iter().map(of).collect();
    let report = run("sick", &all, 150, None);
    assert_eq!(report.rows.len(), StrategyKind::ALL.len());
    assert_eq!(report.broken, Vec::<String>::new());
}

#[test]
fn auto_gives_its_first_tokens_sooner_than_round_robin_where_instances_differ() {
    let report = run(
        "het8",
        &[of(StrategyKind::RoundRobin), of(StrategyKind::Auto)],
        1_500,
        None,
    );
    let row = |name: &str| report.rows.iter().find(|row| row.strategy == name).unwrap();
    let (turn, auto) = (row("round_robin"), row("auto"));
    assert!(
        auto.first_token_p99.mean < turn.first_token_p99.mean,
        "{:?} against {:?}",
        auto.first_token_p99,
        turn.first_token_p99
    );
    assert!(auto.good.mean > turn.good.mean);
}

#[test]
fn a_larger_fleet_than_the_scenarios_is_made_of_the_same_instances() {
    let report = run("het8", &[of(StrategyKind::Auto)], 300, Some(40));
    assert_eq!(report.broken, Vec::<String>::new());
    assert!(report.rows[0].ok.mean > 95.0);
}

#[test]
fn an_unknown_scenario_lists_the_known_ones() {
    let error = Scenario::open("het9").unwrap_err();
    assert!(error.hint().contains("het8"), "{error}: {}", error.hint());
}

#[test]
fn in_a_total_outage_attempts_stay_within_the_retry_budget() {
    let all = [
        StrategyKind::RoundRobin,
        StrategyKind::LeastInFlight,
        StrategyKind::Auto,
    ];
    let report = run("outage", &all.map(of), 6_000, None);
    for row in report.rows {
        let attempts = row.attempts_in_planned.unwrap().mean;
        // 60 s of about ten requests: a fifth of them, and what had been saved up in the budget.
        assert!(attempts < 1.35, "{}: {attempts}", row.strategy);
    }
}
