//! A whole answer, and what the driver knows afterwards.
//!
//! `cargo run --example chat -- "What are permits?"` needs no key: it asks the embedded pool. With real providers only
//! the two lines with an address and a key differ.
#![expect(clippy::print_stdout, reason = "an example prints")]

use llmdeck::driver::{ChatInput, InstanceSpec, Settings};
use llmdeck::pool::InstanceSettings;
use llmdeck::provider::{self, Http, HttpSettings};
use llmdeck::{LlmModelDriver, Turn, sim};

#[tokio::main]
async fn main() -> Result<(), llmdeck::Error> {
    let query = std::env::args().nth(1);

    // A server on loopback with six instances of all three provider types.
    let server = sim::Server::start(sim::demo())?;

    // One spec for each instance: how it is reached, and what the pool has to know of it.
    let http = Http::new(HttpSettings::default())?;
    let mut instances = Vec::new();
    for found in server.instances() {
        let mut reach = provider::Settings::new(&found.name, found.provider_type);
        reach.base_url = Some(found.base_url);
        reach.key = found.key.map(Into::into);
        let mut settings = InstanceSettings::new(&found.name, found.provider_type);
        settings.models = found.models;
        settings.limits.permits = found.profile.concurrency.unwrap_or(4);
        instances.push(InstanceSpec {
            settings,
            strategy: provider::build(reach, &http)?,
        });
    }
    let driver = LlmModelDriver::new(Settings::default(), Vec::new(), instances)?;

    // The persona, the names, what was said before, and the question.
    let input = ChatInput {
        prompt: "You are {role_name}, and you answer {you_name} in a few words.".into(),
        provider_type: "openai".into(),
        role_name: "Deck".into(),
        you_name: "Ann".into(),
        short_history: vec![Turn::new("Hello!", "Hello, Ann.")],
        ..ChatInput::new(query.unwrap_or_else(|| "What are permits?".into()))
    };
    let answer = driver.chat(input.to_request()?).await?;
    println!("{}\n", answer.text);
    for attempt in &answer.attempts {
        println!("{}: {:?}", attempt.instance, attempt.outcome);
    }

    // What the monitor counted of this provider type since the start.
    let metrics = driver.get_metrics("openai")?;
    println!(
        "{} requests, {} successful, {:?} on average, {} tokens in, {} out",
        metrics.total_requests,
        metrics.successful_requests,
        metrics.average_response_time.unwrap_or_default(),
        metrics.prompt_tokens,
        metrics.completion_tokens,
    );
    Ok(())
}
