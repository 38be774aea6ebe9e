//! The character of simulated instances, as data.

use std::time::Duration;

use rand::Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use super::Fault;
use crate::base::{Error, ErrorKind, InstanceName, ProviderType};

/// The simulated pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Decides everything that chance decides.
    pub seed: u64,
    /// The instances.
    pub instances: Vec<InstanceProfile>,
}

impl Settings {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// `config`, naming the instance, the key, the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        for (index, profile) in self.instances.iter().enumerate() {
            profile.validate()?;
            if self.instances[..index]
                .iter()
                .any(|earlier| earlier.name == profile.name)
            {
                return Err(profile.wrong("name is used twice"));
            }
        }
        Ok(())
    }
}

/// One simulated instance. The default one is quick, unlimited and never fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InstanceProfile {
    /// Its name.
    pub name: InstanceName,
    /// The protocol it speaks.
    #[serde(rename = "type")]
    pub provider_type: ProviderType,
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The models it offers, the default one first; any other is refused. Empty offers one named after its type.
    pub models: Vec<String>,
    /// The key it wants; `None` takes any request. Zhipu's type takes it as bearer and as signed token.
    pub key: Option<String>,
    /// From the request to the first token.
    pub first_token: Delay,
    /// Tokens per second of one answer when it is alone.
    pub speed: Spread,
    /// How much others slow an answer down: `speed / (1 + slowdown * others / concurrency)`.
    pub slowdown: f64,
    /// Tokens of an answer, kept to whole paragraphs; `None` gives the whole text.
    pub length: Option<Spread>,
    /// Whether it thinks aloud before it answers.
    pub reasoning: bool,
    /// Requests it works on at once; `None` has no limit.
    pub concurrency: Option<usize>,
    /// What happens to a request beyond that.
    pub when_full: WhenFull,
    /// Requests in any 60 seconds.
    pub requests_per_minute: Option<u64>,
    /// Tokens, of prompt and answer, in any 60 seconds.
    pub tokens_per_minute: Option<u64>,
    /// The prompt's tokens it can hold; more is a context error.
    pub context: Option<u64>,
    /// Faults by chance; the shares together are at most 1.
    pub faults: Vec<FaultShare>,
    /// When its port is closed.
    pub outage: Option<Outage>,
    /// How often a waiting stream gets a comment (not on Ollama, which has none).
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
}

impl Default for InstanceProfile {
    fn default() -> Self {
        Self {
            name: InstanceName::new("sim"),
            provider_type: ProviderType::OpenAi,
            port: 0,
            models: Vec::new(),
            key: None,
            first_token: Delay::exactly(Duration::ZERO),
            speed: Spread::exactly(100_000.0),
            slowdown: 0.0,
            length: None,
            reasoning: false,
            concurrency: None,
            when_full: WhenFull::RateLimited,
            requests_per_minute: None,
            tokens_per_minute: None,
            context: None,
            faults: Vec::new(),
            outage: None,
            keep_alive: Duration::from_secs(10),
        }
    }
}

impl InstanceProfile {
    /// Makes the default profile under a name and type.
    pub fn new(name: impl AsRef<str>, provider_type: ProviderType) -> Self {
        Self {
            name: InstanceName::new(name),
            provider_type,
            ..Self::default()
        }
    }

    /// Returns the models it offers, the default one first.
    pub fn models(&self) -> Vec<String> {
        if !self.models.is_empty() {
            return self.models.clone();
        }
        let usual = match self.provider_type {
            ProviderType::OpenAi => "sim-gpt",
            ProviderType::Ollama => "sim-llama:8b",
            ProviderType::ZhipuAi => "sim-glm",
        };
        vec![usual.to_owned()]
    }

    /// Returns the share of requests that meet a fault by chance.
    pub fn fault_share(&self) -> f64 {
        self.faults.iter().map(|fault| fault.share).sum()
    }

    /// Returns the speed of an answer that would have the speed `alone`, beside `others`.
    pub(super) fn speed_beside(&self, alone: f64, others: usize) -> f64 {
        let load = self
            .concurrency
            .map_or(0.0, |slots| others as f64 / slots.max(1) as f64);
        alone / (1.0 + self.slowdown * load)
    }

    fn validate(&self) -> Result<(), Error> {
        if self.name.as_str().is_empty() {
            return Err(self.wrong("name is empty"));
        }
        if !self.speed.is_sane() || self.speed.median <= 0.0 {
            return Err(self.wrong("speed needs a median above 0 and a sigma from 0 to 3"));
        }
        if self.length.is_some_and(|length| !length.is_sane()) {
            return Err(self.wrong("length needs a median of at least 0 and a sigma from 0 to 3"));
        }
        if !self.first_token.spread().is_sane() {
            return Err(self.wrong("first_token needs a sigma from 0 to 3"));
        }
        if !(0.0..=1000.0).contains(&self.slowdown) {
            return Err(self.wrong("slowdown is from 0 to 1000"));
        }
        if self.concurrency == Some(0) {
            return Err(self.wrong("concurrency is at least 1"));
        }
        if self.keep_alive.is_zero() {
            return Err(self.wrong("keep_alive is above 0"));
        }
        if self.requests_per_minute == Some(0) || self.tokens_per_minute == Some(0) {
            return Err(self.wrong("limits per minute are at least 1"));
        }
        let shares_are_sane = self
            .faults
            .iter()
            .all(|fault| (0.0..=1.0).contains(&fault.share));
        if !shares_are_sane || self.fault_share() > 1.0 {
            return Err(self.wrong("fault shares are from 0 to 1 and at most 1 together"));
        }
        if self.faults.iter().any(|fault| fault.fault == Fault::Refuse) {
            return Err(self.wrong("refuse concerns a port and not a request; use outage"));
        }
        match self.outage {
            Some(outage) if outage.lasting.is_zero() || outage.lasting >= outage.every => {
                Err(self.wrong("outage needs 0 < for < every"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn wrong(&self, rule: &str) -> Error {
        let name = &self.name;
        Error::new(
            ErrorKind::Config,
            format!("simulated instance '{name}': {rule}"),
        )
    }
}

/// A log-normal distribution, as latencies and lengths have it: half of the values are below the median.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The standard deviation of the logarithm; 0 is always the median.
    #[serde(default)]
    pub sigma: f64,
}

impl Spread {
    /// Makes one that always gives the same value.
    pub const fn exactly(value: f64) -> Self {
        Self {
            median: value,
            sigma: 0.0,
        }
    }

    /// Draws a value, at most 20 times the median.
    pub fn sample(&self, chance: &mut impl Rng) -> f64 {
        const FARTHEST: f64 = 20.0;
        let normal: f64 = chance.sample(StandardNormal);
        self.median * (self.sigma * normal).exp().min(FARTHEST)
    }

    fn is_sane(&self) -> bool {
        self.median.is_finite() && self.median >= 0.0 && (0.0..=3.0).contains(&self.sigma)
    }
}

/// A log-normal distribution of times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// The median.
    #[serde(with = "humantime_serde")]
    pub median: Duration,
    /// The standard deviation of the logarithm; 0 is always the median.
    #[serde(default)]
    pub sigma: f64,
}

impl Delay {
    /// Makes one that always gives the same time.
    pub const fn exactly(time: Duration) -> Self {
        Self {
            median: time,
            sigma: 0.0,
        }
    }

    /// Draws a time.
    pub fn sample(&self, chance: &mut impl Rng) -> Duration {
        Duration::try_from_secs_f64(self.spread().sample(chance)).unwrap_or(self.median)
    }

    fn spread(&self) -> Spread {
        Spread {
            median: self.median.as_secs_f64(),
            sigma: self.sigma,
        }
    }
}

/// What happens to a request beyond the concurrency limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// 429 with a short wait.
    RateLimited,
    /// 503.
    Busy,
    /// It waits in order; when as many as this wait already, 503.
    Queue(usize),
}

/// A fault and how often it comes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultShare {
    /// What goes wrong.
    pub fault: Fault,
    /// The share of requests, from 0 to 1.
    pub share: f64,
}

/// When an instance's port is closed: first after `from`, then again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// From the server's start to the first outage.
    #[serde(with = "humantime_serde")]
    pub from: Duration,
    /// How long each lasts.
    #[serde(rename = "for", with = "humantime_serde")]
    pub lasting: Duration,
    /// From the start of one to the start of the next.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
}

impl Outage {
    /// Tells, at a time since the server's start, whether it is on, and how long until that changes.
    pub fn at(&self, since_start: Duration) -> (bool, Duration) {
        let Some(running) = since_start.checked_sub(self.from) else {
            return (false, self.from.saturating_sub(since_start));
        };
        let period = self.every.as_nanos().max(1);
        let into = Duration::from_nanos((running.as_nanos() % period) as u64);
        if into < self.lasting {
            (true, self.lasting.saturating_sub(into))
        } else {
            (false, self.every.saturating_sub(into))
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn an_outage_comes_on_schedule() {
        let outage = Outage {
            from: Duration::from_secs(30),
            lasting: Duration::from_secs(10),
            every: Duration::from_secs(60),
        };
        let at = |seconds| {
            let (down, left) = outage.at(Duration::from_secs(seconds));
            (down, left.as_secs())
        };
        assert_eq!(at(0), (false, 30));
        assert_eq!(at(30), (true, 10));
        assert_eq!(at(39), (true, 1));
        assert_eq!(at(40), (false, 50));
        assert_eq!(at(90), (true, 10));
        assert_eq!(at(100), (false, 50));
    }

    #[test]
    fn half_of_a_spread_is_below_its_median() {
        let spread = Spread {
            median: 40.0,
            sigma: 0.5,
        };
        let mut chance = StdRng::seed_from_u64(1);
        let below = (0..10_000)
            .filter(|_| spread.sample(&mut chance) < 40.0)
            .count();
        assert!((4_800..5_200).contains(&below), "{below}");
        assert_eq!(Spread::exactly(7.0).sample(&mut chance), 7.0);
    }

    #[test]
    fn others_slow_an_answer_down_by_their_share_of_the_slots() {
        let profile = InstanceProfile {
            slowdown: 0.5,
            concurrency: Some(4),
            ..InstanceProfile::default()
        };
        assert_eq!(profile.speed_beside(90.0, 0), 90.0);
        assert_eq!(profile.speed_beside(90.0, 1), 80.0);
        assert_eq!(profile.speed_beside(90.0, 4), 60.0);
        assert_eq!(InstanceProfile::default().speed_beside(90.0, 99), 90.0);
    }

    #[test]
    fn settings_travel_through_text_and_unknown_keys_are_refused() {
        let text = r#"{"seed": 3, "instances": [{
            "name": "a", "type": "ollama",
            "first_token": {"median": "300ms", "sigma": 0.4}, "speed": {"median": 20.0},
            "when_full": {"queue": 8},
            "faults": [{"fault": "server_error", "share": 0.1}, {"fault": {"business": {"code": 1305}}, "share": 0.1}],
            "outage": {"from": "1m", "for": "10s", "every": "5m"}
        }]}"#;
        let settings: Settings = serde_json::from_str(text).unwrap();
        settings.validate().unwrap();
        assert_eq!(settings.instances[0].when_full, WhenFull::Queue(8));
        let again = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&again).unwrap(), settings);
        assert!(serde_json::from_str::<Settings>(r#"{"sed": 3}"#).is_err());
    }

    #[test]
    fn nonsense_is_refused_and_named() {
        let refused = |change: fn(&mut InstanceProfile)| {
            let mut profile = InstanceProfile::new("a", ProviderType::OpenAi);
            change(&mut profile);
            let settings = Settings {
                seed: 0,
                instances: vec![profile],
            };
            settings.validate().unwrap_err().message().to_owned()
        };
        assert!(refused(|p| p.concurrency = Some(0)).contains("'a': concurrency"));
        assert!(refused(|p| p.speed = Spread::exactly(0.0)).contains("speed"));
        assert!(refused(|p| p.speed = Spread::exactly(f64::NAN)).contains("speed"));
        assert!(refused(|p| p.first_token.sigma = -1.0).contains("first_token"));
        assert!(
            refused(|p| {
                p.faults = vec![
                    FaultShare {
                        fault: Fault::Close,
                        share: 0.6,
                    };
                    2
                ];
            })
            .contains("at most 1 together")
        );
        assert!(
            refused(|p| {
                p.faults = vec![FaultShare {
                    fault: Fault::Refuse,
                    share: 0.1,
                }];
            })
            .contains("outage")
        );
    }

    #[test]
    fn two_instances_of_one_name_are_refused() {
        let profile = InstanceProfile::new("a", ProviderType::OpenAi);
        let settings = Settings {
            seed: 0,
            instances: vec![profile.clone(), profile],
        };
        let error = settings.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains("used twice"));
    }
}
