//! Instances that follow a script, and drivers over them.

use std::sync::atomic::AtomicUsize;

use futures_util::{FutureExt, StreamExt, stream};
use parking_lot::Mutex;

use super::*;
use crate::base::{Chunk, ErrorKind, FinishReason, Usage};

/// What a scripted instance does with one request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Answers with these pieces, the first after this time, the others 10 ms apart.
    Answer(Duration, Vec<&'static str>),
    /// Fails at once.
    Fail(Error),
    /// Sends a piece, then fails.
    Break(&'static str, Error),
    /// Sends a piece, is silent for this time, sends another and ends well.
    Pause(&'static str, Duration, &'static str),
    /// Never says anything.
    Hang,
}

/// An instance that follows its script, then repeats the last act.
pub(super) struct Scripted {
    pub(super) provider_type: ProviderType,
    pub(super) script: Mutex<VecDeque<Act>>,
    pub(super) running: Arc<AtomicUsize>,
    pub(super) peak: AtomicUsize,
    pub(super) asked: AtomicUsize,
}

/// Counts one running upstream stream.
pub(super) struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Scripted {
    pub(super) fn new(provider_type: ProviderType, acts: impl Into<Vec<Act>>) -> Arc<Self> {
        Arc::new(Self {
            provider_type,
            script: Mutex::new(acts.into().into()),
            running: Arc::default(),
            peak: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
        })
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl LlmModelStrategy for Scripted {
    fn provider_type(&self) -> ProviderType {
        self.provider_type
    }

    fn stream(&self, request: &ChatRequest) -> ChatStream {
        assert!(request.model.is_some(), "the driver always sets a model");
        let act = {
            let mut script = self.script.lock();
            if script.len() > 1 {
                script.pop_front()
            } else {
                script.front().cloned()
            }
        }
        .unwrap_or(Act::Hang);
        self.asked.fetch_add(1, Ordering::SeqCst);
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(now, Ordering::SeqCst);
        let guard = Guard(Arc::clone(&self.running));
        let (wait, pieces): (Duration, Vec<Result<Chunk, Error>>) = match act {
            Act::Answer(wait, texts) => {
                let mut pieces: Vec<_> = texts
                    .iter()
                    .map(|text| Ok(Chunk::Text((*text).to_owned())))
                    .collect();
                pieces.push(Ok(Chunk::Finish {
                    reason: FinishReason::Stop,
                    raw: Some("stop".to_owned()),
                }));
                pieces.push(Ok(Chunk::Usage(Usage {
                    prompt_tokens: Some(10),
                    completion_tokens: Some(texts.len() as u64),
                    ..Usage::default()
                })));
                (wait, pieces)
            }
            Act::Fail(error) => (Duration::ZERO, vec![Err(error)]),
            Act::Break(text, error) => (
                Duration::ZERO,
                vec![Ok(Chunk::Text(text.to_owned())), Err(error)],
            ),
            Act::Pause(first, silence, rest) => {
                let text = |text: &str| Ok(Chunk::Text(text.to_owned()));
                let pieces = stream::iter([text(first)]).chain(stream::once(async move {
                    let _guard = guard;
                    tokio::time::sleep(silence).await;
                    text(rest)
                }));
                return Box::pin(pieces);
            }
            Act::Hang => (Duration::from_secs(1_000_000), Vec::new()),
        };
        Box::pin(stream::unfold(
            (guard, VecDeque::from(pieces), wait),
            |(guard, mut pieces, wait)| async move {
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                let piece = pieces.pop_front()?;
                Some((piece, (guard, pieces, Duration::from_millis(10))))
            },
        ))
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        async { Ok(vec!["m".to_owned()]) }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        async { Ok(()) }.boxed()
    }
}

pub(super) fn answer(texts: &[&'static str]) -> Act {
    Act::Answer(Duration::from_millis(200), texts.to_vec())
}

pub(super) fn server_error() -> Error {
    Error::new(ErrorKind::Server, "boom").with_status(500)
}

pub(super) fn spec(name: &str, permits: usize, strategy: &Arc<Scripted>) -> InstanceSpec {
    InstanceSpec {
        settings: InstanceSettings {
            models: vec![format!("model-of-{name}")],
            limits: limit::Settings {
                permits,
                ..limit::Settings::default()
            },
            ..InstanceSettings::new(name, strategy.provider_type)
        },
        strategy: Arc::clone(strategy) as Arc<dyn LlmModelStrategy>,
    }
}

pub(super) fn driver(instances: Vec<InstanceSpec>) -> LlmModelDriver {
    let settings = Settings {
        seed: Some(1),
        ..Settings::default()
    };
    LlmModelDriver::new(settings, Vec::new(), instances).unwrap()
}

pub(super) fn names(response: &LlmResponse) -> Vec<&str> {
    response
        .attempts
        .iter()
        .map(|attempt| attempt.instance.as_str())
        .collect()
}

pub(super) fn adds_up(metrics: &LlmMetrics) {
    assert_eq!(
        metrics.total_requests,
        metrics.successful_requests
            + metrics.failed_requests
            + metrics.cancelled_requests
            + metrics.in_flight,
        "{metrics:?}"
    );
}

pub(super) fn routed() -> ChatRequest {
    ChatRequest::from("Hi").with_target(Target::Route("r".into()))
}
