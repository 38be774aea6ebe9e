//! What is kept while a face runs: its conversations, and a row for each request that ends.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::args::ChatArgs;
use super::report::{Failure, warn};
use super::style::Style;
use crate::base::{
    ChatRequest, ChatStream, Conversation, ConversationId, Error, ErrorKind, Message, Role, Target,
};
use crate::config::{Config, Env};
use crate::deck::Deck;
use crate::driver::LlmModelDriver;
use crate::store::{History, Recorder, RequestLog, Requests, Store};

/// How long a slow disk is waited for at the end.
const FAREWELL: Duration = Duration::from_secs(3);
/// How far back the request log is read at the start: the longest window, and an hour for what was called before it.
const RECALLED: Duration = Duration::from_secs(25 * 3600);
/// Requests that are read at the start; when there were more, windows begin with the first of them.
const MOST_RECALLED: usize = 200_000;
/// How long somebody who must not spend too much waits for what was spent before.
const RECALL_PATIENCE: Duration = Duration::from_secs(2);

/// Returns the folder in which things are kept.
///
/// # Errors
/// When none is set and no home is known.
pub(super) fn folder(config: &Config, env: &Env) -> Result<PathBuf, Error> {
    if !config.store.dir.is_empty() {
        return Ok(PathBuf::from(&config.store.dir));
    }
    env.data_dir().ok_or_else(|| {
        let message = "there is no place to keep conversations: no home folder is known";
        Error::new(ErrorKind::Config, message).with_hint("set HOME or store.dir")
    })
}

/// Makes chance for ids.
pub(super) fn dice() -> SmallRng {
    SmallRng::from_os_rng()
}

/// What is kept by a running face.
#[derive(Default)]
pub(super) struct Keeping {
    /// The conversations, unless nothing is kept.
    pub(super) store: Option<Store>,
    requests: Option<RequestLog>,
    folder: PathBuf,
    follower: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Keeping {
    /// Opens what the config says; what cannot be opened is told in `warnings`, and the program goes on without it.
    pub(super) fn open(
        config: &Config,
        is_private: bool,
        env: &Env,
        warnings: &mut Vec<String>,
    ) -> Self {
        let mut keeping = Self::log(config, is_private, env, warnings);
        keeping.store = conversations(config, is_private, env, warnings);
        keeping
    }

    /// Opens the conversations alone, for a console whose requests are logged elsewhere.
    #[cfg(feature = "gateway")]
    pub(super) fn conversations(
        config: &Config,
        is_private: bool,
        env: &Env,
        warnings: &mut Vec<String>,
    ) -> Self {
        Self {
            store: conversations(config, is_private, env, warnings),
            ..Self::default()
        }
    }

    /// Opens the request log alone.
    pub(super) fn log(
        config: &Config,
        is_private: bool,
        env: &Env,
        warnings: &mut Vec<String>,
    ) -> Self {
        if is_private || !config.store.enabled {
            return Self::default();
        }
        let place = folder(config, env);
        let requests = place.clone().and_then(|folder| {
            if !config.store.requests {
                return Ok(None);
            }
            let requests = Requests::open(&folder)?;
            warnings.extend(requests.note().map(str::to_owned));
            RequestLog::start(requests, &config.store).map(Some)
        });
        let requests = requests.unwrap_or_else(|error| {
            warnings.push(format!("requests are not logged: {}", error.message()));
            None
        });
        Self {
            requests,
            folder: place.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Returns what can tell a driver what the log knows of the last day; `None` when nothing is logged.
    pub(super) fn recall(&self, driver: &LlmModelDriver) -> Option<Recall> {
        self.requests.as_ref()?;
        Some(Recall {
            driver: driver.clone(),
            folder: self.folder.clone(),
        })
    }

    /// Logs all requests of a deck from now on.
    pub(super) fn follow(&mut self, deck: &Deck) {
        if let Some(log) = &self.requests {
            let (stop, stopped) = oneshot::channel();
            let stopped = stopped.map(|_| ());
            let follower = tokio::spawn(log.clone().follow(deck.subscribe(), stopped));
            self.follower = Some((stop, follower));
        }
    }

    /// Writes everything to its end; returns what could not be written.
    pub(super) async fn close(self) -> Vec<String> {
        if let Some((stop, follower)) = self.follower {
            drop(stop);
            // It only takes what is there.
            let _ = follower.await;
        }
        let mut lost = Vec::new();
        if let Some(log) = &self.requests {
            log.close(FAREWELL).await;
            let (_, dropped) = log.counts();
            if dropped > 0 {
                lost.push(format!(
                    "{dropped} requests came too fast for the request log"
                ));
            }
        }
        if let Some(store) = &self.store {
            let health = store.health();
            store.close(FAREWELL).await;
            let health = health.borrow();
            if let Some(error) = &health.failing {
                lost.push(format!("the conversation is not kept: {}", error.message()));
            }
            if health.dropped > 0 {
                let dropped = health.dropped;
                lost.push(format!("{dropped} changes to conversations were not kept"));
            }
        }
        lost
    }
}

fn conversations(
    config: &Config,
    is_private: bool,
    env: &Env,
    warnings: &mut Vec<String>,
) -> Option<Store> {
    if is_private || !config.store.enabled {
        return None;
    }
    let opened =
        folder(config, env).and_then(|folder| Store::open(&folder, &config.store, &mut dice()));
    match opened {
        Ok(opened) => {
            warnings.extend(opened.note);
            Some(opened.store)
        }
        Err(error) => {
            let (message, hint) = (error.message(), error.hint());
            warnings.push(format!("conversations are not kept: {message}; {hint}"));
            None
        }
    }
}

/// What lets long windows and daily budgets go on where they stopped.
pub(super) struct Recall {
    driver: LlmModelDriver,
    folder: PathBuf,
}

impl Recall {
    /// Does it on a thread of its own, and tells when it is done.
    pub(super) fn start(self) -> oneshot::Receiver<()> {
        let (done, recalled) = oneshot::channel();
        let job = move || {
            if let Err(error) = recall(&self.driver, &self.folder) {
                tracing::warn!("the figures begin anew: {error}");
            }
            // Nobody may wait for it.
            let _ = done.send(());
        };
        let thread = std::thread::Builder::new().name("recall".to_owned());
        if let Err(error) = thread.spawn(job) {
            tracing::warn!("the figures begin anew: {error}");
        }
        recalled
    }

    /// Does it before something is spent; a slow disk keeps nobody waiting for long.
    pub(super) async fn first(self) {
        if tokio::time::timeout(RECALL_PATIENCE, self.start())
            .await
            .is_err()
        {
            tracing::warn!("the request log is slow; what was spent before counts a little later");
        }
    }
}

/// Tells a driver what the log knows of the last day.
fn recall(driver: &LlmModelDriver, folder: &Path) -> Result<(), Error> {
    let begun = Instant::now();
    let requests = Requests::open(folder)?;
    let Some(since) = requests.known_since(Timestamp::now(), RECALLED, MOST_RECALLED)? else {
        return Ok(());
    };
    let mut past = driver.past(since);
    requests.each_since(since, |sample| {
        past.take(sample);
        true
    })?;
    let taken = past.taken();
    driver.recall(past);
    let took_ms = begun.elapsed().as_millis() as u64;
    tracing::info!(requests = taken, %since, took_ms, "figures go on from the request log");
    Ok(())
}

/// The conversation that a question belongs to.
pub(super) struct Talk {
    conversation: Conversation,
    question: String,
}

impl Talk {
    /// Finds the conversation to go on with, or begins one. What is taken for an id and is none is the question.
    ///
    /// # Errors
    /// When there is no such conversation.
    pub(super) fn find(
        args: &mut ChatArgs,
        config: &Config,
        env: &Env,
        is_private: bool,
    ) -> Result<Conversation, Failure> {
        let Some(wanted) = args.continues.clone() else {
            let now = Timestamp::now();
            return Ok(Conversation::new(ConversationId::new(&mut dice()), now));
        };
        if is_private {
            let error = Error::new(
                ErrorKind::Config,
                "a conversation cannot go on where nothing is kept",
            );
            return Err(error.with_hint("leave out --private or --continue").into());
        }
        let history = History::open(&folder(config, env)?, &mut dice())?;
        let found = match wanted.as_str() {
            "" => super::history::newest(&history),
            wanted => super::history::named(&history, wanted),
        };
        match found {
            Ok(conversation) => Ok(conversation),
            Err(_) if args.question.is_none() && !wanted.is_empty() => {
                args.question = Some(wanted);
                Ok(super::history::newest(&history)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts what was said before in front of the question, and asks whom the conversation asks, unless something else
    /// was typed.
    pub(super) fn join(mut conversation: Conversation, request: &mut ChatRequest) -> Self {
        let mut question = String::new();
        for typed in request.messages.drain(..) {
            match typed.role {
                Role::System => conversation.system = Some(typed.content.to_text()),
                Role::User | Role::Assistant | Role::Tool => question = typed.content.to_text(),
            }
        }
        request
            .messages
            .extend(conversation.system.as_ref().map(Message::system));
        request.messages.extend(conversation.context());
        request.messages.push(Message::user(question.as_str()));
        if request.target == Target::Any {
            request.target.clone_from(&conversation.target);
        }
        if request.model.is_none() {
            request.model.clone_from(&conversation.model);
        }
        conversation.target.clone_from(&request.target);
        conversation.model.clone_from(&request.model);
        request.conversation = Some(conversation.id.to_string());
        Self {
            conversation,
            question,
        }
    }

    /// Keeps the question, and the answer as it comes.
    pub(super) fn keep(self, keeping: &Keeping, stream: ChatStream) -> ChatStream {
        let Some(store) = keeping.store.clone() else {
            return stream;
        };
        let now = Timestamp::now();
        let (chat, question) = (&self.conversation, &self.question);
        Recorder::begin(store, chat, question, now, &mut dice()).tap(stream)
    }
}

/// Tells what could not be kept.
pub(super) async fn end(
    keeping: Keeping,
    err: &mut dyn Write,
    style: Style,
) -> Result<(), Failure> {
    let lost = keeping.close().await;
    warn(&lost, err, style)?;
    Ok(())
}
