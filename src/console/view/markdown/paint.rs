//! From pieces of Markdown to styled rows.

use std::collections::BTreeMap;

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::blocks::{Painter, Start};
use super::code;
use super::scan::{Piece, PieceKind};
use crate::console::text;
use crate::console::theme::{Role, Theme};
use crate::console::view::highlight::{Colours, Seen};

/// The longest name of a language that is shown, in columns.
const LONGEST_LANGUAGE: usize = 30;

/// What is drawn on and with.
#[derive(Clone, Copy)]
pub(super) struct Canvas<'a> {
    pub(super) columns: usize,
    pub(super) theme: &'a Theme,
    pub(super) ascii: bool,
}

/// What goes on from piece to piece.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    /// The colours of the block of code that is open, and how many of its lines are drawn.
    code: (Colours, usize),
    /// The widths of the last table, for its rest when it was cut.
    pub(super) table: Option<Vec<usize>>,
}

/// The colours of all settled blocks of code: they outlive a new width or theme.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    blocks: BTreeMap<(usize, usize), Colours>,
    /// Whether something drawn since this was cleared waits for its colours.
    pub(super) waiting: bool,
}

impl Shelf {
    /// Returns the colours of a block, by the number of its piece and its place in it.
    pub(super) fn block(&mut self, piece: usize, place: usize, language: &str) -> Colours {
        let new = || Colours::new(language);
        self.blocks
            .entry((piece, place))
            .or_insert_with(new)
            .clone()
    }

    /// Leaves in one colour what is still waiting.
    pub(super) fn give_up(&self) {
        self.blocks.values().for_each(Colours::give_up);
    }
}

impl Canvas<'_> {
    /// Draws a piece at the end of `lines`. `number` is its number when it is settled; the tail has none.
    pub(super) fn piece(
        self,
        source: &str,
        (number, piece): (Option<usize>, &Piece),
        carried: &mut Carried,
        shelf: &mut Shelf,
        lines: &mut Vec<Line<'static>>,
    ) {
        let text = source.get(piece.range.clone()).unwrap_or_default();
        let lines_before = lines.len();
        if piece.gap && lines_before > 0 {
            lines.push(Line::default());
        }
        let gap_end = lines.len();
        let mut start = Start {
            piece: number,
            ..Start::default()
        };
        let last_table = carried.table.clone();
        let mut prose = |text: &str, start: Start| {
            let widths = Painter::draw(self, text, start, shelf, lines);
            carried.table = widths.or_else(|| carried.table.take());
        };
        match &piece.kind {
            PieceKind::FenceOpen => {
                let info = text.trim().trim_start_matches(['`', '~']);
                lines.extend(self.label(info));
                let colours = number.map(|number| shelf.block(number, 0, language_of(info)));
                carried.code = (colours.unwrap_or_default(), 0);
            }
            PieceKind::Code(indent) => {
                let line = code::without_indent(text, *indent);
                let (colours, index) = &mut carried.code;
                // The line that is being written changes with each letter, and so would its colours.
                let colours = number.map(|_| (&*colours, *index));
                lines.extend(self.code(line, colours, shelf));
                *index += 1;
            }
            PieceKind::FenceClose => carried.code = Default::default(),
            PieceKind::Prose => prose(text, start),
            PieceKind::Item(number) => {
                start.number = *number;
                prose(text, start);
            }
            PieceKind::ItemRest(indent) => {
                let text: String = text
                    .split_inclusive('\n')
                    .map(|line| code::without_indent(line, *indent))
                    .collect();
                start.indent = *indent;
                prose(&text, start);
            }
            PieceKind::TableRest(head) => {
                let head = source.get(head.clone()).unwrap_or_default();
                start.is_rest_of_table = true;
                start.table = last_table;
                prose(&format!("{head}{text}"), start);
            }
        }
        // What shows nothing (a comment, the address of a link) needs no gap; an open fence shows its code later.
        if lines.len() == gap_end && !is_code(&piece.kind) {
            lines.truncate(lines_before);
        }
    }

    /// Draws the name of a block's language, if it has one.
    pub(super) fn label(self, info: &str) -> Option<Line<'static>> {
        let language = text::display_safe(language_of(info));
        if language.is_empty() {
            return None;
        }
        let indent = code::indent(self.columns);
        let room = self.columns.saturating_sub(indent).min(LONGEST_LANGUAGE);
        let language = text::truncate(&language, room).into_owned();
        Some(Line::from(vec![
            Span::raw(" ".repeat(indent)),
            Span::styled(language, self.theme.style(Role::CodeLabel)),
        ]))
    }

    /// Draws a line of code, in the colours it has by its number in a block.
    pub(super) fn code(
        self,
        line: &str,
        colours: Option<(&Colours, usize)>,
        shelf: &mut Shelf,
    ) -> Vec<Line<'static>> {
        let line = code::with_tabs_as_columns(line);
        let seen = colours.map_or(Seen::Plain, |(colours, index)| colours.line(index, &line));
        shelf.waiting |= seen == Seen::Waiting;
        let spans: Vec<(Style, String)> = match seen {
            Seen::Ready(stretches) => {
                let mut rest = line.as_str();
                let cut = |(role, length): (Role, usize)| {
                    let (piece, after) = rest.split_at(rest.floor_char_boundary(length));
                    rest = after;
                    (self.theme.style(role), piece.to_owned())
                };
                stretches.into_iter().map(cut).collect()
            }
            Seen::Waiting | Seen::Plain => vec![(self.theme.style(Role::CodeBlock), line)],
        };
        let mark = if self.ascii { "\\ " } else { "↳ " };
        let mark = Span::styled(mark, self.theme.style(Role::Dim));
        code::rows(&spans, self.columns, &mark)
    }
}

fn is_code(kind: &PieceKind) -> bool {
    matches!(
        kind,
        PieceKind::FenceOpen | PieceKind::Code(_) | PieceKind::FenceClose
    )
}

/// Returns the language that a fence names.
pub(super) fn language_of(info: &str) -> &str {
    let word = info.trim().split([' ', ',', '{', '\t']).next();
    word.unwrap_or_default().trim_start_matches('.')
}
