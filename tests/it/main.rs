//! All integration tests, in one binary.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a failure is a panic; clippy knows the test functions, not their helpers"
)]

#[cfg(unix)]
mod attach;
#[cfg(unix)]
mod attach_tls;
#[cfg(feature = "store")]
mod bench;
mod cli;
mod config;
mod console_pty;
#[cfg(unix)]
mod console_pty_ends;
#[cfg(unix)]
mod console_pty_fuzz;
#[cfg(unix)]
mod console_pty_line;
#[cfg(feature = "store")]
mod crash;
mod driver;
mod faults;
#[cfg(feature = "gateway")]
mod fuzzed;
mod gateway;
#[cfg(feature = "store")]
mod history;
mod invariants;
mod layers;
#[cfg(all(feature = "store", feature = "gateway", unix))]
mod recall;
mod support;
mod telemetry;
