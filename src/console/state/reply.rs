//! One answer, from the moment it is asked for.

use std::time::Duration;

use tokio::time::Instant;

use super::incoming::Incoming;
use crate::base::{
    Answer, Attempt, Chunk, Error, ErrorKind, InstanceName, KeptMessage, LlmResponse, MessageState,
    Outcome, ToolArguments, ToolCallDelta, clean, clean_line,
};

/// The most text kept of one answer, in bytes; a longer one is stopped and says so.
pub(crate) const LONGEST_ANSWER: usize = 4 << 20;

/// The number of an answer, unique in one run of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ReplyId(pub(crate) u64);

/// How far an answer is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Phase {
    /// Asked for, nothing has come.
    Waiting,
    /// Coming in.
    Streaming,
    /// Whole.
    Done,
    /// Stopped by the person who asked.
    Stopped,
    /// Ended by an error; what came before it stays.
    Failed(Error),
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) id: ReplyId,
    pub(crate) phase: Phase,
    /// When it was asked for.
    pub(crate) asked: Instant,
    /// Changes whenever anything here does, so that drawings can be kept.
    pub(crate) revision: u64,
    /// The one instance that was asked, when it was one.
    asked_of: Option<InstanceName>,
    answer: Answer,
    text: Incoming,
    reasoning: Incoming,
    size: usize,
}

impl Reply {
    /// Starts an answer.
    pub(crate) fn new(id: ReplyId, now: Instant) -> Self {
        Self {
            id,
            phase: Phase::Waiting,
            asked: now,
            revision: 0,
            asked_of: None,
            answer: Answer::default(),
            text: Incoming::default(),
            reasoning: Incoming::default(),
            size: 0,
        }
    }

    /// Returns what has come so far; all text in it is clean.
    pub(crate) fn response(&self) -> &LlmResponse {
        self.answer.so_far()
    }

    /// Notes which instance alone is asked.
    pub(crate) fn ask_of(&mut self, name: InstanceName) {
        self.asked_of = Some(name);
    }

    /// Returns the instance that alone was asked.
    pub(crate) fn asked_of(&self) -> Option<&InstanceName> {
        self.asked_of.as_ref()
    }

    /// Tells whether more may come.
    pub(crate) fn is_running(&self) -> bool {
        match self.phase {
            Phase::Waiting | Phase::Streaming => true,
            Phase::Done | Phase::Stopped | Phase::Failed(_) => false,
        }
    }

    /// Returns the attempts that failed before somebody answered.
    pub(crate) fn failed_attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.response()
            .attempts
            .iter()
            .filter(|attempt| attempt.outcome != Outcome::Success)
    }

    /// Takes one piece; `false` when the answer has grown too long and must be stopped.
    pub(crate) fn push(&mut self, chunk: Chunk) -> bool {
        self.revision += 1;
        if chunk.is_output() && self.phase == Phase::Waiting {
            self.phase = Phase::Streaming;
        }
        let chunk = match chunk {
            Chunk::Text(text) => Chunk::Text(self.text.piece(&text)),
            Chunk::Reasoning(text) => Chunk::Reasoning(self.reasoning.piece(&text)),
            Chunk::Refusal(text) => Chunk::Refusal(clean(&text)),
            Chunk::ToolCall(delta) => Chunk::ToolCall(cleaned(delta)),
            Chunk::Done(response) => {
                self.done(*response);
                return true;
            }
            other => other,
        };
        self.size += size(&chunk);
        self.answer.push(&chunk);
        self.size <= LONGEST_ANSWER
    }

    /// Ends it with an error.
    pub(crate) fn fail(&mut self, error: Error) {
        self.revision += 1;
        let attempts = &mut self.answer.so_far_mut().attempts;
        if attempts.is_empty() {
            *attempts = error.attempts().to_vec();
        }
        self.phase = Phase::Failed(error);
    }

    /// Ends it because the person wants no more; what has come stays.
    pub(crate) fn stop(&mut self, now: Instant) {
        self.revision += 1;
        self.answer.so_far_mut().total_time = now.saturating_duration_since(self.asked);
        self.phase = Phase::Stopped;
    }

    /// Becomes an answer that was kept.
    pub(crate) fn put_back(&mut self, kept: &KeptMessage) {
        self.revision += 1;
        let facts = kept.answer.as_deref().cloned().unwrap_or_default();
        let response = self.answer.so_far_mut();
        *response = facts.to_response(&kept.message);
        response.text = clean(&response.text);
        response.reasoning = clean(&response.reasoning);
        response.refusal = clean(&response.refusal);
        for call in &mut response.tool_calls {
            call.name = call.name.as_deref().map(clean_line);
            call.arguments = ToolArguments::Text(clean(&call.arguments.to_text()));
        }
        let broke_off = |why| {
            Error::new(ErrorKind::Cancelled, why)
                .with_hint("ask on, or ask again; what had come stays")
        };
        self.phase = match (kept.state, &facts.error) {
            (MessageState::Whole, _) => Phase::Done,
            (MessageState::Stopped, _) => Phase::Stopped,
            (MessageState::Failed, Some(error)) => Phase::Failed(error.into()),
            (MessageState::Failed, None) => Phase::Failed(broke_off("it failed")),
            (MessageState::Cut, _) => {
                Phase::Failed(broke_off("cut: the program ended in the middle of it"))
            }
            (MessageState::Streaming, _) => {
                Phase::Failed(broke_off("another program is receiving it"))
            }
        };
    }

    /// Returns how long it has been running.
    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.asked)
    }

    /// Takes the figures of the whole answer, and keeps the text as it was shown.
    fn done(&mut self, whole: LlmResponse) {
        let shown = self.answer.so_far_mut();
        let keep = |shown: &mut String, whole: &str| {
            if shown.is_empty() {
                clean(whole)
            } else {
                std::mem::take(shown)
            }
        };
        let text = keep(&mut shown.text, &whole.text);
        let reasoning = keep(&mut shown.reasoning, &whole.reasoning);
        let refusal = keep(&mut shown.refusal, &whole.refusal);
        let tool_calls = std::mem::take(&mut shown.tool_calls);
        *shown = LlmResponse {
            text,
            reasoning,
            refusal,
            tool_calls,
            ..whole
        };
        self.phase = Phase::Done;
    }
}

/// Counts the bytes that a piece adds.
fn size(chunk: &Chunk) -> usize {
    match chunk {
        Chunk::Text(text) | Chunk::Reasoning(text) | Chunk::Refusal(text) => text.len(),
        Chunk::ToolCall(delta) => match &delta.arguments {
            Some(ToolArguments::Text(text)) => text.len() + 16,
            Some(ToolArguments::Json(_)) | None => 64,
        },
        _ => 0,
    }
}

/// A tool call is text of the model's too.
fn cleaned(delta: ToolCallDelta) -> ToolCallDelta {
    /// More calls in one answer than this are a fault; the index must not decide how much memory is taken.
    const MOST_CALLS: usize = 128;
    ToolCallDelta {
        index: delta.index.min(MOST_CALLS - 1),
        id: delta.id,
        name: delta.name.map(|name| clean_line(&name)),
        arguments: delta.arguments.map(|arguments| match arguments {
            ToolArguments::Text(text) => ToolArguments::Text(clean(&text)),
            ToolArguments::Json(value) => ToolArguments::Text(clean(&value.to_string())),
        }),
    }
}
