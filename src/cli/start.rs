//! From a config to a driver that can be asked.

use std::sync::Arc;
use std::time::Duration;

use super::embedded::Embedded;
use super::report::Failure;
use super::telemetry::{Telemetry, Wanted};
use crate::base::Error;
use crate::config::{self, Config, Env, Found, Instance};
use crate::driver::{self, InstanceSpec, LlmModelDriver};
use crate::provider::{self, Http, LlmModelStrategy};

/// How long servers may take to list their models when none are configured.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything a face needs.
pub(super) struct Started {
    /// The driver over all instances.
    pub(super) driver: LlmModelDriver,
    /// What is in force.
    pub(super) config: Config,
    /// The embedded pool, when it is the one that answers; it stops when it is dropped.
    pub(super) embedded: Option<Embedded>,
    /// What is told to a collector; to be shut down at the end, so that the last of it goes out.
    pub(super) telemetry: Telemetry,
}

/// Finds the instances that the config leaves to be found, and makes a driver over all.
///
/// # Errors
/// When an instance cannot be set up.
pub(super) async fn start(mut config: Config, env: &Env) -> Result<Started, Failure> {
    let http = Http::from_env()?;
    config::look_around(&mut config, env, &http).await?;
    match config.found {
        Found::Embedded => embedded(config, 1, env, &http),
        Found::File(_) | Found::Environment(_) => {
            let strategies = strategies(&config.instances, &http)?;
            let unknown = config::fill_models(&mut config.instances, &strategies, PATIENCE).await;
            config.warnings.extend(unknown);
            let wanted = Wanted::of(env)?;
            drive(config, strategies, None, None, (wanted, &http))
        }
    }
}

/// Makes a driver over the embedded pool, whatever instances are configured.
///
/// # Errors
/// When the pool cannot listen.
pub(super) fn embedded(
    mut config: Config,
    seed: u64,
    env: &Env,
    http: &Http,
) -> Result<Started, Failure> {
    let embedded = Embedded::start(seed)?;
    config.instances = embedded.instances();
    config.routes.clear();
    config.found = Found::Embedded;
    let strategies = strategies(&config.instances, http)?;
    let wanted = (Wanted::of(env)?, http);
    drive(config, strategies, Some(embedded), Some(seed), wanted)
}

/// Makes the strategy of each instance.
///
/// # Errors
/// When one cannot be set up.
pub(super) fn strategies(
    instances: &[Instance],
    http: &Http,
) -> Result<Vec<Arc<dyn LlmModelStrategy>>, Error> {
    instances
        .iter()
        .map(|instance| provider::build(instance.provider.clone(), http))
        .collect()
}

fn drive(
    config: Config,
    strategies: Vec<Arc<dyn LlmModelStrategy>>,
    embedded: Option<Embedded>,
    seed: Option<u64>,
    (wanted, http): (Wanted, &Http),
) -> Result<Started, Failure> {
    let settings = driver::Settings {
        pool: config.pool.clone(),
        retry: config.retry.clone(),
        monitor: config.monitor.clone(),
        prices: config.prices.clone(),
        trace: wanted.traces(),
        seed,
    };
    let instances = config.instances.iter().zip(strategies);
    let instances = instances.map(|(instance, strategy)| InstanceSpec {
        settings: instance.pool.clone(),
        strategy,
    });
    let driver = LlmModelDriver::new(settings, config.routes.clone(), instances.collect())?;
    let telemetry = wanted.start(&driver, http)?;
    tracing::info!(instances = config.instances.len(), from = %config.found, "started");
    Ok(Started {
        driver,
        config,
        embedded,
        telemetry,
    })
}
