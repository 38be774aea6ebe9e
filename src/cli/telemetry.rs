//! What goes to others while a face runs: traces and metrics to a collector, when the `OTEL_` variables ask for
//! them, and alerts to whom the config names.

use crate::base::Error;
use crate::config::Env;
use crate::driver::LlmModelDriver;
use crate::notify::Notifier;
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
    pub(super) notifier: Option<Notifier>,
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
        let deck = crate::deck::Deck::from(driver.clone());
        let exporter = crate::export::otlp::Exporter::start(&deck, settings, http)?;
        Ok(Telemetry {
            exporter,
            notifier: None,
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
