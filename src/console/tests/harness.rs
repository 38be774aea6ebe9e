//! Runs the whole console on a screen in memory.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use ratatui::Terminal;
use ratatui::backend::{Backend, ClearType, TestBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::crossterm::event::{
    Event as Input, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::{Position, Size};
use ratatui::style::Color;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::{Instant, sleep};

use super::fake::{Asked, Fake};
use crate::base::Error;
use crate::console::app::App;
use crate::console::keymap::Chord;
use crate::console::run::looks::Looks;
use crate::console::run::{Face, Host, Signal, run};
use crate::console::term_env::TermEnv;
use crate::console::theme::Theme;
use crate::console::view::Screen;
use crate::console::words;
use crate::console::{Context, ExitReason, Settings};
use crate::deck::Deck;

/// A running console, its keyboard, its screen and its deck.
pub(super) struct Harness {
    pub(super) deck: Fake,
    pub(super) host: Seen,
    screen: Shown,
    input: mpsc::UnboundedSender<io::Result<Input>>,
    signals: mpsc::Sender<Signal>,
    /// Drawings hold parsers that stay in their thread, so the console runs in this one.
    local: LocalSet,
    task: JoinHandle<Result<ExitReason, Error>>,
}

impl Harness {
    /// Starts a console of a size over a deck.
    pub(super) async fn start(size: (u16, u16), deck: Fake) -> Self {
        let context = Context {
            source_note: Some("embedded pool".to_owned()),
            version: "0.0.0".to_owned(),
            ..Context::default()
        };
        Self::start_with(size, deck, context, Theme::no_color(), false).await
    }

    pub(super) async fn start_with(
        size: (u16, u16),
        deck: Fake,
        context: Context,
        theme: Theme,
        ascii: bool,
    ) -> Self {
        let settings = Settings {
            ascii,
            ..Settings::default()
        };
        Self::start_whole(size, deck, context, theme, settings).await
    }

    /// Starts a console with settings of its own, in their language.
    pub(super) async fn start_set(size: (u16, u16), deck: Fake, settings: Settings) -> Self {
        Self::start_whole(size, deck, Context::default(), Theme::no_color(), settings).await
    }

    pub(super) async fn start_whole(
        size: (u16, u16),
        deck: Fake,
        mut context: Context,
        theme: Theme,
        settings: Settings,
    ) -> Self {
        words::speak(settings.lang.resolve(|_| None));
        let (input, keys) = mpsc::unbounded_channel();
        let (signals, heard) = mpsc::channel(4);
        let screen = Shown(Arc::new(Mutex::new(Picture {
            backend: TestBackend::new(size.0, size.1),
            frames: 0,
        })));
        let host = Seen::default();
        let source = Deck::new(deck.clone());
        if context.clock.is_none() {
            let noon = "2026-01-02T12:00:00Z".parse().expect("a time");
            context.clock = Some((noon, TimeZone::UTC));
        }
        let log = context.log.clone();
        let theme_dirs = context.theme_dirs.clone();
        let face = Face {
            app: App::new(&settings, context, source.board(), Instant::now()),
            screen: Screen::new(theme, settings.ascii),
            frames_per_second: settings.frames_per_second,
            log,
            looks: Looks {
                env: TermEnv {
                    colorterm: "truecolor".to_owned(),
                    ..TermEnv::default()
                },
                dirs: theme_dirs,
                current: "auto".to_owned(),
            },
        };
        let mut terminal = Terminal::new(screen.clone()).expect("a screen in memory");
        let mut outside = host.clone();
        let local = LocalSet::new();
        let task = local.spawn_local(async move {
            let keys = Keys {
                keys,
                paused: false,
            };
            run(&mut terminal, keys, source, face, &mut outside, heard).await
        });
        let harness = Self {
            deck,
            host,
            screen,
            input,
            signals,
            local,
            task,
        };
        harness.settle().await;
        harness
    }

    /// Waits until everything that is under way has been drawn.
    pub(super) async fn settle(&self) {
        self.wait(Duration::from_millis(400)).await;
    }

    /// Lets time pass.
    pub(super) async fn wait(&self, time: Duration) {
        self.local.run_until(sleep(time)).await;
    }

    /// Presses keys, written as in the key table: `press("ctrl-c esc j")`.
    pub(super) async fn press(&self, keys: &str) {
        for written in keys.split(' ') {
            self.send(Input::Key(key(written)));
        }
        self.settle().await;
    }

    /// Types text, each character as a key.
    pub(super) async fn type_str(&self, text: &str) {
        for c in text.chars() {
            self.send(Input::Key(KeyEvent::new(
                KeyCode::Char(c),
                KeyModifiers::NONE,
            )));
        }
        self.settle().await;
    }

    pub(super) async fn paste(&self, text: &str) {
        self.send(Input::Paste(text.to_owned()));
        self.settle().await;
    }

    pub(super) async fn click(&self, column: u16, row: u16) {
        self.mouse(MouseEventKind::Down(MouseButton::Left), column, row)
            .await;
    }

    pub(super) async fn mouse(&self, kind: MouseEventKind, column: u16, row: u16) {
        self.send(Input::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        }));
        self.settle().await;
    }

    pub(super) async fn resize(&self, width: u16, height: u16) {
        self.screen.0.lock().backend.resize(width, height);
        self.send(Input::Resize(width, height));
        self.settle().await;
    }

    pub(super) async fn signal(&self, signal: Signal) {
        self.signals.send(signal).await.expect("the console runs");
        self.settle().await;
    }

    /// Asks a question and takes it at the other end.
    pub(super) async fn ask(&self, question: &str) -> Asked {
        self.type_str(question).await;
        self.press("enter").await;
        self.deck.asked()
    }

    /// Returns what is on the screen, without blanks at the ends of lines.
    pub(super) fn screen(&self) -> String {
        let picture = self.screen.0.lock();
        let buffer = picture.backend.buffer();
        let mut text = String::new();
        for y in 0..buffer.area.height {
            let mut line = String::new();
            let mut hidden = 0;
            for x in 0..buffer.area.width {
                let symbol = buffer[(x, y)].symbol();
                if hidden > 0 {
                    hidden -= 1;
                    continue;
                }
                hidden = crate::console::text::width(symbol).saturating_sub(1);
                line.push_str(symbol);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// Returns foreground and background of the first place where a text stands.
    pub(super) fn colours_of(&self, text: &str) -> (Color, Color) {
        let picture = self.screen.0.lock();
        let buffer = picture.backend.buffer();
        let wanted: Vec<String> = text.chars().map(String::from).collect();
        for y in 0..buffer.area.height {
            for x in 0..buffer.area.width {
                let is_here = wanted.iter().enumerate().all(|(at, symbol)| {
                    let cell = buffer.cell((x + at as u16, y));
                    cell.is_some_and(|cell| cell.symbol() == symbol)
                });
                if is_here {
                    return (buffer[(x, y)].fg, buffer[(x, y)].bg);
                }
            }
        }
        panic!("not on the screen: {text}");
    }

    pub(super) fn shows(&self, text: &str) -> bool {
        self.screen().contains(text)
    }

    /// Counts the frames drawn so far.
    pub(super) fn frames(&self) -> usize {
        self.screen.0.lock().frames
    }

    pub(super) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Waits for the end.
    pub(super) async fn ended(self) -> ExitReason {
        let ended = self.local.run_until(self.task).await;
        ended.expect("no panic").expect("no error")
    }

    fn send(&self, event: Input) {
        // A console that has ended hears nothing.
        let _ = self.input.send(Ok(event));
    }
}

/// Makes a key of what is written in the table.
fn key(written: &str) -> KeyEvent {
    Chord::parse(written)
        .unwrap_or_else(|| panic!("no key: {written}"))
        .event()
}

/// What the console did outside its picture.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Outside>>);

#[derive(Default)]
struct Outside {
    copied: Vec<String>,
    notified: Vec<String>,
    mouse: Option<bool>,
    suspended: usize,
    resumed: usize,
    busy: bool,
    editor: Option<Result<String, Error>>,
    edited: usize,
}

/// Keys that are not read while an editor is open.
struct Keys {
    keys: mpsc::UnboundedReceiver<io::Result<Input>>,
    paused: bool,
}

impl futures_util::Stream for Keys {
    type Item = io::Result<Input>;
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        assert!(!self.paused, "the keys are the editor's");
        self.keys.poll_recv(cx)
    }
}

impl crate::console::run::Input for Keys {
    fn pause(&mut self) {
        self.paused = true;
    }
    fn resume(&mut self) {
        self.paused = false;
    }
}

impl Seen {
    pub(super) fn copied(&self) -> Vec<String> {
        self.0.lock().copied.clone()
    }
    pub(super) fn notified(&self) -> Vec<String> {
        self.0.lock().notified.clone()
    }
    pub(super) fn mouse_taken(&self) -> Option<bool> {
        self.0.lock().mouse
    }
    pub(super) fn suspended(&self) -> usize {
        self.0.lock().suspended
    }
    pub(super) fn resumed_times(&self) -> usize {
        self.0.lock().resumed
    }
    /// The editor gives this back.
    pub(super) fn editor_writes(&self, result: Result<String, Error>) {
        self.0.lock().editor = Some(result);
    }
    pub(super) fn edited_times(&self) -> usize {
        self.0.lock().edited
    }
    /// The line to the terminal is stuck, or moves again.
    pub(super) fn is_busy(&self, busy: bool) {
        self.0.lock().busy = busy;
    }
}

impl Host for Seen {
    fn copy(&mut self, text: &str) -> Result<&'static str, Error> {
        self.0.lock().copied.push(text.to_owned());
        Ok("by OSC 52")
    }
    fn mouse(&mut self, take: bool) {
        self.0.lock().mouse = Some(take);
    }
    fn notify(&mut self, text: &str) {
        self.0.lock().notified.push(text.to_owned());
    }
    fn suspend(&mut self) -> io::Result<()> {
        self.0.lock().suspended += 1;
        Ok(())
    }
    fn edit(&mut self, text: String) -> BoxFuture<'static, Result<String, Error>> {
        let editor = self.0.lock().editor.take();
        async move {
            sleep(Duration::from_millis(50)).await;
            editor.map_or(Ok(text), |edited| edited)
        }
        .boxed()
    }
    fn edited(&mut self) {
        self.0.lock().edited += 1;
    }
    fn is_ready(&self) -> bool {
        !self.0.lock().busy
    }
    async fn ready(&self) {
        while self.0.lock().busy {
            sleep(Duration::from_millis(10)).await;
        }
    }
    fn resumed(&mut self) {
        self.0.lock().resumed += 1;
    }
}

/// A screen in memory that can be looked at while the console draws on it.
#[derive(Clone)]
struct Shown(Arc<Mutex<Picture>>);

struct Picture {
    backend: TestBackend,
    frames: usize,
}

fn infallible<T>(result: Result<T, std::convert::Infallible>) -> io::Result<T> {
    result.map_err(|never| match never {})
}

impl Backend for Shown {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut picture = self.0.lock();
        picture.frames += 1;
        infallible(picture.backend.draw(content))
    }
    fn hide_cursor(&mut self) -> io::Result<()> {
        infallible(self.0.lock().backend.hide_cursor())
    }
    fn show_cursor(&mut self) -> io::Result<()> {
        infallible(self.0.lock().backend.show_cursor())
    }
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        infallible(self.0.lock().backend.get_cursor_position())
    }
    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        infallible(self.0.lock().backend.set_cursor_position(position))
    }
    fn clear(&mut self) -> io::Result<()> {
        infallible(self.0.lock().backend.clear())
    }
    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        infallible(self.0.lock().backend.clear_region(clear_type))
    }
    fn size(&self) -> io::Result<Size> {
        infallible(self.0.lock().backend.size())
    }
    fn window_size(&mut self) -> io::Result<WindowSize> {
        infallible(self.0.lock().backend.window_size())
    }
    fn flush(&mut self) -> io::Result<()> {
        infallible(Backend::flush(&mut self.0.lock().backend))
    }
}
