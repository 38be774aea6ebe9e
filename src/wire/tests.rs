//! The wire as recorded: every fixture, fed in every way of cutting, and what property tests find.

mod decoding;
mod fixtures;
mod fronts;
mod properties;
mod requests;
mod serving;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Decode, anthropic_decoder, decoder, responses_decoder};
use crate::base::{Answer, Chunk, Error, ProviderType};

/// The cap that providers use by default.
const MAX_LINE: usize = 32 << 20;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn document(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(name)).expect(name);
    serde_json::from_str(&text).expect(name)
}

/// The fixtures name servers; this is the type under which each is configured.
fn provider_type(name: &str) -> ProviderType {
    match name {
        "ollama" => ProviderType::Ollama,
        "zhipu" => ProviderType::ZhipuAi,
        _ => ProviderType::OpenAi,
    }
}

/// Feeds a body in pieces and folds what comes out.
fn fold<'a>(
    mut decoder: Box<dyn Decode>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Answer, Option<Error>, Vec<Chunk>) {
    let mut out = Vec::new();
    let fed = pieces
        .into_iter()
        .try_for_each(|piece| decoder.feed(piece, &mut out))
        .and_then(|()| decoder.finish(&mut out));
    let mut answer = Answer::default();
    for chunk in &out {
        answer.push(chunk);
    }
    (answer, fed.err(), out)
}

/// Cuts a body at these places.
fn cut<'a>(body: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = body;
    let mut at = 0;
    let mut pieces = Vec::new();
    for place in places {
        let (piece, after) = rest.split_at(place - at);
        pieces.push(piece);
        rest = after;
        at = *place;
    }
    pieces.push(rest);
    pieces
}
