//! The gateway: other programs' requests through the same pool, in the protocols they already speak.
//!
//! A face like the console: it holds a [`Deck`], turns HTTP requests into chats and answers back into HTTP, and knows
//! nothing of instances but what the board shows.
//!
//! ```text
//! listen -> connection (timeouts, limits) -> route -> key -> body -> wire::serve::Front -> Deck::chat -> answer
//! ```

mod answer;
mod ask;
mod body;
mod browser;
mod catalog;
mod connection;
mod handle;
mod keys;
mod listen;
mod lists;
mod refuse;
mod route;
mod settings;
mod socket;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use std::sync::atomic::AtomicUsize;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use keys::{Digest, new_key};
pub use settings::{KeySettings, RouteSettings, Settings, Wrong};

use crate::base::{Error, ErrorKind};
use crate::deck::Deck;
use keys::Keys;

/// What is mounted beside the gateway's own paths.
#[derive(Clone, Default)]
pub struct Mounts {
    /// What answers below `/admin`, which stays in the paths it sees. Only requests with an admin key get there, and
    /// each has a [`crate::remote::Origin`] with the key's name among its extensions.
    pub admin: Option<axum::Router>,
    /// Writes what `GET /metrics` answers, in Prometheus' text format.
    pub metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
}

/// A gateway that runs. Dropping it stops it at once.
pub struct Gateway {
    shared: Arc<Shared>,
    address: SocketAddr,
}

/// What the servers held in memory at a moment.
type Held = (
    Option<tokio::time::Instant>,
    Vec<(crate::base::InstanceName, Vec<crate::base::Loaded>)>,
);

/// What every connection and request shares.
struct Shared {
    deck: Deck,
    state: Mutex<Arc<State>>,
    /// Requests at once.
    running: AtomicUsize,
    /// Connections at once.
    connections: Arc<Semaphore>,
    begun_unix: u64,
    /// The names that callers use, as read last.
    catalog: Mutex<Arc<catalog::Catalog>>,
    /// What is held in memory, and when that was asked; those who look meanwhile wait for the same answer.
    loaded: tokio::sync::Mutex<Held>,
    mounts: Mounts,
    tasks: TaskTracker,
    /// Cancelled when nothing new is taken and what runs may end.
    draining: CancellationToken,
    /// Cancelled when what still runs is cut.
    stopped: CancellationToken,
}

/// What a reload replaces.
struct State {
    settings: Settings,
    keys: Keys,
    tls: Option<TlsAcceptor>,
}

impl State {
    fn new(settings: Settings, before: &Keys) -> Result<Self, Error> {
        Ok(Self {
            keys: Keys::new(&settings.keys, before),
            tls: tls::acceptor(&settings)?,
            settings,
        })
    }
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Requests that ran when it began.
    pub running: u64,
    /// Requests that were cut because they took longer than they were given.
    pub cut: u64,
}

impl Gateway {
    /// Opens the port and answers from now on, on the tokio runtime that this is called in.
    ///
    /// # Errors
    /// `config` when the settings make no sense or the address is taken.
    pub fn start(settings: Settings, deck: Deck, mounts: Mounts) -> Result<Self, Error> {
        let address = settings.validate()?;
        let listener = listen::open(address).map_err(|error| {
            Error::new(
                ErrorKind::Config,
                format!("cannot listen on {address}: {error}"),
            )
            .with_hint("another program may have the port; set gateway.listen to another one")
        })?;
        let address = listener.local_addr().map_err(|error| {
            Error::new(ErrorKind::Config, format!("cannot listen on {address}")).with_source(error)
        })?;
        let shared = Arc::new(Shared {
            deck,
            connections: Arc::new(Semaphore::new(settings.max_connections)),
            state: Mutex::new(Arc::new(State::new(settings, &Keys::default())?)),
            running: AtomicUsize::new(0),
            begun_unix: now_unix(),
            catalog: Mutex::default(),
            loaded: tokio::sync::Mutex::default(),
            mounts,
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            stopped: CancellationToken::new(),
        });
        shared
            .tasks
            .spawn(listen::accept_all(Arc::clone(&shared), listener));
        Ok(Self { shared, address })
    }

    /// Returns where it listens; the port is the real one when the settings say 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts other settings in force: keys, limits, certificates, what routes add. Keys that stay keep what is used of
    /// their limits. Another address, or another number of connections, needs a restart. Gives the old ones.
    ///
    /// # Errors
    /// `config` when they make no sense; then the old ones stay.
    pub fn apply(&self, settings: Settings) -> Result<Settings, Error> {
        settings.validate()?;
        let before = self.shared.state();
        let state = State::new(settings, &before.keys)?;
        if state.settings.listen != before.settings.listen
            || state.settings.max_connections != before.settings.max_connections
        {
            tracing::warn!("gateway.listen and gateway.max_connections change at a restart only");
        }
        *self.shared.state.lock() = Arc::new(state);
        *self.shared.catalog.lock() = Arc::default();
        Ok(before.settings.clone())
    }

    /// Takes nothing new, lets what runs end for as long as `patience`, and cuts the rest, which is told in band.
    pub async fn drain(self, patience: Duration) -> Drained {
        const FAREWELL: Duration = Duration::from_millis(500);
        let shared = &self.shared;
        let running = shared.deck.board().totals.in_flight;
        shared.draining.cancel();
        shared.tasks.close();
        let begun = Instant::now();
        if tokio::time::timeout(patience, shared.tasks.wait())
            .await
            .is_ok()
        {
            return Drained { running, cut: 0 };
        }
        let cut = shared.deck.board().totals.in_flight;
        tracing::warn!(cut, after = ?begun.elapsed(), "what still runs is cut");
        shared.stopped.cancel();
        // They have been told; whoever does not listen now never will.
        let _ = tokio::time::timeout(FAREWELL, shared.tasks.wait()).await;
        Drained { running, cut }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shared.draining.cancel();
        self.shared.stopped.cancel();
    }
}

impl Shared {
    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.lock())
    }
}

fn now_unix() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}
