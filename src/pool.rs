//! The pool: which instance answers, and when.

mod adaptive;
mod balancer;
mod breaker;
pub(crate) mod core;
mod estimate;
mod past;
mod queue;
mod scaler;
pub mod strategy;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::{Error, ErrorKind, InstanceName, Priority, ProviderType, RouteName};
use crate::limit;

pub use adaptive::AdaptiveSettings;
pub(crate) use balancer::Lease;
pub use balancer::LlmLoadBalancer;
pub use breaker::BreakerSettings;
pub(crate) use core::{Scaled, Wanted};
pub(crate) use past::Past;
pub use scaler::ScalingSettings;
pub use strategy::StrategyKind;

/// How the pool as a whole behaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The balancing strategy of requests without a route.
    pub strategy: String,
    /// How many requests may wait.
    pub queue_limit: usize,
    /// How long a request may wait for its first token, over all attempts, when it does not say itself.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// When an instance is taken out for failing.
    pub breaker: BreakerSettings,
    /// When standby instances join and leave.
    pub scaling: ScalingSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: "round_robin".to_owned(),
            queue_limit: 256,
            deadline: Duration::from_secs(60),
            breaker: BreakerSettings::default(),
            scaling: ScalingSettings::default(),
        }
    }
}

/// What the pool knows of an instance from the config.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceSettings {
    /// Its name.
    pub name: InstanceName,
    /// Its provider type.
    pub provider_type: ProviderType,
    /// Its base URL for people, without user, password and query.
    pub base_url: String,
    /// Models it serves, the default one first.
    pub models: Vec<String>,
    /// Whether it starts switched on.
    pub enabled: bool,
    /// Its weight for weighted strategies.
    pub weight: u32,
    /// Its tier for the `priority` strategy, 0 first.
    pub tier: u32,
    /// US dollars for a million output tokens, for the `cheapest` strategy; `None` when unknown.
    pub price: Option<f64>,
    /// What its models cost, as far as it is known; needed where spending is limited.
    pub rates: BTreeMap<String, limit::Rate>,
    /// Whether it waits until the scaler calls it.
    pub standby: bool,
    /// How often it is asked whether it is there, for as long as the program runs; `None` for never.
    pub probe_every: Option<Duration>,
    /// When it is taken out for failing; `None` takes the pool's.
    pub breaker: Option<BreakerSettings>,
    /// Whether its permits adapt, and within what.
    pub adaptive: Option<AdaptiveSettings>,
    /// What it allows.
    pub limits: limit::Settings,
}

impl InstanceSettings {
    /// Returns what a model costs; the dearest known one stands for one that is not known.
    pub(crate) fn rate(&self, model: Option<&str>) -> limit::Rate {
        let known = model.and_then(|model| self.rates.get(model)).copied();
        known.unwrap_or_else(|| {
            self.rates
                .values()
                .fold(limit::Rate::default(), |most, rate| limit::Rate {
                    input: most.input.max(rate.input),
                    output: most.output.max(rate.output),
                })
        })
    }
}

/// A model name that callers use, and who serves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// Its name.
    pub name: RouteName,
    /// Its instances in tiers: the next tier is asked only when nothing above can take the request now.
    pub tiers: Vec<Vec<InstanceName>>,
    /// Its balancing strategy; `None` takes the pool's.
    #[serde(default)]
    pub strategy: Option<String>,
    /// How long a request may wait for its first token, over all attempts; `None` takes the pool's.
    #[serde(default, with = "humantime_serde")]
    pub deadline: Option<Duration>,
    /// Attempts of one request, the first included; `None` takes those of `[retry]`.
    #[serde(default)]
    pub attempts: Option<u32>,
    /// How long one attempt may take to its first token before another instance is asked; the instance's own timeout
    /// counts too.
    #[serde(default, with = "humantime_serde")]
    pub first_token_timeout: Option<Duration>,
    /// How long a stream may fall silent after its first token; the instance's own timeout counts too.
    #[serde(default, with = "humantime_serde")]
    pub idle_timeout: Option<Duration>,
    /// How long one attempt may take to its end; the instance's own timeout counts too.
    #[serde(default, with = "humantime_serde")]
    pub total_timeout: Option<Duration>,
    /// How urgent its requests are at most.
    #[serde(default)]
    pub priority: Priority,
    /// How many of its requests may wait; the pool's limit counts too.
    #[serde(default)]
    pub queue_limit: Option<usize>,
    /// Whether a second attempt is begun beside one whose first token is later than the route's own 95th percentile.
    #[serde(default)]
    pub hedge: bool,
    /// Second attempts allowed for each request of the route in the long run; `None` for 0.05.
    #[serde(default)]
    pub hedge_budget: Option<f64>,
}

impl InstanceSettings {
    /// Makes settings with everything at its default.
    pub fn new(name: impl AsRef<str>, provider_type: ProviderType) -> Self {
        Self {
            name: InstanceName::new(name),
            provider_type,
            base_url: String::new(),
            models: Vec::new(),
            enabled: true,
            weight: 1,
            tier: 0,
            price: None,
            rates: BTreeMap::new(),
            standby: false,
            probe_every: None,
            breaker: None,
            adaptive: None,
            limits: limit::Settings::default(),
        }
    }
}

/// Says that spending cannot be limited where a price is missing.
pub(crate) fn no_price(instance: &InstanceName, model: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!(
            "{instance}: spending cannot be limited, since the price of '{model}' is not known"
        ),
    )
    .with_hint(format!(
        "add [prices.\"{model}\"] with input and output, or limit tokens_per_day"
    ))
}

impl RouteSettings {
    /// Makes a route that serves nobody yet, with everything at its default.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self {
            name: RouteName::new(name),
            tiers: Vec::new(),
            strategy: None,
            deadline: None,
            attempts: None,
            first_token_timeout: None,
            idle_timeout: None,
            total_timeout: None,
            priority: Priority::default(),
            queue_limit: None,
            hedge: false,
            hedge_budget: None,
        }
    }
}
