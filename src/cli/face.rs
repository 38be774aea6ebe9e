//! The console as a command: logs to a file while it owns the terminal, and what it could not say is said afterwards.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use super::args::DemoArgs;
use super::embedded::background_load;
#[cfg(feature = "store")]
use super::keep::Keeping;
use super::report::{Failure, warn};
use super::start::{self, Started};
use super::style::Style;
use crate::base::Error;
use crate::config::{Config, Env, Found, Persona};
use crate::console::{self, Context, ExitReason};
use crate::deck::Deck;
use crate::export::MetricsListener;
use crate::logging::{self, Ring};
use crate::provider::Http;

/// Questions per second in the background when nothing is configured.
pub(super) const USUAL_RATE: f64 = 1.2;

/// Opens the console; `demo` asks for the embedded pool.
///
/// # Errors
/// When there is no terminal to draw on, or nothing to show.
pub(super) async fn open(
    config: Config,
    demo: Option<DemoArgs>,
    is_private: bool,
    metrics: Option<SocketAddr>,
    env: &Env,
    err: &mut dyn Write,
    style: Style,
) -> Result<(), Failure> {
    let (log, lines, no_log) = match logging::to_file(&config.log, env.state_dir().as_deref()) {
        Ok(guard) => {
            let ring = guard.ring();
            (Some(guard), ring, None)
        }
        // A folder that somebody chose must work; without the usual one the console works all the same.
        Err(error) if config.log.dir.is_empty() => {
            let ring = logging::to_memory(&config.log)?;
            (None, ring, Some(format!("no log file is written: {error}")))
        }
        Err(error) => return Err(error.into()),
    };
    let started = match demo {
        Some(args) => start::embedded(config, args.seed, env, &Http::from_env()?)?,
        None => start::start(config, env).await?,
    };
    let mut afterwards = started.config.warnings.clone();
    for warning in &afterwards {
        tracing::warn!("{warning}");
    }
    afterwards.extend(no_log);
    let kept = kept(&started, is_private, env, &mut afterwards);
    let ended = run(started, demo, metrics, lines, env, &kept).await;
    afterwards.extend(leave(kept).await);
    if let Some(dropped) = log
        .map(|guard| guard.dropped_lines())
        .filter(|dropped| *dropped > 0)
    {
        afterwards.push(format!(
            "{dropped} lines of the log were dropped, the disk was too slow"
        ));
    }
    warn(&afterwards, err, style)?;
    match ended? {
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

#[cfg(feature = "store")]
async fn leave(kept: Keeping) -> Vec<String> {
    kept.close().await
}

#[cfg(not(feature = "store"))]
type Keeping = ();

#[cfg(not(feature = "store"))]
fn kept(_: &Started, _: bool, _: &Env, _: &mut Vec<String>) -> Keeping {}

#[cfg(not(feature = "store"))]
async fn leave((): Keeping) -> Vec<String> {
    Vec::new()
}

async fn run(
    started: Started,
    demo: Option<DemoArgs>,
    metrics: Option<SocketAddr>,
    lines: Arc<Ring>,
    env: &Env,
    _: &Keeping,
) -> Result<ExitReason, Error> {
    let Started {
        driver,
        config,
        embedded,
        telemetry,
    } = started;
    let deck = Deck::from(driver);
    let metrics = match metrics {
        Some(address) => Some(MetricsListener::start(deck.clone(), address).await?),
        None => None,
    };
    let (rate, seed) = demo.map_or((USUAL_RATE, 1), |args| (args.rate, args.seed));
    let load = embedded
        .is_some()
        .then(|| background_load(deck.clone(), rate, seed));
    let mut context = context(&config, demo.is_some(), env);
    context.log = Some(lines);
    let ended = console::start(deck, config.console, context).await;
    drop(load);
    drop(metrics);
    telemetry.shutdown().await;
    drop(embedded);
    ended
}

fn context(config: &Config, is_demo: bool, env: &Env) -> Context {
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
