//! What comes next, should demand stay as it is: for people who look at the board.

use std::time::Duration;

use tokio::time::Instant;

use super::{Look, Scaler};

/// A long window is walked through in at most so many steps.
const MOST_STEPS: u64 = 512;

/// What comes next, as far as it can be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Forecast {
    /// Demand now.
    pub(crate) demand: f64,
    /// Its mean over the stable window.
    pub(crate) mean: Option<f64>,
    /// Permits of the active, healthy instances.
    pub(crate) capacity: f64,
    /// When somebody joins.
    pub(crate) join: Option<Step>,
    /// When somebody leaves.
    pub(crate) leave: Option<Step>,
    /// When the cool-down is over.
    pub(crate) rested_at: Option<Instant>,
    /// When the last panic no longer keeps anybody from leaving.
    pub(crate) calm_at: Option<Instant>,
}

/// A change that may come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    /// The demand above which it comes when somebody joins, up to which when somebody leaves.
    pub(crate) demand: f64,
    /// When, should demand stay as it is.
    pub(crate) at: Option<Instant>,
}

impl Scaler {
    /// Foretells from the looks so far, the last of which is `look`.
    pub(crate) fn forecast(&self, look: Look, now: Instant) -> Forecast {
        let settings = &self.settings;
        let bound = settings.target * look.capacity;
        let rested_at = self.last_change.map(|at| at + settings.cool_down);
        let calm_at = self.panicked.map(|at| at + settings.stable_window);
        let join = look.next.map(|_| {
            let rested = rested_at.unwrap_or(now).max(now);
            let usual = self.reached(settings.stable_window, look.demand, rested, now, |mean| {
                mean > bound
            });
            let soon = self.last_change.map(|at| at + settings.panic_window);
            let soon = soon.unwrap_or(now).max(now);
            let panic = self.reached(settings.panic_window, look.demand, soon, now, |mean| {
                mean >= 2.0 * bound && mean > 0.0
            });
            Step {
                demand: bound,
                at: [usual, panic].into_iter().flatten().min(),
            }
        });
        let leave = look.last.map(|last| {
            let bound = settings.target * (look.capacity - last).max(0.0);
            let busy = self.demand.iter().rev().find(|(_, of)| *of > bound);
            let quiet_since = busy.or(self.demand.front()).map(|(at, _)| *at);
            let quiet = quiet_since.map(|at| at + settings.leave_after);
            let first = [quiet, rested_at, calm_at];
            Step {
                demand: bound,
                at: first
                    .into_iter()
                    .flatten()
                    .max()
                    .filter(|_| look.demand <= bound),
            }
        });
        let only_if_on = |step: Step| Step {
            at: step.at.filter(|_| settings.enabled),
            ..step
        };
        Forecast {
            demand: look.demand,
            mean: self.mean(settings.stable_window, now),
            capacity: look.capacity,
            join: join.map(only_if_on),
            leave: leave.map(only_if_on),
            rested_at,
            calm_at,
        }
    }

    /// Returns the first moment from `first` on at which the mean over a window is what `is_enough` asks for, should
    /// demand stay as it is.
    fn reached(
        &self,
        window: Duration,
        demand: f64,
        first: Instant,
        now: Instant,
        is_enough: impl Fn(f64) -> bool,
    ) -> Option<Instant> {
        let oldest = self.demand.front()?.0;
        // Not before the window has been looked at in full.
        let full = oldest + window.saturating_sub(Duration::from_secs(1));
        let first = first.max(full);
        let mut at = first;
        let stride = Duration::from_secs((window.as_secs() / MOST_STEPS).max(1));
        let mut samples = self.demand.iter().peekable();
        let (mut count, mut sum) = samples
            .clone()
            .fold((0.0, 0.0), |(count, sum), (_, of)| (count + 1.0, sum + of));
        loop {
            while let Some((_, gone)) =
                samples.next_if(|(seen, _)| at.duration_since(*seen) > window)
            {
                count -= 1.0;
                sum -= gone;
            }
            // One look a second until then, all alike, the last window of them.
            let to_come = at.duration_since(now).min(window).as_secs() as f64;
            let looks = count + to_come;
            if looks > 0.0 && is_enough((sum + to_come * demand) / looks) {
                return Some(at);
            }
            // From here on every look is alike.
            samples.peek()?;
            at += stride;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Move, ScalingSettings};
    use super::*;

    /// Runs a demand, second by second, until the first change; holds every forecast of it made since `from` against
    /// when it came.
    fn held_against_what_comes(
        demand: impl Fn(u64) -> f64,
        joined: bool,
        from: u64,
        to: u64,
    ) -> u64 {
        let start = Instant::now();
        let mut scaler = Scaler::new(ScalingSettings::default());
        let mut told = Vec::new();
        for second in 0..to {
            let now = start + Duration::from_secs(second);
            let look = Look {
                demand: demand(second),
                capacity: if joined { 8.0 } else { 4.0 },
                next: (!joined).then_some(4.0),
                last: joined.then_some(4.0),
            };
            if let Some(step) = scaler.look(look, now) {
                assert_eq!(step == Move::Leave, joined);
                for (at, due) in told {
                    let due: Option<Instant> = due;
                    let due = due.unwrap().duration_since(start).as_secs_f64();
                    assert!(
                        (due - second as f64).abs() <= 1.5,
                        "at {at} s it was told for {due} s, and came at {second} s"
                    );
                }
                return second;
            }
            let forecast = scaler.forecast(look, now);
            let step = forecast.join.or(forecast.leave).unwrap();
            if second >= from {
                told.push((second, step.at));
            }
        }
        assert!(told.iter().all(|(_, due)| due.is_none()), "{told:?}");
        to
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_foretold_comes_when_it_was_foretold() {
        // Above the target: a full stable window.
        held_against_what_comes(|_| 4.0, false, 0, 200);
        // A rise after quiet: as soon as the mean is above it.
        let rise = held_against_what_comes(|at| if at < 100 { 0.0 } else { 5.0 }, false, 100, 400);
        assert!((110..160).contains(&rise), "{rise}");
        // A panic: within its own window.
        let panic =
            held_against_what_comes(|at| if at < 100 { 0.0 } else { 50.0 }, false, 100, 400);
        assert!(panic <= 106, "{panic}");
        // Quiet after load: leave_after later.
        let leave = held_against_what_comes(|at| if at < 100 { 5.0 } else { 1.0 }, true, 100, 900);
        assert!((399..=402).contains(&leave), "{leave}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_comes_is_foretold_for_never() {
        held_against_what_comes(|_| 2.0, false, 0, 200);
        held_against_what_comes(|_| 4.0, true, 0, 700);
    }

    #[tokio::test(start_paused = true)]
    async fn the_cool_down_is_waited_out_and_what_is_off_does_nothing() {
        let start = Instant::now();
        let mut scaler = Scaler::new(ScalingSettings::default());
        let mut look = Look {
            demand: 5.0,
            capacity: 4.0,
            next: Some(4.0),
            last: None,
        };
        let mut second = 0;
        while scaler
            .look(look, start + Duration::from_secs(second))
            .is_none()
        {
            second += 1;
        }
        look.demand = 8.0;
        look.capacity = 8.0;
        let now = start + Duration::from_secs(second + 5);
        for at in second + 1..=second + 5 {
            assert_eq!(scaler.look(look, start + Duration::from_secs(at)), None);
        }
        let forecast = scaler.forecast(look, now);
        assert_eq!(forecast.rested_at, Some(now + Duration::from_secs(10)));
        let due = forecast.join.unwrap().at.unwrap();
        assert!(due >= now + Duration::from_secs(10));
        scaler.tune(ScalingSettings {
            enabled: false,
            ..ScalingSettings::default()
        });
        assert_eq!(scaler.look(look, due + Duration::from_secs(60)), None);
        let off = scaler.forecast(look, due + Duration::from_secs(60));
        assert_eq!(off.join.unwrap().at, None);
    }
}
