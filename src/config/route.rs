//! One `[[routes]]` entry: a model name that callers use, and who serves it.

use std::time::Duration;

use serde::Deserialize;

use crate::base::{InstanceName, Priority, RouteName};
#[cfg(feature = "gateway")]
use crate::gateway;
use crate::pool::RouteSettings;

use super::checks;
use super::findings::Findings;
use super::names::Names;
use super::problem::{Problem, did_you_mean};
use super::table::{Given, Table};

/// One entry: what the pool makes of it, and what the gateway does.
pub(super) struct Route {
    /// Who serves it.
    pub(super) route: RouteSettings,
    /// What it adds to requests.
    #[cfg(feature = "gateway")]
    pub(super) parameters: gateway::RouteSettings,
}

/// Reads one entry; `None` when something is wrong, which is then noted.
pub(super) fn read(
    mut table: Table<'_>,
    taken: &mut Names,
    instances: &[&str],
    findings: &mut Findings,
) -> Option<Route> {
    let problems_before = findings.problems.len();
    let name = table.take::<String>("name", findings);
    if let Some(given) = &name {
        let is_word = !given.value.is_empty()
            && !given
                .value
                .contains(|c: char| c.is_whitespace() || c.is_control());
        taken.take(given, findings);
        if is_word {
            table.rename(format!("routes.{}", given.value));
        } else {
            let problem = given.problem("a route's name is a word without blanks");
            findings.push(problem.with_right("such as name = \"fast\" or \"qwen3:8b\""));
        }
    }
    let tiers = table.take::<Vec<Vec<String>>>("tiers", findings);
    if let Some(tiers) = &tiers {
        check_tiers(tiers, instances, findings);
    }
    let strategy = table.take::<String>("strategy", findings);
    if let Some(strategy) = &strategy {
        checks::strategy(&strategy.value, |rule, right| {
            findings.push(strategy.problem(rule).with_right(right));
        });
    }
    let settings = more(&mut table, findings);
    #[cfg(feature = "gateway")]
    let parameters = parameters(&mut table, findings);
    // A program without a gateway leaves its parameters alone.
    #[cfg(not(feature = "gateway"))]
    for key in ["defaults", "overrides"] {
        let _ = table.take_raw(key);
    }
    for (key, is_there) in [("name", name.is_some()), ("tiers", tiers.is_some())] {
        if !is_there && !table.has_given(key, findings) {
            let problem = Problem::new(table.place(), table.path(), format!("'{key}' is missing"));
            findings.push(problem.with_right(
                "a route is name = \"fast\" and tiers = [[\"first\"], [\"fallback\"]]",
            ));
        }
    }
    table.finish(findings);
    if findings.problems.len() > problems_before {
        return None;
    }
    let name = name?.value;
    let route = RouteSettings {
        name: RouteName::new(&name),
        tiers: tiers?
            .value
            .iter()
            .map(|tier| tier.iter().map(InstanceName::new).collect())
            .collect(),
        strategy: strategy.map(|strategy| strategy.value),
        ..settings
    };
    Some(Route {
        #[cfg(feature = "gateway")]
        parameters: gateway::RouteSettings { name, ..parameters },
        route,
    })
}

/// Reads what a route adds to requests.
#[cfg(feature = "gateway")]
fn parameters(table: &mut Table<'_>, findings: &mut Findings) -> gateway::RouteSettings {
    let mut map = |key| {
        let given = table.take::<serde_json::Map<String, serde_json::Value>>(key, findings);
        let map = given.as_ref().map(|given| given.value.clone());
        for fixed in ["model", "messages", "stream"] {
            if let Some(given) = given
                .as_ref()
                .filter(|given| given.value.contains_key(fixed))
            {
                let rule = format!("'{fixed}' is the caller's to say");
                findings.push(given.problem(rule).with_right("leave it out"));
            }
        }
        map.unwrap_or_default()
    };
    gateway::RouteSettings {
        name: String::new(),
        defaults: map("defaults"),
        overrides: map("overrides"),
    }
}

/// A time as people write it.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Time(#[serde(with = "humantime_serde")] pub(super) Duration);

/// Reads what a route may set for itself beside its strategy.
fn more(table: &mut Table<'_>, findings: &mut Findings) -> RouteSettings {
    let mut settings = RouteSettings::new("");
    for (key, time) in [
        ("deadline", &mut settings.deadline),
        ("first_token_timeout", &mut settings.first_token_timeout),
        ("idle_timeout", &mut settings.idle_timeout),
        ("total_timeout", &mut settings.total_timeout),
    ] {
        let Some(given) = table.take::<Time>(key, findings) else {
            continue;
        };
        if given.value.0.is_zero() {
            let problem = given.problem("it is longer than nothing");
            findings.push(problem.with_right("leave it out for the usual one"));
        }
        *time = Some(given.value.0);
    }
    if let Some(attempts) = table.take::<u32>("attempts", findings) {
        if attempts.value == 0 {
            let problem = attempts.problem("a request has at least 1 attempt");
            findings.push(problem.with_right("1 is: never again"));
        }
        settings.attempts = Some(attempts.value);
    }
    if let Some(priority) = table.take::<Priority>("priority", findings) {
        settings.priority = priority.value;
    }
    let limit = table.take::<usize>("queue_limit", findings);
    settings.queue_limit = limit.map(|limit| limit.value);
    let hedge = table.take::<bool>("hedge", findings);
    settings.hedge = hedge.is_some_and(|hedge| hedge.value);
    if let Some(budget) = table.take::<f64>("hedge_budget", findings) {
        if !(0.0..=1.0).contains(&budget.value) {
            let problem = budget.problem("it is a share of the route's requests, from 0 to 1");
            findings.push(problem.with_right("0.05 is one of twenty, and the usual one"));
        }
        settings.hedge_budget = Some(budget.value);
    }
    settings
}

fn check_tiers(tiers: &Given<Vec<Vec<String>>>, instances: &[&str], findings: &mut Findings) {
    if tiers.value.is_empty() || tiers.value.iter().any(Vec::is_empty) {
        let problem =
            tiers.problem("a route has at least one tier, and a tier at least one instance");
        findings.push(problem.with_right("such as tiers = [[\"first\"], [\"fallback\"]]"));
    }
    let mut seen: Vec<&str> = Vec::new();
    for name in tiers.value.iter().flatten() {
        if !instances.contains(&name.as_str()) {
            let problem = tiers.problem(format!("there is no instance '{name}'"));
            findings.push(problem.with_right(did_you_mean(name, instances)));
        } else if seen.contains(&name.as_str()) {
            findings
                .push(tiers.problem(format!("the instance '{name}' stands in this route twice")));
        }
        seen.push(name);
    }
}
