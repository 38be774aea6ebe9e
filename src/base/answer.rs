//! Folding pieces into a whole answer, in one place for everybody.

use super::{Chunk, FinishReason, LlmResponse, ToolArguments, ToolCall, ToolCallDelta};

/// Collects the pieces of a stream; what has come so far is always there, also after an error.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    response: LlmResponse,
}

impl Answer {
    /// Takes one piece.
    pub fn push(&mut self, chunk: &Chunk) {
        let so_far = &mut self.response;
        match chunk {
            Chunk::Text(text) => so_far.text.push_str(text),
            Chunk::Reasoning(text) => so_far.reasoning.push_str(text),
            Chunk::Refusal(text) => so_far.refusal.push_str(text),
            Chunk::ToolCall(delta) => push_tool_call(&mut so_far.tool_calls, delta),
            Chunk::Usage(usage) => so_far.usage = Some(*usage),
            Chunk::Timings(timings) => so_far.timings = Some(timings.clone()),
            Chunk::Finish { reason, raw } => {
                so_far.finish_reason = Some(*reason);
                so_far.finish_raw.clone_from(raw);
            }
            Chunk::Retry(attempt) => so_far.attempts.push((**attempt).clone()),
            Chunk::Started(started) => {
                so_far.request_id = Some(started.request_id);
                so_far.instance = Some(started.instance.clone());
                so_far.provider_type = Some(started.provider_type);
                so_far.model = Some(started.model.clone());
                so_far.queued = started.queued;
                so_far.time_to_first_token = Some(started.time_to_first_token);
            }
            Chunk::Done(done) => self.response = (**done).clone(),
            Chunk::Head(_) | Chunk::Frames(_) | Chunk::KeepAlive => {}
        }
    }

    /// Returns what has come so far.
    pub fn so_far(&self) -> &LlmResponse {
        &self.response
    }

    /// Returns what has come so far, to be completed.
    pub fn so_far_mut(&mut self) -> &mut LlmResponse {
        &mut self.response
    }

    /// Gives the answer away.
    pub fn into_response(self) -> LlmResponse {
        self.response
    }

    /// Tells whether any visible output has come (text, refusal or a tool call; reasoning does not count).
    pub fn has_visible_output(&self) -> bool {
        let so_far = &self.response;
        !(so_far.text.is_empty() && so_far.refusal.is_empty() && so_far.tool_calls.is_empty())
    }

    /// Tells whether a proper end has been seen.
    pub fn is_complete(&self) -> bool {
        match self.response.finish_reason {
            None | Some(FinishReason::Error) => false,
            Some(_) => true,
        }
    }
}

fn push_tool_call(calls: &mut Vec<ToolCall>, delta: &ToolCallDelta) {
    while calls.len() <= delta.index {
        calls.push(ToolCall {
            id: None,
            name: None,
            arguments: ToolArguments::Text(String::new()),
        });
    }
    let call = &mut calls[delta.index];
    if call.id.is_none() {
        call.id.clone_from(&delta.id);
    }
    if call.name.is_none() {
        call.name.clone_from(&delta.name);
    }
    match (&mut call.arguments, &delta.arguments) {
        (_, None) => {}
        (ToolArguments::Text(so_far), Some(ToolArguments::Text(more))) => so_far.push_str(more),
        (slot, Some(ToolArguments::Json(value))) => *slot = ToolArguments::Json(value.clone()),
        (ToolArguments::Json(_), Some(ToolArguments::Text(_))) => {}
    }
}
