//! The JSON of this program: an object with a version and a list; `docs/history.md` describes it.

use std::io::{self, Write};

use serde::Deserialize;

use super::Imported;
use crate::base::{Conversation, Error, ErrorKind};

/// What the file says it is.
const FORMAT: &str = "llmdeck.conversations";
/// The newest version that is known.
const VERSION: u32 = 1;

pub(super) fn begin(out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "{{\"format\": \"{FORMAT}\", \"version\": {VERSION}, \"conversations\": ["
    )
}

pub(super) fn one(out: &mut dyn Write, conversation: &Conversation, first: bool) -> io::Result<()> {
    out.write_all(if first { b"\n" } else { b",\n" })?;
    serde_json::to_writer_pretty(out, conversation).map_err(io::Error::from)
}

pub(super) fn end(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"\n]}\n")
}

#[derive(Deserialize)]
struct Document {
    format: String,
    version: u32,
    conversations: Vec<Conversation>,
}

pub(super) fn read(text: &str) -> Result<Imported, Error> {
    let document: Document = serde_json::from_str(text).map_err(|error| {
        Error::new(
            ErrorKind::Config,
            format!("this is not an export of llmdeck: {error}"),
        )
        .with_hint("OpenAI's lines are read with --format jsonl")
    })?;
    if document.format != FORMAT || document.version > VERSION {
        let message = format!(
            "format '{}' version {} is not known; this program knows {FORMAT} up to version {VERSION}",
            document.format, document.version
        );
        return Err(Error::new(ErrorKind::Config, message).with_hint("use the newer program"));
    }
    Ok(Imported {
        conversations: document.conversations,
        left_out: Vec::new(),
    })
}
