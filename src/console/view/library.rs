//! The list of conversations: what is looked for, and below it what there is, each with its age and its marks.

use jiff::{SignedDuration, Timestamp};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::Look;
use super::dialog::{in_frame, put, window};
use crate::base::Summary;
use crate::console::state::library::{Library, Row, Typing};
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::{phrase, t};

const WIDTH: u16 = 100;
const HEIGHT: u16 = 26;
/// The columns of an age.
const AGE: usize = 10;

/// Draws the list.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, library: &Library, look: &Look<'_>) {
    let size = (
        WIDTH.min(area.width.saturating_sub(4)),
        HEIGHT.min(area.height.saturating_sub(2)),
    );
    let inside = window(frame, area, size, t("Conversations"), look);
    let width = usize::from(inside.width);
    let typed = text::display_safe(library.text());
    let hint = match library.typing {
        Typing::Search => t("any words of what was said"),
        Typing::Title(_) => t("a title; nothing takes the first question"),
        Typing::Tags(_) => t("tags, with blanks between"),
    };
    let label = match library.typing {
        Typing::Search => String::new(),
        Typing::Title(_) => format!("{} ", t("title:")),
        Typing::Tags(_) => format!("{} ", t("tags:")),
    };
    let before = text::width(&label) + 2;
    let mut lines = vec![Line::from(vec![
        look.span(format!("{} ", look.symbols.prompt), Role::Key),
        look.span(label, Role::Key),
        if typed.is_empty() {
            look.span(hint, Role::Placeholder)
        } else {
            look.span(typed.clone(), Role::Text)
        },
    ])];
    let room = usize::from(inside.height).saturating_sub(1);
    let heights: Vec<usize> = library
        .rows
        .iter()
        .map(|row| 1 + usize::from(row.line.is_some()))
        .collect();
    let mut first = library.selected.min(heights.len());
    let mut used = heights.get(first).copied().unwrap_or(0);
    while first > 0 && used + heights[first - 1] <= room {
        first -= 1;
        used += heights[first];
    }
    for (at, row) in library.rows.iter().enumerate().skip(first) {
        if lines.len() + heights[at] > room + 1 {
            break;
        }
        lines.push(title(row, at == library.selected, library.now, width, look));
        lines.extend(
            row.line
                .as_ref()
                .map(|(line, matched)| found(line, *matched, width, look)),
        );
    }
    if library.rows.is_empty() && library.is_there {
        let said = if library.query.trim().is_empty() {
            t("nothing is kept yet; what you ask is")
        } else {
            t("nothing found")
        };
        lines.push(Line::from(look.span(format!(" {said}"), Role::Dim)));
    }
    put(frame, inside, lines);
    let count = if library.more {
        phrase!("{} and more", library.total)
    } else {
        library.total.to_string()
    };
    in_frame(frame, inside, &count, look);
    let x = inside.x + (before + text::width(&typed)) as u16;
    frame.set_cursor_position(Position::new(
        x.min(inside.right().saturating_sub(1)),
        inside.y,
    ));
}

fn title(
    row: &Row,
    is_selected: bool,
    now: Timestamp,
    width: usize,
    look: &Look<'_>,
) -> Line<'static> {
    let summary = &row.summary;
    let pin = if summary.pinned { "* " } else { "  " };
    let age = text::align_right(&age(now, summary.updated_at), AGE);
    let title = text::pad(
        &text::display_safe(&words(summary)).replace('\n', " "),
        width.saturating_sub(AGE + 4),
    );
    if is_selected {
        return Line::from(look.span(format!("{pin}{title} {age} "), Role::Selected));
    }
    Line::from(vec![
        look.span(pin, Role::Key),
        look.span(title, Role::Text),
        look.span(format!(" {age}"), Role::Dim),
        Span::raw(" "),
    ])
}

/// The title with its marks.
fn words(summary: &Summary) -> String {
    let mut words = match summary.title.as_str() {
        "" => t("nothing asked yet").to_owned(),
        title => title.to_owned(),
    };
    for tag in &summary.tags {
        words.push_str(" #");
        words.push_str(tag);
    }
    for (is_so, word) in [(summary.cut, t("cut")), (summary.has_draft, t("draft"))] {
        if is_so {
            words.push_str(" [");
            words.push_str(word);
            words.push(']');
        }
    }
    words
}

fn found(
    line: &str,
    matched: Option<(usize, usize)>,
    width: usize,
    look: &Look<'_>,
) -> Line<'static> {
    let room = width.saturating_sub(6);
    let part = |from: usize, to: usize| line.get(from..to).unwrap_or_default();
    let (start, end) = matched.unwrap_or((0, 0));
    // The match is what must be seen: what stands before it gives way.
    let mut before = part(0, start);
    let wanted = room / 2;
    while text::width(before) > wanted {
        let mut chars = before.chars();
        chars.next();
        before = chars.as_str();
    }
    let hit = part(start, end);
    let left = room.saturating_sub(text::width(before) + text::width(hit));
    let after = text::truncate(part(end, line.len()), left).into_owned();
    Line::from(vec![
        Span::raw("    "),
        look.span(text::display_safe(before), Role::Dim),
        look.span(text::display_safe(hit), Role::Key),
        look.span(text::display_safe(&after), Role::Dim),
    ])
}

/// How long ago it was, in one figure; a date when it is long ago.
fn age(now: Timestamp, then: Timestamp) -> String {
    const DAY: i64 = 86_400;
    let seconds = now.duration_since(then).max(SignedDuration::ZERO).as_secs();
    match seconds {
        0..60 => t("now").to_owned(),
        60..3_600 => phrase!("{} min", seconds / 60),
        3_600..DAY => phrase!("{} h", seconds / 3_600),
        DAY..2_592_000 => phrase!("{} d", seconds / DAY),
        _ => then.strftime("%Y-%m-%d").to_string(),
    }
}
