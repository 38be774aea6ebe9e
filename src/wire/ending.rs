//! What has come of an answer, and whether its end was a proper one.

use crate::base::{Chunk, Error, ErrorKind, FinishReason, clean_line, shorten};

/// The longest finish word that is kept, in characters.
const LONGEST_WORD: usize = 100;

/// Hands pieces on and remembers just enough of them to judge the end of the stream.
#[derive(Default)]
pub(super) struct Ending {
    visible: bool,
    reasoning: bool,
    tool_calls: bool,
    /// The protocol's opening event was seen, so an end without output is a broken one, not an empty one.
    opened: bool,
    word: Option<String>,
    settled: bool,
}

impl Ending {
    /// Hands on visible text.
    pub(super) fn text(&mut self, text: String, out: &mut Vec<Chunk>) {
        if !text.is_empty() {
            self.visible = true;
            out.push(Chunk::Text(text));
        }
    }

    /// Hands on reasoning text.
    pub(super) fn reasoning(&mut self, text: String, out: &mut Vec<Chunk>) {
        if !text.is_empty() {
            self.reasoning = true;
            out.push(Chunk::Reasoning(text));
        }
    }

    /// Hands on a refusal.
    pub(super) fn refusal(&mut self, text: String, out: &mut Vec<Chunk>) {
        if !text.is_empty() {
            self.visible = true;
            out.push(Chunk::Refusal(text));
        }
    }

    /// Notes that a tool call has come.
    pub(super) fn saw_tool_call(&mut self) {
        self.visible = true;
        self.tool_calls = true;
    }

    /// Notes that the server has begun to answer.
    pub(super) fn saw_opening(&mut self) {
        self.opened = true;
    }

    /// Tells whether anything that could be called an answer has come.
    fn has_output(&self) -> bool {
        self.visible || self.reasoning
    }

    /// Notes the server's word for why it ended; the last one counts.
    pub(super) fn word(&mut self, word: &str) {
        self.word = Some(shorten(&clean_line(word), LONGEST_WORD));
    }

    /// Tells whether the server has said why it ended.
    pub(super) fn has_word(&self) -> bool {
        self.word.is_some()
    }

    /// Tells whether the end has been judged.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Judges the end. `terminal` says whether the protocol's terminal event was seen.
    ///
    /// # Errors
    /// When the end is no proper one; the finish reason, if there is one, is in `out` all the same.
    pub(super) fn settle(&mut self, terminal: bool, out: &mut Vec<Chunk>) -> Result<(), Error> {
        if std::mem::replace(&mut self.settled, true) {
            return Ok(());
        }
        let Some(word) = self.word.take() else {
            return self.settle_without_word(terminal, out);
        };
        let reason = match finish_reason(&word) {
            FinishReason::Stop if self.tool_calls => FinishReason::ToolCalls,
            reason => reason,
        };
        let verdict = self.verdict(reason, &word);
        push_finish(reason, word, out);
        verdict
    }

    /// Hands on the finish reason that is known, because an error ends the stream.
    pub(super) fn give_up(&mut self, out: &mut Vec<Chunk>) {
        self.settled = true;
        if let Some(word) = self.word.take() {
            push_finish(finish_reason(&word), word, out);
        }
    }

    fn settle_without_word(&self, terminal: bool, out: &mut Vec<Chunk>) -> Result<(), Error> {
        match (terminal, self.has_output()) {
            (true, true) => {
                out.push(Chunk::Finish {
                    reason: FinishReason::Unknown,
                    raw: None,
                });
                Ok(())
            }
            (true, false) => Err(empty_stream()),
            (false, false) if !self.opened => Err(empty_stream()),
            (false, _) => Err(Error::protocol(
                "truncated",
                "the answer broke off before its end",
            )),
        }
    }

    fn verdict(&self, reason: FinishReason, word: &str) -> Result<(), Error> {
        let (kind, message) = match reason {
            FinishReason::Error if word == "insufficient_system_resource" => (
                ErrorKind::Overloaded,
                "the server ran out of resources while it was answering",
            ),
            FinishReason::Error => (
                ErrorKind::Server,
                "the server failed while it was answering",
            ),
            FinishReason::ContentFilter if !self.visible => (
                ErrorKind::ContentFilter,
                "moderation stopped the answer before its first word",
            ),
            FinishReason::Length if !self.visible && word == "model_context_window_exceeded" => (
                ErrorKind::ContextLength,
                "the model's window was used up before the first word of the answer",
            ),
            FinishReason::Stop
            | FinishReason::Length
            | FinishReason::ToolCalls
            | FinishReason::ContentFilter
            | FinishReason::Pause
            | FinishReason::Load
            | FinishReason::Unload
            | FinishReason::Other
            | FinishReason::Unknown => return Ok(()),
        };
        Err(Error::new(kind, message)
            .with_code(word)
            .with_detail("finish_reason"))
    }
}

fn empty_stream() -> Error {
    Error::protocol("empty_stream", "the answer was empty")
}

fn push_finish(reason: FinishReason, word: String, out: &mut Vec<Chunk>) {
    let raw = (!word.is_empty()).then_some(word);
    out.push(Chunk::Finish { reason, raw });
}

/// Unifies the words of all protocols.
fn finish_reason(word: &str) -> FinishReason {
    match word {
        "" | "stop" | "end_turn" | "stop_sequence" | "eos" | "eos_token" | "repetition"
        | "completed" => FinishReason::Stop,
        "length" | "max_tokens" | "max_output_tokens" | "model_context_window_exceeded" => {
            FinishReason::Length
        }
        "tool_calls" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "content_filter" | "sensitive" | "refusal" => FinishReason::ContentFilter,
        "pause_turn" => FinishReason::Pause,
        "load" => FinishReason::Load,
        "unload" => FinishReason::Unload,
        "network_error"
        | "error"
        | "abort"
        | "aborted"
        | "insufficient_system_resource"
        | "failed" => FinishReason::Error,
        _ => FinishReason::Other,
    }
}
