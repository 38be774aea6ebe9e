//! What goes to others while a face runs: traces and metrics to a collector, when the `OTEL_` variables ask for
//! them, and alerts to whom the config names.

use secrecy::{ExposeSecret, SecretString};

use crate::base::Error;
use crate::config::{Config, Env};
use crate::deck::Deck;
use crate::driver::LlmModelDriver;
use crate::notify::{self, Notifier};
use crate::provider::Http;

/// What the variables ask for.
#[derive(Default)]
pub(super) struct Wanted {
    #[cfg(feature = "otel")]
    settings: Option<crate::export::otlp::Settings>,
}

/// What runs for others.
#[derive(Default)]
pub(super) struct Telemetry {
    #[cfg(feature = "otel")]
    exporter: Option<crate::export::otlp::Exporter>,
    /// Tells somebody of alerts, while it is here.
    pub(super) telling: Telling,
}

/// Who is told of alerts, as the config has it.
#[derive(Default)]
pub(super) struct Telling {
    settings: notify::Settings,
    key: Option<SecretString>,
    notifier: Option<Notifier>,
}

impl Telling {
    /// Begins to tell whom a config names; `None` when that is who is told already. Nobody is let go yet.
    ///
    /// # Errors
    /// `config` when the webhook's URL is none.
    pub(super) fn other(
        &self,
        config: &Config,
        driver: &LlmModelDriver,
        http: &Http,
    ) -> Result<Option<Self>, Error> {
        let key = config.notify_key.as_ref().map(|(key, _)| key.clone());
        let exposed =
            |key: &Option<SecretString>| key.as_ref().map(|key| key.expose_secret().to_owned());
        if config.notify == self.settings && exposed(&key) == exposed(&self.key) {
            return Ok(None);
        }
        let deck = Deck::from(driver.clone());
        Ok(Some(Self {
            notifier: Notifier::start(&deck, &config.notify, key.clone(), http)?,
            settings: config.notify.clone(),
            key,
        }))
    }

    /// Puts others in its place; what it has heard is still told.
    pub(super) fn replace(&mut self, others: Self) {
        if let Some(before) = std::mem::replace(self, others).notifier {
            before.retire();
        }
    }
}

#[cfg(feature = "otel")]
impl Wanted {
    /// Reads the variables.
    ///
    /// # Errors
    /// `config` when one makes no sense.
    pub(super) fn of(env: &Env) -> Result<Self, Error> {
        let get = |name: &str| env.get(name).map(str::to_owned);
        let settings = crate::export::otlp::Settings::from_vars(get)?;
        Ok(Self { settings })
    }

    /// Tells whether instances are to be told of spans.
    pub(super) fn traces(&self) -> bool {
        let settings = self.settings.as_ref();
        settings.is_some_and(|settings| settings.traces.is_some())
    }

    /// Begins to export what a driver does.
    ///
    /// # Errors
    /// `config` when it cannot be set up.
    pub(super) fn start(self, driver: &LlmModelDriver, http: &Http) -> Result<Telemetry, Error> {
        let Some(settings) = self.settings else {
            return Ok(Telemetry::default());
        };
        let deck = Deck::from(driver.clone());
        let exporter = crate::export::otlp::Exporter::start(&deck, settings, http)?;
        Ok(Telemetry {
            exporter,
            telling: Telling::default(),
        })
    }
}

#[cfg(feature = "otel")]
impl Telemetry {
    /// Sends what is left.
    pub(super) async fn shutdown(self) {
        if let Some(exporter) = self.exporter {
            exporter.shutdown().await;
        }
    }
}

#[cfg(not(feature = "otel"))]
#[expect(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    clippy::unused_async,
    reason = "the same calls as with an exporter"
)]
impl Wanted {
    pub(super) fn of(_: &Env) -> Result<Self, Error> {
        Ok(Self::default())
    }

    pub(super) fn traces(&self) -> bool {
        false
    }

    pub(super) fn start(self, _: &LlmModelDriver, _: &Http) -> Result<Telemetry, Error> {
        Ok(Telemetry::default())
    }
}

#[cfg(not(feature = "otel"))]
#[expect(
    clippy::unused_self,
    clippy::unused_async,
    reason = "the same call as with an exporter"
)]
impl Telemetry {
    pub(super) async fn shutdown(self) {}
}
