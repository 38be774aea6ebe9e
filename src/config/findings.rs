//! What is noticed while a config is read: problems, warnings, and where each setting came from.

use std::collections::BTreeMap;

use super::problem::{Place, Problem};

/// Collects everything, so that all problems are told at once.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
    /// What works but should be known.
    pub(super) warnings: Vec<String>,
    /// Where each key that is set comes from; the rest is default.
    pub(super) origins: BTreeMap<String, Place>,
}

impl Findings {
    /// Notes a problem.
    pub(super) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Refuses a setting by its key; the place is where it was set.
    pub(super) fn refuse(&mut self, key: &str, value: &str, rule: &str, right: &str) {
        let place = self.origins.get(key).cloned().unwrap_or_default();
        self.push(
            Problem::new(place, key, rule)
                .with_value(value)
                .with_right(right),
        );
    }
}
