//! Counts since the start by label set, for exporters. The number of sets is bounded: a caller chooses the model's name,
//! so what comes after the last free place is counted under one name for all.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};

use parking_lot::Mutex;

use super::timing::micros;
use crate::base::{
    Attempt, AttemptFigures, Distribution, ErrorKind, Figures, InstanceName, Measure, OTHER_MODEL,
    Outcome, ProviderType, RequestFigures, RouteName, Sample, clean_line, shorten,
};

/// Sets of labels that have a place of their own, of requests and of attempts each. Beyond them sets may still be
/// made whose model is [`OTHER_MODEL`]; instances, routes, types and outcomes are bounded by themselves.
const MOST: usize = 300;
/// And this is where it ends whatever happens: the monitor holds as many instances and routes.
const MOST_WITH_OTHERS: usize = 2 * MOST;
/// Characters of a model's name that are kept.
const LONGEST_MODEL: usize = 100;
/// Money is counted in billionths, so that sums do not depend on their order.
const BILLION: f64 = 1e9;

/// The labels of some requests or attempts, borrowed from one of them.
#[derive(Clone, Copy, Hash, PartialEq, Eq)]
struct Labels<'l> {
    instance: Option<&'l InstanceName>,
    provider_type: Option<ProviderType>,
    route: Option<&'l RouteName>,
    model: Option<&'l str>,
    outcome: Outcome,
}

/// What is counted under one set of labels.
struct Entry {
    instance: Option<InstanceName>,
    provider_type: Option<ProviderType>,
    route: Option<RouteName>,
    model: Option<String>,
    outcome: Outcome,
    count: u64,
    retries: u64,
    failovers: u64,
    hedges: u64,
    cached_tokens: u64,
    reasoning_tokens: u64,
    cost: u64,
    unpriced: u64,
    distributions: [Option<Distribution>; Measure::COUNT],
}

/// Entries by the hash of their labels, so that finding one needs no copy of them. With a seed from the system and at
/// most a few hundred entries two never share 64 bits.
#[derive(Default)]
struct Entries {
    state: RandomState,
    all: HashMap<u64, Entry>,
    merged: u64,
}

/// All of it.
#[derive(Default)]
pub(super) struct Ledger {
    requests: Mutex<Entries>,
    attempts: Mutex<Entries>,
}

impl Ledger {
    /// Counts a request that has ended. `unpriced` tells whether it is an answer whose price is not known.
    pub(super) fn request(&self, sample: &Sample, unpriced: bool) {
        let asked = sample.instance.is_some();
        let labels = Labels {
            instance: sample.instance.as_ref(),
            provider_type: sample.provider_type,
            route: sample.route.as_ref(),
            // What was only wanted may be any word.
            model: sample.model.as_deref().filter(|_| asked),
            outcome: sample.outcome,
        };
        let mut entries = self.requests.lock();
        let entry = entries.open(labels);
        entry.count += 1;
        entry.retries += u64::from(sample.retries);
        entry.failovers += u64::from(sample.failovers);
        entry.hedges += u64::from(sample.hedges);
        entry.record(Measure::Duration, Some(micros(sample.total)));
        entry.record(Measure::FirstToken, sample.time_to_first_token.map(micros));
        entry.record(
            Measure::BetweenTokens,
            sample.time_between_tokens.map(micros),
        );
        entry.record(Measure::Queued, Some(micros(sample.queued)));
        if let Some(usage) = sample.usage {
            entry.record(Measure::InputTokens, usage.prompt_tokens);
            entry.record(Measure::OutputTokens, usage.completion_tokens);
            entry.cached_tokens += usage.cached_tokens.unwrap_or(0);
            entry.reasoning_tokens += usage.reasoning_tokens.unwrap_or(0);
        }
        if unpriced {
            entry.unpriced += 1;
        } else if let Some(cost) = sample.cost {
            entry.cost = entry.cost.saturating_add((cost * BILLION).round() as u64);
        }
    }

    /// Counts an attempt that has ended.
    pub(super) fn attempt(&self, attempt: &Attempt, provider_type: ProviderType) {
        let labels = Labels {
            instance: Some(&attempt.instance),
            provider_type: Some(provider_type),
            route: None,
            model: Some(&attempt.model),
            outcome: attempt.outcome,
        };
        let mut entries = self.attempts.lock();
        let entry = entries.open(labels);
        entry.count += 1;
        entry.record(Measure::Duration, Some(micros(attempt.total)));
        entry.record(Measure::FirstToken, attempt.first_token.map(micros));
        entry.record(Measure::Headers, attempt.headers.map(micros));
    }

    /// Returns a copy of everything, in a steady order.
    pub(super) fn figures(&self) -> Figures {
        let (mut requests, merged) = {
            let entries = self.requests.lock();
            let requests: Vec<_> = entries.all.values().map(Entry::of_requests).collect();
            (requests, entries.merged)
        };
        requests.sort_by(|a, b| {
            let key = |of: &RequestFigures| (of.instance.clone(), of.route.clone());
            key(a).cmp(&key(b)).then_with(|| {
                let key = |of: &RequestFigures| (of.model.clone(), word(of.outcome));
                key(a).cmp(&key(b))
            })
        });
        let (mut attempts, merged_attempts) = {
            let entries = self.attempts.lock();
            let attempts: Vec<_> = entries
                .all
                .values()
                .filter_map(Entry::of_attempts)
                .collect();
            (attempts, entries.merged)
        };
        attempts.sort_by(|a, b| {
            let key = |of: &AttemptFigures| (of.instance.clone(), of.model.clone());
            key(a)
                .cmp(&key(b))
                .then_with(|| word(a.outcome).cmp(word(b.outcome)))
        });
        Figures {
            requests,
            attempts,
            merged: merged + merged_attempts,
        }
    }

    /// Returns the memory it holds, nearly.
    pub(super) fn memory_bytes(&self) -> usize {
        self.requests.lock().memory_bytes() + self.attempts.lock().memory_bytes()
    }
}

impl Entries {
    /// Finds the entry of some labels or makes it.
    fn open(&mut self, labels: Labels<'_>) -> &mut Entry {
        // Two names must not become one only when they are written down: the sets would no longer be distinct.
        let tidied = labels.model.and_then(tidied);
        let model = tidied.as_deref().or(labels.model);
        let mut labels = Labels {
            model: model.filter(|model| !model.is_empty()),
            ..labels
        };
        // A name that no provider knows is a slip of the pen, and there are endless ones.
        if labels.outcome == Outcome::Failure(ErrorKind::NotFoundModel) {
            labels.model = Some(OTHER_MODEL);
        }
        let mut hash = self.state.hash_one(labels);
        if !self.all.contains_key(&hash) && self.all.len() >= MOST {
            self.merged += 1;
            labels.model = Some(OTHER_MODEL);
            hash = self.state.hash_one(labels);
            if !self.all.contains_key(&hash) && self.all.len() >= MOST_WITH_OTHERS {
                labels.instance = None;
                labels.route = None;
                hash = self.state.hash_one(labels);
            }
        }
        self.all.entry(hash).or_insert_with(|| Entry::new(&labels))
    }

    fn memory_bytes(&self) -> usize {
        let entries = self.all.values().map(|entry| {
            let distributions = entry.distributions.iter().flatten();
            let counts = distributions.map(|one| one.counts.capacity() * size_of::<u64>());
            entry.model.as_ref().map_or(0, String::capacity) + counts.sum::<usize>()
        });
        self.all.capacity() * size_of::<(u64, Entry)>() + entries.sum::<usize>()
    }
}

impl Entry {
    fn new(labels: &Labels<'_>) -> Self {
        Self {
            instance: labels.instance.cloned(),
            provider_type: labels.provider_type,
            route: labels.route.cloned(),
            model: labels.model.map(str::to_owned),
            outcome: labels.outcome,
            count: 0,
            retries: 0,
            failovers: 0,
            hedges: 0,
            cached_tokens: 0,
            reasoning_tokens: 0,
            cost: 0,
            unpriced: 0,
            distributions: [const { None }; Measure::COUNT],
        }
    }

    fn record(&mut self, measure: Measure, value: Option<u64>) {
        if let Some(value) = value {
            self.distributions[measure as usize]
                .get_or_insert_with(|| Distribution::new(measure))
                .record(measure, value);
        }
    }

    fn distributions(&self) -> std::collections::BTreeMap<Measure, Distribution> {
        Measure::ALL
            .into_iter()
            .zip(&self.distributions)
            .filter_map(|(measure, distribution)| Some((measure, distribution.clone()?)))
            .collect()
    }

    fn of_requests(&self) -> RequestFigures {
        RequestFigures {
            instance: self.instance.clone(),
            provider_type: self.provider_type,
            route: self.route.clone(),
            model: self.model.clone(),
            outcome: self.outcome,
            count: self.count,
            retries: self.retries,
            failovers: self.failovers,
            hedges: self.hedges,
            cached_tokens: self.cached_tokens,
            reasoning_tokens: self.reasoning_tokens,
            cost: self.cost as f64 / BILLION,
            unpriced: self.unpriced,
            distributions: self.distributions(),
        }
    }

    /// What has no instance any more stands for many of them, under the same word as models do.
    fn of_attempts(&self) -> Option<AttemptFigures> {
        Some(AttemptFigures {
            instance: self
                .instance
                .clone()
                .unwrap_or_else(|| InstanceName::new(OTHER_MODEL)),
            provider_type: self.provider_type?,
            model: self.model.clone().unwrap_or_default(),
            outcome: self.outcome,
            count: self.count,
            distributions: self.distributions(),
        })
    }
}

/// Returns a model's name cleaned and shortened, `None` when it is fit to be seen as it stands.
fn tidied(model: &str) -> Option<String> {
    let is_plain =
        model.len() <= LONGEST_MODEL && model.bytes().all(|byte| byte.is_ascii_graphic());
    (!is_plain).then(|| shorten(&clean_line(model), LONGEST_MODEL))
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "",
        Outcome::Failure(kind) => kind.as_str(),
        Outcome::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests;
