//! What the console knows: no colour, no I/O, no clock. Times come in with the events.

pub(crate) mod ledger;
pub(crate) mod library;
pub(crate) mod answerers;
pub(crate) mod chat;
pub(crate) mod code;
pub(crate) mod dialog;
pub(crate) mod export;
pub(crate) mod focus;
pub(crate) mod incoming;
pub(crate) mod line;
pub(crate) mod metrics;
pub(crate) mod palette;
pub(crate) mod pool;
pub(crate) mod quoted;
pub(crate) mod reply;
pub(crate) mod scroll;
pub(crate) mod search;
pub(crate) mod select;
pub(crate) mod toast;
pub(crate) mod turn;
