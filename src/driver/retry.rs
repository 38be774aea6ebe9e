//! Whether another attempt is made, and when: a pure decision, used by the driver and by the simulator.

use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::base::{Error, ErrorKind, RetryView};

/// Retries and their budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrySettings {
    /// Attempts of one request, the first included.
    pub attempts: u32,
    /// Retries allowed for each request in the long run; failover after a rate limit is free of it.
    pub budget: f64,
    /// Retries that may come in one burst.
    pub burst: f64,
    /// First step of the backoff when no other instance is left.
    #[serde(with = "humantime_serde")]
    pub backoff: Duration,
    /// Longest backoff.
    #[serde(with = "humantime_serde")]
    pub backoff_at_most: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts: 3,
            budget: 0.2,
            burst: 10.0,
            backoff: Duration::from_millis(250),
            backoff_at_most: Duration::from_secs(8),
        }
    }
}

/// What comes after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The error is the answer.
    Stop,
    /// Another instance, at once.
    Failover,
    /// No other is left: any instance, after this time (full jitter).
    Again(Duration),
}

/// Decides. `attempt` is the number of the one that failed, from 1; `untried` whether another instance is left.
pub(crate) fn next(
    settings: &RetrySettings,
    error: &Error,
    attempt: u32,
    untried: bool,
    dice: &mut impl Rng,
) -> Next {
    let kind = error.kind();
    if attempt >= settings.attempts {
        return Next::Stop;
    }
    if untried && kind.failover() {
        return Next::Failover;
    }
    if !kind.retry_same() {
        return Next::Stop;
    }
    // A rate limit is waited out in the queue, exactly as long as the provider said.
    if kind == ErrorKind::RateLimited {
        return Next::Again(Duration::ZERO);
    }
    let cap = settings
        .backoff
        .saturating_mul(1 << (attempt - 1).min(16))
        .min(settings.backoff_at_most);
    let wait = cap.mul_f64(dice.random_range(0.0..=1.0));
    Next::Again(error.retry_after().map_or(wait, |given| given.max(wait)))
}

/// The budget of retries: every request pays a fifth of one in, every retry takes one out.
#[derive(Debug)]
pub(crate) struct Budget(parking_lot::Mutex<Account>);

#[derive(Debug)]
struct Account {
    tokens: f64,
    share: f64,
    most: f64,
    refused: u64,
}

impl Budget {
    pub(crate) fn new(settings: &RetrySettings) -> Self {
        Self(parking_lot::Mutex::new(Account {
            tokens: settings.burst,
            share: settings.budget,
            most: settings.burst * 5.0,
            refused: 0,
        }))
    }

    /// Goes on with other settings and what is in it.
    pub(crate) fn tune(&self, settings: &RetrySettings) {
        let mut account = self.0.lock();
        account.share = settings.budget;
        account.most = settings.burst * 5.0;
        account.tokens = account.tokens.min(account.most);
    }

    /// Pays in for a request.
    pub(crate) fn request(&self) {
        let mut account = self.0.lock();
        account.tokens = (account.tokens + account.share).min(account.most);
    }

    /// Tells whether there is one to take; when there is none, that counts as refused.
    pub(crate) fn has_one(&self) -> bool {
        let mut account = self.0.lock();
        let enough = account.tokens >= 1.0;
        account.refused += u64::from(!enough);
        enough
    }

    /// Takes one retry out, if there is one. After a rate limit it is free, and so is going on to another instance for
    /// whoever carried a probe: that was the pool's own question, one each open time.
    pub(crate) fn take(&self, kind: ErrorKind, was_probe: bool, next: Next) -> bool {
        if kind == ErrorKind::RateLimited || (was_probe && next == Next::Failover) {
            return true;
        }
        let mut account = self.0.lock();
        let enough = account.tokens >= 1.0;
        if enough {
            account.tokens -= 1.0;
        } else {
            account.refused += 1;
        }
        enough
    }

    /// Returns how it stands.
    pub(crate) fn view(&self) -> RetryView {
        let account = self.0.lock();
        // Fifths do not add up to whole numbers to the last digit.
        let whole = |amount: f64| (amount + 1e-9).max(0.0) as u64;
        RetryView {
            left: whole(account.tokens),
            limit: whole(account.most),
            refused: account.refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    fn decide(kind: ErrorKind, attempt: u32, untried: bool) -> Next {
        let mut dice = SmallRng::seed_from_u64(1);
        next(
            &RetrySettings::default(),
            &Error::new(kind, "x"),
            attempt,
            untried,
            &mut dice,
        )
    }

    #[test]
    fn another_instance_is_asked_at_once() {
        assert_eq!(decide(ErrorKind::Server, 1, true), Next::Failover);
        assert_eq!(decide(ErrorKind::Auth, 1, true), Next::Failover);
        assert_eq!(decide(ErrorKind::RateLimited, 2, true), Next::Failover);
    }

    #[test]
    fn the_callers_own_mistakes_are_never_sent_again() {
        for kind in ErrorKind::ALL {
            if !kind.failover() {
                assert_eq!(decide(kind, 1, true), Next::Stop, "{kind}");
            }
        }
        assert_eq!(decide(ErrorKind::QuotaExhausted, 1, false), Next::Stop);
        assert_eq!(decide(ErrorKind::Auth, 1, false), Next::Stop);
    }

    #[test]
    fn three_attempts_at_most_and_backoff_grows_within_its_cap() {
        assert_eq!(decide(ErrorKind::Server, 3, true), Next::Stop);
        let mut dice = SmallRng::seed_from_u64(1);
        let settings = RetrySettings {
            attempts: 20,
            ..RetrySettings::default()
        };
        for attempt in 1..20 {
            let Next::Again(wait) = next(
                &settings,
                &Error::new(ErrorKind::Server, "x"),
                attempt,
                false,
                &mut dice,
            ) else {
                panic!("a server error is tried again")
            };
            assert!(wait <= Duration::from_secs(8));
        }
    }

    #[test]
    fn the_budget_bounds_retries_in_the_long_run_but_not_after_rate_limits() {
        let budget = Budget::new(&RetrySettings::default());
        let mut retries = 0;
        for _ in 0..1_000 {
            budget.request();
            while budget.take(ErrorKind::Server, false, Next::Failover) {
                retries += 1;
            }
        }
        assert!((200..=211).contains(&retries), "{retries}");
        assert!(budget.take(ErrorKind::RateLimited, false, Next::Failover));
        assert!(budget.take(ErrorKind::Server, true, Next::Failover));
        let again = Next::Again(Duration::from_secs(1));
        assert!(!budget.take(ErrorKind::Server, true, again));
    }
}
