//! The one table of keys. Looking up, the footer's hints and the help are three readings of it.

mod chord;
mod remap;

pub(crate) use chord::Chord;
pub use remap::{KeyProblem, KeySettings, Keys, check_keys, key_actions, key_contexts};

use ratatui::crossterm::event::KeyEvent;

use super::action::Action;

/// Where a key has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Context {
    /// Everywhere, unless a dialog is open.
    Global,
    /// In the prompt.
    Prompt,
    /// Everywhere but in the prompt.
    Browse,
    /// In the transcript.
    Transcript,
    /// In the pool pane.
    Pool,
    /// In the metrics pane.
    Metrics,
    /// In the list of requests.
    Requests,
    /// In the list of errors.
    Errors,
    /// In the log.
    Log,
    /// While a filter is typed.
    Filter,
    /// While the help is open.
    Help,
    /// While a question waits for yes or no.
    Confirm,
    /// While a list waits for a choice.
    Choose,
    /// While the palette is open.
    Palette,
    /// While the list of conversations is open.
    Library,
    /// While a line of text is asked for.
    Line,
    /// While lines of the conversation are chosen.
    Select,
}

impl Context {
    /// Every context, in the order of [`Context::NAMES`].
    const ALL: [Self; 17] = [
        Self::Global,
        Self::Prompt,
        Self::Browse,
        Self::Transcript,
        Self::Pool,
        Self::Metrics,
        Self::Requests,
        Self::Errors,
        Self::Log,
        Self::Filter,
        Self::Help,
        Self::Confirm,
        Self::Choose,
        Self::Palette,
        Self::Library,
        Self::Line,
        Self::Select,
    ];

    /// What they are called in the config.
    const NAMES: [&'static str; Self::ALL.len()] = [
        "global",
        "prompt",
        "browse",
        "transcript",
        "pool",
        "metrics",
        "requests",
        "errors",
        "log",
        "filter",
        "help",
        "confirm",
        "choose",
        "palette",
        "library",
        "line",
        "select",
    ];

    /// Finds a context by its name in the config.
    fn named(name: &str) -> Option<Self> {
        let index = Self::NAMES.iter().position(|known| *known == name)?;
        Some(Self::ALL[index])
    }

    /// Returns its name in the config.
    fn name(self) -> &'static str {
        let index = Self::ALL.iter().position(|context| *context == self);
        Self::NAMES[index.unwrap_or(0)]
    }

    /// Tells whether a letter alone is text there.
    const fn takes_text(self) -> bool {
        matches!(
            self,
            Self::Prompt | Self::Library | Self::Palette | Self::Filter | Self::Line
        )
    }

    /// Tells whether it is a dialog, whose keys mean nothing outside of it.
    pub(crate) const fn is_dialog(self) -> bool {
        match self {
            Self::Help
            | Self::Library
            | Self::Confirm
            | Self::Choose
            | Self::Palette
            | Self::Line
            | Self::Filter
            | Self::Select => true,
            Self::Global
            | Self::Prompt
            | Self::Browse
            | Self::Transcript
            | Self::Pool
            | Self::Metrics
            | Self::Requests
            | Self::Errors
            | Self::Log => false,
        }
    }

    /// Returns the heading of its part of the help.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Global => "Everywhere",
            Self::Prompt => "In the prompt",
            Self::Browse => "Outside the prompt",
            Self::Transcript => "In the conversation",
            Self::Pool => "In the pool",
            Self::Metrics => "In the metrics",
            Self::Requests => "In the requests",
            Self::Errors => "In the errors",
            Self::Log => "In the log",
            Self::Filter => "In a filter",
            Self::Help => "In the help",
            Self::Confirm => "In a question",
            Self::Choose => "In a list",
            Self::Palette => "In the palette",
            Self::Library => "In the list of conversations",
            Self::Line => "In a line that is asked for",
            Self::Select => "While lines are chosen",
        }
    }

    /// Returns the contexts that are asked in turn when this one has the focus.
    const fn chain(self) -> &'static [Self] {
        match self {
            Self::Global => &[Self::Global],
            Self::Prompt => &[Self::Prompt, Self::Global],
            Self::Browse => &[Self::Browse, Self::Global],
            Self::Transcript => &[Self::Transcript, Self::Browse, Self::Global],
            Self::Pool => &[Self::Pool, Self::Browse, Self::Global],
            Self::Metrics => &[Self::Metrics, Self::Browse, Self::Global],
            Self::Requests => &[Self::Requests, Self::Browse, Self::Global],
            Self::Errors => &[Self::Errors, Self::Browse, Self::Global],
            Self::Log => &[Self::Log, Self::Browse, Self::Global],
            Self::Filter => &[Self::Filter],
            Self::Help => &[Self::Help],
            Self::Confirm => &[Self::Confirm],
            Self::Choose => &[Self::Choose],
            Self::Palette => &[Self::Palette],
            Self::Library => &[Self::Library],
            Self::Line => &[Self::Line],
            Self::Select => &[Self::Select],
        }
    }

    /// Returns the contexts that the help shows: what has the focus first.
    pub(crate) fn help_from(focused: Self) -> Vec<Self> {
        let mut contexts = vec![focused];
        contexts.extend(Self::HELP.into_iter().filter(|context| *context != focused));
        contexts.retain(|context| Self::HELP.contains(context));
        contexts
    }

    const HELP: [Self; 9] = [
        Self::Prompt,
        Self::Transcript,
        Self::Pool,
        Self::Metrics,
        Self::Requests,
        Self::Errors,
        Self::Log,
        Self::Browse,
        Self::Global,
    ];
}

/// Whether the footer mentions a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Footer {
    Yes,
    No,
}
use Footer::{No, Yes};

/// The table: context, keys (the first one is shown in the footer), action. Order is importance.
const TABLE: &[(Context, &str, Action, Footer)] = &[
    (Context::Prompt, "enter", Action::Send, Yes),
    (
        Context::Prompt,
        "ctrl-j shift-enter alt-enter",
        Action::Newline,
        Yes,
    ),
    (Context::Prompt, "up", Action::Up, No),
    (Context::Prompt, "down", Action::Down, No),
    (Context::Prompt, "alt-w", Action::Who, No),
    (Context::Prompt, "alt-v", Action::Compare, No),
    (Context::Prompt, "alt-p", Action::Persona, No),
    (Context::Prompt, "ctrl-r", Action::Retry, No),
    (Context::Prompt, "alt-r", Action::RetryBy, No),
    (Context::Prompt, "alt-e", Action::Edit, No),
    (Context::Prompt, "alt-g", Action::GoOn, No),
    (Context::Prompt, "alt-a", Action::Pick, No),
    (Context::Prompt, "alt-.", Action::NextVariant, No),
    (Context::Prompt, "alt-,", Action::PreviousVariant, No),
    (Context::Prompt, "alt-up", Action::PreviousQuestion, No),
    (Context::Prompt, "alt-down", Action::NextQuestion, No),
    (Context::Prompt, "alt-c", Action::Copy, No),
    (Context::Prompt, "alt-k", Action::CopyCode, No),
    (Context::Prompt, "ctrl-g", Action::Editor, No),
    (Context::Prompt, "alt-s", Action::Save, No),
    (Context::Prompt, "pageup", Action::PageUp, Yes),
    (Context::Prompt, "pagedown", Action::PageDown, No),
    (Context::Prompt, "alt-t", Action::Reasoning, No),
    (Context::Prompt, "ctrl-_", Action::UndoTyping, No),
    (Context::Prompt, "ctrl-d", Action::QuitWhenEmpty, No),
    (Context::Transcript, "i enter", Action::Write, Yes),
    (Context::Transcript, "j down", Action::ScrollDown, Yes),
    (Context::Transcript, "k up", Action::ScrollUp, No),
    (Context::Transcript, "J }", Action::NextQuestion, Yes),
    (Context::Transcript, "K {", Action::PreviousQuestion, No),
    (Context::Transcript, "y c", Action::Copy, Yes),
    (Context::Transcript, "b", Action::CopyCode, No),
    (Context::Transcript, "v", Action::SelectLines, No),
    (Context::Transcript, "/", Action::Search, Yes),
    (Context::Transcript, "n", Action::NextFound, No),
    (Context::Transcript, "N", Action::PreviousFound, No),
    (Context::Transcript, "s", Action::Save, No),
    (Context::Transcript, "r ctrl-r", Action::Retry, Yes),
    (Context::Transcript, "R", Action::RetryBy, No),
    (Context::Transcript, "e", Action::Edit, Yes),
    (Context::Transcript, "l right", Action::NextVariant, Yes),
    (Context::Transcript, "h left", Action::PreviousVariant, No),
    (Context::Transcript, "a", Action::Pick, No),
    (Context::Transcript, "o", Action::GoOn, No),
    (Context::Transcript, "w", Action::Who, Yes),
    (Context::Transcript, "x", Action::Compare, No),
    (Context::Transcript, "p", Action::Persona, No),
    (Context::Transcript, "F", Action::Fork, No),
    (Context::Transcript, "t", Action::Reasoning, No),
    (Context::Transcript, "ctrl-d", Action::HalfPageDown, No),
    (Context::Transcript, "ctrl-u", Action::HalfPageUp, No),
    (
        Context::Transcript,
        "pagedown ctrl-f space",
        Action::PageDown,
        No,
    ),
    (Context::Transcript, "pageup ctrl-b", Action::PageUp, No),
    (Context::Transcript, "g home", Action::Top, No),
    (Context::Transcript, "G end", Action::Bottom, Yes),
    (Context::Pool, "space", Action::Toggle, Yes),
    (Context::Pool, "d", Action::Drain, Yes),
    (Context::Pool, "+ =", Action::MorePermits, Yes),
    (Context::Pool, "-", Action::FewerPermits, No),
    (Context::Pool, "s", Action::Strategy, Yes),
    (Context::Pool, "enter", Action::Details, Yes),
    (Context::Pool, "t", Action::Mark, Yes),
    (Context::Pool, "T", Action::MarkAll, No),
    (Context::Pool, "o", Action::Sort, Yes),
    (Context::Pool, "O", Action::Reverse, No),
    (Context::Pool, "v", Action::ScopeHere, No),
    (Context::Pool, "J", Action::DetailDown, No),
    (Context::Pool, "K", Action::DetailUp, No),
    (Context::Pool, "u", Action::Undo, Yes),
    (Context::Pool, "b", Action::ResetBreaker, Yes),
    (Context::Pool, "p", Action::Probe, Yes),
    (Context::Pool, "w", Action::LessWeight, No),
    (Context::Pool, "W", Action::MoreWeight, No),
    (Context::Pool, "a", Action::ScopeAll, No),
    (Context::Pool, "j down", Action::ScrollDown, No),
    (Context::Pool, "k up", Action::ScrollUp, No),
    (Context::Pool, "g home pageup", Action::Top, No),
    (Context::Pool, "G end pagedown", Action::Bottom, No),
    (Context::Metrics, "+ = ]", Action::WiderWindow, Yes),
    (Context::Metrics, "- [", Action::NarrowerWindow, No),
    (Context::Metrics, "j down right", Action::NextScope, Yes),
    (Context::Metrics, "k up left", Action::PreviousScope, No),
    (Context::Metrics, "a", Action::ScopeAll, Yes),
    (Context::Requests, "enter", Action::Details, Yes),
    (Context::Requests, "/", Action::Filter, Yes),
    (Context::Requests, "j down", Action::ScrollDown, Yes),
    (Context::Requests, "k up", Action::ScrollUp, No),
    (Context::Requests, "J", Action::DetailDown, No),
    (Context::Requests, "K", Action::DetailUp, No),
    (Context::Requests, "y c", Action::Copy, Yes),
    (
        Context::Requests,
        "pagedown ctrl-f space",
        Action::PageDown,
        No,
    ),
    (Context::Requests, "pageup ctrl-b", Action::PageUp, No),
    (Context::Requests, "g home", Action::Top, No),
    (Context::Requests, "G end", Action::Bottom, No),
    (Context::Errors, "enter", Action::Details, Yes),
    (Context::Errors, "/", Action::Filter, Yes),
    (Context::Errors, "j down", Action::ScrollDown, Yes),
    (Context::Errors, "k up", Action::ScrollUp, No),
    (Context::Errors, "J", Action::DetailDown, No),
    (Context::Errors, "K", Action::DetailUp, No),
    (Context::Errors, "y c", Action::Copy, Yes),
    (
        Context::Errors,
        "pagedown ctrl-f space",
        Action::PageDown,
        No,
    ),
    (Context::Errors, "pageup ctrl-b", Action::PageUp, No),
    (Context::Errors, "g home", Action::Top, No),
    (Context::Errors, "G end", Action::Bottom, No),
    (Context::Log, "+ =", Action::LogMore, Yes),
    (Context::Log, "-", Action::LogLess, No),
    (Context::Log, "/", Action::Filter, Yes),
    (Context::Log, "enter", Action::Details, Yes),
    (Context::Log, "j down", Action::ScrollDown, Yes),
    (Context::Log, "k up", Action::ScrollUp, No),
    (Context::Log, "y c", Action::Copy, Yes),
    (Context::Log, "pagedown ctrl-f space", Action::PageDown, No),
    (Context::Log, "pageup ctrl-b", Action::PageUp, No),
    (Context::Log, "g home", Action::Top, No),
    (Context::Log, "G end", Action::Bottom, Yes),
    (Context::Filter, "enter", Action::Choose, Yes),
    (Context::Filter, "down", Action::ScrollDown, No),
    (Context::Filter, "up", Action::ScrollUp, No),
    (Context::Filter, "esc", Action::Cancel, Yes),
    (Context::Filter, "ctrl-c", Action::Cancel, No),
    (Context::Browse, "i", Action::Write, No),
    (Context::Browse, "1", Action::FocusChat, No),
    (Context::Browse, "2", Action::FocusPool, No),
    (Context::Browse, "3", Action::FocusMetrics, No),
    (Context::Browse, "4", Action::FocusRequests, No),
    (Context::Browse, "5", Action::FocusErrors, No),
    (Context::Browse, "6", Action::FocusLog, No),
    (Context::Browse, "< ,", Action::Earlier, No),
    (Context::Browse, "> .", Action::Later, No),
    (Context::Browse, "{", Action::MuchEarlier, No),
    (Context::Browse, "}", Action::MuchLater, No),
    (Context::Browse, "z", Action::Zoom, Yes),
    (Context::Browse, ")", Action::Grow, No),
    (Context::Browse, "(", Action::Shrink, No),
    (Context::Browse, "f", Action::Freeze, No),
    (Context::Browse, "m", Action::Mouse, No),
    (Context::Browse, ":", Action::Palette, No),
    (Context::Browse, "?", Action::Help, Yes),
    (Context::Browse, "q", Action::Quit, Yes),
    (Context::Global, "tab", Action::FocusNext, Yes),
    (Context::Global, "shift-tab", Action::FocusPrevious, No),
    (Context::Global, "alt-1", Action::FocusChat, No),
    (Context::Global, "alt-2", Action::FocusPool, No),
    (Context::Global, "alt-3", Action::FocusMetrics, No),
    (Context::Global, "alt-4", Action::FocusRequests, No),
    (Context::Global, "alt-5", Action::FocusErrors, No),
    (Context::Global, "alt-6", Action::FocusLog, No),
    (Context::Global, "esc", Action::Back, No),
    (Context::Global, "ctrl-c", Action::Interrupt, No),
    (Context::Global, "ctrl-n", Action::NewConversation, No),
    (Context::Global, "alt-z", Action::Zoom, No),
    (Context::Global, "alt-0", Action::Grow, No),
    (Context::Global, "alt-9", Action::Shrink, No),
    (Context::Global, "alt-m", Action::Mouse, No),
    (Context::Global, "f2", Action::Theme, No),
    (Context::Global, "ctrl-l", Action::Redraw, No),
    (Context::Global, "ctrl-z", Action::Suspend, No),
    (Context::Global, "ctrl-p", Action::Palette, Yes),
    (Context::Global, "f1", Action::Help, Yes),
    (Context::Global, "ctrl-o", Action::Library, Yes),
    (Context::Help, "esc ? q f1 enter", Action::Back, Yes),
    (Context::Help, "j down", Action::ScrollDown, Yes),
    (Context::Help, "k up", Action::ScrollUp, No),
    (Context::Help, "pagedown space", Action::PageDown, No),
    (Context::Help, "pageup", Action::PageUp, No),
    (Context::Help, "g home", Action::Top, No),
    (Context::Help, "G end", Action::Bottom, No),
    (Context::Help, "ctrl-c", Action::Interrupt, No),
    (Context::Help, "ctrl-z", Action::Suspend, No),
    (Context::Confirm, "y", Action::Confirm, Yes),
    (Context::Confirm, "n esc q", Action::Cancel, Yes),
    (Context::Confirm, "ctrl-c", Action::Interrupt, No),
    (Context::Choose, "enter", Action::Choose, Yes),
    (Context::Choose, "j down tab", Action::ScrollDown, Yes),
    (Context::Choose, "k up shift-tab", Action::ScrollUp, No),
    (Context::Choose, "space", Action::Mark, No),
    (Context::Choose, "g home", Action::Top, No),
    (Context::Choose, "G end", Action::Bottom, No),
    (Context::Choose, "esc q", Action::Back, Yes),
    (Context::Choose, "ctrl-c", Action::Interrupt, No),
    (Context::Palette, "enter", Action::Choose, Yes),
    (Context::Palette, "down ctrl-n tab", Action::ScrollDown, Yes),
    (
        Context::Palette,
        "up ctrl-p shift-tab",
        Action::ScrollUp,
        No,
    ),
    (Context::Palette, "pagedown", Action::PageDown, No),
    (Context::Palette, "pageup", Action::PageUp, No),
    (Context::Palette, "esc", Action::Back, Yes),
    (Context::Palette, "ctrl-c", Action::Interrupt, No),
    (Context::Library, "enter", Action::Choose, Yes),
    (Context::Library, "pagedown", Action::PageDown, No),
    (Context::Library, "pageup", Action::PageUp, No),
    (Context::Library, "alt-r", Action::Rename, Yes),
    (Context::Library, "alt-t", Action::Tag, Yes),
    (Context::Library, "alt-p", Action::Pin, Yes),
    (Context::Library, "alt-d delete", Action::Delete, Yes),
    (Context::Library, "esc ctrl-o", Action::Back, Yes),
    (Context::Library, "down ctrl-n tab", Action::ScrollDown, Yes),
    (
        Context::Library,
        "up ctrl-p shift-tab",
        Action::ScrollUp,
        No,
    ),
    (Context::Library, "alt-u", Action::Undelete, Yes),
    (Context::Library, "ctrl-c", Action::Interrupt, No),
    (Context::Line, "enter", Action::Choose, Yes),
    (Context::Line, "esc", Action::Back, Yes),
    (Context::Line, "ctrl-c", Action::Interrupt, No),
    (Context::Select, "space v", Action::Mark, Yes),
    (Context::Select, "y c enter", Action::Copy, Yes),
    (Context::Select, "j down", Action::ScrollDown, Yes),
    (Context::Select, "k up", Action::ScrollUp, No),
    (Context::Select, "ctrl-d", Action::HalfPageDown, No),
    (Context::Select, "ctrl-u", Action::HalfPageUp, No),
    (Context::Select, "pagedown ctrl-f", Action::PageDown, No),
    (Context::Select, "pageup ctrl-b", Action::PageUp, No),
    (Context::Select, "g home", Action::Top, No),
    (Context::Select, "G end", Action::Bottom, No),
    (Context::Select, "esc q", Action::Back, Yes),
    (Context::Select, "ctrl-c", Action::Interrupt, No),
];

/// One row of the table, its keys read.
#[derive(Clone, Debug)]
struct Row {
    context: Context,
    chords: Vec<Chord>,
    action: Action,
    in_footer: bool,
}

/// Which key does what.
#[derive(Clone, Debug)]
pub(crate) struct Keymap {
    rows: Vec<Row>,
}

/// Keys and what they do, for the help.
pub(crate) struct HelpLine {
    /// All keys, as people write them.
    pub(crate) keys: Vec<String>,
    /// What they do.
    pub(crate) about: &'static str,
}

/// One action as the palette lists it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listed {
    /// Where it works.
    pub(crate) context: Context,
    pub(crate) action: Action,
    /// All its keys, as people write them.
    pub(crate) keys: Vec<String>,
    /// The first of them.
    pub(crate) chord: Option<Chord>,
}

impl Default for Keymap {
    fn default() -> Self {
        let rows = TABLE
            .iter()
            .map(|&(context, keys, action, footer)| Row {
                context,
                chords: keys.split(' ').filter_map(Chord::parse).collect(),
                action,
                in_footer: footer == Yes,
            })
            .collect();
        Self { rows }
    }
}

impl Keymap {
    /// Returns every action that can be called by name, with the keys that do it: those of the focused context first,
    /// each action once, dialogs left out.
    pub(crate) fn all(&self, focused: Context) -> Vec<Listed> {
        let mut listed: Vec<Listed> = Vec::new();
        let rest = Context::ALL
            .into_iter()
            .filter(|context| !context.is_dialog());
        for context in focused.chain().iter().copied().chain(rest) {
            for row in self.rows.iter().filter(|row| row.context == context) {
                if listed.iter().any(|known| known.action == row.action) {
                    continue;
                }
                listed.push(Listed {
                    context,
                    action: row.action,
                    keys: row.chords.iter().map(Chord::to_string).collect(),
                    chord: row.chords.first().copied(),
                });
            }
        }
        listed
    }

    /// Returns every action that stands in the table, for tests of the words.
    #[cfg(test)]
    pub(crate) fn everything(&self) -> impl Iterator<Item = Action> {
        self.rows.iter().map(|row| row.action)
    }

    /// Returns every context, for tests of the words.
    #[cfg(test)]
    pub(crate) fn contexts() -> impl Iterator<Item = Context> {
        Context::ALL.into_iter()
    }

    /// Finds what a key does in a context.
    pub(crate) fn action(&self, context: Context, key: KeyEvent) -> Option<Action> {
        let chord = Chord::of(key);
        context.chain().iter().find_map(|&asked| {
            self.rows
                .iter()
                .find(|row| row.context == asked && row.chords.contains(&chord))
                .map(|row| row.action)
        })
    }

    /// Returns key and hint of what matters in a context, most important first; each action once.
    pub(crate) fn hints(&self, context: Context) -> Vec<(String, &'static str)> {
        let mut seen: Vec<&'static str> = Vec::new();
        let mut hints = Vec::new();
        for &asked in context.chain() {
            for row in self
                .rows
                .iter()
                .filter(|row| row.context == asked && row.in_footer)
            {
                let hint = row.action.hint();
                if let (Some(chord), false) = (row.chords.first(), seen.contains(&hint)) {
                    seen.push(hint);
                    hints.push((self.footer_keys(row, chord), hint));
                }
            }
        }
        hints
    }

    /// Returns the lines of one part of the help.
    pub(crate) fn help(&self, context: Context) -> Vec<HelpLine> {
        self.rows
            .iter()
            .filter(|row| row.context == context)
            .map(|row| HelpLine {
                keys: row.chords.iter().map(Chord::to_string).collect(),
                about: row.action.about(),
            })
            .collect()
    }

    /// Returns the first key of an action in a context, for sentences that name it.
    pub(crate) fn key_for(&self, context: Context, action: Action) -> Option<String> {
        context.chain().iter().find_map(|&asked| {
            self.rows
                .iter()
                .find(|row| row.context == asked && row.action == action)
                .and_then(|row| row.chords.first())
                .map(Chord::to_string)
        })
    }

    /// Shows a pair of opposite keys together: `+/-` for permits and window.
    fn footer_keys(&self, row: &Row, chord: &Chord) -> String {
        let opposite = match row.action {
            Action::MorePermits => Some(Action::FewerPermits),
            Action::WiderWindow => Some(Action::NarrowerWindow),
            Action::NextScope => Some(Action::PreviousScope),
            Action::ScrollDown => Some(Action::ScrollUp),
            Action::LogMore => Some(Action::LogLess),
            Action::NextQuestion => Some(Action::PreviousQuestion),
            Action::NextVariant => Some(Action::PreviousVariant),
            _ => None,
        };
        match opposite.and_then(|action| self.key_for(row.context, action)) {
            Some(other) => format!("{chord}/{other}"),
            None => chord.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
