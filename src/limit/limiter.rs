//! All limits of one instance together: choosing and reserving are one step for the caller.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::{BudgetView, RateLimits};

use super::rate::micros;
use super::{Budget, Reservation, Settings};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What one attempt is expected to cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Input and output tokens together, estimated.
    pub tokens: u64,
    /// Output tokens among them.
    pub output: u64,
    /// What they cost, in millionths of a US dollar; counts only where spending is limited.
    pub spend: u64,
}

/// What one attempt really used, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Input and output tokens together.
    pub tokens: Option<u64>,
    /// Millionths of a US dollar.
    pub spend: Option<u64>,
}

impl Used {
    /// What a refused request used.
    pub const NOTHING: Self = Self {
        tokens: Some(0),
        spend: Some(0),
    };
}

/// Minimum interval and rate budgets of one instance.
#[derive(Clone, Debug)]
pub struct Limiter {
    min_interval: Duration,
    next_start: Option<Instant>,
    budgets: [Option<Budget>; 4],
}

/// The budgets, in the order in which a limiter keeps them.
const BUDGETS: [(&str, Unit, Duration); 4] = [
    ("requests/min", Unit::Requests, MINUTE),
    ("tokens/min", Unit::Tokens, MINUTE),
    ("tokens/day", Unit::Tokens, DAY),
    ("spend/day", Unit::Spend, DAY),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Requests,
    Tokens,
    Spend,
}

/// What was reserved for one attempt, to be settled once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ticket([Option<Reservation>; 4]);

impl Limiter {
    /// Makes a limiter from what an instance allows.
    pub fn new(settings: &Settings) -> Self {
        let mut budgets = [None, None, None, None];
        for (slot, (limit, (_, _, window))) in budgets
            .iter_mut()
            .zip(limits(settings).into_iter().zip(BUDGETS))
        {
            *slot = limit.map(|limit| Budget::new(limit, window));
        }
        Self {
            min_interval: settings.min_interval,
            next_start: None,
            budgets,
        }
    }

    /// Goes on with other limits; what is used of a budget stays used.
    pub fn tune(&mut self, settings: &Settings) {
        self.set_min_interval(settings.min_interval);
        for (slot, (limit, (_, _, window))) in
            (self.budgets.iter_mut()).zip(limits(settings).into_iter().zip(BUDGETS))
        {
            match (slot.as_mut(), limit) {
                (Some(budget), Some(limit)) => budget.set_limit(limit),
                (None, Some(limit)) => *slot = Some(Budget::new(limit, window)),
                (_, None) => *slot = None,
            }
        }
    }

    /// Sets the minimum interval between two starts.
    pub fn set_min_interval(&mut self, interval: Duration) {
        if let Some(next) = self.next_start {
            let last = next - self.min_interval;
            self.next_start = Some(last + interval);
        }
        self.min_interval = interval;
    }

    /// Returns the minimum interval.
    pub fn min_interval(&self) -> Duration {
        self.min_interval
    }

    /// Tells whether anything but the interval can delay a request.
    pub fn has_budgets(&self) -> bool {
        self.budgets.iter().any(Option::is_some)
    }

    /// Tells whether money counts.
    pub fn limits_spending(&self) -> bool {
        self.budgets[3].is_some()
    }

    /// Returns when the interval lets the next request begin, if it must wait at all.
    pub fn next_start(&self) -> Option<Instant> {
        self.next_start
    }

    /// Returns when a request of this cost can begin; `now` or earlier means at once.
    pub fn earliest(&self, cost: Cost, now: Instant) -> Instant {
        let mut when = self.next_start.unwrap_or(now);
        for (budget, (_, unit, _)) in self.budgets.iter().zip(BUDGETS) {
            if let Some(budget) = budget {
                when = when.max(budget.earliest(amount(unit, cost), now));
            }
        }
        when
    }

    /// Reserves the cost of a request that begins now.
    pub fn reserve(&mut self, cost: Cost, now: Instant) -> Ticket {
        if !self.min_interval.is_zero() {
            self.next_start = Some(now + self.min_interval);
        }
        let mut ticket = Ticket::default();
        for ((budget, reservation), (_, unit, _)) in
            self.budgets.iter_mut().zip(&mut ticket.0).zip(BUDGETS)
        {
            *reservation = budget
                .as_mut()
                .map(|budget| budget.reserve(amount(unit, cost), now));
        }
        ticket
    }

    /// Settles with what was really used. `None` leaves the estimate standing: the provider may have counted it
    /// although nobody told us. A request that the provider refused counts no tokens, but it counts as a request.
    pub fn settle(&mut self, ticket: Ticket, used: Used, now: Instant) {
        for ((budget, reservation), (_, unit, _)) in
            self.budgets.iter_mut().zip(ticket.0).zip(BUDGETS)
        {
            let used = match unit {
                Unit::Requests => None,
                Unit::Tokens => used.tokens,
                Unit::Spend => used.spend,
            };
            if let (Some(budget), Some(reservation), Some(used)) = (budget, reservation, used) {
                budget.settle(reservation, used, now);
            }
        }
    }

    /// Takes in what an earlier run used, oldest first: each request's beginning and what it cost.
    pub fn recall(&mut self, past: &[(Instant, Cost)], now: Instant) {
        for (budget, (_, unit, _)) in self.budgets.iter_mut().zip(BUDGETS) {
            if let Some(budget) = budget {
                budget.recall(
                    past.iter().map(|(at, cost)| (*at, amount(unit, *cost))),
                    now,
                );
            }
        }
    }

    /// Takes the provider's own headers into the per-minute budgets.
    pub fn observe(&mut self, headers: &RateLimits, now: Instant) {
        if let (Some(budget), Some(remaining)) = (&mut self.budgets[0], headers.remaining_requests)
        {
            budget.observe(remaining, headers.reset_requests, now);
        }
        if let (Some(budget), Some(remaining)) = (&mut self.budgets[1], headers.remaining_tokens) {
            budget.observe(remaining, headers.reset_tokens, now);
        }
    }

    /// Returns the least share left of any budget, 0 to 1; 1 without budgets.
    pub fn share_left(&self, now: Instant) -> f64 {
        self.budgets
            .iter()
            .flatten()
            .map(|budget| (budget.left(now).max(0) as f64) / budget.limit() as f64)
            .fold(1.0, f64::min)
    }

    /// Returns the budgets for the board.
    pub fn view(&self, now: Instant) -> Vec<BudgetView> {
        self.budgets
            .iter()
            .zip(BUDGETS)
            .filter_map(|(budget, (what, _, _))| {
                budget.as_ref().map(|budget| BudgetView {
                    what: what.to_owned(),
                    left: budget.left(now),
                    limit: budget.limit(),
                })
            })
            .collect()
    }
}

fn limits(settings: &Settings) -> [Option<u64>; 4] {
    [
        settings.requests_per_minute,
        settings.tokens_per_minute,
        settings.tokens_per_day,
        settings.spend_per_day.map(micros),
    ]
}

fn amount(unit: Unit, cost: Cost) -> u64 {
    match unit {
        Unit::Requests => 1,
        Unit::Tokens => cost.tokens,
        Unit::Spend => cost.spend,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_strictest_limit_decides() {
        let now = Instant::now();
        let mut limiter = Limiter::new(&Settings {
            min_interval: Duration::from_millis(200),
            requests_per_minute: Some(2),
            tokens_per_minute: Some(1_000),
            ..Settings::default()
        });
        let cost = Cost {
            tokens: 300,
            ..Cost::default()
        };
        assert!(limiter.earliest(cost, now) <= now);
        let ticket = limiter.reserve(cost, now);
        assert_eq!(
            limiter.earliest(cost, now),
            now + Duration::from_millis(200)
        );
        let used = Used {
            tokens: Some(900),
            ..Used::default()
        };
        limiter.settle(ticket, used, now);
        assert_eq!(
            limiter.earliest(cost, now),
            now + MINUTE,
            "tokens are spent"
        );
        assert_eq!(limiter.view(now)[1].left, 100);
        assert!((limiter.share_left(now) - 0.1).abs() < 1e-9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_interval_counts_from_the_last_start() {
        let now = Instant::now();
        let mut limiter = Limiter::new(&Settings {
            min_interval: Duration::from_secs(10),
            ..Settings::default()
        });
        limiter.reserve(Cost::default(), now);
        limiter.set_min_interval(Duration::from_secs(1));
        assert_eq!(
            limiter.earliest(Cost::default(), now),
            now + Duration::from_secs(1)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn money_is_reserved_settled_and_given_back() {
        let now = Instant::now();
        let mut limiter = Limiter::new(&Settings {
            spend_per_day: Some(0.01),
            ..Settings::default()
        });
        let cost = Cost {
            spend: 6_000,
            ..Cost::default()
        };
        let first = limiter.reserve(cost, now);
        assert_eq!(
            limiter.earliest(cost, now),
            now + DAY,
            "four are left of ten"
        );
        let used = Used {
            spend: Some(2_500),
            ..Used::default()
        };
        limiter.settle(first, used, now);
        assert_eq!(limiter.view(now)[0].dollars(), Some((0.0075, 0.01)));
        let second = limiter.reserve(cost, now);
        limiter.settle(second, Used::NOTHING, now);
        assert_eq!(
            limiter.view(now)[0].left,
            7_500,
            "a refused one costs nothing"
        );
        let third = limiter.reserve(cost, now);
        let dear = Used {
            spend: Some(9_000),
            ..Used::default()
        };
        limiter.settle(third, dear, now);
        assert_eq!(
            limiter.view(now)[0].left,
            -1_500,
            "more than was thought is debt"
        );
    }
}
