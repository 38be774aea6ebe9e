//! Answers that come as one JSON document.

use super::ending::Ending;
use super::{Decode, too_long};
use crate::base::{Chunk, Error};

/// What reads the whole answer of one protocol.
pub(super) trait Whole: Send {
    /// Reads the document; `body` has no blanks around it. Settles the ending.
    fn answer(&mut self, body: &[u8], out: &mut Vec<Chunk>) -> Result<(), Error>;

    /// Gives the bookkeeping of what has come and how it ended.
    fn ending(&mut self) -> &mut Ending;
}

/// Collects a body, up to a cap, and reads it at its end.
pub(super) struct WholeDecoder<W> {
    body: Vec<u8>,
    most: usize,
    asked_for_stream: bool,
    reader: W,
    over: bool,
}

impl<W: Whole> WholeDecoder<W> {
    /// Makes a decoder; `asked_for_stream` says that a stream was wanted, which decides what bad JSON is called.
    pub(super) fn new(reader: W, asked_for_stream: bool, most: usize) -> Self {
        Self {
            body: Vec::new(),
            most,
            asked_for_stream,
            reader,
            over: false,
        }
    }
}

impl<W: Whole> Decode for WholeDecoder<W> {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Chunk>) -> Result<(), Error> {
        if self.over {
            return Ok(());
        }
        let mut rest = bytes;
        if self.body.is_empty() {
            rest = bytes.trim_ascii_start();
            let (blanks, _) = bytes.split_at(bytes.len() - rest.len());
            // Some servers send blank lines while the request waits in their queue.
            let lines = memchr::memchr_iter(b'\n', blanks).count();
            out.extend(std::iter::repeat_n(Chunk::KeepAlive, lines));
        }
        if self.body.len() + rest.len() > self.most {
            self.over = true;
            self.body = Vec::new();
            return Err(too_long(self.most));
        }
        self.body.extend_from_slice(rest);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<Chunk>) -> Result<(), Error> {
        if std::mem::replace(&mut self.over, true) {
            return Ok(());
        }
        let body = std::mem::take(&mut self.body);
        let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body);
        let read = self.reader.answer(text.trim_ascii(), out);
        read.map_err(|error| {
            self.reader.ending().give_up(out);
            if self.asked_for_stream && error.detail() == Some("bad_json") {
                return Error::protocol(
                    "not_event_stream",
                    "the answer is neither an event stream nor JSON",
                );
            }
            error
        })
    }

    fn is_done(&self) -> bool {
        self.over
    }
}
