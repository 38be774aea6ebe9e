//! What the driver does by itself while it runs: scaling, and active probes. Tasks end when the driver is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior};

use crate::base::{DeckEvent, Health};
use crate::pool::{Scaled, ScalingSettings};
use crate::provider::Http;

use super::Shared;

/// How often the load is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the alert rules are looked at.
const ALERTS_EVERY: Duration = Duration::from_secs(10);
/// How long a command or a webhook may take.
const HOOK_PATIENCE: Duration = Duration::from_secs(30);
/// Tries of a webhook.
const WEBHOOK_TRIES: u32 = 3;

/// The tasks that depend on who is there.
#[derive(Default)]
pub(super) struct Tasks(Mutex<Running>);

#[derive(Default)]
struct Running {
    scaling: Option<AbortOnDrop>,
    probes: HashMap<u32, (Duration, AbortOnDrop)>,
}

/// A task that ends with whoever wants it.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts the watch over the alert rules, and what else the settings ask for.
pub(super) fn start(shared: &Arc<Shared>) {
    // Made outside a runtime, it can only answer.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    runtime.spawn(watch(Arc::downgrade(shared)));
    tend(shared);
}

/// Starts and ends what depends on who is there: scaling, and a probe for each instance that wants one.
pub(super) fn tend(shared: &Arc<Shared>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    let spawn = |task| AbortOnDrop(runtime.spawn(task).abort_handle());
    let wanted: HashMap<u32, Duration> = (shared.roster.read().named())
        .filter_map(|member| Some((member.number, member.settings.probe_every?.max(LOOK_EVERY))))
        .collect();
    let mut running = shared.tasks.0.lock();
    running
        .probes
        .retain(|number, (every, _)| wanted.get(number) == Some(every));
    for (number, every) in wanted {
        running.probes.entry(number).or_insert_with(|| {
            let task: BoxFuture<'static, ()> =
                Box::pin(probe(Arc::downgrade(shared), number, every));
            (every, spawn(task))
        });
    }
    if !shared.balancer.scales() {
        running.scaling = None;
    } else if running.scaling.is_none() {
        running.scaling = Some(spawn(Box::pin(scale(Arc::downgrade(shared)))));
    }
}

/// Looks at the alert rules, and tells of what changed: in the log and as an event.
async fn watch(shared: Weak<Shared>) {
    let mut ticks = tokio::time::interval(ALERTS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        shared.forget_the_gone();
        shared.look_at_alerts(false);
    }
}

impl Shared {
    /// Looks at the alert rules, `at_once` or when it is time to, and tells of what changed.
    pub(super) fn look_at_alerts(&self, at_once: bool) {
        let now = Instant::now();
        let instances = self.balancer.view().instances;
        for instance in &instances {
            self.monitor
                .instance_state(&instance.name, &instance.state, now);
        }
        let there: Vec<_> = instances
            .into_iter()
            .map(|instance| instance.name)
            .collect();
        self.monitor.only_instances(&there);
        let changes = if at_once {
            self.monitor.alert_changes_now(now)
        } else {
            self.monitor.alert_changes(now)
        };
        for change in changes {
            let alert = change.alert;
            if !change.notify {
                continue;
            }
            tracing::warn!(target: "llmdeck::alerts", rule = alert.rule, state = ?alert.state, message = alert.message, "alert");
            self.tell(|| DeckEvent::Alerted { alert });
        }
    }
}

async fn scale(shared: Weak<Shared>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if let Some(scaled) = shared.balancer.scale() {
            let what = if scaled.joined {
                format!("{} joins: permits run short", scaled.instance)
            } else {
                format!("{} leaves: it is no longer needed", scaled.instance)
            };
            tracing::info!(what, "scaling");
            shared.tell(|| DeckEvent::Commanded {
                what,
                by: "scaling".to_owned(),
            });
            tokio::spawn(tell(
                shared.in_force().settings.pool.scaling.clone(),
                scaled,
            ));
        }
    }
}

/// Runs the command and calls the webhook, so that a real machine can be started or stopped.
async fn tell(settings: ScalingSettings, scaled: Scaled) {
    let event = if scaled.joined { "join" } else { "leave" };
    if let Some((program, arguments)) = settings.command.split_first() {
        let run = tokio::process::Command::new(program)
            .args(arguments)
            .env("LLMDECK_EVENT", event)
            .env("LLMDECK_INSTANCE", scaled.instance.as_str())
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .status();
        match tokio::time::timeout(HOOK_PATIENCE, run).await {
            Ok(Ok(status)) if status.success() => {}
            Ok(Ok(status)) => tracing::warn!(%status, program, "the scaling command failed"),
            Ok(Err(error)) => {
                tracing::warn!(%error, program, "the scaling command could not be run");
            }
            Err(_) => tracing::warn!(program, "the scaling command took too long and was ended"),
        }
    }
    if let Some(url) = &settings.webhook {
        let body = serde_json::json!({"event": event, "instance": scaled.instance});
        for attempt in 1..=WEBHOOK_TRIES {
            match post(url, &body).await {
                Ok(()) => break,
                Err(error) => tracing::warn!(attempt, error, "the scaling webhook failed"),
            }
            tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
        }
    }
}

async fn post(url: &str, body: &serde_json::Value) -> Result<(), String> {
    // The address may hold a secret, so errors go without it.
    let plain = |error: reqwest::Error| error.without_url().to_string();
    let client = Http::from_env()
        .and_then(|http| http.plain())
        .map_err(|error| error.to_string())?;
    let answer = client
        .post(url)
        .json(body)
        .timeout(HOOK_PATIENCE)
        .send()
        .await
        .map_err(plain)?;
    answer.error_for_status().map(|_| ()).map_err(plain)
}

async fn probe(shared: Weak<Shared>, number: u32, every: Duration) {
    // Not all at once: each begins at its own moment of the first interval.
    let offset = every.mul_f64((f64::from(number) * 0.37).fract());
    let mut ticks = tokio::time::interval_at(Instant::now() + offset, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let Some(member) = shared.roster.read().get(number) else {
            return;
        };
        let name = member.name();
        let result = member.strategy.probe().await;
        if let Err(error) = &result {
            tracing::debug!(instance = %name, %error, "probe failed");
        }
        shared.balancer.probed(name, result.as_ref().copied());
        if result.is_err_and(|error| error.health() == Health::Hold) {
            shared.look_at_alerts(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_scaling_command_is_told_what_happened_and_to_whom() {
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("told");
        let script = format!("echo $LLMDECK_EVENT $LLMDECK_INSTANCE > {}", told.display());
        let settings = ScalingSettings {
            command: ["sh", "-c", &script].map(str::to_owned).to_vec(),
            ..ScalingSettings::default()
        };
        let scaled = Scaled {
            instance: "b".into(),
            joined: true,
        };
        tell(settings, scaled).await;
        assert_eq!(std::fs::read_to_string(&told).unwrap(), "join b\n");
    }
}
