//! The deck: the handle that a face (console, gateway, command line) holds. Local or remote, the face cannot tell.

mod local;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::base::{
    Board, Changed, ChatRequest, ChatStream, Command, DeckEvent, Error, Failures, Figures,
    InstanceName, LlmMetrics, Loaded, Sample, Scope, Series,
};

/// What stands behind a [`Deck`].
pub trait DeckSource: Send + Sync {
    /// Sends a chat; nothing happens until the stream is polled, dropping it cancels.
    fn chat(&self, request: ChatRequest) -> ChatStream;
    /// Returns the picture of this moment. Cheap, never blocks a request.
    fn board(&self) -> Arc<Board>;
    /// Returns figures over the last `window`, in at most `buckets` buckets.
    fn series(&self, scope: &Scope, window: Duration, buckets: usize) -> Series;
    /// Returns figures over the last `window` as one set of numbers.
    fn window_metrics(&self, scope: &Scope, window: Duration) -> LlmMetrics;
    /// Returns the last requests that ended, newest first, at most `limit`.
    fn requests(&self, limit: usize) -> Vec<Arc<Sample>>;
    /// Returns the last failures, at most `limit`, and all groups of alike ones.
    fn failures(&self, limit: usize) -> Failures;
    /// Returns figures since the start by label set, for exporters; none from a source that keeps none.
    fn figures(&self) -> Figures {
        Figures::default()
    }
    /// Asks which models the servers hold in memory; nothing from a source that cannot ask.
    fn loaded(&self) -> BoxFuture<'static, Vec<(InstanceName, Vec<Loaded>)>> {
        Box::pin(std::future::ready(Vec::new()))
    }
    /// Hears what happens from now on.
    fn subscribe(&self) -> broadcast::Receiver<DeckEvent>;
    /// Gives a command.
    fn command(&self, command: Command, by: &str) -> BoxFuture<'static, Result<Changed, Error>>;
    /// Tells how the line to the pool stands; a pool in this process has none that could be lost.
    fn line(&self) -> Line {
        Line::Up
    }
}

/// How the line to a pool stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Line {
    /// What is read is fresh.
    #[default]
    Up,
    /// Nothing has been heard for a while, so what is read is old; it is tried again and again.
    Lost {
        /// When something was heard last.
        since: Instant,
        /// Why, in one sentence.
        why: String,
    },
}

/// A handle on a pool; cheap to clone.
#[derive(Clone)]
pub struct Deck(Arc<dyn DeckSource>);

impl Deck {
    /// Wraps a source.
    pub fn new(source: impl DeckSource + 'static) -> Self {
        Self(Arc::new(source))
    }
}

impl std::ops::Deref for Deck {
    type Target = dyn DeckSource;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}
