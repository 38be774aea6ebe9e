//! Searching all that was said: the newest matches first, one a conversation, with the line that matches.
//!
//! All words of a query must stand in one message, anywhere in it and in any case; `"two words"` in quotes stand
//! together. The index only names candidates; whether one really matches is decided on its text.

use std::collections::HashSet;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, params};
use tokio::time::Instant;

use super::grams::{begins_one, fold, short_query, triples};
use super::read::{self, SUMMARY, summary_of};
use crate::base::{ConversationId, Found, Hit, MessageId, clean_line};

/// Characters of a matching line before and after the match.
const AROUND: usize = 60;
/// The longest query, in characters.
const LONGEST: usize = 500;
/// SQLite's steps between two looks at the clock.
const STEPS: i32 = 2_000;

/// The newest messages that are looked at one by one for a single character, before the index is asked: a third of
/// all messages may have it, the index gathers every one of them before it names the first, and whoever has typed one
/// character has not typed the second yet.
const NEWEST: i64 = 5_000;

/// How much a search may take.
#[derive(Clone, Copy, Debug)]
pub struct SearchLimit {
    /// Conversations.
    pub hits: usize,
    /// Time; what was found until then counts.
    pub time: Duration,
}

/// Searches; `stale` tells when nobody waits for it any more.
pub(super) fn search(
    connection: &mut Connection,
    query: &str,
    limit: SearchLimit,
    stale: impl Fn() -> bool + Send + 'static,
) -> Result<Found, rusqlite::Error> {
    let terms = terms(query);
    if terms.is_empty() || limit.hits == 0 {
        return Ok(Found::default());
    }
    let until = Instant::now() + limit.time;
    connection.progress_handler(STEPS, Some(move || Instant::now() > until || stale()))?;
    let mut search = Search {
        connection: &*connection,
        terms: &terms,
        limit,
        until,
        found: Found::default(),
        seen: HashSet::new(),
    };
    let ended = search.run();
    let found = search.found;
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match ended {
        Ok(()) => Ok(found),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            Ok(Found {
                more: true,
                ..found
            })
        }
        Err(error) => Err(error),
    }
}

/// Cuts a query into what must be there, folded.
fn terms(query: &str) -> Vec<Vec<char>> {
    let mut terms: Vec<Vec<char>> = Vec::new();
    let mut term: Vec<char> = Vec::new();
    let mut quoted = false;
    for c in query.chars().take(LONGEST) {
        if c == '"' || c.is_whitespace() && !quoted {
            quoted ^= c == '"';
            terms.extend((!term.is_empty()).then(|| std::mem::take(&mut term)));
        } else if !c.is_control() {
            term.push(fold(c));
        }
    }
    terms.extend((!term.is_empty()).then_some(term));
    // The longest makes the fewest candidates, and its line is shown.
    terms.sort_by_key(|term| std::cmp::Reverse(term.len()));
    terms.dedup();
    terms
}

struct Search<'s> {
    connection: &'s Connection,
    terms: &'s [Vec<char>],
    limit: SearchLimit,
    until: Instant,
    found: Found,
    seen: HashSet<i64>,
}

impl Search<'_> {
    fn run(&mut self) -> Result<(), rusqlite::Error> {
        self.named()?;
        let long: Vec<String> = self
            .terms
            .iter()
            .filter(|term| term.len() >= 3)
            .flat_map(|term| triples(term))
            .collect();
        let short: Vec<String> = self
            .terms
            .iter()
            .filter_map(|term| short_query(term))
            .collect();
        if !long.is_empty() {
            self.candidates(
                "select rowid from message_text where message_text match ?1 order by rowid desc",
                Some(&long.join(" AND ")),
            )
        } else if !short.is_empty() {
            if self.terms.iter().any(|term| term.len() == 1) {
                self.newest()?;
                if self.found.more {
                    return Ok(());
                }
            }
            self.candidates(
                "select rowid from message_short where message_short match ?1 order by rowid desc",
                Some(&short.join(" AND ")),
            )
        } else {
            self.candidates("select id from message order by id desc", None)
        }
    }

    /// Looks at titles that a person gave, and tags; all other titles stand in a message.
    fn named(&mut self) -> Result<(), rusqlite::Error> {
        let sql = format!(
            "select {SUMMARY} from conversation indexed by conversation_named
             where deleted is null and (titled = 1 or tags <> '[]') order by updated desc"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let conversation = summary_of(row)?;
            let tags = conversation.tags.iter().map(|tag| format!(" #{tag}"));
            let line = clean_line(&(conversation.title.clone() + &tags.collect::<String>()));
            let Some(matched) = matching(&line, self.terms) else {
                continue;
            };
            if self.is_full() {
                return Ok(());
            }
            self.seen.insert(conversation.id.0);
            self.found.hits.push(Hit {
                conversation,
                message: None,
                role: "title".to_owned(),
                matched: Some(matched),
                line,
            });
        }
        Ok(())
    }

    /// Looks at the newest messages that have ended, as the index would find them.
    fn newest(&mut self) -> Result<(), rusqlite::Error> {
        let connection = self.connection;
        let mut statement = connection.prepare_cached(
            "select id, conversation, text, role from message where state <> 'streaming'
             order by id desc limit ?1",
        )?;
        let mut rows = statement.query([NEWEST])?;
        while let Some(row) = rows.next()? {
            let conversation: i64 = row.get(1)?;
            if self.seen.contains(&conversation) {
                continue;
            }
            let text = row.get_ref(2)?.as_str()?;
            let is_indexed = self.terms.iter().all(|term| match term[..] {
                [one] if one.is_alphanumeric() => begins_one(text, one),
                _ => true,
            });
            let Some((line, matched)) = is_indexed.then(|| line(text, self.terms)).flatten() else {
                continue;
            };
            if self.is_full() {
                return Ok(());
            }
            let role = row.get(3)?;
            self.hit(row.get(0)?, conversation, role, line, matched)?;
        }
        Ok(())
    }

    /// Adds what was found, unless its conversation is deleted.
    fn hit(
        &mut self,
        message: i64,
        conversation: i64,
        role: String,
        line: String,
        matched: Option<(usize, usize)>,
    ) -> Result<(), rusqlite::Error> {
        self.seen.insert(conversation);
        let summary = read::summary(self.connection, ConversationId(conversation))?;
        self.found.hits.extend(summary.map(|conversation| Hit {
            conversation,
            message: Some(MessageId(message)),
            role,
            line,
            matched,
        }));
        Ok(())
    }

    fn candidates(&mut self, sql: &str, query: Option<&str>) -> Result<(), rusqlite::Error> {
        let connection = self.connection;
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = match query {
            Some(query) => statement.query([query])?,
            None => statement.query([])?,
        };
        let mut message =
            connection.prepare_cached("select conversation from message where id = ?1")?;
        let mut said = connection.prepare_cached("select text, role from message where id = ?1")?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            if Instant::now() > self.until {
                self.found.more = true;
                return Ok(());
            }
            let conversation: i64 = message.query_row([id], |row| row.get(0))?;
            if self.seen.contains(&conversation) {
                continue;
            }
            let (line, role) = said.query_row(params![id], |row| {
                let text = row.get_ref(0)?.as_str()?;
                Ok((line(text, self.terms), row.get::<_, String>(1)?))
            })?;
            let Some((line, matched)) = line else {
                continue;
            };
            if self.is_full() {
                return Ok(());
            }
            self.hit(id, conversation, role, line, matched)?;
        }
        Ok(())
    }

    fn is_full(&mut self) -> bool {
        self.found.more = self.found.hits.len() >= self.limit.hits;
        self.found.more
    }
}

/// Finds where the first term stands, when all do; in bytes.
fn matching(text: &str, terms: &[Vec<char>]) -> Option<(usize, usize)> {
    let mut first = None;
    for term in terms {
        let found = find(text, term)?;
        first.get_or_insert(found);
    }
    first
}

/// Finds a folded term in a text; in bytes.
fn find(text: &str, term: &[char]) -> Option<(usize, usize)> {
    let (&initial, rest) = term.split_first()?;
    text.char_indices().find_map(|(at, c)| {
        if fold(c) != initial {
            return None;
        }
        let mut end = at + c.len_utf8();
        let mut after = text[end..].chars();
        for wanted in rest {
            let c = after.next()?;
            if fold(c) != *wanted {
                return None;
            }
            end += c.len_utf8();
        }
        Some((at, end))
    })
}

/// Returns the line in which the first term stands, clean and cut around it, when all terms are in the text.
fn line(text: &str, terms: &[Vec<char>]) -> Option<(String, Option<(usize, usize)>)> {
    let (start, end) = matching(text, terms)?;
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[end..].find('\n').map_or(text.len(), |at| end + at);
    let before = &text[line_start..start];
    let after = &text[end..line_end];
    let from = match before.char_indices().rev().nth(AROUND) {
        Some((at, c)) => at + c.len_utf8(),
        None => 0,
    };
    let to = after
        .char_indices()
        .nth(2 * AROUND)
        .map_or(after.len(), |(at, _)| at);
    let mut shown = String::new();
    if from > 0 {
        shown.push('…');
    }
    shown.push_str(before[from..].trim_start());
    shown.push_str(&text[start..end]);
    shown.push_str(after[..to].trim_end());
    if to < after.len() {
        shown.push('…');
    }
    let shown = clean_line(&shown);
    let matched = terms.first().and_then(|term| find(&shown, term));
    Some((shown, matched))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, query: &str) -> Option<String> {
        line(text, &terms(query)).map(|(line, _)| line)
    }

    #[test]
    fn words_in_any_order_and_quotes_together() {
        assert_eq!(
            terms("A  \"b C\" x"),
            ["b c".chars().collect::<Vec<_>>(), vec!['a'], vec!['x']]
        );
        let text = "one\nThe Sky is blue\nthree";
        assert_eq!(shown(text, "three sky").as_deref(), Some("three"));
        assert_eq!(
            shown(text, "\"sky is\"").as_deref(),
            Some("The Sky is blue")
        );
        assert_eq!(shown(text, "\"is sky\""), None);
    }

    #[test]
    fn a_long_line_is_cut_around_its_match_and_escapes_are_gone() {
        let text = format!("{}需要\u{1b}[2J{}", "啊".repeat(300), "b".repeat(300));
        let (line, matched) = line(&text, &terms("需要")).unwrap();
        let (start, end) = matched.unwrap();
        assert_eq!(&line[start..end], "需要");
        assert!(line.starts_with('…') && line.ends_with('…') && line.chars().count() < 200);
        assert!(!line.contains('\u{1b}'));
    }

    #[test]
    fn a_match_of_other_length_in_lower_case_is_found_where_it_stands() {
        assert_eq!(find("ȺȺ İstanbul", &['s', 't']), Some((7, 9)));
    }
}
