//! The monitor as the driver and a reader see it.

mod model;

use super::*;
use crate::base::{ErrorKind, Usage};

const MINUTE: Duration = Duration::from_secs(60);

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn attempt(instance: &str, outcome: Outcome, total: f64) -> Attempt {
    Attempt {
        instance: instance.into(),
        model: "m".to_owned(),
        outcome,
        message: matches!(outcome, Outcome::Failure(_)).then(|| format!("{instance} failed")),
        status: None,
        started_after: Duration::ZERO,
        queued: Duration::ZERO,
        headers: Some(secs(total / 8.0)),
        first_token: (outcome == Outcome::Success).then(|| secs(total / 4.0)),
        total: secs(total),
    }
}

/// A request that one OpenAI instance answers.
fn answered(number: u64, instance: &str, total: f64) -> Sample {
    Sample {
        instance: Some(instance.into()),
        provider_type: Some(ProviderType::OpenAi),
        time_to_first_token: Some(secs(total / 4.0)),
        attempts: vec![attempt(instance, Outcome::Success, total)],
        ..Sample::new(RequestId(number), Outcome::Success, secs(total))
    }
}

/// Tells the monitor of a whole request at its end.
fn tell(monitor: &LlmMonitor, sample: &Sample, now: Instant) {
    monitor.begin(sample.request, sample.route.as_ref());
    for attempt in &sample.attempts {
        let provider_type = sample.provider_type.unwrap();
        monitor.attempt_begin(sample.request, &attempt.instance, provider_type);
        monitor.attempt_end(attempt, provider_type, now);
    }
    monitor.record(sample, now);
}

fn monitor() -> (LlmMonitor, Instant) {
    let start = Instant::now();
    (LlmMonitor::new(&Settings::default(), start), start)
}

fn instance(name: &str) -> Scope {
    Scope::Instance(name.into())
}

#[tokio::test(start_paused = true)]
async fn nothing_known_is_nothing_and_not_zero() {
    let (monitor, start) = monitor();
    for scope in [Scope::All, Scope::Type(ProviderType::Ollama), instance("a")] {
        let metrics = monitor.metrics(&scope, start);
        assert_eq!(metrics, LlmMetrics::default());
        assert_eq!(metrics.success_rate(), None);
        let series = monitor.series(&scope, MINUTE, 60, start);
        assert_eq!(series.buckets.len(), 1);
        assert_eq!(series.success_rate, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failover_is_a_success_in_all_and_a_failure_of_the_instance() {
    let (monitor, start) = monitor();
    let failure = Outcome::Failure(ErrorKind::Server);
    let mut sample = answered(1, "b", 4.0);
    sample.attempts.insert(0, attempt("a", failure, 1.0));
    sample.failovers = 1;
    tell(&monitor, &sample, start);

    let all = monitor.metrics(&Scope::All, start);
    assert_eq!((all.successful_requests, all.failed_requests), (1, 0));
    assert_eq!((all.attempts, all.failovers, all.retries), (2, 1, 0));
    assert!(all.errors.is_empty() && all.last_error.is_none());
    assert_eq!(all.average_response_time, Some(secs(4.0)));

    let a = monitor.metrics(&instance("a"), start);
    assert_eq!((a.total_requests, a.failed_requests), (1, 1));
    assert_eq!(a.errors, BTreeMap::from([(ErrorKind::Server, 1)]));
    assert_eq!(a.last_error.unwrap().message, "a failed");
    assert_eq!(a.since_last_success, None);
    let b = monitor.metrics(&instance("b"), start);
    assert_eq!((b.total_requests, b.successful_requests), (1, 1));
    let series = monitor.series(&instance("a"), MINUTE, 60, start);
    assert_eq!(series.last_errors[0].message, "a failed");
    assert!(
        monitor
            .series(&Scope::All, MINUTE, 60, start)
            .last_errors
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_request_is_neither_success_nor_failure() {
    let (monitor, start) = monitor();
    let mut sample = answered(1, "a", 2.0);
    sample.outcome = Outcome::Cancelled;
    sample.attempts[0].outcome = Outcome::Cancelled;
    tell(&monitor, &sample, start);
    for scope in [Scope::All, instance("a")] {
        let metrics = monitor.metrics(&scope, start);
        assert_eq!((metrics.total_requests, metrics.cancelled_requests), (1, 1));
        assert_eq!(metrics.success_rate(), None);
        assert_eq!(
            metrics.response_time, None,
            "its time is the caller's patience"
        );
        assert!(
            metrics.time_to_first_token.is_some(),
            "it had a first token"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_met_no_instance_counts_in_all_and_its_route_only() {
    let (monitor, start) = monitor();
    let full = ErrorKind::QueueFull;
    let sample = Sample {
        route: Some("fast".into()),
        error: Some((full, "the queue is full".to_owned())),
        ..Sample::new(RequestId(1), Outcome::Failure(full), Duration::ZERO)
    };
    tell(&monitor, &sample, start);
    for scope in [Scope::All, Scope::Route("fast".into())] {
        let metrics = monitor.metrics(&scope, start);
        assert_eq!(metrics.failed_requests, 1);
        let error = metrics.last_error.unwrap();
        assert_eq!((error.kind, error.instance), (full, None));
        assert_eq!(error.message, "the queue is full");
    }
    for metrics in monitor.get_all_metrics(start).into_values() {
        assert_eq!(metrics.total_requests, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failover_takes_the_running_request_along_to_the_other_type() {
    let (monitor, start) = monitor();
    let in_flight = |scope: &Scope| monitor.metrics(scope, start).in_flight;
    let openai = Scope::Type(ProviderType::OpenAi);
    let ollama = Scope::Type(ProviderType::Ollama);
    let request = RequestId(1);
    monitor.begin(request, None);
    assert_eq!(
        (in_flight(&Scope::All), in_flight(&openai)),
        (1, 0),
        "it waits"
    );
    monitor.attempt_begin(request, &"a".into(), ProviderType::OpenAi);
    assert_eq!((in_flight(&openai), in_flight(&instance("a"))), (1, 1));
    monitor.attempt_end(
        &attempt("a", Outcome::Failure(ErrorKind::Network), 1.0),
        ProviderType::OpenAi,
        start,
    );
    assert_eq!((in_flight(&openai), in_flight(&instance("a"))), (1, 0));
    monitor.attempt_begin(request, &"b".into(), ProviderType::Ollama);
    assert_eq!((in_flight(&openai), in_flight(&ollama)), (0, 1));
    assert_eq!(in_flight(&instance("b")), 1);
    monitor.attempt_end(
        &attempt("b", Outcome::Success, 1.0),
        ProviderType::Ollama,
        start,
    );
    let mut sample = answered(1, "b", 2.0);
    sample.provider_type = Some(ProviderType::Ollama);
    monitor.record(&sample, start);
    for scope in [
        &Scope::All,
        &openai,
        &ollama,
        &instance("a"),
        &instance("b"),
    ] {
        assert_eq!(in_flight(scope), 0, "{scope:?}");
    }
    assert_eq!(monitor.metrics(&openai, start).total_requests, 0);
    assert_eq!(
        monitor
            .get_metrics(ProviderType::Ollama, start)
            .successful_requests,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_shows_at_its_instance_before_the_request_ends() {
    let (monitor, start) = monitor();
    monitor.begin(RequestId(1), None);
    monitor.attempt_begin(RequestId(1), &"a".into(), ProviderType::OpenAi);
    monitor.attempt_end(
        &attempt("a", Outcome::Failure(ErrorKind::Auth), 0.1),
        ProviderType::OpenAi,
        start,
    );
    assert_eq!(monitor.metrics(&instance("a"), start).failed_requests, 1);
    assert_eq!(monitor.metrics(&Scope::All, start).failed_requests, 0);
}

#[tokio::test(start_paused = true)]
async fn tokens_count_as_they_arrive_and_are_corrected_at_the_end() {
    let (monitor, start) = monitor();
    let request = RequestId(1);
    let at = |second: f64| start + secs(second);
    let rate = |second| monitor.metrics(&Scope::All, at(second)).tokens_per_second;
    monitor.begin(request, None);
    monitor.attempt_begin(request, &"a".into(), ProviderType::OpenAi);
    for second in 1..=10 {
        let now = at(f64::from(second));
        monitor.progress(request, &"a".into(), ProviderType::OpenAi, 20, now);
    }
    assert_eq!(
        rate(10.0),
        20.0,
        "200 pieces in the ten seconds since the start"
    );
    let mut sample = answered(1, "a", 12.0);
    sample.usage = Some(Usage {
        completion_tokens: Some(180),
        ..Usage::default()
    });
    monitor.attempt_end(&sample.attempts[0], ProviderType::OpenAi, at(12.0));
    monitor.record(&sample, at(12.0));
    assert_eq!(rate(12.0), 15.0, "180 tokens in twelve seconds");
    let scopes = [Scope::All, Scope::Type(ProviderType::OpenAi), instance("a")];
    for scope in &scopes {
        let series = monitor.series(scope, MINUTE, 60, at(12.0));
        assert_eq!(series.tokens_per_second, 15.0);
        assert_eq!(series.buckets[10].streamed_tokens, 20);
        assert_eq!(monitor.metrics(scope, at(12.0)).completion_tokens, 180);
    }
    // The first second has left the window, which begins with the third: 9 pieces of 20, and the correction.
    assert_eq!(rate(61.5), 160.0 / 59.5);
    assert_eq!(rate(75.0), 0.0);
}

#[tokio::test(start_paused = true)]
async fn tokens_that_no_one_told_of_count_at_the_end() {
    let (monitor, start) = monitor();
    let mut sample = answered(1, "a", 12.0);
    sample.usage = Some(Usage {
        completion_tokens: Some(300),
        ..Usage::default()
    });
    let now = start + secs(600.5);
    tell(&monitor, &sample, now);
    assert_eq!(
        monitor.metrics(&Scope::All, now).tokens_per_second,
        300.0 / 59.5
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_count_the_pieces_stand_as_rate_but_not_as_tokens() {
    let (monitor, start) = monitor();
    monitor.begin(RequestId(1), None);
    monitor.progress(RequestId(1), &"a".into(), ProviderType::Ollama, 30, start);
    monitor.record(&answered(1, "a", 1.0), start);
    let metrics = monitor.metrics(&Scope::All, start + secs(3.0));
    assert_eq!(metrics.tokens_per_second, 10.0);
    assert_eq!(metrics.completion_tokens, 0);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_price_is_unknown_and_not_zero() {
    let (monitor, start) = monitor();
    tell(&monitor, &answered(1, "a", 1.0), start);
    let all = monitor.metrics(&Scope::All, start);
    assert_eq!((all.cost, all.unpriced), (None, 1));
    for (number, cost) in [(2, 0.1), (3, 0.2), (4, f64::NAN)] {
        let mut sample = answered(number, "a", 1.0);
        sample.cost = Some(cost);
        tell(&monitor, &sample, start);
    }
    for scope in [Scope::All, instance("a")] {
        let metrics = monitor.metrics(&scope, start);
        assert_eq!((metrics.cost, metrics.unpriced), (Some(0.3), 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_and_the_whole_agree_while_nothing_is_older() {
    let (monitor, start) = monitor();
    for number in 0..500 {
        let mut sample = answered(number, "a", 0.1 + number as f64 / 37.0);
        sample.queued = secs(number as f64 / 1000.0);
        sample.time_between_tokens = Some(secs(0.02 + number as f64 / 90_000.0));
        tell(&monitor, &sample, start + secs(number as f64 / 2.0));
    }
    let now = start + secs(260.0);
    for scope in [Scope::All, Scope::Type(ProviderType::OpenAi), instance("a")] {
        let whole = monitor.metrics(&scope, now);
        assert_eq!(whole.queued.unwrap().count, 500);
        assert_eq!(whole.time_between_tokens.unwrap().count, 500);
        for minutes in [5, 15, 60, 24 * 60] {
            assert_eq!(monitor.window_metrics(&scope, MINUTE * minutes, now), whole);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_forgets_what_the_start_remembers() {
    let (monitor, start) = monitor();
    let failure = Outcome::Failure(ErrorKind::Server);
    let mut failed = Sample::new(RequestId(1), failure, secs(1.0));
    failed.error = Some((ErrorKind::Server, "boom".to_owned()));
    tell(&monitor, &failed, start);
    let now = start + MINUTE * 10;
    tell(&monitor, &answered(2, "a", 1.0), now);
    let window = monitor.window_metrics(&Scope::All, MINUTE, now);
    assert_eq!((window.successful_requests, window.failed_requests), (1, 0));
    assert_eq!(window.last_error, None);
    let window = monitor.window_metrics(&Scope::All, MINUTE * 15, now);
    assert_eq!((window.successful_requests, window.failed_requests), (1, 1));
    assert_eq!(window.last_error.unwrap().age, MINUTE * 10);
}

#[tokio::test(start_paused = true)]
async fn buckets_keep_their_number_as_time_moves_on() {
    let (monitor, start) = monitor();
    for second in (0..1200).step_by(7) {
        let now = start + secs(f64::from(second));
        tell(&monitor, &answered(second as u64, "a", 1.0), now);
    }
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    for second in 1200..1400 {
        let now = start + secs(f64::from(second));
        let series = monitor.series(&Scope::All, MINUTE * 5, 40, now);
        assert_eq!(series.step, secs(8.0));
        assert_eq!(series.buckets.len(), 38);
        assert_eq!(series.newest, 2 * 24 * 3600 / 8 + second as u64 / 8);
        let first = series.newest - 37;
        for (bucket, number) in series.buckets.iter().zip(first..) {
            let before = *seen.entry(number).or_insert(bucket.successful);
            assert_eq!(bucket.successful, before, "bucket {number} at {second} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_in_which_nothing_ended_is_a_gap() {
    let (monitor, start) = monitor();
    tell(&monitor, &answered(1, "a", 2.0), start + secs(3.0));
    let series = monitor.series(&Scope::All, MINUTE, 60, start + secs(5.9));
    assert_eq!(series.buckets.len(), 6, "there is nothing before the start");
    assert_eq!(series.buckets[3].average_response_time, Some(secs(2.0)));
    assert_eq!(series.buckets[3].average_first_token, Some(secs(0.5)));
    assert!(series.buckets[3].p95_response_time.unwrap() >= secs(2.0));
    for gap in [0, 1, 2, 4, 5] {
        assert_eq!(series.buckets[gap], crate::base::SeriesBucket::default());
    }
    assert_eq!(series.success_rate, Some(1.0));
    assert_eq!(series.requests_per_second, 1.0 / 5.9);
}

#[tokio::test(start_paused = true)]
async fn ten_busy_days_take_no_more_memory_than_two() {
    let (monitor, start) = monitor();
    let mut after_two_days = 0;
    let mut seed = 1_u64;
    for second in (0..10 * 24 * 3600).step_by(20) {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // From 0.25 s to 16 s, each doubling as likely as the other.
        let total = 0.25 * (2_f64).powf(6.0 * (seed >> 40) as f64 / (1_u64 << 24) as f64);
        let mut sample = answered(second, "a", total);
        sample.time_between_tokens = Some(secs(total / 200.0));
        sample.queued = secs(total / 10.0);
        if seed >> 60 == 0 {
            let kind = ErrorKind::Server;
            sample.outcome = Outcome::Failure(kind);
            sample.attempts[0].outcome = Outcome::Failure(kind);
            sample.error = Some((kind, format!("error {seed}")));
        }
        tell(&monitor, &sample, start + Duration::from_secs(second));
        if second == 2 * 24 * 3600 {
            after_two_days = monitor.memory_bytes();
        }
    }
    let after_ten = monitor.memory_bytes();
    println!("3 scopes, 2 days: {after_two_days} bytes, 10 days: {after_ten} bytes");
    assert!(after_ten < after_two_days + after_two_days / 20);
    assert!(after_ten < 3 * 1_000_000);
}

#[tokio::test(start_paused = true)]
async fn names_that_come_and_go_do_not_pile_up() {
    let (monitor, start) = monitor();
    for number in 0..2_000 {
        let name = format!("i{number}");
        let now = start + Duration::from_secs(number);
        tell(&monitor, &answered(number, &name, 1.0), now);
    }
    let now = start + Duration::from_secs(2_000);
    assert_eq!(monitor.metrics(&instance("i1999"), now).total_requests, 1);
    assert_eq!(monitor.metrics(&instance("i0"), now).total_requests, 0);
    assert!(monitor.memory_bytes() < 30_000_000);
}

#[tokio::test(start_paused = true)]
async fn many_threads_tell_and_one_reads_and_nothing_is_lost() {
    const THREADS: u64 = 4;
    const EACH: u64 = 2_000;
    let (monitor, start) = monitor();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let monitor = &monitor;
            scope.spawn(move || {
                for number in 0..EACH {
                    // Threads are not in step, so they come before and after each other's seconds.
                    let now = start + Duration::from_millis(number * 17 + thread * 700);
                    tell(monitor, &answered(thread * EACH + number, "a", 1.0), now);
                }
            });
        }
        let mut before = 0;
        while before < THREADS * EACH {
            let now = start + Duration::from_millis(before * 4);
            let all = monitor.metrics(&Scope::All, now);
            let ended = all.successful_requests;
            assert!(ended >= before, "what has ended stays");
            assert!(all.in_flight <= THREADS);
            assert_eq!(all.response_time.map_or(0, |times| times.count), ended);
            monitor.series(&Scope::All, MINUTE, 60, now);
            before = ended;
        }
    });
    let now = start + secs(40.0);
    let whole = monitor.metrics(&Scope::All, now);
    assert_eq!((whole.total_requests, whole.in_flight), (THREADS * EACH, 0));
    let hour = monitor.window_metrics(&Scope::All, MINUTE * 60, now);
    assert_eq!(hour.successful_requests, THREADS * EACH);
    assert_eq!(hour.response_time, whole.response_time);
}
