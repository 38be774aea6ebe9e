//! Stories of the pages: requests, errors, log.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::fake::{Fake, board};
use super::harness::Harness;
use crate::base::{
    Attempt, ErrorKind, Failure, FailureGroup, Failures, LogLevel, LogLine, LogSource, Outcome,
    RequestId, Sample, Usage,
};
use crate::console::theme::Theme;
use crate::console::{Context, Settings};

fn attempt(
    instance: &str,
    outcome: Outcome,
    from: u64,
    headers: u64,
    first: u64,
    total: u64,
) -> Attempt {
    let time = |millis: u64| (millis > 0).then(|| Duration::from_millis(millis));
    Attempt {
        instance: instance.into(),
        model: "model-x".to_owned(),
        outcome,
        message: matches!(outcome, Outcome::Failure(_)).then(|| "no answer came".to_owned()),
        status: None,
        started_after: Duration::from_millis(from),
        queued: Duration::from_millis(if from < 500 { from } else { 0 }),
        headers: time(headers),
        first_token: time(first),
        total: Duration::from_millis(total),
    }
}

/// One that was answered by the second instance after the first one was silent.
pub(super) fn moved_on(id: u64) -> Sample {
    let mut sample = Sample::new(
        RequestId(id),
        Outcome::Success,
        Duration::from_millis(4_000),
    );
    sample.called_at = "2026-01-02T11:59:50Z".parse().expect("a time");
    sample.instance = Some("openai-b".into());
    sample.model = Some("model-x".to_owned());
    sample.queued = Duration::from_millis(200);
    sample.time_to_first_token = Some(Duration::from_millis(1_900));
    sample.failovers = 1;
    sample.usage = Some(Usage {
        prompt_tokens: Some(1_200),
        completion_tokens: Some(340),
        ..Usage::default()
    });
    sample.cost = Some(0.0123);
    sample.attempts = vec![
        attempt(
            "openai-a",
            Outcome::Failure(ErrorKind::TimeoutFirstToken),
            200,
            300,
            0,
            1_000,
        ),
        attempt("openai-b", Outcome::Success, 1_250, 200, 650, 2_750),
    ];
    sample
}

fn plain(id: u64) -> Sample {
    let mut sample = Sample::new(
        RequestId(id),
        Outcome::Success,
        Duration::from_millis(800 + id),
    );
    sample.called_at = "2026-01-02T11:59:58Z".parse().expect("a time");
    sample.instance = Some("zhipu".into());
    sample.model = Some("glm-4".to_owned());
    sample
}

fn failed(id: u64) -> Sample {
    let mut sample = Sample::new(
        RequestId(id),
        Outcome::Failure(ErrorKind::Server),
        Duration::from_millis(300),
    );
    sample.instance = Some("azure-eu".into());
    sample.error = Some((ErrorKind::Server, "boom".to_owned()));
    sample
}

async fn console(size: (u16, u16)) -> Harness {
    let console = Harness::start(size, Fake::new(board())).await;
    console.deck.ends(plain(1));
    console.deck.ends(moved_on(2));
    console.deck.ends(failed(3));
    console.settle().await;
    console
}

#[tokio::test(start_paused = true)]
async fn requests_stand_newest_first_and_a_word_narrows_them() {
    let console = console((120, 40)).await;
    console.press("alt-4").await;
    assert!(console.shows("3 ended"), "{}", console.screen());
    let screen = console.screen();
    assert!(screen.find("r3").unwrap() < screen.find("r1").unwrap());
    console.press("/").await;
    console.type_str("server").await;
    assert!(console.shows("1 of 3 ended"));
    assert!(!console.shows("glm-4"));
    console.press("esc").await;
    assert!(console.shows("glm-4"), "Esc drops the filter");
    console.press("/").await;
    console.type_str(">3s").await;
    console.press("enter q").await;
    assert!(console.has_ended(), "after Enter keys are keys again");
}

#[tokio::test(start_paused = true)]
async fn enter_opens_the_waterfall_with_every_attempt_on_its_line() {
    let console = console((100, 30)).await;
    console.press("alt-4 j enter").await;
    insta::assert_snapshot!(console.screen());
    console.press("y").await;
    assert!(console.host.copied()[0].contains("\"request\": 2"));
    console.press("esc").await;
    assert!(!console.shows("moved on,"), "{}", console.screen());
    assert!(console.shows("4 Requests"));
    console.press("esc").await;
    assert!(console.shows("1 Chat"), "a second Esc leaves the page");
}

#[tokio::test(start_paused = true)]
async fn requests_come_in_a_second_at_a_time() {
    let console = console((120, 40)).await;
    console.press("alt-4").await;
    let before = console.frames();
    for id in 10..60 {
        console.deck.ends(plain(id));
        console.wait(Duration::from_millis(100)).await;
    }
    console.wait(Duration::from_millis(1_500)).await;
    assert!(console.shows("r59"));
    let frames = console.frames() - before;
    assert!((4..=40).contains(&frames), "{frames}");
}

#[tokio::test(start_paused = true)]
async fn what_ended_before_the_console_began_is_there_too() {
    let deck = Fake::new(board());
    deck.ends(plain(1));
    let console = Harness::start((120, 40), deck).await;
    console.press("alt-4").await;
    assert!(console.shows("1 ended"), "{}", console.screen());
    assert!(console.shows("11:59:58"), "{}", console.screen());
}

pub(super) fn failures() -> Failures {
    let group = |name: &str, kind, count, first, last, message: &str| FailureGroup {
        instance: Some(name.into()),
        kind,
        class: message.to_owned(),
        count,
        first_seen: Duration::from_secs(first),
        last_seen: Duration::from_secs(last),
        message: message.to_owned(),
    };
    Failures {
        recent: [20, 80, 85, 300]
            .map(|age| Failure {
                request: RequestId(age),
                age: Duration::from_secs(age),
                kind: ErrorKind::RateLimited,
                instance: Some("azure-eu".into()),
                message: "Rate limit reached for requests".to_owned(),
                outcome: Outcome::Success,
                attempts: Vec::new(),
            })
            .into(),
        groups: vec![
            group(
                "azure-eu",
                ErrorKind::RateLimited,
                41,
                4_000,
                20,
                "Rate limit reached for requests",
            ),
            group("zhipu", ErrorKind::Auth, 1, 700, 700, "invalid api key"),
        ],
        ..Failures::default()
    }
}

#[tokio::test(start_paused = true)]
async fn errors_stand_in_groups_and_say_what_to_do() {
    let deck = Fake::new(board());
    deck.remembers(failures());
    let console = Harness::start((100, 30), deck).await;
    console.press("alt-5 enter").await;
    insta::assert_snapshot!(console.screen());
    console.press("esc /").await;
    console.type_str("zhipu").await;
    assert!(!console.shows("azure-eu"));
}

#[derive(Debug, Default)]
struct Lines(Mutex<Vec<Arc<LogLine>>>, watch::Sender<u64>);

impl Lines {
    fn write(&self, level: LogLevel, text: &str) {
        let mut lines = self.0.lock();
        let number = lines.len() as u64 + 1;
        lines.push(Arc::new(LogLine {
            number,
            at: "2026-01-02T12:00:01Z".parse().expect("a time"),
            level,
            target: "llmdeck::driver".to_owned(),
            text: text.to_owned(),
        }));
        self.1.send_replace(number);
    }
}

impl LogSource for Lines {
    fn after(&self, number: u64) -> Vec<Arc<LogLine>> {
        self.0.lock()[number as usize..].to_vec()
    }
    fn newest(&self) -> watch::Receiver<u64> {
        self.1.subscribe()
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_follows_narrows_and_shows_more_levels() {
    let lines = Arc::new(Lines::default());
    lines.write(LogLevel::Debug, "a detail");
    lines.write(LogLevel::Warn, "breaker open instance=ollama-2");
    let context = Context {
        log: Some(lines.clone()),
        ..Context::default()
    };
    let deck = Fake::new(board());
    let settings = Settings::default();
    let console = Harness::start_whole((100, 24), deck, context, Theme::no_color(), settings).await;
    console.press("alt-6").await;
    assert!(
        console.shows("breaker open instance=ollama-2"),
        "{}",
        console.screen()
    );
    assert!(!console.shows("a detail"));
    console.press("+").await;
    assert!(console.shows("a detail"));
    assert!(console.shows("debug and above"));
    lines.write(LogLevel::Error, "it broke");
    console.wait(Duration::from_secs(1)).await;
    assert!(console.shows("it broke"), "it follows");
    console.press("/").await;
    console.type_str("breaker").await;
    assert!(!console.shows("it broke"));
    console.press("esc alt-1").await;
    let frames = console.frames();
    lines.write(LogLevel::Error, "nobody looks");
    console.wait(Duration::from_secs(2)).await;
    assert_eq!(console.frames(), frames, "and nothing is drawn for it");
}
