//! What a console looks at, and what it was told of it last.

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::super::compact::shrink;
use super::super::delta::{apply, diff};
use super::super::message::{FromGateway, Number, What};
use crate::base::{Failures, Series};
use crate::deck::Deck;

/// Nothing is looked at more often.
const SHORTEST: Duration = Duration::from_millis(100);
/// Nor less often.
const LONGEST: Duration = Duration::from_secs(60);
/// The most buckets of a series.
const MOST_BUCKETS: usize = 2_000;
/// The longest window: longer than anything is remembered.
const LONGEST_WINDOW: Duration = Duration::from_secs(400 * 24 * 3600);
/// The most failures.
const MOST_FAILURES: usize = 1_000;

/// The pool's age by the line's own clock: it never stands still and never jumps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    begun: Instant,
    age: Duration,
}

impl Clock {
    pub(super) fn new(age: Duration, now: Instant) -> Self {
        Self { begun: now, age }
    }

    /// Returns the pool's age in milliseconds.
    pub(super) fn millis(&self, now: Instant) -> i64 {
        let age = self.age + now.duration_since(self.begun);
        i64::try_from(age.as_millis()).unwrap_or(i64::MAX)
    }
}

/// One view.
pub(super) struct View {
    what: What,
    every: Duration,
    /// What the console has, once it has something.
    told: Option<Value>,
    /// How many patches it had since the last full one.
    patches: u64,
    due: Instant,
}

impl View {
    /// Opens a view, to be told of at once.
    pub(super) fn new(what: What, every: u64, now: Instant) -> Self {
        Self {
            what: bounded(what),
            every: Duration::from_millis(every).clamp(SHORTEST, LONGEST),
            told: None,
            patches: 0,
            due: now,
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    pub(super) fn is_board(&self) -> bool {
        self.what == What::Board
    }

    /// Wants it to be told of soon: something happened.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.due = self.due.min(now);
    }

    /// Wants all of it to be told again.
    pub(super) fn forget(&mut self, now: Instant) {
        self.told = None;
        self.due = now;
    }

    /// Looks, and returns what the console must be told.
    pub(super) fn look(
        &mut self,
        id: Number,
        deck: &Deck,
        clock: &Clock,
        now: Instant,
    ) -> Option<FromGateway> {
        self.due = now + self.every;
        let t = clock.millis(now);
        let value = shrink(read(deck, &self.what), t);
        let patch = match &self.told {
            Some(told) => Some(diff(told, &value)?),
            None => None,
        };
        // What the console makes of the patch, not what it should be: so both ends hold the same.
        if let (Some(told), Some(patch)) = (&mut self.told, patch)
            && apply(told, patch.clone()).is_ok()
        {
            self.patches += 1;
            return Some(FromGateway::Patch {
                id,
                n: self.patches,
                t,
                patch,
            });
        }
        self.told = Some(value.clone());
        self.patches = 0;
        Some(FromGateway::Full { id, t, value })
    }
}

fn bounded(what: What) -> What {
    match what {
        What::Series {
            scope,
            window,
            buckets,
        } => What::Series {
            scope,
            window: window.min(LONGEST_WINDOW),
            buckets: buckets.clamp(1, MOST_BUCKETS),
        },
        What::Window { scope, window } => What::Window {
            scope,
            window: window.min(LONGEST_WINDOW),
        },
        What::Failures { limit } => What::Failures {
            limit: limit.min(MOST_FAILURES),
        },
        What::Board => What::Board,
        What::Figures => What::Figures,
    }
}

fn read(deck: &Deck, what: &What) -> Value {
    match what {
        What::Board => to_value(&*deck.board()),
        What::Figures => to_value(&deck.figures()),
        What::Series {
            scope,
            window,
            buckets,
        } => of_series(&deck.series(scope, *window, *buckets)),
        What::Window { scope, window } => to_value(&deck.window_metrics(scope, *window)),
        What::Failures { limit } => {
            let found: Failures = deck.failures(*limit);
            to_value(&found)
        }
    }
}

/// Names each bucket by its number since the start, so that a bucket more is one bucket's change and not all's.
fn of_series(series: &Series) -> Value {
    let mut value = to_value(series);
    let first = (series.newest + 1).saturating_sub(series.buckets.len() as u64);
    if let Some(Value::Array(buckets)) = value.get_mut("buckets").map(Value::take) {
        let numbered: Map<String, Value> = buckets
            .into_iter()
            .zip(first..)
            .map(|(bucket, number)| (number.to_string(), bucket))
            .collect();
        value["buckets"] = Value::Object(numbered);
    }
    value
}

/// Everything that is shown can be written as JSON; what could not would be shown as nothing.
pub(super) fn to_value(shown: &impl serde::Serialize) -> Value {
    serde_json::to_value(shown).unwrap_or_default()
}
