//! Where the keys go.

/// One of the panes of the split screen, or a page that has the screen for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pane {
    Chat,
    Pool,
    Metrics,
    Requests,
    Errors,
    Log,
}

impl Pane {
    /// Every pane and page, in the order of their numbers.
    pub(crate) const ALL: [Self; 6] = [
        Self::Chat,
        Self::Pool,
        Self::Metrics,
        Self::Requests,
        Self::Errors,
        Self::Log,
    ];

    /// The panes of the split screen.
    pub(crate) const SPLIT: [Self; 3] = [Self::Chat, Self::Pool, Self::Metrics];

    /// Returns the name on the screen.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Chat => "Chat",
            Self::Pool => "Pool",
            Self::Metrics => "Metrics",
            Self::Requests => "Requests",
            Self::Errors => "Errors",
            Self::Log => "Log",
        }
    }

    /// Returns the number that jumps to it.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Chat => 1,
            Self::Pool => 2,
            Self::Metrics => 3,
            Self::Requests => 4,
            Self::Errors => 5,
            Self::Log => 6,
        }
    }

    /// Tells whether it always has the screen for itself.
    pub(crate) const fn is_page(self) -> bool {
        match self {
            Self::Chat | Self::Pool | Self::Metrics => false,
            Self::Requests | Self::Errors | Self::Log => true,
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
    Requests,
    Errors,
    Log,
}

impl Focus {
    /// Returns the pane that it is in.
    pub(crate) const fn pane(self) -> Pane {
        match self {
            Self::Prompt | Self::Transcript => Pane::Chat,
            Self::Pool => Pane::Pool,
            Self::Metrics => Pane::Metrics,
            Self::Requests => Pane::Requests,
            Self::Errors => Pane::Errors,
            Self::Log => Pane::Log,
        }
    }

    /// Returns the focus when a pane is entered.
    pub(crate) const fn of(pane: Pane) -> Self {
        match pane {
            Pane::Chat => Self::Prompt,
            Pane::Pool => Self::Pool,
            Pane::Metrics => Self::Metrics,
            Pane::Requests => Self::Requests,
            Pane::Errors => Self::Errors,
            Pane::Log => Self::Log,
        }
    }

    /// Returns the next pane's focus; pages come after one another too.
    pub(crate) const fn next(self) -> Self {
        match self.pane() {
            Pane::Chat => Self::Pool,
            Pane::Pool => Self::Metrics,
            Pane::Metrics => Self::Prompt,
            Pane::Requests => Self::Errors,
            Pane::Errors => Self::Log,
            Pane::Log => Self::Requests,
        }
    }

    /// Returns the previous pane's focus.
    pub(crate) const fn previous(self) -> Self {
        match self.pane() {
            Pane::Chat => Self::Metrics,
            Pane::Pool => Self::Prompt,
            Pane::Metrics => Self::Pool,
            Pane::Requests => Self::Log,
            Pane::Errors => Self::Requests,
            Pane::Log => Self::Errors,
        }
    }
}
