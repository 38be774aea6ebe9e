//! One interface over language models that live in several places.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod base;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod config;
#[cfg(feature = "console")]
pub mod console;
pub mod deck;
pub mod driver;
pub mod limit;
#[cfg(feature = "cli")]
pub mod logging;
pub mod monitor;
pub mod pool;
pub mod provider;
#[cfg(feature = "sim")]
pub mod sim;
pub mod wire;

pub use base::{
    ChatRequest, ChatStream, Chunk, Error, ErrorKind, LlmMetrics, LlmResponse, Message,
};
