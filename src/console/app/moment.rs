//! Standing still: every pane shows one moment, while data goes on being collected.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{App, Effect, Redraw, Tone};
use crate::base::{Board, Series};
use crate::console::state::moment::{self, Frozen};
use crate::console::words::{phrase, t};

impl App {
    /// Returns the moment that the panes show.
    pub(crate) fn moment(&self) -> Instant {
        self.frozen.map_or(self.now, |frozen| frozen.moment)
    }

    /// Returns how far the shown moment lies back.
    pub(super) fn age(&self) -> Duration {
        self.now.saturating_duration_since(self.moment())
    }

    /// Stops all panes at this moment, or lets them go on.
    pub(super) fn toggle_freeze(&mut self) -> Vec<Effect> {
        if self.frozen.take().is_some() {
            let live = Arc::clone(&self.live);
            self.pool.show(live, self.now);
            self.say(t("everything goes on"), Tone::Note);
            return vec![Effect::Figures, Effect::Log];
        }
        self.freeze();
        let key = |action| self.keymap.key_for(self.focus_context(), action);
        let text = match key(crate::console::action::Action::Earlier) {
            Some(key) => phrase!(
                "every pane stands still; {} looks further back, data is collected meanwhile",
                key
            ),
            None => t("every pane stands still; data is collected meanwhile").to_owned(),
        };
        self.say(text, Tone::Note);
        Vec::new()
    }

    fn freeze(&mut self) -> Frozen {
        *self.frozen.get_or_insert(Frozen {
            since: self.now,
            moment: self.now,
        })
    }

    /// Moves the moment by seconds, as far as anything is held.
    pub(super) fn look(&mut self, seconds: i64) -> Vec<Effect> {
        let mut frozen = self.freeze();
        let by = Duration::from_secs(seconds.unsigned_abs());
        let oldest = self.history.oldest().unwrap_or(frozen.since);
        let wanted = if seconds < 0 {
            frozen.moment.checked_sub(by).unwrap_or(oldest)
        } else {
            frozen.moment + by
        };
        if wanted < oldest {
            self.say(t("nothing older is held"), Tone::Note);
        }
        frozen.moment = wanted.clamp(oldest, frozen.since.max(oldest));
        self.frozen = Some(frozen);
        if let Some(board) = self.history.at(frozen.moment) {
            self.pool.show(Arc::clone(board), frozen.moment);
        }
        if self.requests.is_filled {
            vec![Effect::Figures]
        } else {
            // What ended before is asked for first: the figures of a past window stand on it.
            vec![Effect::Requests, Effect::Figures]
        }
    }

    /// Puts the distributions of a past window in, as far as the requests of it are held.
    fn times_of(&self, series: &mut Series, until: Instant, window: Duration) {
        let from = until.checked_sub(window).unwrap_or(until);
        if let Some((total, first)) = self.requests.times(&series.scope, from, until) {
            series.response_time = total;
            series.time_to_first_token = first;
        }
    }

    /// Takes a new board: held in any case, shown unless everything stands still.
    pub(super) fn board(&mut self, board: Arc<Board>) -> Redraw {
        self.history.push(self.now, &board);
        self.live = Arc::clone(&board);
        let shown = self.frozen.is_none() && self.pool.show(board, self.now);
        Redraw::soon_if(shown)
    }

    /// Takes new figures; while everything stands still only those that were asked for, cut at the moment.
    pub(super) fn series(&mut self, mut series: Series, mut minute: Series) -> Redraw {
        if let Some(frozen) = self.frozen {
            if !std::mem::take(&mut self.figures_wanted) {
                return Redraw::No;
            }
            if frozen.moment < self.now {
                let age = self.age();
                series = moment::cut(series, age, self.metrics.window());
                minute = moment::cut(minute, age, super::MINUTE);
                self.times_of(&mut series, frozen.moment, self.metrics.window());
                self.times_of(&mut minute, frozen.moment, super::MINUTE);
            }
        }
        self.figures_wanted = false;
        let changed = self.metrics.series != series || self.metrics.minute != minute;
        self.metrics.series = series;
        self.metrics.minute = minute;
        Redraw::soon_if(changed)
    }
}
