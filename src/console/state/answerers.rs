//! Who is asked: whoever the pool takes, a route, a type, one instance, or several at once.

use crate::base::{InstanceName, Target};

/// The most instances that can be asked at once.
pub(crate) const MOST_COMPARED: usize = 4;

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answerers {
    /// One request, that these may answer.
    One(Target),
    /// A request to each.
    Each(Vec<InstanceName>),
}

impl Default for Answerers {
    fn default() -> Self {
        Self::One(Target::Any)
    }
}

impl Answerers {
    /// Returns the target of each request.
    pub(crate) fn targets(&self) -> Vec<Target> {
        match self {
            Self::One(target) => vec![target.clone()],
            Self::Each(names) => names.iter().cloned().map(Target::Instance).collect(),
        }
    }
}
