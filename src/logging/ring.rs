//! The last lines of the log in memory, for a face that shows them. It has a bound in lines and in bytes.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::base::{LogLevel, LogLine, LogSource, clean_line, shorten};

/// The most lines that are held.
const MOST_LINES: usize = 2_000;
/// The most bytes of text that are held.
const MOST_BYTES: usize = 512 * 1024;
/// The longest line, in characters.
const LONGEST_LINE: usize = 2_000;

/// The last lines of the log.
#[derive(Debug)]
pub struct Ring {
    held: Mutex<Held>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Held {
    lines: VecDeque<Arc<LogLine>>,
    bytes: usize,
    number: u64,
}

impl Default for Ring {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            newest: watch::Sender::new(0),
        }
    }
}

impl Ring {
    /// Adds a line; the oldest make room for it.
    fn push(&self, level: LogLevel, target: &str, text: &str) {
        let text = shorten(&clean_line(text), LONGEST_LINE);
        let number = {
            let mut held = self.held.lock();
            held.number += 1;
            held.bytes += text.len() + target.len();
            let line = LogLine {
                number: held.number,
                at: Timestamp::now(),
                level,
                target: target.to_owned(),
                text,
            };
            held.lines.push_back(Arc::new(line));
            while held.lines.len() > MOST_LINES || held.bytes > MOST_BYTES {
                let Some(gone) = held.lines.pop_front() else {
                    break;
                };
                held.bytes -= gone.text.len() + gone.target.len();
            }
            held.number
        };
        self.newest.send_replace(number);
    }
}

impl LogSource for Ring {
    fn after(&self, number: u64) -> Vec<Arc<LogLine>> {
        let held = self.held.lock();
        let start = held.lines.partition_point(|line| line.number <= number);
        held.lines.range(start..).cloned().collect()
    }

    fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}

/// Feeds a ring with what is logged.
pub(super) struct RingLayer(pub(super) Arc<Ring>);

impl<S: Subscriber> Layer<S> for RingLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let meta = event.metadata();
        self.0
            .push(level(*meta.level()), meta.target(), &text.whole());
    }
}

const fn level(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}

/// An event as one line: the message, then its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn whole(mut self) -> String {
        self.message.push_str(&self.fields);
        self.message
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a String does not fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = if field.name() == "message" {
            write!(self.message, "{value}")
        } else {
            write!(self.fields, " {}={value}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn what_is_logged_is_held_in_order_with_its_fields() {
        let ring = Arc::new(Ring::default());
        let subscriber = tracing_subscriber::registry().with(RingLayer(Arc::clone(&ring)));
        let mut newest = ring.newest();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(instance = "a", count = 3, "switched on");
            tracing::warn!("two\nlines\u{1b}[31m");
        });
        let lines = ring.after(0);
        assert_eq!(lines[0].text, "switched on instance=a count=3");
        assert_eq!(lines[0].level, LogLevel::Info);
        assert!(!lines[1].text.contains(['\n', '\u{1b}']));
        assert_eq!(ring.after(1).len(), 1);
        assert_eq!(*newest.borrow_and_update(), 2);
    }

    #[test]
    fn the_oldest_make_room() {
        let ring = Ring::default();
        for _ in 0..MOST_LINES + 5 {
            ring.push(LogLevel::Info, "t", "line");
        }
        assert_eq!(ring.after(0).len(), MOST_LINES);
        assert_eq!(ring.after(0)[0].number, 6);
        let long = "x".repeat(LONGEST_LINE);
        for _ in 0..MOST_LINES {
            ring.push(LogLevel::Info, "t", &long);
        }
        assert!(ring.held.lock().bytes <= MOST_BYTES);
    }
}
