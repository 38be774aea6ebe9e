//! The last failures in a bounded ring, and all of them in bounded groups of alike ones.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::base::{
    Attempt, ErrorKind, ErrorNote, Failure, FailureGroup, Failures, InstanceName, Outcome,
    ProviderType, RequestId, RouteName, Sample, Scope, clean_line, shorten,
};

/// Attempts of one request that are remembered.
const MOST_ATTEMPTS: usize = 8;
/// Characters of a message that are remembered.
const LONGEST_MESSAGE: usize = 500;
/// Characters of a model's name that are remembered.
const LONGEST_MODEL: usize = 100;
/// Characters of what alike messages have in common.
const LONGEST_CLASS: usize = 80;

/// One request that met a failure.
struct Entry {
    at: Instant,
    request: RequestId,
    kind: ErrorKind,
    instance: Option<InstanceName>,
    provider_type: Option<ProviderType>,
    route: Option<RouteName>,
    message: String,
    outcome: Outcome,
    attempts: Vec<Attempt>,
}

/// Alike failures.
struct Group {
    count: u64,
    first: Instant,
    last: Instant,
    message: String,
}

type GroupKey = (Option<InstanceName>, ErrorKind, String);

/// What is remembered of failures.
pub(super) struct FailureLog {
    most_entries: usize,
    most_groups: usize,
    entries: VecDeque<Entry>,
    groups: BTreeMap<GroupKey, Group>,
    dropped: u64,
    dropped_groups: u64,
}

impl FailureLog {
    /// Makes an empty one with room for so many.
    pub(super) fn new(most_entries: usize, most_groups: usize) -> Self {
        Self {
            most_entries,
            most_groups,
            entries: VecDeque::new(),
            groups: BTreeMap::new(),
            dropped: 0,
            dropped_groups: 0,
        }
    }

    /// Makes an empty one of the same size.
    pub(super) fn anew(&self) -> Self {
        Self::new(self.most_entries, self.most_groups)
    }

    /// Remembers a request's failure, if it met one. Every failed attempt counts in its group, and the request's
    /// own failure when it was not an attempt's.
    pub(super) fn record(&mut self, sample: &Sample, at: Instant) {
        for attempt in &sample.attempts {
            if let Outcome::Failure(kind) = attempt.outcome {
                let message = tidy(attempt.message.as_deref().unwrap_or_default());
                self.count(Some(attempt.instance.clone()), kind, message, at);
            }
        }
        let Some((kind, instance, message)) = what_failed(sample) else {
            return;
        };
        if matches!(sample.outcome, Outcome::Failure(_)) && instance.is_none() {
            self.count(None, kind, message.clone(), at);
        }
        if self.entries.len() >= self.most_entries {
            self.dropped += 1;
            if self.entries.pop_front().is_none() {
                return;
            }
        }
        self.entries.push_back(Entry {
            at,
            request: sample.request,
            kind,
            instance,
            provider_type: sample.provider_type,
            route: sample.route.clone(),
            message,
            outcome: sample.outcome,
            attempts: sample
                .attempts
                .iter()
                .take(MOST_ATTEMPTS)
                .map(tidy_attempt)
                .collect(),
        });
    }

    fn count(
        &mut self,
        instance: Option<InstanceName>,
        kind: ErrorKind,
        message: String,
        at: Instant,
    ) {
        let key = (instance, kind, class_of(&message));
        if let Some(group) = self.groups.get_mut(&key) {
            group.count += 1;
            group.last = at;
            group.message = message;
            return;
        }
        if self.groups.len() >= self.most_groups {
            self.dropped_groups += 1;
            let oldest = self.groups.iter().min_by_key(|(_, group)| group.last);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            self.groups.remove(&oldest);
        }
        self.groups.insert(
            key,
            Group {
                count: 1,
                first: at,
                last: at,
                message,
            },
        );
    }

    /// Takes in what was before everything that is here, as far as there is room.
    pub(super) fn recall(&mut self, mut past: Self) {
        while self.entries.len() < self.most_entries
            && let Some(entry) = past.entries.pop_back()
        {
            self.entries.push_front(entry);
        }
        for (key, before) in past.groups {
            if let Some(group) = self.groups.get_mut(&key) {
                group.count += before.count;
                group.first = before.first;
            } else if self.groups.len() < self.most_groups {
                self.groups.insert(key, before);
            }
        }
    }

    /// Tells the last failures, at most `limit`, and all groups.
    pub(super) fn report(&self, limit: usize, now: Instant) -> Failures {
        let recent = self.entries.iter().rev().take(limit).map(|entry| Failure {
            request: entry.request,
            age: now.saturating_duration_since(entry.at),
            kind: entry.kind,
            instance: entry.instance.clone(),
            message: entry.message.clone(),
            outcome: entry.outcome,
            attempts: entry.attempts.clone(),
        });
        let groups = self.groups.iter().map(|(key, group)| FailureGroup {
            instance: key.0.clone(),
            kind: key.1,
            class: key.2.clone(),
            count: group.count,
            first_seen: now.saturating_duration_since(group.first),
            last_seen: now.saturating_duration_since(group.last),
            message: group.message.clone(),
        });
        let mut groups: Vec<_> = groups.collect();
        groups.sort_by_key(|group| group.last_seen);
        Failures {
            recent: recent.collect(),
            groups,
            dropped: self.dropped,
            dropped_groups: self.dropped_groups,
        }
    }

    /// Tells the last failures of a scope in a window, newest first, at most `limit`: of an instance its failed
    /// attempts, otherwise requests that failed.
    pub(super) fn notes(
        &self,
        scope: &Scope,
        window: Duration,
        limit: usize,
        now: Instant,
    ) -> Vec<ErrorNote> {
        self.entries
            .iter()
            .rev()
            .take_while(|entry| now.saturating_duration_since(entry.at) <= window)
            .filter_map(|entry| entry.note(scope, now))
            .take(limit)
            .collect()
    }

    /// Returns the memory it holds, nearly.
    pub(super) fn memory_bytes(&self) -> usize {
        let entries = self.entries.iter().map(|entry| {
            let attempts = entry.attempts.iter().map(|attempt| {
                size_of::<Attempt>()
                    + attempt.model.capacity()
                    + attempt.message.as_ref().map_or(0, String::capacity)
            });
            entry.message.capacity() + attempts.sum::<usize>()
        });
        let groups = self.groups.iter().map(|(key, group)| {
            size_of::<(GroupKey, Group)>() + key.2.capacity() + group.message.capacity()
        });
        self.entries.capacity() * size_of::<Entry>()
            + entries.sum::<usize>()
            + groups.sum::<usize>()
    }
}

impl Entry {
    fn note(&self, scope: &Scope, now: Instant) -> Option<ErrorNote> {
        let failed = matches!(self.outcome, Outcome::Failure(_));
        let whole_request = match scope {
            Scope::All => failed,
            Scope::Type(wanted) => failed && self.provider_type == Some(*wanted),
            Scope::Route(wanted) => failed && self.route.as_ref() == Some(wanted),
            Scope::Instance(wanted) => return self.note_of_attempt(wanted, now),
        };
        whole_request.then(|| ErrorNote {
            age: now.saturating_duration_since(self.at),
            kind: self.kind,
            instance: self.instance.clone(),
            message: self.message.clone(),
        })
    }

    fn note_of_attempt(&self, wanted: &InstanceName, now: Instant) -> Option<ErrorNote> {
        self.attempts.iter().rev().find_map(|attempt| {
            let Outcome::Failure(kind) = attempt.outcome else {
                return None;
            };
            (attempt.instance == *wanted).then(|| ErrorNote {
                age: now.saturating_duration_since(self.at),
                kind,
                instance: Some(wanted.clone()),
                message: attempt.message.clone().unwrap_or_default(),
            })
        })
    }
}

/// Returns what went wrong last in a request, and at which instance, or `None` when nothing did. A failure that
/// is not its last attempt's (a full queue, a deadline) belongs to no instance.
pub(super) fn what_failed(sample: &Sample) -> Option<(ErrorKind, Option<InstanceName>, String)> {
    let last = sample
        .attempts
        .iter()
        .rev()
        .find_map(|attempt| match attempt.outcome {
            Outcome::Failure(kind) => Some((attempt, kind)),
            Outcome::Success | Outcome::Cancelled => None,
        });
    match (sample.outcome, last) {
        (Outcome::Failure(kind), last) => {
            let same = last.filter(|(_, of_attempt)| *of_attempt == kind);
            let told = sample.error.as_ref().map(|(_, message)| message.as_str());
            let message = told.or(same.and_then(|(attempt, _)| attempt.message.as_deref()));
            let instance = same.map(|(attempt, _)| attempt.instance.clone());
            Some((kind, instance, tidy(message.unwrap_or_default())))
        }
        (Outcome::Success | Outcome::Cancelled, Some((attempt, kind))) => Some((
            kind,
            Some(attempt.instance.clone()),
            tidy(attempt.message.as_deref().unwrap_or_default()),
        )),
        (Outcome::Success | Outcome::Cancelled, None) => None,
    }
}

/// Cleans and shortens a message.
pub(super) fn tidy(message: &str) -> String {
    shorten(&clean_line(message), LONGEST_MESSAGE)
}

fn tidy_attempt(attempt: &Attempt) -> Attempt {
    Attempt {
        model: shorten(&clean_line(&attempt.model), LONGEST_MODEL),
        message: attempt.message.as_deref().map(tidy),
        ..attempt.clone()
    }
}

/// Returns what messages of one cause have in common: words with digits in them (numbers, ids, times) become `#`.
fn class_of(message: &str) -> String {
    let mut class = String::new();
    let mut word = String::new();
    let end = |word: &mut String, class: &mut String| {
        if word.contains(|c: char| c.is_ascii_digit()) {
            class.push('#');
        } else {
            class.push_str(word);
        }
        word.clear();
    };
    for c in message.chars() {
        if c.is_alphanumeric() || matches!(c, '_' | '-') {
            word.push(c);
        } else {
            end(&mut word, &mut class);
            class.push(c);
        }
    }
    end(&mut word, &mut class);
    shorten(&class, LONGEST_CLASS)
}

#[cfg(test)]
mod tests;
