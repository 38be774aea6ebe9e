//! The file with conversations, used directly: by the command line, and by the thread that owns it in a face.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rand::RngCore;
use rusqlite::{Connection, TransactionBehavior, params};

use super::fault::Remedy;
use super::session::{self, Session};
use super::settings::Settings;
use super::{fault, file, read, retention, schema, search, write};
use crate::base::{
    Change, Conversation, ConversationId, Error, Found, MessageId, Page, Piece, Summary,
};

pub use read::Figures;
pub use search::SearchLimit;

/// How long a deleted conversation can be brought back by a program that still runs, or has ended badly, in microseconds.
const GRACE: i64 = 24 * 3_600_000_000;

/// The file with conversations.
#[derive(Debug)]
pub struct History {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    session: Option<Session>,
    note: Option<String>,
    /// What this program has marked as deleted and may bring back.
    deleted: BTreeSet<ConversationId>,
}

impl History {
    /// Opens the file in a folder; both are made when they are missing. What a program that has ended badly left is
    /// put in order: answers that were coming in are marked as cut.
    ///
    /// # Errors
    /// When it cannot be used, or a newer program wrote it.
    pub fn open(folder: &Path, dice: &mut impl RngCore) -> Result<Self, Error> {
        let path = folder.join(super::HISTORY_FILE);
        let opened = file::open(&path, schema::HISTORY)?;
        let id = dice.next_u64().cast_signed();
        let mut history = Self {
            connection: opened.connection,
            session: Session::begin(folder, id),
            note: opened.note,
            deleted: BTreeSet::new(),
            path,
        };
        match history.recover() {
            Ok(()) => {}
            // What is damaged may lie behind the file's first pages, which were sound.
            Err(error) if fault::remedy(&error) == Remedy::SetAside => {
                let note = history.begin_anew()?;
                tracing::error!("{note}");
                history.note = Some(note);
            }
            Err(error) => return Err(history.told(&error)),
        }
        Ok(history)
    }

    /// Returns what should be known of the opening: that a damaged file was set aside.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Returns the file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a change.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn apply(&mut self, change: &Change) -> Result<(), Error> {
        self.try_apply(std::slice::from_ref(change))
            .map_err(|error| self.told(&error))
    }

    /// Makes some changes, all or none.
    pub(super) fn try_apply(&mut self, changes: &[Change]) -> Result<(), rusqlite::Error> {
        let session = self.session.as_ref().map(|session| session.id);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for change in changes {
            write::apply(&transaction, change, session)?;
        }
        transaction.commit()?;
        for change in changes {
            match change {
                Change::Delete { conversation } => self.deleted.insert(*conversation),
                Change::Restore { conversation } => self.deleted.remove(conversation),
                _ => continue,
            };
        }
        Ok(())
    }

    /// Writes what came of messages that are coming in, all or none.
    pub(super) fn try_append<'p>(
        &mut self,
        pieces: impl IntoIterator<Item = (MessageId, &'p Piece)>,
        drafts: impl IntoIterator<Item = (ConversationId, &'p str)>,
    ) -> Result<(), rusqlite::Error> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (message, piece) in pieces {
            write::append(&transaction, message, piece)?;
        }
        for (conversation, text) in drafts {
            write::draft(&transaction, conversation, text)?;
        }
        transaction.commit()
    }

    /// Puts a whole conversation in, over the one of the same id if there is one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&mut self, conversation: &Conversation) -> Result<(), Error> {
        self.apply(&Change::Begin(Box::new(conversation.clone())))
    }

    /// Puts many whole conversations in, all or none.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn put_all(&mut self, conversations: &[Conversation]) -> Result<(), Error> {
        let begin = |conversation: &Conversation| Change::Begin(Box::new(conversation.clone()));
        let changes: Vec<Change> = conversations.iter().map(begin).collect();
        self.try_apply(&changes).map_err(|error| self.told(&error))
    }

    /// Returns some conversations, the pinned first, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn list(&self, limit: usize, offset: usize) -> Result<Page, Error> {
        read::list(&self.connection, limit, offset).map_err(|error| self.told(&error))
    }

    /// Returns a conversation; `None` when there is none, or it is deleted.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(&self, id: ConversationId) -> Result<Option<Conversation>, Error> {
        read::load(&self.connection, id).map_err(|error| self.told(&error))
    }

    /// Returns a conversation as lists show it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn summary(&self, id: ConversationId) -> Result<Option<Summary>, Error> {
        read::summary(&self.connection, id).map_err(|error| self.told(&error))
    }

    /// Returns the conversations whose ids begin with these letters, at most two.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn find(&self, prefix: &str) -> Result<Vec<ConversationId>, Error> {
        read::find(&self.connection, prefix).map_err(|error| self.told(&error))
    }

    /// Returns the conversation in which something was said last.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn newest(&self) -> Result<Option<ConversationId>, Error> {
        read::newest(&self.connection).map_err(|error| self.told(&error))
    }

    /// Puts in a conversation that comes from elsewhere. When other conversations have its messages' ids, they get new
    /// ones.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn bring(
        &mut self,
        mut conversation: Conversation,
        dice: &mut impl RngCore,
    ) -> Result<(), Error> {
        let is_taken = read::has_message_elsewhere(&self.connection, &conversation)
            .map_err(|error| self.told(&error))?;
        if is_taken {
            conversation.renumber(MessageId::new(conversation.created_at, dice));
        }
        self.put(&conversation)
    }

    /// Returns the ids of all conversations, oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn ids(&self) -> Result<Vec<ConversationId>, Error> {
        read::ids(&self.connection).map_err(|error| self.told(&error))
    }

    /// Searches all that was said, and titles and tags.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn search(&mut self, query: &str, limit: SearchLimit) -> Result<Found, Error> {
        self.search_unless(query, limit, || false)
    }

    /// Searches until nobody waits for it any more.
    pub(super) fn search_unless(
        &mut self,
        query: &str,
        limit: SearchLimit,
        stale: impl Fn() -> bool + Send + 'static,
    ) -> Result<Found, Error> {
        search::search(&mut self.connection, query, limit, stale)
            .map_err(|error| fault::told(&self.path, &error))
    }

    /// Returns what there is in all, in figures.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn figures(&self) -> Result<Figures, Error> {
        read::figures(&self.connection).map_err(|error| self.told(&error))
    }

    /// Removes a conversation at once; tells whether it was there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remove(&mut self, id: ConversationId) -> Result<bool, Error> {
        self.in_transaction(|transaction| write::remove(transaction, id))
    }

    /// Removes what is too old or too much, as far as the settings say so; tells how many conversations went.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn retain(&mut self, settings: &Settings, now: Timestamp) -> Result<usize, Error> {
        retention::conversations(&mut self.connection, settings, now)
            .map_err(|error| self.told(&error))
    }

    /// Removes for good what was marked as deleted so long ago that nobody will bring it back.
    pub(super) fn purge(&mut self, now: Timestamp) -> Result<usize, rusqlite::Error> {
        let ids = read::deleted(&self.connection, now.as_microsecond() - GRACE)?;
        self.remove_all(&ids)
    }

    /// Removes for good what this program has marked as deleted; what another one has, that one may still bring back.
    pub(super) fn purge_own(&mut self) -> Result<usize, rusqlite::Error> {
        let mut ids = read::deleted(&self.connection, i64::MAX)?;
        ids.retain(|id| self.deleted.contains(id));
        self.remove_all(&ids)
    }

    fn remove_all(&mut self, ids: &[ConversationId]) -> Result<usize, rusqlite::Error> {
        if ids.is_empty() {
            return Ok(0);
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for id in ids {
            write::remove(&transaction, *id)?;
        }
        transaction.commit()?;
        Ok(ids.len())
    }

    /// Returns a number that is another one after every change by another program.
    pub(super) fn stamp(&self) -> Result<i64, rusqlite::Error> {
        self.connection
            .pragma_query_value(None, "data_version", |row| row.get(0))
    }

    /// Puts the file in order after its own damage was found while it was in use.
    pub(super) fn begin_anew(&mut self) -> Result<String, Error> {
        let nothing = Connection::open_in_memory().map_err(|error| self.told(&error))?;
        drop(std::mem::replace(&mut self.connection, nothing));
        let aside = file::set_aside(&self.path).map_err(|error| fault::io(&self.path, &error))?;
        self.connection = file::open(&self.path, schema::HISTORY)?.connection;
        Ok(format!(
            "'{}' was damaged; it is kept as '{}', and a new one is begun",
            self.path.display(),
            aside.display()
        ))
    }

    /// Marks as cut what nobody writes any more.
    fn recover(&mut self) -> Result<(), rusqlite::Error> {
        let folder = self.path.parent().unwrap_or(Path::new(".")).to_owned();
        session::sweep(&folder);
        let mut open: Vec<i64> = self
            .connection
            .prepare("select distinct session from message where session is not null")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        open.retain(|id| session::is_over(&folder, *id));
        if open.is_empty() {
            return Ok(());
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for session in &open {
            let cut: Vec<i64> = transaction
                .prepare_cached("select id from message where session = ?1")?
                .query_map([session], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            for message in &cut {
                write::cut(&transaction, MessageId(*message))?;
            }
            tracing::info!(
                answers = cut.len(),
                "answers were cut when the program ended"
            );
        }
        transaction.execute(
            "delete from piece where message not in (select id from message where session is not null)",
            params![],
        )?;
        transaction.commit()
    }

    fn in_transaction<T>(
        &mut self,
        job: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, Error> {
        let path = &self.path;
        let told = |error: rusqlite::Error| fault::told(path, &error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(told)?;
        let done = job(&transaction).map_err(told)?;
        transaction.commit().map_err(told)?;
        Ok(done)
    }

    pub(super) fn told(&self, error: &rusqlite::Error) -> Error {
        fault::told(&self.path, error)
    }
}
