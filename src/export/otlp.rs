//! Traces and metrics to an OpenTelemetry collector, over OTLP/HTTP with protobuf.
//!
//! Nothing runs unless the usual variables name an endpoint ([`Settings::from_vars`]). Spans are made of the one sample that
//! a request leaves at its end, so requests pay nothing for them beyond the event; metrics are the same figures that
//! Prometheus text shows. What does not fit into the queue is dropped, counted, and told of in the log.

mod client;
mod metrics;
mod proto;
mod settings;
mod spans;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::base::trace::Trace;
use crate::base::{DeckEvent, Error, Sample};
use crate::deck::Deck;
use crate::provider::Http;

use client::Client;
pub use settings::{Sampler, Settings, Signal};

/// How long what is left may take to go out when the program ends.
const FAREWELL: Duration = Duration::from_secs(3);
/// How often it is told at most that something was dropped.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Exporters that run. [`shutdown`](Self::shutdown) sends what is left; dropping it sends nothing more.
#[derive(Debug)]
pub struct Exporter {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    dropped: Arc<AtomicU64>,
}

impl Exporter {
    /// Starts exporting what a deck does, on the tokio runtime that this is called in; `None` when nothing is to be
    /// exported.
    ///
    /// # Errors
    /// `config` when a certificate file or a proxy is wrong.
    pub fn start(deck: &Deck, settings: Settings, http: &Http) -> Result<Option<Self>, Error> {
        let settings = Arc::new(settings);
        let stop = CancellationToken::new();
        let dropped = Arc::new(AtomicU64::new(0));
        let mut tasks = Vec::new();
        if let Some(signal) = &settings.traces {
            let client = Client::new(signal, http, stop.clone())?;
            let (sender, queue) = mpsc::channel(settings.queue);
            let drops = Drops {
                count: Arc::clone(&dropped),
                told: None,
                untold: 0,
            };
            let collecting = collect(
                deck.subscribe(),
                sender,
                settings.sampler,
                drops,
                stop.clone(),
            );
            tasks.push(tokio::spawn(collecting));
            let sending = send_spans(queue, deck.clone(), client, Arc::clone(&settings));
            tasks.push(tokio::spawn(sending));
            tracing::info!(to = signal.shown(), "traces are exported");
        }
        if let Some(signal) = &settings.metrics {
            let client = Client::new(signal, http, stop.clone())?;
            let sending = send_metrics(deck.clone(), client, Arc::clone(&settings), stop.clone());
            tasks.push(tokio::spawn(sending));
            tracing::info!(to = signal.shown(), "metrics are exported");
        }
        Ok((!tasks.is_empty()).then_some(Self {
            stop,
            tasks,
            dropped,
        }))
    }

    /// Returns how many traces were dropped, as far as is known.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Sends what is left, for at most three seconds.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        let deadline = Instant::now() + FAREWELL;
        for task in &mut self.tasks {
            if timeout_at(deadline, task).await.is_err() {
                tracing::warn!("the collector was too slow to take the last traces and metrics");
            }
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.stop.cancel();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// What was lost, and when somebody was told.
struct Drops {
    count: Arc<AtomicU64>,
    told: Option<Instant>,
    untold: u64,
}

impl Drops {
    fn add(&mut self, many: u64) {
        self.count.fetch_add(many, Ordering::Relaxed);
        self.untold += many;
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            let many = std::mem::take(&mut self.untold);
            tracing::warn!(
                many,
                "traces were dropped: the collector takes them too slowly"
            );
        }
    }
}

/// Puts ended requests into the queue, or drops them.
async fn collect(
    mut events: broadcast::Receiver<DeckEvent>,
    queue: mpsc::Sender<Arc<Sample>>,
    sampler: Sampler,
    mut drops: Drops,
    stop: CancellationToken,
) {
    let take = |event: DeckEvent, drops: &mut Drops| {
        let DeckEvent::RequestEnded { sample } = event else {
            return;
        };
        let trace = Trace::of(sample.request, sample.traceparent.as_deref());
        if sampler.takes(&trace) && queue.try_send(sample).is_err() {
            drops.add(1);
        }
    };
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = stop.cancelled() => break,
        };
        match event {
            Ok(event) => take(event, &mut drops),
            Err(RecvError::Lagged(many)) => drops.add(many),
            Err(RecvError::Closed) => return,
        }
    }
    // What has ended by now still goes out.
    loop {
        match events.try_recv() {
            Ok(event) => take(event, &mut drops),
            Err(TryRecvError::Lagged(many)) => drops.add(many),
            Err(TryRecvError::Empty | TryRecvError::Closed) => return,
        }
    }
}

/// Sends spans in batches until the queue is closed and empty.
async fn send_spans(
    mut queue: mpsc::Receiver<Arc<Sample>>,
    deck: Deck,
    client: Client,
    settings: Arc<Settings>,
) {
    let mut batch = Vec::with_capacity(settings.batch);
    loop {
        let until = Instant::now() + settings.delay;
        let mut is_open = true;
        while is_open && batch.len() < settings.batch {
            match timeout_at(until, queue.recv_many(&mut batch, settings.batch)).await {
                Ok(0) => is_open = false,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        if !batch.is_empty() {
            let servers = spans::Servers::of(&deck.board());
            let request = spans::request(&batch, &servers, &settings.resource);
            batch.clear();
            client.send(&request).await;
        }
        if !is_open {
            return;
        }
    }
}

/// Sends all metrics every now and then, and once more at the end.
async fn send_metrics(
    deck: Deck,
    client: Client,
    settings: Arc<Settings>,
    stop: CancellationToken,
) {
    loop {
        let is_over = timeout(settings.every, stop.cancelled()).await.is_ok();
        let request = metrics::request(
            &deck.board(),
            &deck.figures(),
            &settings.resource,
            jiff::Timestamp::now(),
        );
        client.send(&request).await;
        if is_over {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
