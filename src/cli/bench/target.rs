//! What is loaded: a configured instance by itself, a route through the driver, or any compatible server by its URL.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use super::args::BenchArgs;
use crate::base::{ChatRequest, ChatStream, Error, ErrorKind, RouteName, Target, Usage};
use crate::cli::report::Failure;
use crate::cli::start::{self, Started};
use crate::config::{self, Config, Env, Instance, Place};
use crate::driver::LlmModelDriver;
use crate::prices::{self, Price, PriceSettings};
use crate::provider::{self, Http, LlmModelStrategy};
use crate::{pool, provider::Settings};

/// How long a server may take to list its models.
const PATIENCE: Duration = Duration::from_secs(10);
/// Everything that is configured, through the driver, unless an instance or a route has this name.
const ALL: &str = "all";

/// What is loaded.
pub(super) struct Loaded {
    /// How it is called in the report.
    pub(super) name: String,
    pub(super) target: Target,
    pub(super) model: Option<String>,
    /// Everyone who may be asked.
    pub(super) upstreams: Vec<Upstream>,
    /// What the reader should know.
    pub(super) warnings: Vec<String>,
    way: Way,
    /// The embedded pool answers only as long as this lives.
    started: Option<Started>,
}

#[derive(Clone)]
enum Way {
    Alone(Arc<dyn LlmModelStrategy>),
    Driven(LlmModelDriver),
}

/// Somebody who may be asked, as far as it concerns the bill.
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) host: String,
    pub(super) is_remote: bool,
    price: Option<Price>,
}

impl Upstream {
    fn of(instance: &Instance, model: Option<&str>, own: &BTreeMap<String, PriceSettings>) -> Self {
        let pool = &instance.pool;
        let url = Url::parse(&pool.base_url).ok();
        let host = url.and_then(|url| url.host_str().map(str::to_owned));
        let host = host.unwrap_or_default();
        let model = model.or_else(|| pool.models.first().map(String::as_str));
        Self {
            name: pool.name.to_string(),
            is_remote: !is_near(&host),
            host,
            price: model
                .and_then(|model| prices::find(own, pool.provider_type, &pool.base_url, model)),
        }
    }

    /// Returns what so many tokens cost in US dollars; `None` when its price is not known.
    pub(super) fn cost(&self, prompt: f64, output: f64) -> Option<f64> {
        const MILLION: f64 = 1e6;
        let usage = Usage {
            prompt_tokens: Some(prompt.round() as u64),
            completion_tokens: Some(output.round() as u64),
            ..Usage::default()
        };
        let cost = self.price.as_ref()?.cost(&usage, jiff::Timestamp::now())?;
        // Less than a billionth is rounding, not a price.
        Some((cost * 1e3 * MILLION).round() / (1e3 * MILLION))
    }
}

impl Loaded {
    /// Finds it by its name or URL.
    ///
    /// # Errors
    /// When there is no such thing; the message says what there is.
    pub(super) async fn find(config: Config, env: &Env, args: &BenchArgs) -> Result<Self, Failure> {
        if args.target.contains("://") {
            return by_url(&config, env, args).await;
        }
        let started = start::start(config, env).await?;
        let config = &started.config;
        let named = |instance: &&Instance| instance.pool.name.as_str() == args.target;
        if let Some(instance) = config.instances.iter().find(named) {
            let mut loaded = alone(instance, &config.prices, args)?;
            loaded.warnings.clone_from(&config.warnings);
            loaded.started = Some(started);
            return Ok(loaded);
        }
        let route = config
            .routes
            .iter()
            .find(|route| route.name.as_str() == args.target);
        let (name, target) = match route {
            Some(route) => (
                format!("route {}, through the driver", route.name),
                Target::Route(route.name.clone()),
            ),
            None if args.target == ALL => {
                ("the whole pool, through the driver".to_owned(), Target::Any)
            }
            None => return Err(unknown(config, &args.target).into()),
        };
        let is_asked = |instance: &&Instance| {
            route.is_none_or(|route| {
                route
                    .tiers
                    .iter()
                    .flatten()
                    .any(|name| *name == instance.pool.name)
            })
        };
        let asked = config.instances.iter().filter(is_asked);
        let upstreams =
            asked.map(|instance| Upstream::of(instance, args.model.as_deref(), &config.prices));
        Ok(Self {
            name,
            target,
            model: args.model.clone(),
            upstreams: upstreams.collect(),
            warnings: config.warnings.clone(),
            way: Way::Driven(started.driver.clone()),
            started: Some(started),
        })
    }

    /// Returns what makes a stream of a request.
    pub(super) fn sender(&self) -> impl Fn(ChatRequest) -> ChatStream + Send + Sync + 'static {
        let way = self.way.clone();
        move |request| match &way {
            Way::Alone(strategy) => strategy.stream(&request),
            Way::Driven(driver) => driver.stream(request),
        }
    }
}

/// Loads one instance through its own strategy: no permits, no queue, no retries stand between.
fn alone(
    instance: &Instance,
    own: &BTreeMap<String, PriceSettings>,
    args: &BenchArgs,
) -> Result<Loaded, Error> {
    let name = &instance.pool.name;
    let model = args
        .model
        .clone()
        .or_else(|| instance.pool.models.first().cloned());
    let model = model.ok_or_else(|| {
        Error::new(
            ErrorKind::Config,
            format!("it is not known which model {name} has"),
        )
        .with_hint("name one with --model")
    })?;
    Ok(Loaded {
        name: format!("{name} ({}, {model})", instance.pool.provider_type),
        target: Target::Any,
        upstreams: vec![Upstream::of(instance, Some(&model), own)],
        model: Some(model),
        warnings: Vec::new(),
        way: Way::Alone(provider::build(
            instance.provider.clone(),
            &Http::from_env()?,
        )?),
        started: None,
    })
}

async fn by_url(config: &Config, env: &Env, args: &BenchArgs) -> Result<Loaded, Failure> {
    let host = Url::parse(&args.target).ok();
    let host = host.and_then(|url| {
        Some(format!(
            "{}:{}",
            url.host_str()?,
            url.port_or_known_default()?
        ))
    });
    let name = host.unwrap_or_else(|| args.target.clone());
    let mut provider = Settings::new(&name, args.provider_type);
    provider.base_url = Some(args.target.clone());
    if let Some(variable) = &args.key_env {
        let key = env.get(variable).ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                format!("the environment variable {variable} is not set"),
            )
            .with_hint("export it, or name another with --key-env")
        })?;
        provider.key = Some(SecretString::from(key.trim().to_owned()));
    }
    let mut pool = pool::InstanceSettings::new(&name, args.provider_type);
    pool.base_url = provider.shown_base_url()?;
    pool.models.extend(args.model.clone());
    let mut instances = [Instance {
        provider,
        pool,
        key_from: None,
        from: Place::Default,
    }];
    let http = Http::from_env()?;
    let strategies = start::strategies(&instances, &http)?;
    let warnings = config::fill_models(&mut instances, &strategies, PATIENCE).await;
    let mut loaded =
        alone(&instances[0], &config.prices, args).map_err(|error| match warnings.first() {
            Some(why) => error.with_message(why),
            None => error,
        })?;
    loaded.warnings = warnings;
    Ok(loaded)
}

fn unknown(config: &Config, wanted: &str) -> Error {
    let list = |names: Vec<&str>| {
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    let instances = config
        .instances
        .iter()
        .map(|instance| instance.pool.name.as_str());
    let routes = config
        .routes
        .iter()
        .map(|route: &pool::RouteSettings| RouteName::as_str(&route.name));
    Error::new(
        ErrorKind::Config,
        format!("there is no instance and no route '{wanted}'"),
    )
    .with_hint(format!(
        "instances: {}; routes: {}; '{ALL}' is the whole pool, and a URL any other server",
        list(instances.collect()),
        list(routes.collect())
    ))
}

/// Tells whether a host is this machine or in its own network, by its name or address alone.
fn is_near(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()
        }
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.is_unspecified()
        }
        Err(_) => {
            let host = host.to_ascii_lowercase();
            // A name without a dot is of the own network too.
            !host.contains('.')
                || [".local", ".localhost", ".lan", ".internal", ".home.arpa"]
                    .iter()
                    .any(|end| host.ends_with(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_house_is_near() {
        for host in [
            "localhost",
            "127.0.0.1",
            "[::1]",
            "192.168.1.7",
            "10.0.0.1",
            "gpu-box",
            "gpu.local",
        ] {
            assert!(is_near(host), "{host}");
        }
        for host in [
            "api.openai.com",
            "8.8.8.8",
            "172.32.0.1",
            "[2606:4700::1]",
            "local.example.com",
        ] {
            assert!(!is_near(host), "{host}");
        }
    }
}
