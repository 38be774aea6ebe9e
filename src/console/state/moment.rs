//! Looking back: boards of the last minutes, and the moment that the panes show while the screen stands still.
//!
//! One board a second is held for two minutes, then one in ten seconds for half an hour. A pool in which nothing
//! changes adds nothing: the last board is the one of all the time since.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::{Board, Series, SeriesBucket};

const FINE: (Duration, usize) = (Duration::from_secs(1), 120);
const COARSE: (Duration, usize) = (Duration::from_secs(10), 180);

/// The moment that is shown, and when the screen was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frozen {
    /// When it was stopped; nothing later is shown.
    pub(crate) since: Instant,
    /// What is shown.
    pub(crate) moment: Instant,
}

/// The boards that are held.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    fine: VecDeque<(Instant, Arc<Board>)>,
    coarse: VecDeque<(Instant, Arc<Board>)>,
}

impl History {
    /// Holds a board, if the last one is old enough to be worth another.
    pub(crate) fn push(&mut self, at: Instant, board: &Arc<Board>) {
        keep(&mut self.fine, FINE, at, board);
        keep(&mut self.coarse, COARSE, at, board);
    }

    /// Returns the board of a moment: the last one that was held by then.
    pub(crate) fn at(&self, moment: Instant) -> Option<&Arc<Board>> {
        let last = |ring: &'_ VecDeque<(Instant, Arc<Board>)>| {
            let end = ring.partition_point(|(at, _)| *at <= moment);
            end.checked_sub(1)
        };
        match last(&self.fine) {
            Some(index) => Some(&self.fine[index].1),
            None => last(&self.coarse).map(|index| &self.coarse[index].1),
        }
    }

    /// Returns the first moment of which anything is held.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        let first = |ring: &VecDeque<(Instant, Arc<Board>)>| ring.front().map(|(at, _)| *at);
        [first(&self.coarse), first(&self.fine)]
            .into_iter()
            .flatten()
            .min()
    }
}

/// A newer board within the same step takes the place of the one before, so that the last one is never lost.
fn keep(
    ring: &mut VecDeque<(Instant, Arc<Board>)>,
    (step, most): (Duration, usize),
    at: Instant,
    board: &Arc<Board>,
) {
    let before_last = ring.len().checked_sub(2).map(|index| ring[index].0);
    if before_last.is_some_and(|before| at < before + step) {
        ring.pop_back();
    } else if ring.len() >= most {
        ring.pop_front();
    }
    ring.push_back((at, Arc::clone(board)));
}

/// Cuts what is newer than `age` off a series that reaches back further, and leaves what a window of `window` shows.
/// Distributions of the window as a whole are not in it.
pub(crate) fn cut(mut series: Series, age: Duration, window: Duration) -> Series {
    let step = series.step.as_secs_f64();
    if step <= 0.0 {
        return series;
    }
    let newer = (age.as_secs_f64() / step).round() as usize;
    let kept = series.buckets.len().saturating_sub(newer);
    series.buckets.truncate(kept);
    series.newest = series.newest.saturating_sub(newer as u64);
    let wanted = (window.as_secs_f64() / step).ceil() as usize;
    let first = series.buckets.len().saturating_sub(wanted);
    series.buckets.drain(..first);
    for counts in series.errors.values_mut() {
        counts.truncate(kept);
        counts.drain(..first.min(counts.len()));
    }
    let sum = |of: fn(&SeriesBucket) -> u64| series.buckets.iter().map(of).sum::<u64>();
    let (good, bad) = (sum(|b| b.successful), sum(|b| b.failed));
    let ended = good + bad + sum(|b| b.cancelled);
    let covered = (series.buckets.len() as f64 * step).max(step);
    series.requests_per_second = ended as f64 / covered;
    series.tokens_per_second = sum(|b| b.streamed_tokens) as f64 / covered;
    series.success_rate = (good + bad > 0).then(|| good as f64 / (good + bad) as f64);
    series.response_time = None;
    series.time_to_first_token = None;
    series.last_errors.retain_mut(|error| {
        error.age = error.age.saturating_sub(age);
        !error.age.is_zero()
    });
    series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(number: u64) -> Arc<Board> {
        Arc::new(Board {
            uptime: Duration::from_secs(number),
            ..Board::default()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn any_moment_of_the_last_half_hour_has_its_board() {
        let start = Instant::now();
        let mut history = History::default();
        assert!(history.at(start).is_none());
        for second in 0..3600 {
            let at = start + Duration::from_secs(second);
            for part in 0..4 {
                let at = at + Duration::from_millis(250 * part);
                history.push(at, &board(second));
            }
        }
        let shown = |second| {
            let at = start + Duration::from_secs(second) + Duration::from_millis(900);
            history.at(at).map(|board| board.uptime.as_secs())
        };
        assert_eq!(shown(3599), Some(3599));
        assert!(shown(3540).is_some_and(|s| (3539..=3540).contains(&s)));
        assert!(shown(2000).is_some_and(|s| (1988..=2000).contains(&s)));
        assert_eq!(shown(10), None, "too long ago");
        assert!(history.fine.len() <= FINE.1 && history.coarse.len() <= COARSE.1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_board_before_a_quiet_time_is_the_one_of_that_time() {
        let start = Instant::now();
        let mut history = History::default();
        for millis in [0, 250, 500, 750] {
            history.push(start + Duration::from_millis(millis), &board(millis));
        }
        let later = start + Duration::from_secs(600);
        assert_eq!(history.at(later).unwrap().uptime.as_secs(), 750);
    }

    #[test]
    fn a_cut_series_ends_at_the_moment_and_has_figures_of_its_own() {
        let buckets = (0..10)
            .map(|number| SeriesBucket {
                successful: number,
                failed: u64::from(number == 2),
                ..SeriesBucket::default()
            })
            .collect();
        let series = Series {
            step: Duration::from_secs(5),
            newest: 100,
            buckets,
            ..Series::default()
        };
        let cut = cut(series, Duration::from_secs(20), Duration::from_secs(20));
        assert_eq!(cut.newest, 96);
        let left: Vec<u64> = cut.buckets.iter().map(|b| b.successful).collect();
        assert_eq!(left, [2, 3, 4, 5]);
        assert_eq!(cut.requests_per_second, 15.0 / 20.0);
        assert_eq!(cut.success_rate, Some(14.0 / 15.0));
    }
}
