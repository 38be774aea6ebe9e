//! Figures since the start in the form that exporters want: counts that only rise, by a bounded set of labels, and
//! distributions that are exact at the bounds they are told at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{InstanceName, Outcome, ProviderType, RouteName};

/// What takes the place of a model's name when there are too many of them, or when no provider knew it.
pub const OTHER_MODEL: &str = "_other";

/// Everything since the start. Each request stands in exactly one of `requests`, each attempt in exactly one of
/// `attempts`, so sums over any of the labels are right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Requests that ended.
    pub requests: Vec<RequestFigures>,
    /// Attempts that ended.
    pub attempts: Vec<AttemptFigures>,
    /// How many requests and attempts were counted under [`OTHER_MODEL`] because there were too many sets of labels.
    pub merged: u64,
}

/// Requests that are alike in all labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestFigures {
    /// The instance that answered, or was asked last; `None` when none was.
    pub instance: Option<InstanceName>,
    /// Its provider type.
    pub provider_type: Option<ProviderType>,
    /// The route they were for.
    pub route: Option<RouteName>,
    /// The model that was asked; `None` when none was.
    pub model: Option<String>,
    /// How they ended.
    pub outcome: Outcome,
    /// How many there were.
    pub count: u64,
    /// Attempts after the first, at the same instance.
    pub retries: u64,
    /// Attempts after the first, at another instance.
    pub failovers: u64,
    /// Attempts made beside a slow one.
    pub hedges: u64,
    /// Input tokens from the providers' caches.
    pub cached_tokens: u64,
    /// Output tokens spent on reasoning.
    pub reasoning_tokens: u64,
    /// What those with a known price cost, in the currency of the price list.
    pub cost: f64,
    /// Answers whose price is not known.
    pub unpriced: u64,
    /// Their distributions.
    pub distributions: BTreeMap<Measure, Distribution>,
}

/// Attempts that are alike in all labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptFigures {
    /// The instance that was asked.
    pub instance: InstanceName,
    /// Its provider type.
    pub provider_type: ProviderType,
    /// The model it was asked for.
    pub model: String,
    /// How they ended.
    pub outcome: Outcome,
    /// How many there were.
    pub count: u64,
    /// Their distributions.
    pub distributions: BTreeMap<Measure, Distribution>,
}

/// Something of which the distribution is kept: a time in microseconds or a number of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// From call (of an attempt: from its start) to end, however it ended.
    Duration,
    /// From call (of an attempt: from its start) to first token.
    FirstToken,
    /// Mean time between the tokens of one answer.
    BetweenTokens,
    /// Wait for a permit.
    Queued,
    /// From an attempt's start to its response headers.
    Headers,
    /// Input tokens of one request.
    InputTokens,
    /// Output tokens of one request.
    OutputTokens,
}

impl Measure {
    /// How many there are.
    pub const COUNT: usize = 7;

    /// Every one, in the order of their discriminants.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Duration,
        Self::FirstToken,
        Self::BetweenTokens,
        Self::Queued,
        Self::Headers,
        Self::InputTokens,
        Self::OutputTokens,
    ];

    /// Returns the bounds at which the distribution is exact, rising, in microseconds or tokens. They are those that
    /// the GenAI conventions advise, with more at the ends: answers of reasoning models take minutes.
    pub const fn bounds(self) -> &'static [u64] {
        match self {
            Self::Duration => &[
                10_000,
                20_000,
                40_000,
                80_000,
                160_000,
                320_000,
                640_000,
                1_280_000,
                2_560_000,
                5_120_000,
                10_240_000,
                20_480_000,
                40_960_000,
                81_920_000,
                163_840_000,
                327_680_000,
            ],
            Self::FirstToken | Self::Headers => &[
                1_000, 5_000, 10_000, 20_000, 40_000, 60_000, 80_000, 100_000, 250_000, 500_000,
                750_000, 1_000_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000, 30_000_000,
                60_000_000,
            ],
            Self::BetweenTokens => &[
                1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 150_000, 200_000,
                300_000, 400_000, 500_000, 750_000, 1_000_000, 2_500_000,
            ],
            Self::Queued => &[
                1_000,
                5_000,
                10_000,
                50_000,
                100_000,
                250_000,
                500_000,
                1_000_000,
                2_500_000,
                5_000_000,
                10_000_000,
                30_000_000,
                60_000_000,
                120_000_000,
            ],
            Self::InputTokens | Self::OutputTokens => &[
                1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304,
                16_777_216, 67_108_864,
            ],
        }
    }

    /// Returns how many of its units make one of the exported unit: seconds, or tokens.
    pub const fn scale(self) -> f64 {
        match self {
            Self::Duration
            | Self::FirstToken
            | Self::BetweenTokens
            | Self::Queued
            | Self::Headers => 1e6,
            Self::InputTokens | Self::OutputTokens => 1.0,
        }
    }
}

/// How many values fell between two bounds of a [`Measure`], and their sum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// For each bound, the values above the bound before it and at or below it; at the end those above all bounds.
    pub counts: Vec<u64>,
    /// The sum of all values, in microseconds or tokens.
    pub sum: u64,
}

impl Distribution {
    /// Makes an empty one.
    pub fn new(measure: Measure) -> Self {
        Self {
            counts: vec![0; measure.bounds().len() + 1],
            sum: 0,
        }
    }

    /// Counts a value of this measure.
    pub fn record(&mut self, measure: Measure, value: u64) {
        let at = measure.bounds().partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
            self.sum = self.sum.saturating_add(value);
        }
    }

    /// Returns how many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns, for each bound, how many values are at or below it.
    pub fn cumulative(&self) -> impl Iterator<Item = u64> + '_ {
        let within = self.counts.len().saturating_sub(1);
        self.counts.iter().take(within).scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_at_a_bound_is_within_it_and_one_above_is_not() {
        for measure in Measure::ALL {
            assert!(measure.bounds().is_sorted(), "{measure:?}");
            for (at, bound) in measure.bounds().iter().enumerate() {
                let mut distribution = Distribution::new(measure);
                distribution.record(measure, *bound);
                distribution.record(measure, bound + 1);
                assert_eq!(distribution.cumulative().nth(at), Some(1));
                assert_eq!(distribution.counts[at], 1);
                assert_eq!(distribution.count(), 2);
                assert_eq!(distribution.sum, 2 * bound + 1);
            }
        }
    }

    #[test]
    fn measures_stand_at_their_discriminants() {
        for (at, measure) in Measure::ALL.into_iter().enumerate() {
            assert_eq!(measure as usize, at);
        }
    }
}
