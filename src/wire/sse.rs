//! Event streams: lines become events, and a shape (OpenAI's, Anthropic's ...) reads them.

use super::ending::Ending;
use super::lines::{Lines, go_on};
use super::{Decode, too_long};
use crate::base::{Chunk, Error};

/// One event as it was dispatched.
pub(super) struct Event<'a> {
    /// The `event:` field.
    pub(super) name: Option<&'a str>,
    /// The `data:` lines, joined with LF.
    pub(super) data: &'a [u8],
    /// The body ended before the blank line that should end the event, so it may be cut.
    pub(super) at_end: bool,
}

/// What reads the events of one protocol.
pub(super) trait Shape: Send {
    /// Reads one event. Settles the ending when it is the terminal one.
    fn event(&mut self, event: &Event<'_>, out: &mut Vec<Chunk>) -> Result<(), Error>;

    /// Gives the bookkeeping of what has come and how it ended.
    fn ending(&mut self) -> &mut Ending;
}

/// An event stream of one shape.
pub(super) struct SseDecoder<S> {
    lines: Lines,
    fields: Fields,
    shape: S,
    over: bool,
}

impl<S: Shape> SseDecoder<S> {
    /// Makes a decoder that accepts lines and events of at most `max_line` bytes.
    pub(super) fn new(shape: S, max_line: usize) -> Self {
        Self {
            lines: Lines::new(max_line),
            fields: Fields::new(max_line),
            shape,
            over: false,
        }
    }
}

impl<S: Shape> Decode for SseDecoder<S> {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Chunk>) -> Result<(), Error> {
        if self.over {
            return Ok(());
        }
        let Self {
            lines,
            fields,
            shape,
            over,
        } = self;
        let fed = lines.feed(bytes, |line| {
            fields.line(line, false, shape, out)?;
            *over = shape.ending().is_settled();
            Ok(go_on(!*over))
        });
        fed.inspect_err(|_| {
            self.over = true;
            self.shape.ending().give_up(out);
        })
    }

    fn finish(&mut self, out: &mut Vec<Chunk>) -> Result<(), Error> {
        if std::mem::replace(&mut self.over, true) {
            return Ok(());
        }
        let Self {
            lines,
            fields,
            shape,
            ..
        } = self;
        // The standard drops an event without its blank line; servers and proxies do lose the last newline.
        let read = lines
            .finish(|line| fields.line(line, true, shape, out))
            .and_then(|()| fields.dispatch(true, shape, out));
        match read {
            Ok(()) => shape.ending().settle(false, out),
            Err(error) => {
                shape.ending().give_up(out);
                Err(error)
            }
        }
    }

    fn is_done(&self) -> bool {
        self.over
    }
}

/// The fields of the event that is being received.
struct Fields {
    most: usize,
    data: Vec<u8>,
    has_data: bool,
    name: String,
    has_name: bool,
}

impl Fields {
    fn new(most: usize) -> Self {
        Self {
            most,
            data: Vec::new(),
            has_data: false,
            name: String::new(),
            has_name: false,
        }
    }

    fn line<S: Shape>(
        &mut self,
        line: &[u8],
        at_end: bool,
        shape: &mut S,
        out: &mut Vec<Chunk>,
    ) -> Result<(), Error> {
        if line.is_empty() {
            return self.dispatch(at_end, shape, out);
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(0) => {
                out.push(Chunk::KeepAlive);
                return Ok(());
            }
            Some(colon) => {
                let (field, rest) = line.split_at(colon);
                let value = rest.get(1..).unwrap_or_default();
                (field, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &[][..]),
        };
        match field {
            b"data" => {
                if self.data.len() + value.len() >= self.most && self.has_data {
                    return Err(too_long(self.most));
                }
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"event" => {
                self.name.clear();
                self.name.push_str(&String::from_utf8_lossy(value));
                self.has_name = true;
            }
            // Old builds of llama.cpp reported a failure as a field of its own.
            b"error" if matches!(value.first(), Some(b'{' | b'[' | b'"')) => {
                let event = Event {
                    name: Some("error"),
                    data: value,
                    at_end,
                };
                return shape.event(&event, out);
            }
            _ => {}
        }
        Ok(())
    }

    fn dispatch<S: Shape>(
        &mut self,
        at_end: bool,
        shape: &mut S,
        out: &mut Vec<Chunk>,
    ) -> Result<(), Error> {
        let read = if self.has_data {
            let event = Event {
                name: self.has_name.then_some(self.name.as_str()),
                data: &self.data,
                at_end,
            };
            shape.event(&event, out)
        } else {
            Ok(())
        };
        self.data.clear();
        self.data.shrink_to(64 << 10);
        self.has_data = false;
        self.has_name = false;
        read
    }
}
