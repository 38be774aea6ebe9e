//! Keeps one question and its answer while it streams: what a face does that has no conversation of its own.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use jiff::Timestamp;
use rand::RngCore;
use tokio::time::Instant;

use super::owner::Store;
use crate::base::{
    Answer, Change, ChatStream, Chunk, Content, Conversation, ConversationId, Error, ErrorKind,
    Facts, KeptMessage, Message, MessageId, MessageState, Piece, Role,
};

/// Keeps a question and its answer.
pub struct Recorder {
    store: Store,
    conversation: ConversationId,
    id: MessageId,
    parent: MessageId,
    at: Timestamp,
}

impl Recorder {
    /// Keeps a question, at the end of the branch that is shown, and makes room for its answer. A conversation in which
    /// nothing was said is begun.
    pub fn begin(
        store: Store,
        conversation: &Conversation,
        question: &str,
        at: Timestamp,
        dice: &mut impl RngCore,
    ) -> Self {
        let id = conversation.id;
        if conversation.messages.is_empty() {
            store.save(Change::Begin(Box::new(conversation.clone())));
        }
        let newest = conversation.messages.iter().map(|said| said.id).max();
        let made = MessageId::new(at, dice);
        let asked = newest.map_or(made, |newest| made.max(newest.after()));
        let answered = asked.after();
        let message = |id, parent, state, message| Change::Say {
            conversation: conversation.id,
            message: Box::new(KeptMessage {
                id,
                parent,
                chosen: None,
                at,
                state,
                message,
                answer: None,
            }),
        };
        let last = conversation.path().last().map(|said| said.id);
        store.save(message(
            asked,
            last,
            MessageState::Whole,
            Message::user(question),
        ));
        store.save(message(
            answered,
            Some(asked),
            MessageState::Streaming,
            Message::assistant(""),
        ));
        Self {
            store,
            conversation: id,
            id: answered,
            parent: asked,
            at,
        }
    }

    /// Keeps all that comes through a stream, and how it ends; one that is dropped was stopped.
    pub fn tap(self, stream: ChatStream) -> ChatStream {
        Box::pin(Tap {
            stream,
            recorder: Some(self),
            answer: Answer::default(),
            began: Instant::now(),
        })
    }

    /// Keeps a piece.
    pub fn push(&self, chunk: &Chunk) {
        let piece = match chunk {
            Chunk::Text(text) => Piece::Text(text.clone()),
            Chunk::Reasoning(text) => Piece::Reasoning(text.clone()),
            _ => return,
        };
        self.store.save(Change::Piece {
            conversation: self.conversation,
            message: self.id,
            piece,
        });
    }

    /// Keeps the end.
    pub fn finish(self, answer: &Answer, error: Option<&Error>) {
        let state = match error {
            None => MessageState::Whole,
            Some(error) if error.kind() == ErrorKind::Cancelled => MessageState::Stopped,
            Some(_) => MessageState::Failed,
        };
        let response = answer.so_far();
        self.store.save(Change::Finish {
            conversation: self.conversation,
            message: Box::new(KeptMessage {
                id: self.id,
                parent: Some(self.parent),
                chosen: None,
                at: self.at,
                state,
                message: Message {
                    content: Content::Text(response.text.clone()),
                    reasoning: Some(response.reasoning.clone()).filter(|text| !text.is_empty()),
                    tool_calls: response.tool_calls.clone(),
                    ..Message::text(Role::Assistant, "")
                },
                answer: Some(Box::new(Facts::of(response, error))),
            }),
        });
    }
}

struct Tap {
    stream: ChatStream,
    recorder: Option<Recorder>,
    answer: Answer,
    began: Instant,
}

impl Tap {
    fn end(&mut self, error: Option<&Error>) {
        if let Some(recorder) = self.recorder.take() {
            if error.is_some() {
                self.answer.so_far_mut().total_time = self.began.elapsed();
            }
            recorder.finish(&self.answer, error);
        }
    }
}

impl Stream for Tap {
    type Item = Result<Chunk, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.stream.as_mut().poll_next(cx);
        match &next {
            Poll::Ready(Some(Ok(chunk))) => {
                if let Some(recorder) = &self.recorder {
                    recorder.push(chunk);
                }
                self.answer.push(chunk);
                if matches!(chunk, Chunk::Done(_)) {
                    self.end(None);
                }
            }
            Poll::Ready(Some(Err(error))) => self.end(Some(error)),
            Poll::Ready(None) => {
                let message = "the stream ended without saying so";
                self.end(Some(&Error::protocol("truncated", message)));
            }
            Poll::Pending => {}
        }
        next
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.end(Some(&Error::new(ErrorKind::Cancelled, "")));
    }
}
