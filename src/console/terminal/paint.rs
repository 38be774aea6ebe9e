//! Cells as bytes, as few as possible: over SSH every byte counts.
//!
//! ratatui's own backend moves the cursor over every unchanged cell and sets both colours whenever one changes; of what
//! a streaming answer wrote, moves and colours were two thirds. Here short gaps are written again instead of jumped
//! over, a colour is set when it changes, and runs of blanks are erased by one sequence.

mod shift;

use std::fmt::Write as _;

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};

/// A gap of at most so many unchanged cells may be written again; a jump costs about as many bytes.
const SHORT_GAP: u16 = 4;
/// A run of at least so many blanks is erased instead of written.
const LONG_BLANK: usize = 6;

/// Modifiers that show on a blank.
const ON_BLANKS: Modifier = Modifier::UNDERLINED
    .union(Modifier::REVERSED)
    .union(Modifier::CROSSED_OUT);

/// How the next character will look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pen {
    fg: Color,
    bg: Color,
    underline: Color,
    modifier: Modifier,
}

const PLAIN: Pen = Pen {
    fg: Color::Reset,
    bg: Color::Reset,
    underline: Color::Reset,
    modifier: Modifier::empty(),
};

impl Pen {
    fn of(cell: &Cell) -> Self {
        Self {
            fg: cell.fg,
            bg: cell.bg,
            underline: cell.underline_color,
            modifier: cell.modifier,
        }
    }

    /// Tells whether a blank looks alike with both.
    fn same_blank(self, other: Self) -> bool {
        let shows = |pen: Self| pen.modifier.intersects(ON_BLANKS);
        self == other || (self.bg == other.bg && !shows(self) && !shows(other))
    }
}

/// Remembers what is on the screen, and how the pen stands.
#[derive(Debug, Default)]
pub(crate) struct Painter {
    /// What was written since the screen was cleared.
    rows: shift::Rows,
}

/// One frame being written.
struct Frame<'a> {
    rows: &'a mut shift::Rows,
    out: String,
    pen: Pen,
    /// Where the terminal's cursor is; the column is unknown behind what terminals do not agree on.
    row: Option<u16>,
    column: Option<u16>,
}

impl Painter {
    /// The screen is blank now.
    pub(crate) fn cleared(&mut self) {
        self.rows.clear();
    }

    /// Returns the bytes that put cells on the screen. The pen is plain before and after.
    pub(crate) fn paint<'a>(
        &mut self,
        cells: impl Iterator<Item = (u16, u16, &'a Cell)>,
    ) -> String {
        let mut out = String::new();
        let mut changes: Vec<(u16, u16, &Cell)> = cells.collect();
        let left;
        if let Some(shift) = shift::find(&self.rows, &changes) {
            shift.write(&mut out);
            left = shift.apply(&mut self.rows, &changes);
            changes = left.iter().map(|(x, y, cell)| (*x, *y, cell)).collect();
        }
        let mut frame = Frame {
            rows: &mut self.rows,
            out,
            pen: PLAIN,
            row: None,
            column: None,
        };
        let mut cells = changes.into_iter().peekable();
        while let Some((x, y, cell)) = cells.next() {
            frame.go(x, y);
            if !is_plain_blank(cell) {
                frame.put(x, y, cell);
                continue;
            }
            let mut run = 1;
            let follows = |next: &(u16, u16, &Cell), run: usize| {
                next.1 == y && usize::from(next.0) == usize::from(x) + run && is_plain_blank(next.2)
            };
            while let Some((x, y, cell)) = cells.next_if(|next| follows(next, run)) {
                frame.remember(x, y, cell);
                run += 1;
            }
            frame.blanks(x, y, cell, run);
        }
        frame.set(PLAIN);
        frame.out
    }
}

impl Frame<'_> {
    fn go(&mut self, x: u16, y: u16) {
        if self.row != Some(y) {
            // Writing to a String does not fail.
            let _ = match x {
                0 => write!(self.out, "\x1b[{}H", y + 1),
                x => write!(self.out, "\x1b[{};{}H", y + 1, x + 1),
            };
        } else if self.column != Some(x) {
            match self
                .column
                .and_then(|at| x.checked_sub(at).map(|gap| (at, gap)))
            {
                Some((at, gap)) if gap <= SHORT_GAP && self.bridge(at, x, y) => {}
                Some((_, 1)) => self.out.push_str("\x1b[C"),
                Some((_, gap)) if gap < 10 => {
                    let _ = write!(self.out, "\x1b[{gap}C");
                }
                _ => {
                    let _ = write!(self.out, "\x1b[{}G", x + 1);
                }
            }
        }
        (self.row, self.column) = (Some(y), Some(x));
    }

    /// Writes the unchanged cells of a gap again, when that needs no other pen; `false` when it does.
    fn bridge(&mut self, from: u16, to: u16, y: u16) -> bool {
        let row = self.rows.get(usize::from(y));
        let cells = (from..to).map(|x| row.and_then(|row| row.get(usize::from(x))?.as_ref()));
        let mut text = String::new();
        for cell in cells {
            let (symbol, pen) = cell.map_or((" ", PLAIN), |cell| (cell.symbol(), Pen::of(cell)));
            let same = match symbol {
                " " => self.pen.same_blank(pen),
                symbol => symbol.len() == 1 && self.pen == pen,
            };
            if !same {
                return false;
            }
            text.push_str(symbol);
        }
        self.out.push_str(&text);
        true
    }

    fn put(&mut self, x: u16, y: u16, cell: &Cell) {
        let pen = Pen::of(cell);
        if cell.symbol() != " " || !self.pen.same_blank(pen) {
            self.set(pen);
        }
        self.out.push_str(cell.symbol());
        self.remember(x, y, cell);
        self.column = agreed_width(cell).map(|width| x + width);
    }

    fn blanks(&mut self, x: u16, y: u16, cell: &Cell, run: usize) {
        if !self.pen.same_blank(PLAIN) {
            self.set(PLAIN);
        }
        if run >= LONG_BLANK {
            let _ = write!(self.out, "\x1b[{run}X");
            self.column = Some(x);
        } else {
            self.out.extend(std::iter::repeat_n(' ', run));
            self.column = Some(x + run as u16);
        }
        self.remember(x, y, cell);
    }

    fn remember(&mut self, x: u16, y: u16, cell: &Cell) {
        shift::remember(self.rows, x, y, cell);
    }

    /// Sets what is different of the pen, in one sequence.
    fn set(&mut self, pen: Pen) {
        if self.pen == pen {
            return;
        }
        if pen == PLAIN {
            self.out.push_str("\x1b[m");
            self.pen = pen;
            return;
        }
        let mut parts = String::new();
        let gone = self.pen.modifier - pen.modifier;
        let mut new = pen.modifier - self.pen.modifier;
        // Bold and dim are switched off together.
        if gone.intersects(Modifier::BOLD | Modifier::DIM) {
            parts.push_str("22;");
            new |= pen.modifier & (Modifier::BOLD | Modifier::DIM);
        }
        for (modifier, on, off) in MODIFIERS {
            if gone.contains(modifier) && !off.is_empty() {
                parts.push_str(off);
            }
            if new.contains(modifier) {
                parts.push_str(on);
            }
        }
        if pen.fg != self.pen.fg {
            colour(&mut parts, pen.fg, 30, 38);
        }
        if pen.bg != self.pen.bg {
            colour(&mut parts, pen.bg, 40, 48);
        }
        if pen.underline != self.pen.underline {
            match pen.underline {
                Color::Reset => parts.push_str("59;"),
                Color::Rgb(r, g, b) => {
                    let _ = write!(parts, "58;2;{r};{g};{b};");
                }
                other => {
                    let _ = write!(parts, "58;5;{};", index(other));
                }
            }
        }
        let _ = write!(self.out, "\x1b[{}m", parts.trim_end_matches(';'));
        self.pen = pen;
    }
}

/// Each modifier, what switches it on, what off.
const MODIFIERS: [(Modifier, &str, &str); 9] = [
    (Modifier::BOLD, "1;", ""),
    (Modifier::DIM, "2;", ""),
    (Modifier::ITALIC, "3;", "23;"),
    (Modifier::UNDERLINED, "4;", "24;"),
    (Modifier::SLOW_BLINK, "5;", "25;"),
    (Modifier::RAPID_BLINK, "6;", "25;"),
    (Modifier::REVERSED, "7;", "27;"),
    (Modifier::HIDDEN, "8;", "28;"),
    (Modifier::CROSSED_OUT, "9;", "29;"),
];

fn colour(parts: &mut String, colour: Color, base: u8, extended: u8) {
    let _ = match colour {
        Color::Reset => write!(parts, "{};", base + 9),
        Color::Rgb(r, g, b) => write!(parts, "{extended};2;{r};{g};{b};"),
        Color::Indexed(index) => write!(parts, "{extended};5;{index};"),
        named => match index(named) {
            dark @ 0..8 => write!(parts, "{};", base + dark),
            bright => write!(parts, "{};", base + 60 + bright - 8),
        },
    };
}

/// Returns the number of one of the sixteen colours.
const fn index(colour: Color) -> u8 {
    match colour {
        Color::Black | Color::Reset | Color::Rgb(..) => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
        Color::Indexed(index) => index,
    }
}

fn is_plain_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && Pen::of(cell).same_blank(PLAIN)
}

/// Returns how many columns a cell takes in every terminal; `None` where they do not agree (joined emoji and the like).
fn agreed_width(cell: &Cell) -> Option<u16> {
    let mut chars = cell.symbol().chars();
    let first = chars.next()?;
    let is_one = chars.next().is_none();
    match first {
        _ if !is_one => None,
        ' '..='~' | '\u{2500}'..='\u{259f}' => Some(1),
        // CJK, kana, Hangul and full-width forms are two columns wherever they can be shown.
        '\u{3041}'..='\u{33ff}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    const AREA: Rect = Rect::new(0, 0, 24, 6);

    fn shown(written: &str) -> vt100::Parser {
        let mut terminal = vt100::Parser::new(AREA.height, AREA.width, 0);
        terminal.process(written.as_bytes());
        terminal
    }

    /// What ratatui's own backend makes of the same changes.
    fn by_crossterm(before: &Buffer, after: &Buffer) -> Vec<u8> {
        use ratatui::backend::{Backend as _, CrosstermBackend};
        ratatui::crossterm::style::force_color_output(true);
        let mut out = Vec::new();
        let mut backend = CrosstermBackend::new(&mut out);
        let empty = Buffer::empty(AREA);
        backend.draw(empty.diff(before).into_iter()).unwrap();
        backend.draw(before.diff(after).into_iter()).unwrap();
        out
    }

    fn style() -> impl Strategy<Value = Style> {
        let colour = prop::sample::select(vec![
            Color::Reset,
            Color::Red,
            Color::LightBlue,
            Color::Indexed(100),
            Color::Rgb(1, 2, 3),
        ]);
        (colour.clone(), colour, 0..16_u16).prop_map(|(fg, bg, bits)| {
            let bits = [
                Modifier::BOLD,
                Modifier::DIM,
                Modifier::UNDERLINED,
                Modifier::REVERSED,
            ]
            .into_iter()
            .enumerate()
            .filter(|(place, _)| bits & (1 << place) != 0)
            // The emulator keeps one of bold and dim, the later one; terminals keep both.
            // What an earlier piece had here goes, or the two would meet after all.
            .filter(|(_, one)| *one != Modifier::DIM || bits & 1 == 0)
            .fold(Modifier::empty(), |all, (_, one)| all | one);
            Style::new()
                .fg(fg)
                .bg(bg)
                .remove_modifier(Modifier::all())
                .add_modifier(bits)
        })
    }

    fn buffer() -> impl Strategy<Value = Buffer> {
        let text = prop::sample::select(vec![
            "some words",
            "a",
            "        ",
            "天空是蓝色",
            "x  y",
            "─│",
            "é",
            "   z",
        ]);
        let piece = (
            0..AREA.width,
            0..AREA.height,
            text,
            prop::option::of(style()),
        );
        prop::collection::vec(piece, 0..14).prop_map(|pieces| {
            let mut buffer = Buffer::empty(AREA);
            for (x, y, text, style) in pieces {
                buffer.set_string(x, y, text, style.unwrap_or_default());
            }
            buffer
        })
    }

    proptest! {
        #[test]
        fn the_screen_is_as_ratatui_would_make_it(before in buffer(), after in buffer()) {
            let mut painter = Painter::default();
            let empty = Buffer::empty(AREA);
            let mut written = painter.paint(empty.diff(&before).into_iter());
            written.push_str(&painter.paint(before.diff(&after).into_iter()));
            let ours = shown(&written);
            let theirs = by_crossterm(&before, &after);
            let mut terminal = vt100::Parser::new(AREA.height, AREA.width, 0);
            terminal.process(&theirs);
            for y in 0..AREA.height {
                for x in 0..AREA.width {
                    let one = ours.screen().cell(y, x).unwrap();
                    let other = terminal.screen().cell(y, x).unwrap();
                    let said = |cell: &vt100::Cell| match cell.contents() {
                        "" if !cell.is_wide_continuation() => " ".to_owned(),
                        said => said.to_owned(),
                    };
                    prop_assert_eq!(said(one), said(other), "at {},{} of {:?}", x, y, written);
                    prop_assert_eq!(one.bgcolor(), other.bgcolor(), "at {},{}", x, y);
                    prop_assert_eq!(one.inverse(), other.inverse());
                    prop_assert_eq!(one.underline(), other.underline());
                    if said(one) != " " {
                        prop_assert_eq!(one.fgcolor(), other.fgcolor());
                        prop_assert_eq!((one.bold(), one.dim()), (other.bold(), other.dim()));
                    }
                }
            }
        }
    }

    #[test]
    fn a_blank_between_new_words_is_written_and_not_jumped_over() {
        let mut painter = Painter::default();
        let mut before = Buffer::empty(AREA);
        before.set_string(0, 0, "one two", Style::new());
        painter.paint(Buffer::empty(AREA).diff(&before).into_iter());
        let mut after = Buffer::empty(AREA);
        after.set_string(0, 0, "ONE TWO", Style::new());
        assert_eq!(
            painter.paint(before.diff(&after).into_iter()),
            "\x1b[1HONE TWO"
        );
    }
}
