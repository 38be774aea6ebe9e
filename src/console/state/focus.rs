//! Where the keys go.

/// One of the three panes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pane {
    Chat,
    Pool,
    Metrics,
}

impl Pane {
    /// Every pane, in the order of their numbers.
    pub(crate) const ALL: [Self; 3] = [Self::Chat, Self::Pool, Self::Metrics];

    /// Returns the name on the screen.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Chat => "Chat",
            Self::Pool => "Pool",
            Self::Metrics => "Metrics",
        }
    }

    /// Returns the number that jumps to it.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Chat => 1,
            Self::Pool => 2,
            Self::Metrics => 3,
        }
    }
}

/// What has the focus: a pane, and in the chat pane either the prompt or the conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Focus {
    #[default]
    Prompt,
    Transcript,
    Pool,
    Metrics,
}

impl Focus {
    /// Returns the pane that it is in.
    pub(crate) const fn pane(self) -> Pane {
        match self {
            Self::Prompt | Self::Transcript => Pane::Chat,
            Self::Pool => Pane::Pool,
            Self::Metrics => Pane::Metrics,
        }
    }

    /// Returns the focus when a pane is entered.
    pub(crate) const fn of(pane: Pane) -> Self {
        match pane {
            Pane::Chat => Self::Prompt,
            Pane::Pool => Self::Pool,
            Pane::Metrics => Self::Metrics,
        }
    }

    /// Returns the next pane's focus.
    pub(crate) const fn next(self) -> Self {
        match self.pane() {
            Pane::Chat => Self::Pool,
            Pane::Pool => Self::Metrics,
            Pane::Metrics => Self::Prompt,
        }
    }

    /// Returns the previous pane's focus.
    pub(crate) const fn previous(self) -> Self {
        match self.pane() {
            Pane::Chat => Self::Metrics,
            Pane::Pool => Self::Prompt,
            Pane::Metrics => Self::Pool,
        }
    }
}
