//! Tool calls that arrive in pieces, in OpenAI's shape and its many variations.

use super::ending::Ending;
use crate::base::{Chunk, Error, ToolArguments, ToolCallDelta};

/// More calls than this in one answer are not an answer.
const MOST_CALLS: usize = 1024;

/// The longest id that is remembered, in bytes; some gateways hide whole signatures in them.
const LONGEST_ID: usize = 64 << 10;

/// One piece as it stands on the wire; empty texts count as absent.
#[derive(Default)]
pub(super) struct Piece {
    /// Which call, by the server's own count.
    pub(super) index: Option<i64>,
    /// Which call, by its id.
    pub(super) id: Option<String>,
    /// The tool's name.
    pub(super) name: Option<String>,
    /// More of the arguments.
    pub(super) arguments: Option<ToolArguments>,
}

/// Finds out which call a piece belongs to.
#[derive(Default)]
pub(super) struct ToolCalls {
    calls: Vec<Known>,
    last: Option<usize>,
}

struct Known {
    index: Option<i64>,
    id: Option<String>,
    named: bool,
}

impl ToolCalls {
    /// Hands on a piece under the number of its call.
    ///
    /// # Errors
    /// `protocol/too_long` when there are too many calls or an id is too long.
    pub(super) fn push(
        &mut self,
        piece: Piece,
        ending: &mut Ending,
        out: &mut Vec<Chunk>,
    ) -> Result<(), Error> {
        let id = piece.id.filter(|id| !id.is_empty());
        if id.as_ref().is_some_and(|id| id.len() > LONGEST_ID) {
            return Err(Error::protocol("too_long", "a tool call's id is too long"));
        }
        let found = self.find(piece.index, id.as_deref());
        let at = found.unwrap_or(self.calls.len());
        if found.is_none() {
            if at >= MOST_CALLS {
                return Err(Error::protocol(
                    "too_long",
                    format!("more than {MOST_CALLS} tool calls in one answer"),
                ));
            }
            self.calls.push(Known {
                index: piece.index,
                id: None,
                named: false,
            });
        }
        self.last = Some(at);
        let Some(known) = self.calls.get_mut(at) else {
            return Ok(());
        };
        let id = id.filter(|_| known.id.is_none());
        if id.is_some() {
            known.id.clone_from(&id);
        }
        let name = piece.name.filter(|name| !name.is_empty() && !known.named);
        known.named |= name.is_some();
        let arguments = piece
            .arguments
            .filter(|arguments| *arguments != ToolArguments::Text(String::new()));
        ending.saw_tool_call();
        if found.is_none() || id.is_some() || name.is_some() || arguments.is_some() {
            out.push(Chunk::ToolCall(ToolCallDelta {
                index: at,
                id,
                name,
                arguments,
            }));
        }
        Ok(())
    }

    /// An index names its newest call. A known index with another id is a new call: some servers send every call
    /// under index 0. A piece with neither belongs to the last call.
    fn find(&self, index: Option<i64>, id: Option<&str>) -> Option<usize> {
        let has_id = |known: &Known| id.is_some() && known.id.as_deref() == id;
        match (index, id) {
            (Some(_), _) => {
                let newest = self.calls.iter().rposition(|known| known.index == index)?;
                let other_id = self.calls.get(newest).and_then(|known| known.id.as_deref());
                if id.is_none() || other_id.is_none() || other_id == id {
                    return Some(newest);
                }
                self.calls
                    .iter()
                    .rposition(|known| known.index == index && has_id(known))
            }
            (None, Some(_)) => self.calls.iter().rposition(has_id),
            (None, None) => self.last,
        }
    }
}
