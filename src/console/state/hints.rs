//! A first run that teaches: three hints, each at the moment when it is of use, each once, then silence.

/// A hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// After the first answer: what can be done with it.
    Answer,
    /// In the pool for the first time: what can be done there.
    Pool,
    /// When something went wrong for the first time: where that is explained.
    Failure,
}

impl Hint {
    /// How many there are.
    pub(crate) const COUNT: usize = 3;

    /// Returns the name by which it is remembered.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Pool => "pool",
            Self::Failure => "failure",
        }
    }
}
