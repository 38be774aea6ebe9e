//! One key with its modifiers, written as people write it: `ctrl-c`, `alt-1`, `shift-tab`, `G`.

use std::fmt;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Chord {
    /// Reads a key event. Terminals differ in how they report Shift; here a letter's case says it.
    pub(crate) fn of(key: KeyEvent) -> Self {
        let mut modifiers =
            key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let code = match key.code {
            KeyCode::Char(c) => {
                let c = if modifiers.contains(KeyModifiers::CONTROL) {
                    c.to_ascii_lowercase()
                } else if modifiers.contains(KeyModifiers::SHIFT) {
                    c.to_ascii_uppercase()
                } else {
                    c
                };
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::Char(c)
            }
            KeyCode::BackTab => {
                modifiers |= KeyModifiers::SHIFT;
                KeyCode::Tab
            }
            other => other,
        };
        Self { code, modifiers }
    }

    /// Tells whether it writes something where text goes.
    pub(crate) fn is_text(self) -> bool {
        let plain = !self
            .modifiers
            .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        plain && matches!(self.code, KeyCode::Char(_))
    }

    /// Makes the event that a terminal would send for it.
    pub(crate) fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, self.modifiers)
    }

    /// Reads a key as written in the table, in a config, or on the screen.
    pub(crate) fn parse(written: &str) -> Option<Self> {
        const MODIFIERS: [(&str, KeyModifiers); 3] = [
            ("ctrl-", KeyModifiers::CONTROL),
            ("alt-", KeyModifiers::ALT),
            ("shift-", KeyModifiers::SHIFT),
        ];
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = written;
        while let Some((word, modifier)) = MODIFIERS.into_iter().find(|(word, _)| {
            let start = rest.get(..word.len());
            rest.len() > word.len() && start.is_some_and(|start| start.eq_ignore_ascii_case(word))
        }) {
            modifiers |= modifier;
            rest = &rest[word.len()..];
        }
        let code = match rest.to_lowercase().as_str() {
            "enter" => KeyCode::Enter,
            "esc" => KeyCode::Esc,
            "tab" => KeyCode::Tab,
            "space" => KeyCode::Char(' '),
            "backspace" => KeyCode::Backspace,
            "delete" => KeyCode::Delete,
            "insert" => KeyCode::Insert,
            "up" | "↑" => KeyCode::Up,
            "down" | "↓" => KeyCode::Down,
            "left" | "←" => KeyCode::Left,
            "right" | "→" => KeyCode::Right,
            "home" => KeyCode::Home,
            "end" => KeyCode::End,
            "pageup" | "pgup" => KeyCode::PageUp,
            "pagedown" | "pgdn" => KeyCode::PageDown,
            _ => {
                let mut chars = rest.chars();
                match (chars.next()?, chars.next()) {
                    (c, None) => KeyCode::Char(c),
                    ('f' | 'F', Some(_)) => {
                        let number = rest[1..].parse().ok()?;
                        (1..=24).contains(&number).then_some(KeyCode::F(number))?
                    }
                    _ => return None,
                }
            }
        };
        Some(Self::of(KeyEvent::new(code, modifiers)))
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, word) in [
            (KeyModifiers::CONTROL, "Ctrl-"),
            (KeyModifiers::ALT, "Alt-"),
            (KeyModifiers::SHIFT, "Shift-"),
        ] {
            if self.modifiers.contains(modifier) {
                f.write_str(word)?;
            }
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("Space"),
            KeyCode::Char(c) if self.modifiers.contains(KeyModifiers::CONTROL) => {
                write!(f, "{}", c.to_ascii_uppercase())
            }
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::F(number) => write!(f, "F{number}"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            other => write!(f, "{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_shown() {
        for (written, shown) in [
            ("ctrl-c", "Ctrl-C"),
            ("shift-tab", "Shift-Tab"),
            ("alt-1", "Alt-1"),
            ("G", "G"),
            ("f1", "F1"),
            ("-", "-"),
            ("ctrl-home", "Ctrl-Home"),
            ("pageup", "PgUp"),
        ] {
            assert_eq!(
                Chord::parse(written).map(|c| c.to_string()).as_deref(),
                Some(shown)
            );
        }
        assert_eq!(Chord::parse("nonsense"), None);
        assert_eq!(Chord::parse("f99"), None);
        assert_eq!(Chord::parse("ctrl-"), None);
    }

    #[test]
    fn what_is_shown_can_be_written() {
        for shown in [
            "Ctrl-C",
            "Shift-Tab",
            "Alt-1",
            "G",
            "F1",
            "PgUp",
            "Space",
            "↑",
            "Esc",
        ] {
            assert_eq!(Chord::parse(shown).unwrap().to_string(), shown);
        }
        assert_eq!(Chord::parse("shift-g"), Chord::parse("G"));
    }

    #[test]
    fn back_tab_is_shift_tab() {
        let event = KeyEvent::new(KeyCode::BackTab, KeyModifiers::NONE);
        assert_eq!(Some(Chord::of(event)), Chord::parse("shift-tab"));
    }
}
