//! A streaming answer through the two callbacks of the design document.
//!
//! `cargo run --example stream -- "How do limits work?"` needs no key: it asks the embedded pool.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::io::Write;

use llmdeck::driver::{ChatInput, InstanceSpec, Settings};
use llmdeck::pool::InstanceSettings;
use llmdeck::provider::{self, Http, HttpSettings};
use llmdeck::{LlmModelDriver, sim};

#[tokio::main]
async fn main() -> Result<(), llmdeck::Error> {
    let query = std::env::args().nth(1);
    let server = sim::Server::start(sim::demo())?;
    let driver = driver_over(&server)?;

    let input = ChatInput {
        role_name: "Deck".into(),
        you_name: "Ann".into(),
        ..ChatInput::new(query.unwrap_or_else(|| "How do limits work?".into()))
    };
    let response = driver
        .chat_stream(
            &input,
            // Called for every piece of visible text, and once more with `end`.
            |role_name, _you_name, content, end| {
                if end {
                    println!("\n-- {role_name} has spoken");
                } else {
                    print!("{content}");
                    // Seeing it come is the point; a closed stdout is nobody's loss.
                    let _ = std::io::stdout().flush();
                }
            },
            // Called once, when the answer came to a proper end: the place to remember a conversation.
            |_role_name, answer, you_name, query| {
                println!(
                    "-- {you_name} asked '{query}' and got {} bytes",
                    answer.len()
                );
            },
        )
        .await?;
    if let (Some(instance), Some(first)) = (response.instance, response.time_to_first_token) {
        println!("-- from {instance}, the first token after {first:.0?}");
    }
    Ok(())
}

/// Makes a driver over everything that the embedded pool offers.
fn driver_over(server: &sim::Server) -> Result<LlmModelDriver, llmdeck::Error> {
    let http = Http::new(HttpSettings::default())?;
    let mut instances = Vec::new();
    for found in server.instances() {
        let mut reach = provider::Settings::new(&found.name, found.provider_type);
        reach.base_url = Some(found.base_url);
        reach.key = found.key.map(Into::into);
        let mut settings = InstanceSettings::new(&found.name, found.provider_type);
        settings.models = found.models;
        instances.push(InstanceSpec {
            settings,
            strategy: provider::build(reach, &http)?,
        });
    }
    LlmModelDriver::new(Settings::default(), Vec::new(), instances)
}
