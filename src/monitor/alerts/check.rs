//! Rules that the types of the settings cannot express by themselves.

use std::collections::BTreeSet;

use super::settings::{Condition, Settings};

/// A setting that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonsense {
    /// Its key, relative to these settings; `rules` for all of the rules.
    pub key: &'static str,
    /// Its value, or the name of the rule.
    pub value: String,
    /// What it should be.
    pub rule: &'static str,
}

impl Settings {
    /// Returns the settings that make no sense.
    pub fn nonsense(&self) -> Vec<Nonsense> {
        let mut found = Vec::new();
        let mut refuse = |key, value: String, rule| found.push(Nonsense { key, value, rule });
        if self.every.is_zero() {
            refuse("every", "0s".to_owned(), "it is longer than nothing");
        }
        if !(self.clear_at > 0.0 && self.clear_at <= 1.0) {
            let value = self.clear_at.to_string();
            refuse("clear_at", value, "it is above 0 and at most 1");
        }
        let reading = self.slow.prompt_tokens_per_second;
        if !(reading.is_finite() && reading > 0.0) {
            let value = format!("prompt_tokens_per_second = {reading}");
            refuse("slow", value, "it is above 0");
        }
        let mut names = BTreeSet::new();
        for rule in &self.rules {
            if rule.name.is_empty() {
                refuse("rules", String::new(), "a rule has a name");
            }
            if !names.insert(rule.name.as_str()) {
                refuse(
                    "rules",
                    rule.name.clone(),
                    "every rule has a name of its own",
                );
            }
            if let Some(wrong) = rule.when.nonsense() {
                refuse("rules", rule.name.clone(), wrong);
            }
        }
        found
    }
}

impl Condition {
    fn nonsense(&self) -> Option<&'static str> {
        match self {
            Self::SuccessRate(rule) | Self::SlowAnswers(rule) => {
                let sensible = rule.objective > 0.0 && rule.objective < 1.0;
                (!sensible).then_some("an objective is above 0 and below 1")
            }
            Self::FailuresInRow(rule) => {
                (rule.count == 0).then_some("failures in a row are at least 1")
            }
            Self::ResponseTime(limit) | Self::FirstToken(limit) | Self::QueueWait(limit) => {
                let sensible = !limit.window.is_zero() && limit.window.as_secs() <= 24 * 3600;
                (!sensible).then_some("a window is longer than nothing and at most a day")
            }
            Self::TokensPerHour(limit) | Self::CostPerHour(limit) => {
                let sensible = limit.above.is_finite() && limit.above >= 0.0;
                (!sensible).then_some("an amount is 0 or more")
            }
            Self::InstanceOut(_) | Self::InstanceHeld(_) => None,
            Self::Capacity(rule) => {
                let sensible = rule.below > 0.0 && rule.below <= 1.0;
                (!sensible).then_some("a part of the instances is above 0 and at most 1")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::monitor::alerts::{Capacity, Limit, Objective, Percentile, Rule};

    #[test]
    fn the_defaults_make_sense() {
        assert_eq!(Settings::default().nonsense(), []);
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let mut settings = Settings {
            every: Duration::ZERO,
            clear_at: f64::NAN,
            ..Settings::default()
        };
        settings.slow.prompt_tokens_per_second = 0.0;
        settings.rules = vec![
            Rule::new("a", Condition::SuccessRate(Objective::new(99.0))),
            Rule::new("a", Condition::Capacity(Capacity { below: 0.5 })),
            Rule::new(
                "b",
                Condition::FirstToken(Limit {
                    percentile: Percentile::P99,
                    above: Duration::from_secs(1),
                    window: Duration::ZERO,
                }),
            ),
        ];
        let told: Vec<_> = settings
            .nonsense()
            .into_iter()
            .map(|wrong| (wrong.key, wrong.value))
            .collect();
        let expected = [
            ("every", "0s"),
            ("clear_at", "NaN"),
            ("slow", "prompt_tokens_per_second = 0"),
            ("rules", "a"),
            ("rules", "a"),
            ("rules", "b"),
        ];
        assert_eq!(told, expected.map(|(key, value)| (key, value.to_owned())));
    }
}
