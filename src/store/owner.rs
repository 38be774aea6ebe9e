//! The thread that owns the file with conversations, and the handle that faces hold.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::Mutex;
use rand::RngCore;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::fault::{self, Remedy};
use super::health::Health;
use super::history::{History, SearchLimit};
use super::settings::Settings;
use crate::base::{
    Change, Conversation, ConversationId, Error, ErrorKind, Found, MessageId, Page, Piece,
};

/// How long what streams in is gathered before it is written.
const GATHER: Duration = Duration::from_millis(500);
/// How often writing is tried again at first, and at last.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// Changes that may wait in the channel, and behind a full disk.
const MOST_JOBS: usize = 1024;
const MOST_WAITING: usize = 4096;
/// Bytes of running answers that may wait.
const MOST_GATHERED: usize = 64 << 20;
/// Changes written in one transaction.
const AT_ONCE: usize = 256;

enum Job {
    Change(Box<Change>),
    Read(Box<dyn FnOnce(&mut History) + Send>),
    /// Something was gathered that was not there before.
    Gathering,
    Close(oneshot::Sender<()>),
}

/// What streams in and what is typed, until it is written.
#[derive(Default)]
struct Gathered {
    pieces: Vec<(ConversationId, MessageId, Piece)>,
    /// Where the last piece of a message is, to lengthen it.
    last: HashMap<MessageId, usize>,
    drafts: HashMap<ConversationId, String>,
    bytes: usize,
}

struct Shared {
    gathered: Mutex<Gathered>,
    health: watch::Sender<Health>,
    /// The number of the newest search; older ones are given up.
    searches: AtomicU64,
}

/// A handle on the conversations; cheap to clone. Nothing here waits for a disk.
#[derive(Clone)]
pub struct Store {
    jobs: SyncSender<Job>,
    shared: Arc<Shared>,
}

/// What opening brought.
pub struct Opened {
    /// The handle.
    pub store: Store,
    /// What should be known: that a damaged file was set aside.
    pub note: Option<String>,
}

impl Store {
    /// Opens the file in a folder and starts the thread that owns it.
    ///
    /// # Errors
    /// When the file cannot be used, or a newer program wrote it.
    pub fn open(
        folder: &Path,
        settings: &Settings,
        dice: &mut impl RngCore,
    ) -> Result<Opened, Error> {
        let history = History::open(folder, dice)?;
        let note = history.note().map(str::to_owned);
        let store = Self::over(history, settings.clone())?;
        Ok(Opened { store, note })
    }

    /// Starts the thread that owns an open file.
    pub(super) fn over(history: History, settings: Settings) -> Result<Self, Error> {
        let (jobs, received) = sync_channel(MOST_JOBS);
        let shared = Arc::new(Shared {
            gathered: Mutex::default(),
            health: watch::Sender::new(Health::default()),
            searches: AtomicU64::new(0),
        });
        let owner = Owner {
            history,
            settings,
            shared: Arc::clone(&shared),
            waiting: VecDeque::new(),
            write_at: None,
            retry: None,
        };
        std::thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || owner.run(&received))
            .map_err(|error| {
                Error::new(
                    ErrorKind::Config,
                    format!("no thread for the history: {error}"),
                )
            })?;
        Ok(Self { jobs, shared })
    }

    /// Hands a change over. It is written in its turn; what streams in and what is typed within half a second.
    pub fn save(&self, change: Change) {
        match change {
            Change::Piece {
                conversation,
                message,
                piece,
            } => self.gather(|gathered| gathered.add(conversation, message, piece)),
            Change::Draft { conversation, text } => self.gather(|gathered| {
                gathered.bytes += text.len();
                if let Some(before) = gathered.drafts.insert(conversation, text) {
                    gathered.bytes = gathered.bytes.saturating_sub(before.len());
                }
                true
            }),
            change => {
                if self.jobs.try_send(Job::Change(Box::new(change))).is_err() {
                    self.drop_one();
                }
            }
        }
    }

    fn gather(&self, add: impl FnOnce(&mut Gathered) -> bool) {
        let (was_empty, added) = {
            let mut gathered = self.shared.gathered.lock();
            let was_empty = gathered.is_empty();
            (
                was_empty,
                gathered.bytes <= MOST_GATHERED && add(&mut gathered),
            )
        };
        if !added {
            self.drop_one();
        } else if was_empty {
            // With a full channel the thread is awake, and looks here before it sleeps.
            let _ = self.jobs.try_send(Job::Gathering);
        }
    }

    fn drop_one(&self) {
        self.shared.health.send_modify(|health| health.dropped += 1);
    }

    /// Returns some conversations, the pinned first, the newest first.
    pub fn list(&self, limit: usize, offset: usize) -> BoxFuture<'static, Result<Page, Error>> {
        self.read(move |history| history.list(limit, offset))
    }

    /// Returns a conversation; `None` when there is none.
    pub fn load(
        &self,
        id: ConversationId,
    ) -> BoxFuture<'static, Result<Option<Conversation>, Error>> {
        self.read(move |history| history.load(id))
    }

    /// Searches all that was said. A newer search ends this one, with what it found until then.
    pub fn search(
        &self,
        query: String,
        limit: SearchLimit,
    ) -> BoxFuture<'static, Result<Found, Error>> {
        let number = self.shared.searches.fetch_add(1, Ordering::Relaxed) + 1;
        let shared = Arc::clone(&self.shared);
        self.read(move |history| {
            let is_stale = move || shared.searches.load(Ordering::Relaxed) != number;
            if is_stale() {
                return Ok(Found {
                    more: true,
                    ..Found::default()
                });
            }
            history.search_unless(&query, limit, is_stale)
        })
    }

    /// Returns a number that is another one after another program has changed something.
    pub fn stamp(&self) -> BoxFuture<'static, Result<i64, Error>> {
        self.read(|history| history.stamp().map_err(|error| history.told(&error)))
    }

    /// Hears how writing goes.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.shared.health.subscribe()
    }

    /// Writes all that was handed over, and ends the thread. Later changes are lost.
    pub async fn close(&self, patience: Duration) {
        let (done, closed) = oneshot::channel();
        let jobs = self.jobs.clone();
        let send = async move {
            let mut job = Job::Close(done);
            while let Err(TrySendError::Full(back)) = jobs.try_send(job) {
                job = back;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let _ = closed.await;
        };
        if tokio::time::timeout(patience, send).await.is_err() {
            tracing::error!("the history was not written to its end in time");
        }
    }

    fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut History) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let (done, answer) = oneshot::channel();
        let sent = self.jobs.try_send(Job::Read(Box::new(move |history| {
            // Whoever asked may have left.
            let _ = done.send(job(history));
        })));
        async move {
            let busy = || Error::new(ErrorKind::Config, "the history is too busy to be read now");
            sent.map_err(|_| busy())?;
            answer.await.map_err(|_| busy())?
        }
        .boxed()
    }
}

impl Gathered {
    fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.drafts.is_empty()
    }

    fn add(&mut self, conversation: ConversationId, message: MessageId, piece: Piece) -> bool {
        let (Piece::Text(more) | Piece::Reasoning(more)) = &piece;
        self.bytes += more.len();
        if let Some((_, _, last)) = self
            .last
            .get(&message)
            .and_then(|at| self.pieces.get_mut(*at))
        {
            match (last, &piece) {
                (Piece::Text(text), Piece::Text(more))
                | (Piece::Reasoning(text), Piece::Reasoning(more)) => {
                    text.push_str(more);
                    return true;
                }
                (Piece::Text(_), Piece::Reasoning(_)) | (Piece::Reasoning(_), Piece::Text(_)) => {}
            }
        }
        self.last.insert(message, self.pieces.len());
        self.pieces.push((conversation, message, piece));
        true
    }

    /// Forgets what was gathered of a message: it has ended, and comes whole.
    fn forget(&mut self, message: MessageId) {
        if self.last.remove(&message).is_none() {
            return;
        }
        self.pieces.retain(|(_, of, piece)| {
            let stays = *of != message;
            if !stays {
                let (Piece::Text(text) | Piece::Reasoning(text)) = piece;
                self.bytes = self.bytes.saturating_sub(text.len());
            }
            stays
        });
        self.last = self
            .pieces
            .iter()
            .enumerate()
            .map(|(at, (_, message, _))| (*message, at))
            .collect();
    }

    /// Puts back what could not be written, before what has come since.
    fn put_back(&mut self, mut failed: Self) {
        let since = std::mem::take(self);
        for (conversation, message, piece) in since.pieces {
            failed.add(conversation, message, piece);
        }
        for (conversation, text) in since.drafts {
            failed.bytes += text.len();
            failed.drafts.insert(conversation, text);
        }
        *self = failed;
    }
}

struct Owner {
    history: History,
    settings: Settings,
    shared: Arc<Shared>,
    /// Changes that could not be written yet, oldest first.
    waiting: VecDeque<Change>,
    /// When what was gathered is due.
    write_at: Option<Instant>,
    /// When to try again, and how long it was waited last.
    retry: Option<(Instant, Duration)>,
}

impl Owner {
    fn run(mut self, jobs: &Receiver<Job>) {
        self.tidy();
        let mut held = None;
        loop {
            match held.take().map_or_else(|| self.next(jobs), Ok) {
                Ok(Job::Change(change)) => held = self.change(*change, jobs),
                Ok(Job::Read(read)) => read(&mut self.history),
                Ok(Job::Gathering) => self.gathering(),
                Ok(Job::Close(done)) => {
                    self.end();
                    // The file is closed before the program may end: then it is one file again.
                    drop(self);
                    // Whoever closes may have lost patience.
                    let _ = done.send(());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => self.write(),
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
            if self.retry.is_none() && self.write_at.is_some_and(|at| Instant::now() >= at) {
                self.write();
            }
        }
    }

    fn gathering(&mut self) {
        self.write_at.get_or_insert_with(|| Instant::now() + GATHER);
    }

    /// Writes all that is left; deleted conversations go for good.
    fn end(&mut self) {
        /// Another program may be writing.
        const TRIES: usize = 5;
        for _ in 0..TRIES {
            self.write();
            if self.waiting.is_empty() && self.shared.gathered.lock().is_empty() {
                break;
            }
            std::thread::sleep(RETRY.0);
        }
        if let Err(error) = self.history.purge_own() {
            tracing::warn!("deleted conversations stay for now: {error}");
        }
    }

    /// Waits for a job, at most until something is due.
    fn next(&mut self, jobs: &Receiver<Job>) -> Result<Job, RecvTimeoutError> {
        if self.write_at.is_none() && !self.shared.gathered.lock().is_empty() {
            self.write_at = Some(Instant::now() + GATHER);
        }
        let due = match self.retry {
            Some((at, _)) => Some(at),
            None => self.write_at,
        };
        match due {
            Some(due) => jobs.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// What may be done at leisure, after the start.
    fn tidy(&mut self) {
        let now = Timestamp::now();
        if let Err(error) = self.history.purge(now) {
            tracing::warn!("deleted conversations stay for now: {error}");
        }
        if let Err(error) = self.history.retain(&self.settings, now) {
            tracing::warn!("old conversations stay for now: {error}");
        }
    }

    /// Takes a change and those that come right behind it, and writes them; returns the job behind those.
    fn change(&mut self, change: Change, jobs: &Receiver<Job>) -> Option<Job> {
        self.take(change);
        let mut after = None;
        while after.is_none() && self.waiting.len() < AT_ONCE {
            match jobs.try_recv() {
                Ok(Job::Change(change)) => self.take(*change),
                Ok(other) => after = Some(other),
                Err(_) => break,
            }
        }
        if self.retry.is_none() {
            self.write_changes();
        }
        after
    }

    fn take(&mut self, change: Change) {
        if let Change::Finish { message, .. } = &change {
            self.shared.gathered.lock().forget(message.id);
        }
        if self.waiting.len() >= MOST_WAITING {
            self.shared.health.send_modify(|health| health.dropped += 1);
            return;
        }
        self.waiting.push_back(change);
    }

    /// Writes everything that waits.
    fn write(&mut self) {
        if self.write_changes() {
            self.write_gathered();
        }
    }

    /// Writes the changes in their order; tells whether all are written.
    fn write_changes(&mut self) -> bool {
        while !self.waiting.is_empty() {
            let count = self.waiting.len().min(AT_ONCE);
            let written = {
                let (front, _) = self.waiting.make_contiguous().split_at(count);
                self.history.try_apply(front)
            };
            match written {
                Ok(()) => {
                    self.waiting.drain(..count);
                    self.well();
                }
                Err(error) if fault::remedy(&error) == Remedy::GiveUp && count > 1 => {
                    // One of them makes no sense: one by one, the others go through.
                    for _ in 0..count {
                        if !self.write_one() {
                            return false;
                        }
                    }
                }
                Err(error) => {
                    if !self.failed(&error) {
                        return false;
                    }
                    if fault::remedy(&error) == Remedy::GiveUp {
                        self.give_up(&error);
                    }
                }
            }
        }
        true
    }

    fn write_one(&mut self) -> bool {
        let Some(change) = self.waiting.front() else {
            return true;
        };
        match self.history.try_apply(std::slice::from_ref(change)) {
            Ok(()) => {
                self.waiting.pop_front();
                true
            }
            Err(error) => {
                if !self.failed(&error) {
                    return false;
                }
                self.give_up(&error);
                true
            }
        }
    }

    fn give_up(&mut self, error: &rusqlite::Error) {
        tracing::error!("a change to the history was given up: {error}");
        self.waiting.pop_front();
        self.shared.health.send_modify(|health| health.dropped += 1);
    }

    fn write_gathered(&mut self) {
        self.write_at = None;
        let gathered = std::mem::take(&mut *self.shared.gathered.lock());
        if gathered.is_empty() {
            return;
        }
        let pieces = gathered
            .pieces
            .iter()
            .map(|(_, message, piece)| (*message, piece));
        let drafts = gathered
            .drafts
            .iter()
            .map(|(id, text)| (*id, text.as_str()));
        match self.history.try_append(pieces, drafts) {
            Ok(()) => self.well(),
            Err(error) => {
                if self.failed(&error) {
                    tracing::error!("what streamed in was given up: {error}");
                    self.shared.health.send_modify(|health| health.dropped += 1);
                } else {
                    self.shared.gathered.lock().put_back(gathered);
                }
            }
        }
    }

    fn well(&mut self) {
        self.retry = None;
        self.shared.health.send_if_modified(|health| {
            let was_failing = health.failing.take().is_some();
            if was_failing {
                tracing::info!("the history is written again");
            }
            was_failing
        });
    }

    /// Notes a failure; tells whether to go on at once.
    fn failed(&mut self, error: &rusqlite::Error) -> bool {
        match fault::remedy(error) {
            Remedy::GiveUp => return true,
            Remedy::SetAside => match self.history.begin_anew() {
                Ok(note) => {
                    tracing::error!("{note}");
                    self.shared
                        .health
                        .send_modify(|health| health.note = Some(note));
                    self.retry = Some((Instant::now(), RETRY.0));
                    return false;
                }
                Err(error) => tracing::error!("{error}"),
            },
            Remedy::Wait => {}
        }
        let wait = match self.retry {
            Some((_, before)) => (before * 2).min(RETRY.1),
            None => RETRY.0,
        };
        self.retry = Some((Instant::now() + wait, wait));
        let told = self.history.told(error);
        self.shared.health.send_if_modified(|health| {
            let is_new = health
                .failing
                .as_ref()
                .is_none_or(|before| before.message() != told.message());
            if is_new {
                tracing::error!("{told}; it is tried again");
                health.failing = Some(told);
            }
            is_new
        });
        false
    }
}

#[cfg(test)]
impl Store {
    /// Runs something on the thread that owns the file.
    pub(super) async fn read_for_test(&self, job: impl FnOnce(&mut History) + Send + 'static) {
        let done = self.read(|history| {
            job(history);
            Ok(())
        });
        assert!(done.await.is_ok());
    }
}
