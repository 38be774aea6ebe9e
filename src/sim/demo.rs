//! The six instances of `llmdeck demo`.

use std::time::Duration;

use super::{Delay, Fault, FaultShare, InstanceProfile, Outage, Settings, Spread, WhenFull};
use crate::base::ProviderType::{Ollama, OpenAi, ZhipuAi};

/// Returns six instances of different character: lively, mostly successful. What each is like is also told by the
/// text about the demo, so keep both in step.
pub fn demo() -> Settings {
    Settings {
        seed: 1,
        instances: vec![quick(), limited(), flaky(), desk(), small(), thoughtful()],
    }
}

fn quick() -> InstanceProfile {
    InstanceProfile {
        models: names(&["sim-gpt-large", "sim-gpt-small"]),
        key: Some("sk-sim-openai-a".to_owned()),
        first_token: delay(320, 0.35),
        speed: speed(75.0),
        slowdown: 0.5,
        concurrency: Some(8),
        requests_per_minute: Some(500),
        tokens_per_minute: Some(200_000),
        faults: shares(&[(Fault::ServerError, 0.005), (Fault::Unavailable, 0.003)]),
        ..InstanceProfile::new("openai-a", OpenAi)
    }
}

fn limited() -> InstanceProfile {
    InstanceProfile {
        models: names(&["sim-gpt-large"]),
        key: Some("sk-sim-openai-b".to_owned()),
        first_token: delay(750, 0.45),
        speed: speed(38.0),
        slowdown: 0.5,
        concurrency: Some(4),
        requests_per_minute: Some(40),
        tokens_per_minute: Some(20_000),
        faults: shares(&[(Fault::Unavailable, 0.01), (Fault::BadGateway, 0.005)]),
        ..InstanceProfile::new("openai-b", OpenAi)
    }
}

fn flaky() -> InstanceProfile {
    InstanceProfile {
        models: names(&["sim-gpt-large", "sim-gpt-small"]),
        key: Some("sk-sim-openai-c".to_owned()),
        first_token: delay(500, 0.8),
        speed: speed(55.0),
        slowdown: 0.5,
        concurrency: Some(6),
        faults: shares(&[
            (Fault::ServerError, 0.02),
            (Fault::BadGateway, 0.015),
            (Fault::Overloaded, 0.01),
            (Fault::CutMidStream, 0.01),
            (Fault::Truncated, 0.005),
        ]),
        outage: Some(Outage {
            from: Duration::from_secs(75),
            lasting: Duration::from_secs(20),
            every: Duration::from_secs(240),
        }),
        ..InstanceProfile::new("openai-c", OpenAi)
    }
}

fn desk() -> InstanceProfile {
    InstanceProfile {
        models: names(&["sim-llama:70b"]),
        first_token: delay(1_100, 0.3),
        speed: speed(22.0),
        slowdown: 0.8,
        concurrency: Some(2),
        when_full: WhenFull::Queue(16),
        faults: shares(&[(Fault::ServerError, 0.01)]),
        ..InstanceProfile::new("ollama-a", Ollama)
    }
}

fn small() -> InstanceProfile {
    InstanceProfile {
        models: names(&["sim-llama:8b", "sim-qwen:4b"]),
        first_token: delay(140, 0.3),
        speed: speed(110.0),
        slowdown: 0.5,
        concurrency: Some(4),
        when_full: WhenFull::Queue(32),
        faults: shares(&[(Fault::ServerError, 0.008), (Fault::ErrorMidStream, 0.004)]),
        ..InstanceProfile::new("ollama-b", Ollama)
    }
}

fn thoughtful() -> InstanceProfile {
    InstanceProfile {
        models: names(&["sim-glm", "sim-glm-flash"]),
        key: Some("simulated-zhipu-a.not-a-secret".to_owned()),
        first_token: delay(600, 0.4),
        speed: speed(50.0),
        slowdown: 0.5,
        reasoning: true,
        concurrency: Some(5),
        faults: shares(&[
            (Fault::ContentFilter, 0.01),
            (Fault::FilteredMidStream, 0.01),
            (Fault::Business { code: 1305 }, 0.015),
            (Fault::Business { code: 1234 }, 0.005),
        ]),
        ..InstanceProfile::new("zhipu-a", ZhipuAi)
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn delay(median_ms: u64, sigma: f64) -> Delay {
    Delay {
        median: Duration::from_millis(median_ms),
        sigma,
    }
}

fn speed(median: f64) -> Spread {
    Spread { median, sigma: 0.2 }
}

fn shares(shares: &[(Fault, f64)]) -> Vec<FaultShare> {
    shares
        .iter()
        .map(|&(fault, share)| FaultShare { fault, share })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_valid_and_has_six_instances_of_all_types() {
        let demo = demo();
        demo.validate().unwrap();
        assert_eq!(demo.instances.len(), 6);
        for provider_type in [OpenAi, Ollama, ZhipuAi] {
            assert!(
                demo.instances
                    .iter()
                    .any(|i| i.provider_type == provider_type)
            );
        }
    }

    #[test]
    fn the_text_about_the_demo_names_every_instance() {
        let text = include_str!("texts/demo.md");
        for profile in demo().instances {
            assert!(text.contains(&format!("**{}**", profile.name)));
        }
    }

    #[test]
    fn without_any_retry_most_requests_would_succeed_but_not_all() {
        let demo = demo();
        let success = |profile: &InstanceProfile| {
            let down = profile.outage.map_or(0.0, |outage| {
                outage.lasting.as_secs_f64() / outage.every.as_secs_f64()
            });
            (1.0 - down) * (1.0 - profile.fault_share())
        };
        let all: f64 = demo.instances.iter().map(success).sum();
        let share = all / demo.instances.len() as f64;
        assert!((0.93..0.97).contains(&share), "{share}");
    }
}
