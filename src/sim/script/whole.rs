//! Answers that are not streamed: one JSON document, and what can go wrong with it.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Encoder, Fault, Frames, MARK, NOT_UTF8, Script, TRICKLE, break_off, encode, frames, replaced,
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
            sleep_until(due).await;
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
        match self.fault {
            Some(Fault::HugeLine { bytes }) => {
                encode(encoder, &Chunk::Text("x".repeat(bytes)));
            }
            Some(Fault::BadUtf8) => {
                encode(encoder, &Chunk::Text(MARK.to_owned()));
            }
            _ => {}
        }
        let tokens = self.answer.pieces.len();
        let document = self.last_frames(encoder, tokens, begun);
        self.entry.sent(tokens as u64);
        match self.fault {
            Some(
                Fault::HangBeforeToken
                | Fault::HangMidStream
                | Fault::CutMidStream
                | Fault::ResetMidStream
                | Fault::Truncated
                | Fault::Garbage
                | Fault::Endless
                | Fault::Trickle,
            ) => {
                // Its length is not what it would be: no promise about it.
                headers.remove(CONTENT_LENGTH);
                frames::body(|frames| self.spoilt(frames, document))
            }
            Some(Fault::ErrorMidStream) => {
                self.end();
                self.error(encoder).into()
            }
            Some(Fault::BadUtf8) => {
                self.end();
                replaced(&document, &NOT_UTF8).into()
            }
            _ => {
                self.end();
                document.into()
            }
        }
    }

    async fn spoilt(mut self, frames: Frames, document: Bytes) {
        let Some(fault) = self.fault else {
            return;
        };
        if fault == Fault::HangBeforeToken {
            self.hang().await;
        }
        if fault == Fault::Trickle {
            self.trickle(&frames, &document).await;
            return;
        }
        let half = document.len() / 2;
        frames.send(document.slice(..half)).await;
        match fault {
            Fault::HangMidStream => self.hang().await,
            Fault::CutMidStream | Fault::ResetMidStream => {
                self.end();
                break_off(&self.connection, fault, &frames).await;
            }
            Fault::Garbage => {
                self.end();
                frames.send("<<garbage>>").await;
            }
            Fault::Endless => {
                self.entry.expect(fault.into());
                loop {
                    sleep(TRICKLE).await;
                    frames.send("and so on ").await;
                }
            }
            _ => self.end(),
        }
    }
}
