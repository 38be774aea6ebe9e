//! The console's end: a deck over a pool in another process, which answers from what was heard last.
//!
//! What is asked for is looked at from then on; what is not asked for any more is let go. When the line is lost the last
//! picture stays, answers and commands end with the reason, and the line is tried again until it is back.

mod answering;
mod heard;
mod keep;
mod way;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{broadcast, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use way::Way;

use self::answering::Answering;
#[cfg(not(feature = "fuzz"))]
use self::heard::Heard;
use self::heard::Sight;
#[cfg(feature = "fuzz")]
pub(super) use self::heard::{Heard, News};
use super::message::What;
use crate::base::{
    Board, Changed, ChatRequest, ChatStream, Command, DeckEvent, Error, ErrorKind, Failures,
    Figures, LlmMetrics, Sample, Scope, Series,
};
use crate::deck::{DeckSource, Line};

/// How many events a slow listener may lag behind before it misses some.
const EVENTS_HELD: usize = 1_024;
/// How long the first picture may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a console says of itself.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    /// What it calls itself: `user@tty`.
    pub by: String,
    /// Whether it only looks; the gateway refuses commands and chats then.
    pub read_only: bool,
}

/// A pool in another process. It stays connected until the last clone is dropped.
#[derive(Clone)]
pub struct Remote {
    shared: Arc<Shared>,
    _until_dropped: Arc<DropGuard>,
}

/// What the deck and the task behind it share.
struct Shared {
    heard: Mutex<Heard>,
    events: broadcast::Sender<DeckEvent>,
}

impl Remote {
    /// Connects, and waits for the first picture.
    ///
    /// # Errors
    /// When nothing is there, when it lets nobody in, or when it speaks another version of the line.
    pub async fn connect(way: Way, visitor: Visitor) -> Result<Self, Error> {
        let (events, _) = broadcast::channel(EVENTS_HELD);
        let (first, seen) = oneshot::channel();
        let shared = Arc::new(Shared {
            heard: Mutex::new(Heard::new(Instant::now(), first)),
            events,
        });
        let connection = way.open(&visitor).await?;
        let dropped = CancellationToken::new();
        let remote = Self {
            shared: Arc::clone(&shared),
            _until_dropped: Arc::new(dropped.clone().drop_guard()),
        };
        tokio::spawn(keep::keep(shared, way, visitor, connection, dropped));
        match timeout(PATIENCE, seen).await {
            Ok(Ok(Ok(()))) => Ok(remote),
            Ok(Ok(Err(why))) => Err(why),
            Ok(Err(_)) | Err(_) => Err(Error::new(
                ErrorKind::TimeoutFirstToken,
                "the gateway let us in but shows no board",
            )
            .with_hint("look at its log")),
        }
    }

    /// Returns the name under which this console's commands are told to others.
    pub fn by(&self) -> String {
        self.shared.heard.lock().by().to_owned()
    }

    /// Tells whether the gateway refuses this console's commands and chats.
    pub fn is_read_only(&self) -> bool {
        self.shared.heard.lock().is_read_only()
    }

    /// Returns the gateway's version.
    pub fn version(&self) -> String {
        self.shared.heard.lock().version().to_owned()
    }

    fn sight(&self, what: What) -> Option<Sight> {
        self.shared.heard.lock().look(what, Instant::now())
    }
}

impl Shared {
    /// Tells listeners that there is something new to be read.
    fn tell(&self, event: DeckEvent) {
        // Nobody listening is fine.
        let _ = self.events.send(event);
    }
}

impl DeckSource for Remote {
    fn chat(&self, request: ChatRequest) -> ChatStream {
        Box::pin(Answering::new(Arc::clone(&self.shared), request))
    }

    fn board(&self) -> Arc<Board> {
        match self.sight(What::Board) {
            Some(Sight::Board(board)) => board,
            _ => Arc::default(),
        }
    }

    fn series(&self, scope: &Scope, window: Duration, buckets: usize) -> Series {
        let what = What::Series {
            scope: scope.clone(),
            window,
            buckets,
        };
        match self.sight(what) {
            Some(Sight::Series(series)) => *series,
            _ => Series {
                scope: scope.clone(),
                step: window / u32::try_from(buckets.max(1)).unwrap_or(u32::MAX),
                ..Series::default()
            },
        }
    }

    fn window_metrics(&self, scope: &Scope, window: Duration) -> LlmMetrics {
        let what = What::Window {
            scope: scope.clone(),
            window,
        };
        match self.sight(what) {
            Some(Sight::Window(metrics)) => *metrics,
            _ => LlmMetrics::default(),
        }
    }

    fn requests(&self, limit: usize) -> Vec<Arc<Sample>> {
        self.shared.heard.lock().requests(limit)
    }

    fn failures(&self, limit: usize) -> Failures {
        match self.sight(What::Failures { limit }) {
            Some(Sight::Failures(failures)) => *failures,
            _ => Failures::default(),
        }
    }

    fn figures(&self) -> Figures {
        match self.sight(What::Figures) {
            Some(Sight::Figures(figures)) => *figures,
            _ => Figures::default(),
        }
    }

    fn subscribe(&self) -> broadcast::Receiver<DeckEvent> {
        self.shared.events.subscribe()
    }

    /// Gives the command under the name that the gateway knows this console by, whatever `by` says.
    fn command(&self, command: Command, _by: &str) -> BoxFuture<'static, Result<Changed, Error>> {
        let (done, told) = oneshot::channel();
        let mut heard = self.shared.heard.lock();
        let asked = heard.command(command, done);
        drop(heard);
        let shared = Arc::clone(&self.shared);
        async move {
            asked?;
            match told.await {
                Ok(result) => result,
                Err(_) => Err(shared.heard.lock().why_lost().with_hint(
                    "nobody knows whether the command was carried out; look at the board when the line is back",
                )),
            }
        }
        .boxed()
    }

    fn line(&self) -> Line {
        self.shared.heard.lock().line()
    }
}
