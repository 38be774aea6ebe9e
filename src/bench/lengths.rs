//! How long prompts and answers are: one length, a range, or a spread with a long tail.

use std::fmt;
use std::str::FromStr;

use rand::Rng;
use rand_distr::StandardNormal;

/// A distribution of lengths in tokens, written `200`, `100..400` or `lognormal:200:0.5` (median and sigma).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lengths {
    /// Always this.
    Exactly(u64),
    /// Evenly from the first to the second, both included.
    Between(u64, u64),
    /// Half of them below the median, a few far above it.
    LogNormal {
        /// The median.
        median: u64,
        /// The standard deviation of the logarithm.
        sigma: f64,
    },
}

impl Lengths {
    /// The longest that is drawn or accepted.
    const LONGEST: u64 = 1_000_000;

    /// Draws one, at least 1; a spread's tail ends at 20 times its median.
    pub fn draw(self, chance: &mut impl Rng) -> u64 {
        const FARTHEST: f64 = 20.0;
        match self {
            Self::Exactly(length) => length,
            Self::Between(least, most) => chance.random_range(least..=most),
            Self::LogNormal { median, sigma } => {
                let normal: f64 = chance.sample(StandardNormal);
                let drawn = median as f64 * (sigma * normal).exp().min(FARTHEST);
                (drawn.round() as u64).clamp(1, Self::LONGEST)
            }
        }
    }

    /// Returns the mean, for estimates of what a run will cost.
    pub fn mean(self) -> f64 {
        match self {
            Self::Exactly(length) => length as f64,
            Self::Between(least, most) => least.midpoint(most) as f64,
            Self::LogNormal { median, sigma } => median as f64 * (sigma * sigma / 2.0).exp(),
        }
    }
}

impl FromStr for Lengths {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "a length from 1 to {}, such as 200, 100..400 or lognormal:200:0.5, is wanted",
                Self::LONGEST
            )
        };
        let whole = |text: &str| {
            let length = text.parse().ok();
            length.filter(|length| (1..=Self::LONGEST).contains(length))
        };
        if let Some(spread) = text.strip_prefix("lognormal:") {
            let (median, sigma) = spread.split_once(':').ok_or_else(wrong)?;
            let sigma = sigma.parse().ok();
            let sigma = sigma.filter(|sigma| (0.0..=3.0).contains(sigma));
            return Ok(Self::LogNormal {
                median: whole(median).ok_or_else(wrong)?,
                sigma: sigma.ok_or_else(|| "sigma is from 0 to 3".to_owned())?,
            });
        }
        if let Some((least, most)) = text.split_once("..") {
            let least = whole(least).ok_or_else(wrong)?;
            let most = whole(most.trim_start_matches('=')).ok_or_else(wrong)?;
            if least > most {
                return Err(format!("{least} is above {most}"));
            }
            return Ok(Self::Between(least, most));
        }
        whole(text).map(Self::Exactly).ok_or_else(wrong)
    }
}

impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(length) => write!(f, "{length}"),
            Self::Between(least, most) => write!(f, "{least}..{most}"),
            Self::LogNormal { median, sigma } => write!(f, "lognormal:{median}:{sigma}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["200", "100..400", "lognormal:200:0.5"] {
            assert_eq!(text.parse::<Lengths>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "0",
            "-1",
            "400..100",
            "0..5",
            "lognormal:200",
            "lognormal:200:9",
            "2e9",
        ] {
            assert!(text.parse::<Lengths>().is_err(), "{text}");
        }
    }

    #[test]
    fn draws_lie_where_they_should() {
        let mut chance = StdRng::seed_from_u64(1);
        let range = Lengths::Between(100, 400);
        assert!((0..1_000).all(|_| (100..=400).contains(&range.draw(&mut chance))));
        let spread = Lengths::LogNormal {
            median: 200,
            sigma: 0.5,
        };
        let draws: Vec<u64> = (0..20_000).map(|_| spread.draw(&mut chance)).collect();
        let below = draws.iter().filter(|length| **length < 200).count();
        assert!((9_600..10_400).contains(&below), "{below}");
        let mean = draws.iter().sum::<u64>() as f64 / draws.len() as f64;
        assert!((mean / spread.mean() - 1.0).abs() < 0.02, "{mean}");
    }
}
