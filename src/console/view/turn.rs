//! One turn as lines: the question, the answer, and under it who answered, how fast, and what went wrong.

use std::hash::{DefaultHasher, Hash, Hasher};

use ratatui::text::{Line, Span};
use tokio::time::Instant;

use super::Look;
use super::compare::Columns;
use super::markdown::Markdown;
use crate::base::{Attempt, Error, FinishReason, LlmResponse, Outcome, ToolCall};
use crate::console::app::{is_worth_retrying, was_cut};
use crate::console::state::chat::{Turn, Variants};
use crate::console::state::reply::{Phase, Reply, ReplyId};
use crate::console::text;
use crate::console::theme::{Role, Theme};
use crate::console::words::{counted, known, phrase, t, translate};

/// What stands before every line of the answer.
pub(crate) const INDENT: u16 = 2;
/// The most lines of a question that are shown.
const MOST_QUESTION: usize = 24;
/// The most lines of reasoning that are shown when it is open.
const MOST_REASONING: usize = 400;

/// One turn, laid out for a width. The answers' settled lines are kept by their Markdown.
pub(crate) struct Block {
    question: Vec<Line<'static>>,
    /// Which version this is, when there are several.
    versions: Option<Line<'static>>,
    answers: Vec<(ReplyId, AnswerBlock)>,
    columns: Option<Columns>,
    /// Nothing after a new look: then all but the Markdown is laid out anew.
    made_of: Option<u64>,
    /// When it was last drawn, in frames.
    pub(crate) used: u64,
}

/// One answer, laid out for a width.
pub(crate) struct AnswerBlock {
    before: Vec<Line<'static>>,
    markdown: Markdown,
    /// How much of the answer the Markdown has.
    pushed: usize,
    after: Vec<Line<'static>>,
    revision: Option<u64>,
}

/// What decides how a turn looks, beside the turn itself.
#[derive(Clone, Copy)]
pub(crate) struct Style<'a> {
    pub(crate) look: Look<'a>,
    pub(crate) width: u16,
    pub(crate) show_reasoning: bool,
    /// Whether the figures stand under an answer.
    pub(crate) facts: bool,
    /// The key that asks again.
    pub(crate) retry_key: &'a str,
    /// The key that goes on with an answer that was cut.
    pub(crate) go_on_key: &'a str,
    /// The keys that go to other versions.
    pub(crate) version_keys: &'a str,
    /// The key that goes on with one of several answers.
    pub(crate) pick_key: &'a str,
}

/// Tells two states of a turn apart.
pub(crate) fn stamp(turn: &Turn, variants: Variants) -> u64 {
    let mut hasher = DefaultHasher::new();
    (turn.id, turn.shown, turn.compared, variants).hash(&mut hasher);
    let shown = turn.replies.iter().enumerate();
    for (_, reply) in shown.filter(|(place, _)| turn.compared || *place == turn.shown) {
        (reply.id, reply.revision).hash(&mut hasher);
    }
    hasher.finish()
}

impl Block {
    /// Lays a question out.
    pub(crate) fn new(turn: &Turn, style: &Style<'_>) -> Self {
        Self {
            question: question_of(turn, style),
            versions: None,
            answers: Vec::new(),
            columns: None,
            made_of: None,
            used: 0,
        }
    }

    /// Takes in what is new of the answers.
    pub(crate) fn update(&mut self, turn: &Turn, variants: Variants, style: &Style<'_>) {
        let stamp = stamp(turn, variants);
        if self.made_of == Some(stamp) {
            return;
        }
        if self.made_of.replace(stamp).is_none() {
            self.question = question_of(turn, style);
        }
        let role = turn
            .persona
            .as_deref()
            .map(|persona| persona.role_name.trim());
        let role = role.unwrap_or_default();
        if turn.compared {
            let columns = Columns::of(turn, style);
            let style = columns.style(style);
            self.versions = None;
            self.answers
                .retain(|(id, _)| turn.replies.iter().any(|reply| reply.id == *id));
            if self
                .columns
                .as_ref()
                .is_none_or(|old| old.width() != columns.width())
            {
                self.answers.clear();
            }
            for reply in &turn.replies {
                self.answer(reply, &style).update(reply, "", &style);
            }
            self.columns = Some(columns);
        } else if let Some(reply) = turn.reply() {
            if self.columns.take().is_some() {
                self.answers.clear();
            }
            self.answers.retain(|(id, _)| *id == reply.id);
            self.versions = versions(variants, style);
            self.answer(reply, style).update(reply, role, style);
        }
    }

    /// Another width or look is wanted. The Markdown finds that out by itself, and keeps what does not depend on it.
    pub(crate) fn look_changed(&mut self) {
        self.made_of = None;
        for (_, answer) in &mut self.answers {
            answer.revision = None;
        }
    }

    /// Tells whether old rows are shown while new ones are made.
    pub(crate) fn is_behind(&self) -> bool {
        let mut answers = self.answers.iter();
        answers.any(|(_, answer)| answer.markdown.is_behind())
    }

    /// Goes on making new rows, until a time at most; tells whether any have taken the place of old ones.
    pub(crate) fn advance(&mut self, theme: &Theme, until: Instant) -> bool {
        let answers = self.answers.iter_mut();
        answers.fold(false, |any, (_, answer)| {
            answer.markdown.advance(theme, until) || any
        })
    }

    fn answer(&mut self, reply: &Reply, style: &Style<'_>) -> &mut AnswerBlock {
        let place = self.answers.iter().position(|(id, _)| *id == reply.id);
        let place = place.unwrap_or_else(|| {
            self.answers.push((reply.id, AnswerBlock::new(style)));
            self.answers.len() - 1
        });
        &mut self.answers[place].1
    }

    /// Counts the lines.
    pub(crate) fn height(&mut self, style: &Style<'_>) -> usize {
        let above = self.question.len() + usize::from(self.versions.is_some());
        let answers = match &self.columns {
            Some(columns) => columns.height(&mut self.answers, style),
            None => self
                .answers
                .first_mut()
                .map_or(0, |(_, answer)| answer.height(style)),
        };
        above + answers
    }

    /// Hands out the lines from `first` on, `count` at most; the answer's are to be indented.
    pub(crate) fn lines(
        &mut self,
        first: usize,
        count: usize,
        style: &Style<'_>,
    ) -> Vec<(u16, Line<'static>)> {
        let question = self.question.iter().map(|line| (0, line));
        let versions = self.versions.iter().map(|line| (INDENT, line));
        let mut lines: Vec<(u16, Line<'static>)> = question
            .chain(versions)
            .skip(first)
            .take(count)
            .map(|(indent, line)| (indent, line.clone()))
            .collect();
        let above = self.question.len() + usize::from(self.versions.is_some());
        let first = first.saturating_sub(above);
        let count = count - lines.len();
        match &self.columns {
            Some(columns) => lines.extend(
                columns
                    .lines(&mut self.answers, first, count, style)
                    .into_iter()
                    .map(|line| (INDENT, line)),
            ),
            None => {
                if let Some((_, answer)) = self.answers.first_mut() {
                    let answer = answer.lines(first, count, style);
                    lines.extend(answer.into_iter().map(|line| (INDENT, line)));
                }
            }
        }
        lines
    }
}

impl AnswerBlock {
    fn new(style: &Style<'_>) -> Self {
        Self {
            before: Vec::new(),
            markdown: Markdown::new().ascii(style.look.symbols.ascii),
            pushed: 0,
            after: Vec::new(),
            revision: None,
        }
    }

    fn update(&mut self, reply: &Reply, role: &str, style: &Style<'_>) {
        if self.revision == Some(reply.revision) {
            return;
        }
        self.revision = Some(reply.revision);
        let text = &reply.response().text;
        if let Some(new) = text.get(self.pushed..).filter(|new| !new.is_empty()) {
            self.markdown.push(new);
            self.pushed = text.len();
        }
        if !reply.is_running() {
            self.markdown.finish();
        }
        self.before = before(reply, role, style);
        self.after = after(reply, style);
    }

    /// Counts the lines.
    pub(crate) fn height(&mut self, style: &Style<'_>) -> usize {
        let answer = self.markdown.lines(style.width, style.look.theme).len();
        self.before.len() + answer + self.after.len()
    }

    /// Hands out the lines from `first` on, `count` at most.
    pub(crate) fn lines(
        &mut self,
        first: usize,
        count: usize,
        style: &Style<'_>,
    ) -> Vec<Line<'static>> {
        let answer = self.markdown.lines(style.width, style.look.theme);
        self.before
            .iter()
            .chain(answer)
            .chain(&self.after)
            .skip(first)
            .take(count)
            .cloned()
            .collect()
    }
}

/// Which of how many versions is shown, when there are several.
fn versions(variants: Variants, style: &Style<'_>) -> Option<Line<'static>> {
    let dot = style.look.symbols.dot;
    let mut parts = Vec::new();
    let (place, count) = variants.question;
    if count > 1 {
        parts.push(phrase!("question {}/{}", place + 1, count));
    }
    let (place, count) = variants.answer;
    if count > 1 {
        parts.push(phrase!("answer {}/{}", place + 1, count));
    }
    if parts.is_empty() {
        return None;
    }
    Some(Line::from(vec![
        style
            .look
            .span(parts.join(&format!(" {dot} ")), Role::Badge),
        style
            .look
            .span(format!("  {}", style.version_keys), Role::Key),
        style.look.span(format!(" {}", t("others")), Role::Dim),
    ]))
}

fn question_of(turn: &Turn, style: &Style<'_>) -> Vec<Line<'static>> {
    let persona = turn.persona.as_deref();
    let you = persona.map_or("", |persona| persona.you_name.trim());
    question_lines(&turn.question, you, style)
}

fn question_lines(question: &str, you: &str, style: &Style<'_>) -> Vec<Line<'static>> {
    let look = &style.look;
    let said = text::display_safe(question);
    let rows = text::wrap(&said, usize::from(style.width));
    let mut lines = Vec::new();
    if !you.is_empty() {
        lines.push(Line::from(look.span(text::display_safe(you), Role::User)));
    }
    for (index, row) in rows.iter().take(MOST_QUESTION).enumerate() {
        let mark = if index == 0 { look.symbols.prompt } else { " " };
        lines.push(Line::from(vec![
            look.span(format!("{mark} "), Role::User),
            look.span(said[row.clone()].to_owned(), Role::User),
        ]));
    }
    if rows.len() > MOST_QUESTION {
        let more = rows.len() - MOST_QUESTION;
        lines.push(Line::from(look.span(
            format!(
                "  {}",
                counted!(more, "... one more line", "... {} more lines")
            ),
            Role::Dim,
        )));
    }
    lines.push(Line::default());
    lines
}

/// What stands between question and answer: who speaks, and what was thought.
fn before(reply: &Reply, role: &str, style: &Style<'_>) -> Vec<Line<'static>> {
    let look = &style.look;
    let response = reply.response();
    let mut lines = Vec::new();
    if !role.is_empty() {
        lines.push(Line::from(
            look.span(text::display_safe(role), Role::Assistant),
        ));
    }
    if response.reasoning.is_empty() {
        return lines;
    }
    let words = response.reasoning.split_whitespace().count();
    let thinking = response.text.is_empty() && reply.is_running();
    let verb = if thinking {
        t("thinking")
    } else {
        t("thought")
    };
    let folded = if style.show_reasoning { "-" } else { "+" };
    lines.push(Line::from(look.span(
        format!(
            "[{folded}] {verb}, {}",
            counted!(words, "one word", "{} words")
        ),
        Role::Reasoning,
    )));
    if style.show_reasoning {
        let said = text::display_safe(response.reasoning.trim());
        let rows = text::wrap(&said, usize::from(style.width).saturating_sub(2));
        let skipped = rows.len().saturating_sub(MOST_REASONING);
        for row in rows.into_iter().skip(skipped) {
            lines.push(Line::from(vec![
                look.span(format!("{} ", look.symbols.column), Role::Border),
                look.span(said[row].to_owned(), Role::Reasoning),
            ]));
        }
    }
    lines.push(Line::default());
    lines
}

/// What stands under the answer.
fn after(reply: &Reply, style: &Style<'_>) -> Vec<Line<'static>> {
    let response = reply.response();
    let mut lines = Vec::new();
    let look = &style.look;
    if !response.refusal.is_empty() {
        lines.extend(wrapped(&response.refusal, Role::Warn, style));
    }
    for call in &response.tool_calls {
        lines.push(tool_call(call, style));
    }
    let has_answer = !(response.text.is_empty() && lines.is_empty());
    let mut notes = Vec::new();
    match &reply.phase {
        Phase::Waiting | Phase::Streaming => {}
        Phase::Done => notes.extend(facts(response, true, style)),
        Phase::Stopped => {
            notes.extend(note(
                look.symbols.note,
                "stopped; what had come stays",
                Role::Notice,
                style,
            ));
            notes.extend(facts(response, false, style));
        }
        Phase::Failed(error) => notes.extend(failure(error, reply, has_answer, style)),
    }
    if let (Some(line), false) = (failover(reply), matches!(reply.phase, Phase::Failed(_))) {
        notes.extend(wrapped(&line, Role::Dim, style));
    }
    if was_cut(reply) {
        notes.extend(indented(
            &phrase!("{} goes on from here", style.go_on_key),
            Role::Dim,
            style,
        ));
    }
    if has_answer && !notes.is_empty() {
        lines.push(Line::default());
    }
    lines.extend(notes);
    lines.push(Line::default());
    lines
}

fn tool_call(call: &ToolCall, style: &Style<'_>) -> Line<'static> {
    let name = call.name.as_deref().unwrap_or("?");
    let said = phrase!(
        "{} calls {}({})",
        style.look.symbols.arrow,
        name,
        call.arguments.to_text()
    );
    let said = text::display_safe(&said).replace('\n', " ");
    let cut = text::truncate(&said, usize::from(style.width)).into_owned();
    Line::from(style.look.span(cut, Role::Tool))
}

/// Writes US dollars with enough digits for a single answer.
pub(super) fn dollars(cost: f64) -> String {
    if cost == 0.0 || cost >= 0.01 {
        format!("${cost:.2}")
    } else {
        format!("${cost:.5}")
    }
}

/// Who answered, how fast, how much.
fn facts(response: &LlmResponse, whole: bool, style: &Style<'_>) -> Vec<Line<'static>> {
    let mut facts: Vec<String> = Vec::new();
    if style.facts {
        facts.extend(figures(response));
    }
    match response.finish_reason {
        Some(FinishReason::Length) => facts.push(t("cut at the token limit").to_owned()),
        Some(FinishReason::ContentFilter) => facts.push(t("stopped by moderation").to_owned()),
        Some(
            FinishReason::Stop
            | FinishReason::ToolCalls
            | FinishReason::Pause
            | FinishReason::Load
            | FinishReason::Unload
            | FinishReason::Error
            | FinishReason::Other
            | FinishReason::Unknown,
        )
        | None => {}
    }
    if whole
        && response.text.is_empty()
        && response.tool_calls.is_empty()
        && response.refusal.is_empty()
    {
        facts.push(t("an empty answer").to_owned());
    }
    joined(&facts, style)
}

/// The figures of an answer, each in a few words.
fn figures(response: &LlmResponse) -> Vec<String> {
    let mut facts: Vec<String> = Vec::new();
    facts.extend(
        response
            .instance
            .as_ref()
            .map(|name| text::display_safe(name.as_str())),
    );
    facts.extend(
        response
            .model
            .as_ref()
            .map(|model| text::display_safe(model)),
    );
    if let Some(time) = response.time_to_first_token {
        facts.push(phrase!("first token {}", text::duration(time)));
    }
    if let Some(speed) = response.tokens_per_second() {
        facts.push(phrase!("{} tok/s", format!("{speed:.0}")));
    }
    if let Some(tokens) = response.usage.and_then(|usage| usage.completion_tokens) {
        facts.push(counted!(tokens, "one token", "{} tokens"));
    }
    if !response.total_time.is_zero() {
        facts.push(text::duration(response.total_time));
    }
    facts.extend(response.cost.map(dollars));
    facts
}

/// Puts facts in as many rows as they need, broken between facts.
fn joined(facts: &[String], style: &Style<'_>) -> Vec<Line<'static>> {
    let look = &style.look;
    let separator = format!(" {} ", look.symbols.dot);
    let mut rows: Vec<String> = Vec::new();
    for fact in facts {
        match rows.last_mut() {
            Some(row)
                if text::width(row) + text::width(&separator) + text::width(fact)
                    <= usize::from(style.width) =>
            {
                row.push_str(&separator);
                row.push_str(fact);
            }
            _ => rows.push(text::truncate(fact, usize::from(style.width)).into_owned()),
        }
    }
    rows.into_iter()
        .map(|row| Line::from(look.span(row, Role::Dim)))
        .collect()
}

/// An error is a sentence, a hint, and a key.
fn failure(
    error: &Error,
    reply: &Reply,
    has_answer: bool,
    style: &Style<'_>,
) -> Vec<Line<'static>> {
    let symbols = style.look.symbols;
    let mut lines = note(symbols.failed, &error.to_string(), Role::Bad, style);
    if has_answer {
        lines.extend(indented("the answer above is incomplete", Role::Dim, style));
    }
    if let Some(tried) = failover(reply) {
        lines.extend(indented(&tried, Role::Dim, style));
    }
    lines.extend(indented(error.hint(), Role::Dim, style));
    if is_worth_retrying(&reply.phase) {
        lines.extend(indented(
            &phrase!("{} asks again", style.retry_key),
            Role::Dim,
            style,
        ));
    }
    lines
}

/// What the failed attempts before the answer were.
fn failover(reply: &Reply) -> Option<String> {
    let failed: Vec<String> = reply.failed_attempts().map(attempt_words).collect();
    let answered = match (&reply.phase, &reply.response().instance) {
        (Phase::Failed(_), _) | (_, None) => None,
        (_, Some(instance)) => Some(instance),
    };
    match (failed.is_empty(), answered) {
        (true, _) => None,
        (false, Some(instance)) => Some(phrase!("{}; {} answered", failed.join(", "), instance)),
        (false, None) => (failed.len() > 1 || reply.is_running()).then(|| {
            let asking = if reply.is_running() {
                t("; asking another")
            } else {
                ""
            };
            phrase!("tried: {}{}", failed.join(", "), asking)
        }),
    }
}

fn attempt_words(attempt: &Attempt) -> String {
    let words = match attempt.outcome {
        Outcome::Failure(kind) => known(kind.words()),
        Outcome::Cancelled => t("cancelled"),
        Outcome::Success => t("answered"),
    };
    format!("{}: {words}", attempt.instance)
}

fn note(symbol: &str, said: &str, role: Role, style: &Style<'_>) -> Vec<Line<'static>> {
    let mut lines = indented(said, role, style);
    if let Some(first) = lines.first_mut() {
        first.spans[0] = style.look.span(format!("{symbol} "), role);
    }
    lines
}

fn indented(said: &str, role: Role, style: &Style<'_>) -> Vec<Line<'static>> {
    let said = text::display_safe(&translate(said));
    text::wrap(&said, usize::from(style.width).saturating_sub(2))
        .into_iter()
        .map(|row| {
            let text = style.look.span(said[row].to_owned(), role);
            Line::from(vec![Span::raw("  "), text])
        })
        .collect()
}

fn wrapped(said: &str, role: Role, style: &Style<'_>) -> Vec<Line<'static>> {
    let said = text::display_safe(said);
    text::wrap(&said, usize::from(style.width))
        .into_iter()
        .map(|row| Line::from(style.look.span(said[row].to_owned(), role)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::dollars;

    #[test]
    fn a_small_cost_keeps_its_digits() {
        assert_eq!(dollars(0.000_42), "$0.00042");
        assert_eq!(dollars(1.234), "$1.23");
        assert_eq!(dollars(0.0), "$0.00");
    }
}
