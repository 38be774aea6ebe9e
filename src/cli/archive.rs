//! The store as the console sees it.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rand::RngCore;

use super::keep::dice;
use crate::base::{Change, Conversation, ConversationId, Error, Found, Page};
use crate::console::Archive;
use crate::store::{SearchLimit, Store};

/// How long a search looks while somebody types.
const PATIENCE: Duration = Duration::from_millis(250);

/// The store behind the console.
pub(super) struct Shelf(pub(super) Store);

impl Archive for Shelf {
    fn save(&self, change: Change) {
        self.0.save(change);
    }

    fn list(&self, limit: usize) -> BoxFuture<'static, Result<Page, Error>> {
        self.0.list(limit, 0)
    }

    fn search(&self, query: String, limit: usize) -> BoxFuture<'static, Result<Found, Error>> {
        let limit = SearchLimit {
            hits: limit,
            time: PATIENCE,
        };
        self.0.search(query, limit)
    }

    fn load(&self, id: ConversationId) -> BoxFuture<'static, Result<Option<Conversation>, Error>> {
        self.0.load(id)
    }

    fn stamp(&self) -> BoxFuture<'static, Result<i64, Error>> {
        self.0.stamp()
    }

    fn seed(&self) -> u64 {
        dice().next_u64()
    }

    fn trouble(&self) -> BoxFuture<'static, Option<String>> {
        let mut health = self.0.health();
        async move {
            loop {
                health.changed().await.ok()?;
                let now = health.borrow_and_update().clone();
                if let Some(note) = now.note {
                    return Some(note);
                }
                if let Some(error) = now.failing {
                    return Some(format!("{}; {}", error.message(), error.hint()));
                }
            }
        }
        .boxed()
    }
}
