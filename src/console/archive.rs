//! What the console knows of where conversations are kept: a seam, so that it needs no store to be built or tested.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::base::{Change, Conversation, ConversationId, Error, Found, Page};

/// Where conversations are kept.
pub trait Archive: Send + Sync {
    /// Hands a change over. Never waits.
    fn save(&self, change: Change);
    /// Returns the pinned and the newest conversations, at most `limit`.
    fn list(&self, limit: usize) -> BoxFuture<'static, Result<Page, Error>>;
    /// Searches all that was said, for as long as somebody waits who types.
    fn search(&self, query: String, limit: usize) -> BoxFuture<'static, Result<Found, Error>>;
    /// Returns a conversation; `None` when there is none.
    fn load(&self, id: ConversationId) -> BoxFuture<'static, Result<Option<Conversation>, Error>>;
    /// Comes true with a number when another program has changed something; cheap to wait for.
    fn stamp(&self) -> BoxFuture<'static, Result<i64, Error>>;
    /// Returns a number for chance, to make ids of.
    fn seed(&self) -> u64;
    /// Waits until writing fails, or works again, and says so in a sentence.
    fn trouble(&self) -> BoxFuture<'static, Option<String>>;
}

/// Where this console's conversations are kept; nowhere by default.
#[derive(Clone, Default)]
pub struct Kept(Option<Arc<dyn Archive>>);

impl Kept {
    /// Keeps them there.
    pub fn by(archive: impl Archive + 'static) -> Self {
        Self(Some(Arc::new(archive)))
    }
}

impl Deref for Kept {
    type Target = Option<Arc<dyn Archive>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").field(&self.0.is_some()).finish()
    }
}
