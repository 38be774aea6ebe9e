//! A deck whose answers the test writes, and whose pool obeys commands.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc};

use crate::base::{
    Board, Changed, ChatRequest, ChatStream, Chunk, Command, DeckEvent, Error, ErrorKind,
    ErrorNote, Failures, FinishReason, InstanceName, InstanceState, InstanceView, LlmMetrics,
    LlmResponse, Percentiles, ProviderType, QueueView, RequestId, Sample, Scope, Series,
    SeriesBucket, Started, Usage,
};
use crate::deck::DeckSource;

/// What the test and the deck share.
#[derive(Clone)]
pub(super) struct Fake(Arc<Shared>);

struct Shared {
    board: Mutex<Board>,
    events: broadcast::Sender<DeckEvent>,
    asked: Mutex<VecDeque<Asked>>,
    commands: Mutex<Vec<Command>>,
    ended: Mutex<Vec<Arc<Sample>>>,
    failures: Mutex<Failures>,
    empty_series: AtomicBool,
    board_reads: AtomicUsize,
    series_reads: AtomicUsize,
}

/// One question that came in, with the pen to answer it.
pub(super) struct Asked {
    pub(super) request: ChatRequest,
    pen: mpsc::UnboundedSender<Result<Chunk, Error>>,
    dropped: Arc<AtomicBool>,
}

impl Asked {
    /// Names who answers.
    pub(super) fn started(&self, instance: &str) {
        self.send(Chunk::Started(Box::new(Started {
            request_id: RequestId(1),
            instance: instance.into(),
            provider_type: ProviderType::OpenAi,
            model: "model-x".to_owned(),
            attempt: 1,
            queued: Duration::ZERO,
            time_to_first_token: Duration::from_millis(340),
        })));
    }

    pub(super) fn says(&self, text: &str) {
        self.send(Chunk::Text(text.to_owned()));
    }

    pub(super) fn send(&self, chunk: Chunk) {
        self.pen.send(Ok(chunk)).expect("the console listens");
    }

    /// Ends the answer properly.
    pub(super) fn done(&self, instance: &str) {
        self.send(Chunk::Done(Box::new(LlmResponse {
            instance: Some(instance.into()),
            model: Some("model-x".to_owned()),
            finish_reason: Some(FinishReason::Stop),
            usage: Some(Usage {
                completion_tokens: Some(120),
                ..Usage::default()
            }),
            time_to_first_token: Some(Duration::from_millis(340)),
            total_time: Duration::from_millis(2_740),
            ..LlmResponse::default()
        })));
    }

    pub(super) fn fails(&self, error: Error) {
        self.pen.send(Err(error)).expect("the console listens");
    }

    /// Tells whether the stream was dropped, which cancels the request.
    pub(super) fn is_cancelled(&self) -> bool {
        self.dropped.load(Ordering::SeqCst)
    }
}

impl Fake {
    pub(super) fn new(board: Board) -> Self {
        let (events, _) = broadcast::channel(64);
        Self(Arc::new(Shared {
            board: Mutex::new(board),
            events,
            asked: Mutex::default(),
            commands: Mutex::default(),
            ended: Mutex::default(),
            failures: Mutex::default(),
            empty_series: AtomicBool::new(false),
            board_reads: AtomicUsize::new(0),
            series_reads: AtomicUsize::new(0),
        }))
    }

    /// Takes the oldest question that was not taken yet.
    pub(super) fn asked(&self) -> Asked {
        self.0
            .asked
            .lock()
            .pop_front()
            .expect("a question was asked")
    }

    pub(super) fn was_asked(&self) -> bool {
        !self.0.asked.lock().is_empty()
    }

    pub(super) fn commands(&self) -> Vec<Command> {
        std::mem::take(&mut *self.0.commands.lock())
    }

    /// Changes the pool, and says that something happened.
    pub(super) fn change(&self, change: impl FnOnce(&mut Board)) {
        change(&mut self.0.board.lock());
        self.tell(DeckEvent::RequestStarted { id: RequestId(9) });
    }

    pub(super) fn tell(&self, event: DeckEvent) {
        // Nobody listening is fine.
        let _ = self.0.events.send(event);
    }

    /// A request ended.
    pub(super) fn ends(&self, sample: Sample) {
        let sample = Arc::new(sample);
        self.0.ended.lock().push(Arc::clone(&sample));
        self.tell(DeckEvent::RequestEnded { sample });
    }

    /// The deck remembers these failures.
    pub(super) fn remembers(&self, failures: Failures) {
        *self.0.failures.lock() = failures;
    }

    pub(super) fn has_no_traffic(&self) {
        self.0.empty_series.store(true, Ordering::SeqCst);
    }

    /// Counts how often board and series were read.
    pub(super) fn reads(&self) -> (usize, usize) {
        (
            self.0.board_reads.load(Ordering::SeqCst),
            self.0.series_reads.load(Ordering::SeqCst),
        )
    }
}

impl DeckSource for Fake {
    fn chat(&self, request: ChatRequest) -> ChatStream {
        let (pen, pieces) = mpsc::unbounded_channel();
        let dropped = Arc::new(AtomicBool::new(false));
        self.0.asked.lock().push_back(Asked {
            request,
            pen,
            dropped: Arc::clone(&dropped),
        });
        let held = (pieces, OnDrop(dropped));
        Box::pin(futures_util::stream::unfold(held, |mut held| async move {
            let piece = held.0.recv().await?;
            Some((piece, held))
        }))
    }

    fn board(&self) -> Arc<Board> {
        self.0.board_reads.fetch_add(1, Ordering::SeqCst);
        Arc::new(self.0.board.lock().clone())
    }

    fn series(&self, scope: &Scope, window: Duration, buckets: usize) -> Series {
        self.0.series_reads.fetch_add(1, Ordering::SeqCst);
        if self.0.empty_series.load(Ordering::SeqCst) {
            return Series {
                step: window / buckets.max(1) as u32,
                ..Series::default()
            };
        }
        series(scope, window, buckets)
    }

    fn window_metrics(&self, _scope: &Scope, _window: Duration) -> LlmMetrics {
        self.0.board.lock().totals.clone()
    }

    fn requests(&self, limit: usize) -> Vec<Arc<Sample>> {
        let ended = self.0.ended.lock();
        ended.iter().rev().take(limit).cloned().collect()
    }

    fn failures(&self, _limit: usize) -> Failures {
        self.0.failures.lock().clone()
    }

    fn subscribe(&self) -> broadcast::Receiver<DeckEvent> {
        self.0.events.subscribe()
    }

    fn command(&self, command: Command, by: &str) -> BoxFuture<'static, Result<Changed, Error>> {
        self.0.commands.lock().push(command.clone());
        let changed = obey(&mut self.0.board.lock(), &command);
        if let Ok(changed) = &changed {
            self.tell(DeckEvent::Commanded {
                what: changed.what.clone(),
                by: by.to_owned(),
            });
        }
        async move { changed }.boxed()
    }
}

struct OnDrop(Arc<AtomicBool>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn find<'a>(board: &'a mut Board, name: &InstanceName) -> Result<&'a mut InstanceView, Error> {
    board
        .instances
        .iter_mut()
        .find(|instance| instance.name == *name)
        .ok_or_else(|| Error::new(ErrorKind::Config, format!("no instance '{name}'")))
}

fn obey(board: &mut Board, command: &Command) -> Result<Changed, Error> {
    let (what, undo) = match command {
        Command::Enable { instance } => {
            let found = find(board, instance)?;
            (found.enabled, found.state) = (true, InstanceState::On);
            let undo = Command::Disable {
                instance: instance.clone(),
            };
            (format!("{instance} on"), Some(undo))
        }
        Command::Disable { instance } => {
            let found = find(board, instance)?;
            (found.enabled, found.state) = (false, InstanceState::Off);
            let undo = Command::Enable {
                instance: instance.clone(),
            };
            (
                format!("{instance} off; {} requests finish", found.in_flight),
                Some(undo),
            )
        }
        Command::SetPermits { instance, permits } => {
            let found = find(board, instance)?;
            let before = std::mem::replace(&mut found.permits, *permits);
            let undo = Command::SetPermits {
                instance: instance.clone(),
                permits: before,
            };
            (
                format!("{instance}: {before} -> {permits} permits"),
                Some(undo),
            )
        }
        Command::SetStrategy { strategy, .. } => {
            let before = std::mem::replace(&mut board.strategy, strategy.clone());
            let undo = Command::SetStrategy {
                route: None,
                strategy: before,
            };
            (format!("strategy {strategy}"), Some(undo))
        }
        Command::Probe { instance } => {
            return Err(Error::new(ErrorKind::Network, "connection refused")
                .with_instance(instance.clone()));
        }
        other => (format!("done: {other:?}"), None),
    };
    Ok(Changed { what, undo })
}

/// Six instances in different states.
pub(super) fn board() -> Board {
    let mut instances = vec![
        instance("openai-a", ProviderType::OpenAi, 1, 4, 812),
        instance("openai-b", ProviderType::OpenAi, 2, 4, 947),
        instance("azure-eu", ProviderType::OpenAi, 0, 2, 1_340),
        instance("ollama-1", ProviderType::Ollama, 1, 1, 4_210),
        instance("ollama-2", ProviderType::Ollama, 0, 2, 3_020),
        instance("zhipu", ProviderType::ZhipuAi, 0, 3, 655),
    ];
    instances[2].state = InstanceState::Cooling(Duration::from_secs(12));
    instances[4].state = InstanceState::Open(Duration::from_secs(28));
    instances[4].metrics.failed_requests = 30;
    instances[5].state = InstanceState::Held(ErrorKind::Auth);
    Board {
        strategy: "round_robin".to_owned(),
        next: Some("openai-b".into()),
        queue: QueueView {
            length: 2,
            limit: 256,
            ..QueueView::default()
        },
        totals: metrics(700, 9),
        instances,
        ..Board::default()
    }
}

/// Some instances that are all well, in a pool where nothing happens.
pub(super) fn quiet_board(names: &[&str]) -> Board {
    let instances = names
        .iter()
        .map(|name| instance(name, ProviderType::OpenAi, 0, 4, 500))
        .collect();
    Board {
        strategy: "round_robin".to_owned(),
        instances,
        ..Board::default()
    }
}

fn instance(
    name: &str,
    provider_type: ProviderType,
    in_flight: usize,
    permits: usize,
    millis: u64,
) -> InstanceView {
    InstanceView {
        name: name.into(),
        provider_type,
        base_url: "http://127.0.0.1:1".to_owned(),
        models: vec!["model-x".to_owned()],
        state: InstanceState::On,
        enabled: true,
        in_flight,
        permits,
        weight: 1,
        min_interval: Duration::ZERO,
        next_start_in: Duration::ZERO,
        breaker: crate::base::BreakerView::default(),
        budgets: Vec::new(),
        score: None,
        last_latency: Some(Duration::from_millis(millis)),
        settings: std::collections::BTreeMap::new(),
        metrics: metrics(millis / 7, 1),
    }
}

fn metrics(successful: u64, failed: u64) -> LlmMetrics {
    LlmMetrics {
        total_requests: successful + failed,
        successful_requests: successful,
        failed_requests: failed,
        errors: [(ErrorKind::RateLimited, failed)].into(),
        ..LlmMetrics::default()
    }
}

/// Figures with traffic, a gap and a failure, the same at any time.
fn series(scope: &Scope, window: Duration, buckets: usize) -> Series {
    let bucket = |number: usize| {
        let quiet = (20..24).contains(&number);
        let millis = 700 + (number as u64 * 137) % 900;
        SeriesBucket {
            successful: if quiet { 0 } else { 3 + number as u64 % 4 },
            failed: u64::from(number == 30),
            average_response_time: (!quiet).then(|| Duration::from_millis(millis)),
            p50_response_time: (!quiet).then(|| Duration::from_millis(millis)),
            p95_response_time: (!quiet).then(|| Duration::from_millis(millis * 2)),
            p99_response_time: (!quiet).then(|| Duration::from_millis(millis * 5 / 2)),
            p95_queued: (!quiet).then(|| Duration::from_millis(millis / 10)),
            completion_tokens: if quiet {
                0
            } else {
                120 + number as u64 * 37 % 90
            },
            ..SeriesBucket::default()
        }
    };
    let times = |p50, p95, p99| Percentiles {
        count: 300,
        p50: Duration::from_millis(p50),
        p95: Duration::from_millis(p95),
        p99: Duration::from_millis(p99),
        ..Percentiles::default()
    };
    Series {
        scope: scope.clone(),
        step: window / buckets.max(1) as u32,
        newest: 44,
        buckets: (0..buckets.min(45)).map(bucket).collect(),
        response_time: Some(times(1_104, 2_310, 3_420)),
        time_to_first_token: Some(times(338, 1_210, 2_270)),
        requests_per_second: 4.83,
        tokens_per_second: 212.4,
        success_rate: Some(0.987),
        last_errors: vec![ErrorNote {
            age: Duration::from_secs(12),
            kind: ErrorKind::RateLimited,
            instance: Some("azure-eu".into()),
            message: "Rate limit reached for requests".to_owned(),
        }],
        errors: [(
            ErrorKind::RateLimited,
            (0..buckets.min(45)).map(|n| u64::from(n == 30)).collect(),
        )]
        .into(),
    }
}
