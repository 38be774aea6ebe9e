//! The rules, and what all of them share.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When somebody is told, and how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Time between two looks at the rules.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// How long a condition must be away before its alert is over.
    #[serde(with = "humantime_serde")]
    pub clear_after: Duration,
    /// The part of its threshold at which a firing alert's condition is away, from 0 to 1.
    pub clear_at: f64,
    /// Least time between two notices of the same alert.
    #[serde(with = "humantime_serde")]
    pub notify_again_after: Duration,
    /// How long an alert that is over stays in the list.
    #[serde(with = "humantime_serde")]
    pub show_resolved_for: Duration,
    /// Which answers count as slow.
    pub slow: Slow,
    /// The rules.
    pub rules: Vec<Rule>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(10),
            clear_after: Duration::from_secs(60),
            clear_at: 0.5,
            notify_again_after: Duration::from_secs(15 * 60),
            show_resolved_for: Duration::from_secs(15 * 60),
            slow: Slow::default(),
            rules: Rule::defaults(),
        }
    }
}

/// Which answers count as slow: those whose first token, or whose tokens on average, took longer than this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Slow {
    /// Longest time to the first token of an empty prompt.
    #[serde(with = "humantime_serde")]
    pub first_token: Duration,
    /// Prompt tokens that may each second be read before the first token.
    pub prompt_tokens_per_second: f64,
    /// Longest mean time between tokens.
    #[serde(with = "humantime_serde")]
    pub between_tokens: Duration,
}

impl Default for Slow {
    fn default() -> Self {
        Self {
            first_token: Duration::from_secs(2),
            prompt_tokens_per_second: 4000.0,
            between_tokens: Duration::from_millis(60),
        }
    }
}

impl Slow {
    /// Returns the longest time to the first token of a prompt of so many tokens that is not slow.
    pub fn longest_first_token(&self, prompt_tokens: Option<u64>) -> Duration {
        let reading = prompt_tokens.unwrap_or(0) as f64 / self.prompt_tokens_per_second;
        let reading = Duration::try_from_secs_f64(reading).unwrap_or_default();
        self.first_token.saturating_add(reading)
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, unique among the rules.
    pub name: String,
    /// Whose figures it looks at.
    #[serde(default)]
    pub over: Over,
    /// How long its condition must hold before it fires.
    #[serde(default, rename = "for", with = "humantime_serde")]
    pub hold: Duration,
    /// Its condition.
    pub when: Condition,
}

impl Rule {
    /// Makes a rule over all requests that fires at once.
    pub fn new(name: impl Into<String>, when: Condition) -> Self {
        Self {
            name: name.into(),
            over: Over::All,
            hold: Duration::ZERO,
            when,
        }
    }

    fn defaults() -> Vec<Self> {
        vec![
            Self::new("success", Condition::SuccessRate(Objective::new(0.99))),
            Self::new(
                "failing",
                Condition::FailuresInRow(FailuresInRow::default()),
            ),
            Self::new("slow", Condition::SlowAnswers(Objective::new(0.95))),
            Self {
                hold: Duration::from_secs(60),
                ..Self::new(
                    "queue",
                    Condition::QueueWait(Limit {
                        percentile: Percentile::P95,
                        above: Duration::from_secs(2),
                        window: Duration::from_secs(60),
                    }),
                )
            },
            Self::new("capacity", Condition::Capacity(Capacity { below: 0.5 })),
            Self::new("held", Condition::InstanceHeld(InstanceHeld {})),
            Self::new(
                "instance_out",
                Condition::InstanceOut(InstanceOut {
                    longer_than: Duration::from_secs(15 * 60),
                }),
            ),
        ]
    }
}

/// Whose figures a rule looks at; each has an alert of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// All requests together.
    #[default]
    All,
    /// Every provider type by itself.
    EachType,
    /// Every route by itself.
    EachRoute,
    /// Every instance by itself.
    EachInstance,
}

/// What a rule looks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// More requests fail than the objective allows: many more than before, or fast enough to use up what is
    /// allowed. Cancelled requests and those that were the caller's own fault count as neither good nor bad.
    SuccessRate(Objective),
    /// The same for answers that are [`Slow`].
    SlowAnswers(Objective),
    /// So many failures one after another, while there are too few requests for a rate to say anything.
    FailuresInRow(FailuresInRow),
    /// A percentile of the response time is above a limit.
    ResponseTime(Limit),
    /// A percentile of the time to the first token is above a limit.
    FirstToken(Limit),
    /// A percentile of the time in the queue is above a limit.
    QueueWait(Limit),
    /// Input and output tokens of the last hour.
    TokensPerHour(Amount),
    /// Cost of the last hour, in the currency of the price list.
    CostPerHour(Amount),
    /// An instance that is switched on has been unable to serve for too long. Looks at every instance.
    InstanceOut(InstanceOut),
    /// An instance was taken out for what only a person mends: a wrong key, or no money. Looks at every instance, and at
    /// once.
    InstanceHeld(InstanceHeld),
    /// Too small a part of the instances that are switched on can serve. Looks at all of them.
    Capacity(Capacity),
}

/// How many of all must be good.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// The part that must be good, from 0 to 1.
    pub objective: f64,
    /// Fewest bad ones on which it fires.
    #[serde(default = "Objective::fewest")]
    pub at_least: u64,
}

impl Objective {
    /// Makes an objective that fires on five or more.
    pub const fn new(objective: f64) -> Self {
        Self {
            objective,
            at_least: Self::fewest(),
        }
    }

    const fn fewest() -> u64 {
        5
    }
}

/// How many failures one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FailuresInRow {
    /// So many.
    pub count: u64,
    /// Only while fewer requests than this ended in the last five minutes.
    pub below: u64,
}

impl Default for FailuresInRow {
    fn default() -> Self {
        Self {
            count: 5,
            below: 20,
        }
    }
}

/// A percentile of a duration and its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Which one.
    pub percentile: Percentile,
    /// Its limit.
    #[serde(with = "humantime_serde")]
    pub above: Duration,
    /// The window it is taken over; it needs twenty values to count.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
}

/// A percentile that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Percentile {
    /// Half are at or below.
    P50,
    /// 90 % are at or below.
    P90,
    /// 95 % are at or below.
    P95,
    /// 99 % are at or below.
    P99,
}

/// An amount and its limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// The limit.
    pub above: f64,
}

/// How long an instance may be out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceOut {
    /// So long.
    #[serde(with = "humantime_serde")]
    pub longer_than: Duration,
}

/// Nothing is to be set for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceHeld {}

/// How many instances must be able to serve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// The part of those switched on, from 0 to 1.
    pub below: f64,
}
