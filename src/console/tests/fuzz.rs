//! Random keys, pastes, clicks, sizes, answers and pools: whatever comes, it draws and goes on.
//!
//! A short run in every `cargo test`. A minute of it: `cargo test --lib fuzz -- --ignored`, longer with
//! `LLMDECK_FUZZ_SECONDS`, the same again with `LLMDECK_FUZZ_SEED`.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use ratatui::crossterm::event::{MouseButton, MouseEventKind};
use tokio::sync::watch;

use super::fake::{Asked, Fake, board};
use super::harness::Harness;
use super::pages::moved_on;
use crate::base::{
    AlertState, AlertView, Board, Chunk, DeckEvent, Error, ErrorKind, Failure, FailureGroup,
    Failures, InstanceName, InstanceState, LogLevel, LogLine, LogSource, Outcome, RequestId,
    Sample, Scope, Severity,
};
use crate::console::theme::Theme;
use crate::console::{Context, KeySettings, Keys, LangChoice, Persona, Settings};

const KEYS: &str = "enter esc tab shift-tab up down left right home end pageup pagedown backspace delete ctrl-j ctrl-r \
    ctrl-n ctrl-p ctrl-l ctrl-g ctrl-z ctrl-a ctrl-k ctrl-u ctrl-w ctrl-y ctrl-_ ctrl-o ctrl-c ctrl-d ctrl-f ctrl-b \
    alt-1 alt-2 alt-3 alt-4 alt-5 alt-6 alt-a alt-c alt-e alt-g alt-k alt-m alt-p alt-r alt-s alt-t alt-v alt-w alt-z \
    alt-up alt-down alt-. alt-, alt-b alt-f alt-d alt-enter shift-enter ctrl-home ctrl-end f1 space a b c d e f g h i \
    j k l m n o p r s t u v w x y z G J K N R S T W X Y Z / : ? + - < > [ ] { } ( ) , . ; ! 0 1 2 3 4 5 9";
const TEXTS: [&str; 14] = [
    "plain words",
    "/file /etc/hostname",
    "/file /etc/host*",
    "为什么天空是蓝色的？",
    "👩‍👩‍👧 e\u{301} ⚠\u{fe0f} 🇩🇪🇫",
    "```rust\nfn main() {}\n",
    "\x1b[31mred\x07 \u{202e}reversed\r\n\0",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n- x\n  - y\n",
    "مرحبا ไทย $$\\frac{a}{b}$$ [x][1]\n\n[1]: http://a.b\n",
    "\u{200b}\u{feff}\u{301}\u{301}",
    "> > > - 1. # x\n\n***\n\n| a\n|-\n",
    "~~~~\n````\n~~~\n",
    "\t\t\tx\u{a0}y\u{3000}z\r\r\n",
    "<details><b>*_`[](<>)",
];
const NAMES: [&str; 6] = [
    "openai-a",
    "",
    "a name that is far longer than any column has room for, and goes on",
    "名前はとても長い名前です",
    "\x1b[31m\u{202e}x\n\ty",
    "é\u{301}👩‍👩‍👧",
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn any<'a>(chance: &mut StdRng, of: &[&'a str]) -> &'a str {
    of.choose(chance).copied().unwrap_or_default()
}

/// From nothing to more than anybody has.
fn size(chance: &mut StdRng) -> u64 {
    match chance.random_range(0..6) {
        0 => 0,
        1 => 1,
        2..5 => chance.random_range(2..5_000),
        _ => chance.random_range(0..1 << 50),
    }
}

fn time(chance: &mut StdRng) -> Duration {
    match chance.random_range(0..5) {
        0 => Duration::ZERO,
        1..4 => Duration::from_millis(chance.random_range(0..100_000)),
        _ => Duration::from_secs(chance.random_range(0..1 << 40)),
    }
}

/// A log that gets a line now and then.
#[derive(Debug)]
struct Lines {
    lines: Mutex<Vec<Arc<LogLine>>>,
    newest: watch::Sender<u64>,
}

impl LogSource for Lines {
    fn after(&self, number: u64) -> Vec<Arc<LogLine>> {
        let lines = self.lines.lock();
        let new = lines.iter().filter(|line| line.number > number);
        new.cloned().collect()
    }
    fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}

impl Lines {
    fn write(&self, chance: &mut StdRng) {
        let mut lines = self.lines.lock();
        let gap = u64::from(chance.random_ratio(1, 9)) * chance.random_range(1..500);
        let number = lines.last().map_or(0, |line| line.number) + 1 + gap;
        let text = any(chance, &TEXTS).repeat(chance.random_range(0..20));
        lines.push(Arc::new(LogLine {
            number,
            at: jiff::Timestamp::UNIX_EPOCH,
            level: LogLevel::ALL[chance.random_range(0..5)],
            target: any(chance, &NAMES).to_owned(),
            text,
        }));
        if lines.len() > 200 {
            lines.drain(..100);
        }
        self.newest.send_replace(number);
    }
}

fn sample(chance: &mut StdRng) -> Sample {
    let mut sample = moved_on(size(chance));
    sample.instance = chance.random_bool(0.8).then(|| any(chance, &NAMES).into());
    sample.model = chance
        .random_bool(0.8)
        .then(|| any(chance, &TEXTS).to_owned());
    sample.caller = chance
        .random_bool(0.5)
        .then(|| any(chance, &NAMES).to_owned());
    (sample.queued, sample.total) = (time(chance), time(chance));
    sample.time_to_first_token = chance.random_bool(0.7).then(|| time(chance));
    sample.cost =
        [None, Some(f64::NAN), Some(-1.0), Some(1e300), Some(0.01)][chance.random_range(0..5)];
    for attempt in &mut sample.attempts {
        attempt.started_after = time(chance);
        attempt.total = time(chance);
        attempt.headers = chance.random_bool(0.5).then(|| time(chance));
        attempt.first_token = chance.random_bool(0.5).then(|| time(chance));
        attempt.message = Some(any(chance, &TEXTS).to_owned());
    }
    if chance.random_ratio(1, 4) {
        sample.attempts.clear();
    }
    sample
}

/// Another pool: instances come, go and change.
fn shake(board: &mut Board, chance: &mut StdRng) {
    match chance.random_range(0..8) {
        0 => board.instances.clear(),
        1 => *board = self::board(),
        2 => {
            if let Some(one) = board.instances.first().cloned() {
                for _ in 0..chance.random_range(0..40) {
                    let mut one = one.clone();
                    let name = format!("{}{}", any(chance, &NAMES), size(chance));
                    one.name = name.as_str().into();
                    board.instances.push(one);
                }
                board.instances.truncate(120);
            }
        }
        3 => {
            let many = board.instances.len().max(1);
            board.instances.rotate_left(chance.random_range(0..many));
        }
        _ => {
            for instance in &mut board.instances {
                instance.permits = size(chance) as usize;
                instance.in_flight = size(chance) as usize;
                instance.weight = size(chance) as u32;
                instance.last_latency = chance.random_bool(0.5).then(|| time(chance));
                instance.score = [None, Some(f64::NAN), Some(f64::INFINITY), Some(0.2)]
                    [chance.random_range(0..4)];
                instance.metrics.total_requests = size(chance);
                instance.metrics.successful_requests = size(chance);
                instance.metrics.failed_requests = size(chance);
                instance.state = match chance.random_range(0..8) {
                    0 => InstanceState::Failing,
                    1 => InstanceState::Cooling(time(chance)),
                    2 => InstanceState::Open(time(chance)),
                    3 => InstanceState::HalfOpen,
                    4 => InstanceState::Held(ErrorKind::QuotaExhausted),
                    5 => InstanceState::Draining,
                    6 => InstanceState::Off,
                    _ => InstanceState::On,
                };
            }
            board.next = Some(any(chance, &NAMES).into());
            board.queue.length = size(chance) as usize;
            board.queue.oldest = chance.random_bool(0.5).then(|| time(chance));
        }
    }
}

fn happen(console: &Harness, log: &Lines, chance: &mut StdRng) {
    let deck = &console.deck;
    match chance.random_range(0..7) {
        0 => deck.change(|board| shake(board, chance)),
        1 | 2 => {
            for _ in 0..chance.random_range(1..60) {
                deck.ends(sample(chance));
            }
        }
        3 => {
            let alert = AlertView {
                rule: any(chance, &NAMES).to_owned(),
                scope: Scope::Instance(any(chance, &NAMES).into()),
                state: if chance.random_bool(0.5) {
                    AlertState::Firing
                } else {
                    AlertState::Pending
                },
                severity: Severity::Critical,
                age: time(chance),
                message: any(chance, &TEXTS).repeat(chance.random_range(0..9)),
                silenced: None,
            };
            deck.change(|board| board.alerts = vec![alert.clone(); chance.random_range(0..4)]);
            deck.tell(DeckEvent::Alerted { alert });
        }
        4 => deck.remembers(failures(chance)),
        5 => {
            for _ in 0..chance.random_range(1..9) {
                log.write(chance);
            }
        }
        _ => deck.tell(DeckEvent::Missed {
            count: size(chance),
        }),
    }
}

fn failures(chance: &mut StdRng) -> Failures {
    let who = |chance: &mut StdRng| -> Option<InstanceName> {
        chance.random_bool(0.7).then(|| any(chance, &NAMES).into())
    };
    let many = chance.random_range(0..60);
    let recent = (0..many).map(|_| Failure {
        request: RequestId(size(chance)),
        age: time(chance),
        kind: ErrorKind::Server,
        instance: who(chance),
        message: any(chance, &TEXTS).to_owned(),
        outcome: Outcome::Success,
        attempts: sample(chance).attempts,
    });
    let recent = recent.collect();
    let groups = (0..many / 3).map(|_| FailureGroup {
        instance: who(chance),
        kind: ErrorKind::RateLimited,
        class: any(chance, &TEXTS).to_owned(),
        count: size(chance),
        first_seen: time(chance),
        last_seen: time(chance),
        message: any(chance, &TEXTS).repeat(3),
    });
    Failures {
        groups: groups.collect(),
        recent,
        dropped: size(chance),
        dropped_groups: size(chance),
    }
}

fn answer(console: &Harness, chance: &mut StdRng, running: &mut Vec<Asked>) {
    while console.deck.was_asked() {
        running.push(console.deck.asked());
    }
    if running.is_empty() {
        return;
    }
    let asked = running.swap_remove(chance.random_range(0..running.len()));
    if asked.is_cancelled() {
        return;
    }
    asked.started(any(chance, &NAMES));
    for _ in 0..chance.random_range(0..30) {
        asked.says(any(chance, &TEXTS));
    }
    asked.send(Chunk::Reasoning(
        "because\n".repeat(chance.random_range(0..9)),
    ));
    match chance.random_range(0..5) {
        0 | 1 => asked.done(any(chance, &NAMES)),
        2 => asked.fails(Error::new(ErrorKind::Server, any(chance, &TEXTS))),
        3 => drop(asked),
        _ => running.push(asked),
    }
}

async fn play(console: &Harness, log: &Lines, chance: &mut StdRng, running: &mut Vec<Asked>) {
    match chance.random_range(0..100) {
        0..55 => {
            let keys: Vec<&str> = KEYS.split_whitespace().collect();
            let count = chance.random_range(1..6);
            let pressed: Vec<&str> = (0..count).map(|_| any(chance, &keys)).collect();
            console.press(&pressed.join(" ")).await;
        }
        55..65 => {
            let text = any(chance, &TEXTS);
            console.type_str(text.trim_matches(char::is_control)).await;
            if chance.random_bool(0.3) {
                console.press("enter").await;
            }
        }
        65..70 => {
            let text = any(chance, &TEXTS);
            let times = chance.random_range(1..400);
            console.paste(&text.repeat(times)).await;
        }
        70..78 => {
            let kinds = [
                MouseEventKind::Down(MouseButton::Left),
                MouseEventKind::Drag(MouseButton::Left),
                MouseEventKind::Up(MouseButton::Left),
                MouseEventKind::ScrollUp,
                MouseEventKind::ScrollDown,
                MouseEventKind::Down(MouseButton::Right),
            ];
            let kind = kinds[chance.random_range(0..kinds.len())];
            let (column, row) = (chance.random_range(0..220), chance.random_range(0..70));
            console.mouse(kind, column, row).await;
        }
        78..84 => {
            let (width, height) = (chance.random_range(1..220), chance.random_range(1..70));
            console.resize(width, height).await;
        }
        84..92 => {
            happen(console, log, chance);
            console.settle().await;
        }
        92..94 => {
            // Time alone changes things too.
            let time = Duration::from_secs(chance.random_range(1..120));
            console.wait(time).await;
        }
        _ => {
            answer(console, chance, running);
            console.settle().await;
        }
    }
}

async fn begin(chance: &mut StdRng, saves: bool) -> (Harness, Arc<Lines>) {
    let log = Arc::new(Lines {
        lines: Mutex::default(),
        newest: watch::Sender::new(0),
    });
    let persona = |name: &str| Persona {
        name: name.to_owned(),
        prompt: TEXTS[6].to_owned(),
        role_name: name.to_owned(),
        you_name: TEXTS[9].to_owned(),
    };
    let context = Context {
        log: Some(Arc::clone(&log) as Arc<dyn LogSource>),
        personas: NAMES.iter().map(|name| persona(name)).collect(),
        ..Context::default()
    };
    let size = (chance.random_range(1..200), chance.random_range(1..60));
    let (ascii, chinese) = (chance.random_ratio(1, 4), chance.random_ratio(1, 3));
    let mut keys = KeySettings::new();
    for context in ["prompt", "transcript"] {
        if !saves {
            let none = [("save".to_owned(), Keys::default())];
            keys.insert(context.to_owned(), none.into());
        }
    }
    let settings = Settings {
        ascii,
        keys,
        lang: if chinese {
            LangChoice::Zh
        } else {
            LangChoice::En
        },
        ..Settings::default()
    };
    let console = Harness::start_whole(
        size,
        Fake::new(board()),
        context,
        Theme::no_color(),
        settings,
    )
    .await;
    (console, log)
}

/// Plays for so many rounds, or as long as `time` says by the real clock: that of tokio stands still here.
async fn fuzz(seed: u64, rounds: usize, time: Option<Duration>) {
    // The short run stands in the project's folder, and saves nothing there.
    let saves = time.is_some();
    #[expect(
        clippy::disallowed_types,
        reason = "the long run is measured in real time"
    )]
    let begun = std::time::Instant::now();
    let mut chance = StdRng::seed_from_u64(seed);
    let (mut console, mut log) = begin(&mut chance, saves).await;
    let mut running = Vec::new();
    for _ in 0..rounds {
        if time.is_some_and(|time| begun.elapsed() > time) {
            break;
        }
        play(&console, &log, &mut chance, &mut running).await;
        if console.has_ended() {
            // Somebody left: that is no fault. A panic fails here.
            console.ended().await;
            (console, log) = begin(&mut chance, saves).await;
            running.clear();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fuzz_whatever_is_pressed_pasted_clicked_or_resized_it_goes_on() {
    fuzz(20_261_123, 250, None).await;
}

/// Another seed each time; it is printed, and repeats the run.
#[tokio::test(start_paused = true)]
#[ignore = "takes a minute"]
async fn fuzz_for_a_minute() {
    let seed = number("LLMDECK_FUZZ_SEED").unwrap_or_else(rand::random);
    let seconds = number("LLMDECK_FUZZ_SECONDS").unwrap_or(60);
    println!("LLMDECK_FUZZ_SEED={seed}");
    let folder = tempfile::tempdir().expect("a folder for what is saved");
    std::env::set_current_dir(folder.path()).expect("it is there");
    fuzz(seed, usize::MAX, Some(Duration::from_secs(seconds))).await;
}
