//! The log page: the last lines, from a level up, followed or looked through.

use std::collections::VecDeque;
use std::sync::Arc;

use super::input::Input;
use crate::base::{LogLevel, LogLine};

/// The most lines that are held.
const MOST: usize = 2_000;

/// What the page knows.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    lines: VecDeque<Arc<LogLine>>,
    /// How many lines were never seen: they were dropped before they were read.
    pub(crate) missed: u64,
    pub(crate) level: LogLevel,
    pub(crate) filter: Input,
    /// The number of the line at the bottom; `None` follows.
    bottom: Option<u64>,
    /// Whether the selected line is shown in full.
    pub(crate) open: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            lines: VecDeque::new(),
            missed: 0,
            level: LogLevel::Info,
            filter: Input::default(),
            bottom: None,
            open: false,
        }
    }
}

impl Log {
    /// Returns the number of the last line that was read.
    pub(crate) fn read_to(&self) -> u64 {
        self.lines.back().map_or(0, |line| line.number)
    }

    /// Takes new lines, oldest first; `true` when any is shown.
    pub(crate) fn take(&mut self, lines: Vec<Arc<LogLine>>) -> bool {
        let before = self.read_to();
        if let Some(first) = lines.first().filter(|_| before > 0) {
            self.missed += first.number.saturating_sub(before + 1);
        }
        let shows = lines.iter().any(|line| line.level <= self.level);
        self.lines.extend(lines);
        while self.lines.len() > MOST {
            self.lines.pop_front();
        }
        shows
    }

    /// Returns what is shown, oldest first: lines of this level and above that have every word, up to a time.
    pub(crate) fn shown(&self, until: Option<jiff::Timestamp>) -> Vec<&Arc<LogLine>> {
        let words = self.filter.words();
        let has = |line: &LogLine| {
            let text = format!("{} {} {}", line.level.as_str(), line.target, line.text);
            let text = text.to_lowercase();
            words.iter().all(|word| text.contains(word.as_str()))
        };
        self.lines
            .iter()
            .filter(|line| line.level <= self.level && until.is_none_or(|until| line.at <= until))
            .filter(|line| words.is_empty() || has(line))
            .collect()
    }

    /// Returns the place of the line at the bottom among those shown.
    pub(crate) fn place(&self, shown: &[&Arc<LogLine>]) -> usize {
        let last = shown.len().saturating_sub(1);
        self.bottom.map_or(last, |number| {
            let end = shown.partition_point(|line| line.number <= number);
            end.saturating_sub(1).min(last)
        })
    }

    /// Tells whether new lines move the page.
    pub(crate) fn follows(&self) -> bool {
        self.bottom.is_none()
    }

    /// Moves; the last line follows.
    pub(crate) fn step(&mut self, by: isize, until: Option<jiff::Timestamp>) {
        let shown = self.shown(until);
        let last = shown.len().saturating_sub(1);
        let place = self.place(&shown).saturating_add_signed(by).min(last);
        self.bottom = (place < last).then(|| shown[place].number);
    }

    /// Shows less or more: `by` levels.
    pub(crate) fn widen(&mut self, by: isize) -> bool {
        let place = LogLevel::ALL.iter().position(|level| *level == self.level);
        let place = place.unwrap_or(2).saturating_add_signed(by);
        let level = LogLevel::ALL[place.min(LogLevel::ALL.len() - 1)];
        std::mem::replace(&mut self.level, level) != level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, level: LogLevel, text: &str) -> Arc<LogLine> {
        Arc::new(LogLine {
            number,
            at: jiff::Timestamp::UNIX_EPOCH,
            level,
            target: "llmdeck::driver".to_owned(),
            text: text.to_owned(),
        })
    }

    #[test]
    fn it_follows_until_one_scrolls_up_and_again_at_the_end() {
        let mut log = Log::default();
        log.take((1..=10).map(|n| line(n, LogLevel::Info, "x")).collect());
        assert!(log.follows());
        log.step(-2, None);
        log.take(vec![line(11, LogLevel::Info, "new")]);
        assert!(!log.follows());
        assert_eq!(log.place(&log.shown(None)), 7, "what is read does not move");
        log.step(isize::MAX, None);
        assert!(log.follows());
    }

    #[test]
    fn levels_and_words_narrow_and_gaps_are_counted() {
        let mut log = Log::default();
        log.take(vec![
            line(1, LogLevel::Debug, "fine"),
            line(2, LogLevel::Warn, "Breaker open"),
        ]);
        assert_eq!(log.shown(None).len(), 1);
        log.widen(1);
        assert_eq!(log.shown(None).len(), 2);
        log.filter.push("breaker");
        assert_eq!(log.shown(None).len(), 1);
        log.take(vec![line(7, LogLevel::Error, "late")]);
        assert_eq!(log.missed, 4);
    }
}
