//! From a config to a driver that can be asked.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "gateway")]
use parking_lot::Mutex;

use super::embedded::Embedded;
use super::report::Failure;
#[cfg(feature = "gateway")]
use super::telemetry::Telling;
use super::telemetry::{Telemetry, Wanted};
use crate::base::{Error, ErrorKind};
use crate::config::{self, Config, Env, Found, Instance};
use crate::driver::{self, InstanceBuilder, InstanceSpec, LlmModelDriver};
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
            drive(config, strategies, (env, &http), None, None)
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
    drive(config, strategies, (env, http), Some(embedded), Some(seed))
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

/// Puts a config in force in a driver that runs.
///
/// # Errors
/// When it names no instance, or one cannot be set up; then nothing has changed.
#[cfg(feature = "gateway")]
pub(super) async fn apply(
    mut config: Config,
    driver: &LlmModelDriver,
    telling: &Mutex<Telling>,
    env: &Env,
) -> Result<String, Failure> {
    let http = Http::from_env()?;
    config::look_around(&mut config, env, &http).await?;
    if matches!(config.found, Found::Embedded) {
        let told = "no instance is configured any more";
        return Err(Error::new(ErrorKind::Config, told).into());
    }
    let strategies = strategies(&config.instances, &http)?;
    let unknown = config::fill_models(&mut config.instances, &strategies, PATIENCE).await;
    for warning in config.warnings.iter().chain(&unknown) {
        tracing::warn!("{warning}");
    }
    let settings = settings(&config, false, None);
    let instances = config.instances.iter().zip(strategies);
    let instances = instances.map(|(instance, strategy)| InstanceSpec {
        settings: instance.pool.clone(),
        strategy,
    });
    let told = telling.lock().other(&config, driver, &http)?;
    let besides = told.iter().map(|_| "[notify] changed".to_owned());
    let applied = driver.apply_besides(
        settings,
        config.routes.clone(),
        instances.collect(),
        "config",
        besides.collect(),
    )?;
    driver.build_with(builder(&config, env, &http));
    if let Some(told) = told {
        telling.lock().replace(told);
    }
    Ok(applied.to_string())
}

#[cfg(feature = "store")]
fn wants_prompts(config: &Config) -> bool {
    config.store.enabled && config.store.requests && config.store.prompts
}

#[cfg(not(feature = "store"))]
fn wants_prompts(_: &Config) -> bool {
    false
}

fn settings(config: &Config, trace: bool, seed: Option<u64>) -> driver::Settings {
    driver::Settings {
        pool: config.pool.clone(),
        retry: config.retry.clone(),
        monitor: config.monitor.clone(),
        prices: config.prices.clone(),
        trace,
        prompts: wants_prompts(config),
        seed,
    }
}

fn drive(
    config: Config,
    strategies: Vec<Arc<dyn LlmModelStrategy>>,
    (env, http): (&Env, &Http),
    embedded: Option<Embedded>,
    seed: Option<u64>,
) -> Result<Started, Failure> {
    let wanted = Wanted::of(env)?;
    let settings = settings(&config, wanted.traces(), seed);
    let instances = config.instances.iter().zip(strategies);
    let instances = instances.map(|(instance, strategy)| InstanceSpec {
        settings: instance.pool.clone(),
        strategy,
    });
    let driver = LlmModelDriver::new(settings, config.routes.clone(), instances.collect())?;
    driver.build_with(builder(&config, env, http));
    let mut telemetry = wanted.start(&driver, http)?;
    if let Some(told) = telemetry.telling.other(&config, &driver, http)? {
        telemetry.telling.replace(told);
    }
    tracing::info!(instances = config.instances.len(), from = %config.found, "started");
    Ok(Started {
        driver,
        config,
        embedded,
        telemetry,
    })
}

/// Sets up instances that are added while the driver runs, as their entry in the config would.
fn builder(config: &Config, env: &Env, http: &Http) -> InstanceBuilder {
    let (file, pool) = (config.file.clone(), config.pool.clone());
    let (env, http) = (env.clone(), http.clone());
    Box::new(move |entry| {
        let (file, pool) = (file.clone(), pool.clone());
        let (env, http) = (env.clone(), http.clone());
        Box::pin(async move {
            let (instance, mut warnings) = config::entry(&entry, &pool, file.as_deref(), &env)?;
            let mut instances = [instance];
            let strategies = strategies(&instances, &http)?;
            warnings.extend(config::fill_models(&mut instances, &strategies, PATIENCE).await);
            for warning in warnings {
                tracing::warn!(warning, "added instance");
            }
            let [instance] = instances;
            let strategy = strategies.into_iter().next();
            let strategy = strategy.ok_or_else(|| {
                // One instance has one strategy.
                Error::new(ErrorKind::Config, "the instance could not be set up")
            })?;
            Ok(InstanceSpec {
                settings: instance.pool,
                strategy,
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ChatRequest, Command, InstanceDocument, Target};
    use crate::config::Flags;

    #[tokio::test]
    async fn an_instance_that_is_added_while_it_runs_answers() {
        let env = Env::of([("HOME", "/nowhere"), ("DECK_KEY", "sk-of-deck")]);
        let config = config::load(&env, &Flags::default()).unwrap();
        let started = embedded(config, 1, &env, &Http::from_env().unwrap()).unwrap();
        let one = &started.config.instances[0];
        let entry = serde_json::json!({
            "name": "another", "type": one.provider.provider_type, "base_url": one.provider.base_url,
            "key": one.provider.key.as_ref().map(secrecy::ExposeSecret::expose_secret), "permits": 2,
        });
        let settings: InstanceDocument = serde_json::from_value(entry).unwrap();
        let command = Command::AddInstance { settings };
        let changed = started.driver.command(command, "test").await.unwrap();
        assert_eq!(changed.what, "another added");
        let board = started.driver.board();
        let added = board.instance(&"another".into()).unwrap();
        assert!(
            !added.models.is_empty(),
            "the server was asked for its models"
        );
        let request = ChatRequest::from("Hi").with_target(Target::Instance("another".into()));
        let answer = started.driver.chat(request).await.unwrap();
        assert!(!answer.text.is_empty());

        let wrong = serde_json::json!({"name": "x", "type": "opnai", "key_env": "DECK_KEY"});
        let settings: InstanceDocument = serde_json::from_value(wrong).unwrap();
        let command = Command::AddInstance { settings };
        let error = started.driver.command(command, "test").await.unwrap_err();
        assert!(
            error.to_string().contains("unknown provider type"),
            "{error}"
        );
        assert!(!error.to_string().contains("sk-of-deck"), "{error}");
    }
}
