//! One request, timed from when it was meant to begin.

use futures_util::StreamExt;
use tokio::time::Instant;

use crate::base::{ChatStream, Chunk, ErrorKind, Usage};

/// What one request came to.
#[derive(Debug)]
pub(super) struct Asked {
    /// When it was meant to begin: what a person would count from.
    pub(super) meant: Instant,
    /// When its first output came.
    pub(super) first: Option<Instant>,
    pub(super) ended: Instant,
    /// Microseconds between pieces of output.
    pub(super) gaps: Vec<u64>,
    /// Pieces of output.
    pub(super) pieces: u64,
    pub(super) usage: Usage,
    pub(super) outcome: Result<(), ErrorKind>,
}

/// Reads an answer to its end.
pub(super) async fn ask(mut stream: ChatStream, meant: Instant) -> Asked {
    let mut asked = Asked {
        meant,
        first: None,
        ended: meant,
        gaps: Vec::new(),
        pieces: 0,
        usage: Usage::default(),
        outcome: Ok(()),
    };
    let mut last = meant;
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) if piece.is_output() => {
                let now = Instant::now();
                if asked.first.is_none() {
                    asked.first = Some(now);
                } else {
                    let gap = now.saturating_duration_since(last);
                    asked.gaps.push(gap.as_micros() as u64);
                }
                last = now;
                asked.pieces += 1;
            }
            Ok(Chunk::Usage(usage)) => asked.usage = usage,
            Ok(_) => {}
            Err(error) => {
                asked.outcome = Err(error.kind());
                break;
            }
        }
    }
    asked.ended = Instant::now();
    asked
}
