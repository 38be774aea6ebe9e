//! Tokens as the provider counted them. Absent is not zero.

use serde::{Deserialize, Serialize};

/// Token counts of one answer; `None` where the provider did not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// All input tokens, cached ones included.
    pub prompt_tokens: Option<u64>,
    /// All output tokens, reasoning included.
    pub completion_tokens: Option<u64>,
    /// The provider's own total, or the sum of both when it gave none.
    pub total_tokens: Option<u64>,
    /// Input tokens served from the provider's prompt cache.
    pub cached_tokens: Option<u64>,
    /// Input tokens written into the provider's prompt cache.
    pub cache_write_tokens: Option<u64>,
    /// Output tokens spent on reasoning.
    pub reasoning_tokens: Option<u64>,
}

impl Usage {
    /// Returns the total: the stated one, else the sum of what is known, else `None`.
    pub fn total(&self) -> Option<u64> {
        self.total_tokens
            .or(match (self.prompt_tokens, self.completion_tokens) {
                (None, None) => None,
                (prompt, completion) => Some(prompt.unwrap_or(0) + completion.unwrap_or(0)),
            })
    }
}
