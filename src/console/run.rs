//! THE loop: waits for whatever comes first, lets the app think, does what it says, draws when something is different.
//!
//! ```text
//! keys, paste, mouse ─┐
//! answers' streams ───┤                      ┌─> effects: ask, stop, command, copy, leave
//! the deck's events ──┼─> App::update ───────┤
//! commands' results ──┤                      └─> redraw: no, soon (frame rate), now
//! deadlines ──────────┘
//! ```
//! Nothing here blocks, and when nothing happens nothing wakes it.

mod feed;
pub(crate) mod files;
pub(crate) mod looks;
mod pace;
mod refresh;
mod streams;

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Stream, StreamExt};
use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::crossterm::event::Event as TerminalEvent;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep_until};

use self::feed::Feed;
use self::looks::Looks;
use self::pace::Pace;
use self::refresh::Refresh;
use self::streams::Streams;
use super::ExitReason;
use super::app::{App, BY, Redraw};
use super::effect::{Effect, Wanted};
use super::event::Event;
use super::state::errors::MOST as MOST_FAILURES;
use super::state::requests::MOST as MOST_REQUESTS;
use super::view::{Screen, highlight};
use crate::base::{DeckEvent, Error, ErrorKind, LogSource, Scope};
use crate::deck::Deck;

/// The most conversations in the list.
const LISTED: usize = 200;
/// The most pieces taken from one source before the others get their turn.
const AT_ONCE: usize = 256;

/// How far back the history of one instance goes, and in how many steps.
const DETAIL: (Duration, usize) = (Duration::from_secs(900), 90);

/// What thinks and what draws.
pub(crate) struct Face {
    pub(crate) app: App,
    pub(crate) screen: Screen,
    /// The most frames in a second while something streams.
    pub(crate) frames_per_second: u32,
    /// The last lines of the log, when there is one.
    pub(crate) log: Option<Arc<dyn LogSource>>,
    /// The themes there are.
    pub(crate) looks: Looks,
}

/// What lies outside the picture: the clipboard, the mouse, the shell.
pub(crate) trait Host {
    /// Puts text on the clipboard and tells by which way.
    fn copy(&mut self, text: &str) -> Result<&'static str, Error>;
    /// Takes the mouse, or gives it to the terminal.
    fn mouse(&mut self, take: bool);
    /// Tells something outside the screen.
    fn notify(&mut self, text: &str);
    /// Stops the program until the shell goes on with it.
    fn suspend(&mut self) -> io::Result<()>;
    /// Hands the terminal to an editor with a text in it; what was written comes back.
    fn edit(&mut self, text: String) -> BoxFuture<'static, Result<String, Error>>;
    /// Takes the terminal back from the editor.
    fn edited(&mut self);
    /// Tells whether the last frame has left; another one must not be drawn before.
    fn is_ready(&self) -> bool;
    /// Waits until it has left.
    fn ready(&self) -> impl Future<Output = ()> + Send;
    /// Takes the terminal back after a stop that was not asked for here.
    fn resumed(&mut self);
}

/// What is typed, pasted and clicked.
pub(crate) trait Input: Stream<Item = io::Result<TerminalEvent>> + Unpin {
    /// Reads nothing more: somebody else has the terminal.
    fn pause(&mut self);
    /// Reads again.
    fn resume(&mut self);
}

/// What somebody outside wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The program must end.
    Leave(ExitReason),
    /// The program was stopped and goes on; the screen is not ours any more.
    Continued,
}

/// Runs the console until somebody leaves or the terminal goes away.
///
/// # Errors
/// When the terminal cannot be drawn on.
pub(crate) async fn run<B, I, H>(
    terminal: &mut Terminal<B>,
    mut input: I,
    deck: Deck,
    face: Face,
    host: &mut H,
    mut signals: mpsc::Receiver<Signal>,
) -> Result<ExitReason, Error>
where
    B: Backend,
    I: Input,
    H: Host,
{
    let now = Instant::now();
    let mut heard = deck.subscribe();
    let mut deck_speaks = true;
    let mut console = Console {
        deck,
        app: face.app,
        screen: face.screen,
        streams: Streams::default(),
        jobs: FuturesUnordered::new(),
        pace: Pace::new(face.frames_per_second, now),
        refresh: Refresh::new(now),
        clear: false,
        away: false,
        leave: None,
        troubles: None,
        log: face.log.map(|source| Feed::new(source, now)),
        looks: face.looks,
    };
    console.watch_keeping();
    console.draw(terminal)?;
    if let Some(drawn) = console.app.context.drawn.take() {
        drawn.notify_one();
    }
    loop {
        let drawing_waits = console.pace.wants() && (console.away || !host.is_ready());
        let wake = console.wake(drawing_waits);
        tokio::select! {
            biased;
            Some(signal) = signals.recv() => match signal {
                Signal::Leave(reason) => return Ok(reason),
                // The editor was stopped and goes on; it has the terminal.
                Signal::Continued if console.away => {}
                Signal::Continued => {
                    host.resumed();
                    console.act(Effect::Redraw, host);
                }
            },
            event = input.next(), if !console.away => match event {
                None | Some(Err(_)) => return Ok(ExitReason::HungUp),
                Some(Ok(event)) => console.input(event, &mut input, host).await,
            },
            Some((id, event)) = console.streams.next(), if !console.streams.is_empty() => {
                console.happened(Streams::event(id, event), host);
                console.drain_streams(host).await;
            }
            Some(event) = console.jobs.next(), if !console.jobs.is_empty() => {
                if matches!(event, Event::Edited(_)) {
                    console.away = false;
                    host.edited();
                    input.resume();
                    console.act(Effect::Redraw, host);
                }
                console.happened(event, host);
                // Whatever became of it, the picture is another one, or what was expected of it is wrong.
                console.refresh.heard(Instant::now());
            }
            trouble = async { console.troubles.as_mut()?.await }, if console.troubles.is_some() => {
                console.troubles = None;
                if let Some(said) = trouble {
                    console.happened(Event::Trouble(said), host);
                    console.watch_keeping();
                }
            }
            event = heard.recv(), if deck_speaks => {
                deck_speaks = console.heard(event, &mut heard, host).await;
            }
            () = highlight::changed() => console.happened(Event::Colours, host),
            () = Feed::changed(&mut console.log), if console.app.wants_log() => {}
            () = host.ready(), if drawing_waits && !console.away => {}
            () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
        }
        console.on_time(host);
        if console.away {
            input.pause();
        }
        if let Some(reason) = console.leave {
            return Ok(reason);
        }
        if console.pace.is_due(Instant::now()) && host.is_ready() && !console.away {
            console.draw(terminal)?;
        }
    }
}

/// Looks whether a future is ready, without waiting for it.
///
/// Not `now_or_never`: that leaves a waker that wakes nobody, and crossterm's stream keeps the first one it is given.
async fn once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

struct Console {
    deck: Deck,
    app: App,
    screen: Screen,
    streams: Streams,
    /// Commands under way.
    jobs: FuturesUnordered<BoxFuture<'static, Event>>,
    pace: Pace,
    refresh: Refresh,
    /// Whether the screen must be wiped before the next frame.
    clear: bool,
    /// Whether an editor has the terminal.
    away: bool,
    leave: Option<ExitReason>,
    /// The next trouble with keeping conversations.
    troubles: Option<BoxFuture<'static, Option<String>>>,
    /// Where log lines come from.
    log: Option<Feed>,
    looks: Looks,
}

impl Console {
    /// Lets the app think, and does what it says.
    fn happened(&mut self, event: Event, host: &mut impl Host) {
        self.app.wall = jiff::Timestamp::now();
        let (effects, redraw) = self.app.update(event, Instant::now());
        self.pace.ask(redraw);
        for effect in effects {
            self.act(effect, host);
        }
    }

    fn act(&mut self, effect: Effect, host: &mut impl Host) {
        match effect {
            Effect::Send(id, request) => self.streams.insert(id, self.deck.chat(*request)),
            Effect::Cancel(id) => self.streams.cancel(id),
            Effect::Command { command, undoing } => {
                let done = self.deck.command(command, BY);
                self.jobs.push(
                    done.map(move |result| Event::Commanded { result, undoing })
                        .boxed(),
                );
            }
            Effect::Copy(text) => {
                let copied = Event::Copied(host.copy(&text));
                self.happened(copied, host);
            }
            Effect::CopyLines(chosen) => {
                let text = self.screen.chosen_lines(&self.app, *chosen);
                let copied = Event::Copied(host.copy(&text));
                self.happened(copied, host);
            }
            Effect::ReadFiles { line, path } => self.job(move || Event::FilesRead {
                line,
                result: files::read(&path),
            }),
            Effect::Complete(path) => self.job(move || {
                let candidates = files::complete(&path);
                Event::Completed(path, candidates)
            }),
            Effect::Save { path, text } => {
                self.job(move || Event::Saved(files::save(&path, &text)));
            }
            Effect::Edit(text) if !self.away => {
                self.away = true;
                self.jobs.push(host.edit(text).map(Event::Edited).boxed());
            }
            Effect::Edit(_) => {}
            Effect::Mouse(take) => host.mouse(take),
            Effect::Figures => self.refresh.figures_now(Instant::now()),
            Effect::Requests => {
                let samples = self.deck.requests(MOST_REQUESTS);
                self.happened(Event::Requests(samples), host);
            }
            Effect::Log => self.read_log(host),
            Effect::Notify(text) => host.notify(&text),
            Effect::Themes => {
                // At once, so that keys which are typed ahead go to the list: these are a few small files.
                let listed = Looks::list(&self.looks.dirs);
                let current = self.looks.current.clone();
                self.happened(Event::Themes(listed, current), host);
            }
            Effect::Theme { name, paint, keep } => {
                let result = self.looks.theme(&name, paint);
                let result = result.map(|theme| self.screen.wear(theme));
                if result.is_ok() {
                    self.looks.current.clone_from(&name);
                }
                self.happened(Event::Themed { name, keep, result }, host);
            }
            Effect::Remember => {
                let memory = self.app.context.memory.clone();
                self.job(move || Event::Remembered(memory.write()));
            }
            Effect::Redraw => {
                self.clear = true;
                self.pace.ask(Redraw::Now);
            }
            Effect::Suspend => {
                // When it cannot be suspended the console simply goes on.
                if host.suspend().is_ok() {
                    self.act(Effect::Redraw, host);
                }
            }
            Effect::Keep(change) => {
                if let Some(archive) = self.app.context.kept.as_ref() {
                    archive.save(change);
                }
            }
            Effect::Library(wanted) => self.fetch(wanted),
            Effect::Quit => self.leave = Some(ExitReason::Quit),
        }
    }

    /// Asks for what is kept; the answer comes in as an event.
    fn fetch(&mut self, wanted: Wanted) {
        let Some(archive) = self.app.context.kept.as_ref() else {
            return;
        };
        self.jobs.push(match wanted {
            Wanted::List => archive.list(LISTED).map(Event::Listed).boxed(),
            Wanted::Search(query) => archive
                .search(query.clone(), LISTED)
                .map(|found| Event::Found(query, found))
                .boxed(),
            Wanted::Open(id) => {
                let opened = archive.load(id);
                opened.map(|opened| Event::Opened(Box::new(opened))).boxed()
            }
            Wanted::Fork(id, at) => {
                let opened = archive.load(id);
                opened
                    .map(move |opened| Event::Forked(at, Box::new(opened)))
                    .boxed()
            }
            Wanted::Stamp => archive
                .stamp()
                .map(|stamp| Event::Stamped(stamp.unwrap_or_default()))
                .boxed(),
        });
    }

    /// Waits for the next trouble with keeping.
    fn watch_keeping(&mut self) {
        if let Some(archive) = self.app.context.kept.as_ref() {
            let trouble = archive.trouble();
            self.troubles = Some(trouble);
        }
    }

    /// Does something that blocks, in a thread of its own.
    fn job(&mut self, work: impl FnOnce() -> Event + Send + 'static) {
        let done = tokio::task::spawn_blocking(work);
        self.jobs.push(
            done.map(|event| match event {
                Ok(event) => event,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            })
            .boxed(),
        );
    }

    /// Takes one input event and all that have come with it, so that fast typing draws once.
    async fn input<I>(&mut self, event: TerminalEvent, input: &mut I, host: &mut impl Host)
    where
        I: Input,
    {
        self.one_input(event, host);
        for _ in 0..AT_ONCE {
            if self.away {
                return;
            }
            match once(input.next()).await {
                Some(Some(Ok(event))) => self.one_input(event, host),
                Some(Some(Err(_)) | None) => {
                    self.leave = Some(ExitReason::HungUp);
                    return;
                }
                None => return,
            }
        }
    }

    fn one_input(&mut self, event: TerminalEvent, host: &mut impl Host) {
        let event = match event {
            TerminalEvent::Key(key) => Event::Key(key),
            TerminalEvent::Paste(text) => Event::Paste(text),
            TerminalEvent::Mouse(mouse) => Event::Mouse(mouse),
            TerminalEvent::Resize(..) => {
                // What the terminal made of the picture is not known, also when it is back at the size it had.
                self.clear = true;
                Event::Resize
            }
            TerminalEvent::FocusGained | TerminalEvent::FocusLost => return,
        };
        self.happened(event, host);
    }

    async fn drain_streams(&mut self, host: &mut impl Host) {
        for _ in 0..AT_ONCE {
            match once(self.streams.next()).await {
                Some(Some((id, event))) => self.happened(Streams::event(id, event), host),
                Some(None) | None => return,
            }
        }
    }

    /// Takes what the deck said; `false` when it will say no more.
    async fn heard(
        &mut self,
        event: Result<DeckEvent, RecvError>,
        more: &mut broadcast::Receiver<DeckEvent>,
        host: &mut impl Host,
    ) -> bool {
        let now = Instant::now();
        self.refresh.heard(now);
        if matches!(event, Ok(DeckEvent::News)) {
            // What was asked for has come, no oftener than it was asked for.
            self.refresh.news(now);
        }
        let mut next = Some(event);
        for _ in 0..AT_ONCE {
            match next {
                Some(Ok(event)) => self.happened(Event::Deck(event), host),
                Some(Err(RecvError::Lagged(count))) => {
                    self.happened(Event::Deck(DeckEvent::Missed { count }), host);
                }
                Some(Err(RecvError::Closed)) => return false,
                None => return true,
            }
            next = once(more.recv()).await;
        }
        true
    }

    /// Reads the board and the figures when it is time, and tells the app that time has passed.
    fn on_time(&mut self, host: &mut impl Host) {
        let now = Instant::now();
        if self.refresh.board_is_due(now) {
            let line = self.deck.line();
            if line != self.app.line {
                self.happened(Event::Line(line), host);
            }
            let board = Event::Board(self.deck.board());
            self.happened(board, host);
            self.refresh.board_read(now, self.app.pool.counts_down());
        }
        if self.refresh.figures_are_due(now) {
            let figures = self.figures();
            self.happened(figures, host);
            if let Some(name) = self.app.wants_detail() {
                let scope = Scope::Instance(name);
                let series = self.deck.series(&scope, DETAIL.0, DETAIL.1);
                self.happened(Event::Detail(Box::new(series)), host);
            }
            if self.app.wants_failures() {
                let failures = self.deck.failures(MOST_FAILURES);
                self.happened(Event::Failures(Box::new(failures)), host);
            }
        }
        if self.log.as_mut().is_some_and(|log| log.is_due(now)) {
            self.read_log(host);
        }
        if self.app.deadline().is_some_and(|deadline| deadline <= now) {
            self.happened(Event::Time, host);
        }
    }

    /// Reads what is new in the log.
    fn read_log(&mut self, host: &mut impl Host) {
        let Some(log) = &mut self.log else { return };
        let lines = log.read(self.app.log.read_to(), Instant::now());
        if !lines.is_empty() {
            self.happened(Event::Log(lines), host);
        }
    }

    /// Reads the figures that the screen shows.
    fn figures(&mut self) -> Event {
        let wanted = self.app.figures();
        let series = self
            .deck
            .series(&wanted.scope, wanted.window, wanted.buckets);
        let minute = self
            .deck
            .series(&Scope::All, wanted.minute, wanted.minute_buckets);
        self.refresh
            .figures_read(Instant::now(), series.step, self.app.metrics.moves());
        Event::Series(Box::new(series), Box::new(minute))
    }

    /// Tells when to wake without anything coming in. A frame that must wait for the line has no time of its own.
    fn wake(&self, drawing_waits: bool) -> Option<Instant> {
        [
            self.pace.deadline().filter(|_| !drawing_waits),
            self.refresh.deadline(),
            self.app.deadline(),
            self.log.as_ref().and_then(Feed::deadline),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn draw<B: Backend>(&mut self, terminal: &mut Terminal<B>) -> Result<(), Error> {
        let columns = self.app.metrics.columns;
        if std::mem::take(&mut self.clear) {
            terminal.clear().map_err(|error| cannot_draw(&error))?;
        }
        let mut drawn = None;
        terminal
            .draw(|frame| drawn = Some(self.screen.draw(frame, &self.app)))
            .map_err(|error| cannot_draw(&error))?;
        if let Some(drawn) = drawn {
            self.app.drawn(drawn);
        }
        let now = Instant::now();
        if self.app.metrics.columns != columns {
            self.refresh.figures_now(now);
        }
        self.pace.drawn(now);
        Ok(())
    }
}

fn cannot_draw(error: &impl std::error::Error) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("cannot draw on the terminal: {error}"),
    )
    .with_hint("'llmdeck chat \"question\"' works without a screen")
}
