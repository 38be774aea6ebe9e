//! A config that is read again while the gateway runs: on SIGHUP, and when its file is saved. A wrong one is refused
//! with its reason, and the old one stays.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::report::Failure;
use super::start;
use super::telemetry::Telling;
use crate::config::{self, Env, Flags};
use crate::driver::LlmModelDriver;
use crate::gateway::Gateway;

/// Editors save in several steps; this long after the last one the file is whole.
const SETTLED: Duration = Duration::from_millis(200);

/// What is needed to read a config again.
pub(super) struct Reload<'r> {
    /// Who gets the instances and routes.
    pub(super) driver: LlmModelDriver,
    /// Who is told of alerts.
    pub(super) telling: Mutex<Telling>,
    /// The address given on the command line, which goes above the config's.
    pub(super) listen: Option<&'r str>,
    /// The environment.
    pub(super) env: &'r Env,
    /// What the command line says of the config.
    pub(super) flags: &'r Flags,
}

/// Somebody's wishes to have the config read again.
pub(super) struct Wishes {
    saved: mpsc::Receiver<()>,
    /// Stops to watch when dropped.
    _watcher: Option<RecommendedWatcher>,
    #[cfg(unix)]
    hangups: Option<tokio::signal::unix::Signal>,
}

impl Wishes {
    /// Hears them from now on.
    pub(super) fn hear(file: Option<&Path>) -> Self {
        let (sender, saved) = mpsc::channel(1);
        let watcher = file.and_then(|file| match watch(file, sender) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "the config file is not watched; SIGHUP reads it again");
                None
            }
        });
        Self {
            saved,
            _watcher: watcher,
            #[cfg(unix)]
            hangups: {
                use tokio::signal::unix::{SignalKind, signal};
                signal(SignalKind::hangup()).ok()
            },
        }
    }

    /// Waits for the next one; says what it was.
    async fn next(&mut self) -> &'static str {
        #[cfg(unix)]
        let hangup = async {
            let heard = match &mut self.hangups {
                Some(hangups) => hangups.recv().await,
                None => None,
            };
            if heard.is_none() {
                std::future::pending::<()>().await;
            }
        };
        #[cfg(not(unix))]
        let hangup = std::future::pending::<()>();
        let saved = &mut self.saved;
        let save = async {
            if saved.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
            loop {
                tokio::time::sleep(SETTLED).await;
                if saved.try_recv().is_err() {
                    break;
                }
            }
        };
        tokio::select! {
            () = hangup => "SIGHUP",
            () = save => "saved",
        }
    }
}

/// Watches the folder, since most editors put a new file in the old one's place.
fn watch(file: &Path, sender: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let file = std::path::absolute(file)?;
    let folder = file
        .parent()
        .map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else {
            return;
        };
        let is_change = event.kind.is_modify() || event.kind.is_create();
        if is_change
            && event
                .paths
                .iter()
                .any(|path| path.file_name() == file.file_name())
        {
            // One that waits already is enough.
            let _ = sender.try_send(());
        }
    })?;
    watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

impl Reload<'_> {
    /// Reads the config again whenever somebody wishes it.
    pub(super) async fn whenever(&self, mut wishes: Wishes, gateway: &Gateway) -> Infallible {
        loop {
            let why = wishes.next().await;
            match self.once(gateway).await {
                Ok(what) => tracing::info!(why, what, "the config was read again"),
                Err(Failure::Config(problems)) => {
                    tracing::error!(why, %problems, "the new config is wrong; the old one stays in force");
                }
                Err(Failure::Error(error) | Failure::Ended(_, error)) => {
                    tracing::error!(why, %error, "the new config cannot be used; the old one stays in force");
                }
                Err(Failure::Told(_) | Failure::NobodyListens | Failure::Output(_)) => {}
            }
        }
    }

    async fn once(&self, gateway: &Gateway) -> Result<String, Failure> {
        let config = config::load(self.env, self.flags)?;
        let mut settings = config.gateway.clone();
        if let Some(listen) = self.listen {
            listen.clone_into(&mut settings.listen);
        }
        let before = gateway.apply(settings)?;
        match start::apply(config, &self.driver, &self.telling, self.env).await {
            Ok(what) => Ok(what),
            Err(failure) => {
                gateway.apply(before)?;
                Err(failure)
            }
        }
    }
}
