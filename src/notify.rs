//! Tells somebody elsewhere of alerts: by a command and by a signed webhook.
//!
//! The alert rules decide when somebody should be told (`monitor::alerts`); this only carries it. Alerts wait in a bounded
//! queue while one is being told, in order; what does not fit is dropped and told of in the log.

mod webhook;

use std::process::Stdio;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::base::{AlertState, AlertView, DeckEvent, Error, Scope, Severity};
use crate::deck::Deck;
use crate::provider::Http;

use webhook::Webhook;

/// Alerts that wait to be told.
const QUEUE: usize = 64;
/// How long the command may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How somebody is told; `[notify]` in the config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A command that is run for each alert: program and arguments. It is told LLMDECK_EVENT (`alert`),
    /// LLMDECK_ALERT_RULE, _STATE (`firing`, `resolved`), _SEVERITY, _SCOPE and _MESSAGE.
    pub command: Vec<String>,
    /// A URL that is told of each alert, as a POST of JSON.
    pub webhook: Option<String>,
}

/// Somebody is being told while this is held.
#[derive(Debug)]
pub struct Notifier {
    hearing: AbortOnDropHandle<()>,
    telling: AbortOnDropHandle<()>,
}

impl Notifier {
    /// Begins to tell of a deck's alerts, on the tokio runtime that this is called in; `None` when nobody is to be told.
    /// Webhooks are signed with `key` when there is one.
    ///
    /// # Errors
    /// `config` when the webhook's URL is none.
    pub fn start(
        deck: &Deck,
        settings: &Settings,
        key: Option<SecretString>,
        http: &Http,
    ) -> Result<Option<Self>, Error> {
        if settings.command.is_empty() && settings.webhook.is_none() {
            return Ok(None);
        }
        let url = settings.webhook.as_deref();
        let messenger = Messenger {
            command: settings.command.clone(),
            webhook: url.map(|url| Webhook::new(url, key, http)).transpose()?,
        };
        let (sender, queue) = mpsc::channel(QUEUE);
        let hearing = tokio::spawn(hear(deck.subscribe(), sender));
        let telling = tokio::spawn(messenger.tell_all(queue));
        Ok(Some(Self {
            hearing: AbortOnDropHandle::new(hearing),
            telling: AbortOnDropHandle::new(telling),
        }))
    }

    /// Hears nothing more, and tells what it has heard.
    pub fn retire(self) {
        drop(self.hearing);
        // It ends with its queue.
        drop(self.telling.detach());
    }
}

/// Queues alerts as they come.
async fn hear(mut events: broadcast::Receiver<DeckEvent>, queue: mpsc::Sender<AlertView>) {
    loop {
        match events.recv().await {
            Ok(DeckEvent::Alerted { alert }) => {
                if let Err(error) = queue.try_send(alert) {
                    let alert = error.into_inner();
                    tracing::warn!(
                        rule = alert.rule,
                        "an alert was not passed on: those before it are still being told"
                    );
                }
            }
            Ok(_) => {}
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "events were missed; alerts may be among them");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

struct Messenger {
    command: Vec<String>,
    webhook: Option<Webhook>,
}

impl Messenger {
    async fn tell_all(self, mut queue: mpsc::Receiver<AlertView>) {
        while let Some(alert) = queue.recv().await {
            run(&self.command, &alert).await;
            if let Some(webhook) = &self.webhook {
                webhook.tell(&alert).await;
            }
        }
    }
}

/// Runs the command, if there is one.
async fn run(command: &[String], alert: &AlertView) {
    let Some((program, arguments)) = command.split_first() else {
        return;
    };
    let run = tokio::process::Command::new(program)
        .args(arguments)
        .env("LLMDECK_EVENT", "alert")
        .env("LLMDECK_ALERT_RULE", &alert.rule)
        .env("LLMDECK_ALERT_STATE", state_word(alert.state))
        .env("LLMDECK_ALERT_SEVERITY", severity_word(alert.severity))
        .env("LLMDECK_ALERT_SCOPE", scope_words(&alert.scope))
        .env("LLMDECK_ALERT_MESSAGE", &alert.message)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status();
    match timeout(PATIENCE, run).await {
        Ok(Ok(status)) if status.success() => {}
        Ok(Ok(status)) => tracing::warn!(%status, program, "the alert command failed"),
        Ok(Err(error)) => tracing::warn!(%error, program, "the alert command could not be run"),
        Err(_) => tracing::warn!(program, "the alert command took too long and was ended"),
    }
}

fn state_word(state: AlertState) -> &'static str {
    match state {
        AlertState::Pending => "pending",
        AlertState::Firing => "firing",
        AlertState::Resolved => "resolved",
    }
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

/// Returns `all`, or the kind and the name: `instance gpu1`.
fn scope_words(scope: &Scope) -> String {
    match scope {
        Scope::All => "all".to_owned(),
        Scope::Type(of) => format!("type {of}"),
        Scope::Route(of) => format!("route {of}"),
        Scope::Instance(of) => format!("instance {of}"),
    }
}

#[cfg(test)]
mod tests;
