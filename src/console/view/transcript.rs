//! The conversation, laid out: keeps what was laid out, and lays out only what is looked at.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::highlight;
use super::turn::{Block, INDENT, Style, stamp};
use crate::console::state::chat::{Turn, TurnId, Variants};
use crate::console::theme::Theme;

/// The most turns kept laid out; those not looked at for longest go first.
const MOST_BLOCKS: usize = 96;

/// How long a frame may go on laying large turns out anew.
const SLICE: Duration = Duration::from_millis(25);

/// Laid-out turns, and the heights of those that were once.
#[derive(Default)]
pub(crate) struct Transcript {
    blocks: HashMap<TurnId, Block>,
    heights: HashMap<TurnId, (u64, usize)>,
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
            self.blocks.values_mut().for_each(Block::look_changed);
            self.heights.clear();
            self.look = Some(look);
        }
    }

    /// Goes on with what is laid out anew a little at a time, and asks for another frame while there is more of it.
    /// Returns the turns that have their new layout now.
    pub(crate) fn advance(&mut self, theme: &Theme) -> Vec<TurnId> {
        let until = Instant::now() + SLICE;
        let mut done = Vec::new();
        let mut more = false;
        for (id, block) in &mut self.blocks {
            if block.is_behind() && block.advance(theme, until) {
                self.heights.remove(id);
                done.push(*id);
            }
            more |= block.is_behind();
        }
        if more {
            highlight::again();
        }
        done
    }

    /// Returns the width of the last frame.
    pub(crate) fn width(&self) -> Option<u16> {
        self.look.map(|(width, ..)| width)
    }

    /// Returns how many lines a turn has.
    pub(crate) fn height(&mut self, turn: &Turn, variants: Variants, style: &Style<'_>) -> usize {
        let stamp = stamp(turn, variants);
        if let Some((made_of, height)) = self.heights.get(&turn.id)
            && *made_of == stamp
        {
            return *height;
        }
        let height = self.block(turn, variants, style).height(style);
        self.heights.insert(turn.id, (stamp, height));
        height
    }

    /// Returns a turn, laid out.
    pub(crate) fn block(
        &mut self,
        turn: &Turn,
        variants: Variants,
        style: &Style<'_>,
    ) -> &mut Block {
        if self.blocks.len() >= MOST_BLOCKS && !self.blocks.contains_key(&turn.id) {
            self.evict();
        }
        let frame = self.frame;
        let block = self
            .blocks
            .entry(turn.id)
            .or_insert_with(|| Block::new(turn, style));
        block.used = frame;
        block.update(turn, variants, style);
        block
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
