//! Whether what is handed over is also written.

use crate::base::Error;

/// How writing goes.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Why nothing can be written now; it is tried again and again, and what waits is kept.
    pub failing: Option<Error>,
    /// Changes that were given up, because too many waited or because they made no sense.
    pub dropped: u64,
    /// What should be known once: a damaged file that was set aside.
    pub note: Option<String>,
}
