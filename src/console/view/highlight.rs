//! Colours for code, by what a word is and not by what a colour scheme says: scopes become roles of the theme.
//!
//! The grammars take some tens of milliseconds to load, so that happens on a thread of its own when the first block
//! of code with a known language is met (or before, by [`warm_up`]). Until then code is shown in one colour, and
//! [`generation`] tells drawn text that it should be drawn again.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ratatui::style::Style;
use syntect::parsing::{ParseState, Scope, ScopeStack, SyntaxReference, SyntaxSet};

use crate::console::theme::{Role, Theme};

/// A line longer than that, in bytes, is not coloured: it is data, and would take long.
const LONGEST_LINE: usize = 2_000;

/// After so many lines the rest of a block is not coloured.
const MOST_LINES: usize = 10_000;

static GRAMMARS: OnceLock<SyntaxSet> = OnceLock::new();
static LOADING: AtomicBool = AtomicBool::new(false);

/// What scopes mean, the innermost scope of a word that is here decides; of several the longest.
const MEANINGS: &[(&str, Role)] = &[
    ("comment", Role::SyntaxComment),
    ("constant", Role::SyntaxNumber),
    ("entity.name", Role::SyntaxType),
    ("entity.name.constant", Role::SyntaxNumber),
    ("entity.name.function", Role::SyntaxFunction),
    ("entity.name.macro", Role::SyntaxFunction),
    ("entity.name.tag", Role::SyntaxAttribute),
    ("entity.other.attribute-name", Role::SyntaxAttribute),
    ("entity.other.inherited-class", Role::SyntaxType),
    ("keyword", Role::SyntaxKeyword),
    ("keyword.operator", Role::SyntaxOperator),
    ("keyword.operator.word", Role::SyntaxKeyword),
    ("markup.deleted", Role::SyntaxDeleted),
    ("markup.heading", Role::Heading),
    ("markup.inserted", Role::SyntaxInserted),
    ("markup.raw", Role::Code),
    ("meta.annotation", Role::SyntaxAttribute),
    ("meta.diff.header", Role::Heading),
    ("meta.diff.range", Role::SyntaxAttribute),
    ("storage", Role::SyntaxKeyword),
    ("string", Role::SyntaxString),
    ("support.class", Role::SyntaxType),
    ("support.constant", Role::SyntaxNumber),
    ("support.function", Role::SyntaxFunction),
    ("support.macro", Role::SyntaxFunction),
    ("support.type", Role::SyntaxType),
    ("variable.annotation", Role::SyntaxAttribute),
    ("variable.function", Role::SyntaxFunction),
    ("variable.language", Role::SyntaxKeyword),
];

/// Starts to load the grammars, if nobody has; `ready` is called on another thread when they are there, so that what
/// is on the screen can be drawn again.
pub fn warm_up(ready: impl FnOnce() + Send + 'static) {
    if LOADING.swap(true, Ordering::AcqRel) {
        return;
    }
    let load = move || {
        GRAMMARS.get_or_init(two_face::syntax::extra_newlines);
        ready();
    };
    let started = thread::Builder::new()
        .name("grammars".to_owned())
        .spawn(load);
    if let Err(error) = started {
        tracing::warn!(%error, "code is shown without colours");
    }
}

/// Returns a number that changes when code that was drawn would now be drawn in other colours.
pub fn generation() -> u64 {
    u64::from(GRAMMARS.get().is_some())
}

fn grammars() -> Option<&'static SyntaxSet> {
    if cfg!(test) {
        // A test must not depend on which thread is faster.
        return Some(GRAMMARS.get_or_init(two_face::syntax::extra_newlines));
    }
    if GRAMMARS.get().is_none() {
        warm_up(|| {});
    }
    GRAMMARS.get()
}

/// Colours the lines of one block of code, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Highlighter(Option<Open>);

#[derive(Clone, Debug)]
struct Open {
    state: ParseState,
    scopes: ScopeStack,
    lines: usize,
}

impl Highlighter {
    /// Makes one for a language by the name that a fence gives it; an unknown one is not coloured.
    pub(crate) fn new(language: &str) -> Self {
        if language.is_empty() {
            return Self(None);
        }
        let syntax = grammars().and_then(|grammars| syntax_of(grammars, language));
        Self(syntax.map(|syntax| Open {
            state: ParseState::new(syntax),
            scopes: ScopeStack::new(),
            lines: 0,
        }))
    }

    /// Colours the next line, given without its end; joined the pieces are the line.
    pub(crate) fn line(&mut self, line: &str, theme: &Theme) -> Vec<(Style, String)> {
        let pieces = self.pieces(line);
        if pieces.is_none() {
            self.0 = None;
        }
        pieces
            .unwrap_or_else(|| vec![(Role::CodeBlock, line.to_owned())])
            .into_iter()
            .map(|(role, piece)| (theme.style(role), piece))
            .collect()
    }

    /// Cuts a line where the role changes; nothing when it cannot, or may not, be read.
    fn pieces(&mut self, line: &str) -> Option<Vec<(Role, String)>> {
        let open = self.0.as_mut()?;
        open.lines += 1;
        if line.len() > LONGEST_LINE || open.lines > MOST_LINES {
            return None;
        }
        let ended = format!("{line}\n");
        let changes = open.state.parse_line(&ended, GRAMMARS.get()?).ok()?;
        let mut pieces: Vec<(Role, String)> = Vec::new();
        let mut start = 0;
        let mut add = |from: usize, to: usize, scopes: &ScopeStack| {
            let Some(piece) = line.get(from..to).filter(|piece| !piece.is_empty()) else {
                return;
            };
            let role = role_of(scopes);
            match pieces.last_mut() {
                Some((last, text)) if *last == role => text.push_str(piece),
                _ => pieces.push((role, piece.to_owned())),
            }
        };
        for (at, change) in changes {
            let at = at.min(line.len());
            add(start, at, &open.scopes);
            open.scopes.apply(&change).ok()?;
            start = at.max(start);
        }
        add(start, line.len(), &open.scopes);
        Some(pieces)
    }
}

fn syntax_of<'a>(grammars: &'a SyntaxSet, language: &str) -> Option<&'a SyntaxReference> {
    let language = language.to_ascii_lowercase();
    let token = match language.as_str() {
        "text" | "txt" | "plain" | "plaintext" | "none" | "output" | "log" => return None,
        "shell" | "console" | "shellsession" | "terminal" | "zsh" | "ksh" => "bash",
        "golang" => "go",
        "python3" | "py3" => "python",
        "jsonc" | "json5" | "jsonl" | "ndjson" => "json",
        "c#" => "cs",
        "objective-c" | "objc" => "m",
        "vue" | "svelte" => "html",
        other => other,
    };
    grammars.find_syntax_by_token(token)
}

/// [`MEANINGS`], ready to be compared.
struct Meanings {
    known: Vec<(Scope, Role)>,
    key: Option<Scope>,
}

impl Meanings {
    fn get() -> &'static Self {
        static ALL: OnceLock<Meanings> = OnceLock::new();
        ALL.get_or_init(|| Self {
            known: MEANINGS
                .iter()
                .filter_map(|(name, role)| Some((Scope::new(name).ok()?, *role)))
                .collect(),
            key: Scope::new("meta.mapping.key").ok(),
        })
    }

    fn of(&self, scope: Scope) -> Option<Role> {
        let fitting = self
            .known
            .iter()
            .filter(|(known, _)| known.is_prefix_of(scope));
        let longest = fitting.max_by_key(|(known, _)| known.len());
        longest.map(|(_, role)| *role)
    }
}

fn role_of(scopes: &ScopeStack) -> Role {
    let meanings = Meanings::get();
    let scopes = scopes.as_slice();
    // A key is a string too, but what it is for says more.
    let is_key = |scope: &Scope| meanings.key.is_some_and(|key| key.is_prefix_of(*scope));
    if scopes.iter().any(is_key) {
        return Role::SyntaxAttribute;
    }
    let mut inner_first = scopes.iter().rev();
    inner_first
        .find_map(|scope| meanings.of(*scope))
        .unwrap_or(Role::CodeBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(language: &str, code: &str) -> Vec<(Role, String)> {
        let mut highlighter = Highlighter::new(language);
        let lines = code.lines();
        lines
            .flat_map(|line| {
                let pieces = highlighter.pieces(line);
                pieces.unwrap_or_else(|| vec![(Role::CodeBlock, line.to_owned())])
            })
            .collect()
    }

    fn role(language: &str, code: &str, word: &str) -> Role {
        let found = roles(language, code);
        let piece = found.iter().find(|(_, text)| text.contains(word));
        piece.unwrap_or_else(|| panic!("{word} in {found:?}")).0
    }

    #[test]
    fn words_get_the_roles_they_have() {
        let rust = "// note\nfn main() { let x: Vec<u8> = vec![\"a\"; 12]; }";
        assert_eq!(role("rust", rust, "note"), Role::SyntaxComment);
        assert_eq!(role("rust", rust, "fn"), Role::SyntaxKeyword);
        assert_eq!(role("rust", rust, "main"), Role::SyntaxFunction);
        assert_eq!(role("rust", rust, "\"a\""), Role::SyntaxString);
        assert_eq!(role("rust", rust, "12"), Role::SyntaxNumber);
        let json = "{\n  \"key\": \"value\", \"n\": 1\n}";
        assert_eq!(role("json", json, "key"), Role::SyntaxAttribute);
        assert_eq!(role("json", json, "value"), Role::SyntaxString);
        let diff = "--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new";
        assert_eq!(role("diff", diff, "old"), Role::SyntaxDeleted);
        assert_eq!(role("diff", diff, "new"), Role::SyntaxInserted);
    }

    #[test]
    fn the_names_models_use_are_known() {
        for language in [
            "rust",
            "python",
            "py",
            "python3",
            "js",
            "javascript",
            "ts",
            "typescript",
            "tsx",
            "bash",
            "sh",
            "shell",
            "console",
            "json",
            "yaml",
            "yml",
            "toml",
            "go",
            "golang",
            "c",
            "cpp",
            "c++",
            "cs",
            "c#",
            "java",
            "kotlin",
            "swift",
            "ruby",
            "php",
            "sql",
            "html",
            "css",
            "xml",
            "dockerfile",
            "makefile",
            "diff",
            "ini",
            "lua",
            "markdown",
            "powershell",
            "Rust",
            "HTML",
            "zig",
            "haskell",
            "r",
        ] {
            assert!(Highlighter::new(language).0.is_some(), "{language}");
        }
        for language in ["text", "plaintext", "", "no-such-language"] {
            assert!(Highlighter::new(language).0.is_none(), "{language}");
        }
    }

    #[test]
    fn what_is_open_goes_on_in_the_next_line() {
        let found = roles("rust", "/* one\ntwo */ let");
        assert_eq!(found[1].0, Role::SyntaxComment);
        assert_eq!(found.last().unwrap().0, Role::SyntaxKeyword);
    }

    #[test]
    fn a_line_stays_whole_whatever_it_is() {
        for (language, line) in [
            ("rust", "let 你 = \"好\"; // 👩\u{200d}💻"),
            ("json", "}}}{{{\"\\"),
            ("bash", "echo \"$(echo `x` ${y"),
            ("html", "<a <b =\"'"),
        ] {
            let joined: String = roles(language, line)
                .into_iter()
                .map(|(_, text)| text)
                .collect();
            assert_eq!(joined, line);
        }
    }

    #[test]
    fn a_line_of_data_ends_the_colouring() {
        let theme = Theme::no_color();
        let mut highlighter = Highlighter::new("json");
        assert_eq!(
            highlighter.line(&"1,".repeat(LONGEST_LINE), &theme).len(),
            1
        );
        assert!(highlighter.0.is_none());
        assert_eq!(highlighter.line("{\"a\": 1}", &theme).len(), 1);
    }
}
