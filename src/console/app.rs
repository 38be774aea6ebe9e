//! The console's mind: takes an event, changes the state, says what is to be done. Draws nothing, does nothing.

mod alerts;
mod branch;
mod chat;
mod copy;
mod deck;
mod drawn;
mod files;
mod find;
mod hints;
mod history;
mod keys;
mod look;
mod moment;
mod mouse;
mod pages;
mod palette;
mod pool;
mod split;
mod who;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::composer::Composer;
use super::effect::Effect;
use super::event::Event;
use super::keymap::{self, Keymap};
use super::settings::{Notice, Settings};
use super::state::answerers::Answerers;
use super::state::chat::Chat;
use super::state::clock::Clock;
use super::state::dialog::Dialog;
use super::state::errors::Errors;
use super::state::focus::{Focus, Pane};
use super::state::ledger::Ledger;
use super::state::log::Log;
use super::state::metrics::Metrics;
use super::state::moment::{Frozen, History};
use super::state::pool::Pool;
use super::state::reply::Reply;
use super::state::requests::Requests;
use super::state::search::Search;
use super::state::select::Select;
use super::state::split::{Edge, Split};
use super::state::toast::{Toast, Tone};
use super::words::translate;
use super::{Context, Persona};
use crate::base::{Board, ConversationId, Error};
use crate::deck::Line;
pub(crate) use branch::{Editing, was_cut};
pub(crate) use chat::is_worth_retrying;
pub(crate) use drawn::{Drawn, Figures, Places, Redraw};

/// The name under which the console gives commands.
pub(crate) const BY: &str = "console";

/// The window of the header's figures.
const MINUTE: Duration = Duration::from_secs(60);
/// In how many buckets they are asked for.
const MINUTE_BUCKETS: usize = 12;
/// How often requests that ended are added to the list: each time rewrites all of it.
const REQUESTS_EVERY: Duration = Duration::from_secs(1);

/// How long a second Ctrl-C counts as one.
const ARMED: Duration = Duration::from_millis(1500);

/// The whole console, without its drawing.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) chat: Chat,
    pub(crate) composer: Composer,
    pub(crate) pool: Pool,
    pub(crate) metrics: Metrics,
    pub(crate) focus: Focus,
    pub(crate) dialog: Option<Dialog>,
    pub(crate) toast: Option<Toast>,
    pub(crate) keymap: Keymap,
    pub(crate) context: Context,
    /// Who is asked.
    pub(crate) answerers: Answerers,
    /// Whom the model plays.
    pub(crate) persona: Option<Arc<Persona>>,
    /// What is looked for in the conversation.
    pub(crate) search: Option<Search>,
    /// The lines that are being chosen.
    pub(crate) select: Option<Select>,
    /// The question that is being changed.
    pub(crate) editing: Option<Editing>,
    /// Whether the focused pane has the screen for itself.
    pub(crate) zoomed: bool,
    /// Whether the reasoning of answers is shown in full.
    pub(crate) show_reasoning: bool,
    pub(crate) requests: Requests,
    pub(crate) errors: Errors,
    pub(crate) log: Log,
    /// The moment that all panes show, while they stand still.
    pub(crate) frozen: Option<Frozen>,
    /// The wall clock.
    pub(crate) clock: Clock,
    /// Whether a page's filter is being typed.
    pub(crate) filtering: bool,
    /// The first line of the details that is shown.
    pub(crate) detail_top: usize,
    /// How the line to the pool stands.
    pub(crate) line: Line,
    /// The time of the last event.
    pub(crate) now: Instant,
    /// The same by the wall clock.
    pub(crate) wall: Timestamp,
    /// What of the conversation is kept.
    ledger: Ledger,
    /// Conversations that were deleted here, the last one last.
    deleted: Vec<ConversationId>,
    /// When the store was last looked at for other programs' changes.
    looked: Instant,
    /// What is to be told outside the screen.
    notices: Vec<Effect>,
    notice: Notice,
    /// The newest board, whatever is shown.
    live: Arc<Board>,
    history: History,
    /// Whether figures were asked for while everything stands still.
    figures_wanted: bool,
    /// Up to when requests are shown, and when the next ones are.
    requests_until: Instant,
    requests_due: Option<Instant>,
    /// Where things were drawn last.
    places: Places,
    /// Where the lines between the panes are, and the one that is dragged.
    pub(crate) split: Split,
    held: Option<Edge>,
    /// Whether a theme's background is painted, when somebody said so.
    paint: Option<bool>,
    /// Whether the config names a theme.
    config_has_theme: bool,
    /// Whether anything moves by time alone.
    pub(crate) animations: bool,
    mouse: bool,
    quit_armed: Option<Instant>,
    history_turns: usize,
}

impl App {
    /// Makes a console that shows a first picture of the pool.
    pub(crate) fn new(
        settings: &Settings,
        context: Context,
        board: Arc<Board>,
        now: Instant,
    ) -> Self {
        let mut pool = Pool::default();
        pool.show(Arc::clone(&board), now);
        let seed = context.kept.as_ref().map_or(0, |archive| archive.seed());
        let clock = Clock::new(context.clock.clone(), now);
        let paint = context.memory.notes.paint;
        Self {
            wall: Timestamp::UNIX_EPOCH,
            ledger: Ledger::new(seed),
            deleted: Vec::new(),
            looked: now,
            answerers: Answerers::default(),
            persona: context.personas.first().cloned().map(Arc::new),
            search: None,
            select: None,
            editing: None,
            chat: Chat::default(),
            composer: Composer::new(),
            pool,
            metrics: Metrics::default(),
            focus: Focus::default(),
            dialog: None,
            toast: None,
            // What is wrong with them was said when the config was read.
            keymap: Keymap::with(&settings.keys).0,
            context,
            zoomed: false,
            show_reasoning: false,
            requests: Requests::default(),
            errors: Errors::default(),
            log: Log::default(),
            frozen: None,
            clock,
            filtering: false,
            detail_top: 0,
            notices: Vec::new(),
            notice: settings.alerts,
            live: board,
            history: History::default(),
            figures_wanted: false,
            requests_until: now,
            requests_due: None,
            line: Line::default(),
            now,
            places: Places::default(),
            split: Split::default(),
            held: None,
            paint,
            config_has_theme: settings.names_theme(),
            animations: settings.animations,
            mouse: settings.mouse,
            quit_armed: None,
            history_turns: settings.history_turns,
        }
    }

    /// Takes in what happened; tells what is to be done and whether the picture is another one now.
    pub(crate) fn update(&mut self, event: Event, now: Instant) -> (Vec<Effect>, Redraw) {
        self.now = now;
        let is_quiet = matches!(
            event,
            Event::Chunk(..)
                | Event::Deck(_)
                | Event::Board(_)
                | Event::Series(..)
                | Event::Detail(_)
                | Event::Failures(_)
                | Event::Requests(_)
                | Event::Log(_)
                | Event::Colours
                | Event::Time
        );
        let before = self.focus;
        let (effects, redraw) = self.react(event);
        let mut all = self.keep(!is_quiet);
        all.extend(effects);
        if self.focus != before {
            all.extend(self.entered());
        }
        let hint = self.teach();
        let redraw = redraw.max(Redraw::soon_if(hint.is_some()));
        all.extend(hint);
        if all.contains(&Effect::Figures) {
            self.figures_wanted = true;
        }
        (all, redraw)
    }

    fn react(&mut self, event: Event) -> (Vec<Effect>, Redraw) {
        match event {
            Event::Key(key) => {
                self.requests_until = self.now;
                (self.key(key), Redraw::Now)
            }
            Event::Paste(text) => (self.paste(&text), Redraw::Now),
            Event::Mouse(mouse) => self.mouse(mouse),
            Event::Resize => (Vec::new(), Redraw::Now),
            Event::Chunk(id, piece) => (self.piece(id, piece), Redraw::Soon),
            Event::StreamEnded(id) => {
                self.stream_ended(id);
                (Vec::new(), Redraw::Soon)
            }
            Event::Deck(event) => {
                let redraw = self.heard(&event);
                (self.notices.drain(..).collect(), redraw)
            }
            Event::Line(line) => (Vec::new(), self.line(line)),
            Event::Board(board) => (Vec::new(), self.board(board)),
            Event::Series(series, minute) => (Vec::new(), self.series(*series, *minute)),
            Event::Detail(series) => {
                let changed = self.pool.series.as_ref() != Some(&*series);
                self.pool.series = Some(*series);
                (Vec::new(), Redraw::soon_if(changed))
            }
            Event::Failures(failures) => (Vec::new(), self.failures(*failures)),
            Event::Requests(samples) => (Vec::new(), self.fill_requests(samples)),
            Event::Log(lines) => (Vec::new(), self.log_lines(lines)),
            Event::Commanded { result, undoing } => {
                self.commanded(result, undoing);
                (Vec::new(), Redraw::Now)
            }
            Event::Copied(result) => {
                match result {
                    Ok(route) => self.say(format!("copied {route}"), Tone::Done),
                    Err(error) => self.say_error(&error),
                }
                (Vec::new(), Redraw::Now)
            }
            Event::FilesRead { line, result } => {
                self.files_read(&line, result);
                (Vec::new(), Redraw::Now)
            }
            Event::Completed(path, candidates) => {
                self.completed(&path, &candidates);
                (Vec::new(), Redraw::Now)
            }
            Event::Saved(result) => {
                self.saved(result);
                (Vec::new(), Redraw::Now)
            }
            Event::Edited(result) => {
                self.edited(result);
                (Vec::new(), Redraw::Now)
            }
            Event::Themes(themes, current) => {
                self.themes(themes, &current);
                (Vec::new(), Redraw::Now)
            }
            Event::Themed { name, keep, result } => (self.themed(&name, keep, result), Redraw::Now),
            Event::Remembered(result) => {
                self.remembered(result);
                (Vec::new(), Redraw::Soon)
            }
            Event::Colours => (Vec::new(), Redraw::Soon),
            Event::Listed(page) => {
                self.listed(page);
                (Vec::new(), Redraw::Now)
            }
            Event::Found(query, found) => {
                self.found(&query, found);
                (Vec::new(), Redraw::Now)
            }
            Event::Opened(opened) => (self.opened(*opened), Redraw::Now),
            Event::Forked(at, opened) => (self.forked(at, *opened), Redraw::Now),
            Event::Stamped(stamp) => (self.stamped(stamp), Redraw::No),
            Event::Trouble(said) => {
                self.say(said, Tone::Failed);
                (Vec::new(), Redraw::Now)
            }
            Event::Time => {
                let redraw = self.time_passed();
                (self.look_at_store(), redraw)
            }
        }
    }

    /// Takes in what a drawing found out.
    pub(crate) fn drawn(&mut self, drawn: Drawn) {
        self.places = drawn.places;
        self.chat.scroll = drawn.scroll;
        self.select = drawn.select;
        if let Some(search) = &mut self.search {
            search.jump = false;
            search.line = drawn.found.or(search.line);
        }
        self.metrics.columns = drawn.columns;
        self.detail_top = drawn.detail_top;
        if let Some(Dialog::Help { top }) = &mut self.dialog {
            *top = drawn.help_top;
        }
    }

    /// Returns where things were drawn last.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// Tells when the picture changes by time alone.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let toast = self.toast.as_ref().map(|toast| toast.until);
        let moving = |reply: &&Reply| self.animations && reply.is_running();
        let running = self.chat.running().filter(moving).map(|reply| {
            let whole_seconds = reply.elapsed(self.now).as_secs();
            reply.asked + Duration::from_secs(whole_seconds + 1)
        });
        let lost = self.lost_since().filter(|_| self.animations);
        let lost = lost.map(|since| {
            let whole_seconds = self.now.duration_since(since).as_secs();
            since + Duration::from_secs(whole_seconds + 1)
        });
        let store = self.looks_at_store_at();
        let requests = self.requests_due;
        [toast, running, lost, store, requests]
            .into_iter()
            .flatten()
            .min()
    }

    /// Tells which figures the screen shows.
    pub(crate) fn figures(&self) -> Figures {
        let age = self.age();
        let window = self.metrics.window();
        let more = |buckets: usize, window: Duration| {
            let step = window.as_secs_f64() / buckets.max(1) as f64;
            buckets + (age.as_secs_f64() / step).ceil() as usize
        };
        Figures {
            scope: self.metrics.scope.clone(),
            buckets: more(self.metrics.buckets(), window),
            window: window + age,
            minute: MINUTE + age,
            minute_buckets: more(MINUTE_BUCKETS, MINUTE),
        }
    }

    /// Returns the context that keys are looked up in.
    pub(crate) fn key_context(&self) -> keymap::Context {
        match &self.dialog {
            Some(Dialog::Help { .. }) => keymap::Context::Help,
            Some(Dialog::Confirm(_)) => keymap::Context::Confirm,
            Some(Dialog::Choose(_)) => keymap::Context::Choose,
            Some(Dialog::Palette(_)) => keymap::Context::Palette,
            Some(Dialog::Library(_)) => keymap::Context::Library,
            Some(Dialog::Line(_)) => keymap::Context::Line,
            None if self.select.is_some() => keymap::Context::Select,
            None if self.filtering => keymap::Context::Filter,
            None => self.focus_context(),
        }
    }

    /// Returns the context of what has the focus, whatever lies over it.
    pub(crate) fn focus_context(&self) -> keymap::Context {
        match self.focus {
            Focus::Prompt => keymap::Context::Prompt,
            Focus::Transcript => keymap::Context::Transcript,
            Focus::Pool => keymap::Context::Pool,
            Focus::Metrics => keymap::Context::Metrics,
            Focus::Requests => keymap::Context::Requests,
            Focus::Errors => keymap::Context::Errors,
            Focus::Log => keymap::Context::Log,
        }
    }

    /// Returns the context whose keys the chat names: the prompt's, unless the conversation has the focus.
    pub(crate) fn chat_context(&self) -> keymap::Context {
        match self.focus {
            Focus::Transcript => keymap::Context::Transcript,
            Focus::Prompt
            | Focus::Pool
            | Focus::Metrics
            | Focus::Requests
            | Focus::Errors
            | Focus::Log => keymap::Context::Prompt,
        }
    }

    fn say(&mut self, text: impl Into<String>, tone: Tone) {
        self.toast = Some(Toast::new(text, tone, self.now));
    }

    fn say_error(&mut self, error: &Error) {
        self.say(
            format!(
                "{}; {}",
                translate(&error.to_string()),
                translate(error.hint())
            ),
            Tone::Failed,
        );
    }

    fn time_passed(&mut self) -> Redraw {
        let gone = self
            .toast
            .as_ref()
            .is_some_and(|toast| toast.until <= self.now);
        if gone {
            self.toast = None;
        }
        if self.quit_armed.is_some_and(|until| until <= self.now) {
            self.quit_armed = None;
        }
        let more_requests = self.requests_due.is_some_and(|due| due <= self.now);
        if more_requests {
            self.requests_due = None;
            self.requests_until = self.now;
        }
        let counts = self.chat.running().is_some() || self.lost_since().is_some();
        Redraw::soon_if(gone || more_requests || (counts && self.animations))
    }

    fn paste(&mut self, text: &str) -> Vec<Effect> {
        if let Some(Dialog::Palette(palette)) = &mut self.dialog {
            palette.push(text.lines().next().unwrap_or_default());
            return Vec::new();
        }
        if let Some(Dialog::Library(library)) = &self.dialog {
            let typed = library.text().to_owned() + text.lines().next().unwrap_or_default();
            return self.set_library_text(&typed);
        }
        if self.filtering {
            self.paste_into_filter(text);
            return Vec::new();
        }
        self.paste_into_line(text);
        if self.dialog.is_none() {
            self.select = None;
            self.focus = Focus::Prompt;
            let left_out = self.composer.insert_str(text);
            if left_out > 0 {
                self.say(
                    format!("the prompt is full; {left_out} bytes of the paste were left out"),
                    Tone::Failed,
                );
            }
        }
        Vec::new()
    }
}
