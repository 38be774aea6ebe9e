//! A gateway over simulated instances that behave in known ways, for trying clients: quick ones of every type, a slow
//! one, and some that always fail. Prints its address, and ends when its input does.
#![expect(clippy::print_stdout, reason = "an example says what it does")]

use std::io::Read;
use std::time::Duration;

use llmdeck::driver::{InstanceSpec, Settings};
use llmdeck::gateway::{Digest, Gateway, KeySettings, Mounts};
use llmdeck::pool::InstanceSettings;
use llmdeck::provider::{self, Http, HttpSettings};
use llmdeck::sim::{Fault, InstanceProfile, Server, Spread};
use llmdeck::{Deck, LlmModelDriver, ProviderType, gateway, sim};

fn profiles() -> Vec<InstanceProfile> {
    let of = |name: &str, provider_type| {
        let mut profile = InstanceProfile::new(name, provider_type);
        profile.models = vec![name.to_owned()];
        profile
    };
    let mut slow = of("slow", ProviderType::OpenAi);
    slow.speed = Spread::exactly(20.0);
    slow.length = Some(Spread::exactly(600.0));
    let mut brief = of("brief", ProviderType::OpenAi);
    brief.context = Some(20);
    vec![
        of("gpt", ProviderType::OpenAi),
        of("llama", ProviderType::Ollama),
        of("glm", ProviderType::ZhipuAi),
        of("broken", ProviderType::OpenAi),
        of("limited", ProviderType::OpenAi),
        of("cut", ProviderType::OpenAi),
        slow,
        brief,
    ]
}

fn key(name: &str, secret: &str, models: &[&str]) -> KeySettings {
    KeySettings {
        name: name.to_owned(),
        hash: Digest::of(secret).to_string(),
        requests_per_minute: None,
        tokens_per_minute: None,
        concurrency: None,
        models: models.iter().map(|&model| model.to_owned()).collect(),
        admin: false,
    }
}

#[tokio::main]
async fn main() -> Result<(), llmdeck::Error> {
    let server = Server::start(sim::Settings {
        seed: 1,
        instances: profiles(),
    })?;
    let retry_after = Some(Duration::from_secs(1));
    server.set_fault("broken", Some(Fault::ServerError))?;
    server.set_fault("limited", Some(Fault::RateLimited { retry_after }))?;
    server.set_fault("cut", Some(Fault::CutMidStream))?;
    let http = Http::new(HttpSettings::default())?;
    let mut instances = Vec::new();
    for found in server.instances() {
        let mut reach = provider::Settings::new(found.name.as_str(), found.provider_type);
        reach.base_url = Some(found.base_url);
        let mut settings = InstanceSettings::new(found.name.as_str(), found.provider_type);
        settings.models = found.models;
        settings.limits.permits = 64;
        instances.push(InstanceSpec {
            settings,
            strategy: provider::build(reach, &http)?,
        });
    }
    let mut settings = Settings::default();
    // Each of these must fail at once and in its own way, however often it is asked.
    settings.retry.attempts = 1;
    settings.pool.breaker.enabled = false;
    settings.pool.deadline = Duration::from_millis(300);
    let driver = LlmModelDriver::new(settings, Vec::new(), instances)?;
    let settings = gateway::Settings {
        listen: "127.0.0.1:0".to_owned(),
        keys: vec![
            key("tests", "test-key", &[]),
            key("narrow", "narrow-key", &["gpt"]),
        ],
        ..gateway::Settings::default()
    };
    let gateway = Gateway::start(settings, Deck::from(driver), Mounts::default())?;
    println!("http://{}", gateway.address());
    let until_end = || std::io::stdin().read_to_end(&mut Vec::new());
    // Whoever started this is gone when its input ends, or when nobody could wait for that.
    let _ = tokio::task::spawn_blocking(until_end).await;
    gateway.drain(Duration::from_secs(1)).await;
    Ok(())
}
