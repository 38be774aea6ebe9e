//! A pool in which a choice can be timed: what one acquire and one release cost, and nothing else.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::{Error, Priority, ProviderType, Target};
use crate::limit::{self, Cost};
use crate::pool::core::{Admission, Core, End, Want};
use crate::pool::{InstanceSettings, Settings, StrategyKind};

/// An idle pool, asked again and again.
pub struct Choices {
    core: Core,
    now: Instant,
}

impl Choices {
    /// Makes a pool of so many instances, half of whose permits are in use.
    ///
    /// # Errors
    /// When the pool cannot be made.
    pub fn new(strategy: StrategyKind, instances: usize) -> Result<Self, Error> {
        const PERMITS: usize = 8;
        let settings = Settings {
            strategy: strategy.as_str().to_owned(),
            ..Settings::default()
        };
        let fleet = (0..instances)
            .map(|number| InstanceSettings {
                models: vec!["m".to_owned()],
                limits: limit::Settings {
                    permits: PERMITS,
                    ..limit::Settings::default()
                },
                ..InstanceSettings::new(format!("i{number}"), ProviderType::OpenAi)
            })
            .collect();
        let now = Instant::now();
        let core = Core::new(settings, Vec::new(), fleet, 1, now)?;
        let mut choices = Self { core, now };
        for _ in 0..instances * PERMITS / 2 {
            choices.acquire();
        }
        Ok(choices)
    }

    /// Takes a permit, streams a first token, and gives it back; a millisecond passes. Tells whether there was one.
    pub fn once(&mut self) -> bool {
        self.now += Duration::from_millis(1);
        let Some(lease) = self.acquire() else {
            return false;
        };
        self.core.first_token(lease, self.now);
        let end = End::Success {
            tokens: Some(100),
            output: Some(50),
            spend: None,
        };
        self.core.release(lease, end, self.now);
        true
    }

    fn acquire(&mut self) -> Option<u64> {
        let want = Want {
            target: Target::Any,
            model: None,
            cost: Cost {
                tokens: 100,
                ..Cost::default()
            },
            priority: Priority::Interactive,
            caller: None,
            conversation: None,
            deadline: self.now + Duration::from_secs(60),
            tried: Vec::new(),
            tag: None,
            types: 0,
            request: 0,
        };
        match self.core.acquire(want, self.now) {
            Admission::Granted(grant) => Some(grant.lease),
            Admission::Waiting(_) | Admission::Refused(_) => None,
        }
    }
}
