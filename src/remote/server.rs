//! The gateway's end: who may come in, the plain paths for scripts, and the line for consoles.

mod api;
mod line;
#[cfg(unix)]
mod socket;
#[cfg(test)]
mod tests;
mod views;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_util::sync::CancellationToken;

pub use api::whole_seconds;
pub(super) use api::{BY, READ_ONLY};
#[cfg(unix)]
pub use socket::Listening;

use crate::deck::Deck;

/// How many consoles may be attached at once.
const MOST_CONSOLES: usize = 32;

/// The admin API of a pool. Cheap to clone; clones share the consoles that are attached.
#[derive(Clone)]
pub struct Admin(Arc<Shared>);

struct Shared {
    deck: Deck,
    consoles: AtomicUsize,
    closing: CancellationToken,
}

impl Admin {
    /// Makes the admin API of a pool.
    pub fn new(deck: Deck) -> Self {
        Self(Arc::new(Shared {
            deck,
            consoles: AtomicUsize::new(0),
            closing: CancellationToken::new(),
        }))
    }

    /// Returns the paths below `/admin/v1`. A request gets an answer only when whoever checked its key has put an
    /// [`Origin`](super::Origin) into its extensions, and the server in front must let connections be upgraded.
    pub fn router(&self) -> axum::Router {
        api::router(Arc::clone(&self.0))
    }

    /// Listens on a Unix socket for its owner, from now on, on the tokio runtime that this is called in.
    ///
    /// # Errors
    /// Of kind `config` when another gateway listens there, or when the place cannot be used.
    #[cfg(unix)]
    pub fn listen(&self, socket: &std::path::Path) -> Result<Listening, crate::base::Error> {
        socket::listen(Arc::clone(&self.0), socket)
    }

    /// Counts the consoles that are attached.
    pub fn consoles(&self) -> usize {
        self.0.consoles.load(Ordering::SeqCst)
    }

    /// Says goodbye to all consoles and takes no more.
    pub fn close(&self) {
        self.0.closing.cancel();
    }
}

/// A place among the consoles; it is free again when this is dropped.
struct Seat(Arc<Shared>);

impl Shared {
    fn sit_down(self: &Arc<Self>) -> Option<Seat> {
        let taken = self
            .consoles
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |consoles| {
                (consoles < MOST_CONSOLES).then_some(consoles + 1)
            });
        taken.ok().map(|_| Seat(Arc::clone(self)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.consoles.fetch_sub(1, Ordering::SeqCst);
    }
}
