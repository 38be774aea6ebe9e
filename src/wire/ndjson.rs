//! NDJSON: every line is a whole document.

use super::Decode;
use super::ending::Ending;
use super::lines::{Lines, go_on};
use crate::base::{Chunk, Error};

/// What reads the documents of one protocol.
pub(super) trait Documents: Send {
    /// Reads one line that is not blank. Settles the ending when it is the terminal one.
    fn document(&mut self, line: &[u8], at_end: bool, out: &mut Vec<Chunk>) -> Result<(), Error>;

    /// Gives the bookkeeping of what has come and how it ended.
    fn ending(&mut self) -> &mut Ending;
}

/// A stream of lines of one protocol.
pub(super) struct NdjsonDecoder<D> {
    lines: Lines,
    reader: D,
    over: bool,
}

impl<D: Documents> NdjsonDecoder<D> {
    /// Makes a decoder that accepts lines of at most `max_line` bytes.
    pub(super) fn new(reader: D, max_line: usize) -> Self {
        Self {
            lines: Lines::new(max_line),
            reader,
            over: false,
        }
    }
}

fn line<D: Documents>(
    reader: &mut D,
    line: &[u8],
    at_end: bool,
    out: &mut Vec<Chunk>,
) -> Result<(), Error> {
    let line = line.trim_ascii();
    if line.is_empty() {
        out.push(Chunk::KeepAlive);
        return Ok(());
    }
    reader.document(line, at_end, out)
}

impl<D: Documents> Decode for NdjsonDecoder<D> {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Chunk>) -> Result<(), Error> {
        if self.over {
            return Ok(());
        }
        let Self {
            lines,
            reader,
            over,
        } = self;
        let fed = lines.feed(bytes, |bytes| {
            line(reader, bytes, false, out)?;
            *over = reader.ending().is_settled();
            Ok(go_on(!*over))
        });
        fed.inspect_err(|_| {
            self.over = true;
            self.reader.ending().give_up(out);
        })
    }

    fn finish(&mut self, out: &mut Vec<Chunk>) -> Result<(), Error> {
        if std::mem::replace(&mut self.over, true) {
            return Ok(());
        }
        let Self { lines, reader, .. } = self;
        match lines.finish(|bytes| line(reader, bytes, true, out)) {
            Ok(()) => reader.ending().settle(false, out),
            Err(error) => {
                reader.ending().give_up(out);
                Err(error)
            }
        }
    }

    fn is_done(&self) -> bool {
        self.over
    }
}
