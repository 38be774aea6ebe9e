//! Answers that are not streamed: one JSON document, and what can go wrong with it.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Encoder, Fault, Frames, MARK, NOT_UTF8, Script, TRICKLE, break_off, encode, frames, pace,
    replaced,
};
use crate::base::{Chunk, FinishReason};

impl Script {
    /// Takes the time that writing the answer takes.
    pub(super) async fn write_whole(&self, first_token: Instant) {
        if self.fault == Some(Fault::HangBeforeToken) {
            return;
        }
        sleep_until(first_token).await;
        let mut due = first_token;
        for _ in 1..self.answer.pieces.len() {
            due += self.gap();
            pace(due).await;
        }
    }

    /// Makes the body.
    pub(super) fn whole(
        mut self,
        encoder: &mut Encoder,
        headers: &mut HeaderMap,
        begun: Instant,
    ) -> Body {
        if self.fault == Some(Fault::FilteredMidStream) {
            let middle = self.plan.middle_of(self.answer.pieces.len());
            self.answer.pieces.truncate(middle);
            self.answer.finish = FinishReason::ContentFilter;
        }
        for piece in &self.answer.pieces {
            encode(encoder, piece);
        }
        if let Some(Fault::HugeLine { bytes }) = self.fault {
            encode(encoder, &Chunk::Text("x".repeat(bytes)));
        }
        let is_not_utf8 = self.fault == Some(Fault::BadUtf8);
        if is_not_utf8 {
            encode(encoder, &Chunk::Text(MARK.to_owned()));
        }
        let tokens = self.answer.pieces.len();
        let document = self.last_frames(encoder, tokens, begun);
        self.entry.sent(tokens as u64);
        if let Some(fault) = self.fault
            && spoils_document(fault)
        {
            // Its length is not what it would be: no promise about it.
            headers.remove(CONTENT_LENGTH);
            return frames::body(|frames| self.spoilt(fault, frames, document));
        }
        self.end();
        if self.fault == Some(Fault::ErrorMidStream) {
            return self.error(encoder).into();
        }
        if is_not_utf8 {
            return replaced(&document, &NOT_UTF8).into();
        }
        document.into()
    }

    async fn spoilt(mut self, fault: Fault, frames: Frames, document: Bytes) {
        if fault == Fault::HangBeforeToken {
            self.hang().await;
        }
        if fault == Fault::Trickle {
            self.trickle(&frames, &document).await;
            return;
        }
        self.entry.expect(fault.into());
        frames.send(document.slice(..document.len() / 2)).await;
        if fault == Fault::HangMidStream {
            self.hang().await;
        }
        if fault == Fault::Endless {
            loop {
                sleep(TRICKLE).await;
                frames.send("and so on ").await;
            }
        }
        if fault == Fault::Garbage {
            frames.send("<<garbage>>").await;
        }
        self.end();
        if matches!(fault, Fault::CutMidStream | Fault::ResetMidStream) {
            break_off(&self.connection, fault, &frames).await;
        }
    }
}

/// Tells whether a fault changes how the document is sent, and not what is in it.
fn spoils_document(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::HangBeforeToken
            | Fault::HangMidStream
            | Fault::CutMidStream
            | Fault::ResetMidStream
            | Fault::Truncated
            | Fault::Garbage
            | Fault::Endless
            | Fault::Trickle
    )
}
