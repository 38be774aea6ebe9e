//! Sending an answer in its own time, and everything that can go wrong while that happens.
//!
//! The instance's slot is given back right before the last frame leaves: a client that asks again as soon as it has
//! read the end never finds the instance fuller than it is.

mod whole;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, Response};
use bytes::{Bytes, BytesMut};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use super::answer::Answer;
use super::connection::Connection;
use super::frames::{self, Frames};
use super::gate::{Headroom, Slot};
use super::instance::Instance;
use super::journal::Entry;
use super::plan::Plan;
use super::{Ending, Fault, refusal};
use crate::base::{Chunk, ErrorKind, FinishReason, ProviderType};
use crate::wire::serve::Encoder;

/// Time for what was sent to leave before the connection is broken.
const TO_LEAVE: Duration = Duration::from_millis(5);
/// The pace of [`Fault::Trickle`].
const TRICKLE: Duration = Duration::from_millis(50);
/// A text that is replaced after encoding, by what no encoder gives or what it would take long over.
const MARK: &str = "@@@@";
const NOT_UTF8: [u8; 4] = [0xff, 0xfe, 0xc3, 0x28];

/// One answer that is being sent.
pub(super) struct Script {
    pub(super) instance: Arc<Instance>,
    pub(super) connection: Connection,
    pub(super) entry: Entry,
    pub(super) slot: Option<Slot>,
    pub(super) answer: Answer,
    pub(super) plan: Plan,
    pub(super) fault: Option<Fault>,
    pub(super) model: String,
    pub(super) is_streaming: bool,
    pub(super) wants_usage: bool,
}

impl Script {
    /// Makes the response; its body goes on from there.
    pub(super) async fn respond(self, headroom: &Headroom) -> Response<Body> {
        let begun = Instant::now();
        let first_token = begun + self.plan.first_token;
        let mut encoder = self.encoder();
        let mut headers = self.headers(&encoder, headroom);
        let body = if self.is_streaming {
            // Ollama sends no byte while it loads or evaluates; the others send their headers at once.
            let is_silent = self.provider_type() == ProviderType::Ollama;
            if is_silent && self.fault != Some(Fault::HangBeforeToken) {
                sleep_until(first_token).await;
            }
            frames::body(|frames| self.stream(frames, encoder, begun))
        } else {
            self.write_whole(first_token).await;
            self.whole(&mut encoder, &mut headers, begun)
        };
        let mut response = Response::new(body);
        *response.headers_mut() = headers;
        response
    }

    async fn stream(mut self, frames: Frames, mut encoder: Encoder, begun: Instant) {
        let first_token = begun + self.plan.first_token;
        self.wait_for_first_token(&frames, &mut encoder, first_token)
            .await;
        if self.fault == Some(Fault::Trickle) {
            self.trickle_stream(&frames, &mut encoder, begun).await;
            return;
        }
        let pieces = self.answer.pieces.len();
        let middle = self.plan.middle_of(pieces).min(pieces);
        let mut due = first_token;
        for index in 0..pieces {
            if index == middle && self.meet_fault(&frames, &mut encoder).await {
                return;
            }
            pace(due).await;
            due += self.gap();
            self.send_piece(&frames, &mut encoder, index).await;
        }
        if middle == pieces && self.meet_fault(&frames, &mut encoder).await {
            return;
        }
        let last = self.last_frames(&mut encoder, pieces, begun);
        self.end();
        frames.send(last).await;
    }

    async fn send_piece(&mut self, frames: &Frames, encoder: &mut Encoder, index: usize) {
        if let Some(piece) = self.answer.pieces.get(index) {
            self.entry.sent(1);
            frames.send(encode(encoder, piece)).await;
        }
    }

    /// Waits, with comments where the protocol has them; forever under [`Fault::HangBeforeToken`].
    async fn wait_for_first_token(
        &mut self,
        frames: &Frames,
        encoder: &mut Encoder,
        first_token: Instant,
    ) {
        let is_hanging = self.fault == Some(Fault::HangBeforeToken);
        if is_hanging {
            self.entry.expect(Fault::HangBeforeToken.into());
        }
        loop {
            tokio::select! {
                () = sleep_until(first_token), if !is_hanging => return,
                () = sleep(self.instance.profile.keep_alive) => {
                    frames.send(encode(encoder, &Chunk::KeepAlive)).await;
                }
            }
        }
    }

    /// Does what goes wrong in the middle of a stream. Tells whether that was the end of it.
    async fn meet_fault(&mut self, frames: &Frames, encoder: &mut Encoder) -> bool {
        let Some(fault) = self.fault else {
            return false;
        };
        // Some clients leave as soon as they meet it.
        self.entry.expect(fault.into());
        match fault {
            Fault::HangMidStream => self.hang().await,
            Fault::CutMidStream | Fault::ResetMidStream => {
                self.end();
                break_off(&self.connection, fault, frames).await;
            }
            Fault::Truncated => self.end(),
            Fault::ErrorMidStream => {
                let error = self.error(encoder);
                self.end();
                frames.send(error).await;
            }
            Fault::FilteredMidStream => {
                self.answer.finish = FinishReason::ContentFilter;
                let sent = self.plan.middle_of(self.answer.pieces.len());
                let last = self.last_frames(encoder, sent, Instant::now());
                self.end();
                frames.send(last).await;
            }
            Fault::Endless => {
                let mut due = Instant::now();
                for index in (0..self.answer.pieces.len()).cycle() {
                    due += self.gap();
                    pace(due).await;
                    self.send_piece(frames, encoder, index).await;
                }
            }
            Fault::Garbage => {
                frames.send(self.garbage()).await;
                return false;
            }
            Fault::BadUtf8 => {
                let frame = encode(encoder, &Chunk::Text(MARK.to_owned()));
                frames.send(replaced(&frame, &NOT_UTF8)).await;
                return false;
            }
            Fault::HugeLine { bytes } => {
                let frame = encode(encoder, &Chunk::Text(MARK.to_owned()));
                frames.send(replaced(&frame, &vec![b'x'; bytes])).await;
                return false;
            }
            Fault::ServerError
            | Fault::BadGateway
            | Fault::Unavailable
            | Fault::Overloaded
            | Fault::WrongKey
            | Fault::Forbidden
            | Fault::UnknownModel
            | Fault::NoQuota
            | Fault::RateLimited { .. }
            | Fault::ContentFilter
            | Fault::ContextLength
            | Fault::Business { .. }
            | Fault::HangBeforeHeaders
            | Fault::HangBeforeToken
            | Fault::Trickle
            | Fault::Close
            | Fault::Refuse
            | Fault::HtmlOk
            | Fault::WholeForStream => return false,
        }
        true
    }

    async fn trickle_stream(mut self, frames: &Frames, encoder: &mut Encoder, begun: Instant) {
        let mut bytes = BytesMut::new();
        for piece in &self.answer.pieces {
            bytes.extend_from_slice(&encode(encoder, piece));
        }
        let tokens = self.answer.pieces.len();
        bytes.extend_from_slice(&self.last_frames(encoder, tokens, begun));
        self.trickle(frames, &bytes.freeze()).await;
    }

    async fn trickle(&mut self, frames: &Frames, bytes: &Bytes) {
        self.entry.expect(Fault::Trickle.into());
        for at in 0..bytes.len() {
            sleep(TRICKLE).await;
            frames.send(bytes.slice(at..=at)).await;
        }
        self.entry.sent(self.answer.pieces.len() as u64);
        self.end();
    }

    /// Waits for the client to go away.
    async fn hang(&mut self) {
        if let Some(fault) = self.fault {
            self.entry.expect(fault.into());
        }
        std::future::pending::<()>().await;
    }

    /// Gives the slot back and closes the entry.
    fn end(&mut self) {
        self.slot = None;
        self.entry
            .close(self.fault.map_or(Ending::Ok, Ending::from));
    }

    /// Returns what follows the last piece: finish reason, usage, timings, terminal event.
    fn last_frames(&self, encoder: &mut Encoder, sent: usize, begun: Instant) -> Bytes {
        let mut bytes = BytesMut::new();
        let finish = Chunk::Finish {
            reason: self.answer.finish,
            raw: None,
        };
        let usage = Chunk::Usage(self.answer.usage(sent));
        bytes.extend_from_slice(&encode(encoder, &usage));
        if self.provider_type() == ProviderType::Ollama {
            let timings = self.timings(begun);
            bytes.extend_from_slice(&encode(encoder, &timings));
        }
        bytes.extend_from_slice(&encode(encoder, &finish));
        bytes.extend_from_slice(&encoder.finish());
        bytes.freeze()
    }

    /// Returns Ollama's durations, in nanoseconds.
    fn timings(&self, begun: Instant) -> Chunk {
        let nanos = |time: Duration| time.as_nanos() as u64;
        let total = begun.elapsed();
        let evaluating = total.saturating_sub(self.plan.first_token);
        Chunk::Timings(json!({
            "total_duration": nanos(total),
            "load_duration": 0,
            "prompt_eval_duration": nanos(self.plan.first_token),
            "eval_duration": nanos(evaluating),
        }))
    }

    /// Returns the time between two tokens now: others slow it down.
    fn gap(&self) -> Duration {
        let others = self.slot.as_ref().map_or(0, Slot::others);
        let speed = self.instance.profile.speed_beside(self.plan.speed, others);
        Duration::try_from_secs_f64(1.0 / speed).unwrap_or(TRICKLE)
    }

    fn encoder(&self) -> Encoder {
        let created = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        Encoder::new(
            self.provider_type(),
            &self.id(),
            &self.model,
            created,
            self.is_streaming,
            self.wants_usage,
        )
    }

    fn id(&self) -> String {
        let (name, number) = (&self.instance.profile.name, self.entry.number());
        format!("chatcmpl-{name}-{number}")
    }

    fn headers(&self, encoder: &Encoder, headroom: &Headroom) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let content_type = HeaderValue::from_static(encoder.content_type());
        headers.insert(CONTENT_TYPE, content_type);
        if self.is_streaming {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        }
        if self.provider_type() == ProviderType::OpenAi {
            if let Ok(id) = HeaderValue::from_str(&self.id()) {
                headers.insert("x-request-id", id);
            }
            refusal::put_limits(&mut headers, headroom);
        }
        headers
    }

    fn provider_type(&self) -> ProviderType {
        self.instance.profile.provider_type
    }

    fn error(&self, encoder: &Encoder) -> Bytes {
        let (code, message) = match self.provider_type() {
            ProviderType::OpenAi => (
                None,
                "The server had an error while processing your request.",
            ),
            ProviderType::Ollama => (None, "model runner has unexpectedly stopped"),
            ProviderType::ZhipuAi => (Some("1234"), "网络错误，请稍后重试"),
        };
        encoder.error(ErrorKind::Server, message, code)
    }

    fn garbage(&self) -> &'static str {
        match self.provider_type() {
            ProviderType::OpenAi | ProviderType::ZhipuAi => {
                "data: {\"choices\": [{\"delta\": <<garbage>>\n\n"
            }
            ProviderType::Ollama => "{\"message\": <<garbage>>\n",
        }
    }
}

fn encode(encoder: &mut Encoder, chunk: &Chunk) -> Bytes {
    encoder.chunk(chunk).unwrap_or_default()
}

/// Waits until the next token is due. What is overdue does not wait: a timer takes a millisecond even for nothing.
async fn pace(due: Instant) {
    if due > Instant::now() {
        sleep_until(due).await;
    }
}

/// Lets what was sent leave, then closes or resets the connection.
async fn break_off(connection: &Connection, fault: Fault, frames: &Frames) {
    sleep(TO_LEAVE).await;
    if fault == Fault::ResetMidStream {
        connection.reset_at_end();
    }
    frames.break_off().await;
}

fn replaced(frame: &Bytes, by: &[u8]) -> Bytes {
    let mark = MARK.as_bytes();
    let at = frame.windows(mark.len()).position(|window| window == mark);
    at.map_or_else(
        || frame.clone(),
        |at| {
            [&frame[..at], by, &frame[at + mark.len()..]]
                .concat()
                .into()
        },
    )
}
