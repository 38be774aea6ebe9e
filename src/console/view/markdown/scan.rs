//! Finds the settled pieces of a Markdown text while it grows.
//!
//! A piece is settled when no text that follows can change what it means: a paragraph at the blank line after it, a
//! list item at the next one, a line of code at its end. It depends on the text alone and not on how it was cut into
//! pushes, so a stream looks in the end as the whole text would.
//!
//! Pieces that never end are cut by force (a table of a thousand rows, a line of a megabyte): what is parsed again
//! with each push stays small.

use std::ops::Range;

/// A piece longer than that, in bytes, is cut at the end of a line.
const LONGEST_PIECE: usize = 8 << 10;
/// A line longer than that, in bytes, is cut at a blank, or anywhere.
const LONGEST_LINE: usize = 16 << 10;

/// A part of the source that is drawn by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) range: Range<usize>,
    pub(super) kind: PieceKind,
    /// Whether a blank row stands before it.
    pub(super) gap: bool,
}

/// How a piece is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PieceKind {
    /// Markdown that stands by itself.
    Prose,
    /// One item of a list; the number it has when the list before goes on.
    Item(Option<u64>),
    /// The rest of an item that was cut, so many columns in.
    ItemRest(usize),
    /// The rest of a table that was cut, and where its two head lines stand.
    TableRest(Range<usize>),
    /// The line that opens a block of code.
    FenceOpen,
    /// A line of code, indented by at most so many columns more than it means.
    Code(usize),
    /// The line that closes it.
    FenceClose,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fence {
    mark: u8,
    length: usize,
    indent: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    /// Where its text starts, in columns.
    indent: usize,
    /// Its number, and what stands behind it.
    number: Option<(u64, u8)>,
    /// Whether the number written there counts, or the one of the item before plus one.
    counted: bool,
    /// A block of code inside it that is open.
    fence: Option<Fence>,
    /// Whether the last line was blank.
    blank: bool,
    /// Whether its start was cut off and settled.
    rest: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    /// A paragraph, a quote, a table ...; the head lines of a table whose start was cut off.
    Prose(Option<Range<usize>>),
    Item(Item),
    Fence(Fence),
}

/// Goes over the source once, line by line.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    state: State,
    /// Where the open piece starts.
    start: usize,
    /// Where the line starts that is not complete.
    line: usize,
    /// How far that line has been searched for its end.
    searched: usize,
    /// Whether that line goes on from one that was cut.
    cut: bool,
    /// Whether a blank line stands before the open piece.
    gap: bool,
    pieces: Vec<Piece>,
}

impl Scanner {
    /// Returns the settled pieces, in order.
    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Goes over what is new.
    pub(super) fn scan(&mut self, source: &str) {
        loop {
            let rest = source.as_bytes().get(self.searched..).unwrap_or_default();
            let newline = rest.iter().position(|byte| *byte == b'\n');
            let known = newline.map_or(source.len(), |at| self.searched + at);
            if known - self.line > LONGEST_LINE {
                let end = cut_of(source, self.line);
                self.take(source, end);
                self.cut = true;
            } else if newline.is_some() {
                self.take(source, known + 1);
                self.cut = false;
            } else {
                self.searched = source.len();
                return;
            }
        }
    }

    /// Settles everything: nothing more comes.
    pub(super) fn finish(&mut self, source: &str) {
        self.scan(source);
        if self.line < source.len() {
            self.take(source, source.len());
        }
        self.settle(source.len());
        self.cut = false;
        self.state = State::Between;
    }

    /// Returns what is not settled, as it looks now; without its last line while that could be anything.
    pub(super) fn tail(&self, source: &str) -> Option<Piece> {
        let mut range = self.start..source.len();
        let last = source.get(self.line..).unwrap_or_default();
        if let State::Fence(fence) = &self.state {
            let may_close = last.trim().bytes().all(|byte| byte == fence.mark);
            let kind = PieceKind::Code(fence.indent);
            return (!may_close).then_some(Piece {
                range,
                kind,
                gap: false,
            });
        }
        if !self.cut && (may_be_anything(last) || fence_of(last).is_some()) {
            range.end = self.line;
        }
        let is_blank = source
            .get(range.clone())
            .is_none_or(|text| text.trim().is_empty());
        (!is_blank).then(|| self.piece(range))
    }

    /// Takes a line, which ends at `end`, newline included.
    fn take(&mut self, source: &str, end: usize) {
        let line = source.get(self.line..end).unwrap_or_default();
        match std::mem::take(&mut self.state) {
            State::Fence(fence) => self.line_of_code(line, fence, end),
            State::Item(item) => self.line_of_item(line, item, end),
            State::Prose(head) => self.line_of_prose(line, head, end),
            State::Between => self.first_line(line, end),
        }
        self.line = end;
        self.searched = end;
        if end - self.start > LONGEST_PIECE {
            self.force(source, end);
        }
    }

    fn first_line(&mut self, line: &str, end: usize) {
        self.start = self.line;
        if self.cut {
            self.state = State::Prose(None);
        } else if is_blank(line) {
            self.start = end;
            self.gap = true;
        } else if let Some(fence) = fence_of(line) {
            self.push(self.line..end, PieceKind::FenceOpen);
            self.state = State::Fence(fence);
            self.start = end;
        } else if is_rule(line) || is_heading(line) {
            self.push(self.line..end, PieceKind::Prose);
            self.start = end;
        } else if let Some(item) = item_of(line) {
            self.state = State::Item(item);
        } else {
            self.state = State::Prose(None);
        }
    }

    fn line_of_prose(&mut self, line: &str, head: Option<Range<usize>>, end: usize) {
        self.state = State::Prose(head);
        if self.cut {
            return;
        }
        let interrupts = match item_of(line) {
            Some(item) => {
                let has_text = line.trim().len() > 1;
                item.number.map_or(has_text, |(number, _)| number == 1)
            }
            None => false,
        };
        if is_rule(line) || is_underline(line) {
            // A rule, or what makes a heading of the lines before: in both cases it ends here.
            self.settle(end);
        } else if is_blank(line) || fence_of(line).is_some() || is_heading(line) || interrupts {
            self.settle(self.line);
            self.first_line(line, end);
        }
    }

    fn line_of_item(&mut self, line: &str, mut item: Item, end: usize) {
        let indent = indent_of(line);
        if self.cut || is_blank(line) {
            item.blank = !self.cut;
            self.state = State::Item(item);
            return;
        }
        if indent >= item.indent {
            match &item.fence {
                Some(fence) if closes(line, fence) => item.fence = None,
                Some(_) => {}
                None => item.fence = fence_of(line.trim_start()),
            }
            item.blank = false;
            self.state = State::Item(item);
            return;
        }
        let next = item_of(line).filter(|_| !is_rule(line));
        let ends = next.is_some()
            || item.blank
            || item.fence.is_some()
            || fence_of(line).is_some()
            || is_rule(line)
            || is_heading(line)
            || line.trim_start().starts_with('>');
        if !ends {
            // A paragraph that goes on without its indent.
            self.state = State::Item(item);
            return;
        }
        let (number, blank) = (item.number, item.blank);
        self.state = State::Item(item);
        self.settle(self.line);
        self.gap = blank;
        match next {
            Some(mut next) => {
                if let (Some((last, mark)), Some((_, next_mark))) = (number, next.number)
                    && mark == next_mark
                {
                    next.number = Some((last.saturating_add(1), mark));
                    next.counted = true;
                }
                self.start = self.line;
                self.state = State::Item(next);
            }
            None => self.first_line(line, end),
        }
    }

    fn line_of_code(&mut self, line: &str, fence: Fence, end: usize) {
        self.start = end;
        if !self.cut && closes(line, &fence) {
            self.push(self.line..end, PieceKind::FenceClose);
            return;
        }
        self.push(self.line..end, PieceKind::Code(fence.indent));
        self.state = State::Fence(fence);
    }

    /// Settles what is open, up to `end`.
    fn settle(&mut self, end: usize) {
        let is_open = matches!(self.state, State::Prose(_) | State::Item(_));
        if is_open && end > self.start {
            let piece = self.piece(self.start..end);
            self.push(piece.range, piece.kind);
        }
        self.start = end;
        if !matches!(self.state, State::Fence(_)) {
            self.state = State::Between;
        }
    }

    /// Settles what is open although it has not ended.
    fn force(&mut self, source: &str, end: usize) {
        let mut state = std::mem::take(&mut self.state);
        match &mut state {
            State::Prose(head) => {
                let next_head = head.clone().or_else(|| table_head(source, self.start));
                self.state = State::Prose(head.take());
                self.settle(end);
                *head = next_head;
            }
            State::Item(item) => {
                // Code in an item is not cut at once: its rest would be read as prose.
                if item.fence.is_some() && end - self.start <= 4 * LONGEST_PIECE {
                    self.state = state;
                    return;
                }
                self.state = State::Item(item.clone());
                self.settle(end);
                item.rest = true;
                item.fence = None;
            }
            State::Between | State::Fence(_) => {}
        }
        self.state = state;
    }

    fn piece(&self, range: Range<usize>) -> Piece {
        let kind = match &self.state {
            State::Prose(Some(head)) => PieceKind::TableRest(head.clone()),
            State::Item(item) if item.rest => PieceKind::ItemRest(item.indent),
            State::Item(item) => {
                let number = item.number.map(|(number, _)| number);
                PieceKind::Item(number.filter(|_| item.counted))
            }
            State::Prose(None) | State::Between | State::Fence(_) => PieceKind::Prose,
        };
        Piece {
            range,
            kind,
            gap: self.gap,
        }
    }

    fn push(&mut self, range: Range<usize>, kind: PieceKind) {
        let gap = std::mem::take(&mut self.gap);
        self.pieces.push(Piece { range, kind, gap });
    }
}

/// Returns where a line is cut that is too long: behind the last blank that still fits.
fn cut_of(source: &str, line: usize) -> usize {
    let most = source.floor_char_boundary(line + LONGEST_LINE);
    let head = source.get(line..most).unwrap_or_default();
    match head.rfind(' ') {
        Some(blank) if blank > LONGEST_LINE / 2 => line + blank + 1,
        _ => most,
    }
}

/// Returns where the two head lines of a table stand, if what starts there is one.
fn table_head(source: &str, start: usize) -> Option<Range<usize>> {
    let rest = source.get(start..)?;
    let first = rest.find('\n')? + 1;
    let second = rest.get(first..)?.find('\n')? + 1;
    let rule = rest.get(first..first + second)?.trim();
    let is_rule = rule.contains('-') && rule.bytes().all(|byte| b"|-: ".contains(&byte));
    is_rule.then_some(start..start + first + second)
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

/// Returns the columns before the first character of a line.
fn indent_of(line: &str) -> usize {
    let mut columns = 0;
    for byte in line.bytes() {
        match byte {
            b' ' => columns += 1,
            b'\t' => columns += 4 - columns % 4,
            _ => break,
        }
    }
    columns
}

fn fence_of(line: &str) -> Option<Fence> {
    let indent = indent_of(line);
    let text = line.trim();
    let mark = *text.as_bytes().first()?;
    let length = text.bytes().take_while(|byte| *byte == mark).count();
    let info = text.get(length..)?;
    let is_fence = match mark {
        b'`' => !info.contains('`'),
        b'~' => true,
        _ => false,
    };
    (is_fence && length >= 3 && indent < 4).then_some(Fence {
        mark,
        length,
        indent,
    })
}

fn closes(line: &str, fence: &Fence) -> bool {
    let text = line.trim();
    text.len() >= fence.length && text.bytes().all(|byte| byte == fence.mark)
}

fn is_heading(line: &str) -> bool {
    let text = line.trim_start();
    let level = text.bytes().take_while(|byte| *byte == b'#').count();
    let after = text.as_bytes().get(level);
    indent_of(line) < 4 && (1..=6).contains(&level) && after.is_none_or(u8::is_ascii_whitespace)
}

/// Tells whether a line is a rule: three or more of the same mark.
fn is_rule(line: &str) -> bool {
    let mut marks = line.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let Some(mark @ (b'-' | b'*' | b'_')) = marks.next() else {
        return false;
    };
    let mut count = 1;
    for other in marks {
        if other != mark {
            return false;
        }
        count += 1;
    }
    count >= 3 && indent_of(line) < 4
}

/// Tells whether a line makes a heading of the lines before it.
fn is_underline(line: &str) -> bool {
    let text = line.trim();
    let all = |mark: u8| text.bytes().all(|byte| byte == mark);
    !text.is_empty() && indent_of(line) < 4 && (all(b'=') || all(b'-'))
}

fn item_of(line: &str) -> Option<Item> {
    let indent = indent_of(line);
    let text = line.trim_start();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let mark = *text.as_bytes().get(digits)?;
    let number = match (digits, mark) {
        (0, b'-' | b'*' | b'+') => None,
        (1..=9, b'.' | b')') => Some((text.get(..digits)?.parse().ok()?, mark)),
        _ => return None,
    };
    let after = text.get(digits + 1..)?;
    let blanks = indent_of(after);
    if blanks == 0 && !is_blank(after) || indent >= 4 {
        return None;
    }
    let blanks = if is_blank(after) || blanks > 4 {
        1
    } else {
        blanks
    };
    Some(Item {
        indent: indent + digits + 1 + blanks,
        number,
        counted: false,
        fence: None,
        blank: false,
        rest: false,
    })
}

/// Tells whether the beginning of a line may still become a bullet, a rule, a fence, a heading ...; shown too early
/// it would make a heading of the paragraph before, and change back.
fn may_be_anything(line: &str) -> bool {
    let text = line.trim();
    text.len() < 4
        && text
            .bytes()
            .all(|byte| b"-=*+_#`~>|:.)0123456789".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(source: &str) -> Vec<(PieceKind, &str, bool)> {
        let mut scanner = Scanner::default();
        scanner.finish(source);
        scanner
            .pieces
            .iter()
            .map(|piece| {
                (
                    piece.kind.clone(),
                    source[piece.range.clone()].trim_end(),
                    piece.gap,
                )
            })
            .collect()
    }

    #[test]
    fn blocks_are_pieces() {
        use PieceKind::{Code, FenceClose, FenceOpen, Prose};
        assert_eq!(
            pieces("# Title\ntext\ngoes on\n\n> quote\n```rust\nlet a;\n\n```\nend"),
            [
                (Prose, "# Title", false),
                (Prose, "text\ngoes on", false),
                (Prose, "> quote", true),
                (FenceOpen, "```rust", false),
                (Code(0), "let a;", false),
                (Code(0), "", false),
                (FenceClose, "```", false),
                (Prose, "end", false),
            ]
        );
    }

    #[test]
    fn every_item_is_a_piece_and_numbers_go_on() {
        use PieceKind::{Item, Prose};
        assert_eq!(
            pieces("Intro:\n1. a\n   more\n1. b\n\n   loose\n\n1. c\n\nend\n- x\nlazy\n- y"),
            [
                (Prose, "Intro:", false),
                (Item(None), "1. a\n   more", false),
                (Item(Some(2)), "1. b\n\n   loose", false),
                (Item(Some(3)), "1. c", true),
                (Prose, "end", true),
                (Item(None), "- x\nlazy", false),
                (Item(None), "- y", false),
            ]
        );
    }

    #[test]
    fn code_in_an_item_does_not_end_it() {
        use PieceKind::{Item, Prose};
        assert_eq!(
            pieces("- a\n  ```\n  - no item\n\n  # no heading\n  ```\n  still a\n\nend"),
            [
                (
                    Item(None),
                    "- a\n  ```\n  - no item\n\n  # no heading\n  ```\n  still a",
                    false
                ),
                (Prose, "end", true),
            ]
        );
    }

    #[test]
    fn an_underlined_heading_and_a_rule_end_their_piece() {
        use PieceKind::Prose;
        assert_eq!(
            pieces("Title\n===\ntext\n---\n\n***\nend"),
            [
                (Prose, "Title\n===", false),
                (Prose, "text\n---", false),
                (Prose, "***", true),
                (Prose, "end", false),
            ]
        );
    }

    #[test]
    fn what_never_ends_is_cut() {
        let line = "word ".repeat(LONGEST_LINE);
        let lengths: Vec<usize> = pieces(&line)
            .iter()
            .map(|(_, text, _)| text.len())
            .collect();
        assert!(
            lengths.len() >= 5
                && lengths
                    .iter()
                    .all(|length| *length <= LONGEST_PIECE + LONGEST_LINE)
        );

        let table = format!("|a|b|\n|-|-|\n{}", "|1|2|\n".repeat(9_000));
        let parts = pieces(&table);
        assert!(parts.len() > 2);
        assert!(
            parts[1..]
                .iter()
                .all(|(kind, ..)| *kind == PieceKind::TableRest(0..12))
        );

        let item = format!("- start\n{}", "  more of it\n".repeat(9_000));
        let parts = pieces(&item);
        assert!(parts.len() > 2);
        assert!(
            parts[1..]
                .iter()
                .all(|(kind, ..)| *kind == PieceKind::ItemRest(2))
        );
    }

    #[test]
    fn a_dash_that_may_become_a_bullet_waits() {
        let source = "A paragraph\n-";
        let mut scanner = Scanner::default();
        scanner.scan(source);
        let tail = scanner.tail(source).unwrap();
        assert_eq!(&source[tail.range], "A paragraph\n");
    }

    #[test]
    fn a_closing_fence_is_not_shown_as_code_while_it_arrives() {
        let source = "```\ncode\n``";
        let mut scanner = Scanner::default();
        scanner.scan(source);
        assert_eq!(scanner.tail(source), None);
    }
}
