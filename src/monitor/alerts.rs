//! Alerts: rules over the monitor's windows, looked at every ten seconds, and what they say.
//!
//! An alert is one rule for one scope. It is pending while its condition has not held for long enough, fires, and
//! is resolved when the condition was away for long enough; while it fires, a part of each threshold is enough
//! to keep it firing, so that it does not flap. It tells of itself when it begins to fire and when it is over,
//! but not while silenced, not twice in a quarter of an hour, and not when it is only a part of an alert over all
//! that fires too.

mod burn;
mod check;
mod condition;
mod phase;
mod settings;
mod standing;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::LlmMonitor;
use crate::base::{
    AlertChange, AlertState, AlertView, Error, ErrorKind, InstanceName, InstanceState,
    ProviderType, Scope, Severity, clean_line,
};
pub use check::Nonsense;
use condition::{Finding, Look};
use phase::{Phase, Times};
pub use settings::{
    Amount, Capacity, Condition, FailuresInRow, InstanceHeld, InstanceOut, Limit, Objective, Over,
    Percentile, Rule, Settings, Slow,
};
use standing::Standings;

/// Changes that are kept for whoever asks for them.
const MOST_CHANGES: usize = 256;

/// What is known of one alert.
struct Alert {
    phase: Option<Phase>,
    severity: Severity,
    message: String,
    /// When somebody was last told that it fires.
    told: Option<Instant>,
    /// Whether they were told of this time, and so should hear when it is over.
    told_this_time: bool,
}

type Key = (usize, Scope);

/// All alerts.
pub(super) struct Alerts {
    settings: Settings,
    looked: Option<Instant>,
    known: BTreeMap<Key, Alert>,
    silences: BTreeMap<String, Instant>,
    standings: Standings,
    changes: VecDeque<AlertChange>,
}

impl Alerts {
    /// Makes them out of rules; nothing is wrong yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            looked: None,
            known: BTreeMap::new(),
            silences: BTreeMap::new(),
            standings: Standings::default(),
            changes: VecDeque::new(),
        }
    }

    /// Notes an instance's state.
    pub(super) fn set_state(&mut self, name: &InstanceName, state: &InstanceState, now: Instant) {
        self.standings.set(name, state, now);
    }

    /// Keeps a rule silent for a time; zero ends it. Returns how long it would have been silent.
    pub(super) fn silence(
        &mut self,
        rule: &str,
        time: Duration,
        now: Instant,
    ) -> Result<Duration, Error> {
        let rules = || self.settings.rules.iter().map(|known| known.name.as_str());
        if !rules().any(|known| known == rule) {
            let known: Vec<&str> = rules().collect();
            let rule = clean_line(rule);
            let message = format!(
                "no alert rule is called '{rule}'; there are {}",
                known.join(", ")
            );
            return Err(Error::new(ErrorKind::Config, message));
        }
        let before = match time {
            Duration::ZERO => self.silences.remove(rule),
            time => self.silences.insert(rule.to_owned(), now + time),
        };
        Ok(before.map_or(Duration::ZERO, |until| until.saturating_duration_since(now)))
    }

    /// Forgets instances that are no longer there.
    pub(super) fn keep_states(&mut self, there: &[InstanceName]) {
        self.standings.keep(there);
    }

    /// Makes the next look happen at once.
    pub(super) fn hurry(&mut self) {
        self.looked = None;
    }

    /// Looks at all rules if it is time to.
    pub(super) fn look(&mut self, monitor: &LlmMonitor, now: Instant) {
        let early = |looked: Instant| now.saturating_duration_since(looked) < self.settings.every;
        if self.looked.is_some_and(early) {
            return;
        }
        self.looked = Some(now);
        self.silences.retain(|_, until| *until > now);
        for index in 0..self.settings.rules.len() {
            for scope in self.scopes(index, monitor) {
                self.look_at(index, scope, monitor, now);
            }
        }
        self.known.retain(|_, alert| {
            let recent =
                |told| now.saturating_duration_since(told) < self.settings.notify_again_after;
            alert.phase.is_some() || alert.told.is_some_and(recent)
        });
    }

    /// Returns whom a rule looks at, and whom it has an alert for.
    fn scopes(&self, index: usize, monitor: &LlmMonitor) -> Vec<Scope> {
        let rule = &self.settings.rules[index];
        let mut scopes: Vec<Scope> = match (&rule.when, rule.over) {
            (Condition::InstanceOut(_) | Condition::InstanceHeld(_), _) => self
                .standings
                .names()
                .cloned()
                .map(Scope::Instance)
                .collect(),
            (Condition::Capacity(_), _) | (_, Over::All) => vec![Scope::All],
            (_, Over::EachType) => ProviderType::ALL.map(Scope::Type).into(),
            (_, Over::EachRoute) => monitor
                .routes
                .names()
                .into_iter()
                .map(Scope::Route)
                .collect(),
            (_, Over::EachInstance) => monitor
                .instances
                .names()
                .into_iter()
                .map(Scope::Instance)
                .collect(),
        };
        let gone = self.known.keys().filter(|(of, _)| *of == index);
        scopes.extend(gone.map(|(_, scope)| scope.clone()));
        scopes.sort();
        scopes.dedup();
        scopes
    }

    fn look_at(&mut self, index: usize, scope: Scope, monitor: &LlmMonitor, now: Instant) {
        let rule = &self.settings.rules[index];
        let key = (index, scope);
        let before = self.known.get(&key).and_then(|alert| alert.phase);
        let fires = before.is_some_and(Phase::fires);
        let look = Look {
            monitor,
            standings: &self.standings,
            scope: &key.1,
            now,
            part: if fires { self.settings.clear_at } else { 1.0 },
        };
        let finding = look.at(&rule.when);
        let times = Times {
            hold: rule.hold,
            clear: self.settings.clear_after,
            show: self.settings.show_resolved_for,
        };
        let after = Phase::next(before, finding.is_some(), now, times);
        if after.is_none() && !self.known.contains_key(&key) {
            return;
        }
        let alert = self.known.entry(key.clone()).or_insert_with(Alert::new);
        alert.phase = after;
        let worse = alert.saw(finding, fires);
        let moved = after.map(Phase::state) != before.map(Phase::state);
        if let Some(after) = after.filter(|_| moved || worse) {
            let notify = self.notifies(&key, after, worse, now);
            self.tell(&key, notify, now);
        }
    }

    /// Decides whether somebody is told that an alert stands somewhere else now.
    fn notifies(&mut self, key: &Key, phase: Phase, worse: bool, now: Instant) -> bool {
        let rule = &self.settings.rules[key.0];
        let silenced = self.silences.contains_key(&rule.name);
        // What only a person mends is told in any case: it is the cause, not a part.
        let is_cause = matches!(rule.when, Condition::InstanceHeld(_));
        let part_of_larger = key.1 != Scope::All
            && !is_cause
            && self.known.iter().any(|((_, scope), alert)| {
                *scope == Scope::All && alert.phase.is_some_and(Phase::fires)
            });
        let again = self.settings.notify_again_after;
        let Some(alert) = self.known.get_mut(key) else {
            return false;
        };
        match phase {
            Phase::Pending { .. } => false,
            Phase::Firing { .. } => {
                let lately = |told| now.saturating_duration_since(told) < again;
                let due = worse || !alert.told.is_some_and(lately);
                let notify = due && !silenced && !part_of_larger;
                if notify {
                    alert.told = Some(now);
                }
                // When it only became worse, somebody may have been told before.
                alert.told_this_time = notify || (worse && alert.told_this_time);
                notify
            }
            Phase::Resolved { .. } => !silenced && alert.told_this_time,
        }
    }

    fn tell(&mut self, key: &Key, notify: bool, now: Instant) {
        let Some(alert) = self
            .known
            .get(key)
            .and_then(|alert| self.view(key, alert, now))
        else {
            return;
        };
        if self.changes.len() >= MOST_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(AlertChange { alert, notify });
    }

    /// Takes out what has changed since the last time.
    pub(super) fn take_changes(&mut self) -> Vec<AlertChange> {
        self.changes.drain(..).collect()
    }

    /// Returns all alerts: firing ones first, then pending, then resolved; the worse and newer first.
    pub(super) fn views(&self, now: Instant) -> Vec<AlertView> {
        let mut views: Vec<AlertView> = self
            .known
            .iter()
            .filter_map(|(key, alert)| self.view(key, alert, now))
            .collect();
        views.sort_by_key(place);
        views
    }

    fn view(&self, key: &Key, alert: &Alert, now: Instant) -> Option<AlertView> {
        let phase = alert.phase?;
        let rule = self.settings.rules.get(key.0)?;
        Some(AlertView {
            rule: rule.name.clone(),
            scope: key.1.clone(),
            state: phase.state(),
            severity: alert.severity,
            age: now.saturating_duration_since(phase.since()),
            message: alert.message.clone(),
            silenced: self
                .silences
                .get(&rule.name)
                .map(|until| until.saturating_duration_since(now))
                .filter(|left| !left.is_zero()),
        })
    }

    /// Returns the memory it holds, nearly.
    pub(super) fn memory_bytes(&self) -> usize {
        let messages = self.known.values().map(|alert| alert.message.capacity());
        self.known.len() * size_of::<(Key, Alert)>()
            + messages.sum::<usize>()
            + self.changes.capacity() * size_of::<AlertChange>()
    }
}

impl LlmMonitor {
    /// Tells how an instance stands, for the rules about instances that are out. To be told of every change; an
    /// instance that was never told of does not count for them.
    pub fn instance_state(&self, name: &InstanceName, state: &InstanceState, now: Instant) {
        self.alerts.lock().set_state(name, state, now);
    }

    /// Tells which instances there are; what was told of others is forgotten.
    pub fn only_instances(&self, there: &[InstanceName]) {
        self.alerts.lock().keep_states(there);
    }

    /// Looks at the rules now, and returns what has changed since this was last asked for, oldest first.
    pub fn alert_changes_now(&self, now: Instant) -> Vec<AlertChange> {
        let mut alerts = self.alerts.lock();
        alerts.hurry();
        alerts.look(self, now);
        alerts.take_changes()
    }

    /// Looks at the rules, if it is time to, and returns the alerts: the firing ones first, then those pending, then
    /// those resolved. Rules are looked at only when this or [`alert_changes`](Self::alert_changes) is called, which
    /// somebody should do at least every ten seconds.
    pub fn alerts(&self, now: Instant) -> Vec<AlertView> {
        let mut alerts = self.alerts.lock();
        alerts.look(self, now);
        alerts.views(now)
    }

    /// Looks at the rules, if it is time to, and returns what has changed since this was last called, oldest
    /// first. Each change is returned once; the last 256 are kept.
    pub fn alert_changes(&self, now: Instant) -> Vec<AlertChange> {
        let mut alerts = self.alerts.lock();
        alerts.look(self, now);
        alerts.take_changes()
    }

    /// Keeps a rule from telling of itself for a time; its alerts still show. Zero ends the silence. Returns how long
    /// it would still have been silent.
    ///
    /// # Errors
    /// `config` when there is no such rule.
    pub fn silence_alert(
        &self,
        rule: &str,
        time: Duration,
        now: Instant,
    ) -> Result<Duration, Error> {
        self.alerts.lock().silence(rule, time, now)
    }

    fn failures_in_row(&self, scope: &Scope) -> u64 {
        self.with_book(scope, |book| book.failures_in_row())
            .unwrap_or_default()
    }
}

impl Alert {
    fn new() -> Self {
        Self {
            phase: None,
            severity: Severity::Warning,
            message: String::new(),
            told: None,
            told_this_time: false,
        }
    }

    /// Takes over what the condition saw. While it fires, the severity only rises; tells whether it did.
    fn saw(&mut self, finding: Option<Finding>, fires: bool) -> bool {
        let Some(finding) = finding else {
            return false;
        };
        let worse = fires && finding.severity > self.severity;
        if worse || !fires {
            self.severity = finding.severity;
        }
        self.message = finding.message;
        worse
    }
}

/// Returns an alert's place among others: firing before pending before resolved, the worse first, the newer first.
fn place(view: &AlertView) -> (u8, std::cmp::Reverse<Severity>, Duration) {
    let state = match view.state {
        AlertState::Firing => 0,
        AlertState::Pending => 1,
        AlertState::Resolved => 2,
    };
    (state, std::cmp::Reverse(view.severity), view.age)
}

#[cfg(test)]
mod tests;
