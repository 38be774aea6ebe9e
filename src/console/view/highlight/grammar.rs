//! Reads code with a grammar: which stretch of a line has which role of the theme.

use std::sync::OnceLock;

use syntect::parsing::{ParseState, Scope, ScopeStack, SyntaxReference, SyntaxSet};

use crate::console::theme::Role;

/// A line longer than that, in bytes, is not coloured: it is data, and would take long.
const LONGEST_LINE: usize = 2_000;

/// After so many lines the rest of a block is not coloured.
const MOST_LINES: usize = 3_000;

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

/// Stretches of a line: each one's role, and its length in bytes.
pub(super) type Stretches = Vec<(Role, usize)>;

/// All grammars. Each is unpacked, and its expressions are compiled, when it is first used: tens of milliseconds.
pub(super) fn load() -> SyntaxSet {
    two_face::syntax::extra_newlines()
}

/// Reads the lines of one block of code, in order.
pub(super) struct Reader<'a> {
    grammars: &'a SyntaxSet,
    state: ParseState,
    scopes: ScopeStack,
    lines: usize,
}

impl<'a> Reader<'a> {
    /// Makes one for a language by the name that a fence gives it; nothing for an unknown one.
    pub(super) fn new(grammars: &'a SyntaxSet, language: &str) -> Option<Self> {
        let syntax = syntax_of(grammars, language)?;
        Some(Self {
            grammars,
            state: ParseState::new(syntax),
            scopes: ScopeStack::new(),
            lines: 0,
        })
    }

    /// Reads the next line, given without its end; nothing when it cannot, or may not, be read.
    pub(super) fn read(&mut self, line: &str) -> Option<Stretches> {
        self.lines += 1;
        if line.len() > LONGEST_LINE || self.lines > MOST_LINES {
            return None;
        }
        let ended = format!("{line}\n");
        let changes = self.state.parse_line(&ended, self.grammars).ok()?;
        let mut stretches = Stretches::new();
        let mut start = 0;
        for (at, change) in changes {
            let at = at.clamp(start, line.len());
            add(&mut stretches, at - start, &self.scopes);
            self.scopes.apply(&change).ok()?;
            start = at;
        }
        add(&mut stretches, line.len() - start, &self.scopes);
        Some(stretches)
    }
}

fn add(stretches: &mut Stretches, length: usize, scopes: &ScopeStack) {
    if length == 0 {
        return;
    }
    let role = role_of(scopes);
    match stretches.last_mut() {
        Some((last, so_far)) if *last == role => *so_far += length,
        _ => stretches.push((role, length)),
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

    fn grammars() -> &'static SyntaxSet {
        static GRAMMARS: OnceLock<SyntaxSet> = OnceLock::new();
        GRAMMARS.get_or_init(load)
    }

    fn roles(language: &str, code: &str) -> Vec<(Role, String)> {
        let mut reader = Reader::new(grammars(), language).unwrap();
        let mut found = Vec::new();
        for line in code.lines() {
            let mut start = 0;
            for (role, length) in reader.read(line).unwrap() {
                found.push((role, line[start..start + length].to_owned()));
                start += length;
            }
            assert_eq!(start, line.len());
        }
        found
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
    fn every_meaning_is_a_scope() {
        assert_eq!(Meanings::get().known.len(), MEANINGS.len());
        assert!(Meanings::get().key.is_some());
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
            assert!(syntax_of(grammars(), language).is_some(), "{language}");
        }
        for language in ["text", "plaintext", "no-such-language"] {
            assert!(syntax_of(grammars(), language).is_none(), "{language}");
        }
    }

    #[test]
    fn what_is_open_goes_on_in_the_next_line() {
        let found = roles("rust", "/* one\ntwo */ let");
        assert_eq!(found[1].0, Role::SyntaxComment);
        assert_eq!(found.last().unwrap().0, Role::SyntaxKeyword);
    }

    #[test]
    fn any_line_is_covered_whatever_it_is() {
        for (language, line) in [
            ("rust", "let 你 = \"好\"; // 👩\u{200d}💻"),
            ("json", "}}}{{{\"\\"),
            ("bash", "echo \"$(echo `x` ${y"),
            ("html", "<a <b =\"'"),
        ] {
            roles(language, line);
        }
    }

    #[test]
    fn a_line_of_data_is_not_read() {
        let mut reader = Reader::new(grammars(), "json").unwrap();
        assert_eq!(reader.read(&"1,".repeat(LONGEST_LINE)), None);
    }
}
