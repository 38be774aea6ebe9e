//! What app and drawing tell each other: where things are, what is to be shown, how urgently.

use std::time::Duration;

use ratatui::layout::Rect;

use crate::base::Scope;
use crate::console::state::focus::Pane;
use crate::console::state::scroll::{Anchor, Scroll};
use crate::console::state::select::Select;
use crate::console::state::split::Edge;

/// Where things are on the screen, for the mouse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// The panes that are drawn.
    pub(crate) panes: Vec<(Pane, Rect)>,
    /// The lines between panes that can be moved, and all that they divide.
    pub(crate) edges: Vec<(Edge, Rect)>,
    pub(crate) body: Rect,
    /// The prompt.
    pub(crate) prompt: Rect,
    /// How many rows of the conversation are seen.
    pub(crate) rows: usize,
    /// The tabs of a small screen.
    pub(crate) tabs: Vec<(Pane, Rect)>,
    /// The rows of the pool's table.
    pub(crate) pool_rows: Rect,
    /// The index of the instance in the first of these rows.
    pub(crate) pool_first: usize,
    /// The rows of a page's list, and the index of what stands in the first of them.
    pub(crate) list_rows: Rect,
    pub(crate) list_first: usize,
}

/// What a drawing found out.
#[derive(Debug)]
pub(crate) struct Drawn {
    /// Where things are.
    pub(crate) places: Places,
    /// The conversation's place, all wishes to move carried out.
    pub(crate) scroll: Scroll,
    /// Where the lines that are chosen are now.
    pub(crate) select: Option<Select>,
    /// The line of the place that was brought into the window, and the how manieth one there it is.
    pub(crate) found: Option<(Anchor, usize)>,
    /// How far down the help can be scrolled, as it was drawn.
    pub(crate) help_top: usize,
    /// How far down the details can be scrolled, as they were drawn.
    pub(crate) detail_top: usize,
    /// How many columns a graph has.
    pub(crate) columns: usize,
}

/// Which figures the screen shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) scope: Scope,
    pub(crate) window: Duration,
    pub(crate) buckets: usize,
    /// The same for the header's figures.
    pub(crate) minute: Duration,
    pub(crate) minute_buckets: usize,
}

/// Whether, and how urgently, the screen must be drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Redraw {
    /// Nothing is different.
    #[default]
    No,
    /// With the next frame.
    Soon,
    /// At once: a person waits for it.
    Now,
}

impl Redraw {
    pub(super) fn soon_if(changed: bool) -> Self {
        if changed { Self::Soon } else { Self::No }
    }
}
