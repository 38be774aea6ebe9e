//! What outlives the program: conversations and the request log, in two SQLite files that only their owner can read.
//!
//! ```text
//! faces ── Change ──> bounded channel ──┐
//!       ── pieces ──> shared buffer ────┤ every half second     ┌─> history.db   conversations, full-text index
//!       ── reads ───> the same channel ─┴──> one thread a file ─┤
//! driver's events ──> shared buffer ────────> once a second ────┴─> requests.db  one row a request
//! ```
//! Nobody ever waits for a disk: changes are handed over, and a thread that owns the file writes them in order. What
//! cannot be written (a full disk) is kept and tried again; who wants to know watches [`Health`]. Nothing wakes the
//! threads when nothing happens.

mod fault;
mod file;
mod format;
mod grams;
mod health;
mod history;
mod owner;
mod read;
mod recorder;
mod requests;
mod retention;
mod schema;
mod search;
mod session;
mod settings;
mod write;

#[cfg(test)]
mod tests;

pub use format::{Format, Imported, export_into, import};
pub use health::Health;
pub use history::{Figures, History, SearchLimit};
pub use owner::{Opened, Store};
pub use recorder::Recorder;
pub use requests::{By, Filter, Group, RequestLog, Requests};
pub use settings::Settings;

/// The name of the file with conversations.
pub const HISTORY_FILE: &str = "history.db";
/// The name of the file with the request log.
pub const REQUESTS_FILE: &str = "requests.db";
