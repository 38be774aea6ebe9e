//! What time alone changes: holds and open times that end, scores that age, and when to look again.

use std::time::Duration;

use tokio::time::Instant;

use super::super::estimate::Fleet;
use super::super::strategy::StrategyKind;
use super::Core;

/// Expected times are computed anew this often.
const SCORES_EVERY: Duration = Duration::from_millis(100);
/// And this often while no strategy reads them.
const UNREAD_SCORES_EVERY: Duration = Duration::from_secs(1);
/// When somebody has waited so long, open breakers are tried again sooner.
const PRESSURE: Duration = Duration::from_secs(1);

impl Core {
    /// Looks whether time alone has changed something.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.end_holds(now);
        self.look_again(now);
        self.dispatch(now);
    }

    /// Returns when time alone will change something for those who wait.
    pub(crate) fn next_wake(&self, now: Instant) -> Option<Instant> {
        const FEW: usize = 16;
        let mut wake = self.queue.first_deadline()?;
        let mut after = None;
        let mut may_hurry = false;
        // Waiters of one class see the same moments, unless the cost of each matters.
        let mut seen: Option<usize> = None;
        for _ in 0..FEW {
            let Some((place, waiter)) = self.queue.behind(after) else {
                break;
            };
            after = Some(place);
            let class = waiter.what.class;
            if seen == Some(class) {
                continue;
            }
            seen = (!self.cost_matters(class)).then_some(class);
            for at in self.watched_of(class) {
                let slot = &self.slots[at as usize];
                let standing = &self.standings[at as usize];
                may_hurry |= slot.breaker.may_hurry();
                if let Some(when) = slot.earliest(slot.cost(&waiter.what.want), now)
                    && when > now
                    && standing.in_flight < standing.permits
                {
                    wake = wake.min(when);
                } else if slot.is_starting(now) {
                    wake = wake.min(now + Duration::from_millis(500));
                }
            }
        }
        // Open breakers are tried sooner once somebody has waited long, even if nothing else happens then.
        if may_hurry && let Some(since) = self.queue.oldest() {
            let scored = self.fleet_at.map(|at| at + SCORES_EVERY);
            wake = wake.min((since + PRESSURE).max(scored.unwrap_or(now)));
        }
        Some(wake)
    }

    pub(super) fn end_holds(&mut self, now: Instant) {
        if self.holds_end.is_none_or(|end| end > now) {
            return;
        }
        for at in 0..self.slots.len() {
            if self.slots[at].held.is_some() && self.slots[at].end_hold(now) {
                self.refresh(at, now);
            }
        }
        let held = self.slots.iter().filter_map(|slot| slot.held);
        self.holds_end = held.map(|(_, until)| until).min();
    }

    /// Takes expected times anew, ten times a second at most: a choice then only reads numbers.
    pub(super) fn take_scores(&mut self, now: Instant) {
        if self
            .fleet_at
            .is_some_and(|at| now.duration_since(at) < SCORES_EVERY)
        {
            return;
        }
        self.fleet_at = Some(now);
        // Where nobody chooses by them they are for the board alone.
        let any = |reads: fn(StrategyKind) -> bool| {
            (self.balancing.iter()).any(|balancing| reads(balancing.kind))
        };
        let are_read = any(StrategyKind::reads_scores);
        let budgets_are_read = any(StrategyKind::reads_budgets);
        let rescores = are_read
            || (self.scores_at).is_none_or(|at| now.duration_since(at) >= UNREAD_SCORES_EVERY);
        if rescores {
            self.scores_at = Some(now);
            self.take_medians();
            for at in 0..self.slots.len() {
                self.slots[at].estimate.take_live_pace(now);
                self.rescore(at, now);
            }
        } else if budgets_are_read {
            for index in 0..self.gates.watched().len() {
                self.take_budget(self.gates.watched()[index] as usize, now);
            }
        }
        let hurry = self
            .queue
            .oldest()
            .is_some_and(|since| now.duration_since(since) >= PRESSURE);
        if hurry {
            for at in self.gates.watched() {
                self.slots[*at as usize].breaker.hurry();
            }
        }
        self.look_again(now);
    }

    /// Looks whether time has changed those whom it can change.
    fn look_again(&mut self, now: Instant) {
        let mut watched = std::mem::take(&mut self.scratch.watched);
        watched.clear();
        watched.extend_from_slice(self.gates.watched());
        for at in &watched {
            self.refresh(*at as usize, now);
        }
        self.scratch.watched = watched;
    }

    /// Takes what is usual among the instances.
    fn take_medians(&mut self) {
        let median = |mut values: Vec<f64>, otherwise: f64| {
            if values.is_empty() {
                return otherwise;
            }
            let middle = values.len() / 2;
            *values.select_nth_unstable_by(middle, f64::total_cmp).1
        };
        let learned =
            |what: fn(&super::Slot) -> Option<f64>| self.slots.iter().filter_map(what).collect();
        let default = Fleet::default();
        self.fleet.first_token = median(
            learned(|slot| slot.estimate.learned_first_token()),
            default.first_token,
        );
        self.fleet.seconds_per_token = median(
            learned(|slot| slot.estimate.learned_pace()),
            default.seconds_per_token,
        );
    }

    pub(super) fn rescore(&mut self, at: usize, now: Instant) {
        let slot = &mut self.slots[at];
        while let Some((lease, _)) = slot.unanswered.front()
            && self
                .leases
                .get(lease)
                .is_none_or(|lease| lease.first_token.is_some())
        {
            slot.unanswered.pop_front();
        }
        let oldest = slot.unanswered.front().map(|(_, since)| *since);
        let standing = &mut self.standings[at];
        standing.expected = slot.estimate.score(oldest, &self.fleet, now) as f32;
        self.take_budget(at, now);
    }

    fn take_budget(&mut self, at: usize, now: Instant) {
        // Whatever has budgets needs care; the others' limiters stay unread.
        self.standings[at].budget_left = if self.gates[at].care {
            self.slots[at].limiter.share_left(now) as f32
        } else {
            1.0
        };
    }
}
