//! The request log: one row a request, written in batches by a thread of its own, without a word of any prompt unless
//! a setting wants it.
//!
//! Telling it of a request costs a request nothing but a push: what comes faster than it can be written is counted and
//! left out.

mod figures;
mod row;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::broadcast::Receiver as Events;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::settings::Settings;
use super::{fault, file, retention, schema};
use crate::base::{DeckEvent, Error, ErrorKind, Sample};

pub use figures::{By, Filter, Group};

/// How long ended requests are gathered before they are written.
const GATHER: Duration = Duration::from_secs(1);
/// Requests that may wait for the disk.
const MOST_WAITING: usize = 16_384;
/// How often old rows are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(600);

/// The file with the request log, used directly.
#[derive(Debug)]
pub struct Requests {
    connection: Connection,
    path: PathBuf,
    note: Option<String>,
}

impl Requests {
    /// Opens the file in a folder; both are made when they are missing.
    ///
    /// # Errors
    /// When it cannot be used, or a newer program wrote it.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(super::REQUESTS_FILE);
        let opened = file::open(&path, schema::REQUESTS)?;
        // A request lost by a power cut is no loss; a sync a second on an idle laptop would be one.
        opened
            .connection
            .pragma_update(None, "synchronous", "normal")
            .map_err(|error| fault::told(&path, &error))?;
        Ok(Self {
            connection: opened.connection,
            path,
            note: opened.note,
        })
    }

    /// Returns what should be known of the opening: that a damaged file was set aside.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Writes requests, all or none.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&mut self, samples: &[Arc<Sample>]) -> Result<(), Error> {
        self.try_write(samples)
            .map_err(|error| fault::told(&self.path, &error))
    }

    fn try_write(&mut self, samples: &[Arc<Sample>]) -> Result<(), rusqlite::Error> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for sample in samples {
            row::insert(&transaction, sample)?;
        }
        transaction.commit()
    }

    /// Goes over the requests that were called since a time, oldest first; `take` returns whether it wants more.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn each_since(
        &self,
        since: Timestamp,
        mut take: impl FnMut(Sample) -> bool,
    ) -> Result<(), Error> {
        row::each(&self.connection, since, &mut take)
            .map_err(|error| fault::told(&self.path, &error))
    }

    /// Returns since when everything in the log may be read, at most `span` back from `now` and `most` requests;
    /// `None` when there is nothing.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn known_since(
        &self,
        now: Timestamp,
        span: Duration,
        most: usize,
    ) -> Result<Option<Timestamp>, Error> {
        row::known_since(&self.connection, now, span, most)
            .map_err(|error| fault::told(&self.path, &error))
    }

    /// Returns figures by group.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn groups(&self, filter: &Filter, by: Option<By>) -> Result<Vec<Group>, Error> {
        figures::groups(&self.connection, filter, by)
            .map_err(|error| fault::told(&self.path, &error))
    }

    /// Removes what is too old or too much; tells how many rows went.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn retain(&mut self, settings: &Settings, now: Timestamp) -> Result<usize, Error> {
        retention::requests(&mut self.connection, settings, now)
            .map_err(|error| fault::told(&self.path, &error))
    }
}

#[derive(Default)]
struct Waiting {
    samples: VecDeque<Arc<Sample>>,
    dropped: u64,
    written: u64,
}

enum Job {
    Gathering,
    Close(oneshot::Sender<()>),
}

/// A handle on the request log; cheap to clone. Nothing here waits for a disk.
#[derive(Clone)]
pub struct RequestLog {
    waiting: Arc<Mutex<Waiting>>,
    wake: SyncSender<Job>,
}

impl RequestLog {
    /// Starts the thread that owns an open file.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(requests: Requests, settings: &Settings) -> Result<Self, Error> {
        let (wake, jobs) = sync_channel(4);
        let waiting: Arc<Mutex<Waiting>> = Arc::default();
        let owner = Owner {
            requests,
            settings: settings.clone(),
            waiting: Arc::clone(&waiting),
            tidied: None,
            told: 0,
        };
        std::thread::Builder::new()
            .name("requests".to_owned())
            .spawn(move || owner.run(&jobs))
            .map_err(|error| {
                Error::new(
                    ErrorKind::Config,
                    format!("no thread for the request log: {error}"),
                )
            })?;
        Ok(Self { waiting, wake })
    }

    /// Takes a request that has ended. Never waits.
    pub fn record(&self, sample: Arc<Sample>) {
        let is_first = {
            let mut waiting = self.waiting.lock();
            if waiting.samples.len() >= MOST_WAITING {
                waiting.dropped += 1;
                return;
            }
            waiting.samples.push_back(sample);
            waiting.samples.len() == 1
        };
        if is_first {
            // A full channel means that the thread is awake.
            let _ = self.wake.try_send(Job::Gathering);
        }
    }

    /// Takes all requests of which events tell, until they end or `stop` comes true; what has happened until then is
    /// taken.
    pub async fn follow(self, mut events: Events<DeckEvent>, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = &mut stop => break,
            };
            match event {
                Ok(event) => self.heard(event),
                Err(RecvError::Lagged(count)) => self.missed(count),
                Err(RecvError::Closed) => return,
            }
        }
        loop {
            match events.try_recv() {
                Ok(event) => self.heard(event),
                Err(TryRecvError::Lagged(count)) => self.missed(count),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn heard(&self, event: DeckEvent) {
        match event {
            DeckEvent::RequestEnded { sample } => self.record(sample),
            DeckEvent::Missed { count } => self.missed(count),
            _ => {}
        }
    }

    /// Not all that was missed were ended requests; how many is not known.
    fn missed(&self, events: u64) {
        self.waiting.lock().dropped += events;
    }

    /// Returns how many requests were written, and how many were left out because they came too fast.
    pub fn counts(&self) -> (u64, u64) {
        let waiting = self.waiting.lock();
        (waiting.written, waiting.dropped)
    }

    /// Writes all that was taken, and ends the thread.
    pub async fn close(&self, patience: Duration) {
        let (done, closed) = oneshot::channel();
        if self.wake.try_send(Job::Close(done)).is_ok()
            && tokio::time::timeout(patience, closed).await.is_err()
        {
            tracing::error!("the request log was not written to its end in time");
        }
    }
}

struct Owner {
    requests: Requests,
    settings: Settings,
    waiting: Arc<Mutex<Waiting>>,
    tidied: Option<Instant>,
    /// Requests left out, of which the log was told.
    told: u64,
}

impl Owner {
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let waits = !self.waiting.lock().samples.is_empty();
            let job = if waits {
                jobs.recv_timeout(GATHER)
            } else {
                self.tidy();
                jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match job {
                // The first of a batch: the others may come.
                Ok(Job::Gathering) => {}
                Ok(Job::Close(done)) => {
                    self.write();
                    // The file is closed before the program may end: then it is one file again.
                    drop(self);
                    let _ = done.send(());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => self.write(),
                Err(RecvTimeoutError::Disconnected) => return self.write(),
            }
        }
    }

    fn write(&mut self) {
        let samples: Vec<Arc<Sample>> = self.waiting.lock().samples.iter().cloned().collect();
        match self.requests.try_write(&samples) {
            Ok(()) => {
                let mut waiting = self.waiting.lock();
                waiting.samples.drain(..samples.len());
                waiting.written += samples.len() as u64;
            }
            Err(error) => {
                let error = fault::told(&self.requests.path, &error);
                tracing::warn!("the request log waits: {error}");
            }
        }
        let dropped = self.waiting.lock().dropped;
        if dropped > self.told {
            tracing::warn!(
                requests = dropped - self.told,
                "left out of the request log: they came too fast"
            );
            self.told = dropped;
        }
    }

    /// Removes old rows, from time to time.
    fn tidy(&mut self) {
        let now = Instant::now();
        let is_due = self
            .tidied
            .is_none_or(|before| now.saturating_duration_since(before) >= TIDY_EVERY);
        if is_due {
            self.tidied = Some(now);
            if let Err(error) = self.requests.retain(&self.settings, Timestamp::now()) {
                tracing::warn!("old rows of the request log stay for now: {error}");
            }
        }
    }
}
