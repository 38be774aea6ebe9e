use std::time::Duration;

use super::*;
use crate::base::{ErrorKind, LlmMetrics, Outcome, RequestId, Scope, Usage};
use crate::monitor::Settings;

const MINUTE: Duration = Duration::from_secs(60);

fn sample(number: u64, called_at: Timestamp) -> Sample {
    // Spread from nothing to fifty seconds, without a die.
    let share = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / f64::from(1 << 24);
    let total = Duration::from_micros(1_000 + (share * 5e7) as u64);
    let instance: InstanceName = ["a", "b", "gone"][(number % 3) as usize].into();
    let outcome = match number % 7 {
        0 => Outcome::Failure(ErrorKind::Server),
        1 => Outcome::Cancelled,
        _ => Outcome::Success,
    };
    let attempt = |outcome, started_after, total| Attempt {
        instance: instance.clone(),
        model: "m".to_owned(),
        outcome,
        message: (outcome != Outcome::Success).then(|| format!("no room for {number}")),
        status: Some(200),
        started_after,
        queued: started_after / 3,
        headers: Some(total / 9),
        first_token: Some(total / 4),
        total,
    };
    let half = total / 2;
    let first = Outcome::Failure(ErrorKind::Overloaded);
    Sample {
        called_at,
        instance: Some(instance.clone()),
        provider_type: Some(ProviderType::ALL[(number % 3) as usize]),
        route: number.is_multiple_of(2).then(|| "fast".into()),
        time_to_first_token: Some(total / 3),
        time_between_tokens: Some(total / 300),
        queued: total / 30,
        attempts: vec![
            attempt(first, Duration::ZERO, half),
            attempt(outcome, half, half),
        ],
        retries: 1,
        usage: Some(Usage {
            prompt_tokens: Some(number),
            completion_tokens: Some(number % 91),
            ..Usage::default()
        }),
        cost: number.is_multiple_of(5).then_some(0.001),
        ..Sample::new(RequestId(number), outcome, total)
    }
}

/// Tells a monitor of a request as the driver does, everything at its own time.
fn live(monitor: &LlmMonitor, samples: &[Sample], at: impl Fn(Timestamp) -> Instant) {
    let mut ends: Vec<(Timestamp, &Sample, Option<&Attempt>)> = Vec::new();
    for sample in samples {
        monitor.begin(sample.request, sample.route.as_ref());
        let asked = sample.provider_type.unwrap();
        for attempt in &sample.attempts {
            monitor.attempt_begin(sample.request, &attempt.instance, asked);
            let ended = after(sample.called_at, attempt.started_after + attempt.total);
            ends.push((ended, sample, Some(attempt)));
        }
        ends.push((after(sample.called_at, sample.total), sample, None));
    }
    ends.sort_by_key(|(ended, ..)| *ended);
    for (ended, sample, attempt) in ends {
        match attempt {
            Some(attempt) => {
                monitor.attempt_end(attempt, sample.provider_type.unwrap(), at(ended));
            }
            None => monitor.record(sample, at(ended)),
        }
    }
}

/// What a window says, without what only the start knows.
fn window(monitor: &LlmMonitor, scope: &Scope, minutes: u32, now: Instant) -> LlmMetrics {
    LlmMetrics {
        last_error: None,
        since_last_success: None,
        ..monitor.window_metrics(scope, MINUTE * minutes, now)
    }
}

#[tokio::test(start_paused = true)]
async fn windows_go_on_where_they_stopped() {
    let day = Duration::from_secs(24 * 3600);
    let wall = Timestamp::now();
    let before = LlmMonitor::new(&Settings::default(), Instant::now());
    let began = Instant::now();
    tokio::time::advance(day).await;
    let after = LlmMonitor::new(&Settings::default(), Instant::now());

    // A request each twenty seconds or so over the whole day, ends in any order; the wall clock does not stand still
    // in between, so times are kept away from the edges of seconds.
    let start = wall;
    let dawn = start.checked_sub(day).unwrap();
    let samples: Vec<Sample> = (0..4_000)
        .map(|number| {
            let called = dawn
                .checked_add(Duration::from_millis(500 + number * 21_600))
                .unwrap();
            let mut sample = sample(number, called);
            sample.total = Duration::from_secs(2 * sample.total.as_secs());
            for (index, attempt) in sample.attempts.iter_mut().enumerate() {
                attempt.total = sample.total / 2;
                attempt.started_after = attempt.total * index as u32;
            }
            sample
        })
        .filter(|sample| super::after(sample.called_at, sample.total) < start)
        .collect();
    live(&before, &samples, |at| {
        began + Duration::try_from(at.duration_since(dawn)).unwrap()
    });
    let names = |names: &[&str]| names.iter().map(|name| (*name).into()).collect::<Vec<_>>();
    let instances: Vec<InstanceName> = names(&["a", "b"])
        .into_iter()
        .map(|name: String| name.as_str().into())
        .collect();
    let mut past = after.past(dawn, [RouteName::from("fast")], instances);
    past.start.0 = start;
    past.dawn = START.saturating_sub(day).as_secs();
    for sample in samples {
        past.take(sample);
    }
    after.recall(past);

    let now = Instant::now();
    let known = [
        Scope::All,
        Scope::Type(ProviderType::Ollama),
        Scope::Route("fast".into()),
        Scope::Instance("a".into()),
    ];
    for scope in &known {
        for minutes in [1, 5, 15, 60, 24 * 60] {
            let (lived, told) = (
                window(&before, scope, minutes, now),
                window(&after, scope, minutes, now),
            );
            assert!(minutes < 15 || lived.total_requests > 0);
            assert_eq!(lived, told, "{scope:?}, {minutes} minutes");
            let series = |monitor: &LlmMonitor| monitor.series(scope, MINUTE * minutes, 100, now);
            let (lived, told) = (series(&before), series(&after));
            assert_eq!(lived.buckets, told.buckets);
            assert_eq!(lived.requests_per_second, told.requests_per_second);
            assert_eq!(lived.tokens_per_second, told.tokens_per_second);
            assert_eq!(lived.errors, told.errors);
        }
    }
    let gone = Scope::Instance("gone".into());
    assert_eq!(window(&after, &gone, 60, now), LlmMetrics::default());
    let (lived, told) = (
        before.recent_errors(100, now),
        after.recent_errors(100, now),
    );
    assert_eq!(lived.recent, told.recent);
    assert_eq!(lived.groups, told.groups);
    assert_eq!(after.metrics(&Scope::All, now).total_requests, 0);
}

#[tokio::test(start_paused = true)]
async fn what_has_happened_since_the_start_stays_and_nothing_counts_twice() {
    let start = Instant::now();
    let monitor = LlmMonitor::new(&Settings::default(), start);
    let wall = Timestamp::now();
    tokio::time::advance(Duration::from_secs(30)).await;
    let now = Instant::now();
    let called = |before: u64| wall.checked_sub(Duration::from_secs(before)).unwrap();
    let mut past = monitor.past(called(60), [], []);
    past.start.0 = wall;
    let mut ended_before = sample(2, called(10));
    ended_before.total = Duration::from_secs(9);
    let mut ended_since = sample(3, called(5));
    ended_since.total = Duration::from_secs(20);
    monitor.record(&ended_since, start + Duration::from_secs(15));
    past.take(ended_before);
    past.take(ended_since);
    monitor.recall(past);
    let all = monitor.window_metrics(&Scope::All, MINUTE, now);
    assert_eq!(all.total_requests, 2);
    assert_eq!(monitor.metrics(&Scope::All, now).total_requests, 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_time_before_the_start_counts_as_silent() {
    let monitor = LlmMonitor::new(&Settings::default(), Instant::now());
    let hour_ago = Timestamp::now().checked_sub(MINUTE * 60).unwrap();
    let mut past = monitor.past(hour_ago, [], []);
    past.take(sample(2, hour_ago.checked_add(MINUTE * 30).unwrap()));
    monitor.recall(past);
    tokio::time::advance(Duration::from_secs(1)).await;
    let series = monitor.series(&Scope::All, MINUTE * 60, 60, Instant::now());
    assert_eq!(series.buckets.len(), 60);
    assert!((series.requests_per_second - 1.0 / 3600.0).abs() < 1e-5);
    let day = monitor.series(&Scope::All, MINUTE * 60 * 24, 144, Instant::now());
    assert!(day.buckets.len() <= 8, "nobody knows what was before");
}
