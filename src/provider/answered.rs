//! An answer on its way, whichever client brings it; packed ones are unpacked.

use std::io::Write as _;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use hyper::{StatusCode, Version};
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};

use super::fault::Transport;
use super::plain;

/// How much is unpacked at a time: it may become a thousand times as much.
const PACKED_AT_ONCE: usize = 8 << 10;

/// An answer whose headers are there.
pub(super) enum Answered {
    /// By reqwest, which unpacks by itself.
    Reqwest(reqwest::Response),
    /// By a plain connection.
    Plain(plain::Answer),
    /// By a plain connection, packed.
    Packed(Box<Packed>),
}

/// A packed answer.
pub(super) struct Packed {
    answer: plain::Answer,
    /// As they are once it is unpacked.
    headers: HeaderMap,
    unpacking: MultiGzDecoder<Vec<u8>>,
    /// Packed bytes that wait.
    rest: Bytes,
    is_over: bool,
}

impl From<plain::Answer> for Answered {
    fn from(answer: plain::Answer) -> Self {
        let coding = answer.head().headers().get(CONTENT_ENCODING);
        if coding.is_none_or(|coding| coding != "gzip") {
            return Self::Plain(answer);
        }
        let mut headers = answer.head().headers().clone();
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        Self::Packed(Box::new(Packed {
            answer,
            headers,
            unpacking: MultiGzDecoder::new(Vec::new()),
            rest: Bytes::new(),
            is_over: false,
        }))
    }
}

impl Answered {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Reqwest(response) => response.status(),
            Self::Plain(answer) => answer.head().status(),
            Self::Packed(packed) => packed.answer.head().status(),
        }
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        match self {
            Self::Reqwest(response) => response.headers(),
            Self::Plain(answer) => answer.head().headers(),
            Self::Packed(packed) => &packed.headers,
        }
    }

    pub(super) fn version(&self) -> Version {
        match self {
            Self::Reqwest(response) => response.version(),
            Self::Plain(answer) => answer.head().version(),
            Self::Packed(packed) => packed.answer.head().version(),
        }
    }

    /// Returns the next bytes of the body; `None` at its end.
    ///
    /// # Errors
    /// When the connection breaks, or cannot be unpacked.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Transport> {
        match self {
            Self::Reqwest(response) => Ok(response.chunk().await?),
            Self::Plain(answer) => answer.chunk().await,
            Self::Packed(packed) => packed.chunk().await,
        }
    }
}

impl Packed {
    async fn chunk(&mut self) -> Result<Option<Bytes>, Transport> {
        loop {
            if self.is_over {
                return Ok(None);
            }
            if self.rest.is_empty() {
                match self.answer.chunk().await? {
                    Some(bytes) => self.rest = bytes,
                    None => {
                        self.is_over = true;
                        self.unpacking
                            .try_finish()
                            .map_err(Transport::packed_badly)?;
                    }
                }
            }
            let some = self.rest.split_to(self.rest.len().min(PACKED_AT_ONCE));
            let unpacked = self.unpacking.write_all(&some);
            unpacked
                .and_then(|()| self.unpacking.flush())
                .map_err(Transport::packed_badly)?;
            let unpacked = std::mem::take(self.unpacking.get_mut());
            if !unpacked.is_empty() {
                return Ok(Some(unpacked.into()));
            }
        }
    }
}
