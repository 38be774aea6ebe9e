//! Where the conversation stands in its window.
//!
//! The place is kept as (turn, line in that turn), so that what comes in below never moves what is being read.
//! Heights are asked for only around the window: a conversation of any length costs the same.
//!
//! While following a stream, the text moves up by several lines at a time: every move rewrites the whole pane,
//! and over SSH that is what costs.

/// A wish to move, carried out at the next drawing, when heights are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Lines, down when positive.
    Lines(isize),
    /// Half pages, down when positive.
    HalfPages(isize),
    /// To the first line of a turn.
    ToTurn(usize),
    /// To one line of a turn, with some lines before it.
    ToLine(Anchor),
    /// To the first line.
    Top,
    /// To the last line, and follow.
    Bottom,
}

/// The first line in the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Anchor {
    /// Which turn, from 0.
    pub(crate) turn: usize,
    /// Which of its lines, from 0.
    pub(crate) line: usize,
}

/// The place in the conversation, and whether new text is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scroll {
    /// Whether the window stays at the end.
    pub(crate) follow: bool,
    /// The first line in the window.
    pub(crate) anchor: Anchor,
    /// How many lines the anchor's turn had, and at what width, so that a resize finds the place again.
    height: usize,
    width: u16,
    pending: Vec<Move>,
    /// Lines below the window.
    pub(crate) below: Below,
}

/// How much lies below the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Below {
    /// Nothing.
    #[default]
    Nothing,
    /// So many lines.
    Lines(usize),
    /// More than it was worth counting.
    MoreThan(usize),
}

/// The window that is scrolled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Its width in columns.
    pub(crate) width: u16,
    /// Its height in lines.
    pub(crate) rows: usize,
    /// By how many lines the text moves up while a stream is followed, at least 1.
    pub(crate) step: usize,
    /// Whether the first turn in the window has been laid out anew just now, at the width it has.
    pub(crate) relaid: bool,
}

impl Default for Scroll {
    fn default() -> Self {
        Self {
            follow: true,
            anchor: Anchor::default(),
            height: 0,
            width: 0,
            pending: Vec::new(),
            below: Below::Nothing,
        }
    }
}

impl Scroll {
    /// Notes a wish to move.
    pub(crate) fn push(&mut self, wish: Move) {
        const MOST: usize = 64;
        if let (Some(Move::Lines(so_far)), Move::Lines(more)) = (self.pending.last_mut(), wish) {
            *so_far += more;
        } else if self.pending.len() < MOST {
            self.pending.push(wish);
        }
    }

    /// Forgets the place, for another conversation.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Tells that the first turns were dropped.
    pub(crate) fn dropped(&mut self, turns: usize) {
        if self.anchor.turn < turns {
            self.anchor = Anchor::default();
        } else {
            self.anchor.turn -= turns;
        }
    }

    /// Carries out the wishes; `height` tells how many lines a turn has at the window's width.
    pub(crate) fn settle(
        &mut self,
        window: Window,
        turns: usize,
        mut height: impl FnMut(usize) -> usize,
    ) {
        let heights = &mut height;
        if turns == 0 {
            self.reset();
            return;
        }
        self.find_again(window, turns, heights);
        let bottom = back(
            Anchor {
                turn: turns,
                line: 0,
            },
            window.rows,
            heights,
        );
        for wish in std::mem::take(&mut self.pending) {
            self.carry_out(wish, window, turns, bottom, heights);
        }
        if self.follow {
            self.follow_end(window, turns, bottom, heights);
        } else {
            self.anchor = self.anchor.min(bottom);
        }
        self.height = heights(self.anchor.turn);
        self.width = window.width;
        self.below = below(self.anchor, window.rows, turns, heights);
    }

    /// After a resize the anchor's turn has another height: the same share of it stays above the window.
    fn find_again(
        &mut self,
        window: Window,
        turns: usize,
        heights: &mut impl FnMut(usize) -> usize,
    ) {
        self.anchor.turn = self.anchor.turn.min(turns - 1);
        let now = heights(self.anchor.turn);
        if (self.width != window.width || window.relaid) && self.height > 0 {
            self.anchor.line = self.anchor.line * now / self.height;
        }
        self.anchor.line = self.anchor.line.min(now.saturating_sub(1));
    }

    fn carry_out(
        &mut self,
        wish: Move,
        window: Window,
        turns: usize,
        bottom: Anchor,
        heights: &mut impl FnMut(usize) -> usize,
    ) {
        let half = (window.rows / 2).max(1).cast_signed();
        match wish {
            Move::Top => {
                self.anchor = Anchor::default();
                self.follow = bottom == Anchor::default();
            }
            Move::Bottom => {
                self.anchor = bottom;
                self.follow = true;
            }
            Move::ToLine(place) => {
                let above = window.rows / 3;
                self.anchor = back(place, above, heights).min(bottom);
                self.follow = self.anchor == bottom;
            }
            Move::ToTurn(turn) => {
                let turn = turn.min(turns - 1);
                self.anchor = Anchor { turn, line: 0 }.min(bottom);
                self.follow = self.anchor == bottom;
            }
            Move::Lines(lines) => self.move_by(lines, turns, bottom, heights),
            Move::HalfPages(halves) => self.move_by(halves * half, turns, bottom, heights),
        }
    }

    fn move_by(
        &mut self,
        lines: isize,
        turns: usize,
        bottom: Anchor,
        heights: &mut impl FnMut(usize) -> usize,
    ) {
        let by = lines.unsigned_abs();
        if lines < 0 {
            let start = if self.follow {
                bottom
            } else {
                self.anchor.min(bottom)
            };
            self.anchor = back(start, by, heights);
            self.follow = self.anchor == bottom;
        } else {
            self.anchor = forward(self.anchor, by, turns, heights).min(bottom);
            self.follow = self.follow || self.anchor == bottom;
        }
    }

    fn follow_end(
        &mut self,
        window: Window,
        turns: usize,
        bottom: Anchor,
        heights: &mut impl FnMut(usize) -> usize,
    ) {
        let step = window.step.clamp(1, window.rows.max(1));
        if self.anchor < bottom {
            self.anchor = forward(bottom, step - 1, turns, heights);
        } else if self.anchor > forward(bottom, step - 1, turns, heights) {
            self.anchor = bottom;
        }
    }
}

impl Scroll {
    /// Moves the window as little as needed to show a line.
    pub(crate) fn reveal(
        &mut self,
        place: Anchor,
        window: Window,
        turns: usize,
        mut height: impl FnMut(usize) -> usize,
    ) {
        let heights = &mut height;
        let last = forward(self.anchor, window.rows.saturating_sub(1), turns, heights);
        if place < self.anchor {
            self.anchor = place;
            self.follow = false;
        } else if place > last {
            self.anchor = back(place, window.rows.saturating_sub(1), heights);
        }
        self.below = below(self.anchor, window.rows, turns, heights);
    }
}

/// Goes some lines up from a place.
pub(super) fn back(
    from: Anchor,
    mut lines: usize,
    heights: &mut impl FnMut(usize) -> usize,
) -> Anchor {
    let Anchor { mut turn, mut line } = from;
    loop {
        if lines <= line {
            return Anchor {
                turn,
                line: line - lines,
            };
        }
        if turn == 0 {
            return Anchor::default();
        }
        lines -= line;
        turn -= 1;
        line = heights(turn);
    }
}

/// Goes some lines down from a place, to the last line at most.
pub(super) fn forward(
    from: Anchor,
    lines: usize,
    turns: usize,
    heights: &mut impl FnMut(usize) -> usize,
) -> Anchor {
    let Anchor { mut turn, line } = from;
    let mut line = line + lines;
    while turn < turns {
        let height = heights(turn);
        if line < height {
            return Anchor { turn, line };
        }
        if turn + 1 == turns {
            return Anchor {
                turn,
                line: height.saturating_sub(1),
            };
        }
        line -= height;
        turn += 1;
    }
    from
}

/// Counts the lines below the window, up to a limit.
fn below(
    anchor: Anchor,
    rows: usize,
    turns: usize,
    heights: &mut impl FnMut(usize) -> usize,
) -> Below {
    const WORTH_COUNTING: usize = 999;
    let mut lines = 0;
    for turn in anchor.turn..turns {
        lines += heights(turn);
        if turn == anchor.turn {
            lines = lines.saturating_sub(anchor.line);
        }
        if lines > rows + WORTH_COUNTING {
            return Below::MoreThan(WORTH_COUNTING);
        }
    }
    match lines.saturating_sub(rows) {
        0 => Below::Nothing,
        more => Below::Lines(more),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window {
        width: 80,
        rows: 10,
        step: 1,
        relaid: false,
    };

    fn settle(scroll: &mut Scroll, heights: &[usize]) {
        scroll.settle(WINDOW, heights.len(), |turn| heights[turn]);
    }

    #[test]
    fn new_text_is_followed_until_someone_scrolls_up() {
        let mut scroll = Scroll::default();
        settle(&mut scroll, &[8, 8]);
        assert_eq!(scroll.anchor, Anchor { turn: 0, line: 6 });
        scroll.push(Move::Lines(-3));
        settle(&mut scroll, &[8, 8]);
        assert_eq!(
            (scroll.anchor, scroll.follow),
            (Anchor { turn: 0, line: 3 }, false)
        );
        settle(&mut scroll, &[8, 20]);
        assert_eq!(
            scroll.anchor,
            Anchor { turn: 0, line: 3 },
            "what is read does not move"
        );
        assert_eq!(scroll.below, Below::Lines(15));
    }

    #[test]
    fn scrolling_down_to_the_end_follows_again() {
        let mut scroll = Scroll::default();
        settle(&mut scroll, &[30]);
        scroll.push(Move::Lines(-5));
        settle(&mut scroll, &[30]);
        scroll.push(Move::Lines(50));
        settle(&mut scroll, &[30]);
        assert!(scroll.follow);
        assert_eq!(scroll.below, Below::Nothing);
    }

    #[test]
    fn a_followed_stream_moves_several_lines_at_a_time() {
        let window = Window { step: 5, ..WINDOW };
        let mut scroll = Scroll::default();
        let mut places = Vec::new();
        for height in 8..26 {
            scroll.settle(window, 1, |_| height);
            places.push(scroll.anchor.line);
        }
        places.dedup();
        assert_eq!(places, [0, 5, 10, 15]);
    }

    #[test]
    fn a_resize_keeps_the_share_that_was_read() {
        let mut scroll = Scroll::default();
        settle(&mut scroll, &[100]);
        scroll.push(Move::Top);
        scroll.push(Move::Lines(40));
        settle(&mut scroll, &[100]);
        let narrow = Window {
            width: 40,
            ..WINDOW
        };
        scroll.settle(narrow, 1, |_| 200);
        assert_eq!(scroll.anchor, Anchor { turn: 0, line: 80 });
    }

    #[test]
    fn a_long_conversation_asks_for_few_heights() {
        let mut asked = 0;
        let mut scroll = Scroll::default();
        scroll.settle(WINDOW, 100_000, |_| {
            asked += 1;
            4
        });
        assert!(asked < 30, "{asked}");
    }

    #[test]
    fn a_conversation_shorter_than_the_window_stays_at_the_top() {
        let mut scroll = Scroll::default();
        for wish in [
            Move::Lines(-3),
            Move::Lines(9),
            Move::HalfPages(2),
            Move::Top,
        ] {
            scroll.push(wish);
            settle(&mut scroll, &[3, 2]);
            assert_eq!(
                (scroll.anchor, scroll.follow),
                (Anchor::default(), true),
                "{wish:?}"
            );
        }
    }
}
