//! How a request ends: its last piece or error, and its one sample.

use std::sync::Arc;

use tokio::time::Instant;

use crate::base::{ChatRequest, Chunk, DeckEvent, Error, FinishReason, Outcome, Sample, shorten};

use super::Active;

impl Active {
    /// Makes the last piece of an answer that came to its end.
    pub(super) fn finished(&mut self) -> Chunk {
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
    pub(super) fn fail(&mut self, error: Error) -> Error {
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
pub(super) fn written(request: &ChatRequest) -> String {
    serde_json::to_string(&request.messages).unwrap_or_default()
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Failure(kind) => kind.as_str(),
        Outcome::Cancelled => "cancelled",
    }
}
