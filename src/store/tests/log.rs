//! The request log.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::*;
use crate::base::{Attempt, DeckEvent, ErrorKind, Outcome, RequestId, Sample, Usage};
use crate::store::{By, Filter, RequestLog, Requests, Settings};

fn sample(number: u64) -> Sample {
    let failed = number.is_multiple_of(4);
    let outcome = if failed {
        Outcome::Failure(ErrorKind::Server)
    } else {
        Outcome::Success
    };
    let instance = if number.is_multiple_of(2) {
        "east"
    } else {
        "west"
    };
    let total = Duration::from_millis(10 * number);
    Sample {
        called_at: at(number.cast_signed() * 60),
        caller: Some("team".to_owned()),
        route: Some("fast".into()),
        instance: Some(instance.into()),
        provider_type: Some(crate::base::ProviderType::Ollama),
        model: Some("m".to_owned()),
        time_to_first_token: Some(Duration::from_millis(number)),
        time_between_tokens: Some(Duration::from_micros(1500)),
        queued: Duration::from_millis(2),
        failovers: 1,
        usage: Some(Usage {
            prompt_tokens: Some(10),
            completion_tokens: Some(number),
            ..Usage::default()
        }),
        finish_reason: Some(crate::base::FinishReason::Length),
        cost: Some(0.001),
        attempts: vec![Attempt {
            instance: instance.into(),
            model: "m".to_owned(),
            outcome,
            message: failed.then(|| "it broke".to_owned()),
            status: Some(200),
            started_after: Duration::from_micros(7),
            queued: Duration::from_millis(2),
            headers: Some(Duration::from_millis(3)),
            first_token: None,
            total,
        }],
        error: failed.then(|| (ErrorKind::Server, "it broke".to_owned())),
        ..Sample::new(RequestId(number), outcome, total)
    }
}

fn all() -> Filter {
    Filter {
        since: Timestamp::UNIX_EPOCH,
        until: at(1 << 30),
        zone: TimeZone::UTC,
    }
}

#[test]
fn a_prompt_is_in_the_log_only_where_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut requests = Requests::open(folder.path()).unwrap();
    let asked = Sample {
        prompt: Some("[{\"role\":\"user\"}]".into()),
        ..sample(2)
    };
    requests
        .write(&[Arc::new(sample(1)), Arc::new(asked)])
        .unwrap();
    let path = folder.path().join(crate::store::REQUESTS_FILE);
    let prompts: Vec<Option<String>> = rusqlite::Connection::open(path)
        .unwrap()
        .prepare("select prompt from request order by at")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(prompts, [None, Some("[{\"role\":\"user\"}]".to_owned())]);
}

#[test]
fn the_log_is_read_so_far_back_and_so_many() {
    let folder = tempfile::tempdir().unwrap();
    let mut requests = Requests::open(folder.path()).unwrap();
    let now = at(100 * 60);
    let since = |requests: &Requests, minutes: u64, most| {
        let span = Duration::from_secs(60 * minutes);
        requests.known_since(now, span, most).unwrap()
    };
    assert_eq!(since(&requests, 50, 9), None);
    let samples: Vec<Arc<Sample>> = (10..=99).map(|number| Arc::new(sample(number))).collect();
    requests.write(&samples).unwrap();
    assert_eq!(since(&requests, 1000, 1000), Some(at(10 * 60)), "the first");
    assert_eq!(since(&requests, 50, 1000), Some(at(50 * 60)));
    let count = |since| {
        let mut count = 0;
        let take = |_| {
            count += 1;
            true
        };
        requests.each_since(since, take).unwrap();
        count
    };
    assert_eq!(count(since(&requests, 50, 1000).unwrap()), 50);
    assert_eq!(
        count(since(&requests, 50, 7).unwrap()),
        7,
        "the newest seven"
    );
}

#[test]
fn a_request_is_read_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut requests = Requests::open(folder.path()).unwrap();
    let written: Vec<Sample> = (1..=8).map(sample).collect();
    let shared: Vec<Arc<Sample>> = written.iter().cloned().map(Arc::new).collect();
    requests.write(&shared).unwrap();
    let mut read = Vec::new();
    let take = |sample| {
        read.push(sample);
        true
    };
    requests.each_since(Timestamp::UNIX_EPOCH, take).unwrap();
    assert_eq!(read, written);
    let mut count = 0;
    requests
        .each_since(at(5 * 60), |_| {
            count += 1;
            count < 2
        })
        .unwrap();
    assert_eq!(count, 2);
}

#[test]
fn figures_by_group_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut requests = Requests::open(folder.path()).unwrap();
    let samples: Vec<Arc<Sample>> = (1..=100).map(|number| Arc::new(sample(number))).collect();
    requests.write(&samples).unwrap();
    let whole = requests.groups(&all(), None).unwrap();
    let [whole] = whole.as_slice() else {
        panic!("{whole:?}")
    };
    assert_eq!(
        (whole.requests, whole.successful, whole.failed),
        (100, 75, 25)
    );
    assert_eq!(whole.success_rate, Some(0.75));
    assert_eq!((whole.prompt_tokens, whole.completion_tokens), (1000, 5050));
    assert!((whole.cost - 0.1).abs() < 1e-9);
    assert_eq!(whole.max_ms, Some(990.0), "of those that succeeded");
    let by = |by| -> Vec<(String, u64)> {
        let groups = requests.groups(&all(), Some(by)).unwrap();
        groups
            .into_iter()
            .map(|group| (group.name.unwrap(), group.requests))
            .collect()
    };
    assert_eq!(
        by(By::Instance),
        [("east".to_owned(), 50), ("west".to_owned(), 50)]
    );
    assert_eq!(by(By::Key), [("team".to_owned(), 100)]);
    assert_eq!(by(By::Type), [("ollama".to_owned(), 100)]);
    assert_eq!(
        by(By::Hour),
        [
            ("2026-09-21 14:00".to_owned(), 46),
            ("2026-09-21 15:00".to_owned(), 54)
        ]
    );
    let recent = Filter {
        since: at(91 * 60),
        ..all()
    };
    assert_eq!(requests.groups(&recent, None).unwrap()[0].requests, 10);
}

#[tokio::test]
async fn ended_requests_are_written_in_batches_and_what_was_missed_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let requests = Requests::open(folder.path()).unwrap();
    let log = RequestLog::start(
        requests,
        &Settings {
            requests_keep_days: 0,
            ..Settings::default()
        },
    )
    .unwrap();
    let (events, heard) = tokio::sync::broadcast::channel(16);
    let follower = tokio::spawn(log.clone().follow(heard, std::future::pending()));
    for number in 1..=10 {
        let sample = Arc::new(sample(number));
        events.send(DeckEvent::RequestEnded { sample }).unwrap();
    }
    events.send(DeckEvent::Missed { count: 3 }).unwrap();
    drop(events);
    follower.await.unwrap();
    log.close(Duration::from_secs(20)).await;
    assert_eq!(log.counts(), (10, 3));
    let requests = Requests::open(folder.path()).unwrap();
    assert_eq!(requests.groups(&all(), None).unwrap()[0].requests, 10);
}

#[test]
fn the_log_is_bounded_by_age_and_size() {
    let folder = tempfile::tempdir().unwrap();
    let mut requests = Requests::open(folder.path()).unwrap();
    let samples: Vec<Arc<Sample>> = (1..=6000).map(|number| Arc::new(sample(number))).collect();
    requests.write(&samples).unwrap();
    let count = |requests: &Requests| requests.groups(&all(), None).unwrap()[0].requests;
    let settings = Settings {
        requests_keep_days: 1,
        requests_keep_mb: 256,
        ..Settings::default()
    };
    requests.retain(&settings, at(6000 * 60)).unwrap();
    assert_eq!(count(&requests), 1441);
    requests.write(&samples).unwrap();
    let small = Settings {
        requests_keep_days: 0,
        requests_keep_mb: 1,
        ..settings
    };
    assert!(requests.retain(&small, at(0)).unwrap() > 0);
    assert!(count(&requests) > 500);
    let size = std::fs::metadata(folder.path().join(crate::store::REQUESTS_FILE))
        .unwrap()
        .len();
    assert!(size <= 1 << 20, "{size}");
}
