//! An answer that is passed on as it came, and read on the way: for usage, for the end, and for errors.
//!
//! What goes out are whole frames only, so that an error can follow them in band at any moment; nothing goes out before
//! the first output, so that another instance can still take over; and a frame with an error in it never goes out.

use bytes::{Bytes, BytesMut};

use super::glance::glance;
use super::{Decode, decoder};
use crate::base::{Chunk, Error, Frames, ProviderType};

/// Reads an answer and gives its frames as they came, instead of what is said in them.
pub struct Tap {
    decoder: Box<dyn Decode>,
    framing: Framing,
    /// Bytes of a frame that is not whole yet, and of frames before the first output.
    held: BytesMut,
    /// How much of `held` has been read by the decoder.
    read: usize,
    /// Whether output has begun.
    begun: bool,
    /// Whether text has come, and reasoning: further pieces of them need not be read.
    has: (bool, bool),
    /// Whether a frame that has usage and nothing else is kept back.
    hides_usage: bool,
    /// Tokens in frames that were not read.
    glanced: u32,
    /// The most bytes that may wait.
    most: usize,
    pieces: Vec<Chunk>,
}

/// Where frames end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// At each line (NDJSON).
    Lines,
    /// At each blank line.
    Events,
    /// At the end: one document.
    Whole,
}

/// What of some bytes may go on.
struct Passed {
    /// Up to here.
    until: usize,
    /// But not these, which are mere usage.
    hidden: Option<(usize, usize)>,
    outcome: Result<(), Error>,
}

impl Tap {
    /// Makes a tap with the arguments of [`decoder`]; `None` when the answer does not come in the form that its caller
    /// expects, and must be said anew. `hides_usage` keeps a frame of mere usage back.
    pub fn new(
        provider_type: ProviderType,
        streaming: bool,
        content_type: Option<&str>,
        max_line: usize,
        hides_usage: bool,
    ) -> Option<Self> {
        let media_type = content_type.and_then(|value| value.split(';').next());
        let framing = match (streaming, provider_type, media_type.map(str::trim)) {
            (false, _, Some("application/json")) => Framing::Whole,
            (true, ProviderType::Ollama, Some("application/x-ndjson")) => Framing::Lines,
            (true, ProviderType::OpenAi | ProviderType::ZhipuAi, Some("text/event-stream")) => {
                Framing::Events
            }
            _ => return None,
        };
        Some(Self {
            decoder: decoder(provider_type, streaming, content_type, max_line),
            framing,
            held: BytesMut::new(),
            read: 0,
            begun: false,
            has: (false, false),
            glanced: 0,
            hides_usage,
            most: max_line,
            pieces: Vec::new(),
        })
    }

    /// Takes bytes as they came; gives frames, usage, signs of life.
    ///
    /// # Errors
    /// As [`Decode::feed`]; the frames before it are in `out`.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a piece belongs to whoever takes it apart"
    )]
    pub fn feed(&mut self, bytes: Bytes, out: &mut Vec<Chunk>) -> Result<(), Error> {
        if self.decoder.is_done() {
            return Ok(());
        }
        if self.framing == Framing::Whole {
            self.held.extend_from_slice(&bytes);
            let fed = self.decoder.feed(&bytes, &mut self.pieces);
            self.tell(out);
            return fed;
        }
        // Mostly everything is whole, and the bytes go on without being copied.
        if self.held.is_empty() && self.begun && ends_frame(self.framing, &bytes) {
            let passed = self.read_frames(&bytes, 0);
            return self.give(&bytes, passed, out);
        }
        // The end of a frame may be cut in two.
        let look_from = self.held.len().saturating_sub(3).max(self.read);
        self.held.extend_from_slice(&bytes);
        if self.held.len() > self.most.saturating_mul(2) {
            return Err(super::too_long(self.most));
        }
        if !has_end(self.framing, self.held.get(look_from..).unwrap_or_default()) {
            return Ok(());
        }
        let mut held = std::mem::take(&mut self.held);
        let passed = self.read_frames(&held, self.read);
        if !self.begun && passed.outcome.is_ok() && !self.pieces.iter().any(begins) {
            self.read = passed.until;
            self.held = held;
            self.tell(out);
            return Ok(());
        }
        self.begun = true;
        self.read = 0;
        self.held = held.split_off(passed.until);
        self.give(&held.freeze(), passed, out)
    }

    /// The body is over: gives the rest, or says why this was no proper end.
    ///
    /// # Errors
    /// As [`Decode::finish`].
    pub fn finish(&mut self, out: &mut Vec<Chunk>) -> Result<(), Error> {
        let mut rest = std::mem::take(&mut self.held).freeze();
        if self.framing != Framing::Whole && self.decoder.is_done() {
            // What follows the end is nobody's answer.
            rest.clear();
        }
        let fresh = rest.get(self.read..).unwrap_or_default();
        let fed = match self.framing {
            Framing::Whole => Ok(()),
            Framing::Lines | Framing::Events => self.decoder.feed(fresh, &mut self.pieces),
        };
        let ended = fed.and_then(|()| self.decoder.finish(&mut self.pieces));
        if let Err(error) = ended {
            self.tell(out);
            return Err(error);
        }
        // A server that lost the last newline must not make what follows run into it.
        let missing: &[u8] = match self.framing {
            Framing::Lines if !rest.is_empty() && !rest.ends_with(b"\n") => b"\n",
            Framing::Events if !rest.is_empty() && !ends_frame(Framing::Events, &rest) => b"\n\n",
            Framing::Lines | Framing::Events | Framing::Whole => b"",
        };
        if !missing.is_empty() {
            rest = [&rest[..], missing].concat().into();
        }
        let passed = Passed {
            until: rest.len(),
            hidden: None,
            outcome: Ok(()),
        };
        self.give(&rest, passed, out)
    }

    /// Tells whether the end was seen.
    pub fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// Reads the whole frames of some bytes from a place on.
    fn read_frames(&mut self, bytes: &[u8], from: usize) -> Passed {
        let mut passed = Passed {
            until: from,
            hidden: None,
            outcome: Ok(()),
        };
        while let Some(end) = frame_end(self.framing, bytes, passed.until) {
            let frame = bytes.get(passed.until..end).unwrap_or_default();
            if self.is_mere_text(frame) {
                passed.until = end;
                continue;
            }
            let before = self.pieces.len();
            if let Err(error) = self.decoder.feed(frame, &mut self.pieces) {
                passed.outcome = Err(error);
                break;
            }
            let fresh = self.pieces.get(before..).unwrap_or_default();
            for piece in fresh {
                self.has.0 |= matches!(piece, Chunk::Text(_));
                self.has.1 |= matches!(piece, Chunk::Reasoning(_));
            }
            if self.hides_usage
                && fresh.len() == 1
                && matches!(fresh.first(), Some(Chunk::Usage(_)))
                && has_no_choice(frame)
            {
                passed.hidden = Some((passed.until, end));
            }
            passed.until = end;
            if self.decoder.is_done() {
                break;
            }
        }
        passed
    }

    /// Tells whether a frame is one more piece of text, which need not be read; counts its tokens.
    fn is_mere_text(&mut self, frame: &[u8]) -> bool {
        let object = match self.framing {
            Framing::Lines => Some(frame.trim_ascii()),
            Framing::Events => frame
                .strip_prefix(b"data:")
                .map(<[u8]>::trim_ascii)
                .filter(|data| memchr::memchr2(b'\n', b'\r', data).is_none()),
            Framing::Whole => None,
        };
        let Some(seen) = object
            .filter(|_| self.has != (false, false))
            .and_then(glance)
        else {
            return false;
        };
        let (text, reasoning) = self.has;
        let is_more = seen.text + seen.reasoning > 0
            && (seen.text == 0 || text)
            && (seen.reasoning == 0 || reasoning);
        if is_more {
            let tokens = (seen.text + seen.reasoning).div_ceil(4);
            self.glanced += u32::try_from(tokens).unwrap_or(u32::MAX);
        }
        is_more
    }

    /// Gives frames, and then what was in them besides output.
    fn give(&mut self, bytes: &Bytes, passed: Passed, out: &mut Vec<Chunk>) -> Result<(), Error> {
        let bytes = match passed.hidden {
            None => bytes.slice(..passed.until),
            Some((from, to)) => [
                bytes.get(..from).unwrap_or_default(),
                bytes.get(to..passed.until).unwrap_or_default(),
            ]
            .concat()
            .into(),
        };
        if !bytes.is_empty() {
            let read: u32 = self.pieces.iter().map(tokens).sum();
            let tokens = read + std::mem::take(&mut self.glanced);
            out.push(Chunk::Frames(Frames { bytes, tokens }));
        }
        self.tell(out);
        passed.outcome
    }

    fn tell(&mut self, out: &mut Vec<Chunk>) {
        out.extend(self.pieces.drain(..).filter(|piece| !piece.is_output()));
    }
}

fn begins(piece: &Chunk) -> bool {
    piece.is_output() || matches!(piece, Chunk::Finish { .. })
}

/// Guesses the tokens in a piece.
fn tokens(piece: &Chunk) -> u32 {
    match piece {
        Chunk::Text(text) | Chunk::Reasoning(text) | Chunk::Refusal(text) => {
            (text.len() as u32).div_ceil(4)
        }
        Chunk::ToolCall(_) => 1,
        _ => 0,
    }
}

fn ends_frame(framing: Framing, bytes: &[u8]) -> bool {
    match framing {
        Framing::Lines => bytes.ends_with(b"\n"),
        Framing::Events => bytes.ends_with(b"\n\n") || bytes.ends_with(b"\r\n\r\n"),
        Framing::Whole => false,
    }
}

/// Tells whether a frame may end in some bytes.
fn has_end(framing: Framing, bytes: &[u8]) -> bool {
    match framing {
        Framing::Lines => memchr::memchr(b'\n', bytes).is_some(),
        Framing::Events => {
            memchr::memmem::find(bytes, b"\n\n").is_some()
                || memchr::memmem::find(bytes, b"\n\r\n").is_some()
        }
        Framing::Whole => false,
    }
}

/// Returns where the frame that begins at a place ends; `None` when that is not there yet.
fn frame_end(framing: Framing, bytes: &[u8], from: usize) -> Option<usize> {
    let frame = bytes.get(from..)?;
    for at in memchr::memchr_iter(b'\n', frame) {
        let before = frame.get(..at).unwrap_or_default();
        let ends = match framing {
            Framing::Lines => true,
            Framing::Events => {
                before.is_empty()
                    || before.ends_with(b"\n")
                    || matches!(before, b"\r" | [.., b'\n', b'\r'])
            }
            Framing::Whole => false,
        };
        if ends {
            return Some(from + at + 1);
        }
    }
    None
}

/// Tells whether a frame's list of choices is there and empty.
fn has_no_choice(frame: &[u8]) -> bool {
    const CHOICES: &[u8] = b"\"choices\"";
    let after = memchr::memmem::find(frame, CHOICES).map(|at| at + CHOICES.len());
    let rest = after.and_then(|at| frame.get(at..)).unwrap_or_default();
    let mut rest = rest.iter().filter(|byte| !byte.is_ascii_whitespace());
    [b':', b'[', b']']
        .iter()
        .all(|wanted| rest.next() == Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::FinishReason;

    const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],\"x\":1}\n\n";
    const TEXT: &str =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"an error\"}}],\"odd\":[1]}\n\n";
    const STOP: &str =
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const USAGE: &str =
        "data: {\"choices\": [ ],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    fn tap(hides_usage: bool) -> Tap {
        let kind = Some("text/event-stream; charset=utf-8");
        Tap::new(ProviderType::OpenAi, true, kind, 1 << 20, hides_usage).expect("a tap")
    }

    /// Feeds a body in pieces of a length; gives the bytes that went on, what was told, and the end.
    fn fed(tap: &mut Tap, body: &str, length: usize) -> (String, Vec<Chunk>, Result<(), Error>) {
        let (mut sent, mut told, mut out) = (String::new(), Vec::new(), Vec::new());
        let mut outcome = Ok(());
        for piece in body.as_bytes().chunks(length) {
            outcome = tap.feed(Bytes::copy_from_slice(piece), &mut out);
            if outcome.is_err() {
                break;
            }
        }
        if outcome.is_ok() {
            outcome = tap.finish(&mut out);
        }
        for chunk in out {
            match chunk {
                Chunk::Frames(frames) => {
                    sent.push_str(std::str::from_utf8(&frames.bytes).expect("whole frames"));
                }
                other => told.push(other),
            }
        }
        (sent, told, outcome)
    }

    #[test]
    fn nothing_goes_on_after_the_end() {
        let body = [ROLE, TEXT, STOP, DONE].concat();
        let more = [&body, TEXT, "data: no JSON\n\nd"].concat();
        for length in [1, 7, 64, 10_000] {
            let (sent, _, outcome) = fed(&mut tap(false), &more, length);
            assert_eq!((sent, outcome), (body.clone(), Ok(())), "{length}");
        }
    }

    #[test]
    fn every_byte_goes_on_however_it_was_cut() {
        let body = [ROLE, TEXT, ": waiting\n\n", TEXT, STOP, USAGE, DONE].concat();
        for length in [1, 2, 7, 64, 10_000] {
            let (sent, told, outcome) = fed(&mut tap(false), &body, length);
            assert_eq!(sent, body, "in pieces of {length}");
            assert_eq!(outcome, Ok(()));
            assert!(told.iter().any(
                |chunk| matches!(chunk, Chunk::Usage(usage) if usage.prompt_tokens == Some(3))
            ));
            let stop = |chunk: &Chunk| {
                matches!(
                    chunk,
                    Chunk::Finish {
                        reason: FinishReason::Stop,
                        ..
                    }
                )
            };
            assert!(told.iter().any(stop));
        }
    }

    #[test]
    fn usage_that_nobody_asked_for_is_read_and_kept_back() {
        let body = [ROLE, TEXT, STOP, USAGE, DONE].concat();
        for length in [1, 50, 10_000] {
            let (sent, told, outcome) = fed(&mut tap(true), &body, length);
            assert_eq!(sent, [ROLE, TEXT, STOP, DONE].concat());
            assert_eq!(outcome, Ok(()));
            assert!(told.iter().any(|chunk| matches!(chunk, Chunk::Usage(_))));
        }
    }

    #[test]
    fn nothing_goes_on_before_the_first_output() {
        let mut tap = tap(false);
        let mut out = Vec::new();
        tap.feed(Bytes::from_static(ROLE.as_bytes()), &mut out)
            .expect("a frame");
        assert_eq!(out, []);
        tap.feed(Bytes::from_static(TEXT.as_bytes()), &mut out)
            .expect("a frame");
        let Some(Chunk::Frames(frames)) = out.first() else {
            panic!("{out:?}");
        };
        assert_eq!(&frames.bytes[..], [ROLE, TEXT].concat().as_bytes());
        assert!(out[0].is_output());
    }

    #[test]
    fn a_frame_with_an_error_or_a_cut_one_stays_back() {
        let error = "data: {\"error\":{\"message\":\"gone\",\"code\":500}}\n\n";
        for length in [1, 10_000] {
            let (sent, _, outcome) = fed(&mut tap(false), &[ROLE, TEXT, error].concat(), length);
            assert_eq!(sent, [ROLE, TEXT].concat());
            assert!(outcome.is_err());
            let cut = [ROLE, TEXT, &TEXT[..30]].concat();
            let (sent, _, outcome) = fed(&mut tap(false), &cut, length);
            assert_eq!(sent, [ROLE, TEXT].concat());
            assert_eq!(
                outcome.map_err(|error| error.detail()),
                Err(Some("truncated"))
            );
        }
    }

    #[test]
    fn another_form_than_expected_is_not_tapped() {
        let whole = Some("application/json");
        assert!(Tap::new(ProviderType::OpenAi, true, whole, 10, false).is_none());
        assert!(Tap::new(ProviderType::OpenAi, false, Some("text/html"), 10, false).is_none());
        assert!(Tap::new(ProviderType::Ollama, true, None, 10, false).is_none());
    }
}
