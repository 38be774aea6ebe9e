//! What an instance allows: so many at once, so many requests and tokens per minute. Limits are kept exactly.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::journal::{Journal, Stats};
use super::{InstanceProfile, WhenFull};

/// The window of limits per minute.
const WINDOW: Duration = Duration::from_secs(60);

/// The limits of one instance.
#[derive(Debug)]
pub(super) struct Gate {
    slots: Arc<Semaphore>,
    when_full: WhenFull,
    budget: Mutex<Budget>,
    journal: Arc<Journal>,
}

impl Gate {
    pub(super) fn new(profile: &InstanceProfile, journal: Arc<Journal>) -> Self {
        let most = Semaphore::MAX_PERMITS;
        let slots = profile.concurrency.map_or(most, |slots| slots.min(most));
        Self {
            slots: Arc::new(Semaphore::new(slots)),
            when_full: profile.when_full,
            budget: Mutex::new(Budget {
                requests: profile.requests_per_minute,
                tokens: profile.tokens_per_minute,
                spent: VecDeque::new(),
            }),
            journal,
        }
    }

    /// Spends one request and its tokens, or says how long to wait.
    pub(super) fn spend(&self, tokens: u64) -> Result<Headroom, TooSoon> {
        self.budget.lock().spend(tokens, Instant::now())
    }

    /// Takes a slot; waits for one where the profile says so. `None` when there is none to have.
    pub(super) async fn enter(&self) -> Option<Slot> {
        if let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() {
            return Some(Slot::new(permit, Arc::clone(&self.journal)));
        }
        let WhenFull::Queue(longest) = self.when_full else {
            return None;
        };
        let _waiting = Waiting::join(&self.journal, longest)?;
        let permit = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        Some(Slot::new(permit, Arc::clone(&self.journal)))
    }
}

/// The right to be worked on; gives it back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    journal: Arc<Journal>,
    /// Dropped after `in_flight` went down, so that the count never exceeds the limit.
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    fn new(permit: OwnedSemaphorePermit, journal: Arc<Journal>) -> Self {
        journal.count(|stats| {
            stats.in_flight += 1;
            stats.peak_in_flight = stats.peak_in_flight.max(stats.in_flight);
        });
        Self {
            journal,
            _permit: permit,
        }
    }

    /// Returns how many others are being worked on now.
    pub(super) fn others(&self) -> usize {
        self.journal.in_flight().saturating_sub(1)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.journal.count(|stats| stats.in_flight -= 1);
    }
}

/// A place in the queue.
struct Waiting(Arc<Journal>);

impl Waiting {
    fn join(journal: &Arc<Journal>, longest: usize) -> Option<Self> {
        let mut joined = false;
        journal.count(|stats: &mut Stats| {
            if stats.waiting < longest {
                joined = true;
                stats.waiting += 1;
                stats.peak_waiting = stats.peak_waiting.max(stats.waiting);
            }
        });
        joined.then(|| Self(Arc::clone(journal)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.count(|stats| stats.waiting -= 1);
    }
}

/// What was spent in the window.
#[derive(Debug)]
struct Budget {
    requests: Option<u64>,
    tokens: Option<u64>,
    spent: VecDeque<(Instant, u64)>,
}

/// What a response can say of the limits; `None` where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Headroom {
    /// Requests: limit and what is left.
    pub(super) requests: Option<(u64, u64)>,
    /// Tokens: limit and what is left.
    pub(super) tokens: Option<(u64, u64)>,
    /// Until everything is there again.
    pub(super) reset: Duration,
}

/// A limit per minute is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooSoon {
    /// Until the same request would pass.
    pub(super) wait: Duration,
    /// Whether it was the tokens and not the requests.
    pub(super) tokens: bool,
    /// How it stands.
    pub(super) headroom: Headroom,
}

impl Budget {
    fn spend(&mut self, tokens: u64, now: Instant) -> Result<Headroom, TooSoon> {
        if self.requests.is_none() && self.tokens.is_none() {
            return Ok(Headroom::default());
        }
        while let Some((at, _)) = self.spent.front()
            && now.duration_since(*at) >= WINDOW
        {
            self.spent.pop_front();
        }
        let for_requests = self.wait_for_requests(now);
        let for_tokens = self.wait_for_tokens(tokens, now);
        if for_requests.is_none() && for_tokens.is_none() {
            self.spent.push_back((now, tokens));
            return Ok(self.headroom(now));
        }
        Err(TooSoon {
            wait: for_requests.max(for_tokens).unwrap_or(WINDOW),
            tokens: for_tokens > for_requests,
            headroom: self.headroom(now),
        })
    }

    fn wait_for_requests(&self, now: Instant) -> Option<Duration> {
        let limit = self.requests? as usize;
        let too_many = (self.spent.len() + 1).checked_sub(limit)?;
        let (at, _) = self.spent.get(too_many.checked_sub(1)?)?;
        Some(left_of(*at, now))
    }

    fn wait_for_tokens(&self, tokens: u64, now: Instant) -> Option<Duration> {
        let limit = self.tokens?;
        let spent = self.spent_tokens();
        let mut too_many = (spent + tokens).checked_sub(limit).filter(|n| *n > 0)?;
        for (at, tokens) in &self.spent {
            too_many = too_many.saturating_sub(*tokens);
            if too_many == 0 {
                return Some(left_of(*at, now));
            }
        }
        // More than a whole minute's worth: it never passes, but a number must be said.
        Some(WINDOW)
    }

    fn spent_tokens(&self) -> u64 {
        self.spent.iter().map(|(_, tokens)| tokens).sum()
    }

    fn headroom(&self, now: Instant) -> Headroom {
        let left = |limit: u64, spent: u64| (limit, limit.saturating_sub(spent));
        Headroom {
            requests: self
                .requests
                .map(|limit| left(limit, self.spent.len() as u64)),
            tokens: self.tokens.map(|limit| left(limit, self.spent_tokens())),
            reset: self
                .spent
                .back()
                .map_or(Duration::ZERO, |(at, _)| left_of(*at, now)),
        }
    }
}

fn left_of(at: Instant, now: Instant) -> Duration {
    (at + WINDOW).saturating_duration_since(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ProviderType;
    use crate::sim::journal::Log;

    fn gate(change: impl FnOnce(&mut InstanceProfile)) -> Gate {
        let mut profile = InstanceProfile::new("a", ProviderType::OpenAi);
        change(&mut profile);
        let journal = Journal::new("a".into(), Instant::now(), Arc::<Log>::default());
        Gate::new(&profile, Arc::new(journal))
    }

    #[tokio::test(start_paused = true)]
    async fn requests_in_any_sixty_seconds_stay_within_the_limit() {
        let gate = gate(|profile| profile.requests_per_minute = Some(3));
        for left in [2, 1, 0] {
            let headroom = gate.spend(10).unwrap();
            assert_eq!(headroom.requests, Some((3, left)));
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        let refused = gate.spend(10).unwrap_err();
        assert_eq!(refused.wait, Duration::from_secs(30));
        assert!(!refused.tokens);
        tokio::time::advance(Duration::from_millis(29_999)).await;
        assert_eq!(gate.spend(10).unwrap_err().wait, Duration::from_millis(1));
        tokio::time::advance(Duration::from_millis(1)).await;
        gate.spend(10).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_come_back_when_enough_have_left_the_window() {
        let gate = gate(|profile| profile.tokens_per_minute = Some(100));
        gate.spend(60).unwrap();
        tokio::time::advance(Duration::from_secs(20)).await;
        gate.spend(40).unwrap();
        let refused = gate.spend(50).unwrap_err();
        assert!(refused.tokens);
        assert_eq!(refused.wait, Duration::from_secs(40));
        assert_eq!(refused.headroom.tokens, Some((100, 0)));
        assert_eq!(refused.headroom.reset, Duration::from_secs(60));
        assert_eq!(gate.spend(70).unwrap_err().wait, Duration::from_secs(60));
        tokio::time::advance(refused.wait).await;
        gate.spend(50).unwrap();
    }

    #[tokio::test]
    async fn a_full_gate_refuses_or_queues_up_to_its_length() {
        let refusing = gate(|profile| profile.concurrency = Some(1));
        let _slot = refusing.enter().await.unwrap();
        assert!(refusing.enter().await.is_none());

        let queueing = gate(|profile| {
            profile.concurrency = Some(1);
            profile.when_full = WhenFull::Queue(1);
        });
        let slot = queueing.enter().await.unwrap();
        let mut second = Box::pin(queueing.enter());
        assert!(futures_util::poll!(&mut second).is_pending());
        assert_eq!(queueing.journal.stats().waiting, 1);
        assert!(queueing.enter().await.is_none(), "the queue is full");
        drop(slot);
        let _slot = second.await.unwrap();
        let stats = queueing.journal.stats();
        assert_eq!((stats.in_flight, stats.peak_in_flight), (1, 1));
        assert_eq!((stats.waiting, stats.peak_waiting), (0, 1));
    }
}
