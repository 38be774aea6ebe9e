//! A model that a server holds in memory.

use serde::{Deserialize, Serialize};

/// A model that a server holds in memory, as far as the server says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// The model's name there.
    pub model: String,
    /// Bytes that it takes in all.
    pub bytes: u64,
    /// Bytes of these that lie on a graphics card.
    pub bytes_on_gpu: u64,
    /// Tokens that fit into its window; `None` when that is not said.
    pub context: Option<u64>,
    /// When it is let go unless it is asked again (RFC 3339); empty when that is not said.
    pub until: String,
    /// The digest of its file; empty when that is not said.
    pub digest: String,
    /// The form of its file.
    pub format: String,
    /// The family it belongs to.
    pub family: String,
    /// How many parameters it has, as in "8B".
    pub parameters: String,
    /// How its weights are stored, as in `Q4_0`.
    pub quantization: String,
}
