//! The embedded pool: a real HTTP server on loopback that speaks all provider types.
//!
//! Every simulated instance has its own port and its own character: how fast it is, what it allows, how often and
//! how it fails. All of that is drawn from a seed, so that the same requests in the same order meet the same
//! behaviour. The rest of the program talks to it over HTTP only, as to any other provider; nothing here knows of
//! the driver. `llmdeck demo`, the tests and the benches use it.
//!
//! ```text
//! Server ─ one Instance each profile ─ Port (listens, refuses, breaks connections)
//!             │                          └─ connection ─ route ─ chat ─ script (frames in time, faults)
//!             ├─ Gate (concurrency, queue, requests and tokens per minute)
//!             └─ Journal (who asked, how it ended, how many at once)
//! ```

mod answer;
mod auth;
mod chat;
mod connection;
mod demo;
mod fault;
mod frames;
mod gate;
mod instance;
mod journal;
mod lists;
mod load;
mod plan;
mod port;
mod profile;
mod refusal;
mod route;
mod script;
mod server;
#[cfg(test)]
mod tests;
mod texts;

pub use demo::demo;
pub use fault::Fault;
pub use journal::{Ending, Record, Stats};
pub use load::{Load, LoadCounts, LoadSettings};
pub use profile::{Delay, FaultShare, InstanceProfile, Outage, Settings, Spread, WhenFull};
pub use server::{Endpoint, Server};
