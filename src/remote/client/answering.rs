//! An answer from afar. Dropping it cancels the request at the gateway.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use tokio::sync::mpsc;

use super::super::message::{FromConsole, Number};
use super::Shared;
use crate::base::{ChatRequest, Chunk, Error};

/// How many messages of an answer wait for a reader that does not read.
pub(super) const PIECES_HELD: usize = 1_024;

/// A stream of an answer's pieces.
pub(super) struct Answering {
    shared: Arc<Shared>,
    state: State,
}

enum State {
    /// Nobody has polled yet, so nothing was sent.
    Unsent(Option<Box<ChatRequest>>),
    Runs {
        id: Number,
        pieces: mpsc::Receiver<Result<Chunk, Error>>,
    },
    Over,
}

impl Answering {
    pub(super) fn new(shared: Arc<Shared>, request: ChatRequest) -> Self {
        Self {
            shared,
            state: State::Unsent(Some(Box::new(request))),
        }
    }
}

impl Stream for Answering {
    type Item = Result<Chunk, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let State::Unsent(request) = &mut this.state {
            let Some(request) = request.take() else {
                return Poll::Ready(None);
            };
            let (pen, pieces) = mpsc::channel(PIECES_HELD);
            match this.shared.heard.lock().chat(request, pen) {
                Ok(id) => this.state = State::Runs { id, pieces },
                Err(error) => {
                    this.state = State::Over;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        let State::Runs { pieces, .. } = &mut this.state else {
            return Poll::Ready(None);
        };
        let piece = match ready!(pieces.poll_recv(cx)) {
            Some(piece) => piece,
            // The pen was dropped without an end.
            None => Err(this.shared.heard.lock().why_lost()),
        };
        if matches!(piece, Ok(Chunk::Done(_)) | Err(_)) {
            this.end();
        }
        Poll::Ready(Some(piece))
    }
}

impl Answering {
    /// Gives the answer's place back, and cancels it if it still runs.
    fn end(&mut self) {
        if let State::Runs { id, .. } = std::mem::replace(&mut self.state, State::Over) {
            let mut heard = self.shared.heard.lock();
            if heard.forget_chat(id) {
                // Without a line it has been cancelled already.
                let _ = heard.send(FromConsole::Cancel { id });
            }
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.end();
    }
}
