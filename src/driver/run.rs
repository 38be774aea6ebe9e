//! One request from call to end: lease, attempt, first token, rest. Exactly one Sample comes of it, whatever happens.

mod ending;
mod first_token;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use tokio::time::Instant;

use crate::base::trace::{Trace, attempt_span};
use crate::base::{
    Answer, Attempt, ChatRequest, ChatStream, Chunk, DeckEvent, Error, ErrorKind, InstanceName,
    Outcome, ProviderType, RequestId, RouteName, Sample, Started, Target,
};

use super::attempt::Running;
use super::hedge;
use super::rules::Rules;
use super::{InForce, Shared};

use ending::written;

/// Makes the stream of a request.
pub(super) fn stream(shared: Arc<Shared>, request: ChatRequest) -> ChatStream {
    let run = Run::Idle { shared, request };
    Box::pin(stream::unfold(run, |mut run| async move {
        loop {
            match run {
                Run::Idle { shared, request } => {
                    run = Run::Active(Box::new(Active::begin(shared, request)));
                }
                Run::Active(mut active) => {
                    let item = active.next().await;
                    let next = match &item {
                        Ok(Chunk::Done(_)) | Err(_) => Run::Ended,
                        Ok(_) => Run::Active(active),
                    };
                    return Some((item, next));
                }
                Run::Ended => return None,
            }
        }
    }))
}

#[expect(
    clippy::large_enum_variant,
    reason = "one for each request, and soon the small one"
)]
enum Run {
    /// Not polled yet: nothing has happened.
    Idle {
        shared: Arc<Shared>,
        request: ChatRequest,
    },
    Active(Box<Active>),
    Ended,
}

/// A request under way. Dropping it before its end is a cancellation, and is counted as one.
struct Active {
    shared: Arc<Shared>,
    /// The settings it began with.
    in_force: Arc<InForce>,
    /// What counts for its route.
    rules: Rules,
    id: RequestId,
    request: ChatRequest,
    /// What came with it; in `request` stands what goes along to the instance.
    traceparent: Option<String>,
    route: Option<RouteName>,
    called: Instant,
    /// Until here new attempts may begin, and the queue is waited in.
    deadline: Instant,
    want: Option<crate::pool::core::Want>,
    phase: Phase,
    /// The attempt that runs. It stays here while it is waited for, so that a drop at any await finds it.
    running: Option<Running>,
    /// A second attempt beside it, while neither has given its first token.
    hedge: Option<Running>,
    /// When the second attempt may begin; `None` when it may not, or has.
    hedge_at: Option<Instant>,
    counts: Counts,
    /// Pieces to hand out before going on.
    ready: VecDeque<Chunk>,
    answer: Answer,
    attempts: Vec<Attempt>,
    queued: Duration,
    last_asked: Option<(InstanceName, ProviderType)>,
    outcome: Option<(Outcome, Option<Error>)>,
    /// The sample of an answer that was given away.
    sample: Option<Sample>,
}

/// Attempts after the first, by why they were made.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    retries: u32,
    failovers: u32,
    hedges: u32,
}

#[derive(Clone, Copy)]
enum Phase {
    /// Wants a lease, after this time.
    Wanting(Duration),
    /// Waits for the first token.
    Silent,
    /// The first token has been shown: no retry from here.
    Streaming,
    Over,
}

impl Active {
    fn begin(shared: Arc<Shared>, mut request: ChatRequest) -> Self {
        let called = Instant::now();
        let in_force = shared.in_force();
        let id = shared.next_request();
        let route = match &request.target {
            Target::Route(route) => Some(route.clone()),
            Target::Any | Target::Type(_) | Target::Instance(_) => None,
        };
        let rules = Rules::of(&in_force, route.as_ref());
        request.priority = request.priority.max(rules.priority);
        shared.monitor.begin(id, route.as_ref());
        shared.budget.request();
        hedge::pay(&shared, &in_force, &request.target);
        shared.tell(|| DeckEvent::RequestStarted { id });
        // A target of its own, so that one setting keeps what people write out of every log.
        tracing::trace!(target: "llmdeck::prompts", request = %id, messages = %written(&request), "prompt");
        let deadline = called + request.deadline.unwrap_or(rules.deadline);
        Self {
            shared,
            in_force,
            rules,
            id,
            traceparent: request.traceparent.take(),
            route,
            called,
            deadline,
            want: None,
            phase: Phase::Wanting(Duration::ZERO),
            running: None,
            hedge: None,
            hedge_at: None,
            counts: Counts::default(),
            ready: VecDeque::new(),
            answer: Answer::default(),
            attempts: Vec::new(),
            queued: Duration::ZERO,
            last_asked: None,
            outcome: None,
            sample: None,
            request,
        }
    }

    /// Returns the next piece for the caller; `Done` or an error is the last.
    async fn next(&mut self) -> Result<Chunk, Error> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Ok(chunk);
            }
            match self.phase {
                Phase::Wanting(after) => self.lease(after).await?,
                Phase::Silent => self.wait_for_first_token().await?,
                Phase::Streaming => {
                    if let Some(chunk) = self.pass_on().await? {
                        return Ok(chunk);
                    }
                }
                Phase::Over => return Ok(self.finished()),
            }
        }
    }

    /// Gets a lease and sends the request.
    async fn lease(&mut self, after: Duration) -> Result<(), Error> {
        if !after.is_zero() {
            if Instant::now() + after >= self.deadline {
                let error = Error::new(ErrorKind::Deadline, "no time is left for another attempt");
                return Err(self.fail(error));
            }
            tokio::time::sleep(after).await;
        }
        let want = match self.want.take() {
            Some(want) => want,
            None => self.shared.balancer.want(&self.request, self.deadline),
        };
        self.want = Some(want.clone());
        let waiting_since = Instant::now();
        let lease = match self.shared.balancer.lease(want).await {
            Ok(lease) => lease,
            Err(error) => {
                self.queued += waiting_since.elapsed();
                return Err(self.fail(error));
            }
        };
        self.queued += lease.queued();
        if let Some(want) = &mut self.want {
            want.tag = Some(lease.tag());
        }
        if let Some(last) = self.attempts.last() {
            if last.instance == *lease.instance() {
                self.counts.retries += 1;
            } else {
                self.counts.failovers += 1;
            }
        }
        self.hedge_at = hedge::delay(&self.shared, &self.in_force, &self.request.target)
            .map(|delay| Instant::now() + delay);
        self.running = Some(self.send(lease));
        self.phase = Phase::Silent;
        Ok(())
    }

    fn send(&mut self, lease: crate::pool::Lease) -> Running {
        self.last_asked = Some((lease.instance().clone(), lease.provider_type()));
        let started_after = self.called.elapsed();
        // Who exports no spans must not stand between the caller's and the instance's.
        self.request.traceparent.clone_from(&self.traceparent);
        if self.in_force.settings.trace {
            let trace = Trace::of(self.id, self.traceparent.as_deref());
            if trace.parent.is_none() {
                // What a caller said of another trace means nothing in this one.
                self.request.tracestate = None;
            }
            let span = attempt_span(self.id, lease.instance(), started_after);
            self.request.traceparent = Some(trace.traceparent(span));
        }
        // What the caller wanted is in `want`; here stands what this instance is asked for.
        if self.request.model.as_deref() != Some(lease.model()) {
            self.request.model = Some(lease.model().to_owned());
        }
        Running::begin(&self.shared, self.id, &self.request, lease, started_after)
    }

    /// Passes on a piece of a stream that has begun.
    async fn pass_on(&mut self) -> Result<Option<Chunk>, Error> {
        let Some(running) = &mut self.running else {
            self.phase = Phase::Over;
            return Ok(None);
        };
        let piece = match self.rules.patience_with(running) {
            None => running.next().await,
            Some((until, error)) => match tokio::time::timeout_at(until, running.next()).await {
                Ok(piece) => piece,
                Err(_) => Some(Err(error)),
            },
        };
        match piece {
            Some(Ok(chunk)) => {
                self.answer.push(&chunk);
                Ok(Some(chunk))
            }
            Some(Err(error)) => {
                let error = named(error, &running.record);
                self.attempts
                    .extend(self.running.take().map(|running| running.fail(&error)));
                Err(self.fail(error))
            }
            None => {
                self.ended_well();
                Ok(None)
            }
        }
    }

    fn ended_well(&mut self) {
        if let Some(running) = self.running.take() {
            self.attempts.push(running.succeed(&self.answer));
        }
        self.phase = Phase::Over;
    }

    /// Tells the caller who answers.
    fn start(&mut self) {
        let Some(running) = &self.running else {
            return;
        };
        let (instance, provider_type) = (running.record.instance.clone(), running.provider_type());
        self.last_asked = Some((instance.clone(), provider_type));
        let started = Chunk::Started(Box::new(Started {
            request_id: self.id,
            instance,
            provider_type,
            model: running.record.model.clone(),
            attempt: self.attempts.len() as u32 + 1,
            queued: self.queued,
            time_to_first_token: self.called.elapsed(),
        }));
        self.take(started);
    }

    fn take(&mut self, chunk: Chunk) {
        self.answer.push(&chunk);
        self.ready.push_back(chunk);
    }
}

/// Puts the instance's name into an error that has none.
fn named(error: Error, record: &Attempt) -> Error {
    if error.instance().is_some() {
        error
    } else {
        error.with_instance(record.instance.clone())
    }
}
