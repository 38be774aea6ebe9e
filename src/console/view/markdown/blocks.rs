//! The blocks and the text of one piece of Markdown: from the parser's events to styled rows.

use pulldown_cmark::{
    BrokenLink, CodeBlockKind, CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd,
};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::flow::Flow;
use super::math;
use super::paint::{Canvas, Shelf, language_of};
use super::table::{Look, Table, head_style};
use crate::console::text;
use crate::console::theme::Role;

/// The longest address of a link that is shown, in columns.
const LONGEST_ADDRESS: usize = 400;

/// How many quotes and lists one line may open; with more it is shown as plain text.
const DEEPEST: usize = 32;

/// What is known of a piece that its text does not say.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// The number of the piece, when it is settled.
    pub(super) piece: Option<usize>,
    /// The number of the first item.
    pub(super) number: Option<u64>,
    /// How far it stands in.
    pub(super) indent: usize,
    /// The widths of its table.
    pub(super) table: Option<Vec<usize>>,
    /// Whether its table was cut, so that the head is drawn already.
    pub(super) is_rest_of_table: bool,
}

/// A block of code while it is read.
struct Code {
    language: String,
    text: String,
}

/// What stands left of the rows of a block that holds others: a quote's bar, an item's bullet.
struct Frame {
    first: Span<'static>,
    rest: Span<'static>,
    used: bool,
}

impl Frame {
    fn plain(first: &str, rest: &str, style: Style) -> Self {
        Self {
            first: Span::styled(first.to_owned(), style),
            rest: Span::styled(rest.to_owned(), style),
            used: false,
        }
    }
}

/// Draws one piece.
pub(super) struct Painter<'a> {
    canvas: Canvas<'a>,
    source: &'a str,
    lines: &'a mut Vec<Line<'static>>,
    shelf: &'a mut Shelf,
    /// Whether something has been drawn, and so a gap may be.
    drawn: bool,
    flow: Flow,
    styles: Vec<Style>,
    frames: Vec<Frame>,
    /// The next number of each open list.
    lists: Vec<Option<u64>>,
    /// The addresses of the open links, and what they show.
    links: Vec<(String, String)>,
    table: Option<Table>,
    code: Option<Code>,
    /// Whether a formula that has rows of its own was the last thing.
    after_formula: bool,
    /// How many blocks of code came before.
    codes: usize,
    start: Start,
    widths: Option<Vec<usize>>,
}

impl<'a> Painter<'a> {
    /// Draws a piece; returns the widths of its table, if it has one.
    pub(super) fn draw(
        canvas: Canvas<'a>,
        text: &str,
        start: Start,
        shelf: &mut Shelf,
        lines: &mut Vec<Line<'static>>,
    ) -> Option<Vec<usize>> {
        if canvas.ascii {
            // Formulas stay source there.
            return Painter::paint(canvas, text, start, shelf, lines);
        }
        Painter::paint(canvas, &math::delimited(text), start, shelf, lines)
    }

    fn paint(
        canvas: Canvas<'a>,
        text: &'a str,
        start: Start,
        shelf: &'a mut Shelf,
        lines: &'a mut Vec<Line<'static>>,
    ) -> Option<Vec<usize>> {
        let style = canvas.theme.style(Role::Text);
        if is_too_deep(text) {
            let mut flow = Flow::default();
            flow.push(text.trim_end(), style);
            lines.extend(flow.rows(canvas.columns));
            return None;
        }
        let indent = " ".repeat(start.indent);
        let frame = Frame::plain(&indent, &indent, Style::new());
        let mut painter = Self {
            canvas,
            source: text,
            lines,
            shelf,
            drawn: false,
            flow: Flow::default(),
            styles: vec![style],
            frames: if start.indent > 0 {
                vec![frame]
            } else {
                Vec::new()
            },
            lists: Vec::new(),
            links: Vec::new(),
            table: None,
            code: None,
            after_formula: false,
            codes: 0,
            start,
            widths: None,
        };
        let mut options =
            Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
        if !canvas.ascii {
            options |= Options::ENABLE_MATH;
        }
        // What a reference names mostly stands at the end of the answer, which has not come: the reference is shown.
        let unknown = |link: BrokenLink<'_>| {
            let is_full = matches!(link.link_type, LinkType::Reference);
            is_full.then(|| (CowStr::from(""), CowStr::from("")))
        };
        let parser = Parser::new_with_broken_link_callback(text, options, Some(unknown));
        let named: Vec<(String, String)> = parser
            .reference_definitions()
            .iter()
            .map(|(name, named)| (name.to_owned(), named.dest.to_string()))
            .collect();
        for (event, range) in parser.into_offset_iter() {
            painter.event(event, range.start);
        }
        painter.end_block();
        if !painter.drawn {
            painter.definitions(named);
        }
        painter.widths
    }

    fn event(&mut self, event: Event<'_>, at: usize) {
        match event {
            Event::Start(tag) => self.open(tag, at),
            Event::End(tag) => self.close(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(text) => {
                let style = self.role(Role::Code);
                self.flow.push(&text, style);
                self.note_link_text(&text);
            }
            Event::InlineHtml(html) | Event::Html(html) => self.html(&html),
            Event::SoftBreak if self.after_formula => {}
            Event::SoftBreak => self.flow.soft_break(),
            Event::HardBreak => {
                let style = self.style();
                self.flow.hard_break(style);
            }
            Event::Rule => {
                self.gap_before(at);
                let mark = if self.canvas.ascii { "-" } else { "─" };
                let style = self.canvas.theme.style(Role::Border);
                let room = self.room();
                self.row(Line::styled(mark.repeat(room), style));
            }
            Event::TaskListMarker(done) => {
                let style = self.canvas.theme.style(Role::Bullet);
                let mark = if done { "[x] " } else { "[ ] " };
                match self.frames.last_mut().filter(|frame| !frame.used) {
                    Some(frame) => *frame = Frame::plain(mark, "    ", style),
                    None => self.flow.push(mark, style),
                }
            }
            Event::InlineMath(tex) => self.math(&tex, "$"),
            Event::DisplayMath(tex) => self.math(&tex, "$$"),
            Event::FootnoteReference(text) => self.text(&text),
        }
    }

    fn open(&mut self, tag: Tag<'_>, at: usize) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.begin_block(at),
            Tag::Heading { level, .. } => {
                self.begin_block(at);
                let style = self.heading(level);
                self.styles.push(style);
            }
            Tag::BlockQuote(_) => {
                self.begin_block(at);
                let style = self.canvas.theme.style(Role::Quote);
                let bar = if self.canvas.ascii { "> " } else { "▎ " };
                self.frames.push(Frame::plain(bar, bar, style));
                let style = self.role(Role::Quote);
                self.styles.push(style);
            }
            Tag::CodeBlock(kind) => {
                self.begin_block(at);
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                if let Some(label) = self.inner_canvas().label(&info) {
                    self.row(label);
                }
                self.code = Some(Code {
                    language: language_of(&info).to_owned(),
                    text: String::new(),
                });
            }
            Tag::List(number) => {
                self.end_block();
                let outermost = self.lists.is_empty();
                let counted = self.start.number.filter(|_| outermost);
                self.lists
                    .push(number.map(|number| counted.unwrap_or(number)));
            }
            Tag::Item => {
                self.begin_block(at);
                let frame = self.bullet();
                self.frames.push(frame);
            }
            Tag::Table(alignments) => {
                self.begin_block(at);
                self.table = Some(Table {
                    alignments,
                    ..Table::default()
                });
            }
            Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.rows.push(Vec::new());
                }
            }
            Tag::TableHead | Tag::TableCell => {}
            Tag::Emphasis => self.modify(Modifier::ITALIC),
            Tag::Strong => self.modify(Modifier::BOLD),
            Tag::Strikethrough => self.modify(Modifier::CROSSED_OUT),
            Tag::Link {
                link_type,
                dest_url,
                id,
                ..
            } => {
                let style = self.role(Role::Link);
                self.styles.push(style);
                let address = match link_type {
                    LinkType::ReferenceUnknown => format!("[{id}]"),
                    _ => dest_url.to_string(),
                };
                self.links.push((address, String::new()));
            }
            Tag::Image { dest_url, .. } => {
                let style = self.role(Role::Link);
                self.flow.push("[image] ", style);
                self.styles.push(style);
                self.links.push((dest_url.to_string(), String::new()));
            }
            Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => {}
        }
    }

    fn close(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.end_block(),
            TagEnd::Heading(_) => {
                self.end_block();
                self.styles.pop();
            }
            TagEnd::BlockQuote(_) => {
                self.end_block();
                self.frames.pop();
                self.styles.pop();
            }
            TagEnd::CodeBlock => self.end_code(),
            TagEnd::List(_) => {
                self.end_block();
                self.lists.pop();
            }
            TagEnd::Item => self.end_item(),
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.flow);
                if let Some(table) = &mut self.table {
                    match table.rows.last_mut() {
                        Some(row) => row.push(cell),
                        None => table.head.push(cell),
                    }
                }
            }
            TagEnd::Table => self.end_table(),
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => {
                self.styles.pop();
            }
            TagEnd::Link | TagEnd::Image => self.end_link(),
            TagEnd::TableHead
            | TagEnd::TableRow
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(code) = &mut self.code {
            code.text.push_str(text);
            return;
        }
        let style = self.style();
        if std::mem::take(&mut self.after_formula) && !self.flow.is_empty() {
            self.flow.hard_break(style);
        }
        if self.links.is_empty() {
            self.text_with_addresses(text, style);
        } else {
            self.flow.push(text, style);
            self.note_link_text(text);
        }
    }

    /// Adds text in which bare addresses look like links.
    fn text_with_addresses(&mut self, text: &str, style: Style) {
        let link = self.role(Role::Link);
        let mut rest = text;
        while let Some(start) = find_address(rest) {
            let (before, address) = rest.split_at(start);
            let ends = |c: char| c.is_whitespace() || "<>\"'`|，。；、）】》」".contains(c);
            let end = address.find(ends).unwrap_or(address.len());
            let address_text = address.get(..end).unwrap_or(address);
            let address_text = address_text.trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
            self.flow.push(before, style);
            self.flow.push(address_text, link);
            rest = address.get(address_text.len()..).unwrap_or_default();
        }
        self.flow.push(rest, style);
    }

    fn html(&mut self, html: &str) {
        let style = self.role(Role::Dim);
        let tag = html.trim().to_ascii_lowercase();
        if matches!(tag.as_str(), "<br>" | "<br/>" | "<br />") {
            self.flow.hard_break(style);
            return;
        }
        let (line, ends) = html
            .strip_suffix('\n')
            .map_or((html, false), |line| (line, true));
        self.flow.push(line, style);
        if ends {
            self.flow.hard_break(style);
        }
    }

    fn note_link_text(&mut self, text: &str) {
        if let Some((_, shown)) = self.links.last_mut() {
            shown.push_str(text);
        }
    }

    fn end_link(&mut self) {
        self.styles.pop();
        let Some((address, shown)) = self.links.pop() else {
            return;
        };
        let bare = address.strip_prefix("mailto:").unwrap_or(&address);
        if !bare.is_empty() && shown.trim_end_matches('/') != bare.trim_end_matches('/') {
            let address = text::display_safe(&address).replace('\n', " ");
            let address = text::truncate(&address, LONGEST_ADDRESS);
            let style = self.role(Role::Dim);
            let said = if address.starts_with('[') {
                format!(" {address}")
            } else {
                format!(" ({address})")
            };
            self.flow.push(&said, style);
        }
    }

    /// Shows what references name.
    fn definitions(&mut self, mut named: Vec<(String, String)>) {
        named.sort();
        for (name, address) in named {
            let (dim, link) = (self.role(Role::Dim), self.role(Role::Link));
            let address = text::display_safe(&address).replace('\n', " ");
            self.flow.push(&format!("[{name}]: "), dim);
            self.flow
                .push(&text::truncate(&address, LONGEST_ADDRESS), link);
            self.end_block();
        }
    }

    /// Shows a formula, as its source when it cannot be said otherwise.
    fn math(&mut self, tex: &str, mark: &str) {
        let is_price = mark == "$" && !math::is_formula(tex);
        let said = if is_price { None } else { math::unicode(tex) };
        let Some(said) = said else {
            self.text(&format!("{mark}{tex}{mark}"));
            return;
        };
        let style = self.style().add_modifier(Modifier::ITALIC);
        let is_block = mark == "$$";
        if is_block && !self.flow.is_empty() {
            self.flow.hard_break(style);
        }
        for (index, row) in said.lines().enumerate() {
            if index > 0 {
                self.flow.hard_break(style);
            }
            let indent = if is_block && self.table.is_none() {
                "  "
            } else {
                ""
            };
            self.flow.push(&format!("{indent}{row}"), style);
        }
        self.after_formula = is_block;
        self.note_link_text(&said);
    }

    fn end_code(&mut self) {
        let Some(code) = self.code.take() else {
            return;
        };
        let canvas = self.inner_canvas();
        let place = self.codes;
        self.codes += 1;
        let piece = self.start.piece;
        let colours = piece.map(|piece| self.shelf.block(piece, place, &code.language));
        for (index, line) in code.text.split_inclusive('\n').enumerate() {
            let colours = colours.as_ref().map(|colours| (colours, index));
            for row in canvas.code(line, colours, self.shelf) {
                self.row(row);
            }
        }
    }

    fn end_item(&mut self) {
        self.end_block();
        let is_empty = self.frames.last().is_some_and(|frame| !frame.used);
        if is_empty {
            self.row(Line::default());
        }
        self.frames.pop();
    }

    fn end_table(&mut self) {
        let Some(table) = self.table.take() else {
            return;
        };
        let look = Look {
            columns: self.room(),
            border: self.canvas.theme.style(Role::Border),
            head: head_style(self.style()),
            ascii: self.canvas.ascii,
            with_head: !self.start.is_rest_of_table,
        };
        let (rows, widths) = table.draw(&look, self.start.table.take());
        self.widths = widths;
        for row in rows {
            self.row(row);
        }
    }

    fn begin_block(&mut self, at: usize) {
        self.end_block();
        self.gap_before(at);
    }

    /// Ends the running paragraph, if there is one.
    fn end_block(&mut self) {
        if self.flow.is_empty() {
            self.flow = Flow::default();
            return;
        }
        let flow = std::mem::take(&mut self.flow);
        for row in flow.rows(self.room()) {
            self.row(row);
        }
    }

    /// Draws a blank row when the source has a blank line before what starts at `at`.
    fn gap_before(&mut self, at: usize) {
        let before = self.source.get(..at).unwrap_or_default();
        let newlines = before
            .bytes()
            .rev()
            .take_while(|byte| b" \t\n>".contains(byte))
            .filter(|byte| *byte == b'\n')
            .count();
        let frame_is_new = self.frames.last().is_some_and(|frame| !frame.used);
        if newlines >= 2 && self.drawn && !frame_is_new {
            self.row(Line::default());
        }
    }

    /// Draws a row inside of the open quotes and items.
    fn row(&mut self, row: Line<'static>) {
        self.drawn = true;
        let mut line = Line::default();
        let most = self.most_frame_columns();
        let mut columns = 0;
        for frame in &mut self.frames {
            let span = if frame.used {
                &frame.rest
            } else {
                &frame.first
            };
            frame.used = true;
            columns += text::width(&span.content);
            if columns <= most {
                line.push_span(span.clone());
            }
        }
        let base = row.style;
        line.spans.extend(row.spans.into_iter().map(|span| {
            let style = base.patch(span.style);
            span.style(style)
        }));
        // Blanks at the end would be bytes for nothing.
        while line.spans.last().is_some_and(is_invisible) {
            line.spans.pop();
        }
        self.lines.push(line);
    }

    /// Returns how many columns quotes and items may take: half, however deep they are.
    fn most_frame_columns(&self) -> usize {
        self.canvas.columns / 2
    }

    /// Returns the columns inside of the open quotes and items.
    fn room(&self) -> usize {
        let most = self.most_frame_columns();
        let mut columns = 0;
        for frame in &self.frames {
            let more = text::width(&frame.rest.content);
            if columns + more > most {
                break;
            }
            columns += more;
        }
        self.canvas.columns.saturating_sub(columns).max(1)
    }

    /// Returns the canvas inside of the open quotes and items.
    fn inner_canvas(&self) -> Canvas<'a> {
        Canvas {
            columns: self.room(),
            ..self.canvas
        }
    }

    fn bullet(&mut self) -> Frame {
        let depth = self.lists.len();
        let bullets = if self.canvas.ascii {
            ["*", "-", "+"]
        } else {
            ["•", "◦", "▪"]
        };
        let bullet = match self.lists.last_mut() {
            Some(Some(number)) => {
                let text = format!("{number}. ");
                *number = number.saturating_add(1);
                text
            }
            _ => format!("{} ", bullets[depth.saturating_sub(1) % bullets.len()]),
        };
        let style = self.canvas.theme.style(Role::Bullet);
        Frame::plain(&bullet, &" ".repeat(text::width(&bullet)), style)
    }

    fn heading(&self, level: HeadingLevel) -> Style {
        let style = self.role(Role::Heading);
        match level {
            HeadingLevel::H1 => style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            HeadingLevel::H2 => style.add_modifier(Modifier::BOLD),
            HeadingLevel::H3 | HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => {
                style.add_modifier(Modifier::ITALIC)
            }
        }
    }

    fn modify(&mut self, modifier: Modifier) {
        let style = self.style().add_modifier(modifier);
        self.styles.push(style);
    }

    fn style(&self) -> Style {
        self.styles.last().copied().unwrap_or_default()
    }

    /// Returns a role's style on top of what is open.
    fn role(&self, role: Role) -> Style {
        self.style().patch(self.canvas.theme.style(role))
    }
}

fn is_invisible(span: &Span<'_>) -> bool {
    let marks = Modifier::REVERSED | Modifier::UNDERLINED | Modifier::CROSSED_OUT;
    let is_marked = span.style.bg.is_some() || span.style.add_modifier.intersects(marks);
    span.content.trim_end().is_empty() && !is_marked
}

fn find_address(text: &str) -> Option<usize> {
    let http = text.find("http://");
    let https = text.find("https://");
    http.into_iter().chain(https).min()
}

/// Tells whether a line opens more quotes and lists than anyone means; the parser's time grows with their square.
fn is_too_deep(text: &str) -> bool {
    text.lines().any(|line| {
        let mut depth = 0;
        let mut marks = line.bytes().peekable();
        while let Some(byte) = marks.next() {
            match byte {
                b' ' | b'\t' | b'0'..=b'9' => {}
                b'>' => depth += 1,
                b'-' | b'+' | b'*' | b'.' | b')' if marks.peek() == Some(&b' ') => depth += 1,
                _ => break,
            }
        }
        depth > DEEPEST
    })
}
