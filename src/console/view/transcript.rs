//! The conversation, laid out: keeps what was laid out, and lays out only what is looked at.

use std::collections::HashMap;

use super::turn::{Block, INDENT, Style};
use crate::console::state::chat::Turn;
use crate::console::state::reply::ReplyId;

/// The most turns kept laid out; those not looked at for longest go first.
const MOST_BLOCKS: usize = 96;

/// Laid-out turns, and the heights of those that were once.
#[derive(Default)]
pub(crate) struct Transcript {
    blocks: HashMap<ReplyId, Block>,
    heights: HashMap<ReplyId, (u64, usize)>,
    look: Option<(u16, u64, bool)>,
    frame: u64,
}

impl Transcript {
    /// Begins a frame; another width or look means another layout.
    pub(crate) fn begin(&mut self, style: &Style<'_>) {
        self.frame += 1;
        let look = (
            style.width,
            style.look.theme.fingerprint(),
            style.show_reasoning,
        );
        if self.look != Some(look) {
            // The Markdown keeps what is settled and wraps it anew by itself, but the rest is laid out for a width.
            self.blocks.clear();
            self.heights.clear();
            self.look = Some(look);
        }
    }

    /// Returns how many lines a turn has.
    pub(crate) fn height(&mut self, turn: &Turn, style: &Style<'_>) -> usize {
        let Some(reply) = turn.reply() else { return 0 };
        if let Some((revision, height)) = self.heights.get(&reply.id)
            && *revision == reply.revision
        {
            return *height;
        }
        let height = self
            .block(turn, style)
            .map_or(0, |block| block.height(style));
        self.heights.insert(reply.id, (reply.revision, height));
        height
    }

    /// Returns a turn, laid out.
    pub(crate) fn block(&mut self, turn: &Turn, style: &Style<'_>) -> Option<&mut Block> {
        let reply = turn.reply()?;
        if self.blocks.len() >= MOST_BLOCKS && !self.blocks.contains_key(&reply.id) {
            self.evict();
        }
        let frame = self.frame;
        let block = self
            .blocks
            .entry(reply.id)
            .or_insert_with(|| Block::new(&turn.question, style));
        block.used = frame;
        block.update(reply, style);
        Some(block)
    }

    /// Forgets the half that was not looked at for longest.
    fn evict(&mut self) {
        let mut ages: Vec<u64> = self.blocks.values().map(|block| block.used).collect();
        ages.sort_unstable();
        let middle = ages.get(ages.len() / 2).copied().unwrap_or(0);
        let now = self.frame;
        self.blocks
            .retain(|_, block| block.used > middle || block.used == now);
    }
}

/// Returns the width of an answer in a pane.
pub(crate) fn text_width(pane: u16) -> u16 {
    pane.saturating_sub(INDENT + 2).max(8)
}
