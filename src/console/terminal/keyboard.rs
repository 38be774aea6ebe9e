//! The keys of the real terminal; silent while somebody else reads them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use ratatui::crossterm::event::{Event, EventStream};

use super::ask;
use crate::console::run::Input;

/// A stream of what is typed.
pub(crate) struct Keyboard(Option<Pin<Box<dyn Stream<Item = io::Result<Event>>>>>);

impl Keyboard {
    /// Begins to read; `answers_late` when the terminal still owes an answer.
    pub(crate) fn new(answers_late: bool) -> Self {
        Self(Some(Box::pin(ask::late(EventStream::new(), answers_late))))
    }
}

impl Stream for Keyboard {
    type Item = io::Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Some(keys) => keys.as_mut().poll_next(cx),
            None => Poll::Pending,
        }
    }
}

impl Input for Keyboard {
    /// crossterm reads ahead in a thread; only without the stream does that end.
    fn pause(&mut self) {
        self.0 = None;
    }

    fn resume(&mut self) {
        self.0 = Some(Box::pin(EventStream::new()));
    }
}
