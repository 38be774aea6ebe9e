//! When to read the board and the figures: soon after something happened, slowly while only time changes them, never
//! while nothing does.

use std::time::Duration;

use tokio::time::Instant;

const BOARD_EVERY: Duration = Duration::from_millis(250);
const COUNTDOWN_EVERY: Duration = Duration::from_secs(1);
const FIGURES_EVERY: Duration = Duration::from_secs(1);
const FIGURES_BY_TIME: Duration = Duration::from_secs(5);

/// Two alarms.
#[derive(Debug)]
pub(crate) struct Refresh {
    board_at: Option<Instant>,
    board_last: Instant,
    /// Whether the board is to be read once more after the next reading: an event comes a moment before its effects.
    board_again: bool,
    figures_at: Option<Instant>,
    figures_last: Instant,
}

impl Refresh {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            board_at: Some(now),
            board_last: now,
            board_again: false,
            figures_at: Some(now),
            figures_last: now,
        }
    }

    /// Something happened in the deck.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.board_again = true;
        sooner(&mut self.board_at, now.max(self.board_last + BOARD_EVERY));
        sooner(
            &mut self.figures_at,
            now.max(self.figures_last + FIGURES_EVERY),
        );
    }

    /// Something new is there to be read.
    pub(crate) fn news(&mut self, now: Instant) {
        (self.board_at, self.figures_at) = (Some(now), Some(now));
    }

    /// Other figures are wanted.
    pub(crate) fn figures_now(&mut self, now: Instant) {
        self.figures_at = Some(now);
    }

    pub(crate) fn board_is_due(&self, now: Instant) -> bool {
        self.board_at.is_some_and(|at| at <= now)
    }

    pub(crate) fn figures_are_due(&self, now: Instant) -> bool {
        self.figures_at.is_some_and(|at| at <= now)
    }

    /// The board was read; `counts_down` tells whether time alone changes it.
    pub(crate) fn board_read(&mut self, now: Instant, counts_down: bool) {
        self.board_last = now;
        self.board_at = if std::mem::take(&mut self.board_again) {
            Some(now + BOARD_EVERY)
        } else {
            counts_down.then(|| now + COUNTDOWN_EVERY)
        };
    }

    /// The figures were read; `moves` tells whether time alone changes them.
    pub(crate) fn figures_read(&mut self, now: Instant, step: Duration, moves: bool) {
        self.figures_last = now;
        let by_time = FIGURES_BY_TIME.min(step.max(FIGURES_EVERY));
        self.figures_at = moves.then(|| now + by_time);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.board_at, self.figures_at].into_iter().flatten().min()
    }
}

fn sooner(alarm: &mut Option<Instant>, at: Instant) {
    *alarm = Some(alarm.map_or(at, |set| set.min(at)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_quiet_deck_is_not_read() {
        let start = Instant::now();
        let mut refresh = Refresh::new(start);
        refresh.board_read(start, false);
        refresh.figures_read(start, Duration::from_secs(1), false);
        assert_eq!(refresh.deadline(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_deck_is_read_four_times_a_second_and_once_more_at_the_end() {
        let start = Instant::now();
        let mut refresh = Refresh::new(start);
        let mut readings = 0;
        for millis in 0..2000 {
            let now = start + Duration::from_millis(millis);
            if millis < 1000 {
                refresh.heard(now);
            }
            if refresh.board_is_due(now) {
                readings += 1;
                refresh.board_read(now, false);
            }
        }
        assert!((5..=6).contains(&readings), "{readings}");
        refresh.figures_read(start, Duration::from_secs(1), false);
        assert_eq!(refresh.deadline(), None);
    }
}
