//! What happened before the start, told again out of a log: the same slots as if the monitor had lived through it.
//!
//! Samples come in the order of their calls and count at their ends, so they wait here until nothing that ends sooner
//! can come. A log knows when an answer ended, not when its tokens came: its tokens count at its end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::LlmMonitor;
use super::alerts::Slow;
use super::book::START;
use super::failures::{FailureLog, what_failed};
use super::sample;
use super::timeline::Timeline;
use crate::base::{Attempt, InstanceName, ProviderType, RouteName, Sample};

/// Samples that may wait for their end. Who has so many in flight gets the oldest of them counted a little early.
const MOST_WAITING: usize = 20_000;

/// What happened before a monitor's start, to be made by [`LlmMonitor::past`] and given back to it.
pub struct Past {
    /// The monitor's start, by both clocks.
    start: (Timestamp, Instant),
    slow: Slow,
    pub(super) dawn: u64,
    pub(super) all: Timeline,
    pub(super) types: [Timeline; ProviderType::ALL.len()],
    pub(super) routes: BTreeMap<RouteName, Timeline>,
    pub(super) instances: BTreeMap<InstanceName, Timeline>,
    pub(super) failures: FailureLog,
    waiting: BinaryHeap<Reverse<Ended>>,
    taken: u64,
}

/// Something that ended, ordered by when.
struct Ended {
    at: Timestamp,
    number: u64,
    what: What,
}

enum What {
    Attempt(Attempt),
    Request(Box<Sample>),
}

impl PartialEq for Ended {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Ended {}

impl PartialOrd for Ended {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ended {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl LlmMonitor {
    /// Begins to tell what happened before the start, of which everything since `since` is known. Only routes and
    /// instances of these names get their own figures back.
    pub fn past(
        &self,
        since: Timestamp,
        routes: impl IntoIterator<Item = RouteName>,
        instances: impl IntoIterator<Item = InstanceName>,
    ) -> Past {
        let (wall, now) = (Timestamp::now(), Instant::now());
        let start = wall
            .checked_sub(now.saturating_duration_since(self.start))
            .unwrap_or(wall);
        let mut past = Past {
            start: (start, self.start),
            slow: self.slow.clone(),
            dawn: 0,
            all: Timeline::new(),
            types: ProviderType::ALL.map(|_| Timeline::new()),
            routes: routes
                .into_iter()
                .map(|route| (route, Timeline::new()))
                .collect(),
            instances: instances
                .into_iter()
                .map(|instance| (instance, Timeline::new()))
                .collect(),
            failures: self.failures.lock().anew(),
            waiting: BinaryHeap::new(),
            taken: 0,
        };
        past.dawn = START.saturating_sub(past.age(since)).as_secs();
        past
    }
}

impl Past {
    /// Takes a sample; each was called no earlier than the one before. What ended after the start is left out: it has
    /// been told already, or is another program's.
    pub fn take(&mut self, sample: Sample) {
        let called = sample.called_at;
        for attempt in &sample.attempts {
            let ended = attempt.started_after + attempt.total;
            self.wait(after(called, ended), What::Attempt(attempt.clone()));
        }
        let ended = after(called, sample.total);
        self.wait(ended, What::Request(Box::new(sample)));
        while let Some(Reverse(next)) = self.waiting.peek()
            && (next.at <= called || self.waiting.len() > MOST_WAITING)
        {
            self.count_next();
        }
    }

    /// Counts what still waits.
    pub(super) fn finished(mut self) -> Self {
        while !self.waiting.is_empty() {
            self.count_next();
        }
        self
    }

    fn wait(&mut self, at: Timestamp, what: What) {
        let number = self.taken;
        self.taken += 1;
        self.waiting.push(Reverse(Ended { at, number, what }));
    }

    fn count_next(&mut self) {
        let Some(Reverse(ended)) = self.waiting.pop() else {
            return;
        };
        let Some(second) = self.second(ended.at) else {
            return;
        };
        match ended.what {
            What::Attempt(attempt) => {
                if let Some(instance) = self.instances.get_mut(&attempt.instance) {
                    let (tally, timings) = sample::of_attempt(&attempt);
                    instance.add(&tally, &timings, second);
                }
            }
            What::Request(sample) => self.count(&sample, second, ended.at),
        }
    }

    fn count(&mut self, sample: &Sample, second: u64, at: Timestamp) {
        let counted = sample.usage.and_then(|usage| usage.completion_tokens);
        let tokens = counted.map_or(0, u64::cast_signed);
        let (mut tally, timings) = sample.of_request(&self.slow);
        tally.streamed_tokens = tokens;
        self.all.add(&tally, &timings, second);
        let route = sample.route.as_ref();
        if let Some(route) = route.and_then(|route| self.routes.get_mut(route)) {
            route.add(&tally, &timings, second);
        }
        if let Some(answered) = sample.provider_type {
            self.types[answered as usize].add(&tally, &timings, second);
        }
        let instance = sample.instance.as_ref();
        if let Some(instance) = instance.and_then(|name| self.instances.get_mut(name)) {
            let (mut tally, timings) = sample.of_answer(&self.slow);
            tally.streamed_tokens = tokens;
            instance.add(&tally, &timings, second);
        }
        if what_failed(sample).is_some()
            && let Some(at) = self.start.1.checked_sub(self.age(at))
        {
            self.failures.record(sample, at);
        }
    }

    /// Returns how long before the start something was.
    fn age(&self, at: Timestamp) -> Duration {
        let age: SignedDuration = self.start.0.duration_since(at);
        age.try_into().unwrap_or(Duration::ZERO)
    }

    /// Returns the second of a timeline that a time belongs to; `None` from the start on, and too long before it.
    fn second(&self, at: Timestamp) -> Option<u64> {
        if at >= self.start.0 {
            return None;
        }
        Some(START.checked_sub(self.age(at))?.as_secs())
    }
}

/// Returns a time so much later.
fn after(at: Timestamp, time: Duration) -> Timestamp {
    at.checked_add(time).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
