//! Frames on the line: a length, then a piece of one deflate stream that holds one JSON message.
//!
//! ```text
//! length of what follows, 7 bits a byte, low ones first | raw deflate, flushed, without the flush's 00 00 ff ff
//! ```
//! The stream keeps its window from frame to frame, so that what was said before costs next to nothing. Whatever a
//! peer sends, no more than the limits below is ever held.

use bytes::{Buf, BufMut, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::codec::{Decoder, Encoder};

/// The longest frame on the line, in bytes.
pub(super) const LONGEST_FRAME: usize = 4 << 20;
/// The longest message, in bytes of JSON.
pub(super) const LONGEST_MESSAGE: usize = 8 << 20;
/// What a flush ends with, and what is left out.
const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];
/// How much is unpacked at once.
const STEP: usize = 16 << 10;

/// Why a line cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// A frame or a message is too long.
    #[error("a message is too long")]
    TooLong,
    /// What came is no frame.
    #[error("what came is not the line's format")]
    NotAFrame,
    /// What came is no message that is known here.
    #[error("a message is not understood: {0}")]
    NotAMessage(serde_json::Error),
}

/// Writes messages.
pub(super) struct Writer {
    packer: Compress,
    json: Vec<u8>,
    packed: Vec<u8>,
}

impl Writer {
    /// Makes the writing end of a line.
    pub(super) fn new() -> Self {
        Self {
            packer: Compress::new(Compression::default(), false),
            json: Vec::new(),
            packed: Vec::new(),
        }
    }
}

impl<T: Serialize> Encoder<&T> for Writer {
    type Error = Broken;

    fn encode(&mut self, message: &T, out: &mut BytesMut) -> Result<(), Broken> {
        self.json.clear();
        serde_json::to_writer(&mut self.json, message).map_err(Broken::NotAMessage)?;
        if self.json.len() > LONGEST_MESSAGE {
            return Err(Broken::TooLong);
        }
        self.packed.clear();
        let begun = self.packer.total_in();
        loop {
            let taken = (self.packer.total_in() - begun) as usize;
            self.packed.reserve(STEP);
            self.packer
                .compress_vec(&self.json[taken..], &mut self.packed, FlushCompress::Sync)
                .map_err(|_| Broken::NotAFrame)?;
            // Room that is left says that there was nothing more to write.
            if self.packed.len() < self.packed.capacity() {
                break;
            }
        }
        let body = self.packed.strip_suffix(&FLUSHED).unwrap_or(&self.packed);
        if body.len() > LONGEST_FRAME {
            return Err(Broken::TooLong);
        }
        let mut length = body.len();
        while length >= 0x80 {
            out.put_u8(length as u8 | 0x80);
            length >>= 7;
        }
        out.put_u8(length as u8);
        out.put_slice(body);
        Ok(())
    }
}

/// Reads messages of one type.
pub(super) struct Reader<T> {
    unpacker: Decompress,
    json: Vec<u8>,
    message: std::marker::PhantomData<fn() -> T>,
}

impl<T> Reader<T> {
    /// Makes the reading end of a line.
    pub(super) fn new() -> Self {
        Self {
            unpacker: Decompress::new(false),
            json: Vec::new(),
            message: std::marker::PhantomData,
        }
    }

    fn unpack(&mut self, body: &[u8]) -> Result<(), Broken> {
        self.json.clear();
        for part in [body, &FLUSHED] {
            let begun = self.unpacker.total_in();
            loop {
                let taken = (self.unpacker.total_in() - begun) as usize;
                self.json.reserve(STEP);
                let status = self
                    .unpacker
                    .decompress_vec(&part[taken..], &mut self.json, FlushDecompress::Sync)
                    .map_err(|_| Broken::NotAFrame)?;
                if self.json.len() > LONGEST_MESSAGE {
                    return Err(Broken::TooLong);
                }
                let all_taken = (self.unpacker.total_in() - begun) as usize == part.len();
                match status {
                    // A line's stream never ends.
                    Status::StreamEnd => return Err(Broken::NotAFrame),
                    Status::Ok | Status::BufError if self.json.len() == self.json.capacity() => {}
                    Status::Ok | Status::BufError if all_taken => break,
                    Status::Ok => {}
                    Status::BufError => return Err(Broken::NotAFrame),
                }
            }
        }
        Ok(())
    }
}

impl<T: DeserializeOwned> Decoder for Reader<T> {
    type Item = T;
    type Error = Broken;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<T>, Broken> {
        let Some((length, head)) = length(bytes)? else {
            return Ok(None);
        };
        if bytes.len() < head + length {
            return Ok(None);
        }
        bytes.advance(head);
        let body = bytes.split_to(length);
        self.unpack(&body)?;
        if self.json.capacity() > LONGEST_FRAME {
            let message = serde_json::from_slice(&self.json).map_err(Broken::NotAMessage);
            self.json = Vec::new();
            return message.map(Some);
        }
        serde_json::from_slice(&self.json)
            .map(Some)
            .map_err(Broken::NotAMessage)
    }
}

/// Reads a length; `None` while it is not all there. Returns it and how many bytes it took.
fn length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Broken> {
    let mut length = 0;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return if length > LONGEST_FRAME {
                Err(Broken::TooLong)
            } else {
                Ok(Some((length, at + 1)))
            };
        }
    }
    if bytes.len() >= 4 {
        Err(Broken::NotAFrame)
    } else {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read_all(reader: &mut Reader<Value>, bytes: &mut BytesMut) -> Result<Vec<Value>, Broken> {
        let mut found = Vec::new();
        while let Some(message) = reader.decode(bytes)? {
            found.push(message);
        }
        Ok(found)
    }

    #[test]
    fn messages_arrive_wherever_the_bytes_are_cut() {
        let messages = [
            json!({"a": 1}),
            json!("x".repeat(100_000)),
            json!([1, 2, 3]),
        ];
        let mut writer = Writer::new();
        let mut line = BytesMut::new();
        for message in &messages {
            writer.encode(message, &mut line).unwrap();
        }
        let mut reader = Reader::new();
        let mut arrived = BytesMut::new();
        let mut found = Vec::new();
        for byte in &line {
            arrived.put_u8(*byte);
            found.extend(read_all(&mut reader, &mut arrived).unwrap());
        }
        assert_eq!(found, messages);
    }

    #[test]
    fn what_was_said_before_costs_next_to_nothing() {
        let mut writer = Writer::new();
        let mut line = BytesMut::new();
        let message =
            json!({"instances": (0..20).map(|n| format!("instance-{n}")).collect::<Vec<_>>()});
        writer.encode(&message, &mut line).unwrap();
        let first = line.len();
        writer.encode(&message, &mut line).unwrap();
        assert!(
            line.len() - first < 24,
            "{first} then {}",
            line.len() - first
        );
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let mut packer = Compress::new(Compression::best(), false);
        let mut packed = Vec::with_capacity(LONGEST_FRAME);
        let zeros = vec![b' '; 2 * LONGEST_MESSAGE];
        packer
            .compress_vec(&zeros, &mut packed, FlushCompress::Sync)
            .unwrap();
        assert!(packed.len() < LONGEST_FRAME);
        let mut reader: Reader<Value> = Reader::new();
        assert!(matches!(reader.unpack(&packed), Err(Broken::TooLong)));
        assert!(reader.json.capacity() <= 2 * LONGEST_MESSAGE + 2 * STEP);
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_is_held() {
        let mut reader: Reader<Value> = Reader::new();
        for head in [&[0xff, 0xff, 0xff, 0x7f][..], &[0xff, 0xff, 0xff, 0xff]] {
            assert!(reader.decode(&mut BytesMut::from(head)).is_err());
        }
    }

    proptest! {
        #[test]
        fn whatever_a_peer_sends_nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut reader: Reader<Value> = Reader::new();
            let _ = read_all(&mut reader, &mut BytesMut::from(&bytes[..]));
        }

        #[test]
        fn a_flipped_bit_is_an_error_or_another_message(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut writer = Writer::new();
            let mut line = BytesMut::new();
            for n in 0..5 {
                writer.encode(&json!({"n": n, "text": "some words, some words"}), &mut line).unwrap();
            }
            let at = at.index(line.len());
            line[at] ^= 1 << bit;
            let mut reader: Reader<Value> = Reader::new();
            let _ = read_all(&mut reader, &mut line);
        }

        #[test]
        fn every_message_comes_back(texts in prop::collection::vec(".{0,200}", 1..20)) {
            let mut writer = Writer::new();
            let mut line = BytesMut::new();
            for text in &texts {
                writer.encode(&text, &mut line).unwrap();
            }
            let mut reader: Reader<Value> = Reader::new();
            let found = read_all(&mut reader, &mut line).unwrap();
            prop_assert_eq!(found, texts.into_iter().map(Value::from).collect::<Vec<_>>());
        }
    }
}
