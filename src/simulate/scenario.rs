//! What a scenario file says, and what it must not say.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use crate::base::{Error, ErrorKind};
use crate::driver::RetrySettings;
use crate::pool::{self, StrategyKind};

use super::faults::Faults;
use super::work::Work;

/// The largest fleet.
pub(super) const MOST_INSTANCES: usize = 10_000;
/// The most requests of one run.
pub(super) const MOST_REQUESTS: f64 = 20e6;

/// A fleet, its work, its faults, and how the driver is set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name in lists and tables.
    pub name: String,
    /// What it is about, in a line.
    #[serde(default)]
    pub about: String,
    /// The instances.
    pub fleet: Vec<Machinery>,
    /// How much is asked, as shares of what the healthy fleet can do.
    #[serde(default = "loads")]
    pub loads: Vec<f64>,
    /// How many runs with different work and faults.
    #[serde(default = "seeds")]
    pub seeds: u64,
    /// How long requests are measured ...
    #[serde(default = "duration", with = "humantime_serde")]
    pub duration: Duration,
    /// ... after this time, in which the driver learns.
    #[serde(default = "warm_up", with = "humantime_serde")]
    pub warm_up: Duration,
    /// Which strategies are compared.
    #[serde(default = "Chooser::all")]
    pub strategies: Vec<Chooser>,
    /// What is asked.
    #[serde(default)]
    pub work: Work,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Faults,
    /// Which answers are good enough.
    #[serde(default)]
    pub slo: Slo,
    /// How long an attempt may take to its first token.
    #[serde(default = "first_token_timeout", with = "humantime_serde")]
    pub first_token_timeout: Duration,
    /// The driver's pool; its strategy is the one that is simulated.
    #[serde(default)]
    pub pool: pool::Settings,
    /// The driver's retries.
    #[serde(default)]
    pub retry: RetrySettings,
}

/// One instance, or several alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machinery {
    /// Its name; several alike get a number each.
    pub name: String,
    /// How many are alike.
    #[serde(default = "one")]
    pub count: usize,
    /// Tokens a second of a stream that runs alone.
    pub speed: f64,
    /// Requests it takes at once.
    pub permits: usize,
    /// Prompt tokens read in a second.
    pub prefill: f64,
    /// From the request to the first byte, the prompt aside.
    #[serde(with = "humantime_serde")]
    pub round_trip: Duration,
    /// How much slower each stream is when all permits are in use: 0.5 means half as long again.
    #[serde(default = "batching")]
    pub batching: f64,
    /// Tokens a minute that the provider allows, if it counts them.
    #[serde(default)]
    pub quota: Option<Quota>,
    /// Weight for weighted strategies; its share of the fleet's capacity when it is not given.
    #[serde(default)]
    pub weight: Option<u32>,
    /// Tier for the `priority` strategy.
    #[serde(default)]
    pub tier: u32,
    /// US dollars for a million output tokens, for the `cheapest` strategy.
    #[serde(default)]
    pub price: Option<f64>,
}

/// A provider's own limit: a bucket of tokens that refills evenly. Beyond it the answer is 429 with the exact time to
/// wait.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// How much it allows, as a share of the tokens that the instance could do.
    pub share: f64,
    /// How long's worth may be used in one burst.
    #[serde(default = "quota_burst", with = "humantime_serde")]
    pub burst: Duration,
    /// How much of a prompt's token counts (cached input is cheaper).
    #[serde(default = "quota_prompt")]
    pub prompt: f64,
    /// How much of it the driver's config knows as `tokens_per_minute`; without it the driver learns by 429.
    #[serde(default)]
    pub configured: Option<f64>,
}

/// Which answers are good: a first token in time, and tokens that come fast enough.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Slo {
    /// Time to the first token ...
    #[serde(with = "humantime_serde")]
    pub first_token: Duration,
    /// ... and a second more for so many prompt tokens.
    pub prompt_per_second: f64,
    /// Mean time for a token after the first.
    #[serde(with = "humantime_serde")]
    pub per_token: Duration,
}

/// Who chooses: a strategy of the driver, or one that knows everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Chooser {
    /// A strategy of the driver.
    Strategy(StrategyKind),
    /// Knows every speed, fault and length, and takes the instance where this request ends first: a reference for
    /// the others. No driver can have it.
    Oracle,
}

impl Default for Slo {
    fn default() -> Self {
        Self {
            first_token: Duration::from_secs(2),
            prompt_per_second: 4_000.0,
            per_token: Duration::from_millis(60),
        }
    }
}

impl Chooser {
    /// Returns all of them.
    pub fn all() -> Vec<Self> {
        let strategies = StrategyKind::ALL.into_iter().map(Self::Strategy);
        strategies.chain([Self::Oracle]).collect()
    }

    /// Returns the word used in scenarios and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strategy(kind) => kind.as_str(),
            Self::Oracle => "oracle",
        }
    }
}

impl fmt::Display for Chooser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Chooser {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "oracle" => Ok(Self::Oracle),
            text => match text.parse() {
                Ok(kind) => Ok(Self::Strategy(kind)),
                Err(error) => {
                    let message = format!("{}, oracle", error.message());
                    Err(error.with_message(message))
                }
            },
        }
    }
}

impl TryFrom<String> for Chooser {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl Scenario {
    /// Reads a scenario that comes with the program, by its name, or else a file.
    ///
    /// # Errors
    /// Of kind `config`: there is no such file, or what it says is wrong.
    pub fn open(name: &str) -> Result<Self, Error> {
        if let Some(text) = super::scenarios::text(name) {
            return Self::parse(name, text);
        }
        let path = Path::new(name);
        let text = std::fs::read_to_string(path).map_err(|error| {
            wrong(format!("cannot read scenario '{name}': {error}")).with_hint(format!(
                "give a file, or one of those that come with the program: {}",
                super::scenarios::names().join(", ")
            ))
        })?;
        Self::parse(name, &text)
    }

    /// Reads a scenario from text; `place` says in errors where it stands.
    ///
    /// # Errors
    /// Of kind `config`: what it says is wrong, with the line or the name of what is meant.
    pub fn parse(place: &str, text: &str) -> Result<Self, Error> {
        let scenario: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                1 + text[..span.start.min(text.len())].matches('\n').count()
            });
            wrong(format!("{place}:{line}: {}", error.message()))
        })?;
        match scenario.mistake() {
            Some(mistake) => Err(wrong(format!("{place}: {mistake}"))),
            None => Ok(scenario),
        }
    }

    /// Says the first thing that makes no sense.
    pub(super) fn mistake(&self) -> Option<String> {
        if self.fleet.is_empty() {
            return Some("the fleet is empty; add a [[fleet]]".to_owned());
        }
        let count: usize = self.fleet.iter().map(|machinery| machinery.count).sum();
        if count > MOST_INSTANCES {
            return Some(format!(
                "a fleet may have {MOST_INSTANCES} instances, not {count}"
            ));
        }
        for (index, machinery) in self.fleet.iter().enumerate() {
            if let Some(mistake) = machinery.mistake() {
                return Some(format!("fleet '{}': {mistake}", machinery.name));
            }
            if self.fleet[..index]
                .iter()
                .any(|before| before.name == machinery.name)
            {
                return Some(format!("fleet '{}' is there twice", machinery.name));
            }
        }
        if self.loads.is_empty() || self.strategies.is_empty() {
            return Some("loads and strategies must not be empty".to_owned());
        }
        if let Some(load) = self
            .loads
            .iter()
            .find(|load| !(0.001..=10.0).contains(*load))
        {
            return Some(format!("a load is from 0.001 to 10, not {load}"));
        }
        if !(1..=1_000).contains(&self.seeds) {
            return Some(format!("seeds are from 1 to 1000, not {}", self.seeds));
        }
        if self.duration.is_zero() || self.first_token_timeout.is_zero() {
            return Some("duration and first_token_timeout must be above 0".to_owned());
        }
        if self.retry.attempts == 0 {
            return Some("retry.attempts is at least 1".to_owned());
        }
        if self.slo.prompt_per_second <= 0.0 {
            return Some("slo.prompt_per_second must be above 0".to_owned());
        }
        let names: Vec<&str> = self
            .fleet
            .iter()
            .map(|machinery| machinery.name.as_str())
            .collect();
        self.work.mistake().or_else(|| self.faults.mistake(&names))
    }
}

impl Machinery {
    fn mistake(&self) -> Option<String> {
        let above = |name: &str, value: f64| {
            (!value.is_finite() || value <= 0.0)
                .then(|| format!("{name} must be above 0, not {value}"))
        };
        if self.count == 0 || self.permits == 0 || self.permits > 100_000 {
            return Some("count is at least 1, permits are from 1 to 100000".to_owned());
        }
        if self.weight == Some(0) {
            return Some("weight is at least 1".to_owned());
        }
        if !(0.0..=100.0).contains(&self.batching) {
            return Some(format!("batching is from 0 to 100, not {}", self.batching));
        }
        let quota = self.quota.as_ref().and_then(|quota| {
            let share = above("quota.share", quota.share);
            let prompt = (!(0.0..=1.0).contains(&quota.prompt))
                .then(|| format!("quota.prompt is from 0 to 1, not {}", quota.prompt));
            let configured = quota
                .configured
                .and_then(|configured| above("quota.configured", configured));
            let burst = quota
                .burst
                .is_zero()
                .then(|| "quota.burst must be above 0".to_owned());
            share.or(prompt).or(configured).or(burst)
        });
        above("speed", self.speed)
            .or_else(|| above("prefill", self.prefill))
            .or(quota)
    }
}

pub(super) fn wrong(message: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::Config, message).with_hint(
        "docs/strategies.md explains the keys; 'llmdeck simulate het8' runs one that is right",
    )
}

fn loads() -> Vec<f64> {
    vec![0.5, 0.7, 0.9]
}

fn seeds() -> u64 {
    5
}

fn duration() -> Duration {
    Duration::from_secs(1_800)
}

fn warm_up() -> Duration {
    Duration::from_secs(120)
}

fn first_token_timeout() -> Duration {
    Duration::from_secs(10)
}

fn one() -> usize {
    1
}

fn batching() -> f64 {
    0.5
}

fn quota_burst() -> Duration {
    Duration::from_secs(10)
}

fn quota_prompt() -> f64 {
    0.1
}
