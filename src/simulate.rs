//! The driver's own balancer, queue, limits, breakers and retry decision, run in virtual time against models of
//! instances: what a strategy is worth on a fleet that one can describe.
//!
//! ```text
//! scenario ─► work (who asks what, when) ─┐
//!          ─► faults (who fails, when) ───┼─► engine ── pool::core, driver::retry (the real ones)
//!          ─► machine (how fast it is) ───┘      └────► tally ─► report
//! ```
//! Nothing here decides anything that the driver decides. The same seed gives the same requests and the same faults to
//! every strategy, and the same figures every time.

mod choice;
mod engine;
mod faults;
mod live;
mod machine;
mod oracle;
mod plan;
mod report;
mod scenario;
mod scenarios;
mod tally;
mod work;

#[cfg(test)]
mod tests;

pub use choice::Choices;
pub use plan::{Change, Plan};
pub use report::{Mean, Report, Row};
pub use scenario::{Chooser, Scenario};
pub use scenarios::names;
