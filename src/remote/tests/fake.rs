//! A pool that obeys the test.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;

use crate::base::{
    Board, BreakerView, Changed, ChatRequest, ChatStream, Chunk, Command, DeckEvent, Error,
    ErrorKind, ErrorNote, Failures, Figures, InstanceState, InstanceView, LlmMetrics, Outcome,
    Percentiles, ProviderType, RequestId, Sample, Scope, Series, SeriesBucket,
};
use crate::deck::DeckSource;

#[derive(Clone)]
pub(super) struct Fake(Arc<Shared>);

struct Shared {
    begun: Instant,
    board: Mutex<Board>,
    events: broadcast::Sender<DeckEvent>,
    asked: Mutex<Vec<Asked>>,
    commands: Mutex<Vec<(Command, String)>>,
    ended: Mutex<Vec<Arc<Sample>>>,
}

/// A question that came in, with the pen to answer it.
pub(super) struct Asked {
    pub(super) request: ChatRequest,
    pub(super) pen: mpsc::UnboundedSender<Result<Chunk, Error>>,
}

impl Fake {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared {
            begun: Instant::now(),
            board: Mutex::new(board()),
            events: broadcast::channel(1_024).0,
            asked: Mutex::default(),
            commands: Mutex::default(),
            ended: Mutex::default(),
        }))
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Board)) {
        change(&mut self.0.board.lock());
    }

    pub(super) fn take_asked(&self) -> Option<Asked> {
        let mut asked = self.0.asked.lock();
        (!asked.is_empty()).then(|| asked.remove(0))
    }

    pub(super) fn is_asked(&self) -> bool {
        !self.0.asked.lock().is_empty()
    }

    pub(super) fn commands(&self) -> Vec<(Command, String)> {
        self.0.commands.lock().clone()
    }

    pub(super) fn tell(&self, event: DeckEvent) {
        // Nobody listening is fine.
        let _ = self.0.events.send(event);
    }

    pub(super) fn ends(&self, id: u64) {
        let sample = Arc::new(Sample::new(
            RequestId(id),
            Outcome::Success,
            Duration::from_millis(1_234),
        ));
        self.0.ended.lock().push(Arc::clone(&sample));
        self.tell(DeckEvent::RequestEnded { sample });
    }
}

impl DeckSource for Fake {
    fn chat(&self, request: ChatRequest) -> ChatStream {
        let (pen, pieces) = mpsc::unbounded_channel();
        self.0.asked.lock().push(Asked { request, pen });
        Box::pin(futures_util::stream::unfold(
            pieces,
            |mut pieces| async move { Some((pieces.recv().await?, pieces)) },
        ))
    }

    fn board(&self) -> Arc<Board> {
        let mut board = self.0.board.lock().clone();
        board.uptime = self.0.begun.elapsed();
        Arc::new(board)
    }

    fn series(&self, scope: &Scope, window: Duration, buckets: usize) -> Series {
        let newest = self.0.begun.elapsed().as_secs() + buckets as u64;
        let first = newest + 1 - buckets as u64;
        let bucket = |number| SeriesBucket {
            successful: number,
            ..SeriesBucket::default()
        };
        Series {
            scope: scope.clone(),
            step: window / buckets as u32,
            newest,
            buckets: (first..=newest).map(bucket).collect(),
            response_time: Some(Percentiles {
                count: 7,
                p50: Duration::from_millis(1_250),
                ..Percentiles::default()
            }),
            last_errors: vec![ErrorNote {
                age: Duration::from_secs(3),
                kind: ErrorKind::Server,
                instance: Some("a".into()),
                message: "~ it broke".to_owned(),
            }],
            ..Series::default()
        }
    }

    fn window_metrics(&self, _scope: &Scope, _window: Duration) -> LlmMetrics {
        self.0.board.lock().totals.clone()
    }

    fn requests(&self, limit: usize) -> Vec<Arc<Sample>> {
        let ended = self.0.ended.lock();
        ended.iter().rev().take(limit).cloned().collect()
    }

    fn figures(&self) -> Figures {
        Figures {
            merged: 7,
            ..Figures::default()
        }
    }

    fn failures(&self, _limit: usize) -> Failures {
        Failures {
            dropped: 5,
            ..Failures::default()
        }
    }

    fn subscribe(&self) -> broadcast::Receiver<DeckEvent> {
        self.0.events.subscribe()
    }

    fn command(&self, command: Command, by: &str) -> BoxFuture<'static, Result<Changed, Error>> {
        self.0
            .commands
            .lock()
            .push((command.clone(), by.to_owned()));
        let Command::Disable { instance } = command else {
            let error = Error::new(ErrorKind::Config, "this pool only switches off");
            return async move { Err(error) }.boxed();
        };
        for view in &mut self.0.board.lock().instances {
            if view.name == instance {
                (view.enabled, view.state) = (false, InstanceState::Off);
            }
        }
        let what = format!("{instance} off");
        self.tell(DeckEvent::Commanded {
            what: what.clone(),
            by: by.to_owned(),
        });
        let undo = Some(Command::Enable { instance });
        async move { Ok(Changed { what, undo }) }.boxed()
    }
}

fn board() -> Board {
    Board {
        strategy: "auto".to_owned(),
        instances: ["a", "b"].map(instance).to_vec(),
        totals: LlmMetrics {
            total_requests: 12,
            since_last_success: Some(Duration::from_secs(2)),
            errors: [(ErrorKind::Server, 3)].into(),
            ..LlmMetrics::default()
        },
        ..Board::default()
    }
}

fn instance(name: &str) -> InstanceView {
    InstanceView {
        name: name.into(),
        provider_type: ProviderType::OpenAi,
        base_url: "http://127.0.0.1:1".to_owned(),
        models: vec!["m".to_owned()],
        state: InstanceState::On,
        enabled: true,
        in_flight: 0,
        permits: 4,
        weight: 1,
        min_interval: Duration::ZERO,
        next_start_in: Duration::ZERO,
        breaker: BreakerView::default(),
        budgets: Vec::new(),
        score: Some(1.5),
        last_latency: None,
        settings: std::collections::BTreeMap::new(),
        metrics: LlmMetrics::default(),
    }
}
