//! The errors page: failures by kind and instance.

use std::time::Duration;

use tokio::time::Instant;

use super::input::Input;
use crate::base::{ErrorKind, Failure, Failures, InstanceName};

/// The most failures that are asked for.
pub(crate) const MOST: usize = 300;
/// Over how much time the sparkline of a group goes, and in how many steps.
pub(crate) const SPARK: (Duration, usize) = (Duration::from_secs(600), 20);

/// What the page knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Errors {
    failures: Failures,
    /// When that was read; the ages in it count from there.
    read_at: Option<Instant>,
    pub(crate) filter: Input,
    selected: Option<Key>,
    /// Whether the selected one is shown in full.
    pub(crate) open: bool,
}

/// What a group has in common.
type Key = (Option<InstanceName>, ErrorKind);

/// Failures of one kind at one instance.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) instance: Option<InstanceName>,
    pub(crate) kind: ErrorKind,
    pub(crate) count: u64,
    /// Time since the first and the last one, at the moment that is shown.
    pub(crate) first: Duration,
    pub(crate) last: Duration,
    /// The last one's message.
    pub(crate) message: String,
    /// How many there were in each step of [`SPARK`], oldest first.
    pub(crate) steps: Vec<u64>,
}

impl Errors {
    /// Takes what the deck remembers.
    pub(crate) fn take(&mut self, failures: Failures, now: Instant) -> bool {
        let changed = self.read_at.is_none()
            || self.failures.groups.len() != failures.groups.len()
            || total(&self.failures) != total(&failures);
        self.failures = failures;
        self.read_at = Some(now);
        changed
    }

    /// Tells whether anything was read yet.
    pub(crate) fn is_read(&self) -> bool {
        self.read_at.is_some()
    }

    /// Returns the groups as they were at a moment, the one seen last first, narrowed by the filter.
    pub(crate) fn groups(&self, moment: Instant) -> Vec<Group> {
        let Some(read_at) = self.read_at else {
            return Vec::new();
        };
        // What was younger than this when it was read came after the moment.
        let later = read_at.saturating_duration_since(moment);
        let since = moment.saturating_duration_since(read_at);
        let age = |age: Duration| age.saturating_sub(later) + since;
        let mut groups: Vec<Group> = Vec::new();
        for found in &self.failures.groups {
            if found.first_seen < later {
                continue;
            }
            let known = groups
                .iter_mut()
                .find(|group| group.instance == found.instance && group.kind == found.kind);
            match known {
                Some(group) => {
                    group.count += found.count;
                    group.first = group.first.max(age(found.first_seen));
                    if age(found.last_seen) < group.last {
                        group.last = age(found.last_seen);
                        group.message.clone_from(&found.message);
                    }
                }
                None => groups.push(Group {
                    instance: found.instance.clone(),
                    kind: found.kind,
                    count: found.count,
                    first: age(found.first_seen),
                    last: age(found.last_seen),
                    message: found.message.clone(),
                    steps: vec![0; SPARK.1],
                }),
            }
        }
        for failure in self.failures.recent.iter().filter(|f| f.age >= later) {
            let place = step_of(age(failure.age));
            let group = groups
                .iter_mut()
                .find(|group| group.instance == failure.instance && group.kind == failure.kind);
            if let (Some(group), Some(place)) = (group, place) {
                group.steps[place] += 1;
            }
        }
        let words = self.filter.words();
        groups.retain(|group| words.iter().all(|word| group.has(word)));
        groups.sort_by_key(|group| group.last);
        groups
    }

    /// Returns the failures of a group that are remembered one by one, the newest first, with their ages.
    pub(crate) fn of<'a>(
        &'a self,
        group: &Group,
        moment: Instant,
    ) -> impl Iterator<Item = (&'a Failure, Duration)> {
        let read_at = self.read_at.unwrap_or(moment);
        let later = read_at.saturating_duration_since(moment);
        let since = moment.saturating_duration_since(read_at);
        let (instance, kind) = (group.instance.clone(), group.kind);
        self.failures
            .recent
            .iter()
            .filter(move |f| f.instance == instance && f.kind == kind && f.age >= later)
            .map(move |f| (f, f.age.saturating_sub(later) + since))
    }

    /// Returns the failures of one instance, the newest first, with their ages.
    pub(crate) fn of_instance<'a>(
        &'a self,
        name: &'a InstanceName,
        moment: Instant,
    ) -> impl Iterator<Item = (&'a Failure, Duration)> {
        let read_at = self.read_at.unwrap_or(moment);
        let later = read_at.saturating_duration_since(moment);
        let since = moment.saturating_duration_since(read_at);
        let recent = self.failures.recent.iter();
        recent
            .filter(move |f| f.instance.as_ref() == Some(name) && f.age >= later)
            .map(move |f| (f, f.age.saturating_sub(later) + since))
    }

    /// Counts failures and groups that had to make room.
    pub(crate) fn dropped(&self) -> u64 {
        self.failures.dropped + self.failures.dropped_groups
    }

    /// Returns the place of the selected group.
    pub(crate) fn place(&self, groups: &[Group]) -> usize {
        self.selected
            .as_ref()
            .and_then(|(instance, kind)| {
                groups
                    .iter()
                    .position(|group| group.instance == *instance && group.kind == *kind)
            })
            .unwrap_or(0)
    }

    /// Selects by place; too large means the last.
    pub(crate) fn select(&mut self, place: usize, moment: Instant) {
        let groups = self.groups(moment);
        let place = place.min(groups.len().saturating_sub(1));
        self.selected = groups.get(place).map(|g| (g.instance.clone(), g.kind));
    }

    /// Moves the selection.
    pub(crate) fn step(&mut self, by: isize, moment: Instant) {
        let place = self.place(&self.groups(moment));
        self.select(place.saturating_add_signed(by), moment);
    }
}

impl Group {
    fn has(&self, word: &str) -> bool {
        let name = self.instance.as_ref().map_or("", InstanceName::as_str);
        [name, self.kind.as_str(), self.kind.words(), &self.message]
            .iter()
            .any(|text| text.to_lowercase().contains(word))
    }
}

fn total(failures: &Failures) -> u64 {
    failures.groups.iter().map(|group| group.count).sum()
}

/// Returns in which step an age falls, if in any.
fn step_of(age: Duration) -> Option<usize> {
    let (span, steps) = SPARK;
    let back = (age.as_secs_f64() / span.as_secs_f64() * steps as f64) as usize;
    (back < steps).then(|| steps - 1 - back)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{FailureGroup, Outcome, RequestId};

    fn failures() -> Failures {
        let group = |name: &str, kind, class: &str, count, first, last| FailureGroup {
            instance: Some(name.into()),
            kind,
            class: class.to_owned(),
            count,
            first_seen: Duration::from_secs(first),
            last_seen: Duration::from_secs(last),
            message: format!("{class} said"),
        };
        Failures {
            recent: [5, 40, 45]
                .map(|age| Failure {
                    request: RequestId(age),
                    age: Duration::from_secs(age),
                    kind: ErrorKind::Server,
                    instance: Some("a".into()),
                    message: "boom".to_owned(),
                    outcome: Outcome::Failure(ErrorKind::Server),
                    attempts: Vec::new(),
                })
                .into(),
            groups: vec![
                group("a", ErrorKind::Server, "boom", 2, 90, 5),
                group("a", ErrorKind::Server, "bang", 3, 200, 40),
                group("b", ErrorKind::Auth, "key", 1, 10, 10),
            ],
            ..Failures::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn alike_ones_come_together_and_the_last_seen_is_first() {
        let now = Instant::now() + Duration::from_secs(1_000);
        let mut errors = Errors::default();
        errors.take(failures(), now);
        let groups = errors.groups(now);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].count, 5);
        assert_eq!(groups[0].first.as_secs(), 200);
        assert_eq!(groups[0].last.as_secs(), 5);
        assert_eq!(groups[0].message, "boom said");
        assert_eq!(groups[0].steps.iter().sum::<u64>(), 3);
        assert_eq!(errors.of(&groups[0], now).count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_ago_what_came_since_was_not_there() {
        let now = Instant::now() + Duration::from_secs(1_000);
        let mut errors = Errors::default();
        errors.take(failures(), now);
        let groups = errors.groups(now - Duration::from_secs(20));
        assert_eq!(groups.len(), 1, "the wrong key came later");
        assert_eq!(groups[0].steps.iter().sum::<u64>(), 2);
        assert_eq!(groups[0].last.as_secs(), 0);
    }
}
