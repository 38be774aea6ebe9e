//! Starts the logs of this run.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Zoned;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;

use super::ring::{Ring, RingLayer};
use super::rolling::{Rolling, today};
use super::{Settings, level};
use crate::base::{Error, ErrorKind};

/// How many lines may wait for the disk. Room for all of them is taken at the start; tracing-appender's own number
/// would be four megabytes.
const WAITING: usize = 4_096;

/// Keeps the log writer alive; what is still buffered is written when it is dropped.
pub struct Guard {
    path: PathBuf,
    ring: Arc<Ring>,
    dropped: ErrorCounter,
    _worker: WorkerGuard,
}

impl Guard {
    /// Returns the file that is written to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the last lines in memory.
    pub fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring)
    }

    /// Returns how many lines were dropped because the disk was too slow.
    pub fn dropped_lines(&self) -> usize {
        self.dropped.dropped_lines()
    }
}

/// Logs to a file a day in the given folder; for faces that own the terminal.
///
/// # Errors
/// When the folder or file cannot be written.
pub fn to_file(settings: &Settings, state_dir: Option<&Path>) -> Result<Guard, Error> {
    let dir = match (settings.dir.as_str(), state_dir) {
        ("", Some(state)) => state.to_owned(),
        ("", None) => {
            let message = "there is no folder for logs: neither log.dir nor a home folder is known";
            return Err(Error::new(ErrorKind::Config, message).with_hint("set log.dir or HOME"));
        }
        (dir, _) => PathBuf::from(dir),
    };
    let rolling = Rolling::open(&dir, settings.keep_days, today).map_err(|error| {
        let message = format!(
            "the log folder '{}' cannot be written: {error}",
            dir.display()
        );
        Error::new(ErrorKind::Config, message).with_hint("set log.dir to a folder of your own")
    })?;
    let path = rolling.path();
    let (writer, worker) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING)
        .finish(rolling);
    let dropped = writer.error_counter();
    let ring = Arc::new(Ring::default());
    let file = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_timer(LocalTime)
        .with_writer(writer);
    start(
        tracing_subscriber::registry()
            .with(level::filter(&settings.level, settings.prompts))
            .with(file)
            .with(RingLayer(Arc::clone(&ring))),
    )?;
    Ok(Guard {
        path,
        ring,
        dropped,
        _worker: worker,
    })
}

/// Logs to memory alone, where no file can be written.
///
/// # Errors
/// When logs have been started already.
pub fn to_memory(settings: &Settings) -> Result<Arc<Ring>, Error> {
    let ring = Arc::new(Ring::default());
    start(
        tracing_subscriber::registry()
            .with(level::filter(&settings.level, settings.prompts))
            .with(RingLayer(Arc::clone(&ring))),
    )?;
    Ok(ring)
}

/// Logs to stderr, at the level given; colours only where a person sees them.
///
/// # Errors
/// When logs have been started already.
pub fn to_stderr(level: &str, prompts: bool, colours: bool) -> Result<(), Error> {
    let filter: EnvFilter = level::filter(level, prompts);
    start(
        tracing_subscriber::fmt()
            .with_ansi(colours && io::stderr().is_terminal())
            .without_time()
            .with_target(false)
            .with_writer(io::stderr)
            .with_env_filter(filter)
            .finish(),
    )
}

/// As [`to_stderr`], by a thread of its own that gathers lines: a reader of stderr that is slow must not hold requests
/// up. What is still to be written is written when the guard is dropped.
///
/// # Errors
/// When logs have been started already.
pub fn to_stderr_aside(
    level: &str,
    prompts: bool,
    colours: bool,
) -> Result<tracing_appender::non_blocking::WorkerGuard, Error> {
    let filter: EnvFilter = level::filter(level, prompts);
    let gathered = io::BufWriter::new(io::stderr());
    let (writer, worker) = NonBlockingBuilder::default().lossy(true).finish(gathered);
    start(
        tracing_subscriber::fmt()
            .with_ansi(colours && io::stderr().is_terminal())
            .without_time()
            .with_target(false)
            .with_writer(writer)
            .with_env_filter(filter)
            .finish(),
    )?;
    Ok(worker)
}

/// Local time with its offset: a log file is a local day.
struct LocalTime;

impl FormatTime for LocalTime {
    fn format_time(&self, to: &mut Writer<'_>) -> std::fmt::Result {
        write!(to, "{}", Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%.3f%:z"))
    }
}

fn start(subscriber: impl tracing::Subscriber + Send + Sync + 'static) -> Result<(), Error> {
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|_| Error::new(ErrorKind::Config, "logs have been started already"))
}
