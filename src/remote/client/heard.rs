//! What was heard of the gateway, and what it was asked.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::VERSION;
use super::super::compact::grow;
use super::super::delta::apply;
use super::super::message::{FromConsole, FromGateway, Hello, LINE, Number, What};
use crate::base::{
    Answer, Board, Changed, ChatRequest, Chunk, Command, DeckEvent, Error, ErrorKind, Failures,
    Figures, LlmMetrics, RequestId, Sample, Series, clean_line,
};
use crate::deck::Line;

/// The board is looked at so often ...
const BOARD_EVERY: Duration = Duration::from_millis(250);
/// ... and everything else so often.
const FIGURES_EVERY: Duration = Duration::from_secs(1);
/// What nobody asked for in this time is let go.
const UNASKED: Duration = Duration::from_secs(30);
/// How many views are open at once, the board among them.
const MOST_VIEWS: usize = 15;
const MOST_CHATS: usize = 16;
const MOST_COMMANDS: usize = 16;
/// How many ended requests are kept.
const MOST_REQUESTS: usize = 1_000;
/// When requests were missed, so many are fetched again ...
const REFETCHED: usize = 200;
/// ... at most this often.
const REFETCH_EVERY: Duration = Duration::from_secs(5);

type Pen = mpsc::Sender<Result<Chunk, Error>>;
type Done = oneshot::Sender<Result<Changed, Error>>;

/// What a message brought.
pub(in crate::remote) enum News {
    Nothing,
    /// There is something new to be read.
    Figures,
    Events(Vec<DeckEvent>),
}

/// Something to be seen, as the deck's callers have it.
#[derive(Clone, Debug)]
pub(in crate::remote) enum Sight {
    Board(Arc<Board>),
    Series(Box<Series>),
    Window(Box<LlmMetrics>),
    Failures(Box<Failures>),
    Figures(Box<Figures>),
}

/// One view and what was heard of it.
struct Seen {
    id: Number,
    value: Option<Value>,
    patches: u64,
    sight: Option<Sight>,
    /// When the sight was made; ages in it were right then.
    made: Instant,
    asked: Instant,
}

/// A chat that runs.
struct Chat {
    pen: Pen,
    answer: Answer,
}

/// Everything heard and asked.
pub(in crate::remote) struct Heard {
    hello: Option<Hello>,
    line: Line,
    lost: Option<Error>,
    /// The pool's age in milliseconds, and when it was heard; that moment stands still while the line is lost.
    clock: (i64, Instant),
    out: Option<(mpsc::Sender<FromConsole>, CancellationToken)>,
    views: HashMap<What, Seen>,
    chats: HashMap<Number, Chat>,
    commands: HashMap<Number, Done>,
    /// Ended requests, the newest last.
    ended: VecDeque<Arc<Sample>>,
    /// How many were asked for; 0 when nobody wants any.
    wanted: usize,
    /// Whether those that come are to replace those that are there.
    replace: bool,
    refetch: bool,
    fetched: Instant,
    last: Number,
    /// Told once: when the first picture is there, or why none will be.
    first: Option<oneshot::Sender<Result<(), Error>>>,
}

impl Heard {
    pub(in crate::remote) fn new(now: Instant, first: oneshot::Sender<Result<(), Error>>) -> Self {
        let mut heard = Self {
            hello: None,
            line: Line::Up,
            lost: None,
            clock: (0, now),
            out: None,
            views: HashMap::new(),
            chats: HashMap::new(),
            commands: HashMap::new(),
            ended: VecDeque::new(),
            wanted: 0,
            replace: false,
            refetch: false,
            fetched: now,
            last: 0,
            first: Some(first),
        };
        heard.open(What::Board, now);
        heard
    }

    pub(super) fn by(&self) -> &str {
        self.hello.as_ref().map_or("", |hello| &hello.by)
    }

    pub(super) fn version(&self) -> &str {
        self.hello.as_ref().map_or("", |hello| &hello.llmdeck)
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.hello.as_ref().is_some_and(|hello| hello.read_only)
    }

    pub(super) fn line(&self) -> Line {
        self.line.clone()
    }

    /// A connection is there; asks again for everything that is looked at. The token is cancelled when the gateway does
    /// not read what is written.
    pub(in crate::remote) fn connected(
        &mut self,
        out: mpsc::Sender<FromConsole>,
    ) -> CancellationToken {
        let stuck = CancellationToken::new();
        self.out = Some((out, stuck.clone()));
        self.hello = None;
        let views: Vec<(What, Number)> = self
            .views
            .iter_mut()
            .map(|(what, seen)| {
                // The sight stays until there is a new one.
                (seen.value, seen.patches) = (None, 0);
                (what.clone(), seen.id)
            })
            .collect();
        for (what, id) in views {
            self.ask_for(what, id);
        }
        if self.wanted > 0 {
            self.fetch(self.wanted);
        } else {
            self.ended.clear();
        }
        stuck
    }

    /// The line is lost: whatever ran on it is over.
    pub(in crate::remote) fn lost(&mut self, why: Error) {
        self.out = None;
        self.chats.clear();
        self.commands.clear();
        if let Some(first) = self.first.take() {
            // Whoever waited may have given up.
            let _ = first.send(Err(why.clone()));
        }
        if self.line == Line::Up {
            self.line = Line::Lost {
                since: self.clock.1,
                why: sentence(&why),
            };
        }
        self.lost = Some(why);
    }

    /// It could not be brought back yet.
    pub(super) fn still_lost(&mut self, error: &Error) {
        if let Line::Lost { why, .. } = &mut self.line {
            *why = sentence(error);
        }
        self.lost = Some(error.clone());
    }

    /// Returns the error for what ended with the line.
    pub(super) fn why_lost(&self) -> Error {
        let why = self
            .lost
            .as_ref()
            .map_or_else(String::new, |why| format!(": {}", why.message()));
        Error::new(
            ErrorKind::Network,
            format!("the line to the gateway is lost{why}"),
        )
        .with_hint("it is tried again and again; ask again when it is back")
    }

    /// Sends something, if there is a line.
    pub(super) fn send(&mut self, message: FromConsole) -> Result<(), Error> {
        let sent = match &self.out {
            Some((out, stuck)) => out.try_send(message).map_err(|_| stuck.cancel()),
            None => Err(()),
        };
        if sent.is_err() {
            self.out = None;
            return Err(self.why_lost());
        }
        Ok(())
    }

    fn number(&mut self) -> Number {
        self.last += 1;
        self.last
    }

    /// Returns what is to be seen, and looks at it from now on.
    pub(in crate::remote) fn look(&mut self, what: What, now: Instant) -> Option<Sight> {
        let at = match self.line {
            Line::Up => now,
            Line::Lost { .. } => self.clock.1,
        };
        let age = self.age(at);
        let Some(seen) = self.views.get_mut(&what) else {
            self.open(what, now);
            return None;
        };
        seen.asked = now;
        if at.duration_since(seen.made) >= BOARD_EVERY
            && let Some(value) = &seen.value
            && let Ok(sight) = make(&what, value, age)
        {
            (seen.sight, seen.made) = (Some(sight), at);
        }
        seen.sight.clone()
    }

    /// Returns the pool's age in milliseconds.
    fn age(&self, at: Instant) -> i64 {
        let (age, heard) = self.clock;
        let passed = at.duration_since(heard).as_millis();
        age.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    fn open(&mut self, what: What, now: Instant) {
        if self.views.len() >= MOST_VIEWS {
            let oldest = self
                .views
                .iter()
                .filter(|(what, _)| **what != What::Board)
                .min_by_key(|(_, seen)| seen.asked)
                .map(|(what, _)| what.clone());
            if let Some(oldest) = oldest {
                self.close(&oldest);
            }
        }
        let id = self.number();
        self.ask_for(what.clone(), id);
        self.views.insert(
            what,
            Seen {
                id,
                value: None,
                patches: 0,
                sight: None,
                made: now,
                asked: now,
            },
        );
    }

    fn ask_for(&mut self, what: What, id: Number) {
        let every = match what {
            What::Board => BOARD_EVERY,
            What::Series { .. } | What::Window { .. } | What::Failures { .. } | What::Figures => {
                FIGURES_EVERY
            }
        };
        let every = every.as_millis() as u64;
        if self.out.is_some() {
            // Without a line it is asked for when there is one.
            let _ = self.send(FromConsole::View { id, what, every });
        }
    }

    fn close(&mut self, what: &What) {
        if let Some(seen) = self.views.remove(what)
            && self.out.is_some()
        {
            // Without a line there is nothing to close.
            let _ = self.send(FromConsole::Close { id: seen.id });
        }
    }

    /// Lets go what nobody asks for, fetches what was missed, and says that somebody is here.
    pub(in crate::remote) fn tidy(&mut self, now: Instant) {
        let unasked: Vec<What> = self
            .views
            .iter()
            .filter(|(what, seen)| {
                **what != What::Board && now.duration_since(seen.asked) > UNASKED
            })
            .map(|(what, _)| what.clone())
            .collect();
        for what in unasked {
            self.close(&what);
        }
        if self.refetch && now.duration_since(self.fetched) >= REFETCH_EVERY {
            (self.refetch, self.fetched) = (false, now);
            self.fetch(self.wanted.min(REFETCHED));
        }
        let _ = self.send(FromConsole::Beat);
    }

    fn fetch(&mut self, limit: usize) {
        self.replace = true;
        // Without a line it is fetched when there is one.
        let _ = self.send(FromConsole::Requests { limit });
    }

    /// Returns the last requests that ended, newest first.
    pub(in crate::remote) fn requests(&mut self, limit: usize) -> Vec<Arc<Sample>> {
        let limit = limit.min(MOST_REQUESTS);
        if limit > self.wanted {
            self.wanted = limit;
            if self.out.is_some() {
                self.fetch(limit);
            }
        }
        self.ended.iter().rev().take(limit).cloned().collect()
    }

    /// Begins a chat.
    pub(super) fn chat(&mut self, request: Box<ChatRequest>, pen: Pen) -> Result<Number, Error> {
        if self.chats.len() >= MOST_CHATS {
            let full = format!("{MOST_CHATS} answers run already");
            return Err(Error::new(ErrorKind::QueueFull, full));
        }
        let id = self.number();
        self.send(FromConsole::Chat { id, request })?;
        let answer = Answer::default();
        self.chats.insert(id, Chat { pen, answer });
        Ok(id)
    }

    /// Nobody waits for an answer any more; `false` when it was over already.
    pub(super) fn forget_chat(&mut self, id: Number) -> bool {
        self.chats.remove(&id).is_some()
    }

    /// Gives a command.
    pub(super) fn command(&mut self, command: Command, done: Done) -> Result<(), Error> {
        if self.commands.len() >= MOST_COMMANDS {
            let full = format!("{MOST_COMMANDS} commands run already");
            return Err(Error::new(ErrorKind::QueueFull, full));
        }
        let id = self.number();
        self.send(FromConsole::Command { id, command })?;
        self.commands.insert(id, done);
        Ok(())
    }

    /// Takes in a message.
    ///
    /// # Errors
    /// When the line cannot go on with it.
    pub(in crate::remote) fn take(
        &mut self,
        message: FromGateway,
        now: Instant,
    ) -> Result<News, Error> {
        if self.hello.is_none() && !matches!(message, FromGateway::Hello(_)) {
            return Err(Error::new(
                ErrorKind::Protocol,
                "the gateway did not introduce itself",
            ));
        }
        match message {
            FromGateway::Hello(hello) => self.hello(hello, now),
            FromGateway::Beat { t } => {
                self.clock = (t, now);
                Ok(News::Nothing)
            }
            FromGateway::Full { id, t, value } => {
                self.clock = (t, now);
                self.see(id, now, |seen| {
                    seen.patches = 0;
                    seen.value = Some(value);
                    true
                })
            }
            FromGateway::Patch { id, n, t, patch } => {
                self.clock = (t, now);
                self.see(id, now, |seen| {
                    seen.patches += 1;
                    let Some(value) = &mut seen.value else {
                        return false;
                    };
                    n == seen.patches && apply(value, patch).is_ok()
                })
            }
            FromGateway::Events { t, list } => {
                self.clock = (t, now);
                let events = list.iter().map(|event| self.understand(event, t));
                let events = events.collect::<Result<Vec<DeckEvent>, Error>>()?;
                for event in &events {
                    self.keep_in_mind(event);
                }
                Ok(News::Events(events))
            }
            FromGateway::Requests { list } => {
                let samples = list.iter().map(|sample| self.understand(sample, 0));
                let samples = samples.collect::<Result<Vec<Sample>, Error>>()?;
                self.remember(samples);
                Ok(News::Figures)
            }
            FromGateway::Chunks { id, list } => {
                self.answer(id, list);
                Ok(News::Nothing)
            }
            FromGateway::ChatEnded { id, error } => {
                if let Some(chat) = self.chats.remove(&id) {
                    let error = error.map_or_else(cut, Error::from);
                    // A reader that is full or gone learns it from the pen that is dropped.
                    let _ = chat.pen.try_send(Err(error));
                }
                Ok(News::Nothing)
            }
            FromGateway::Changed { id, changed } => {
                self.done(id, Ok(changed));
                Ok(News::Nothing)
            }
            FromGateway::Refused { id, error } => {
                self.done(id, Err(error.into()));
                Ok(News::Nothing)
            }
            FromGateway::Bye { why } => Err(Error::new(ErrorKind::Network, clean_line(&why))),
        }
    }

    fn done(&mut self, id: Number, result: Result<Changed, Error>) {
        if let Some(done) = self.commands.remove(&id) {
            // Whoever gave the command may have left.
            let _ = done.send(result);
        }
    }

    fn hello(&mut self, mut hello: Hello, now: Instant) -> Result<News, Error> {
        hello.llmdeck = clean_line(&hello.llmdeck);
        hello.by = clean_line(&hello.by);
        if hello.line != LINE {
            return Err(Error::new(
                ErrorKind::Protocol,
                format!(
                    "the gateway is llmdeck {} and speaks line {}, this is llmdeck {VERSION} and speaks line {LINE}",
                    hello.llmdeck, hello.line
                ),
            )
            .with_hint("use the same llmdeck at both ends"));
        }
        self.clock = (hello.t, now);
        self.hello = Some(hello);
        Ok(News::Nothing)
    }

    /// Takes in a view. When `change` says that it does not fit, all of it is asked for again.
    fn see(
        &mut self,
        id: Number,
        now: Instant,
        change: impl FnOnce(&mut Seen) -> bool,
    ) -> Result<News, Error> {
        let age = self.clock.0;
        // It may have been closed while this was on its way.
        let Some((what, seen)) = self.views.iter_mut().find(|(_, seen)| seen.id == id) else {
            return Ok(News::Nothing);
        };
        if !change(seen) {
            seen.value = None;
            let _ = self.send(FromConsole::Again { id });
            return Ok(News::Nothing);
        }
        let made = seen.value.as_ref().map(|value| make(what, value, age));
        match made {
            Some(Ok(sight)) => (seen.sight, seen.made) = (Some(sight), now),
            Some(Err(error)) => return Err(self.not_understood(&error)),
            None => {}
        }
        if *what == What::Board {
            if self.line != Line::Up {
                tracing::info!("the line to the gateway is back");
                self.line = Line::Up;
            }
            if let Some(first) = self.first.take() {
                // Whoever waited may have given up.
                let _ = first.send(Ok(()));
            }
        }
        Ok(News::Figures)
    }

    fn understand<T: DeserializeOwned>(&self, value: &Value, age: i64) -> Result<T, Error> {
        whole(value, age).map_err(|error| self.not_understood(&error))
    }

    fn not_understood(&self, error: &str) -> Error {
        let theirs = self.version();
        Error::new(
            ErrorKind::Protocol,
            format!(
                "the gateway (llmdeck {theirs}) says something that this llmdeck {VERSION} does not understand: {error}"
            ),
        )
        .with_hint("use the same llmdeck at both ends")
    }

    fn keep_in_mind(&mut self, event: &DeckEvent) {
        match event {
            DeckEvent::RequestEnded { sample } if self.wanted > 0 => {
                if self.ended.len() >= MOST_REQUESTS {
                    self.ended.pop_front();
                }
                self.ended.push_back(Arc::clone(sample));
            }
            DeckEvent::Missed { .. } => self.refetch = self.wanted > 0,
            DeckEvent::RequestEnded { .. }
            | DeckEvent::RequestStarted { .. }
            | DeckEvent::AttemptEnded { .. }
            | DeckEvent::StateChanged { .. }
            | DeckEvent::Commanded { .. }
            | DeckEvent::Alerted { .. }
            | DeckEvent::News => {}
        }
    }

    /// Takes in requests that ended before, newest first; they are older than all that are there.
    fn remember(&mut self, samples: Vec<Sample>) {
        if std::mem::take(&mut self.replace) {
            self.ended.clear();
        }
        let known: HashSet<RequestId> = self.ended.iter().map(|known| known.request).collect();
        for sample in samples {
            if self.ended.len() < MOST_REQUESTS && !known.contains(&sample.request) {
                self.ended.push_front(Arc::new(sample));
            }
        }
    }

    fn answer(&mut self, id: Number, chunks: Vec<Chunk>) {
        let Some(chat) = self.chats.get_mut(&id) else {
            // Cancelled, and this was on its way.
            return;
        };
        for chunk in chunks {
            let chunk = chat.with_repeats(chunk);
            let is_last = matches!(chunk, Chunk::Done(_));
            if chat.pen.try_send(Ok(chunk)).is_err() {
                // Nobody reads it; the pen that is dropped says so.
                self.chats.remove(&id);
                let _ = self.send(FromConsole::Cancel { id });
                return;
            }
            if is_last {
                self.chats.remove(&id);
                return;
            }
        }
    }
}

impl Chat {
    /// Puts back into the whole answer what its pieces have said.
    fn with_repeats(&mut self, chunk: Chunk) -> Chunk {
        match chunk {
            Chunk::Done(mut done) => {
                let said = self.answer.so_far();
                if done.text.is_empty() {
                    done.text.clone_from(&said.text);
                }
                if done.reasoning.is_empty() {
                    done.reasoning.clone_from(&said.reasoning);
                }
                Chunk::Done(done)
            }
            chunk => {
                self.answer.push(&chunk);
                chunk
            }
        }
    }
}

fn cut() -> Error {
    Error::protocol("truncated", "the answer ended without its end")
}

/// The last words of a lost line, for the screen.
fn sentence(error: &Error) -> String {
    error.message().to_owned()
}

/// Makes what a caller of the deck wants of what was heard.
fn make(what: &What, value: &Value, age: i64) -> Result<Sight, String> {
    Ok(match what {
        What::Board => Sight::Board(Arc::new(whole(value, age)?)),
        What::Series { .. } => Sight::Series(Box::new(whole(&in_a_row(value), age)?)),
        What::Window { .. } => Sight::Window(Box::new(whole(value, age)?)),
        What::Failures { .. } => Sight::Failures(Box::new(whole(value, age)?)),
        What::Figures => Sight::Figures(Box::new(whole(value, age)?)),
    })
}

fn whole<T: DeserializeOwned>(value: &Value, age: i64) -> Result<T, String> {
    let grown = grow(value, age).ok_or("a time is none")?;
    serde_json::from_value(grown).map_err(|error| error.to_string())
}

/// Puts numbered buckets in a row again.
fn in_a_row(series: &Value) -> Value {
    let mut series = series.clone();
    if let Some(Value::Object(numbered)) = series.get_mut("buckets").map(Value::take) {
        series["buckets"] = Value::Array(sorted(numbered));
    }
    series
}

fn sorted(numbered: Map<String, Value>) -> Vec<Value> {
    let mut buckets: Vec<(u64, Value)> = numbered
        .into_iter()
        .filter_map(|(number, bucket)| Some((number.parse().ok()?, bucket)))
        .collect();
    buckets.sort_by_key(|(number, _)| *number);
    buckets.into_iter().map(|(_, bucket)| bucket).collect()
}
