//! A stream that does not say what it is: its first byte does.

use super::Decode;
use super::openai::OpenAi;
use super::sse::SseDecoder;
use super::whole::WholeDecoder;
use crate::base::{Chunk, Error, ProviderType};

/// Waits for the first byte that is not blank. No field of an event stream begins like JSON or a web page.
pub(super) struct SniffDecoder {
    provider_type: ProviderType,
    max_line: usize,
    /// What has come so far: blanks and parts of a byte order mark, a few bytes that do not count.
    seen: Vec<u8>,
    chosen: Option<Box<dyn Decode>>,
}

impl SniffDecoder {
    /// Makes a decoder for an answer in OpenAI's shape.
    pub(super) fn new(provider_type: ProviderType, max_line: usize) -> Self {
        Self {
            provider_type,
            max_line,
            seen: Vec::new(),
            chosen: None,
        }
    }

    fn choose(&mut self, first: Option<u8>) -> Box<dyn Decode> {
        let reader = OpenAi::new(self.provider_type);
        match first {
            Some(b'{' | b'[' | b'<') => Box::new(WholeDecoder::new(reader, true, self.max_line)),
            _ => Box::new(SseDecoder::new(reader, self.max_line)),
        }
    }
}

impl Decode for SniffDecoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Chunk>) -> Result<(), Error> {
        if let Some(chosen) = &mut self.chosen {
            return chosen.feed(bytes, out);
        }
        self.seen.extend_from_slice(bytes);
        let is_filler = |byte: &u8| byte.is_ascii_whitespace() || b"\xef\xbb\xbf".contains(byte);
        let looked_at = self.seen.iter().take(self.max_line);
        let first = looked_at.copied().find(|byte| !is_filler(byte));
        if first.is_none() && self.seen.len() < self.max_line {
            return Ok(());
        }
        let chosen = self.choose(first);
        let seen = std::mem::take(&mut self.seen);
        self.chosen.insert(chosen).feed(&seen, out)
    }

    fn finish(&mut self, out: &mut Vec<Chunk>) -> Result<(), Error> {
        if self.chosen.is_none() {
            let mut chosen = self.choose(None);
            let seen = std::mem::take(&mut self.seen);
            chosen.feed(&seen, out)?;
            self.chosen = Some(chosen);
        }
        match &mut self.chosen {
            Some(chosen) => chosen.finish(out),
            None => Ok(()),
        }
    }

    fn is_done(&self) -> bool {
        self.chosen.as_ref().is_some_and(|chosen| chosen.is_done())
    }
}
