//! One attempt: a lease, an upstream stream, and what is known of it so far. Dropping it cancels the attempt, and the
//! pool and the monitor are told.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use crate::base::{
    Answer, Attempt, ChatRequest, ChatStream, Chunk, Error, Health, Outcome, ProviderType,
    RequestId, Usage,
};
use crate::pool::Lease;

use super::{Shared, roster};

/// Progress is told to pool and monitor in batches of this many tokens ...
const TOKENS_AT_ONCE: u64 = 16;
/// ... or after this time.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// An attempt that runs.
pub(super) struct Running {
    shared: Arc<Shared>,
    request_id: RequestId,
    provider_type: ProviderType,
    lease: Option<Lease>,
    /// `None` once it is over: the connection closes before the permit is given back.
    upstream: Option<ChatStream>,
    begun: Instant,
    /// The record that is kept of it.
    pub(super) record: Attempt,
    /// Tokens that came and have not been told of.
    untold: u64,
    told_at: Instant,
}

impl Running {
    /// Sends the request, whose model is the lease's, to the lease's instance (when first polled).
    pub(super) fn begin(
        shared: &Arc<Shared>,
        request_id: RequestId,
        request: &ChatRequest,
        lease: Lease,
        started_after: Duration,
    ) -> Self {
        let now = Instant::now();
        let upstream = match shared.roster.read().get(lease.at()) {
            Some(member) => member.strategy.stream(request),
            None => {
                let error = roster::unknown(lease.instance());
                Box::pin(stream::once(async { Err(error) }))
            }
        };
        shared
            .monitor
            .attempt_begin(request_id, lease.instance(), lease.provider_type());
        Self {
            record: Attempt {
                instance: lease.instance().clone(),
                model: lease.model().to_owned(),
                outcome: Outcome::Cancelled,
                message: None,
                status: None,
                started_after,
                queued: lease.queued(),
                headers: None,
                first_token: None,
                total: Duration::ZERO,
            },
            shared: Arc::clone(shared),
            request_id,
            provider_type: lease.provider_type(),
            lease: Some(lease),
            upstream: Some(upstream),
            begun: now,
            untold: 0,
            told_at: now,
        }
    }

    /// Returns when it was sent.
    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    /// Returns the number of its instance.
    pub(super) fn at(&self) -> Option<u32> {
        self.lease.as_ref().map(Lease::at)
    }

    /// Tells whether it finds out if its instance is well again.
    pub(super) fn is_probe(&self) -> bool {
        self.lease.as_ref().is_some_and(Lease::is_probe)
    }

    /// Returns the provider type of its instance.
    pub(super) fn provider_type(&self) -> ProviderType {
        self.provider_type
    }

    /// Returns the next piece, with what it means for pool and monitor already told.
    pub(super) async fn next(&mut self) -> Option<Result<Chunk, Error>> {
        let piece = match &mut self.upstream {
            Some(upstream) => upstream.next().await,
            None => None,
        };
        if let (Some(Ok(chunk)), Some(lease)) = (&piece, &self.lease) {
            match chunk {
                Chunk::Head(head) => {
                    self.record.headers = Some(head.after);
                    lease.observe(&head.rate_limits);
                }
                chunk if chunk.is_output() => {
                    if self.record.first_token.is_none() {
                        self.record.first_token = Some(self.begun.elapsed());
                        lease.first_token();
                    }
                    self.untold += tokens_of(chunk);
                    if self.untold >= TOKENS_AT_ONCE || self.told_at.elapsed() >= TELL_EVERY {
                        self.tell_progress();
                    }
                }
                _ => {}
            }
        }
        piece
    }

    /// Ends it properly, with what the provider counted.
    pub(super) fn succeed(mut self, answer: &Answer) -> Attempt {
        self.tell_progress();
        let usage = answer.so_far().usage;
        self.upstream = None;
        if let Some(lease) = self.lease.take() {
            let spend = self
                .shared
                .cost(lease.instance(), lease.model(), usage.as_ref());
            lease.succeed(
                usage.as_ref().and_then(Usage::total),
                usage.and_then(|usage| usage.completion_tokens),
                spend,
            );
        }
        self.finish(Outcome::Success)
    }

    /// Ends it with an error.
    pub(super) fn fail(mut self, error: &Error) -> Attempt {
        self.tell_progress();
        self.record.message = Some(error.message().to_owned());
        self.record.status = error.status();
        self.upstream = None;
        if let Some(lease) = self.lease.take() {
            lease.fail(error);
        }
        if error.health() == Health::Hold {
            // Only a person can mend it, so nobody waits for the next look.
            self.shared.look_at_alerts(true);
        }
        self.finish(Outcome::Failure(error.kind()))
    }

    /// Ends it because nobody wants it any more.
    pub(super) fn cancel(mut self) -> Attempt {
        self.tell_progress();
        self.finish(Outcome::Cancelled)
    }

    fn finish(&mut self, outcome: Outcome) -> Attempt {
        self.upstream = None;
        self.lease = None;
        self.record.outcome = outcome;
        self.record.total = self.begun.elapsed();
        self.shared
            .monitor
            .attempt_end(&self.record, self.provider_type, Instant::now());
        self.shared.tell(|| crate::base::DeckEvent::AttemptEnded {
            id: self.request_id,
            attempt: self.record.clone(),
        });
        tracing::debug!(
            request = %self.request_id,
            instance = %self.record.instance,
            model = self.record.model,
            outcome = ?self.record.outcome,
            total_ms = self.record.total.as_millis() as u64,
            "attempt"
        );
        self.record.clone()
    }

    fn tell_progress(&mut self) {
        if self.untold == 0 {
            return;
        }
        let now = Instant::now();
        if let Some(lease) = &self.lease {
            lease.progress(self.untold);
            self.shared.monitor.progress(
                self.request_id,
                lease.instance(),
                lease.provider_type(),
                self.untold as u32,
                now,
            );
        }
        self.untold = 0;
        self.told_at = now;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A lease that is still here means that nobody ended it: the caller went away.
        if self.lease.is_some() {
            self.tell_progress();
            self.finish(Outcome::Cancelled);
        }
    }
}

/// Guesses the tokens of a piece: 1 for 4 bytes of ASCII, 1 for each other character, at least 1.
fn tokens_of(chunk: &Chunk) -> u64 {
    let text = match chunk {
        Chunk::Frames(frames) => return u64::from(frames.tokens),
        Chunk::Text(text) | Chunk::Reasoning(text) | Chunk::Refusal(text) => text.as_str(),
        _ => "",
    };
    let ascii = text.bytes().filter(u8::is_ascii).count() as u64;
    let other = text.chars().filter(|c| !c.is_ascii()).count() as u64;
    (ascii / 4 + other).max(1)
}
