//! What the deck says: that something ended, that somebody gave a command, that the line to it is lost.

use tokio::time::Instant;

use super::{App, BY, Focus, REQUESTS_EVERY, Redraw, Tone};
use crate::base::{Changed, DeckEvent, Error};
use crate::console::words::{phrase, translate};
use crate::deck::Line;

impl App {
    pub(super) fn heard(&mut self, event: &DeckEvent) -> Redraw {
        match event {
            DeckEvent::Commanded { what, by } if by != self.by() => {
                self.say(phrase!("{} (by {})", translate(what), by), Tone::Note);
                Redraw::Soon
            }
            DeckEvent::Alerted { alert } => {
                self.alerted(alert);
                Redraw::Soon
            }
            DeckEvent::RequestStarted { id } => {
                self.requests.began(*id);
                Redraw::No
            }
            DeckEvent::RequestEnded { sample } => {
                self.requests.ended(sample, self.now);
                if self.focus == Focus::Requests && self.frozen.is_none() {
                    let next = self.requests_until + REQUESTS_EVERY;
                    self.requests_due.get_or_insert(next.max(self.now));
                }
                Redraw::No
            }
            DeckEvent::Missed { .. } => {
                self.requests.missed();
                Redraw::No
            }
            DeckEvent::Commanded { .. }
            | DeckEvent::AttemptEnded { .. }
            | DeckEvent::StateChanged { .. }
            | DeckEvent::News => Redraw::No,
        }
    }

    /// The name under which this console gives commands.
    fn by(&self) -> &str {
        self.context.by.as_deref().unwrap_or(BY)
    }

    pub(super) fn line(&mut self, line: Line) -> Redraw {
        let was_lost = self.lost_since().is_some();
        self.line = line;
        if was_lost && self.lost_since().is_none() {
            self.say("the line is back", Tone::Done);
        }
        Redraw::Soon
    }

    /// Returns since when nothing was heard of the pool, if the line to it is lost.
    pub(crate) fn lost_since(&self) -> Option<Instant> {
        match &self.line {
            Line::Up => None,
            Line::Lost { since, .. } => Some(*since),
        }
    }

    pub(super) fn commanded(&mut self, result: Result<Changed, Error>, undoing: bool) {
        match result {
            Ok(Changed { what, undo }) => {
                if let (Some(undo), false) = (undo, undoing) {
                    self.pool.can_undo(undo);
                }
                self.say(what, Tone::Done);
            }
            Err(error) => self.say_error(&error),
        }
    }
}
