//! Rows that moved up or down, told to the terminal in one sequence instead of written again.
//!
//! A list that grows at its top, and a text that scrolls, leave most rows as they were, some lines further on. Where
//! both pictures agree after such a move better than before it, the rows between two margins are moved (DECSTBM with
//! IL or DL, which every terminal since the VT102 has), and what then still differs is written. Rows move in their
//! whole width, so beside panes that stand still it pays only when little stands there.

use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use ratatui::buffer::{Cell, CellWidth as _};

use super::is_plain_blank;

/// With fewer changed cells nothing is looked for.
const MANY: usize = 120;
/// A move must save so many cells: it costs about twenty bytes itself.
const WORTH: i32 = 60;
/// The farthest that rows move.
const FARTHEST: usize = 24;

/// What was written in each row; `None` is blank.
pub(super) type Rows = Vec<Vec<Option<Cell>>>;

/// A move of the rows `from..to`, `by` rows down, or up when that is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    from: usize,
    to: usize,
    by: isize,
}

/// Finds the move after which the least is left to be written, if one is worth it.
pub(super) fn find(rows: &Rows, changes: &[(u16, u16, &Cell)]) -> Option<Shift> {
    if changes.len() < MANY {
        return None;
    }
    let last = changes.iter().map(|(_, y, _)| usize::from(*y)).max()?;
    let height = rows.len().max(last + 1);
    let old: Vec<Vec<u32>> = (0..height)
        .map(|y| {
            let row = rows.get(y).map(Vec::as_slice).unwrap_or_default();
            row.iter().map(|cell| mark(cell.as_ref())).collect()
        })
        .collect();
    let mut new = old.clone();
    for (x, y, cell) in changes {
        let row = &mut new[usize::from(*y)];
        let mark = mark(Some(cell));
        set(row, usize::from(*x), cell.cell_width(), mark, &COVERED_MARK);
    }
    let still: Vec<i32> = (0..height).map(|y| alike(&new[y], &old[y])).collect();
    let mut found: Option<(i32, Shift)> = None;
    for by in 1..=FARTHEST.min(height.saturating_sub(1)) {
        for down in [true, false] {
            let Some((gain, shift)) = best(&old, &new, &still, by, down) else {
                continue;
            };
            if gain >= WORTH && found.is_none_or(|(most, _)| gain > most) {
                found = Some((gain, shift));
            }
        }
    }
    found.map(|(_, shift)| shift)
}

/// Finds the margins between which a move by so many rows saves the most cells.
fn best(
    old: &[Vec<u32>],
    new: &[Vec<u32>],
    still: &[i32],
    by: usize,
    down: bool,
) -> Option<(i32, Shift)> {
    let height = old.len();
    // What a row wins when another one is moved there, and when it is blank; sums of all rows before.
    let (mut moved, mut blank) = (vec![0; height + 1], vec![0; height + 1]);
    for y in 0..height {
        let source = if down {
            y.checked_sub(by)
        } else {
            Some(y + by).filter(|source| *source < height)
        };
        let won = source.map_or(0, |source| alike(&new[y], &old[source]) - still[y]);
        moved[y + 1] = moved[y] + won;
        blank[y + 1] = blank[y] + alike(&new[y], &[]) - still[y];
    }
    let mut found: Option<(i32, Shift)> = None;
    let mut take = |gain: i32, from: usize, to: usize| {
        if found.is_none_or(|(most, _)| gain > most) {
            let by = if down {
                by.cast_signed()
            } else {
                -by.cast_signed()
            };
            found = Some((gain, Shift { from, to, by }));
        }
    };
    if down {
        // Of all ends behind a begin, the one with the greatest sum.
        let mut end = height;
        for from in (0..height.saturating_sub(by)).rev() {
            let first = from + by;
            if moved[first + 1] >= moved[end] {
                end = first + 1;
            }
            let gain = blank[first] - blank[from] + moved[end] - moved[first];
            take(gain, from, end);
        }
    } else {
        let mut from = 0;
        for to in by + 1..=height {
            let last = to - by;
            if moved[last - 1] <= moved[from] {
                from = last - 1;
            }
            let gain = moved[last] - moved[from] + blank[to] - blank[last];
            take(gain, from, to);
        }
    }
    found
}

/// Counts the cells that are alike, blanks beyond the ends included up to the longer one.
fn alike(one: &[u32], other: &[u32]) -> i32 {
    let (short, long) = if one.len() < other.len() {
        (one, other)
    } else {
        (other, one)
    };
    let both = short.iter().zip(long).filter(|(a, b)| a == b).count();
    let beyond = long[short.len()..]
        .iter()
        .filter(|mark| **mark == 0)
        .count();
    let count = |cells: usize| i32::try_from(cells).unwrap_or(i32::MAX / 2);
    // Rows of different lengths are compared with one another, so all count from the same width.
    count(both + beyond) + i32::from(u16::MAX) - count(long.len())
}

/// Tells cells apart; blank ones have none.
fn mark(cell: Option<&Cell>) -> u32 {
    /// FNV, which is enough for what a few bytes hold: a mistake costs bytes, never a wrong picture.
    struct Fnv(u32);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            u64::from(self.0)
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
            }
        }
    }
    let Some(cell) = cell.filter(|cell| !is_plain_blank(cell)) else {
        return 0;
    };
    if cell.symbol() == COVERED {
        return COVERED_MARK;
    }
    let mut hasher = Fnv(0x811c_9dc5);
    cell.hash(&mut hasher);
    hasher.0.clamp(1, COVERED_MARK - 1)
}

/// What stands where a wide cell covers a second column; no blank that could be written again.
const COVERED: &str = "";
const COVERED_MARK: u32 = u32::MAX;

/// Puts a cell, or what stands for one, in its place, as a terminal does: a wide one takes two columns, and one half
/// does not outlive the other.
fn set<T: Clone + Default + PartialEq>(
    row: &mut Vec<T>,
    x: usize,
    width: u16,
    value: T,
    covered: &T,
) {
    if row.len() <= x + 2 {
        row.resize(x + 3, T::default());
    }
    if row[x] == *covered && x > 0 {
        row[x - 1] = T::default();
    }
    row[x] = value;
    let behind = if width > 1 {
        row[x + 1] = covered.clone();
        x + 2
    } else {
        x + 1
    };
    if row[behind] == *covered {
        row[behind] = T::default();
    }
}

/// Remembers a cell that is on the screen.
pub(super) fn remember(rows: &mut Rows, x: u16, y: u16, cell: &Cell) {
    let (x, y) = (usize::from(x), usize::from(y));
    if rows.len() <= y {
        rows.resize(y + 1, Vec::new());
    }
    let covered = Some(Cell::new(COVERED));
    set(
        &mut rows[y],
        x,
        cell.cell_width(),
        Some(cell.clone()),
        &covered,
    );
}

impl Shift {
    /// Writes the move. The pen is plain; the cursor is anywhere afterwards.
    pub(super) fn write(self, out: &mut String) {
        let (count, what) = (self.by.unsigned_abs(), if self.by > 0 { 'L' } else { 'M' });
        // Writing to a String does not fail.
        let _ = write!(
            out,
            "\x1b[{top};{bottom}r\x1b[{top}H\x1b[{count}{what}\x1b[r",
            top = self.from + 1,
            bottom = self.to,
        );
    }

    /// Moves what is remembered, and returns what is left to be written, in order.
    pub(super) fn apply(
        self,
        rows: &mut Rows,
        changes: &[(u16, u16, &Cell)],
    ) -> Vec<(u16, u16, Cell)> {
        if rows.len() < self.to {
            rows.resize(self.to, Vec::new());
        }
        // The picture that is wanted between the margins.
        let mut wanted = rows.clone();
        for (x, y, cell) in changes {
            remember(&mut wanted, *x, *y, cell);
        }
        let count = self.by.unsigned_abs();
        let between = &mut rows[self.from..self.to];
        let blank = if self.by > 0 {
            between.rotate_right(count);
            &mut between[..count]
        } else {
            between.rotate_left(count);
            let first = between.len() - count;
            &mut between[first..]
        };
        blank.fill(Vec::new());
        let is_between = |y: u16| (self.from..self.to).contains(&usize::from(y));
        let mut left: Vec<(u16, u16, Cell)> = changes
            .iter()
            .filter(|(_, y, _)| !is_between(*y))
            .map(|(x, y, cell)| (*x, *y, (*cell).clone()))
            .collect();
        for y in self.from..self.to {
            row_left(&rows[y], &wanted[y], y as u16, &mut left);
        }
        left.sort_by_key(|(x, y, _)| (*y, *x));
        left
    }
}

/// Collects what must be written so that one row becomes another.
fn row_left(old: &[Option<Cell>], new: &[Option<Cell>], y: u16, left: &mut Vec<(u16, u16, Cell)>) {
    let at = |row: &[Option<Cell>], x: usize| row.get(x).cloned().flatten().unwrap_or_default();
    for x in 0..old.len().max(new.len()) {
        let (before, after) = (at(old, x), at(new, x));
        let both_blank = is_plain_blank(&before) && is_plain_blank(&after);
        if before != after && !both_blank && after.symbol() != COVERED {
            left.push((x as u16, y, after));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::{Color, Style};

    use super::super::Painter;

    const AREA: Rect = Rect::new(0, 0, 50, 18);

    fn shown(written: &[&str]) -> vt100::Parser {
        let mut terminal = vt100::Parser::new(AREA.height, AREA.width, 0);
        for written in written {
            terminal.process(written.as_bytes());
        }
        terminal
    }

    fn buffer(lines: &[String], top: &str) -> Buffer {
        let mut buffer = Buffer::empty(AREA);
        buffer.set_string(0, 0, top, Style::new().fg(Color::Red));
        for (y, line) in lines.iter().take(usize::from(AREA.height) - 2).enumerate() {
            let style = if line.contains('7') {
                Style::new().bg(Color::Blue)
            } else {
                Style::new()
            };
            buffer.set_string(1, y as u16 + 1, line, style);
        }
        buffer.set_string(0, AREA.height - 1, "the footer stands still", Style::new());
        buffer
    }

    /// Both pictures one after the other: what the second one cost, and the terminal at the end.
    fn both(before: &Buffer, after: &Buffer) -> (String, vt100::Parser) {
        let mut painter = Painter::default();
        let empty = Buffer::empty(AREA);
        let first = painter.paint(empty.diff(before).into_iter());
        let second = painter.paint(before.diff(after).into_iter());
        let terminal = shown(&[&first, &second]);
        (second, terminal)
    }

    fn assert_same(terminal: &vt100::Parser, wanted: &Buffer) {
        let mut painter = Painter::default();
        let direct = painter.paint(Buffer::empty(AREA).diff(wanted).into_iter());
        let direct = shown(&[&direct]);
        for y in 0..AREA.height {
            for x in 0..AREA.width {
                let one = terminal.screen().cell(y, x).unwrap();
                let other = direct.screen().cell(y, x).unwrap();
                let said = |cell: &vt100::Cell| cell.contents().replace(' ', "");
                assert_eq!(said(one), said(other), "at {x},{y}");
                assert_eq!(one.bgcolor(), other.bgcolor(), "at {x},{y}");
            }
        }
    }

    fn lines(numbers: impl Iterator<Item = usize>) -> Vec<String> {
        // No two of them have much in common.
        let line = |number: usize| {
            let mut mixed = number as u32 + 1;
            let letters = (0..40).map(|_| {
                mixed = mixed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                char::from(b'a' + (mixed >> 24) as u8 % 26)
            });
            let letters: String = letters.collect();
            format!("{number:03} {letters}")
        };
        numbers.map(line).collect()
    }

    #[test]
    fn a_list_that_grows_at_its_top_is_moved_and_not_written_again() {
        let before = buffer(&lines((0..40).rev()), "12:00:01");
        let after = buffer(&lines((0..43).rev()), "12:00:02");
        let (written, terminal) = both(&before, &after);
        assert!(written.contains("\x1b[3L"), "{written:?}");
        assert!(written.len() < 400, "{} bytes: {written:?}", written.len());
        assert_same(&terminal, &after);
    }

    #[test]
    fn a_text_that_scrolls_is_moved_up() {
        let before = buffer(&lines(0..40), "");
        let after = buffer(&lines(5..45), "");
        let (written, terminal) = both(&before, &after);
        assert!(written.contains("\x1b[5M"), "{written:?}");
        assert_same(&terminal, &after);
    }

    #[test]
    fn another_picture_is_written_as_it_is() {
        let before = buffer(&lines(0..40), "");
        let after = buffer(&lines(500..540), "");
        let (written, terminal) = both(&before, &after);
        assert!(!written.contains("\x1b[r"), "{written:?}");
        assert_same(&terminal, &after);
    }

    fn some_lines() -> impl Strategy<Value = Vec<String>> {
        let line = prop::sample::select(vec![
            "a line of text that is as long as lines are",
            "天空是蓝色 and something behind it, for its width",
            "x",
            "",
            "     indented, with a tail               here",
            "─────────────────────────────────────",
            "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
        ]);
        prop::collection::vec(line.prop_map(str::to_owned), 16..40)
    }

    proptest! {
        #[test]
        fn whatever_moves_the_picture_is_right(
            lines in some_lines(),
            others in some_lines(),
            by in 0_usize..20,
            up in any::<bool>(),
            changed in prop::collection::vec((0_usize..16, 0_usize..16), 0..4),
        ) {
            let mut moved = if up {
                lines[by.min(lines.len())..].to_vec()
            } else {
                others[..by.min(others.len())].iter().chain(&lines).cloned().collect()
            };
            for (to, from) in changed {
                if let (Some(line), Some(other)) = (moved.get_mut(to), others.get(from)) {
                    line.clone_from(other);
                }
            }
            let (before, after) = (buffer(&lines, "before"), buffer(&moved, "after"));
            let (_, terminal) = both(&before, &after);
            assert_same(&terminal, &after);
        }
    }
}
