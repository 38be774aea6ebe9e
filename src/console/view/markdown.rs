//! Markdown that streams in: what is settled is never parsed or wrapped again.
//!
//! ```text
//!   source   ─── settled pieces ───────────────┬── tail ──┐
//!   lines    ─── drawn once for this width ────┤ drawn at each call while it changes
//! ```
//! Only a new width or theme draws everything again.

mod blocks;
mod code;
mod flow;
mod math;
mod math_symbols;
mod paint;
mod scan;
mod table;
#[cfg(test)]
mod tests;

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use ratatui::text::Line;
use tokio::time::Instant;

use self::paint::{Canvas, Carried, Shelf};
use self::scan::Scanner;
use crate::console::theme::Theme;
use crate::console::view::highlight;

/// The most text that is kept, in bytes; what comes after it is dropped, and a line says so.
const MOST_BYTES: usize = if cfg!(test) { 1 << 20 } else { 8 << 20 };

/// A text of so many bytes is drawn anew a little at a time; until that is done it is shown as it was.
const LARGE: usize = 256 << 10;

/// With more pieces waiting for their colours they stay without: each of them is drawn again until it has them.
const MOST_WAITING: usize = 4_000;

/// A Markdown text, drawn while it grows.
#[derive(Default)]
pub struct Markdown {
    source: String,
    scanner: Scanner,
    /// Whether the last push ended between CR and LF.
    after_cr: bool,
    dropped: bool,
    ascii: bool,
    lines: Vec<Line<'static>>,
    /// How many of the scanner's pieces are drawn, and how many lines they are.
    drawn_pieces: usize,
    drawn_lines: usize,
    carried: Carried,
    shelf: Shelf,
    /// When something drawn waits for its colours: the generation of colours it was drawn in.
    waiting: Option<u64>,
    /// Whether something has come since `lines` was made.
    changed: bool,
    /// The width and the theme that `lines` was made for.
    made_for: Option<(u16, u64)>,
    /// The rows for another width or theme, shown while `lines` is made little by little.
    old: Option<Vec<Line<'static>>>,
    /// How many bytes have been drawn so far, again and again counted each time.
    #[cfg(test)]
    work: usize,
}

impl Markdown {
    /// Makes an empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses marks from ASCII alone, for terminals without more.
    #[must_use]
    pub fn ascii(mut self, ascii: bool) -> Self {
        self.ascii = ascii;
        self.made_for = None;
        self
    }

    /// Adds text at the end, cut anywhere. It is cleaned here; line ends become newlines.
    pub fn push(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let text = match text.strip_prefix('\n') {
            Some(rest) if self.after_cr => rest,
            _ => text,
        };
        self.after_cr = text.ends_with('\r');
        let clean = crate::base::clean(text);
        let room = clean.floor_char_boundary(MOST_BYTES.saturating_sub(self.source.len()));
        self.dropped |= room < clean.len();
        self.source.push_str(clean.get(..room).unwrap_or_default());
        self.scanner.scan(&self.source);
        self.changed = true;
    }

    /// Settles everything: the text is complete.
    pub fn finish(&mut self) {
        self.scanner.finish(&self.source);
        self.changed = true;
    }

    /// Returns the text, cleaned, for copying.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the rows, at most `width` columns each (but one wide character takes two). Cheap when nothing changed.
    /// After a new width or theme a large text has its old rows until [`Markdown::advance`] has made the new ones.
    pub fn lines(&mut self, width: u16, theme: &Theme) -> &[Line<'static>] {
        let made_for = (width, theme.fingerprint());
        if self.made_for != Some(made_for) {
            self.made_for = Some(made_for);
            let lines = std::mem::take(&mut self.lines);
            if self.source.len() >= LARGE && !lines.is_empty() && self.old.is_none() {
                self.old = Some(lines);
            } else {
                drop_elsewhere(lines);
            }
            self.drawn_pieces = 0;
            self.drawn_lines = 0;
            self.carried = Carried::default();
            self.changed = true;
        }
        if self.old.is_some() {
            return self.old.as_deref().unwrap_or_default();
        }
        let is_read = |generation| generation != highlight::generation();
        if self.changed || self.waiting.is_some_and(is_read) {
            self.changed = false;
            self.draw(self.canvas(width, theme));
        }
        &self.lines
    }

    /// Tells whether old rows are shown while new ones are made.
    pub fn is_behind(&self) -> bool {
        self.old.is_some()
    }

    /// Goes on making new rows, until a time at most; tells whether they have now taken the place of the old ones.
    pub fn advance(&mut self, theme: &Theme, until: Instant) -> bool {
        /// Pieces between two looks at the clock.
        const AT_ONCE: usize = 16;
        let Some((width, _)) = self.made_for.filter(|_| self.is_behind()) else {
            return false;
        };
        let canvas = self.canvas(width, theme);
        self.shelf.waiting = false;
        for number in self.drawn_pieces..self.scanner.pieces().len() {
            let mut carried = self.carried.clone();
            let piece = (Some(number), &self.scanner.pieces()[number]);
            let (shelf, lines) = (&mut self.shelf, &mut self.lines);
            canvas.piece(&self.source, piece, &mut carried, shelf, lines);
            if self.shelf.waiting {
                break;
            }
            self.drawn_pieces = number + 1;
            self.drawn_lines = self.lines.len();
            self.carried = carried;
            if number % AT_ONCE == 0 && Instant::now() > until {
                return false;
            }
        }
        // What is left is drawn as ever.
        drop_elsewhere(self.old.take().unwrap_or_default());
        self.changed = true;
        true
    }

    fn canvas<'a>(&self, width: u16, theme: &'a Theme) -> Canvas<'a> {
        Canvas {
            columns: usize::from(width).max(1),
            theme,
            ascii: self.ascii,
        }
    }

    /// Returns the contents of the blocks of code, in order, also of one that is still open.
    pub fn code_blocks(&self) -> Vec<String> {
        let mut blocks: Vec<String> = Vec::new();
        let mut is_open = false;
        for event in Parser::new(&self.source) {
            match event {
                Event::Start(Tag::CodeBlock(
                    CodeBlockKind::Fenced(_) | CodeBlockKind::Indented,
                )) => {
                    is_open = true;
                    blocks.push(String::new());
                }
                Event::End(TagEnd::CodeBlock) => is_open = false,
                Event::Text(text) if is_open => {
                    if let Some(block) = blocks.last_mut() {
                        block.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        blocks
    }

    fn draw(&mut self, canvas: Canvas<'_>) {
        self.lines.truncate(self.drawn_lines);
        // Read before drawing: what comes while drawing is drawn the next time.
        let generation = highlight::generation();
        self.shelf.waiting = false;
        let mut carried = self.carried.clone();
        let pieces = self.scanner.pieces().iter().enumerate();
        for (number, piece) in pieces.skip(self.drawn_pieces) {
            let (shelf, lines) = (&mut self.shelf, &mut self.lines);
            canvas.piece(
                &self.source,
                (Some(number), piece),
                &mut carried,
                shelf,
                lines,
            );
            // What waits for its colours, and all after it, is not done.
            if !self.shelf.waiting {
                self.drawn_pieces = number + 1;
                self.drawn_lines = self.lines.len();
                self.carried = carried.clone();
            }
            #[cfg(test)]
            {
                self.work += piece.range.len();
            }
        }
        self.waiting = self.shelf.waiting.then_some(generation);
        if self.scanner.pieces().len() - self.drawn_pieces > MOST_WAITING {
            self.shelf.give_up();
            self.changed = true;
        }
        if let Some(tail) = self.scanner.tail(&self.source) {
            let (shelf, lines) = (&mut self.shelf, &mut self.lines);
            canvas.piece(&self.source, (None, &tail), &mut carried, shelf, lines);
            #[cfg(test)]
            {
                self.work += tail.range.len();
            }
        }
        if self.dropped {
            let note = crate::console::words::t("[the rest is too long to be shown]");
            let style = canvas.theme.style(crate::console::theme::Role::Warn);
            self.lines.push(Line::styled(note, style));
        }
    }
}

/// Frees many rows without keeping the next frame waiting: that many small pieces take longer than a frame may.
fn drop_elsewhere(rows: Vec<Line<'static>>) {
    /// Fewer are freed sooner than a thread begins.
    const MANY: usize = 4_000;
    if rows.len() < MANY {
        return;
    }
    // Where no thread can be had, they are freed here with the closure.
    let freed = std::thread::Builder::new()
        .name("llmdeck-free".to_owned())
        .spawn(move || drop(rows));
    drop(freed);
}

impl std::fmt::Debug for Markdown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Markdown")
            .field("bytes", &self.source.len())
            .field("pieces", &self.scanner.pieces().len())
            .field("lines", &self.lines.len())
            .finish_non_exhaustive()
    }
}
