//! What the console knows: no colour, no I/O, no clock. Times come in with the events.

pub(crate) mod answerers;
pub(crate) mod chat;
pub(crate) mod clock;
pub(crate) mod code;
pub(crate) mod dialog;
pub(crate) mod errors;
pub(crate) mod export;
pub(crate) mod focus;
pub(crate) mod incoming;
pub(crate) mod input;
pub(crate) mod line;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod moment;
pub(crate) mod palette;
pub(crate) mod pool;
pub(crate) mod pool_table;
pub(crate) mod quoted;
pub(crate) mod reply;
pub(crate) mod requests;
pub(crate) mod scroll;
pub(crate) mod search;
pub(crate) mod select;
pub(crate) mod toast;
pub(crate) mod turn;
