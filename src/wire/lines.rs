//! Bytes, cut anywhere, become lines. What a line means is not known here.

use std::ops::ControlFlow;

use memchr::memchr2;

use crate::base::Error;

/// A buffer that has grown beyond this is given back once its line is out.
const USUAL_LINE: usize = 64 << 10;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Splits at CR, LF and CRLF, mixed as they come; a CR that ends one piece and an LF that starts the next are
/// one line end. Drops one byte order mark at the very start.
///
/// Lines are handed over as bytes, so that a character cut by the network is whole again when it is decoded.
pub(super) struct Lines {
    partial: Vec<u8>,
    most: usize,
    skip_line_feed: bool,
    at_start: bool,
}

impl Lines {
    /// Makes a splitter that accepts lines of at most `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Self {
            partial: Vec::new(),
            most,
            skip_line_feed: false,
            at_start: true,
        }
    }

    /// Takes the next piece of the body and hands over every line that it completes, until `take` breaks off:
    /// what follows the end of an answer is not looked at, so that where the network cut it changes nothing.
    ///
    /// # Errors
    /// `protocol/too_long` when a line exceeds the cap, and whatever `take` returns; both are final.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        while let Some(first) = bytes.first() {
            if std::mem::take(&mut self.skip_line_feed) && *first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', bytes) else {
                self.check(bytes.len())?;
                self.partial.extend_from_slice(bytes);
                return Ok(());
            };
            let (head, rest) = bytes.split_at(end);
            self.check(head.len())?;
            let taken = if self.partial.is_empty() {
                take(without_mark(head, &mut self.at_start))
            } else {
                self.partial.extend_from_slice(head);
                let taken = take(without_mark(&self.partial, &mut self.at_start));
                self.partial.clear();
                self.partial.shrink_to(USUAL_LINE);
                taken
            };
            if taken?.is_break() {
                return Ok(());
            }
            self.skip_line_feed = rest.first() == Some(&b'\r');
            bytes = rest.get(1..).unwrap_or_default();
        }
        Ok(())
    }

    /// Hands over the last line when the body ended without a line end.
    pub(super) fn finish(
        &mut self,
        take: impl FnOnce(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.partial.is_empty() {
            return Ok(());
        }
        let last = std::mem::take(&mut self.partial);
        take(without_mark(&last, &mut self.at_start))
    }

    fn check(&self, more: usize) -> Result<(), Error> {
        if self.partial.len() + more > self.most {
            return Err(super::too_long(self.most));
        }
        Ok(())
    }
}

/// Says whether the next line is wanted.
pub(super) fn go_on(wanted: bool) -> ControlFlow<()> {
    if wanted {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

fn without_mark<'a>(line: &'a [u8], at_start: &mut bool) -> &'a [u8] {
    if std::mem::take(at_start) {
        line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(pieces: &[&[u8]], most: usize) -> (Vec<String>, Option<Error>) {
        let mut lines = Lines::new(most);
        let mut seen = Vec::new();
        let mut see = |line: &[u8]| seen.push(String::from_utf8_lossy(line).into_owned());
        let fed = pieces
            .iter()
            .try_for_each(|piece| {
                lines.feed(piece, |line| {
                    see(line);
                    Ok(go_on(true))
                })
            })
            .and_then(|()| {
                lines.finish(|line| {
                    see(line);
                    Ok(())
                })
            });
        (seen, fed.err())
    }

    #[test]
    fn all_three_line_ends_are_one_line_end_each() {
        let (seen, error) = lines_of(&[b"a\nb\rc\r\nd\n\re"], 9);
        assert_eq!(seen, ["a", "b", "c", "d", "", "e"]);
        assert_eq!(error, None);
    }

    #[test]
    fn a_line_end_cut_in_two_is_still_one() {
        let (seen, _) = lines_of(&[b"a\r", b"", b"\nb\r", b"\r", b"\n\n"], 9);
        assert_eq!(seen, ["a", "b", "", ""]);
    }

    #[test]
    fn the_mark_goes_only_at_the_start_even_when_cut() {
        let (seen, _) = lines_of(&[b"\xef", b"\xbb", b"\xbfa\n\xef\xbb\xbfb"], 9);
        assert_eq!(seen, ["a", "\u{feff}b"]);
    }

    #[test]
    fn what_follows_the_end_of_an_answer_is_not_measured() {
        let mut lines = Lines::new(4);
        let mut seen = Vec::new();
        let fed = lines.feed(b"end\nand far too long\n", |line| {
            seen.push(line.to_vec());
            Ok(go_on(false))
        });
        assert_eq!(fed, Ok(()));
        assert_eq!(seen, [b"end"]);
    }

    #[test]
    fn a_line_over_the_cap_is_refused_before_it_is_whole() {
        assert_eq!(lines_of(&[b"1234\n1234"], 4).1, None);
        let (seen, error) = lines_of(&[b"ok\n123", b"45"], 4);
        assert_eq!(seen, ["ok"]);
        assert_eq!(error.and_then(|error| error.detail()), Some("too_long"));
        assert!(lines_of(&[b"12345\n"], 4).1.is_some());
    }
}
