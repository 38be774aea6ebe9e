//! Several answers to one question: side by side, or one below the other where there is no room.
//!
//! ```text
//! ▸ openai-a            │   ollama             │   zhipu
//! Because of Rayleigh   │ The sky is blue      │ Light is ...
//! scattering ...        │ because ...          │
//! instance    openai-a  │ instance    ollama   │ instance    zhipu
//! first token 340 ms    │ first token 1.2 s    │
//! speed       50 tok/s  │ speed       12 tok/s │
//! ```

use ratatui::text::{Line, Span};

use super::turn::{AnswerBlock, Style, dollars};
use crate::console::state::chat::Turn;
use crate::console::state::reply::{Phase, Reply, ReplyId};
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::{counted, phrase, t};

/// The narrowest column in which an answer can be read.
const NARROWEST: usize = 24;
/// What stands between two columns.
const BETWEEN: usize = 3;

/// How the answers stand, and what is above and below each.
pub(crate) struct Columns {
    width: u16,
    stacked: bool,
    each: Vec<Column>,
}

struct Column {
    reply: ReplyId,
    head: Line<'static>,
    figures: Vec<Line<'static>>,
    marked: bool,
}

impl Columns {
    /// Divides the width among the answers.
    pub(crate) fn of(turn: &Turn, style: &Style<'_>) -> Self {
        let count = turn.replies.len().max(1);
        let each = share(count, style.width);
        let stacked = is_stacked(count, style.width);
        let width = if stacked { style.width } else { each as u16 };
        let columns = turn
            .replies
            .iter()
            .enumerate()
            .map(|(place, reply)| Column {
                reply: reply.id,
                head: head(turn, place, reply, width, style),
                figures: figures(turn, reply, width, style),
                marked: turn.shown == place,
            });
        Self {
            width,
            stacked,
            each: columns.collect(),
        }
    }

    /// Returns the width of an answer.
    pub(crate) fn width(&self) -> u16 {
        self.width
    }

    /// Returns the style of one answer.
    pub(crate) fn style<'a>(&self, style: &Style<'a>) -> Style<'a> {
        Style {
            width: self.width,
            facts: false,
            ..*style
        }
    }

    /// Counts the lines.
    pub(crate) fn height(
        &self,
        answers: &mut [(ReplyId, AnswerBlock)],
        style: &Style<'_>,
    ) -> usize {
        let style = self.style(style);
        let heights = answers.iter_mut().map(|(_, answer)| answer.height(&style));
        if self.stacked {
            let figures: usize = self.each.iter().map(|column| column.figures.len()).sum();
            heights.sum::<usize>() + figures + 2 * self.each.len()
        } else {
            2 + heights.max().unwrap_or(0) + self.most_figures()
        }
    }

    /// Hands out the lines from `first` on, `count` at most.
    pub(crate) fn lines(
        &self,
        answers: &mut [(ReplyId, AnswerBlock)],
        first: usize,
        count: usize,
        style: &Style<'_>,
    ) -> Vec<Line<'static>> {
        let own = self.style(style);
        let heights = answers.iter_mut().map(|(_, answer)| answer.height(&own));
        let body = heights.max().unwrap_or(0);
        let mut answer = |column: &Column| {
            let found = answers.iter_mut().find(|(id, _)| *id == column.reply);
            found.map_or_else(Vec::new, |(_, answer)| answer.lines(0, body, &own))
        };
        if self.stacked {
            let mut lines = Vec::new();
            for column in &self.each {
                lines.push(column.head.clone());
                lines.extend(answer(column));
                lines.extend(column.figures.iter().cloned());
                lines.push(Line::default());
            }
            return lines.into_iter().skip(first).take(count).collect();
        }
        let total = 2 + body + self.most_figures();
        let columns: Vec<Vec<Line<'static>>> = self
            .each
            .iter()
            .map(|column| {
                let mut rows = vec![column.head.clone()];
                rows.extend(answer(column));
                rows.resize(body + 1, Line::default());
                rows.extend(column.figures.iter().cloned());
                rows.resize(total, Line::default());
                rows
            })
            .collect();
        (0..total)
            .skip(first)
            .take(count)
            .map(|row| {
                // The last row parts this question from the next one.
                if row + 1 == total {
                    return Line::default();
                }
                let cells = columns.iter().map(|rows| &rows[row]);
                self.beside(cells, style)
            })
            .collect()
    }

    /// Puts one row of each column side by side.
    fn beside<'a>(
        &self,
        cells: impl Iterator<Item = &'a Line<'static>>,
        style: &Style<'_>,
    ) -> Line<'static> {
        let mut spans: Vec<Span<'static>> = Vec::new();
        for (place, cell) in cells.enumerate() {
            if place > 0 {
                let next_is_marked = self.each[place].marked;
                let role = if next_is_marked || self.each[place - 1].marked {
                    Role::BorderFocused
                } else {
                    Role::Border
                };
                let rule = format!(" {} ", style.look.symbols.column);
                spans.push(style.look.span(rule, role));
            }
            let mut used = 0;
            for span in &cell.spans {
                let mut span = span.clone();
                span.style = cell.style.patch(span.style);
                used += span.width();
                spans.push(span);
            }
            let rest = usize::from(self.width).saturating_sub(used);
            spans.push(Span::raw(" ".repeat(rest)));
        }
        Line::from(spans)
    }

    fn most_figures(&self) -> usize {
        let counts = self.each.iter().map(|column| column.figures.len());
        counts.max().unwrap_or(0)
    }
}

/// Tells whether so many answers stand one below the other in a text so wide.
pub(crate) fn is_stacked(answers: usize, width: u16) -> bool {
    share(answers.max(1), width) < NARROWEST
}

/// Returns the width that is left for each of several columns.
fn share(count: usize, width: u16) -> usize {
    let gaps = BETWEEN * (count - 1);
    usize::from(width).saturating_sub(gaps) / count
}

/// Who answers, and how far it is.
fn head(turn: &Turn, place: usize, reply: &Reply, width: u16, style: &Style<'_>) -> Line<'static> {
    let look = &style.look;
    let name = whose(reply);
    let marked = turn.shown == place;
    let mark = if marked { look.symbols.next } else { " " };
    let doing = match &reply.phase {
        Phase::Waiting => t("waits"),
        Phase::Streaming if reply.response().text.is_empty() => t("thinks"),
        Phase::Streaming => t("answers"),
        Phase::Done => "",
        Phase::Stopped => t("stopped"),
        Phase::Failed(_) => t("failed"),
    };
    let room = usize::from(width).saturating_sub(2 + text::width(doing) + 1);
    let role = if marked { Role::Selected } else { Role::Title };
    let name = text::truncate(&name, room).into_owned();
    Line::from(vec![
        look.span(format!("{mark} "), Role::Key),
        look.span(name, role),
        look.span(format!(" {doing}"), Role::Dim),
    ])
}

/// Whose answer it is: the instance that answers, or until then the one that is meant.
fn whose(reply: &Reply) -> String {
    let name = reply.response().instance.as_ref().or(reply.asked_of());
    name.map_or_else(|| "-".to_owned(), |name| text::display_safe(name.as_str()))
}

/// What can be compared, a row each; the best of all is said in a word when all are done.
fn figures(turn: &Turn, reply: &Reply, width: u16, style: &Style<'_>) -> Vec<Line<'static>> {
    let look = &style.look;
    let response = reply.response();
    // Also here, from the first moment: the head of a long answer has left the screen.
    let names = 12;
    let whose =
        text::truncate(&whose(reply), usize::from(width).saturating_sub(names)).into_owned();
    let whose = Line::from(vec![
        look.span(text::pad(t("instance"), names), Role::Dim),
        look.span(whose, Role::Title),
    ]);
    if reply.is_running() {
        return vec![whose];
    }
    let all_done = !turn.is_running();
    let best = |value: Option<f64>, of: fn(&Reply) -> Option<f64>, lowest: bool| {
        let others = turn.replies.iter().filter(|other| other.id != reply.id);
        let is_better = |other: f64, mine: f64| if lowest { other <= mine } else { other >= mine };
        let beaten = |mine| others.filter_map(of).any(|other| is_better(other, mine));
        all_done && value.is_some_and(|mine| !beaten(mine))
    };
    let first = |reply: &Reply| Some(reply.response().time_to_first_token?.as_secs_f64());
    let speed = |reply: &Reply| reply.response().tokens_per_second();
    let cost = |reply: &Reply| reply.response().cost;
    let words = response.text.split_whitespace().count();
    let tokens = response.usage.and_then(|usage| usage.completion_tokens);
    let length = tokens.map_or_else(
        || counted!(words, "one word", "{} words"),
        |tokens| counted!(tokens, "one token", "{} tokens"),
    );
    let time = (!response.total_time.is_zero()).then(|| text::duration(response.total_time));
    let dash = || "-".to_owned();
    let model = response.model.as_deref().map(text::display_safe);
    let rows = [
        (t("model"), model.unwrap_or_else(dash), None),
        (
            t("first token"),
            response
                .time_to_first_token
                .map_or_else(dash, text::duration),
            best(first(reply), first, true).then_some(t("fastest")),
        ),
        (
            t("speed"),
            speed(reply).map_or_else(dash, |speed| phrase!("{} tok/s", format!("{speed:.0}"))),
            best(speed(reply), speed, false).then_some(t("fastest")),
        ),
        (t("time"), time.unwrap_or_else(dash), None),
        (t("length"), length, None),
        (
            t("cost"),
            response.cost.map_or_else(dash, dollars),
            best(cost(reply), cost, true).then_some(t("cheapest")),
        ),
    ];
    let mut lines = vec![whose];
    lines.extend(rows.into_iter().map(|(name, value, word)| {
        let room = usize::from(width).saturating_sub(names);
        let value = text::truncate(&value, room).into_owned();
        let mut spans = vec![look.span(text::pad(name, names), Role::Dim)];
        let rest = room.saturating_sub(text::width(&value) + 1);
        spans.push(look.span(value, Role::Text));
        if let Some(word) = word.filter(|word| text::width(word) <= rest) {
            spans.push(look.span(format!(" {word}"), Role::Good));
        }
        Line::from(spans)
    }));
    if all_done && turn.shown_is(reply) {
        let room = usize::from(width).saturating_sub(text::width(style.pick_key) + 1);
        let about = text::truncate(t("goes on with this one"), room);
        lines.push(Line::from(vec![
            look.span(format!("{} ", style.pick_key), Role::Key),
            look.span(about.into_owned(), Role::Dim),
        ]));
    }
    lines
}
