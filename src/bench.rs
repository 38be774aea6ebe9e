//! Load on whatever answers chats: one step after another, each with so many requests at once (closed loop) or so many
//! a second (open loop), and what came of each.
//!
//! ```text
//! plan ─► runner ─► step (closed: workers, open: Poisson arrivals) ─► ask (one request, timed) ─► tally
//!            │        └── prompts (seeded texts of a wanted length)                               │
//!            └── report ◄── knee (where more load stops to pay) ◄── outcome of a step ◄───────────┘
//! ```
//! It knows nothing of instances, routes or URLs: it is given something that makes a stream of a request.

mod ask;
mod knee;
mod lengths;
mod plan;
mod plot;
mod prompts;
mod report;
mod runner;
mod step;
mod tally;

#[cfg(test)]
mod tests;

pub use knee::Knee;
pub use lengths::Lengths;
pub use plan::{Load, Plan};
pub use plot::plot;
pub use report::{Outcome, Report, Times};
pub use runner::{Bench, Progress, Stage};
