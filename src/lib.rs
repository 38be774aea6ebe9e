//! One interface over language models that live in several places.
//!
//! A chat is data; a provider turns it into a stream; a pool chooses which instance; a driver makes that reliable and
//! watches it; the console and the gateway are two faces of the driver.
//!
//! # A whole answer
//! The embedded pool ([`sim`], feature `sim`) is a real server on loopback, so this runs anywhere; with real providers
//! only the settings differ.
//! ```
//! # #[cfg(feature = "sim")]
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use llmdeck::driver::{ChatInput, InstanceSpec, Settings};
//! use llmdeck::pool::InstanceSettings;
//! use llmdeck::provider::{self, Http, HttpSettings};
//! use llmdeck::{LlmModelDriver, sim};
//!
//! let server = sim::Server::start(sim::demo())?;
//! let http = Http::new(HttpSettings::default())?;
//! let mut instances = Vec::new();
//! for found in server.instances() {
//!     let mut reach = provider::Settings::new(found.name.as_str(), found.provider_type);
//!     reach.base_url = Some(found.base_url);
//!     reach.key = found.key.map(Into::into);
//!     let mut settings = InstanceSettings::new(found.name.as_str(), found.provider_type);
//!     settings.models = found.models;
//!     instances.push(InstanceSpec { settings, strategy: provider::build(reach, &http)? });
//! }
//! let driver = LlmModelDriver::new(Settings::default(), Vec::new(), instances)?;
//!
//! let input = ChatInput { prompt: "You are brief.".into(), ..ChatInput::new("What are permits?") };
//! let answer = driver.chat(input.to_request()?).await?;
//! println!("{} answered: {}", answer.instance.unwrap(), answer.text);
//! assert_eq!(driver.get_metrics("openai")?.failed_requests, 0);
//! # Ok::<(), llmdeck::Error>(())
//! # }).unwrap();
//! ```
//!
//! # A streaming answer
//! ```no_run
//! # async fn example(driver: llmdeck::LlmModelDriver) -> Result<(), llmdeck::Error> {
//! use futures_util::StreamExt;
//! use llmdeck::Chunk;
//!
//! let mut stream = driver.stream("Why is the sky blue?".into());
//! while let Some(piece) = stream.next().await {
//!     match piece? {
//!         Chunk::Text(text) => print!("{text}"),
//!         Chunk::Retry(attempt) => eprintln!("{} failed, asking another", attempt.instance),
//!         Chunk::Done(answer) => eprintln!("\n{:?} in {:?}", answer.usage, answer.total_time),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

pub mod base;
#[cfg(feature = "cli")]
pub mod bench;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod config;
#[cfg(feature = "console")]
pub mod console;
pub mod deck;
pub mod driver;
pub mod export;
#[cfg(feature = "gateway")]
pub mod gateway;
pub mod limit;
#[cfg(feature = "cli")]
pub mod logging;
pub mod monitor;
pub mod notify;
pub mod pool;
pub mod prices;
pub mod provider;
#[cfg(feature = "gateway")]
pub mod remote;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "cli")]
pub mod simulate;
#[cfg(feature = "store")]
pub mod store;
pub mod wire;

pub use base::{
    Answer, Board, ChatRequest, ChatStream, Chunk, Command, Error, ErrorKind, LlmMetrics,
    LlmResponse, Message, ProviderType, Role, Target, Usage,
};
pub use deck::Deck;
pub use driver::{ChatInput, LlmModelDriver, Turn};
pub use monitor::LlmMonitor;
pub use pool::LlmLoadBalancer;
pub use provider::{BaseLlmGeneration, LlmModelStrategy};
