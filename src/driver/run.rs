//! One request from call to end: lease, attempt, first token, rest. Exactly one Sample comes of it, whatever happens.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use tokio::time::Instant;

use crate::base::trace::{Trace, attempt_span};
use crate::base::{
    Answer, Attempt, ChatRequest, ChatStream, Chunk, DeckEvent, Error, ErrorKind, FinishReason,
    InstanceName, Outcome, ProviderType, RequestId, RouteName, Sample, Started, Target, shorten,
};

use super::attempt::Running;
use super::hedge::{self, Race, Times};
use super::retry::{self, Next};
use super::rules::Rules;
use super::{InForce, Shared};

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

    /// Reads until the first output, a proper end without any, or a failure.
    async fn wait_for_first_token(&mut self) -> Result<(), Error> {
        // A caller's own deadline is hard; the pool's only bounds waiting and new attempts, since a local server may
        // take minutes to load a model, which has its own timeout.
        let hard = self.request.deadline.map(|_| self.deadline);
        loop {
            let too_late = self.rules.too_late(self.running.as_ref());
            let times = Times {
                late: self.hedge_at,
                too_late,
                deadline: hard,
            };
            match hedge::race(&mut self.running, &mut self.hedge, times).await {
                Race::First(Some(Ok(chunk))) => {
                    let output = chunk.is_output();
                    if output {
                        self.attempts.extend(self.hedge.take().map(Running::cancel));
                        self.start();
                    }
                    self.take(chunk);
                    if output {
                        self.phase = Phase::Streaming;
                        return Ok(());
                    }
                }
                Race::First(Some(Err(error))) => {
                    if self.first_failed(error)? {
                        return Ok(());
                    }
                }
                Race::TooLate => {
                    let error = self.rules.no_first_token();
                    if self.first_failed(error)? {
                        return Ok(());
                    }
                }
                Race::First(None) => {
                    self.attempts.extend(self.hedge.take().map(Running::cancel));
                    self.start();
                    self.ended_well();
                    return Ok(());
                }
                Race::Second(Some(Ok(chunk))) if chunk.is_output() => {
                    let second = self.hedge.take();
                    let first = std::mem::replace(&mut self.running, second);
                    self.attempts.extend(first.map(Running::cancel));
                    self.forget_pieces();
                    self.start();
                    self.take(chunk);
                    self.phase = Phase::Streaming;
                    return Ok(());
                }
                Race::Second(Some(Ok(_))) => {}
                Race::Second(Some(Err(error))) => {
                    if let Some(second) = self.hedge.take() {
                        let error = named(error, &second.record);
                        self.attempts.push(second.fail(&error));
                    }
                }
                Race::Second(None) => self.attempts.extend(self.hedge.take().map(Running::cancel)),
                Race::Late => self.begin_hedge(),
                Race::OutOfTime => {
                    let mut error =
                        Error::new(ErrorKind::Deadline, "no first token before the deadline");
                    if let Some(running) = &self.running {
                        error = named(error, &running.record);
                    }
                    self.cancel_running();
                    return Err(self.fail(error));
                }
            }
        }
    }

    /// Goes on after the first attempt failed: with the second one, if it is under way; else as the error says. Tells
    /// whether another lease is wanted.
    fn first_failed(&mut self, error: Error) -> Result<bool, Error> {
        let Some(hedge) = self.hedge.take() else {
            return self.after_failure(error).map(|()| true);
        };
        if let Some(first) = self.running.replace(hedge) {
            let error = named(error, &first.record);
            self.attempts.push(first.fail(&error));
        }
        self.forget_pieces();
        Ok(false)
    }

    /// Begins a second attempt beside a slow one, if a permit is free and the budget has room.
    fn begin_hedge(&mut self) {
        self.hedge_at = None;
        let Some(mut want) = self.want.clone() else {
            return;
        };
        want.tried
            .extend(self.running.as_ref().and_then(Running::at));
        let target = &self.request.target;
        let Some(lease) = hedge::lease(&self.shared, &self.in_force, target, want) else {
            return;
        };
        self.counts.hedges += 1;
        let asked_first = self.last_asked.clone();
        self.hedge = Some(self.send(lease));
        // Until it has won, the first is the one that was asked.
        self.last_asked = asked_first;
    }

    /// What came from an attempt that is no longer the answer belongs to it alone.
    fn forget_pieces(&mut self) {
        self.answer = Answer::default();
        self.ready.retain(|chunk| matches!(chunk, Chunk::Retry(_)));
    }

    fn cancel_running(&mut self) {
        self.attempts.extend(self.hedge.take().map(Running::cancel));
        self.attempts
            .extend(self.running.take().map(Running::cancel));
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

    /// Decides what comes after a failure before the first token.
    fn after_failure(&mut self, error: Error) -> Result<(), Error> {
        let Some(running) = self.running.take() else {
            return Err(self.fail(error));
        };
        let error = named(error, &running.record);
        let (at, is_probe) = (running.at(), running.is_probe());
        let attempt = running.fail(&error);
        self.attempts.push(attempt.clone());
        self.forget_pieces();
        let number = self.attempts.len() as u32;
        let mut untried = false;
        if let Some(want) = &mut self.want {
            want.tried.extend(at);
            untried = self.shared.balancer.has_untried(want);
        }
        let next = retry::next(
            &self.rules.retry,
            &error,
            number,
            untried,
            &mut *self.shared.dice.lock(),
        );
        let wait = match next {
            Next::Stop => return Err(self.fail(error)),
            Next::Failover => Duration::ZERO,
            Next::Again(wait) => {
                if let Some(want) = &mut self.want {
                    want.tried.clear();
                }
                wait
            }
        };
        let is_paid = || self.shared.budget.take(error.kind(), is_probe, next);
        if Instant::now() + wait >= self.deadline || !is_paid() {
            return Err(self.fail(error));
        }
        self.ready.push_back(Chunk::Retry(Box::new(attempt)));
        self.phase = Phase::Wanting(wait);
        Ok(())
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

    /// Makes the last piece of an answer that came to its end.
    fn finished(&mut self) -> Chunk {
        self.trace_answer();
        self.outcome = Some((Outcome::Success, None));
        let sample = self.sample(Outcome::Success, None);
        let mut response = std::mem::take(&mut self.answer).into_response();
        response.cost = sample.cost;
        response.attempts = std::mem::take(&mut self.attempts);
        response.queued = self.queued;
        response.total_time = sample.total;
        response.request_id = Some(self.id);
        if response.finish_reason.is_none() {
            response.finish_reason = Some(FinishReason::Unknown);
        }
        self.sample = Some(sample);
        Chunk::Done(Box::new(response))
    }

    fn cost(&self) -> Option<f64> {
        let response = self.answer.so_far();
        self.shared.cost(
            response.instance.as_ref()?,
            response.model.as_deref()?,
            response.usage.as_ref(),
        )
    }

    /// What has come, on one line, for those who want it in the log.
    fn trace_answer(&self) {
        let text = &self.answer.so_far().text;
        tracing::trace!(target: "llmdeck::prompts", request = %self.id, ?text, "answer");
    }

    /// Returns what was asked, for those who want it in the request log.
    fn prompt(&self) -> Option<Arc<str>> {
        const LONGEST: usize = 64 << 10;
        let is_wanted = self.shared.in_force().settings.prompts;
        is_wanted.then(|| shorten(&written(&self.request), LONGEST).into())
    }

    /// Makes the error that ends the request.
    fn fail(&mut self, error: Error) -> Error {
        let error = error
            .with_attempts(self.attempts.clone())
            .with_request(self.id);
        self.outcome = Some((Outcome::Failure(error.kind()), Some(error.clone())));
        error
    }

    /// Makes the one sample of this request.
    fn sample(&self, outcome: Outcome, error: Option<&Error>) -> Sample {
        let total = self.called.elapsed();
        let response = self.answer.so_far();
        let mut sample = Sample::new(self.id, outcome, total);
        if let Some((instance, provider_type)) = &self.last_asked {
            sample.instance = Some(instance.clone());
            sample.provider_type = Some(*provider_type);
        }
        sample.called_at = jiff::Timestamp::now() - total;
        sample.caller.clone_from(&self.request.caller);
        sample.conversation.clone_from(&self.request.conversation);
        sample.traceparent.clone_from(&self.traceparent);
        sample.tracestate.clone_from(&self.request.tracestate);
        sample.target.clone_from(&self.request.target);
        sample.route.clone_from(&self.route);
        sample.finish_reason.clone_from(&response.finish_reason);
        sample.model = response
            .model
            .clone()
            .or_else(|| self.attempts.last().map(|attempt| attempt.model.clone()))
            .or_else(|| self.request.model.clone());
        sample.queued = self.queued;
        sample.time_to_first_token = response.time_to_first_token;
        sample.usage = response.usage;
        sample.cost = self.cost();
        sample.time_between_tokens = response
            .usage
            .and_then(|usage| usage.completion_tokens)
            .filter(|tokens| *tokens >= 2)
            .zip(response.time_to_first_token)
            .map(|(tokens, first)| total.saturating_sub(first).div_f64((tokens - 1) as f64));
        sample.attempts.clone_from(&self.attempts);
        sample.retries = self.counts.retries;
        sample.failovers = self.counts.failovers;
        sample.hedges = self.counts.hedges;
        sample.error = error.map(|error| (error.kind(), error.message().to_owned()));
        sample.prompt = self.prompt();
        sample
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        // What still runs ends first, so that its attempt is counted before its request.
        self.cancel_running();
        let (outcome, error) = self.outcome.take().unwrap_or((Outcome::Cancelled, None));
        let sample = match self.sample.take() {
            Some(sample) => sample,
            None => {
                self.trace_answer();
                self.sample(outcome, error.as_ref())
            }
        };
        self.shared.monitor.record(&sample, Instant::now());
        let usage = sample.usage.unwrap_or_default();
        tracing::info!(
            request = %self.id,
            instance = sample.instance.as_ref().map_or("-", |name| name.as_str()),
            model = sample.model.as_deref().unwrap_or("-"),
            outcome = word(outcome),
            attempts = sample.attempts.len(),
            queued_ms = sample.queued.as_millis() as u64,
            first_token_ms = sample.time_to_first_token.map(|time| time.as_millis() as u64),
            total_ms = sample.total.as_millis() as u64,
            prompt_tokens = usage.prompt_tokens,
            completion_tokens = usage.completion_tokens,
            error = error.as_ref().map(tracing::field::display),
            "request"
        );
        let sample = Arc::new(sample);
        self.shared.keep(&sample);
        self.shared.tell(|| DeckEvent::RequestEnded { sample });
    }
}

/// The messages on one line, control characters escaped.
fn written(request: &ChatRequest) -> String {
    serde_json::to_string(&request.messages).unwrap_or_default()
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Failure(kind) => kind.as_str(),
        Outcome::Cancelled => "cancelled",
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
