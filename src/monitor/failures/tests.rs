use super::*;

fn attempt(instance: &str, outcome: Outcome, message: Option<&str>) -> Attempt {
    Attempt {
        instance: instance.into(),
        model: "m".to_owned(),
        outcome,
        message: message.map(str::to_owned),
        status: None,
        started_after: Duration::ZERO,
        queued: Duration::ZERO,
        headers: None,
        first_token: None,
        total: Duration::from_secs(1),
    }
}

fn failed(number: u64, message: &str) -> Sample {
    let kind = ErrorKind::Server;
    let mut sample = Sample::new(
        RequestId(number),
        Outcome::Failure(kind),
        Duration::from_secs(1),
    );
    sample.instance = Some("a".into());
    sample.provider_type = Some(ProviderType::Ollama);
    sample.attempts = vec![attempt("a", Outcome::Failure(kind), Some(message))];
    sample.error = Some((kind, message.to_owned()));
    sample
}

#[tokio::test(start_paused = true)]
async fn the_ring_keeps_the_newest_and_says_how_many_it_dropped() {
    let mut log = FailureLog::new(3, 10);
    let start = Instant::now();
    for number in 0..10 {
        log.record(&failed(number, "boom"), start + Duration::from_secs(number));
    }
    let report = log.report(100, start + Duration::from_secs(20));
    let numbers: Vec<_> = report
        .recent
        .iter()
        .map(|failure| failure.request.0)
        .collect();
    assert_eq!(numbers, [9, 8, 7]);
    assert_eq!(report.recent[0].age, Duration::from_secs(11));
    assert_eq!(report.dropped, 7);
    assert_eq!(report.groups.len(), 1);
    assert_eq!(report.groups[0].count, 10);
    assert_eq!(report.groups[0].first_seen, Duration::from_secs(20));
    assert_eq!(report.groups[0].last_seen, Duration::from_secs(11));
    assert_eq!(log.report(1, start).recent.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_ring_without_room_still_counts() {
    let mut log = FailureLog::new(0, 0);
    log.record(&failed(1, "boom"), Instant::now());
    let report = log.report(10, Instant::now());
    assert!(report.recent.is_empty());
    assert!(report.dropped == 1 && report.dropped_groups == 1);
}

#[tokio::test(start_paused = true)]
async fn messages_that_differ_in_numbers_are_one_group() {
    let mut log = FailureLog::new(10, 10);
    let now = Instant::now();
    log.record(&failed(1, "request req-8f3a failed after 31 ms"), now);
    log.record(&failed(2, "request req-99b1 failed after 7 ms"), now);
    log.record(&failed(3, "out of memory"), now);
    let groups = log.report(0, now).groups;
    let mut classes: Vec<_> = groups
        .iter()
        .map(|group| (group.class.as_str(), group.count))
        .collect();
    classes.sort_unstable();
    assert_eq!(
        classes,
        [("out of memory", 1), ("request # failed after # ms", 2)]
    );
}

#[tokio::test(start_paused = true)]
async fn when_groups_are_full_the_one_not_seen_for_longest_goes() {
    let mut log = FailureLog::new(10, 2);
    let start = Instant::now();
    for (second, message) in ["one", "two", "one", "three"].into_iter().enumerate() {
        log.record(
            &failed(second as u64, message),
            start + Duration::from_secs(second as u64),
        );
    }
    let report = log.report(0, start + Duration::from_secs(9));
    let classes: Vec<_> = report
        .groups
        .iter()
        .map(|group| group.class.as_str())
        .collect();
    assert_eq!(classes, ["three", "one"]);
    assert_eq!(report.dropped_groups, 1);
}

#[tokio::test(start_paused = true)]
async fn hostile_messages_are_cleaned_and_cut() {
    let mut log = FailureLog::new(10, 10);
    let now = Instant::now();
    log.record(
        &failed(1, &format!("\u{1b}[2J\n{}", "x".repeat(10_000))),
        now,
    );
    let report = log.report(1, now);
    let shown = [
        &report.recent[0].message,
        report.recent[0].attempts[0].message.as_ref().unwrap(),
        &report.groups[0].message,
        &report.groups[0].class,
    ];
    for text in shown {
        assert!(!text.contains(['\u{1b}', '\n']), "{text}");
        assert!(text.chars().count() <= LONGEST_MESSAGE);
    }
}

#[tokio::test(start_paused = true)]
async fn an_overcome_failure_is_the_instances_and_not_the_requests() {
    let mut log = FailureLog::new(10, 10);
    let now = Instant::now();
    let mut sample = failed(1, "boom");
    sample.outcome = Outcome::Success;
    sample.error = None;
    sample.instance = Some("b".into());
    sample.attempts.push(attempt("b", Outcome::Success, None));
    log.record(&sample, now);

    let window = Duration::from_secs(60);
    let at_a = log.notes(&Scope::Instance("a".into()), window, 5, now);
    assert_eq!(at_a.len(), 1);
    assert_eq!(at_a[0].message, "boom");
    assert!(
        log.notes(&Scope::Instance("b".into()), window, 5, now)
            .is_empty()
    );
    assert!(log.notes(&Scope::All, window, 5, now).is_empty());
    let report = log.report(5, now);
    assert_eq!(report.recent[0].outcome, Outcome::Success);
    assert_eq!(report.recent[0].attempts.len(), 2);
    assert_eq!(report.groups[0].instance, Some("a".into()));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_after_a_failed_attempt_belongs_to_no_instance() {
    let mut log = FailureLog::new(10, 10);
    let now = Instant::now();
    let mut sample = failed(1, "boom");
    sample.outcome = Outcome::Failure(ErrorKind::Deadline);
    sample.error = Some((ErrorKind::Deadline, "too late".to_owned()));
    log.record(&sample, now);
    let report = log.report(5, now);
    assert_eq!(report.recent[0].instance, None);
    assert_eq!(report.recent[0].kind, ErrorKind::Deadline);
    let mut groups: Vec<_> = report
        .groups
        .iter()
        .map(|group| (group.kind, group.instance.clone(), group.count))
        .collect();
    groups.sort();
    assert_eq!(
        groups,
        [
            (ErrorKind::Server, Some("a".into()), 1),
            (ErrorKind::Deadline, None, 1)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn notes_older_than_the_window_are_left_out() {
    let mut log = FailureLog::new(10, 10);
    let start = Instant::now();
    log.record(&failed(1, "old"), start);
    log.record(&failed(2, "new"), start + Duration::from_secs(50));
    let now = start + Duration::from_secs(100);
    let scope = Scope::Type(ProviderType::Ollama);
    let notes = log.notes(&scope, Duration::from_secs(60), 5, now);
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0].message, "new");
    assert!(
        log.notes(
            &Scope::Type(ProviderType::OpenAi),
            Duration::from_secs(60),
            5,
            now
        )
        .is_empty()
    );
}
