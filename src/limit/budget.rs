//! A budget over a sliding window, exact: no window of its length ever holds more than the limit.
//!
//! It is a log of what was taken and when. To keep the log bounded, entries closer together than 1/500 of the
//! window are merged under the *later* time, so what is merged expires later, never earlier: the budget can be
//! too strict by that much, never too lax. What a request really used is settled afterwards; using more than was
//! reserved becomes debt, which only time pays.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Merging keeps at most this many entries, and one more for what is being filled.
const SLICES: u32 = 500;

/// A number of something per sliding window.
#[derive(Clone, Debug)]
pub struct Budget {
    limit: u64,
    window: Duration,
    entries: VecDeque<Entry>,
    used: u64,
    /// What the provider says others have used of it, and until when.
    elsewhere: Option<(u64, Instant)>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The oldest and the newest reservation merged into it.
    first: u64,
    last: u64,
    at: Instant,
    amount: u64,
}

/// A reservation in a [`Budget`], to be settled once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    number: u64,
    amount: u64,
}

impl Budget {
    /// Makes a budget of `limit` in any `window`.
    pub fn new(limit: u64, window: Duration) -> Self {
        Self {
            limit: limit.max(1),
            window,
            entries: VecDeque::new(),
            used: 0,
            elsewhere: None,
            // What is recalled has the number 0.
            next: 1,
        }
    }

    /// Returns what is allowed per window.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Sets what is allowed per window; what is used stays used.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit.max(1);
    }

    /// Returns what is left now; negative is debt.
    pub fn left(&self, now: Instant) -> i64 {
        let gone: u64 = self
            .entries
            .iter()
            .take_while(|entry| entry.at + self.window <= now)
            .map(|entry| entry.amount)
            .sum();
        self.limit.cast_signed()
            - (self.used - gone).cast_signed()
            - self.elsewhere_at(now).cast_signed()
    }

    /// Returns when `amount` can be taken; `now` or earlier means at once. More than the whole limit is treated
    /// as the whole limit, or it could never be taken.
    pub fn earliest(&self, amount: u64, now: Instant) -> Instant {
        let room = self.limit - amount.min(self.limit);
        let mut others = self.elsewhere.filter(|(_, until)| *until > now);
        let mut used = self.used + others.map_or(0, |(amount, _)| amount);
        let mut when = now;
        for entry in &self.entries {
            let expires = entry.at + self.window;
            if let Some((amount, until)) = others
                && until <= expires
                && used > room
            {
                used -= amount;
                when = when.max(until);
                others = None;
            }
            if used <= room {
                return when;
            }
            used -= entry.amount;
            when = when.max(expires);
        }
        match others {
            Some((_, until)) if used > room => when.max(until),
            _ => when,
        }
    }

    /// Takes `amount`. The caller has asked [`Budget::earliest`] before.
    pub fn reserve(&mut self, amount: u64, now: Instant) -> Reservation {
        self.expire(now);
        let number = self.next;
        self.next += 1;
        self.add(number, amount, now);
        Reservation { number, amount }
    }

    /// Replaces a reservation by what was really used: less is given back, more becomes debt from now on.
    pub fn settle(&mut self, reservation: Reservation, used: u64, now: Instant) {
        self.expire(now);
        if used >= reservation.amount {
            let debt = used - reservation.amount;
            if debt > 0 {
                let number = self.next;
                self.next += 1;
                self.add(number, debt, now);
            }
            return;
        }
        let refund = reservation.amount - used;
        let index = self
            .entries
            .partition_point(|entry| entry.last < reservation.number);
        if let Some(entry) = self.entries.get_mut(index)
            && entry.first <= reservation.number
        {
            let back = refund.min(entry.amount);
            entry.amount -= back;
            self.used -= back;
        }
    }

    /// Takes in what was used before everything that is here, oldest first.
    pub fn recall(&mut self, past: impl IntoIterator<Item = (Instant, u64)>, now: Instant) {
        let mut before = Self::new(self.limit, self.window);
        for (at, amount) in past {
            before.expire(at);
            before.add(0, amount, at);
        }
        before.expire(now);
        self.used += before.used;
        before.entries.append(&mut self.entries);
        self.entries = before.entries;
    }

    /// Takes the provider's word: when it says that less is left than we think, others use it too.
    pub fn observe(&mut self, remaining: u64, reset: Option<Duration>, now: Instant) {
        self.expire(now);
        let ours = self.limit.saturating_sub(self.used);
        let until = now + reset.unwrap_or(self.window).min(self.window);
        self.elsewhere = (ours > remaining).then(|| (ours - remaining, until));
    }

    fn elsewhere_at(&self, now: Instant) -> u64 {
        self.elsewhere
            .map_or(0, |(amount, until)| if until > now { amount } else { 0 })
    }

    fn add(&mut self, number: u64, amount: u64, now: Instant) {
        self.used += amount;
        let slice = self.window / SLICES;
        // Merge into the newest slice; its first time is lost on purpose, the later one counts.
        if self.entries.len() > 1
            && let Some(before) = self.entries.len().checked_sub(2)
            && now.duration_since(self.entries[before].at) < slice
            && let Some(newest) = self.entries.back_mut()
        {
            newest.last = number;
            newest.at = now;
            newest.amount += amount;
            return;
        }
        self.entries.push_back(Entry {
            first: number,
            last: number,
            at: now,
            amount,
        });
    }

    fn expire(&mut self, now: Instant) {
        while let Some(oldest) = self.entries.front()
            && oldest.at + self.window <= now
        {
            self.used -= oldest.amount;
            self.entries.pop_front();
        }
        if self.elsewhere.is_some_and(|(_, until)| until <= now) {
            self.elsewhere = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_full_budget_opens_when_the_oldest_expires() {
        let start = Instant::now();
        let mut budget = Budget::new(3, MINUTE);
        for second in 0..3 {
            let at = start + Duration::from_secs(second);
            assert!(budget.earliest(1, at) <= at);
            budget.reserve(1, at);
        }
        let now = start + Duration::from_secs(3);
        assert_eq!(budget.left(now), 0);
        assert_eq!(budget.earliest(1, now), start + MINUTE);
        assert_eq!(budget.earliest(2, now), start + Duration::from_secs(61));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_used_is_given_back_and_more_is_debt() {
        let now = Instant::now();
        let mut budget = Budget::new(1_000, MINUTE);
        let first = budget.reserve(600, now);
        budget.settle(first, 100, now);
        assert_eq!(budget.left(now), 900);
        let second = budget.reserve(900, now);
        budget.settle(second, 2_000, now);
        assert_eq!(budget.left(now), -1_100);
        assert!(budget.earliest(1, now) > now);
        assert_eq!(budget.left(now + MINUTE), 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn the_providers_word_counts_when_it_is_stricter() {
        let now = Instant::now();
        let mut budget = Budget::new(100, MINUTE);
        budget.observe(10, Some(Duration::from_secs(20)), now);
        assert_eq!(budget.left(now), 10);
        assert_eq!(budget.earliest(11, now), now + Duration::from_secs(20));
        assert!(budget.earliest(10, now) <= now);
        budget.observe(1_000, None, now);
        assert_eq!(budget.left(now), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_the_whole_limit_is_let_through_when_nothing_else_is_used() {
        let now = Instant::now();
        let budget = Budget::new(100, MINUTE);
        assert!(budget.earliest(5_000, now) <= now);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_recalled_counts_until_its_window_is_over() {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let start = Instant::now();
        tokio::time::advance(2 * DAY).await;
        let now = Instant::now();
        let mut budget = Budget::new(1_000, DAY);
        let live = budget.reserve(100, now);
        let past = [
            (start, 500),
            (start + DAY * 3 / 2, 600),
            (start + DAY * 7 / 4, 50),
        ];
        budget.recall(past, now);
        assert_eq!(budget.left(now), 250, "what is older than a day is over");
        budget.settle(live, 40, now);
        assert_eq!(budget.left(now), 310);
        assert_eq!(budget.earliest(900, now), now + DAY / 2);
        assert_eq!(budget.left(now + DAY / 2), 910);
        assert_eq!(budget.left(now + DAY), 1_000);
    }

    proptest! {
        #[test]
        fn no_sliding_window_ever_holds_more_than_the_limit(
            limit in 1u64..40,
            steps in prop::collection::vec((0u64..4_000, 1u64..6, 0u64..6), 1..300),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time().start_paused(true).build().unwrap();
            let start = runtime.block_on(async { Instant::now() });
            let mut budget = Budget::new(limit, MINUTE);
            let mut now = start;
            let mut taken: Vec<(Instant, u64)> = Vec::new();
            for (gap, amount, unused) in steps {
                now += Duration::from_millis(gap);
                let amount = amount.min(limit);
                let at = budget.earliest(amount, now).max(now);
                now = at;
                let reservation = budget.reserve(amount, at);
                let used = amount.saturating_sub(unused);
                budget.settle(reservation, used, at);
                taken.push((at, used));
                let inside: u64 = taken.iter().filter(|(t, _)| *t + MINUTE > at).map(|(_, n)| n).sum();
                prop_assert!(inside <= limit, "{inside} in a window of {limit}");
                prop_assert!(budget.entries.len() <= 2 * SLICES as usize + 2);
            }
        }
    }
}
