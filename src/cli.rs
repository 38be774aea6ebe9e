//! The command line: what can be typed, and what each command does.
//!
//! `main` parses and hands over to [`run`]; each command writes to the streams it is given and returns how it ended.

mod answer;
#[cfg(all(feature = "store", feature = "console"))]
mod archive;
mod args;
mod ask;
#[cfg(all(feature = "console", feature = "gateway"))]
mod attach;
mod bench;
mod check;
mod config;
mod embedded;
#[cfg(feature = "console")]
mod face;
#[cfg(feature = "store")]
mod history;
#[cfg(feature = "store")]
mod keep;
mod object;
mod profile;
mod question;
#[cfg(feature = "gateway")]
mod reach;
#[cfg(feature = "gateway")]
mod reload;
mod report;
mod run;
#[cfg(feature = "gateway")]
mod serve;
mod simulate;
mod start;
#[cfg(feature = "store")]
mod stats;
#[cfg(feature = "gateway")]
mod status;
mod style;
mod table;
mod telemetry;

pub use args::Cli;
pub use report::Failure;
pub use run::run;
