//! The theme without colours.

use ratatui::style::{Modifier, Style};

use super::Role;

/// Returns a role's style in bold, dim, italic, underline and reverse alone.
pub(super) const fn style(role: Role) -> Style {
    let modifier = match role {
        Role::Text
        | Role::Good
        | Role::Assistant
        | Role::Footer
        | Role::CodeBlock
        | Role::GraphLatency
        | Role::GraphSuccess
        | Role::GraphTokens
        | Role::GraphQueue
        | Role::Bar
        | Role::SyntaxString
        | Role::SyntaxNumber
        | Role::SyntaxFunction
        | Role::SyntaxOperator
        | Role::SyntaxAttribute
        | Role::SyntaxDeleted => Modifier::empty(),
        Role::Dim
        | Role::Border
        | Role::Placeholder
        | Role::CodeLabel
        | Role::Bullet
        | Role::BarEmpty
        | Role::GraphMark => Modifier::DIM,
        Role::Accent
        | Role::Title
        | Role::BorderFocused
        | Role::Warn
        | Role::Key
        | Role::Header
        | Role::Marked
        | Role::Notice
        | Role::User
        | Role::Code
        | Role::Heading
        | Role::BarFull
        | Role::SyntaxKeyword
        | Role::SyntaxType
        | Role::SyntaxInserted => Modifier::BOLD,
        Role::Bad => Modifier::BOLD.union(Modifier::UNDERLINED),
        Role::Selected | Role::MatchCurrent | Role::Chip => Modifier::REVERSED,
        Role::Badge | Role::Alert => Modifier::REVERSED.union(Modifier::BOLD),
        Role::SelectedUnfocused | Role::Match | Role::Link => Modifier::UNDERLINED,
        Role::Reasoning | Role::Tool | Role::Quote | Role::SyntaxComment => Modifier::ITALIC,
    };
    Style::new().add_modifier(modifier)
}
