//! What the console costs, measured from outside: the real program in a pseudo-terminal of 120x40.
//!
//! `cargo bench --bench console` prints every figure beside its goal; a word after `--` runs the scenes whose names have
//! it (`start idle pool stream ten long`). Times are from the last byte of a key to the frame that shows what it did;
//! bytes are what the terminal is sent. Processor time and memory are read from `/proc`, so only Linux has them.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and stops at the first surprise"
)]

#[path = "console/program.rs"]
mod program;
#[path = "console/server.rs"]
mod server;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use self::program::{Program, Watch};

/// Plays something and notes its figures.
type Scene = fn(&mut Report);

/// The scenes by name.
const SCENES: [(&str, Scene); 6] = [
    ("start", start),
    ("idle", idle),
    ("pool", pool),
    ("stream", stream),
    ("ten", ten),
    ("long", long),
];

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let mut report = Report::default();
    for (name, scene) in SCENES {
        if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
            println!("\n{name}");
            scene(&mut report);
        }
    }
    println!(
        "\n{} figures, {} over their goal",
        report.figures, report.missed
    );
}

/// Prints figures, and counts those that miss their goal.
#[derive(Default)]
struct Report {
    figures: usize,
    missed: usize,
}

impl Report {
    fn figure(&mut self, name: &str, value: f64, unit: &str, goal: Option<f64>) {
        self.figures += 1;
        let digits = if value < 10.0 { 2 } else { 0 };
        let is_over = goal.is_some_and(|goal| value > goal);
        self.missed += usize::from(is_over);
        let goal = goal.map_or(String::new(), |goal| format!("goal {goal} {unit}"));
        let mark = if is_over { "  OVER" } else { "" };
        println!("  {name:<52} {value:>9.digits$} {unit:<7} {goal}{mark}");
    }

    /// The usual figures of a stretch of time.
    fn watch(&mut self, name: &str, watch: &Watch, bytes: Option<f64>, cpu: Option<f64>) {
        let seconds = watch.time.as_secs_f64();
        let per_second = watch.bytes() as f64 / seconds;
        self.figure(&format!("{name}: bytes"), per_second, "B/s", bytes);
        let frames = watch.frames.len() as f64;
        self.figure(&format!("{name}: frames"), frames / seconds, "/s", None);
        let mut sizes: Vec<f64> = watch.frames.iter().map(|bytes| *bytes as f64).collect();
        sizes.sort_by(f64::total_cmp);
        let share = |share: f64| quantile(&sizes, share);
        self.figure(&format!("{name}: a frame, median"), share(0.5), "B", None);
        self.figure(&format!("{name}: a frame, p95"), share(0.95), "B", None);
        let percent = watch.cpu.as_secs_f64() / seconds * 100.0;
        self.figure(&format!("{name}: processor"), percent, "%", cpu);
        if frames > 0.0 {
            let each = watch.cpu.as_secs_f64() * 1e3 / frames;
            self.figure(&format!("{name}: processor a frame"), each, "ms", None);
        }
    }

    fn times(&mut self, name: &str, mut millis: Vec<f64>, goal: f64) {
        millis.sort_by(f64::total_cmp);
        let share = |share: f64| quantile(&millis, share);
        self.figure(&format!("{name}: median"), share(0.5), "ms", None);
        self.figure(&format!("{name}: p99"), share(0.99), "ms", Some(goal));
        self.figure(&format!("{name}: most"), share(1.0), "ms", None);
    }
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = (last as f64 * share).ceil() as usize;
    sorted.get(place).copied().unwrap_or(0.0)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// From the start of the process to a whole first frame, and what is resident then.
fn start(report: &mut Report) {
    let mut times = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..7 {
        let program = Program::start("", &["demo", "--rate", "5"]);
        times.push(millis(program.until("the first frame", |screen| {
            screen.contains("Ask something.") && screen.contains("first token")
        })));
        memory.push(program.resident_mb());
    }
    times.sort_by(f64::total_cmp);
    memory.sort_by(f64::total_cmp);
    let first = quantile(&times, 0.5);
    report.figure("first frame, median of 7", first, "ms", Some(30.0));
    report.figure("resident then", quantile(&memory, 0.5), "MB", Some(20.0));
}

/// Nothing happens: nothing may be written, and nothing may wake.
fn idle(report: &mut Report) {
    let program = Program::start("", &["demo", "--rate", "0"]);
    program.until_shown("Ask something.");
    thread::sleep(Duration::from_secs(8));
    let watch = program.watch(Duration::from_secs(10));
    report.figure("bytes", watch.bytes() as f64, "B", Some(0.0));
    report.figure("wake-ups in 10 s", watch.wakes as f64, "", Some(0.0));
    let resident = program.resident_mb();
    report.figure("resident", resident, "MB", Some(20.0));
}

/// The embedded pool serves five requests a second, and somebody looks.
fn pool(report: &mut Report) {
    let budget = Some(2_048.0);
    let program = Program::start("", &["demo", "--rate", "5", "--seed", "7"]);
    program.until_shown("Ask something.");
    thread::sleep(Duration::from_secs(20));
    for (name, keys) in [
        ("all panes", ""),
        ("pool alone", "\x1b2z"),
        ("metrics alone", "\x1b3"),
        ("requests", "\x1b4"),
        ("errors", "\x1b5"),
        ("log", "\x1b6"),
    ] {
        program.press(keys);
        thread::sleep(Duration::from_secs(2));
        let watch = program.watch(Duration::from_secs(15));
        report.watch(name, &watch, budget, None);
    }
    let resident = program.resident_mb();
    report.figure("resident after two minutes", resident, "MB", Some(20.0));
}

/// A config over instances that answer in one way, each named by a letter.
fn config(port: u16, way: &str, gateway: u16) -> String {
    let instance = |name: &str| {
        format!(
            "[[instances]]\nname = \"{name}\"\ntype = \"openai\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\n\
             models = [\"{way}\"]\npermits = 16\n\n"
        )
    };
    let instances: String = ["a", "b", "c", "d"].map(instance).concat();
    format!(
        "{instances}[store]\nenabled = false\n\n[gateway]\nlisten = \"127.0.0.1:{gateway}\"\nadmin_socket = \"off\"\n"
    )
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// One answer of usual Markdown at 50 tokens a second.
fn stream(report: &mut Report) {
    let config = config(server::start(), "usual", free_port());
    let program = Program::start(&config, &[]);
    program.until_shown("Ask something.");
    program.press("Explain permits.\r");
    program.until_shown("answers");
    thread::sleep(Duration::from_secs(5));
    let early = program.watch(Duration::from_secs(15));
    report.watch("50 tokens/s", &early, Some(4_096.0), Some(3.0));
    thread::sleep(Duration::from_secs(45));
    let late = program.watch(Duration::from_secs(15));
    report.watch("after a minute", &late, Some(4_096.0), Some(3.0));
    report.figure("resident", program.resident_mb(), "MB", Some(20.0));
}

/// Ten answers at 500 tokens a second each: four beside one another in the chat, six through the gateway beside it.
fn ten(report: &mut Report) {
    let gateway = free_port();
    let config = config(server::start(), "fast", gateway);
    let program = Program::start(&config, &["--serve"]);
    program.until_shown("Ask something.");
    program.press("\x1bv");
    program.until_shown("d");
    program.press(" j j j \r");
    program.until_shown("a + b + c + d");
    for _ in 0..6 {
        thread::spawn(move || ask(gateway));
    }
    program.press("Explain permits.\r");
    program.until_shown("4 answers come in");
    thread::sleep(Duration::from_secs(3));
    let before = program.meter();
    let times = type_letters(&program, 400);
    let watch = program.since(&before);
    report.times("key to screen", times, 16.0);
    report.watch("ten answers", &watch, None, None);
    report.figure("resident", program.resident_mb(), "MB", None);
}

/// Types a letter and takes it back, again and again, never in step with the frames.
fn type_letters(program: &Program, times: usize) -> Vec<f64> {
    let mut measured = Vec::new();
    for (round, letter) in ('a'..='z').cycle().take(times / 2).enumerate() {
        thread::sleep(Duration::from_millis(11 + (round as u64 * 7) % 40));
        measured.push(millis(program.answer(&letter.to_string(), |screen| {
            prompt(screen) == letter.to_string()
        })));
        thread::sleep(Duration::from_millis(11 + (round as u64 * 13) % 40));
        measured.push(millis(
            program.answer("\x7f", |screen| prompt(screen).is_empty()),
        ));
    }
    measured
}

/// What stands in the prompt.
fn prompt(screen: &str) -> String {
    let line = screen
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix('›').or(line.strip_prefix("│›")));
    let line = line.unwrap_or_default();
    line.split('│').next().unwrap_or_default().trim().to_owned()
}

/// Asks through the gateway, and reads for ever.
fn ask(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let body = r#"{"model":"fast","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut bytes = [0; 1 << 14];
    while let Ok(1..) = stream.read(&mut bytes) {}
}

/// A conversation of 100,000 lines: in one answer, and in a thousand.
fn long(report: &mut Report) {
    let config = config(server::start(), "lines", free_port());
    let program = Program::start(&config, &[]);
    program.until_shown("Ask something.");
    let waited = program.answer("Everything.\r", |screen| screen.contains(" · lines · "));
    report.figure(
        "one answer of 100,000 lines: all in",
        millis(waited),
        "ms",
        None,
    );
    scroll(report, &program, "one answer");
    let watch = program.watch(Duration::from_secs(5));
    report.figure("one answer: wake-ups in 5 s", watch.wakes as f64, "", None);
    drop(program);

    let config = config_of_many();
    let program = Program::start_with(&config, &[], |home| {
        let path = home.join("many.jsonl");
        std::fs::write(&path, server::conversation(1_000, 100)).unwrap();
        vec![
            "history".into(),
            "import".into(),
            path.display().to_string(),
        ]
    });
    program.until_shown("Ask something.");
    program.press("\x0f");
    program.until_shown("Question 0");
    let opened = program.answer("\r", |screen| screen.contains("line 99 of answer 999"));
    report.figure("a thousand answers: opened", millis(opened), "ms", None);
    scroll(report, &program, "a thousand answers");
    report.figure("resident", program.resident_mb(), "MB", None);
}

fn config_of_many() -> String {
    config(server::start(), "lines", free_port()).replace("enabled = false", "enabled = true")
}

/// Moves about in a conversation, and changes the terminal's width.
fn scroll(report: &mut Report, program: &Program, name: &str) {
    const GOAL: f64 = 50.0;
    let pages = |keys: &str, times: usize| -> Vec<f64> {
        (0..times)
            .map(|_| millis(program.next_frame(keys)))
            .collect()
    };
    report.times(&format!("{name}: page up"), pages("\x1b[5~", 60), GOAL);
    report.times(&format!("{name}: page down"), pages("\x1b[6~", 30), GOAL);
    // The conversation has the keys, so that g and G go to its ends.
    program.press("\x1b1");
    thread::sleep(Duration::from_millis(300));
    program.press("\x1b");
    thread::sleep(Duration::from_millis(300));
    let ends: Vec<f64> = (0..10)
        .flat_map(|_| ["g", "G"])
        .map(|key| millis(program.next_frame(key)))
        .collect();
    report.times(&format!("{name}: to the top, to the end"), ends, GOAL);
    program.next_frame("\x1b[5~");
    let sizes = [80, 120].repeat(5);
    let resizes: Vec<f64> = sizes
        .into_iter()
        .map(|columns| {
            thread::sleep(Duration::from_millis(300));
            millis(program.resize(columns, 40))
        })
        .collect();
    report.times(&format!("{name}: resize 120 to 80 and back"), resizes, GOAL);
    let cpu = program.watch(Duration::from_secs(1)).cpu;
    report.figure(
        &format!("{name}: processor in the second after"),
        millis(cpu),
        "ms",
        None,
    );
    program.press("i");
    thread::sleep(Duration::from_millis(300));
    report.times(
        &format!("{name}: key to screen"),
        type_letters(program, 40),
        16.0,
    );
}
