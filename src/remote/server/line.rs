//! One attached console: hears what it wants, tells it what is different, answers its chats and commands.
//!
//! One task does all of it, and nothing is queued but what is named here: views are looked at when they are written,
//! never before, so that a slow console sees fewer pictures and not old ones; answers wait at their source; events
//! that do not fit are counted and told as missed. Whatever the console began ends with it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{AbortHandle, Abortable, FuturesUnordered, SelectAll};
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::codec::{FramedRead, FramedWrite};

use super::super::VERSION;
use super::super::compact::shrink;
use super::super::frame::{Broken, Reader, Writer};
use super::super::message::{FromConsole, FromGateway, Hello, LINE, Number, Told};
use super::super::origin::{Denied, Origin};
use super::views::{Clock, View, to_value};
use super::{Seat, Shared};
use crate::base::{Answer, ChatStream, Chunk, DeckEvent, Error, ErrorKind};

/// A sign of life is sent when nothing else was for so long ...
const BEAT: Duration = Duration::from_secs(5);
/// ... and a console that gives none for so long is gone.
const SILENCE: Duration = Duration::from_secs(20);
/// How long a console may take to read what is written.
const PATIENCE: Duration = Duration::from_secs(15);
/// Events are told together, but no later than this.
const EVENTS_EVERY: Duration = Duration::from_millis(250);
/// How many events wait to be told; those beyond are counted as missed.
const MOST_EVENTS: usize = 256;
/// How many ended requests are told one by one in a second; those beyond are counted as missed.
const MOST_SAMPLES: u32 = 40;
/// How many requests are told of at their start in a second. Of those beyond only the end is told: with so many, nobody
/// follows one.
const MOST_STARTS: u32 = 40;
const MOST_VIEWS: usize = 16;
const MOST_CHATS: usize = 16;
const MOST_COMMANDS: usize = 16;
/// How many ended requests one message holds.
const SAMPLES_AT_ONCE: usize = 100;
const MOST_REQUESTS: usize = 1_000;
/// Pieces taken from answers before the rest gets its turn.
const PIECES_AT_ONCE: usize = 64;

/// Speaks with a console until one of both leaves.
pub(super) async fn speak<I>(shared: Arc<Shared>, seat: Seat, io: I, origin: Origin)
where
    I: AsyncRead + AsyncWrite + Unpin + Send,
{
    let by = origin.by.clone();
    tracing::info!(by, read_only = origin.read_only, "console attached");
    let ended = Attached::new(shared, io, origin).run().await;
    drop(seat);
    match ended {
        Ok(()) => tracing::info!(by, "console detached"),
        Err(error) => tracing::info!(by, %error, "console lost"),
    }
}

/// A piece of an answer; `None` when its stream is over.
type Piece = (Number, Option<Result<Chunk, Error>>);

struct Attached<I> {
    shared: Arc<Shared>,
    origin: Origin,
    clock: Clock,
    orders: FramedRead<ReadHalf<I>, Reader<FromConsole>>,
    line: FramedWrite<WriteHalf<I>, Writer>,
    heard: broadcast::Receiver<DeckEvent>,
    views: BTreeMap<Number, View>,
    chats: SelectAll<futures_util::stream::BoxStream<'static, Piece>>,
    asked: BTreeMap<Number, Asked>,
    commands: FuturesUnordered<BoxFuture<'static, FromGateway>>,
    events: Vec<Value>,
    missed: u64,
    /// When the events that wait are told.
    events_at: Option<Instant>,
    samples: Allowance,
    starts: Allowance,
    spoke: Instant,
    listened: Instant,
}

/// A chat that runs.
struct Asked {
    stop: AbortHandle,
    answer: Answer,
}

impl<I: AsyncRead + AsyncWrite + Unpin + Send> Attached<I> {
    fn new(shared: Arc<Shared>, io: I, origin: Origin) -> Self {
        let now = Instant::now();
        let (reading, writing) = tokio::io::split(io);
        Self {
            clock: Clock::new(shared.deck.board().uptime, now),
            heard: shared.deck.subscribe(),
            shared,
            origin,
            orders: FramedRead::new(reading, Reader::new()),
            line: FramedWrite::new(writing, Writer::new()),
            views: BTreeMap::new(),
            chats: SelectAll::new(),
            asked: BTreeMap::new(),
            commands: FuturesUnordered::new(),
            events: Vec::new(),
            missed: 0,
            events_at: None,
            samples: Allowance::new(MOST_SAMPLES, now),
            starts: Allowance::new(MOST_STARTS, now),
            spoke: now,
            listened: now,
        }
    }

    async fn run(&mut self) -> Result<(), Broken> {
        let closing = self.shared.closing.clone();
        self.say(FromGateway::Hello(Hello {
            llmdeck: VERSION.to_owned(),
            line: LINE,
            by: self.origin.by.clone(),
            read_only: self.origin.read_only,
            t: self.clock.millis(Instant::now()),
        }))
        .await?;
        let mut deck_speaks = true;
        loop {
            let wake = self.wake();
            tokio::select! {
                biased;
                () = closing.cancelled() => {
                    let why = "'llmdeck serve' ends".to_owned();
                    return self.say(FromGateway::Bye { why }).await;
                }
                order = self.orders.next() => match order {
                    Some(order) => self.take(order?).await?,
                    None => return Ok(()),
                },
                Some(told) = self.commands.next(), if !self.commands.is_empty() => {
                    self.say(told).await?;
                    self.hurry();
                }
                event = self.heard.recv(), if deck_speaks => deck_speaks = self.hear(event),
                Some(piece) = self.chats.next(), if !self.chats.is_empty() => {
                    self.pass_on(piece).await?;
                }
                () = sleep_until(wake) => {}
            }
            self.on_time().await?;
        }
    }

    /// Writes one message, if the console reads at all.
    async fn say(&mut self, message: FromGateway) -> Result<(), Broken> {
        self.spoke = Instant::now();
        timeout(PATIENCE, self.line.send(&message))
            .await
            .map_err(|_| {
                let slow = "it does not read what is written";
                std::io::Error::new(std::io::ErrorKind::TimedOut, slow)
            })?
    }

    fn wake(&self) -> Instant {
        let alarms = [self.spoke + BEAT, self.listened + SILENCE];
        let views = self.views.values().map(View::due);
        let all = alarms.into_iter().chain(views).chain(self.events_at);
        all.min().unwrap_or(self.spoke)
    }

    /// Does what time asks for.
    async fn on_time(&mut self) -> Result<(), Broken> {
        let now = Instant::now();
        if now >= self.listened + SILENCE {
            let silent = "it gave no sign of life";
            return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, silent).into());
        }
        if self.events_at.is_some_and(|at| at <= now) {
            self.tell_events(now).await?;
        }
        let due: Vec<Number> = self
            .views
            .iter()
            .filter(|(_, view)| view.due() <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let look = self
                .views
                .get_mut(&id)
                .and_then(|view| view.look(id, &self.shared.deck, &self.clock, now));
            if let Some(message) = look {
                self.say(message).await?;
            }
        }
        if now >= self.spoke + BEAT {
            let t = self.clock.millis(now);
            self.say(FromGateway::Beat { t }).await?;
        }
        Ok(())
    }

    /// The board is another one now.
    fn hurry(&mut self) {
        let now = Instant::now();
        for view in self.views.values_mut().filter(|view| view.is_board()) {
            view.hurry(now);
        }
    }

    async fn take(&mut self, order: FromConsole) -> Result<(), Broken> {
        let now = Instant::now();
        self.listened = now;
        match order {
            FromConsole::Beat => {}
            FromConsole::View { id, what, every } => {
                if self.views.len() < MOST_VIEWS || self.views.contains_key(&id) {
                    self.views.insert(id, View::new(what, every, now));
                }
            }
            FromConsole::Close { id } => {
                self.views.remove(&id);
            }
            FromConsole::Again { id } => {
                if let Some(view) = self.views.get_mut(&id) {
                    view.forget(now);
                }
            }
            FromConsole::Requests { limit } => self.tell_requests(limit).await?,
            FromConsole::Cancel { id } => {
                if let Some(asked) = self.asked.remove(&id) {
                    asked.stop.abort();
                }
            }
            FromConsole::Chat { id, request } => {
                if let Err(error) = self.chat(id, *request) {
                    let error = Some(Told::from(&error));
                    self.say(FromGateway::ChatEnded { id, error }).await?;
                }
            }
            FromConsole::Command { id, command } => {
                if let Err(error) = self.command(id, command) {
                    let error = Told::from(&error);
                    self.say(FromGateway::Refused { id, error }).await?;
                }
            }
        }
        Ok(())
    }

    fn chat(&mut self, id: Number, mut request: crate::base::ChatRequest) -> Result<(), Error> {
        if self.origin.read_only {
            return Err(Denied.into());
        }
        if self.asked.len() >= MOST_CHATS || self.asked.contains_key(&id) {
            let full = format!("{MOST_CHATS} answers to this console run already");
            return Err(Error::new(ErrorKind::QueueFull, full));
        }
        request.caller = Some(self.origin.by.clone());
        let (stop, registration) = AbortHandle::new_pair();
        let stream: ChatStream = self.shared.deck.chat(request);
        let pieces = Abortable::new(stream, registration)
            .map(Some)
            .chain(futures_util::stream::iter([None]));
        self.chats
            .push(pieces.map(move |piece| (id, piece)).boxed());
        let answer = Answer::default();
        self.asked.insert(id, Asked { stop, answer });
        Ok(())
    }

    fn command(&mut self, id: Number, command: crate::base::Command) -> Result<(), Error> {
        let by = &self.origin.by;
        if self.origin.read_only {
            tracing::info!(by, ?command, "command refused: read-only");
            return Err(Denied.into());
        }
        if self.commands.len() >= MOST_COMMANDS {
            let full = format!("{MOST_COMMANDS} commands of this console run already");
            return Err(Error::new(ErrorKind::QueueFull, full));
        }
        let done = self.shared.deck.command(command.clone(), by);
        let by = by.clone();
        self.commands.push(
            done.map(move |done| match done {
                Ok(changed) => FromGateway::Changed { id, changed },
                Err(error) => {
                    tracing::info!(by, ?command, %error, "command failed");
                    let error = Told::from(&error);
                    FromGateway::Refused { id, error }
                }
            })
            .boxed(),
        );
        Ok(())
    }

    /// Passes on a piece of an answer and all that have come with it.
    async fn pass_on(&mut self, first: Piece) -> Result<(), Broken> {
        let mut pieces = vec![first];
        while pieces.len() < PIECES_AT_ONCE
            && let Some(Some(piece)) = once(self.chats.next()).await
        {
            pieces.push(piece);
        }
        let mut waiting: BTreeMap<Number, Vec<Chunk>> = BTreeMap::new();
        for (id, piece) in pieces {
            let Some(asked) = self.asked.get_mut(&id) else {
                continue;
            };
            match piece {
                Some(Ok(chunk)) => {
                    let list = waiting.entry(id).or_default();
                    append(list, without_repeats(chunk, &mut asked.answer));
                }
                ended @ (None | Some(Err(_))) => {
                    self.asked.remove(&id);
                    if let Some(list) = waiting.remove(&id) {
                        self.say(FromGateway::Chunks { id, list }).await?;
                    }
                    let error = ended.and_then(Result::err).map(|error| Told::from(&error));
                    self.say(FromGateway::ChatEnded { id, error }).await?;
                }
            }
        }
        for (id, list) in waiting {
            self.say(FromGateway::Chunks { id, list }).await?;
        }
        Ok(())
    }

    /// Takes what the deck said; `false` when it will say no more.
    fn hear(&mut self, event: Result<DeckEvent, RecvError>) -> bool {
        let now = Instant::now();
        match event {
            Err(RecvError::Closed) => return false,
            Err(RecvError::Lagged(count)) => self.miss(count, now),
            Ok(DeckEvent::Missed { count }) => self.miss(count, now),
            Ok(event) => self.happened(&event, now),
        }
        true
    }

    fn happened(&mut self, event: &DeckEvent, now: Instant) {
        let at = match event {
            // A person did it or must know it: at once, and the board with it.
            DeckEvent::Commanded { .. }
            | DeckEvent::Alerted { .. }
            | DeckEvent::StateChanged { .. } => {
                self.hurry();
                now
            }
            DeckEvent::RequestEnded { .. } => {
                if !self.samples.take(now) {
                    self.miss(1, now);
                    return;
                }
                now + EVENTS_EVERY
            }
            DeckEvent::RequestStarted { .. } => {
                if !self.starts.take(now) {
                    return;
                }
                now + EVENTS_EVERY
            }
            // They are in the sample that follows, and in the board's figures before.
            DeckEvent::AttemptEnded { .. } => return,
            DeckEvent::Missed { .. } | DeckEvent::News => return,
        };
        if self.events.len() < MOST_EVENTS {
            let event = shrink(to_value(event), self.clock.millis(now));
            self.events.push(event);
        } else {
            self.missed += 1;
        }
        self.events_at = Some(self.events_at.map_or(at, |set| set.min(at)));
    }

    fn miss(&mut self, count: u64, now: Instant) {
        self.missed += count;
        let at = now + EVENTS_EVERY;
        self.events_at = Some(self.events_at.map_or(at, |set| set.min(at)));
    }

    async fn tell_events(&mut self, now: Instant) -> Result<(), Broken> {
        self.events_at = None;
        let mut list = std::mem::take(&mut self.events);
        let count = std::mem::take(&mut self.missed);
        if count > 0 {
            list.push(to_value(&DeckEvent::Missed { count }));
        }
        let t = self.clock.millis(now);
        self.say(FromGateway::Events { t, list }).await
    }

    async fn tell_requests(&mut self, limit: usize) -> Result<(), Broken> {
        let found = self.shared.deck.requests(limit.min(MOST_REQUESTS));
        let t = self.clock.millis(Instant::now());
        // The newest come first, so a console has something to show at once.
        for some in found.chunks(SAMPLES_AT_ONCE) {
            let list = some.iter().map(|sample| shrink(to_value(sample), t));
            let list = list.collect();
            self.say(FromGateway::Requests { list }).await?;
        }
        Ok(())
    }
}

/// Adds a piece; text that follows text becomes one piece.
fn append(list: &mut Vec<Chunk>, chunk: Chunk) {
    match (list.last_mut(), chunk) {
        (Some(Chunk::Text(so_far)), Chunk::Text(more))
        | (Some(Chunk::Reasoning(so_far)), Chunk::Reasoning(more)) => so_far.push_str(&more),
        (_, chunk) => list.push(chunk),
    }
}

/// Leaves out of the whole answer what its pieces have said already; the console puts it back.
fn without_repeats(chunk: Chunk, so_far: &mut Answer) -> Chunk {
    match chunk {
        Chunk::Done(mut done) => {
            let said = so_far.so_far();
            if done.text == said.text {
                done.text.clear();
            }
            if done.reasoning == said.reasoning {
                done.reasoning.clear();
            }
            Chunk::Done(done)
        }
        chunk => {
            so_far.push(&chunk);
            chunk
        }
    }
}

/// So many in a second, and a second's worth at once.
struct Allowance {
    most: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    fn new(most: u32, now: Instant) -> Self {
        let most = f64::from(most);
        Self {
            most,
            left: most,
            at: now,
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        let passed = now.duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * self.most).min(self.most);
        self.at = now;
        let has_one = self.left >= 1.0;
        if has_one {
            self.left -= 1.0;
        }
        has_one
    }
}

/// Looks whether a future is ready, without waiting for it.
async fn once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
