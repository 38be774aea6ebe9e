//! Draws the pictures of the README: the real program in a pseudo-terminal, and what is on its screen as SVG.
//!
//! ```text
//! cargo build --release && cargo run --example pictures -- target/release/llmdeck docs/pictures
//! ```
//! The embedded pool answers, from a fixed seed, so that the pictures differ only by what time does to figures.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a tool for whoever works on the project: it stops at the first surprise and says what it wrote"
)]

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use vt100::{Color, Parser, Screen};

const COLUMNS: u16 = 120;
const ROWS: u16 = 36;
/// One cell of the picture, in pixels.
const CELL: (f32, f32) = (8.4, 18.0);
const MARGIN: f32 = 10.0;

/// How one picture comes about: steps in turn, keys to press and seconds to wait.
struct Scene {
    name: &'static str,
    arguments: &'static [&'static str],
    steps: &'static [Step],
}

enum Step {
    Press(&'static str),
    Wait(u64),
    Until(&'static str),
}
use Step::{Press, Until, Wait};

static SCENES: [Scene; 5] = [
    Scene {
        name: "console",
        arguments: &[
            "--lang",
            "en",
            "--private",
            "demo",
            "--seed",
            "7",
            "--rate",
            "4",
        ],
        steps: &[
            Wait(45),
            Press("Show me a priority queue in Rust.\r"),
            Until(" tokens · "),
            Press("And what is a permit?\r"),
            Wait(4),
        ],
    },
    Scene {
        name: "metrics",
        arguments: &[
            "--lang",
            "en",
            "--private",
            "demo",
            "--seed",
            "7",
            "--rate",
            "5",
        ],
        steps: &[Press("\x1b3z"), Wait(70)],
    },
    Scene {
        name: "waterfall",
        arguments: &[
            "--lang",
            "en",
            "--private",
            "demo",
            "--seed",
            "7",
            "--rate",
            "5",
        ],
        steps: &[
            Wait(40),
            Press("\x1b4"),
            Press("/"),
            Press("+1"),
            Press("\x1b"),
            Press("\r"),
            Wait(2),
        ],
    },
    Scene {
        name: "errors",
        arguments: &[
            "--lang",
            "en",
            "--private",
            "demo",
            "--seed",
            "7",
            "--rate",
            "8",
        ],
        steps: &[Wait(60), Press("\x1b5"), Press("\r"), Wait(2)],
    },
    Scene {
        name: "console.zh",
        arguments: &[
            "--lang",
            "zh",
            "--private",
            "demo",
            "--seed",
            "7",
            "--rate",
            "4",
        ],
        steps: &[
            Wait(45),
            Press("为什么天空是蓝色的？\r"),
            Until(" · "),
            Wait(6),
        ],
    },
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().expect("the program's path");
    let program = std::fs::canonicalize(program).expect("the program is there");
    let folder = arguments.next().expect("a folder for the pictures");
    let only: Vec<String> = arguments.collect();
    let pictures: Vec<_> = SCENES
        .iter()
        .filter(|scene| only.is_empty() || only.iter().any(|name| name == scene.name))
        .map(|scene| {
            let program = program.clone();
            // They take their time, most of it waiting.
            (
                scene.name,
                thread::spawn(move || draw(&play(&program, scene))),
            )
        })
        .collect();
    for (name, picture) in pictures {
        let picture = picture.join().expect("a picture");
        let path = Path::new(&folder).join(format!("{name}.svg"));
        std::fs::write(&path, &picture).expect("the folder can be written");
        println!("{}: {} KB", path.display(), picture.len() / 1024);
    }
}

/// Runs a scene, and returns the screen at its end.
fn play(program: &Path, scene: &Scene) -> Screen {
    let size = PtySize {
        rows: ROWS,
        cols: COLUMNS,
        pixel_width: 0,
        pixel_height: 0,
    };
    let home = tempfile::tempdir().expect("a home");
    let pair = native_pty_system().openpty(size).expect("a terminal");
    let mut command = CommandBuilder::new(program);
    command.args(scene.arguments);
    command.env_clear();
    for (name, value) in [
        ("TERM", "xterm-256color"),
        ("COLORTERM", "truecolor"),
        ("LANG", "C.UTF-8"),
    ] {
        command.env(name, value);
    }
    command.env("HOME", home.path());
    command.cwd(home.path());
    let mut child = pair.slave.spawn_command(command).expect("it starts");
    let mut output = pair.master.try_clone_reader().expect("its output");
    let keyboard = pair.master.take_writer().expect("its input");
    let keyboard = Arc::new(Mutex::new(keyboard));
    let terminal = Arc::new(Mutex::new(Parser::new(ROWS, COLUMNS, 0)));
    let (shown, answers) = (Arc::clone(&terminal), Arc::clone(&keyboard));
    thread::spawn(move || {
        let mut bytes = [0; 1 << 14];
        let mut asked = false;
        while let Ok(read @ 1..) = output.read(&mut bytes) {
            let bytes = &bytes[..read];
            if !asked && bytes.windows(3).any(|part| part == b"\x1b[c") {
                asked = true;
                // A dark terminal.
                let answer = b"\x1b]11;rgb:1a1a/1b1b/2626\x1b\\\x1b[?62;22c";
                answers.lock().write_all(answer).expect("it reads");
            }
            shown.lock().process(bytes);
        }
    });
    let press = |keys: &str| {
        let mut keyboard = keyboard.lock();
        keyboard.write_all(keys.as_bytes()).expect("it reads");
        keyboard.flush().expect("it reads");
    };
    let contents = || terminal.lock().screen().contents();
    let until = |text: &str| {
        while !contents().contains(text) {
            thread::sleep(Duration::from_millis(50));
        }
    };
    while contents().trim().is_empty() {
        thread::sleep(Duration::from_millis(50));
    }
    for step in scene.steps {
        match step {
            Press(keys) => {
                press(keys);
                thread::sleep(Duration::from_millis(300));
            }
            Wait(seconds) => thread::sleep(Duration::from_secs(*seconds)),
            Until(text) => until(text),
        }
    }
    // Between two frames nothing is half done.
    thread::sleep(Duration::from_millis(40));
    let screen = terminal.lock().screen().clone();
    child.kill().expect("it ends");
    screen
}

/// The sixteen colours, as many terminals have them.
const PALETTE: [u32; 16] = [
    0x15_161e, 0xf7_768e, 0x9e_ce6a, 0xe0_af68, 0x7a_a2f7, 0xbb_9af7, 0x7d_cfff, 0xa9_b1d6,
    0x41_4868, 0xf7_768e, 0x9e_ce6a, 0xe0_af68, 0x7a_a2f7, 0xbb_9af7, 0x7d_cfff, 0xc0_caf5,
];
const FOREGROUND: u32 = 0xc0_caf5;
const BACKGROUND: u32 = 0x1a_1b26;

fn rgb(color: Color, default: u32) -> u32 {
    match color {
        Color::Default => default,
        Color::Rgb(red, green, blue) => u32::from_be_bytes([0, red, green, blue]),
        Color::Idx(index @ 0..16) => PALETTE[usize::from(index)],
        Color::Idx(index @ 16..232) => {
            let part = |value: u8| if value == 0 { 0 } else { 55 + value * 40 };
            let index = index - 16;
            u32::from_be_bytes([0, part(index / 36), part(index / 6 % 6), part(index % 6)])
        }
        Color::Idx(index) => {
            let grey = 8 + (index - 232) * 10;
            u32::from_be_bytes([0, grey, grey, grey])
        }
    }
}

/// How a stretch of text looks.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    front: u32,
    back: u32,
    bold: bool,
    italic: bool,
    underlined: bool,
}

fn look(cell: &vt100::Cell) -> Look {
    let (mut front, mut back) = (
        rgb(cell.fgcolor(), FOREGROUND),
        rgb(cell.bgcolor(), BACKGROUND),
    );
    if cell.inverse() {
        std::mem::swap(&mut front, &mut back);
    }
    if cell.dim() {
        let half = |shift: u32| {
            let part = |color: u32| (color >> shift) & 255;
            ((part(front) * 6 + part(back) * 4) / 10) << shift
        };
        front = half(16) | half(8) | half(0);
    }
    Look {
        front,
        back,
        bold: cell.bold(),
        italic: cell.italic(),
        underlined: cell.underline(),
    }
}

/// Draws a screen.
fn draw(screen: &Screen) -> String {
    let (width, height) = (
        f32::from(COLUMNS) * CELL.0 + 2.0 * MARGIN,
        f32::from(ROWS) * CELL.1 + 2.0 * MARGIN,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,'Noto Sans Mono CJK SC','Noto Sans CJK SC',monospace\" \
         font-size=\"14\">\n<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#{BACKGROUND:06x}\"/>\n\
         <style>rect{{shape-rendering:crispEdges}}</style>\n"
    );
    for row in 0..ROWS {
        backgrounds(screen, row, &mut svg);
        texts(screen, row, &mut svg);
    }
    svg.push_str("</svg>\n");
    svg
}

fn place(column: u16, row: u16) -> (f32, f32) {
    (
        MARGIN + f32::from(column) * CELL.0,
        MARGIN + f32::from(row) * CELL.1,
    )
}

fn backgrounds(screen: &Screen, row: u16, svg: &mut String) {
    let back = |column: u16| {
        let own = screen.cell(row, column);
        // The second half of a wide character has no look of its own.
        let is_half = own.is_some_and(vt100::Cell::is_wide_continuation);
        let cell = if is_half {
            screen.cell(row, column.saturating_sub(1))
        } else {
            own
        };
        cell.map_or(BACKGROUND, |cell| look(cell).back)
    };
    let mut column = 0;
    while column < COLUMNS {
        let color = back(column);
        let end = (column..COLUMNS)
            .find(|x| back(*x) != color)
            .unwrap_or(COLUMNS);
        if color != BACKGROUND {
            let (x, y) = place(column, row);
            let width = f32::from(end - column) * CELL.0;
            // Writing to a String does not fail.
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"#{color:06x}\"/>",
                CELL.1
            );
        }
        column = end;
    }
}

fn texts(screen: &Screen, row: u16, svg: &mut String) {
    let mut column = 0;
    while column < COLUMNS {
        let Some(cell) = screen.cell(row, column) else {
            break;
        };
        let said = cell.contents();
        let blank = said.trim().is_empty();
        if blank || cell.is_wide_continuation() {
            column += 1;
            continue;
        }
        let style = look(cell);
        if let Some(shape) = shape(said) {
            let is_alike = |x: u16| {
                let next = screen.cell(row, x);
                next.is_some_and(|next| next.contents() == said && look(next) == style)
            };
            let end = (column..COLUMNS).find(|x| !shape.goes_on() || !is_alike(*x));
            let end = end.unwrap_or(COLUMNS).max(column + 1);
            shape.draw(place(column, row), end - column, style.front, svg);
            column = end;
            continue;
        }
        // What has one column each, and one look, stands together; single blanks within it too.
        let mut text = String::new();
        let mut end = column;
        while let Some(next) = screen.cell(row, end) {
            let said = next.contents();
            let said = if said.is_empty() { " " } else { said };
            let joins = look(next) == style && said.is_ascii() && shape(said).is_none();
            if !joins && end > column {
                break;
            }
            text.push_str(said);
            end += if next.is_wide() { 2 } else { 1 };
            if !joins {
                break;
            }
        }
        let trimmed = text.trim_end();
        let columns = f32::from(end - column) - (text.len() - trimmed.len()) as f32;
        write_text(place(column, row), trimmed, columns, style, svg);
        column = end;
    }
}

fn write_text((x, y): (f32, f32), text: &str, columns: f32, style: Look, svg: &mut String) {
    let mut more = String::new();
    if style.bold {
        more.push_str(" font-weight=\"bold\"");
    }
    if style.italic {
        more.push_str(" font-style=\"italic\"");
    }
    if style.underlined {
        more.push_str(" text-decoration=\"underline\"");
    }
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace("  ", "\u{a0}\u{a0}");
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#{:06x}\"{more}>{text}</text>",
        y + 13.5,
        columns * CELL.0,
        style.front,
    );
}

/// What fonts draw with gaps, drawn by hand.
enum Shape {
    /// A block from the bottom up, in eighths of a cell.
    Block(u8),
    /// Lines from the middle: left, right, up, down, each with its thickness.
    Lines([f32; 4]),
}

fn shape(text: &str) -> Option<Shape> {
    let mut chars = text.chars();
    let (first, None) = (chars.next()?, chars.next()) else {
        return None;
    };
    const THIN: f32 = 1.0;
    const THICK: f32 = 2.2;
    let lines = |left: bool, right: bool, up: bool, down: bool, width: f32| {
        let on = |is: bool| if is { width } else { 0.0 };
        Some(Shape::Lines([on(left), on(right), on(up), on(down)]))
    };
    match first {
        '▁'..='█' => Some(Shape::Block((u32::from(first) - 0x2580) as u8)),
        '─' => lines(true, true, false, false, THIN),
        '━' => lines(true, true, false, false, THICK),
        '│' => lines(false, false, true, true, THIN),
        '┃' => lines(false, false, true, true, THICK),
        '┬' => lines(true, true, false, true, THIN),
        '┴' => lines(true, true, true, false, THIN),
        '├' => lines(false, true, true, true, THIN),
        '┤' => lines(true, false, true, true, THIN),
        '┼' => lines(true, true, true, true, THIN),
        '┌' | '╭' => lines(false, true, false, true, THIN),
        '┐' | '╮' => lines(true, false, false, true, THIN),
        '└' | '╰' => lines(false, true, true, false, THIN),
        '┘' | '╯' => lines(true, false, true, false, THIN),
        '╷' => lines(false, false, false, true, THIN),
        _ => None,
    }
}

impl Shape {
    /// Tells whether several in a row are one long one.
    fn goes_on(&self) -> bool {
        match self {
            Self::Block(_) => true,
            Self::Lines([left, right, up, down]) => {
                *left > 0.0 && *right > 0.0 && *up + *down == 0.0
            }
        }
    }

    fn draw(&self, (x, y): (f32, f32), columns: u16, color: u32, svg: &mut String) {
        let (width, height) = (CELL.0 * f32::from(columns), CELL.1);
        let mut rect = |x: f32, y: f32, width: f32, height: f32| {
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"#{color:06x}\"/>"
            );
        };
        match self {
            Self::Block(eighths) => {
                let filled = height * f32::from(*eighths) / 8.0;
                rect(x, y + height - filled, width, filled);
            }
            Self::Lines([left, right, up, down]) => {
                let (middle_x, middle_y) = (x + width / 2.0, y + height / 2.0);
                for (thick, from, length) in
                    [(left, x, width / 2.0), (right, middle_x, width / 2.0)]
                {
                    if *thick > 0.0 {
                        rect(from, middle_y - thick / 2.0, length, *thick);
                    }
                }
                for (thick, from, length) in [(up, y, height / 2.0), (down, middle_y, height / 2.0)]
                {
                    if *thick > 0.0 {
                        rect(middle_x - thick / 2.0, from, *thick, length);
                    }
                }
            }
        }
    }
}
