//! What happened, counted and timed.
//!
//! The driver tells four things of a request: that it was taken in ([`begin`](LlmMonitor::begin)), that an
//! attempt began and ended, that tokens arrived, and at its end one [`Sample`]. Out of these come the figures
//! since the start, the figures over any window up to a day, series to draw, the last failures, and [`alerts`].
//!
//! # What counts where
//!
//! | scope | a request is | it counts when | in flight |
//! |---|---|---|---|
//! | all | a request | it ends | taken in and not ended, queued ones too |
//! | a route | a request for it | it ends | the same |
//! | a provider type | a request that it answered, or that was asked of it last | it ends | now at one of its instances; a failover takes it along to the other type |
//! | an instance | an attempt there | the attempt ends | attempts that run there |
//!
//! In each of them `total = successful + failed + cancelled + in flight` at every moment. A failure at an instance
//! that another one made good is thus a failure of that instance, which is what an operator of it wants to see,
//! and a success in all, which is what a caller saw. Requests that never reached an instance (queue full,
//! deadline while waiting) count in all and in their route only. A cancelled request is neither success nor
//! failure and stands in no success rate: how long a caller waits says nothing sure about the pool.
//!
//! Tokens and cost belong to the instance that answered. Tokens per second count pieces when they arrive, and at
//! the end the difference to the provider's own count, if it gave one, so that the sum is exact and the rate is live.
//!
//! # Time and memory
//!
//! The caller brings the time. Windows are exact to a second up to six minutes, to ten seconds up to 70
//! minutes, and to ten minutes up to 26 hours; the newest slot of a window is the one still filling. Percentiles
//! are rounded up by less than 0.8 %. All memory is bounded: see [`LlmMonitor::memory_bytes`].
//!
//! The windows of a program that was started again go on where they stopped, when somebody who has kept the samples
//! tells them once more: see [`Past`].

pub mod alerts;
mod book;
mod failures;
mod histogram;
mod ledger;
mod packed;
mod past;
mod running;
mod sample;
mod settings;
mod shelf;
mod tally;
mod timeline;
mod timing;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::base::{
    Attempt, Failures, Figures, InstanceName, LlmMetrics, Outcome, ProviderType, RequestId,
    RouteName, Sample, Scope, Series,
};
use alerts::Alerts;
use book::{Book, Moment, Noted, START};
use failures::{FailureLog, tidy, what_failed};
use ledger::Ledger;
use running::Runnings;
use shelf::Shelf;
use timeline::Cut;

pub use past::Past;
pub use settings::Settings;

/// Failures that a series tells of.
const ERRORS_IN_SERIES: usize = 5;

/// Counts and times requests and attempts. Cheap to tell, safe to tell from many threads at once; a reader holds a
/// lock only to take a share of what it then adds up by itself.
pub struct LlmMonitor {
    start: Instant,
    /// The first second of which something is known; until an earlier run is recalled, that of the start.
    dawn: AtomicU64,
    all: Mutex<Book>,
    types: [Mutex<Book>; ProviderType::ALL.len()],
    routes: Shelf<RouteName>,
    instances: Shelf<InstanceName>,
    running: Runnings,
    ledger: Ledger,
    failures: Mutex<FailureLog>,
    slow: alerts::Slow,
    alerts: Mutex<Alerts>,
}

impl LlmMonitor {
    /// Makes a monitor that starts now.
    pub fn new(settings: &Settings, now: Instant) -> Self {
        Self {
            start: now,
            dawn: AtomicU64::new(START.as_secs()),
            all: Mutex::new(Book::new()),
            types: ProviderType::ALL.map(|_| Mutex::new(Book::new())),
            routes: Shelf::new(),
            instances: Shelf::new(),
            running: Runnings::default(),
            ledger: Ledger::default(),
            failures: Mutex::new(FailureLog::new(settings.error_ring, settings.error_groups)),
            slow: settings.alerts.slow.clone(),
            alerts: Mutex::new(Alerts::new(settings.alerts.clone())),
        }
    }

    /// Counts a request as taken in. [`record`](Self::record) ends it.
    pub fn begin(&self, request: RequestId, route: Option<&RouteName>) {
        if !self.running.begin(request, route) {
            return;
        }
        self.all.lock().enter();
        if let Some(route) = route {
            self.routes.open(route).lock().enter();
        }
    }

    /// Counts an attempt as running at an instance. [`attempt_end`](Self::attempt_end) ends it.
    pub fn attempt_begin(
        &self,
        request: RequestId,
        instance: &InstanceName,
        provider_type: ProviderType,
    ) {
        self.instances.open(instance).lock().enter();
        if let Some(before) = self.running.update(request, provider_type, 0) {
            self.hand_over(before.provider_type, provider_type);
        }
    }

    /// Counts an attempt that has ended for its instance, at once, whatever becomes of the request.
    pub fn attempt_end(&self, attempt: &Attempt, provider_type: ProviderType, now: Instant) {
        self.ledger.attempt(attempt, provider_type);
        let (tally, timings) = sample::of_attempt(attempt);
        let at = self.moment(now);
        let book = self.instances.open(&attempt.instance);
        let mut book = book.lock();
        book.leave();
        book.add(&tally, &timings, at);
        if let Outcome::Failure(kind) = attempt.outcome {
            book.note(Noted {
                at: now,
                kind,
                instance: Some(attempt.instance.clone()),
                message: tidy(attempt.message.as_deref().unwrap_or_default()).into(),
            });
        }
    }

    /// Counts output tokens (or pieces, when nothing better is known) of a running request as they arrive.
    /// The count in its [`Sample`] replaces them at the end, if it has one.
    pub fn progress(
        &self,
        request: RequestId,
        instance: &InstanceName,
        provider_type: ProviderType,
        tokens: u32,
        now: Instant,
    ) {
        let Some(before) = self.running.update(request, provider_type, tokens) else {
            return;
        };
        self.hand_over(before.provider_type, provider_type);
        let tokens = i64::from(tokens);
        let at = self.moment(now);
        self.all.lock().stream(tokens, at);
        self.book_of(provider_type).lock().stream(tokens, at);
        self.instances.open(instance).lock().stream(tokens, at);
        if let Some(route) = before.route {
            self.routes.open(&route).lock().stream(tokens, at);
        }
    }

    /// Counts a request that has ended. Exactly once for each request.
    pub fn record(&self, sample: &Sample, now: Instant) {
        let at = self.moment(now);
        let begun = self.running.end(sample.request);
        let was_running = begun.is_some();
        let running = begun.unwrap_or_default();
        let failure = what_failed(sample);
        let noted = match (&failure, sample.outcome) {
            (Some((kind, instance, message)), Outcome::Failure(_)) => Some(Noted {
                at: now,
                kind: *kind,
                instance: instance.clone(),
                message: message.as_str().into(),
            }),
            _ => None,
        };

        let counted = sample.usage.and_then(|usage| usage.completion_tokens);
        let correction = counted.map_or(0, |tokens| {
            tokens.cast_signed() - running.streamed.cast_signed()
        });
        let (mut tally, timings) = sample.of_request(&self.slow);
        tally.streamed_tokens = correction;
        self.ledger.request(sample, tally.unpriced > 0);
        let end = |book: &Mutex<Book>, leaves: bool| {
            let mut book = book.lock();
            if leaves {
                book.leave();
            }
            book.add(&tally, &timings, at);
            if let Some(noted) = &noted {
                book.note(noted.clone());
            }
        };
        end(&self.all, was_running);
        if let Some(route) = running.route.as_ref().or(sample.route.as_ref()) {
            end(&self.routes.open(route), running.route.is_some());
        }
        let asked = running.provider_type;
        if let Some(asked) = asked.filter(|asked| sample.provider_type != Some(*asked)) {
            self.book_of(asked).lock().leave();
        }
        if let Some(answered) = sample.provider_type {
            end(self.book_of(answered), asked == Some(answered));
        }
        if let Some(instance) = &sample.instance {
            let (mut tally, timings) = sample.of_answer(&self.slow);
            tally.streamed_tokens = correction;
            self.instances
                .open(instance)
                .lock()
                .add(&tally, &timings, at);
        }
        if failure.is_some() {
            self.failures.lock().record(sample, now);
        }
    }

    /// Takes in what happened before the start: windows, series and the last failures go on from there. What is
    /// counted since the start stays as it is.
    pub fn recall(&self, past: Past) {
        let Past {
            dawn,
            all,
            types,
            routes,
            instances,
            failures,
            ..
        } = past.finished();
        self.all.lock().recall(all);
        for (book, past) in self.types.iter().zip(types) {
            book.lock().recall(past);
        }
        for (route, past) in routes {
            self.routes.open(&route).lock().recall(past);
        }
        for (instance, past) in instances {
            self.instances.open(&instance).lock().recall(past);
        }
        self.failures.lock().recall(failures);
        self.dawn.fetch_min(dawn, Ordering::Relaxed);
    }

    /// Returns the figures of one provider type since the start.
    pub fn get_metrics(&self, provider_type: ProviderType, now: Instant) -> LlmMetrics {
        self.metrics(&Scope::Type(provider_type), now)
    }

    /// Returns the figures of every provider type since the start.
    pub fn get_all_metrics(&self, now: Instant) -> BTreeMap<ProviderType, LlmMetrics> {
        ProviderType::ALL
            .into_iter()
            .map(|provider_type| (provider_type, self.get_metrics(provider_type, now)))
            .collect()
    }

    /// Returns the figures of a scope since the start; all zero when nothing is known of it.
    pub fn metrics(&self, scope: &Scope, now: Instant) -> LlmMetrics {
        let at = self.moment(now);
        self.with_book(scope, |book| book.metrics(at))
            .unwrap_or_default()
    }

    /// Returns the figures of a scope over the last `window`, at most 26 hours. Tokens per second are over the
    /// last minute here too.
    pub fn window_metrics(&self, scope: &Scope, window: Duration, now: Instant) -> LlmMetrics {
        let at = self.moment(now);
        let cut = Cut::new(window, usize::MAX);
        let read = self.with_book(scope, |book| {
            let reading = book.read(cut, at);
            let mut metrics = book.figures(&reading.tally(), at);
            metrics.tokens_per_second = book.tokens_per_second(at);
            (reading, metrics)
        });
        let Some((reading, mut metrics)) = read else {
            return LlmMetrics::default();
        };
        reading.fill(&mut metrics);
        metrics.last_error = metrics.last_error.filter(|note| note.age <= window);
        metrics
    }

    /// Returns figures over the last `window`, at most 26 hours, in at most `buckets` buckets. Buckets have
    /// numbers that never change: a bucket of number `n` covers the time from `n` to `n + 1` steps after a moment two
    /// days before the start. There are none of which nothing can be known, so a young monitor gives fewer.
    pub fn series(&self, scope: &Scope, window: Duration, buckets: usize, now: Instant) -> Series {
        let at = self.moment(now);
        let cut = Cut::new(window, buckets);
        let reading = self
            .with_book(scope, |book| book.read(cut, at))
            .unwrap_or_else(|| cut.nothing(at.second(), at.dawn.as_secs()));
        let mut series = reading.series(scope, cut, at);
        series.last_errors = self
            .failures
            .lock()
            .notes(scope, window, ERRORS_IN_SERIES, now);
        series
    }

    /// Returns the last failures, at most `limit`, and all groups of alike ones.
    pub fn recent_errors(&self, limit: usize, now: Instant) -> Failures {
        self.failures.lock().report(limit, now)
    }

    /// Returns figures since the start by label set, for exporters.
    pub fn figures(&self) -> Figures {
        self.ledger.figures()
    }

    /// Returns the memory that all of it holds, nearly.
    pub fn memory_bytes(&self) -> usize {
        let types = self.types.iter().map(|book| book.lock().memory_bytes());
        self.all.lock().memory_bytes()
            + types.sum::<usize>()
            + self.routes.memory_bytes()
            + self.instances.memory_bytes()
            + self.failures.lock().memory_bytes()
            + self.running.memory_bytes()
            + self.ledger.memory_bytes()
            + self.alerts.lock().memory_bytes()
    }

    /// Returns the counts of a scope over the last `window`.
    fn tally(&self, scope: &Scope, window: Duration, now: Instant) -> tally::Tally {
        let at = self.moment(now);
        self.with_book(scope, |book| book.tally(window, at))
            .unwrap_or_default()
    }

    /// Moves a running request from one type's books to another's.
    fn hand_over(&self, from: Option<ProviderType>, to: ProviderType) {
        if from == Some(to) {
            return;
        }
        if let Some(from) = from {
            self.book_of(from).lock().leave();
        }
        self.book_of(to).lock().enter();
    }

    fn book_of(&self, provider_type: ProviderType) -> &Mutex<Book> {
        &self.types[provider_type as usize]
    }

    fn with_book<T>(&self, scope: &Scope, read: impl FnOnce(&mut Book) -> T) -> Option<T> {
        let named: Arc<Mutex<Book>> = match scope {
            Scope::All => return Some(read(&mut self.all.lock())),
            Scope::Type(provider_type) => {
                return Some(read(&mut self.book_of(*provider_type).lock()));
            }
            Scope::Route(route) => self.routes.find(route)?,
            Scope::Instance(instance) => self.instances.find(instance)?,
        };
        let mut book = named.lock();
        Some(read(&mut book))
    }

    fn moment(&self, now: Instant) -> Moment {
        Moment {
            now,
            at: START + now.saturating_duration_since(self.start),
            dawn: Duration::from_secs(self.dawn.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests;
