//! What an earlier run used of the rate budgets, so that a restart does not make a day's money anew.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::InstanceSettings;
use crate::base::{Attempt, InstanceName, Outcome, Sample, Usage};
use crate::limit::{Cost, micros};

/// What was used, by instance.
pub(crate) struct Past {
    /// When this run began, by both clocks.
    start: (Timestamp, Instant),
    instances: BTreeMap<InstanceName, Spent>,
}

/// What one instance was asked.
struct Spent {
    settings: InstanceSettings,
    /// Beginnings, and what they cost; `None` where nobody said so.
    asked: Vec<(Timestamp, Option<Cost>)>,
}

impl Past {
    /// Makes an empty one for instances that have budgets.
    pub(super) fn new<'s>(
        start: (Timestamp, Instant),
        limited: impl Iterator<Item = &'s InstanceSettings>,
    ) -> Self {
        let spent = |settings: &InstanceSettings| Spent {
            settings: settings.clone(),
            asked: Vec::new(),
        };
        Self {
            start,
            instances: limited
                .map(|settings| (settings.name.clone(), spent(settings)))
                .collect(),
        }
    }

    /// Takes a request that has ended.
    pub(crate) fn take(&mut self, sample: &Sample) {
        if self.instances.is_empty() {
            return;
        }
        let is_success = |attempt: &Attempt| attempt.outcome == Outcome::Success;
        let answered =
            (sample.attempts.iter().rposition(is_success)).or(sample.attempts.len().checked_sub(1));
        for (index, attempt) in sample.attempts.iter().enumerate() {
            let began = sample.called_at.checked_add(attempt.started_after);
            let began = began.unwrap_or(Timestamp::MAX);
            let Some(spent) = self.instances.get_mut(&attempt.instance) else {
                continue;
            };
            if began >= self.start.0 {
                continue;
            }
            let is_answer = answered == Some(index);
            let cost = match sample.usage.filter(|_| is_answer) {
                Some(usage) => Some(spent.cost(attempt, usage, sample.cost)),
                None if was_refused(attempt) => Some(Cost::default()),
                None => None,
            };
            spent.asked.push((began, cost));
        }
    }

    /// Returns what each instance was asked, oldest first.
    pub(super) fn used(self) -> impl Iterator<Item = (InstanceName, Vec<(Instant, Cost)>)> {
        let (wall, now) = self.start;
        self.instances.into_iter().map(move |(name, spent)| {
            let used = spent.used().map(|(began, cost)| {
                let age: SignedDuration = wall.duration_since(began);
                let began = now.checked_sub(age.try_into().unwrap_or_default());
                // What is older than the clock counts as of now: too strict, not too lax.
                (began.unwrap_or(now), cost)
            });
            (name, used.collect())
        })
    }
}

impl Spent {
    fn cost(&self, attempt: &Attempt, usage: Usage, dollars: Option<f64>) -> Cost {
        let output = usage.completion_tokens.unwrap_or(0);
        let input = usage.prompt_tokens.unwrap_or(0);
        let rate = self.settings.rate(Some(&attempt.model));
        Cost {
            tokens: usage.total_tokens.unwrap_or(input + output),
            output,
            spend: dollars.map_or_else(|| rate.micros(input, output), micros),
        }
    }

    /// Where nobody said what it cost, it cost as much as the others.
    fn used(mut self) -> impl Iterator<Item = (Timestamp, Cost)> {
        self.asked.sort_by_key(|(began, _)| *began);
        let known: Vec<Cost> = self.asked.iter().filter_map(|(_, cost)| *cost).collect();
        let answers = known.iter().filter(|cost| cost.tokens > 0).count().max(1) as u64;
        let mean = |of: fn(&Cost) -> u64| known.iter().map(of).sum::<u64>() / answers;
        let usual = Cost {
            tokens: mean(|cost| cost.tokens),
            output: mean(|cost| cost.output),
            spend: mean(|cost| cost.spend),
        };
        let asked = self.asked.into_iter();
        asked.map(move |(began, cost)| (began, cost.unwrap_or(usual)))
    }
}

/// Tells whether an attempt was turned away before it cost anything.
fn was_refused(attempt: &Attempt) -> bool {
    let failed = matches!(attempt.outcome, Outcome::Failure(_));
    failed && attempt.first_token.is_none() && attempt.status.is_some()
}

#[cfg(test)]
mod tests;
