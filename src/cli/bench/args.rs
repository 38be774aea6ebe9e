//! What can be typed after `llmdeck bench`.

use std::time::Duration;

use clap::Args;

use crate::base::ProviderType;
use crate::bench::{Lengths, Load};

/// What to load, and how.
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// An instance's name, a route's name, or a base URL of any compatible server
    #[arg(value_name = "INSTANCE|ROUTE|URL")]
    pub target: String,

    /// Closed loop: keep so many requests open, one step each
    #[arg(long, value_name = "COUNT", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub concurrency: Vec<u16>,

    /// Open loop: send so many requests a second, answered or not, one step each
    #[arg(long, value_name = "PER_SECOND", value_delimiter = ',', value_parser = rate)]
    pub rate: Vec<f64>,

    /// Find the steps: double the closed loop until it does not pay, look closer there, then send at rates around it
    #[arg(long, conflicts_with_all = ["concurrency", "rate"])]
    pub sweep: bool,

    /// Measure each step for so long [default: 10s, or until --requests have ended]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub duration: Option<Duration>,

    /// Measure each step until so many requests have ended
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: Option<u64>,

    /// Load for so long before each step is measured
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = warm_up)]
    pub warm_up: Duration,

    /// Tokens of a prompt, about: 200, 100..400 or lognormal:200:0.5 (median and sigma)
    #[arg(long, value_name = "LENGTHS", default_value = "200")]
    pub prompt_tokens: Lengths,

    /// Most tokens of an answer, in the same words
    #[arg(long, value_name = "LENGTHS", default_value = "100")]
    pub output_tokens: Lengths,

    /// Ask servers that know it (vLLM, SGLang, llama.cpp) not to end an answer before its length is reached
    #[arg(long)]
    pub ignore_eos: bool,

    /// Make prompts, lengths and arrivals repeatable
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub seed: u64,

    /// Ask for this model [default: the instance's first]
    #[arg(long, short, value_name = "NAME")]
    pub model: Option<String>,

    /// The protocol of a URL: openai, ollama, zhipuai
    #[arg(long = "type", value_name = "TYPE", default_value = "openai", value_parser = provider_type)]
    pub provider_type: ProviderType,

    /// The environment variable that holds the key of a URL
    #[arg(long, value_name = "NAME")]
    pub key_env: Option<String>,

    /// Load it although it is somebody else's computer and may cost money
    #[arg(long)]
    pub yes: bool,

    /// Print JSON
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,

    /// Print a line of comma separated values for each step
    #[arg(long)]
    pub csv: bool,
}

impl BenchArgs {
    /// Returns the steps that were asked for: 1, 2, 4 and 8 at once when none were.
    pub(super) fn steps(&self) -> Vec<Load> {
        if self.sweep {
            return Vec::new();
        }
        if self.concurrency.is_empty() && self.rate.is_empty() {
            return [1, 2, 4, 8].map(Load::Closed).into();
        }
        let closed = self
            .concurrency
            .iter()
            .map(|count| Load::Closed(usize::from(*count)));
        let open = self.rate.iter().map(|rate| Load::Open(*rate));
        closed.chain(open).collect()
    }

    /// Returns how long a step is measured.
    pub(super) fn duration(&self) -> Option<Duration> {
        const USUAL: Duration = Duration::from_secs(10);
        match (self.duration, self.requests) {
            (None, None) => Some(USUAL),
            (duration, _) => duration,
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse().ok();
    number
        .filter(|rate| (0.001..=10_000.0).contains(rate))
        .ok_or_else(|| "a number from 0.001 to 10000 is wanted".to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    let time = warm_up(text)?;
    if time.is_zero() {
        Err("a time above 0 is wanted".to_owned())
    } else {
        Ok(time)
    }
}

fn warm_up(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(24 * 3600);
    let time = humantime::parse_duration(text).ok();
    time.filter(|time| *time <= LONGEST)
        .ok_or_else(|| "a time such as 500ms, 20s or 2m is wanted".to_owned())
}

fn provider_type(text: &str) -> Result<ProviderType, String> {
    text.parse()
        .map_err(|error: crate::base::Error| error.message().to_owned())
}
