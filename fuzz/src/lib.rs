//! What the fuzzers call.

mod line;
mod targets;

pub use line::{line_to_console, line_to_gateway};
pub use targets::*;
pub use targets::{config_file as config, embed_bodies as embed};
