//! What is asked, and when: an open loop, so that a slow fleet does not slow its callers down.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Exp1, StandardNormal};
use serde::Deserialize;

/// The lengths of prompts and answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Work {
    /// Tokens of an answer.
    pub output: Length,
    /// Tokens of a prompt.
    pub prompt: Length,
}

/// A log-normal length with an upper bound: most are short, a few are very long.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Length {
    /// Half are shorter.
    pub median: f64,
    /// The standard deviation of its logarithm.
    pub sigma: f64,
    /// None is longer.
    pub most: u32,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            output: Length {
                median: 180.0,
                sigma: 1.1,
                most: 4_096,
            },
            prompt: Length {
                median: 600.0,
                sigma: 1.2,
                most: 32_000,
            },
        }
    }
}

impl Work {
    pub(super) fn mistake(&self) -> Option<String> {
        [("output", self.output), ("prompt", self.prompt)]
            .into_iter()
            .find(|(_, length)| {
                let sigma = (0.0..=5.0).contains(&length.sigma);
                !(length.median >= 1.0 && sigma && (1..=10_000_000).contains(&length.most))
            })
            .map(|(name, length)| {
                format!(
                    "work.{name}: median and most are at least 1, sigma from 0 to 5, not {length:?}"
                )
            })
    }
}

impl Length {
    fn of(self, normal: f64) -> u32 {
        let length = self.median * (self.sigma * normal).exp();
        (length as u32).clamp(1, self.most)
    }

    /// Returns the mean, by summing over the normal distribution.
    pub(super) fn mean(self) -> f64 {
        const STEP: f64 = 0.001;
        let (mut sum, mut weights) = (0.0, 0.0);
        for step in -8_000..=8_000 {
            let normal = f64::from(step) * STEP;
            let weight = (-0.5 * normal * normal).exp();
            sum += weight * f64::from(self.of(normal));
            weights += weight;
        }
        sum / weights
    }
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    /// Seconds since the start.
    pub(super) at: f64,
    pub(super) prompt: u32,
    pub(super) output: u32,
}

/// All requests of a run, one after another.
pub(super) struct Arrivals {
    rng: SmallRng,
    work: Work,
    rate: f64,
    at: f64,
    end: f64,
}

impl Arrivals {
    /// Begins at 0; `rate` is requests a second, `end` the last second.
    pub(super) fn new(work: Work, rate: f64, end: f64, seed: u64) -> Self {
        Self {
            rng: SmallRng::seed_from_u64(seed),
            work,
            rate,
            at: 0.0,
            end,
        }
    }
}

impl Iterator for Arrivals {
    type Item = Ask;

    fn next(&mut self) -> Option<Ask> {
        let gap: f64 = Exp1.sample(&mut self.rng);
        self.at += gap / self.rate;
        let mut length = |length: Length| length.of(StandardNormal.sample(&mut self.rng));
        let (prompt, output) = (length(self.work.prompt), length(self.work.output));
        (self.at <= self.end).then_some(Ask {
            at: self.at,
            prompt,
            output,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_what_is_drawn() {
        let work = Work::default();
        let many: Vec<Ask> = Arrivals::new(work.clone(), 100.0, 1_000.0, 3).collect();
        let count = many.len() as f64;
        assert!((count / 100_000.0 - 1.0).abs() < 0.02, "{count}");
        let output = many.iter().map(|ask| f64::from(ask.output)).sum::<f64>() / count;
        assert!(
            (output / work.output.mean() - 1.0).abs() < 0.03,
            "{output} {}",
            work.output.mean()
        );
        assert!(many.iter().all(|ask| (1..=4_096).contains(&ask.output)));
    }
}
