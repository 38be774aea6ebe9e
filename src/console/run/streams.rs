//! The answers that are coming in, by number. Cancelling one drops its stream, and that closes its connection.

use futures_util::stream::{AbortHandle, Abortable, SelectAll};
use futures_util::{Stream, StreamExt};
use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::super::event::Event;
use super::super::state::reply::ReplyId;
use crate::base::{ChatStream, Chunk, Error};

/// A piece of an answer; `None` when its stream is over.
type Piece = Option<Result<Chunk, Error>>;

/// All running streams.
#[derive(Default)]
pub(crate) struct Streams {
    running: SelectAll<Numbered>,
    handles: HashMap<ReplyId, AbortHandle>,
}

impl Streams {
    /// Adds an answer.
    pub(crate) fn insert(&mut self, id: ReplyId, stream: ChatStream) {
        let (handle, registration) = AbortHandle::new_pair();
        self.handles.insert(id, handle);
        self.running.push(Numbered {
            id,
            stream: Some(Abortable::new(stream, registration)),
        });
    }

    /// Stops an answer.
    pub(crate) fn cancel(&mut self, id: ReplyId) {
        if let Some(handle) = self.handles.remove(&id) {
            handle.abort();
        }
    }

    /// Tells whether there is nothing to wait for.
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Waits for the next piece of any answer.
    pub(crate) async fn next(&mut self) -> Option<(ReplyId, Piece)> {
        let next = self.running.next().await;
        if let Some((id, None)) = &next {
            self.handles.remove(id);
        }
        next
    }

    /// Makes an event of a piece.
    pub(crate) fn event(id: ReplyId, piece: Piece) -> Event {
        match piece {
            Some(piece) => Event::Chunk(id, piece.map(Box::new)),
            None => Event::StreamEnded(id),
        }
    }
}

/// A stream that knows its answer's number and says when it is over.
struct Numbered {
    id: ReplyId,
    stream: Option<Abortable<ChatStream>>,
}

impl Stream for Numbered {
    type Item = (ReplyId, Piece);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let id = self.id;
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        let piece = std::task::ready!(stream.poll_next_unpin(cx));
        if piece.is_none() {
            self.stream = None;
        }
        Poll::Ready(Some((id, piece)))
    }
}
