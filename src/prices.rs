//! What answers cost: a list of public prices, overridable, and the arithmetic.
//!
//! The list (`prices/prices.json`) is third-party and unofficial; its head says where it comes from and of when it is.
//! A model that is not in it costs "unknown", which is not zero.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::base::{ProviderType, Usage};

/// A price of one's own for a model, in US dollars for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceSettings {
    /// Input tokens.
    pub input: f64,
    /// Output tokens, reasoning included.
    pub output: f64,
    /// Input tokens from the provider's cache; the input price when it is not set.
    #[serde(default)]
    pub cached: Option<f64>,
}

/// The price of one model, in US dollars for a token.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Price {
    #[serde(flatten)]
    base: Rates,
    /// Rates that replace the base for the whole request beyond a prompt length.
    #[serde(default)]
    above: Vec<Above>,
    /// Rates by prompt length, for models without a base.
    #[serde(default)]
    tiers: Vec<Tier>,
    #[serde(default)]
    off_peak: Option<OffPeak>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
struct Rates {
    input: Option<f64>,
    output: Option<f64>,
    cache_read: Option<f64>,
    cache_write: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Above {
    prompt_tokens_over: u64,
    #[serde(flatten)]
    rates: Rates,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Tier {
    to: u64,
    #[serde(flatten)]
    rates: Rates,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct OffPeak {
    #[serde(flatten)]
    rates: Rates,
    windows_utc: Vec<Window>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Window {
    iso_weekdays: Vec<i8>,
    ranges: Vec<String>,
}

#[derive(Deserialize)]
struct List {
    models: BTreeMap<String, Price>,
}

static LIST: LazyLock<BTreeMap<String, Price>> = LazyLock::new(|| {
    // A test reads the list too, so a broken one does not leave this house.
    serde_json::from_str::<List>(include_str!("prices/prices.json"))
        .map(|list| list.models)
        .unwrap_or_default()
});

/// Parts of a base URL's host, and the vendor under which the list has its models.
const VENDORS: [(&str, &str); 10] = [
    ("deepseek.com", "deepseek"),
    ("api.z.ai", "zai"),
    ("bigmodel.cn", "bigmodel"),
    ("generativelanguage.googleapis.com", "gemini"),
    ("dashscope", "dashscope"),
    ("mistral.ai", "mistral"),
    ("x.ai", "xai"),
    ("moonshot", "moonshot"),
    ("minimax", "minimax"),
    ("groq.com", "groq"),
];

/// Finds the price of a model at an instance: one's own first, then the list's, under the vendor that the base URL
/// names. A date at the end of the name (`-2025-08-07`) is left off when the full name is not listed.
pub fn find(
    own: &BTreeMap<String, PriceSettings>,
    provider_type: ProviderType,
    base_url: &str,
    model: &str,
) -> Option<Price> {
    if let Some(price) = own.get(model) {
        return Some(Price::from(*price));
    }
    let vendor = VENDORS
        .iter()
        .find(|(host, _)| base_url.contains(host))
        .map(|(_, vendor)| *vendor);
    let listed = |model: &str| match (vendor, provider_type) {
        (Some("bigmodel"), _) => ["bigmodel", "zai"]
            .iter()
            .find_map(|vendor| LIST.get(&format!("{vendor}/{model}"))),
        (Some(vendor), _) => LIST.get(&format!("{vendor}/{model}")),
        (None, ProviderType::OpenAi)
            if base_url.contains("api.openai.com") || base_url.contains(".azure.com") =>
        {
            LIST.get(model)
        }
        // Some other server that speaks a protocol: what it charges is not known.
        (None, ProviderType::OpenAi | ProviderType::Ollama | ProviderType::ZhipuAi) => None,
    };
    listed(model)
        .or_else(|| listed(without_date(model)?))
        .cloned()
}

fn without_date(model: &str) -> Option<&str> {
    const DATE: usize = "-2025-08-07".len();
    let cut = model.len().checked_sub(DATE)?;
    let date = model.get(cut..)?;
    let is_date = date.bytes().enumerate().all(|(at, byte)| match at {
        0 | 5 | 8 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    is_date.then(|| model.get(..cut))?
}

impl From<PriceSettings> for Price {
    fn from(own: PriceSettings) -> Self {
        const MILLION: f64 = 1e6;
        Self {
            base: Rates {
                input: Some(own.input / MILLION),
                output: Some(own.output / MILLION),
                cache_read: own.cached.map(|cached| cached / MILLION),
                cache_write: None,
            },
            ..Self::default()
        }
    }
}

impl Price {
    /// Returns the base price of a million output tokens in US dollars.
    pub fn output_per_million(&self) -> Option<f64> {
        let rates = self.tiers.first().map_or(self.base, |tier| tier.rates);
        rates.output.map(|output| output * 1e6)
    }

    /// Returns the price of one input and of one output token in US dollars, at the rates of the longest prompts, which
    /// are the dearest: for reserving, not for telling what something cost.
    pub fn per_token(&self) -> Option<(f64, f64)> {
        let rates = self.tiers.last().map_or(self.base, |tier| tier.rates);
        let dearest = self
            .above
            .last()
            .map_or(rates, |above| above.rates.or(rates));
        Some((dearest.input?, dearest.output?))
    }

    /// Returns what an answer cost in US dollars; `None` without token counts or without a rate.
    ///
    /// `(prompt - cached - written)·input + cached·cache_read + written·cache_write + completion·output`, all at the
    /// rates of the prompt's length and of the time of day; reasoning is inside completion.
    pub fn cost(&self, usage: &Usage, at: Timestamp) -> Option<f64> {
        let prompt = usage.prompt_tokens?;
        let completion = usage.completion_tokens?;
        let rates = self.rates(prompt, at);
        let input = rates.input?;
        let cached = usage.cached_tokens.unwrap_or(0).min(prompt);
        let written = usage.cache_write_tokens.unwrap_or(0).min(prompt - cached);
        Some(
            (prompt - cached - written) as f64 * input
                + cached as f64 * rates.cache_read.unwrap_or(input)
                + written as f64 * rates.cache_write.unwrap_or(input)
                + completion as f64 * rates.output?,
        )
    }

    fn rates(&self, prompt: u64, at: Timestamp) -> Rates {
        let mut rates = self.base;
        if let Some(off_peak) = &self.off_peak
            && off_peak.windows_utc.iter().any(|window| window.holds(at))
        {
            rates = off_peak.rates.or(rates);
        }
        let longest = self
            .above
            .iter()
            .filter(|above| prompt > above.prompt_tokens_over)
            .max_by_key(|above| above.prompt_tokens_over);
        if let Some(above) = longest {
            rates = above.rates.or(rates);
        }
        let tier = self
            .tiers
            .iter()
            .find(|tier| prompt <= tier.to)
            .or(self.tiers.last());
        tier.map_or(rates, |tier| tier.rates.or(rates))
    }
}

impl Rates {
    fn or(self, other: Self) -> Self {
        Self {
            input: self.input.or(other.input),
            output: self.output.or(other.output),
            cache_read: self.cache_read.or(other.cache_read),
            cache_write: self.cache_write.or(other.cache_write),
        }
    }
}

impl Window {
    fn holds(&self, at: Timestamp) -> bool {
        let at = at.to_zoned(TimeZone::UTC);
        let weekday = match at.weekday() {
            Weekday::Monday => 1,
            Weekday::Tuesday => 2,
            Weekday::Wednesday => 3,
            Weekday::Thursday => 4,
            Weekday::Friday => 5,
            Weekday::Saturday => 6,
            Weekday::Sunday => 7,
        };
        let minute = i32::from(at.hour()) * 60 + i32::from(at.minute());
        self.iso_weekdays.contains(&weekday)
            && self.ranges.iter().any(|range| {
                let Some((from, to)) = range.split_once('-') else {
                    return false;
                };
                match (minutes(from), minutes(to)) {
                    // 00:00 at the end is midnight, and 00:00-00:00 the whole day.
                    (Some(from), Some(to)) => minute >= from && (to == 0 || minute < to),
                    _ => false,
                }
            })
    }
}

fn minutes(clock: &str) -> Option<i32> {
    let (hours, minutes) = clock.split_once(':')?;
    Some(hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENAI: &str = "https://api.openai.com/v1";

    fn usage(prompt: u64, completion: u64, cached: u64) -> Usage {
        Usage {
            prompt_tokens: Some(prompt),
            completion_tokens: Some(completion),
            cached_tokens: Some(cached),
            ..Usage::default()
        }
    }

    fn listed(provider_type: ProviderType, base_url: &str, model: &str) -> Option<Price> {
        find(&BTreeMap::new(), provider_type, base_url, model)
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn close(got: Option<f64>, want: f64) {
        let got = got.unwrap();
        assert!((got - want).abs() < 1e-12, "{got} is not {want}");
    }

    #[test]
    fn the_list_is_read_whole() {
        assert_eq!(LIST.len(), 67);
    }

    #[test]
    fn cached_input_is_cheaper_and_reasoning_is_inside_completion() {
        let price = listed(ProviderType::OpenAi, OPENAI, "gpt-4.1-mini").unwrap();
        let noon = at("2026-11-23T12:00:00Z");
        close(
            price.cost(&usage(1_000, 100, 0), noon),
            1_000.0 * 4e-7 + 100.0 * 1.6e-6,
        );
        assert!(
            price.cost(&usage(1_000, 100, 900), noon) < price.cost(&usage(1_000, 100, 0), noon)
        );
        assert_eq!(price.cost(&Usage::default(), noon), None);
    }

    #[test]
    fn a_long_prompt_is_billed_whole_at_the_higher_rate() {
        let price = listed(ProviderType::OpenAi, OPENAI, "gpt-5.4").unwrap();
        let noon = at("2026-11-23T12:00:00Z");
        close(price.cost(&usage(272_000, 0, 0), noon), 272_000.0 * 2.5e-6);
        close(price.cost(&usage(272_001, 0, 0), noon), 272_001.0 * 5e-6);
    }

    #[test]
    fn tiers_and_hours_are_minded() {
        let tiered = listed(
            ProviderType::OpenAi,
            "https://dashscope.aliyuncs.com/v1",
            "qwen3-max",
        )
        .unwrap();
        let noon = at("2026-11-23T12:00:00Z");
        close(tiered.cost(&usage(32_000, 0, 0), noon), 32_000.0 * 1.2e-6);
        close(tiered.cost(&usage(32_001, 0, 0), noon), 32_001.0 * 2.4e-6);
        close(tiered.cost(&usage(900_000, 0, 0), noon), 900_000.0 * 3e-6);
        let night = listed(
            ProviderType::OpenAi,
            "https://api.deepseek.com",
            "deepseek-flash",
        )
        .unwrap();
        // Monday 12:00 is off-peak in the list, Monday 02:00 is not, Sunday is all day.
        close(night.cost(&usage(1_000, 0, 0), noon), 1_000.0 * 1.5e-7);
        close(
            night.cost(&usage(1_000, 0, 0), at("2026-11-23T02:00:00Z")),
            1_000.0 * 3e-7,
        );
        close(
            night.cost(&usage(1_000, 0, 0), at("2026-11-22T02:00:00Z")),
            1_000.0 * 1.5e-7,
        );
    }

    #[test]
    fn an_unknown_model_or_server_costs_unknown_and_never_zero() {
        assert_eq!(listed(ProviderType::OpenAi, OPENAI, "no-such"), None);
        assert_eq!(
            listed(ProviderType::OpenAi, "http://localhost:8000/v1", "gpt-4o"),
            None
        );
        assert_eq!(
            listed(ProviderType::Ollama, "http://127.0.0.1:11434", "gpt-4o"),
            None
        );
    }

    #[test]
    fn dates_are_left_off_and_ones_own_price_comes_first() {
        let dated = listed(ProviderType::OpenAi, OPENAI, "gpt-5-mini-2025-08-07");
        assert_eq!(dated, listed(ProviderType::OpenAi, OPENAI, "gpt-5-mini"));
        assert!(dated.is_some());
        let own = BTreeMap::from([(
            "qwen3:8b".to_owned(),
            PriceSettings {
                input: 1.0,
                output: 2.0,
                cached: None,
            },
        )]);
        let price = find(
            &own,
            ProviderType::Ollama,
            "http://127.0.0.1:11434",
            "qwen3:8b",
        )
        .unwrap();
        close(
            price.cost(&usage(1_000_000, 500_000, 0), at("2026-11-23T12:00:00Z")),
            2.0,
        );
        assert_eq!(price.output_per_million(), Some(2.0));
        let zhipu = listed(
            ProviderType::ZhipuAi,
            "https://open.bigmodel.cn/api/paas/v4",
            "glm-4.7",
        );
        assert!(zhipu.is_some(), "the list has it only under its other name");
    }
}
