//! The console as a command: logs to a file while it owns the terminal, and what it could not say is said afterwards.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
#[cfg(feature = "gateway")]
use std::time::Duration;

use tokio::sync::Notify;

use super::args::DemoArgs;
use super::embedded::background_load;
#[cfg(feature = "store")]
use super::keep::Keeping;
use super::report::{Failure, warn};
use super::start::{self, Started};
use super::style::Style;
use crate::base::Error;
use crate::config::{Config, Env, Found, Persona};
use crate::console::{self, Context, ExitReason, Kept, Memory};
use crate::deck::Deck;
use crate::driver::LlmModelDriver;
use crate::export::MetricsListener;
use crate::logging::{self, Ring};
use crate::provider::Http;

/// Questions per second in the background when nothing is configured.
pub(super) const USUAL_RATE: f64 = 1.2;

/// How long other programs' answers may go on when the console that serves them is left.
#[cfg(feature = "gateway")]
const FAREWELL: Duration = Duration::from_secs(2);

/// Opens the console; `demo` asks for the embedded pool, `serve` for a gateway beside it.
///
/// # Errors
/// When there is no terminal to draw on, or nothing to show.
pub(super) async fn open(
    config: Config,
    demo: Option<DemoArgs>,
    wishes: Wishes,
    env: &Env,
    err: &mut dyn Write,
    style: Style,
) -> Result<(), Failure> {
    let log = Log::open(&config, wishes.is_private, env)?;
    let started = match demo {
        Some(args) => start::embedded(config, args.seed, env, &Http::from_env()?)?,
        None => start::start(config, env).await?,
    };
    let warnings = started.config.warnings.clone();
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let mut afterwards = warnings;
    let lines = log.lines();
    let kept = kept(&started, wishes.is_private, env, &mut afterwards);
    let ended_so = Box::pin(run(started, demo, wishes, lines, env, &kept)).await;
    afterwards.extend(leave(kept).await);
    log.close(afterwards, err, style)?;
    ended(ended_so?)
}

/// What a console is to do beside showing the pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wishes {
    /// Whether nothing of this run is kept.
    pub(super) is_private: bool,
    /// Where a Prometheus finds the figures.
    pub(super) metrics: Option<SocketAddr>,
    /// Whether other programs may use the pool.
    pub(super) serve: Serve,
}

/// Whether other programs may use the console's pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serve {
    No,
    /// The config says where to listen; when that place is taken the console opens all the same.
    #[cfg(feature = "gateway")]
    Configured,
    /// Somebody asked for it.
    #[cfg(feature = "gateway")]
    Asked,
}

/// Runs the gateway beside the console, when that is wanted.
#[cfg(feature = "gateway")]
fn beside(
    deck: &Deck,
    config: &Config,
    serve: Serve,
    env: &Env,
    context: &mut Context,
) -> Result<Option<super::serve::Serving>, Error> {
    if serve == Serve::No {
        return Ok(None);
    }
    let begun = super::serve::Serving::begin(deck.clone(), config.gateway.clone(), None, env);
    match begun {
        Ok(serving) => {
            for note in &serving.notes {
                tracing::info!("{note}");
            }
            let also = format!("serving {}", serving.gateway.address());
            context.source_note = Some(match context.source_note.take() {
                Some(note) => format!("{note}, {also}"),
                None => also,
            });
            Ok(Some(serving))
        }
        Err(error) if serve == Serve::Configured => {
            tracing::warn!(%error, "no gateway beside this console");
            context.source_hint.get_or_insert(format!(
                "Other programs cannot use this console's pool: {}. When a gateway runs already, 'llmdeck attach' shows it.",
                error.message()
            ));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The log of a program whose terminal is taken.
pub(super) struct Log {
    guard: Option<logging::Guard>,
    /// The last lines in memory.
    lines: Arc<Ring>,
    /// Why there is none.
    none: Option<String>,
}

impl Log {
    /// Opens the log file; a private run has its lines in memory alone.
    ///
    /// # Errors
    /// When somebody chose its folder and it cannot be used.
    pub(super) fn open(config: &Config, is_private: bool, env: &Env) -> Result<Self, Error> {
        if is_private {
            return Ok(Self {
                guard: None,
                lines: logging::to_memory(&config.log)?,
                none: None,
            });
        }
        match logging::to_file(&config.log, env.state_dir().as_deref()) {
            Ok(guard) => Ok(Self {
                lines: guard.ring(),
                guard: Some(guard),
                none: None,
            }),
            // A folder that somebody chose must work; without the usual one the console works all the same.
            Err(error) if config.log.dir.is_empty() => Ok(Self {
                guard: None,
                lines: logging::to_memory(&config.log)?,
                none: Some(format!("no log file is written: {error}")),
            }),
            Err(error) => Err(error),
        }
    }

    /// Returns the last lines, for a screen that shows them.
    pub(super) fn lines(&self) -> Arc<Ring> {
        Arc::clone(&self.lines)
    }

    /// Tells what could not be told before.
    ///
    /// # Errors
    /// When stderr cannot be written.
    pub(super) fn close(
        self,
        mut told: Vec<String>,
        err: &mut dyn Write,
        style: Style,
    ) -> io::Result<()> {
        told.extend(self.none);
        let dropped = self.guard.map(|guard| guard.dropped_lines());
        if let Some(dropped) = dropped.filter(|dropped| *dropped > 0) {
            told.push(format!(
                "{dropped} lines of the log were dropped, the disk was too slow"
            ));
        }
        warn(&told, err, style)
    }
}

/// Says how a console's end ends the program.
pub(super) fn ended(reason: ExitReason) -> Result<(), Failure> {
    match reason {
        ExitReason::Quit => Ok(()),
        ExitReason::Signal(number) => Err(Failure::Told(exit_code_of_signal(number))),
        ExitReason::HungUp => Err(Failure::NobodyListens),
    }
}

/// Opens what is kept, and logs requests; those to the embedded pool mean nothing.
#[cfg(feature = "store")]
fn kept(started: &Started, is_private: bool, env: &Env, told: &mut Vec<String>) -> Keeping {
    let mut keeping = Keeping::open(&started.config, is_private, env, told);
    if started.embedded.is_none() {
        keeping.follow(&Deck::from(started.driver.clone()));
    }
    keeping
}

/// Opens the conversations alone, for a console whose requests are logged elsewhere.
#[cfg(all(feature = "store", feature = "gateway"))]
pub(super) fn conversations(
    config: &Config,
    is_private: bool,
    env: &Env,
    told: &mut Vec<String>,
) -> Keeping {
    Keeping::conversations(config, is_private, env, told)
}

#[cfg(all(not(feature = "store"), feature = "gateway"))]
pub(super) fn conversations(_: &Config, _: bool, _: &Env, _: &mut Vec<String>) -> Keeping {}

#[cfg(feature = "store")]
pub(super) fn where_kept(kept: &Keeping) -> Kept {
    kept.store.clone().map_or_else(Kept::default, |store| {
        Kept::by(super::archive::Shelf(store))
    })
}

/// Lets the figures go on where they stopped, once there is something to see.
#[cfg(feature = "store")]
fn recall_when_drawn(
    kept: &Keeping,
    driver: &LlmModelDriver,
    is_embedded: bool,
) -> Option<Arc<Notify>> {
    let recall = kept.recall(driver).filter(|_| !is_embedded)?;
    let drawn = Arc::new(Notify::new());
    let first = Arc::clone(&drawn);
    tokio::spawn(async move {
        first.notified().await;
        drop(recall.start());
    });
    Some(drawn)
}

#[cfg(not(feature = "store"))]
fn recall_when_drawn((): &Keeping, _: &LlmModelDriver, _: bool) -> Option<Arc<Notify>> {
    None
}

#[cfg(not(feature = "store"))]
pub(super) fn where_kept((): &Keeping) -> Kept {
    Kept::default()
}

#[cfg(feature = "store")]
pub(super) async fn leave(kept: Keeping) -> Vec<String> {
    kept.close().await
}

#[cfg(not(feature = "store"))]
pub(super) type Keeping = ();

#[cfg(not(feature = "store"))]
fn kept(_: &Started, _: bool, _: &Env, _: &mut Vec<String>) -> Keeping {}

#[cfg(not(feature = "store"))]
pub(super) async fn leave((): Keeping) -> Vec<String> {
    Vec::new()
}

async fn run(
    started: Started,
    demo: Option<DemoArgs>,
    wishes: Wishes,
    lines: Arc<Ring>,
    env: &Env,
    kept: &Keeping,
) -> Result<ExitReason, Error> {
    let Started {
        driver,
        config,
        embedded,
        telemetry,
    } = started;
    let deck = Deck::from(driver.clone());
    let mut context = Context {
        kept: where_kept(kept),
        memory: memory(wishes.is_private, env),
        drawn: recall_when_drawn(kept, &driver, embedded.is_some()),
        ..context(&config, demo.is_some(), env)
    };
    #[cfg(feature = "gateway")]
    let serving = beside(&deck, &config, wishes.serve, env, &mut context)?;
    #[cfg(not(feature = "gateway"))]
    let _ = (wishes.serve, &mut context);
    let metrics = match wishes.metrics {
        Some(address) => Some(MetricsListener::start(deck.clone(), address).await?),
        None => None,
    };
    let (rate, seed) = demo.map_or((USUAL_RATE, 1), |args| (args.rate, args.seed));
    let load = embedded
        .is_some()
        .then(|| background_load(deck.clone(), rate, seed));
    context.log = Some(lines);
    let ended = console::start(deck, config.console, context).await;
    #[cfg(feature = "gateway")]
    if let Some(serving) = serving {
        let drained = serving.into_gateway().drain(FAREWELL).await;
        tracing::info!(cut = drained.cut, "the gateway has stopped");
    }
    drop(load);
    drop(metrics);
    telemetry.shutdown().await;
    drop(embedded);
    ended
}

/// Tells the console where its pool comes from and who answers.
pub(super) fn context(config: &Config, is_demo: bool, env: &Env) -> Context {
    let (note, hint) = match &config.found {
        Found::Embedded if is_demo => (Some("embedded pool"), None),
        Found::Embedded => (
            Some("embedded pool"),
            Some(
                "No instance is configured, so a simulated pool answers. Set OPENAI_API_KEY, or run 'llmdeck config init'.",
            ),
        ),
        Found::File(_) | Found::Environment(_) => (None, None),
    };
    Context {
        source_note: note.map(str::to_owned),
        source_hint: hint.map(str::to_owned),
        personas: config.personas.iter().map(persona).collect(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        theme_dirs: env.theme_dirs(),
        ..Context::default()
    }
}

/// Opens what the console remembers from run to run; a private run writes nothing there.
pub(super) fn memory(is_private: bool, env: &Env) -> Memory {
    let folder = env.state_dir();
    folder.map_or_else(Memory::default, |folder| {
        Memory::open(folder.join("console.json"), !is_private)
    })
}

fn persona(persona: &Persona) -> console::Persona {
    let or = |text: &str, otherwise: &str| match text {
        "" => otherwise.to_owned(),
        text => text.to_owned(),
    };
    console::Persona {
        name: persona.name.clone(),
        prompt: persona.prompt.clone(),
        role_name: or(&persona.role_name, &persona.name),
        you_name: or(&persona.you_name, "you"),
    }
}

/// As shells have it.
fn exit_code_of_signal(number: i32) -> u8 {
    u8::try_from(number).unwrap_or(1).saturating_add(128)
}
