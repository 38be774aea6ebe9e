//! What telling the monitor costs, and what reading it costs while it holds a busy day.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and stops at the first surprise"
)]

use std::hint::black_box;
use std::time::Duration;

use llmdeck::base::{
    Attempt, InstanceName, Outcome, ProviderType, RequestId, Sample, Scope, Usage,
};
use llmdeck::monitor::{LlmMonitor, Settings};
use tokio::time::Instant;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn sample(number: u64, names: &[InstanceName]) -> Sample {
    // Spread over six doublings, as answers are.
    let chance = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let total =
        Duration::from_secs_f64(0.25 * 2_f64.powf(6.0 * chance as f64 / (1_u64 << 24) as f64));
    let which = (number % names.len() as u64) as usize;
    Sample {
        instance: Some(names[which].clone()),
        provider_type: Some(ProviderType::ALL[which % 3]),
        time_to_first_token: Some(total / 4),
        time_between_tokens: Some(total / 200),
        queued: total / 20,
        attempts: vec![Attempt {
            instance: names[which].clone(),
            model: "m".to_owned(),
            outcome: Outcome::Success,
            message: None,
            status: Some(200),
            started_after: Duration::ZERO,
            queued: total / 20,
            headers: Some(total / 8),
            first_token: Some(total / 4),
            total,
        }],
        usage: Some(Usage {
            prompt_tokens: Some(300),
            completion_tokens: Some(200),
            ..Usage::default()
        }),
        ..Sample::new(RequestId(number), Outcome::Success, total)
    }
}

/// Returns the processor time that this thread has used, which other programs do not disturb; Linux alone tells it.
fn processor_time() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = told.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// Runs `many` times and prints the mean.
fn time(what: &str, many: u32, mut run: impl FnMut(u32)) -> Duration {
    let (start, used) = (Instant::now(), processor_time());
    for number in 0..many {
        run(number);
    }
    let each = start.elapsed() / many;
    let used = processor_time()
        .zip(used)
        .map(|(now, then)| now.saturating_sub(then) / many);
    let used = used.map_or_else(|| "-".to_owned(), |used| used.as_nanos().to_string());
    println!(
        "{what:<58} {:>10} ns {used:>10} ns of the processor",
        each.as_nanos()
    );
    each
}

fn main() {
    let names = NAMES.map(InstanceName::from);
    let start = Instant::now();
    // Samples are made beforehand: making one allocates, which is not the monitor's cost.
    let samples: Vec<Sample> = (0..100_000).map(|number| sample(number, &names)).collect();

    for (rate, gap) in [
        ("1 request a second", 1_000_000),
        ("100 a second", 10_000),
        ("10000 a second", 100),
    ] {
        let monitor = LlmMonitor::new(&Settings::default(), start);
        let at = |number: u32| start + Duration::from_micros(u64::from(number) * gap);
        time(
            &format!("record alone, at {rate}"),
            samples.len() as u32,
            |number| {
                monitor.record(&samples[number as usize], at(number));
            },
        );
        let monitor = LlmMonitor::new(&Settings::default(), start);
        time(
            &format!("begin, attempt, record, at {rate}"),
            samples.len() as u32,
            |number| {
                let sample = &samples[number as usize];
                monitor.begin(sample.request, None);
                let attempt = sample.attempts.first().unwrap();
                monitor.attempt_begin(
                    sample.request,
                    &attempt.instance,
                    sample.provider_type.unwrap(),
                );
                monitor.attempt_end(attempt, sample.provider_type.unwrap(), at(number));
                monitor.record(sample, at(number));
            },
        );
    }

    let monitor = LlmMonitor::new(&Settings::default(), start);
    monitor.begin(RequestId(1), None);
    time("progress", 1_000_000, |number| {
        let now = start + Duration::from_micros(u64::from(number) * 1000);
        monitor.progress(RequestId(1), &names[0], ProviderType::OpenAi, 1, now);
    });

    let monitor = LlmMonitor::new(&Settings::default(), start);
    // A day of 1.2 requests a second.
    let at = |number: u32| start + Duration::from_millis(u64::from(number) * 864);
    for (number, sample) in samples.iter().enumerate() {
        let attempt = sample.attempts.first().unwrap();
        monitor.begin(sample.request, None);
        monitor.attempt_begin(
            sample.request,
            &attempt.instance,
            sample.provider_type.unwrap(),
        );
        monitor.attempt_end(attempt, sample.provider_type.unwrap(), at(number as u32));
        monitor.record(sample, at(number as u32));
    }
    println!(
        "a day, 100000 requests, 6 instances: {} KB",
        monitor.memory_bytes() / 1000
    );
    let now = at(samples.len() as u32);
    time("metrics of all since the start", 1000, |_| {
        black_box(monitor.metrics(&Scope::All, now));
    });
    for (window, seconds) in [("1 min", 60), ("60 min", 3600), ("24 h", 24 * 3600)] {
        let window_length = Duration::from_secs(seconds);
        time(&format!("window_metrics of all, {window}"), 200, |_| {
            black_box(monitor.window_metrics(&Scope::All, window_length, now));
        });
        time(
            &format!("series of all, {window}, 100 buckets"),
            200,
            |_| {
                black_box(monitor.series(&Scope::All, window_length, 100, now));
            },
        );
    }

    // Ten a second at one instance, all day: three scopes hold it, all, its type and the instance.
    let monitor = LlmMonitor::new(&Settings::default(), start);
    for number in 0..864_000_u32 {
        let mut sample = samples[number as usize % samples.len()].clone();
        sample.instance = Some(names[0].clone());
        sample.provider_type = Some(ProviderType::OpenAi);
        let now = start + Duration::from_millis(u64::from(number) * 100);
        for attempt in &mut sample.attempts {
            attempt.instance = names[0].clone();
            monitor.attempt_begin(sample.request, &names[0], ProviderType::OpenAi);
            monitor.attempt_end(attempt, sample.provider_type.unwrap(), now);
        }
        monitor.record(&sample, now);
    }
    println!(
        "a day, 864000 requests, 1 instance: {} KB",
        monitor.memory_bytes() / 1000
    );
}
