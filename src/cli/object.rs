//! The one JSON object of `chat --json`: what came, how it came about, and what went wrong.

use std::time::Duration;

use serde_json::{Value, json};

use crate::base::{Attempt, Error, LlmResponse, Outcome};

/// Makes the object; `error` is `null` when all went well, and what had come until then is kept when not.
pub(super) fn of_answer(answer: &LlmResponse, error: Option<&Error>) -> Value {
    let attempts = match error {
        Some(error) if answer.attempts.is_empty() => error.attempts(),
        Some(_) | None => &answer.attempts,
    };
    json!({
        "text": answer.text,
        "reasoning": answer.reasoning,
        "refusal": answer.refusal,
        "tool_calls": answer.tool_calls,
        "finish_reason": answer.finish_reason,
        "finish_raw": answer.finish_raw,
        "usage": answer.usage,
        "timings": answer.timings,
        "cost": answer.cost,
        "error": error.map(of_error),
        "instance": answer.instance.as_ref().or_else(|| error?.instance()),
        "provider_type": answer.provider_type,
        "model": answer.model,
        "attempts": attempts.iter().map(of_attempt).collect::<Vec<_>>(),
        "queued_ms": millis(answer.queued),
        "time_to_first_token_ms": answer.time_to_first_token.map(millis),
        "total_ms": millis(answer.total_time),
    })
}

/// Makes the object of an error.
pub(super) fn of_error(error: &Error) -> Value {
    json!({
        "kind": error.kind().as_str(),
        "message": error.message(),
        "hint": error.hint(),
        "code": error.code(),
        "detail": error.detail(),
        "status": error.status(),
        "retry_after_ms": error.retry_after().map(millis),
    })
}

fn of_attempt(attempt: &Attempt) -> Value {
    let (outcome, kind) = match attempt.outcome {
        Outcome::Success => ("success", None),
        Outcome::Failure(kind) => ("failure", Some(kind.as_str())),
        Outcome::Cancelled => ("cancelled", None),
    };
    json!({
        "instance": attempt.instance,
        "model": attempt.model,
        "outcome": outcome,
        "kind": kind,
        "message": attempt.message,
        "status": attempt.status,
        "started_after_ms": millis(attempt.started_after),
        "queued_ms": millis(attempt.queued),
        "headers_ms": attempt.headers.map(millis),
        "first_token_ms": attempt.first_token.map(millis),
        "total_ms": millis(attempt.total),
    })
}

/// Milliseconds with microseconds behind the point.
pub(super) fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}
