//! What a run does: its steps, how long each takes, and what is asked.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::Lengths;
use crate::base::ChatRequest;

/// How a step loads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// So many requests are open all the time: whoever has an answer asks again at once.
    Closed(usize),
    /// So many come a second, as independent people come, whether the earlier ones have their answers or not.
    Open(f64),
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(1) => write!(f, "1 at once"),
            Self::Closed(at_once) => write!(f, "{at_once} at once"),
            Self::Open(rate) => write!(f, "{rate}/s"),
        }
    }
}

impl Serialize for Load {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "snake_case", tag = "loop")]
        enum Written {
            Closed { concurrency: usize },
            Open { rate: f64 },
        }
        match *self {
            Self::Closed(concurrency) => Written::Closed { concurrency },
            Self::Open(rate) => Written::Open { rate },
        }
        .serialize(serializer)
    }
}

/// What a run does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The steps in order.
    pub steps: Vec<Load>,
    /// Whether further steps are found on the way: up until more load does not pay, then at rates around that.
    pub sweep: bool,
    /// How long each step is measured; `None` until so many requests have ended.
    pub duration: Option<Duration>,
    /// A step is over when so many requests that count have ended.
    pub requests: Option<u64>,
    /// Each step loads this long before anything counts.
    pub warm_up: Duration,
    /// Decides everything that chance decides.
    pub seed: u64,
    /// The lengths of prompts.
    pub prompt: Lengths,
    /// The lengths of answers.
    pub output: Lengths,
    /// What all requests have in common; messages and the bound of the answer are each request's own.
    pub template: ChatRequest,
}
