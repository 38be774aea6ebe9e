//! What happened at an instance: the last requests one by one, and counters that forget nothing.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Fault;
use crate::base::InstanceName;

/// How many requests are remembered one by one, all instances together.
const LONGEST_LOG: usize = 10_000;

/// How a request ended, as the simulated instance saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    /// Answered in full.
    Ok,
    /// The client closed the connection before the end.
    Disconnected,
    /// Refused: the key is wrong or missing.
    Unauthorized,
    /// Refused: the body is no proper request.
    BadRequest,
    /// Refused: no such model here.
    UnknownModel,
    /// Refused: the prompt is longer than the profile's context.
    TooLong,
    /// Refused: over the requests or tokens per minute.
    RateLimited,
    /// Refused: over the concurrency limit, or the queue was full.
    Full,
    /// Met this fault, by chance or by order.
    Fault(&'static str),
    /// Broken off because the port was closed.
    Outage,
}

impl Ending {
    /// Returns the word for it; a fault gives its own name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Disconnected => "disconnected",
            Self::Unauthorized => "unauthorized",
            Self::BadRequest => "bad_request",
            Self::UnknownModel => "unknown_model",
            Self::TooLong => "too_long",
            Self::RateLimited => "rate_limited",
            Self::Full => "full",
            Self::Fault(name) => name,
            Self::Outage => "outage",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Ending {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl From<Fault> for Ending {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault.as_str())
    }
}

/// One chat request, after its end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// The instance.
    pub instance: InstanceName,
    /// Which chat request of this instance it was, from 0.
    pub number: u64,
    /// The model it asked for; empty when that was never read.
    pub model: String,
    /// Whether it wanted a stream.
    pub streamed: bool,
    /// Since the server's start, when it came.
    pub started: Duration,
    /// Since the server's start, when it ended.
    pub ended: Duration,
    /// How it ended.
    pub ending: Ending,
    /// Whether the client closed the connection before the end.
    pub disconnected: bool,
    /// Tokens of the prompt, estimated.
    pub tokens_in: u64,
    /// Tokens that were sent.
    pub tokens_out: u64,
}

/// The counters of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Chat requests that came.
    pub requests: u64,
    /// Chat requests it is working on now; waiting ones do not count.
    pub in_flight: usize,
    /// The most at once so far.
    pub peak_in_flight: usize,
    /// Chat requests that wait in its queue now.
    pub waiting: usize,
    /// The most that waited at once so far.
    pub peak_waiting: usize,
    /// Those whose client closed the connection before the end.
    pub disconnects: u64,
    /// Those answered in full.
    pub ok: u64,
    /// Tokens of prompts, estimated.
    pub tokens_in: u64,
    /// Tokens that were sent.
    pub tokens_out: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// Requests by how they ended.
    pub endings: BTreeMap<Ending, u64>,
}

impl Stats {
    /// Returns how many ended so.
    pub fn ended(&self, ending: Ending) -> u64 {
        self.endings.get(&ending).copied().unwrap_or(0)
    }

    /// Returns how many ended at all.
    pub fn all_ended(&self) -> u64 {
        self.endings.values().sum()
    }
}

/// The log of all instances.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<VecDeque<Record>>);

impl Log {
    /// Returns what is remembered, oldest first.
    pub(super) fn records(&self) -> Vec<Record> {
        self.0.lock().iter().cloned().collect()
    }

    fn push(&self, record: Record) {
        let mut records = self.0.lock();
        if records.len() == LONGEST_LOG {
            records.pop_front();
        }
        records.push_back(record);
    }
}

/// The counters of one instance, and where its records go.
#[derive(Debug)]
pub(super) struct Journal {
    instance: InstanceName,
    start: Instant,
    log: Arc<Log>,
    stats: watch::Sender<Stats>,
}

impl Journal {
    pub(super) fn new(instance: InstanceName, start: Instant, log: Arc<Log>) -> Self {
        Self {
            instance,
            start,
            log,
            stats: watch::Sender::default(),
        }
    }

    /// Returns the counters of this moment.
    pub(super) fn stats(&self) -> Stats {
        self.stats.borrow().clone()
    }

    /// Returns how many are being worked on.
    pub(super) fn in_flight(&self) -> usize {
        self.stats.borrow().in_flight
    }

    /// Hears every change of the counters.
    pub(super) fn watch(&self) -> watch::Receiver<Stats> {
        self.stats.subscribe()
    }

    /// Changes the counters.
    pub(super) fn count(&self, change: impl FnOnce(&mut Stats)) {
        self.stats.send_modify(change);
    }

    /// Opens the entry of a chat request; `broken` tells whether the server broke its connection.
    pub(super) fn open(self: &Arc<Self>, broken: CancellationToken) -> Entry {
        let mut number = 0;
        self.count(|stats| {
            number = stats.requests;
            stats.requests += 1;
        });
        Entry {
            record: Record {
                instance: self.instance.clone(),
                number,
                model: String::new(),
                streamed: false,
                started: self.start.elapsed(),
                ended: Duration::ZERO,
                ending: Ending::Disconnected,
                disconnected: true,
                tokens_in: 0,
                tokens_out: 0,
            },
            journal: Arc::clone(self),
            broken,
            closed: false,
        }
    }
}

/// The entry of one running chat request. Dropped before it was closed, it says that the client went away.
#[derive(Debug)]
pub(super) struct Entry {
    record: Record,
    journal: Arc<Journal>,
    broken: CancellationToken,
    closed: bool,
}

impl Entry {
    /// Returns the request's number at its instance.
    pub(super) fn number(&self) -> u64 {
        self.record.number
    }

    /// Notes what was asked.
    pub(super) fn asked(&mut self, model: &str, streamed: bool, tokens_in: u64) {
        model.clone_into(&mut self.record.model);
        self.record.streamed = streamed;
        self.record.tokens_in = tokens_in;
    }

    /// Notes that a token was sent.
    pub(super) fn sent(&mut self, tokens: u64) {
        self.record.tokens_out += tokens;
    }

    /// Notes what it will be if nobody closes it: a fault that waits for the client to go away.
    pub(super) fn expect(&mut self, ending: Ending) {
        self.record.ending = ending;
    }

    /// Closes it.
    pub(super) fn close(&mut self, ending: Ending) {
        self.record.ending = ending;
        self.record.disconnected = false;
        self.write();
    }

    fn write(&mut self) {
        if self.closed {
            return;
        }
        self.closed = true;
        self.record.ended = self.journal.start.elapsed();
        let record = &self.record;
        self.journal.log.push(record.clone());
        self.journal.count(|stats| {
            *stats.endings.entry(record.ending).or_default() += 1;
            stats.ok += u64::from(record.ending == Ending::Ok);
            stats.disconnects += u64::from(record.disconnected);
            stats.tokens_in += record.tokens_in;
            stats.tokens_out += record.tokens_out;
        });
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.broken.is_cancelled() {
            self.close(Ending::Outage);
        } else {
            self.write();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> Arc<Journal> {
        Arc::new(Journal::new("a".into(), Instant::now(), Arc::default()))
    }

    #[tokio::test]
    async fn a_dropped_entry_is_a_disconnect_and_a_closed_one_is_counted_once() {
        let journal = journal();
        drop(journal.open(CancellationToken::new()));
        let mut entry = journal.open(CancellationToken::new());
        entry.sent(3);
        entry.close(Ending::Ok);
        entry.close(Ending::Full);
        drop(entry);
        let stats = journal.stats();
        assert_eq!((stats.requests, stats.all_ended()), (2, 2));
        assert_eq!((stats.ok, stats.disconnects, stats.tokens_out), (1, 1, 3));
        assert_eq!(stats.ended(Ending::Disconnected), 1);
        assert_eq!(stats.ended(Ending::Full), 0);
        let numbers: Vec<u64> = journal.log.records().iter().map(|r| r.number).collect();
        assert_eq!(numbers, [0, 1]);
    }

    #[tokio::test]
    async fn a_client_that_leaves_a_hanging_answer_shows_as_both() {
        let journal = journal();
        let mut entry = journal.open(CancellationToken::new());
        entry.expect(Fault::HangMidStream.into());
        drop(entry);
        let stats = journal.stats();
        assert_eq!(stats.disconnects, 1);
        assert_eq!(stats.ended(Ending::Fault("hang_mid_stream")), 1);
    }

    #[tokio::test]
    async fn a_connection_that_the_server_broke_is_no_disconnect() {
        let journal = journal();
        let broken = CancellationToken::new();
        let entry = journal.open(broken.clone());
        broken.cancel();
        drop(entry);
        let stats = journal.stats();
        assert_eq!((stats.disconnects, stats.ended(Ending::Outage)), (0, 1));
    }

    #[tokio::test]
    async fn the_log_is_bounded_and_the_counters_are_not() {
        let journal = journal();
        for _ in 0..LONGEST_LOG + 5 {
            journal.open(CancellationToken::new()).close(Ending::Ok);
        }
        let records = journal.log.records();
        assert_eq!(records.len(), LONGEST_LOG);
        assert_eq!(records[0].number, 5);
        assert_eq!(journal.stats().ok, LONGEST_LOG as u64 + 5);
    }
}
