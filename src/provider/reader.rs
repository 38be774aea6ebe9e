//! How the body of one answer is read: said anew, passed on as it came, or taken as one document.

use bytes::{Bytes, BytesMut};

use crate::base::{Chunk, Endpoint, Error, FinishReason, Frames, ProviderType, RawBody};
use crate::wire::{self, Decode, Tap};

/// Reads one answer.
pub(super) enum Reader {
    /// Into pieces.
    Decode(Box<dyn Decode>),
    /// Frame by frame, for a caller of the same protocol.
    Tap(Box<Tap>),
    /// Vectors, in one document.
    Document { body: BytesMut, most: usize },
}

impl Reader {
    /// Picks the way by what was asked and what comes.
    pub(super) fn new(
        provider_type: ProviderType,
        raw: Option<&RawBody>,
        streaming: bool,
        content_type: Option<&str>,
        max_line: usize,
    ) -> Self {
        match raw {
            Some(raw) if raw.endpoint == Endpoint::Embeddings => {
                return Self::Document {
                    body: BytesMut::new(),
                    most: max_line,
                };
            }
            Some(raw) if raw.provider_type == provider_type => {
                let hides_usage = raw.hides_usage;
                let tap = Tap::new(
                    provider_type,
                    streaming,
                    content_type,
                    max_line,
                    hides_usage,
                );
                if let Some(tap) = tap {
                    return Self::Tap(Box::new(tap));
                }
            }
            Some(_) | None => {}
        }
        Self::Decode(wire::decoder(
            provider_type,
            streaming,
            content_type,
            max_line,
        ))
    }

    /// Takes bytes as they came.
    ///
    /// # Errors
    /// As [`Decode::feed`].
    pub(super) fn feed(&mut self, bytes: Bytes, out: &mut Vec<Chunk>) -> Result<(), Error> {
        match self {
            Self::Decode(decoder) => decoder.feed(&bytes, out),
            Self::Tap(tap) => tap.feed(bytes, out),
            Self::Document { body, most } => {
                if body.len() + bytes.len() > *most {
                    let told = format!("the answer is longer than {most} bytes");
                    return Err(Error::protocol("too_long", told));
                }
                body.extend_from_slice(&bytes);
                Ok(())
            }
        }
    }

    /// The body is over.
    ///
    /// # Errors
    /// As [`Decode::finish`].
    pub(super) fn finish(&mut self, out: &mut Vec<Chunk>) -> Result<(), Error> {
        match self {
            Self::Decode(decoder) => decoder.finish(out),
            Self::Tap(tap) => tap.finish(out),
            Self::Document { body, .. } => {
                let usage = wire::embed::read_answer(body)?;
                out.push(Chunk::Frames(Frames {
                    bytes: std::mem::take(body).freeze(),
                    tokens: 1,
                }));
                out.push(Chunk::Usage(usage));
                out.push(Chunk::Finish {
                    reason: FinishReason::Stop,
                    raw: None,
                });
                Ok(())
            }
        }
    }

    /// Tells whether the end was seen; the rest of the body is drained.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Decode(decoder) => decoder.is_done(),
            Self::Tap(tap) => tap.is_done(),
            Self::Document { .. } => false,
        }
    }
}
