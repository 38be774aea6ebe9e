//! Every figure against an independent one: what callers saw, and what the simulated servers wrote down.
//!
//! `cargo test --test it -- --ignored every_figure` runs it over 100,000 requests; `LLMDECK_REQUESTS` chooses another number.

#![expect(clippy::print_stdout, reason = "a measurement says what it measured")]

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use llmdeck::base::{
    Attempt, ChatRequest, Chunk, LlmMetrics, Measure, Outcome, Percentiles, Scope,
};
use llmdeck::driver::Settings;
use llmdeck::sim::{Delay, Ending, Fault, FaultShare, InstanceProfile, Record, Spread};
use llmdeck::{Deck, ErrorKind};
use tokio::time::Instant;

use crate::support::{QUESTION, Rig, http, types};

const AT_ONCE: usize = 48;
/// The servers remember 10,000 requests; so many are told before their log is read. Each may need three attempts.
const BATCH: usize = 3_000;

const FAULTS: [(Fault, f64, ErrorKind); 4] = [
    (Fault::ServerError, 0.04, ErrorKind::Server),
    (Fault::Unavailable, 0.03, ErrorKind::Overloaded),
    (Fault::ContextLength, 0.01, ErrorKind::ContextLength),
    (Fault::Truncated, 0.02, ErrorKind::Protocol),
];

/// What one caller saw.
struct Seen {
    outcome: Outcome,
    total: Option<Duration>,
    first: Option<Duration>,
    prompt_tokens: u64,
    completion_tokens: u64,
    attempts: Vec<Attempt>,
}

/// Asks, and leaves after the first piece of text when it `leaves`.
async fn ask(rig: &Rig, leaves: bool) -> Seen {
    let mut answer = rig.driver.stream(ChatRequest::from(QUESTION));
    let mut seen = Seen {
        outcome: Outcome::Cancelled,
        total: None,
        first: None,
        prompt_tokens: 0,
        completion_tokens: 0,
        attempts: Vec::new(),
    };
    while let Some(piece) = answer.next().await {
        match piece {
            Ok(Chunk::Text(_)) if leaves => return seen,
            Ok(Chunk::Done(response)) => {
                let usage = response.usage.unwrap();
                seen.outcome = Outcome::Success;
                seen.total = Some(response.total_time);
                seen.first = response.time_to_first_token;
                seen.prompt_tokens = usage.prompt_tokens.unwrap();
                seen.completion_tokens = usage.completion_tokens.unwrap();
                seen.attempts = response.attempts;
            }
            Ok(_) => {}
            Err(error) => {
                seen.outcome = Outcome::Failure(error.kind());
                seen.attempts = error.attempts().to_vec();
            }
        }
    }
    seen
}

/// Everything that was seen, by callers and by servers.
struct Account {
    rig: Rig,
    seen: Vec<Seen>,
    log: Vec<Record>,
}

/// Asks many times; of the requests, every so many-th leaves early.
async fn account(requests: usize, has_faults: bool, leaves_each: Option<usize>) -> Account {
    let profile = |(name, provider_type)| InstanceProfile {
        length: Some(Spread::exactly(40.0)),
        first_token: Delay::exactly(Duration::from_millis(2)),
        faults: FAULTS
            .iter()
            .filter(|_| has_faults)
            .map(|(fault, share, _)| FaultShare {
                fault: *fault,
                share: *share,
            })
            .collect(),
        ..InstanceProfile::new(name, provider_type)
    };
    let mut settings = Settings {
        seed: Some(5),
        ..Settings::default()
    };
    settings.pool.queue_limit = 1_000;
    settings.pool.breaker.enabled = false;
    let rig = Rig::new(settings, types().map(profile).into(), &http(), |spec| {
        spec.pool.limits.permits = 10;
    });
    let mut account = Account {
        rig,
        seen: Vec::new(),
        log: Vec::new(),
    };
    let mut known: BTreeMap<String, u64> = BTreeMap::new();
    while account.seen.len() < requests {
        let begin = account.seen.len();
        let batch = begin..(begin + BATCH).min(requests);
        let leaves = |number: usize| leaves_each.is_some_and(|each| number.is_multiple_of(each));
        let asked = stream::iter(batch)
            .map(|number| ask(&account.rig, leaves(number)))
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        account.seen.extend(asked);
        account.settle().await;
        for record in account.rig.server.log() {
            let next = known.entry(record.instance.to_string()).or_default();
            // Records come in the order of their ends, so a number may come after a larger one.
            if record.number >= *next {
                account.log.push(record);
            }
        }
        for (name, _) in types() {
            known.insert(name.to_owned(), account.rig.stats(name).requests);
        }
    }
    account
}

impl Account {
    /// Waits until the servers know of every end, which they may hear of a moment after the caller.
    async fn settle(&self) {
        let begun = Instant::now();
        let is_at_rest = |name| {
            let stats = self.rig.stats(name);
            stats.all_ended() == stats.requests
        };
        while !types().iter().all(|(name, _)| is_at_rest(name)) {
            assert!(begun.elapsed() < Duration::from_secs(20), "requests run on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn ended(&self, matches: impl Fn(Outcome) -> bool) -> u64 {
        let seen = self.seen.iter();
        seen.filter(|seen| matches(seen.outcome)).count() as u64
    }

    fn logged(&self, name: &str, ending: Ending) -> u64 {
        let log = self.log.iter();
        let of = |record: &&Record| record.instance.as_str() == name && record.ending == ending;
        log.filter(of).count() as u64
    }

    /// Checks the counters that callers can count too.
    fn check_what_callers_saw(&self) {
        let all = self
            .rig
            .driver
            .window_metrics(&Scope::All, Duration::from_secs(24 * 3600));
        let totals = self.rig.driver.board().totals;
        for metrics in [&all, &totals] {
            assert_eq!(metrics.total_requests, self.seen.len() as u64);
            assert_eq!(metrics.in_flight, 0);
            assert_eq!(
                metrics.successful_requests,
                self.ended(|one| one == Outcome::Success)
            );
            assert_eq!(
                metrics.cancelled_requests,
                self.ended(|one| one == Outcome::Cancelled)
            );
            for kind in ErrorKind::ALL {
                let counted = metrics.errors.get(&kind).copied().unwrap_or(0);
                assert_eq!(
                    counted,
                    self.ended(|one| one == Outcome::Failure(kind)),
                    "{kind}"
                );
            }
            let sum = |of: fn(&Seen) -> u64| self.seen.iter().map(of).sum::<u64>();
            assert_eq!(metrics.prompt_tokens, sum(|seen| seen.prompt_tokens));
            assert_eq!(
                metrics.completion_tokens,
                sum(|seen| seen.completion_tokens)
            );
            if metrics.cancelled_requests == 0 {
                assert_eq!(metrics.attempts, sum(|seen| seen.attempts.len() as u64));
                let again = |seen: &Seen| seen.attempts.len().saturating_sub(1) as u64;
                assert_eq!(metrics.retries + metrics.failovers, sum(again));
                let other = |seen: &Seen| {
                    let two = seen.attempts.windows(2);
                    two.filter(|two| two[0].instance != two[1].instance).count() as u64
                };
                assert_eq!(metrics.failovers, sum(other));
            }
        }
        check_percentiles(
            all.response_time,
            self.seen.iter().filter_map(|seen| seen.total),
        );
        check_percentiles(
            totals.response_time,
            self.seen.iter().filter_map(|seen| seen.total),
        );
        if totals.cancelled_requests == 0 && totals.failed_requests == 0 {
            let first = self.seen.iter().filter_map(|seen| seen.first);
            check_percentiles(totals.time_to_first_token, first);
        }
    }

    /// Checks what is exported against the same.
    fn check_what_is_exported(&self) {
        let figures = Deck::from(self.rig.driver.clone()).figures();
        let successes = figures
            .requests
            .iter()
            .filter(|of| of.outcome == Outcome::Success);
        let mut within = vec![0; Measure::Duration.bounds().len()];
        for of in successes {
            let counts = of.distributions[&Measure::Duration].cumulative();
            within
                .iter_mut()
                .zip(counts)
                .for_each(|(sum, count)| *sum += count);
        }
        for (bound, counted) in Measure::Duration.bounds().iter().zip(within) {
            let is_within = |total: &Duration| total.as_micros() <= u128::from(*bound);
            let totals = self.seen.iter().filter_map(|seen| seen.total);
            let by_hand = totals.filter(is_within).count() as u64;
            assert_eq!(counted, by_hand, "at or below {bound} microseconds");
        }
        let requests = figures.requests.iter().map(|of| of.count).sum::<u64>();
        assert_eq!(requests, self.seen.len() as u64);
        let attempts = figures.attempts.iter().map(|of| of.count).sum::<u64>();
        assert_eq!(attempts, self.log.len() as u64);
    }

    fn metrics(&self, name: &str) -> LlmMetrics {
        self.rig.view(name).metrics
    }
}

/// Checks each figure: not below the true one, and not above it by more than what is stated.
fn check_percentiles(told: Option<Percentiles>, values: impl Iterator<Item = Duration>) {
    let told = told.unwrap();
    let mut values: Vec<Duration> = values.collect();
    values.sort_unstable();
    assert_eq!(told.count, values.len() as u64);
    for (percent, told) in [
        (50, told.p50),
        (90, told.p90),
        (95, told.p95),
        (99, told.p99),
        (100, told.max),
    ] {
        let rank = (values.len() * percent).div_ceil(100);
        let exact = values[rank - 1];
        let whole = Duration::from_micros(exact.as_micros() as u64);
        let most = whole.mul_f64(1.0 + 1.0 / 128.0) + Duration::from_micros(1);
        assert!(
            (whole..=most).contains(&told),
            "p{percent}: told {told:?}, exactly {exact:?}"
        );
    }
}

async fn every_figure(requests: usize) {
    let begun = Instant::now();
    let account = account(requests, true, None).await;
    account.check_what_callers_saw();
    account.check_what_is_exported();
    let mut met = 0;
    for (name, _) in types() {
        let metrics = account.metrics(name);
        let logged = account
            .log
            .iter()
            .filter(|record| record.instance.as_str() == name);
        let logged: Vec<&Record> = logged.collect();
        assert_eq!(
            logged.len() as u64,
            account.rig.stats(name).requests,
            "the log is whole"
        );
        assert_eq!(metrics.total_requests, logged.len() as u64, "{name}");
        assert_eq!(
            metrics.successful_requests,
            account.logged(name, Ending::Ok),
            "{name}"
        );
        for (fault, _, kind) in FAULTS {
            let counted = metrics.errors.get(&kind).copied().unwrap_or(0);
            assert_eq!(
                counted,
                account.logged(name, fault.into()),
                "{name}: {kind}"
            );
            met += counted;
        }
        assert_eq!(
            metrics.errors.values().sum::<u64>(),
            metrics.failed_requests
        );
        let sum = |of: fn(&Record) -> u64| {
            let whole = logged.iter().filter(|record| record.ending == Ending::Ok);
            whole.map(|record| of(record)).sum::<u64>()
        };
        assert_eq!(
            metrics.completion_tokens,
            sum(|record| record.tokens_out),
            "{name}"
        );
        assert_eq!(
            metrics.prompt_tokens,
            sum(|record| record.tokens_in),
            "{name}"
        );
    }
    assert!(met as usize > requests / 20, "faults were met: {met}");
    println!("{requests} requests, {met} faults, {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn some_requests_with_faults_are_accounted_for() {
    every_figure(2_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn every_figure_over_a_hundred_thousand_requests_is_right() {
    let requests = std::env::var("LLMDECK_REQUESTS").ok();
    every_figure(requests.map_or(100_000, |many| many.parse().unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_leave_are_neither_successes_nor_failures() {
    let account = account(1_000, false, Some(7)).await;
    account.check_what_callers_saw();
    account.check_what_is_exported();
    let board = account.rig.driver.board();
    assert_eq!(board.totals.cancelled_requests, 143);
    assert_eq!(board.totals.success_rate(), Some(1.0));
    let attempts = |of: fn(&LlmMetrics) -> u64| -> u64 {
        types()
            .iter()
            .map(|(name, _)| of(&account.metrics(name)))
            .sum()
    };
    assert_eq!(attempts(|of| of.cancelled_requests), 143);
    assert_eq!(attempts(|of| of.total_requests), account.log.len() as u64);
}
