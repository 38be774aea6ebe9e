//! Shows an answer while it streams. On a terminal the model's text is cleaned; in a pipe it stays as it came.

use std::io::{self, Write};

use super::style::Style;
use crate::base::{Chunk, FinishReason, LlmResponse, clean};

/// Where an answer goes.
pub(super) struct Screen<'w> {
    /// The answer.
    pub(super) out: &'w mut dyn Write,
    /// Whether a person sees the answer.
    pub(super) out_is_terminal: bool,
    /// Reasoning and notes.
    pub(super) err: &'w mut dyn Write,
    /// Whether a person sees those.
    pub(super) err_is_terminal: bool,
    /// How notes are coloured.
    pub(super) style: Style,
}

/// Writes the pieces of one answer.
pub(super) struct Printer<'s, 'w> {
    screen: &'s mut Screen<'w>,
    shows_reasoning: bool,
    out: Flow,
    reasoning: Flow,
}

/// One text that comes in pieces.
#[derive(Default)]
struct Flow {
    held: bool,
    begun: bool,
    ends_line: bool,
}

impl Flow {
    /// Writes a piece. A carriage return at its end is held until the next piece tells what it belongs to.
    fn write(&mut self, to: &mut dyn Write, text: &str, cleaned: bool) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.begun = true;
        if !cleaned {
            self.ends_line = text.ends_with('\n');
            to.write_all(text.as_bytes())?;
            return to.flush();
        }
        let joined = if self.held {
            format!("\r{text}")
        } else {
            text.to_owned()
        };
        self.held = joined.ends_with('\r');
        let shown = clean(joined.strip_suffix('\r').unwrap_or(&joined));
        if !shown.is_empty() {
            self.ends_line = shown.ends_with('\n');
        }
        to.write_all(shown.as_bytes())?;
        to.flush()
    }

    /// Ends the last line when it is still open.
    fn end(&mut self, to: &mut dyn Write) -> io::Result<()> {
        if self.begun && !self.ends_line {
            self.ends_line = true;
            to.write_all(b"\n")?;
            to.flush()?;
        }
        Ok(())
    }
}

impl<'s, 'w> Printer<'s, 'w> {
    /// Begins an answer.
    pub(super) fn new(screen: &'s mut Screen<'w>, shows_reasoning: bool) -> Self {
        Self {
            screen,
            shows_reasoning,
            out: Flow::default(),
            reasoning: Flow::default(),
        }
    }

    /// Shows one piece.
    pub(super) fn show(&mut self, chunk: &Chunk) -> io::Result<()> {
        match chunk {
            Chunk::Text(text) | Chunk::Refusal(text) => {
                self.end_reasoning()?;
                self.out
                    .write(self.screen.out, text, self.screen.out_is_terminal)
            }
            Chunk::Reasoning(text) if self.shows_reasoning => {
                let (err, style) = (&mut *self.screen.err, self.screen.style);
                if style.is_coloured() && !self.reasoning.begun {
                    err.write_all(b"\x1b[2m")?;
                }
                self.reasoning.write(err, text, self.screen.err_is_terminal)
            }
            Chunk::Reasoning(_)
            | Chunk::Head(_)
            | Chunk::Retry(_)
            | Chunk::Started(_)
            | Chunk::ToolCall(_)
            | Chunk::Usage(_)
            | Chunk::Timings(_)
            | Chunk::Frames(_)
            | Chunk::KeepAlive
            | Chunk::Finish { .. }
            | Chunk::Done(_) => Ok(()),
        }
    }

    /// Ends what is open, and notes what the text alone does not tell.
    pub(super) fn end(mut self, answer: &LlmResponse) -> io::Result<()> {
        self.end_reasoning()?;
        self.out.end(self.screen.out)?;
        for call in &answer.tool_calls {
            let name = clean(call.name.as_deref().unwrap_or("without a name"));
            self.note(&format!(
                "the model calls the tool '{name}'; --json shows its arguments"
            ))?;
        }
        match answer.finish_reason {
            Some(FinishReason::Length) => self.note("the answer was cut at its token limit"),
            Some(FinishReason::ContentFilter) => {
                self.note("the provider's moderation ended the answer")
            }
            Some(
                FinishReason::Stop
                | FinishReason::ToolCalls
                | FinishReason::Pause
                | FinishReason::Load
                | FinishReason::Unload
                | FinishReason::Error
                | FinishReason::Other
                | FinishReason::Unknown,
            )
            | None => Ok(()),
        }
    }

    fn end_reasoning(&mut self) -> io::Result<()> {
        if self.reasoning.begun && self.screen.style.is_coloured() {
            self.screen.err.write_all(b"\x1b[0m")?;
        }
        self.reasoning.end(self.screen.err)?;
        self.reasoning = Flow::default();
        Ok(())
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(
            self.screen.err,
            "{} {text}",
            self.screen.style.doubtful("note:")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(is_terminal: bool, shows_reasoning: bool, chunks: &[Chunk]) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut screen = Screen {
            out: &mut out,
            out_is_terminal: is_terminal,
            err: &mut err,
            err_is_terminal: is_terminal,
            style: Style::PLAIN,
        };
        let mut printer = Printer::new(&mut screen, shows_reasoning);
        let mut answer = crate::base::Answer::default();
        for chunk in chunks {
            printer.show(chunk).unwrap();
            answer.push(chunk);
        }
        printer.end(answer.so_far()).unwrap();
        (
            String::from_utf8(out).unwrap(),
            String::from_utf8(err).unwrap(),
        )
    }

    #[test]
    fn a_terminal_gets_no_escape_sequences_from_a_model() {
        let chunks = [
            Chunk::Text("a\u{1b}]0;x\u{7}\r".to_owned()),
            Chunk::Text("\nb\r".to_owned()),
        ];
        assert_eq!(shown(true, false, &chunks).0, "a\u{fffd}]0;x\u{fffd}\nb\n");
    }

    #[test]
    fn a_pipe_gets_the_text_as_it_came() {
        let chunks = [
            Chunk::Text("a\u{1b}[1m\r".to_owned()),
            Chunk::Text("\nb".to_owned()),
        ];
        assert_eq!(shown(false, false, &chunks).0, "a\u{1b}[1m\r\nb\n");
    }

    #[test]
    fn reasoning_goes_to_stderr_and_only_when_asked_for() {
        let chunks = [
            Chunk::Reasoning("hm".to_owned()),
            Chunk::Text("yes".to_owned()),
        ];
        assert_eq!(
            shown(false, true, &chunks),
            ("yes\n".to_owned(), "hm\n".to_owned())
        );
        assert_eq!(shown(false, false, &chunks).1, "");
    }

    #[test]
    fn a_cut_answer_is_noted() {
        let chunks = [
            Chunk::Text("half".to_owned()),
            Chunk::Finish {
                reason: FinishReason::Length,
                raw: None,
            },
        ];
        assert_eq!(
            shown(false, false, &chunks).1,
            "note: the answer was cut at its token limit\n"
        );
    }

    #[test]
    fn an_empty_answer_prints_nothing() {
        assert_eq!(shown(true, true, &[]), (String::new(), String::new()));
    }
}
