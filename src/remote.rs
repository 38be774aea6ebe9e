//! A pool in another process: the admin API of a running gateway, and a deck over it for consoles that attach.
//!
//! ```text
//! server: Deck -> views (compact, only what changed) ─┐            ┌─> Deck over what was last heard: client
//!         Deck -> events, answers, results ───────────┼─ the line ─┤
//!         Deck <- chats, commands ────────────────────┘            └─< chats, commands
//! ```
//! The line is one connection: HTTP, upgraded, over a Unix socket of its owner's or over HTTPS with an admin key. The
//! same paths answer scripts in plain JSON. `docs/admin-api.md` describes both.

mod client;
mod compact;
mod delta;
mod frame;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
mod message;
mod origin;
#[cfg(unix)]
pub mod place;
mod server;
#[cfg(test)]
mod tests;

pub use client::{Remote, Visitor, Way};
pub use message::LINE;
pub use origin::{Denied, Origin};
#[cfg(unix)]
pub use server::Listening;
pub use server::{Admin, whole_seconds};

/// The program's version, as both ends tell it.
const VERSION: &str = env!("CARGO_PKG_VERSION");
