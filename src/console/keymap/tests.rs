use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use ratatui::crossterm::event::{KeyCode, KeyModifiers};

use super::*;

fn key(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
    KeyEvent::new(code, modifiers)
}

#[test]
fn every_key_of_the_table_is_understood() {
    for (context, keys, action, _) in TABLE {
        for written in keys.split(' ') {
            assert!(
                Chord::parse(written).is_some(),
                "{context:?} {action:?}: {written}"
            );
        }
    }
}

#[test]
fn no_key_has_two_meanings_in_one_context() {
    let keymap = Keymap::default();
    let mut seen = std::collections::HashSet::new();
    for row in &keymap.rows {
        for chord in &row.chords {
            assert!(
                seen.insert((row.context, *chord)),
                "{chord} means two things in {:?}",
                row.context
            );
        }
    }
}

#[test]
fn letters_are_text_in_the_prompt_and_commands_elsewhere() {
    let keymap = Keymap::default();
    let q = key(KeyCode::Char('q'), KeyModifiers::NONE);
    assert_eq!(keymap.action(Context::Prompt, q), None);
    assert_eq!(keymap.action(Context::Pool, q), Some(Action::Quit));
}

#[test]
fn a_dialog_takes_no_keys_from_what_lies_below() {
    let keymap = Keymap::default();
    let tab = key(KeyCode::Tab, KeyModifiers::NONE);
    assert_eq!(keymap.action(Context::Confirm, tab), None);
}

#[test]
fn upper_case_needs_no_shift_flag() {
    let keymap = Keymap::default();
    for modifiers in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
        let key = key(KeyCode::Char('W'), modifiers);
        assert_eq!(keymap.action(Context::Pool, key), Some(Action::MoreWeight));
    }
}

/// The key table as the docs have it.
fn documented() -> String {
    let keymap = Keymap::default();
    let mut out = String::new();
    for context in Context::ALL {
        write!(out, "\n**{}** (`{}`)\n\n", context.title(), context.name()).unwrap();
        out.push_str("| keys | what they do | in the config |\n|---|---|---|\n");
        for row in keymap.rows.iter().filter(|row| row.context == context) {
            let keys = row
                .chords
                .iter()
                .map(|chord| match chord.to_string().as_str() {
                    "`" => "`` ` ``".to_owned(),
                    key => format!("`{key}`"),
                });
            let keys: Vec<String> = keys.collect();
            let (about, name) = (row.action.about(), row.action.name());
            writeln!(out, "| {} | {about} | `{name}` |", keys.join(" ")).unwrap();
        }
    }
    out
}

#[test]
fn the_keys_in_the_docs_are_the_real_ones() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/console.md");
    let docs = fs::read_to_string(&path).unwrap();
    let (before, rest) = docs
        .split_once("cargo test --lib the_keys_in_the_docs` -->\n")
        .unwrap();
    let (keys, after) = rest.split_once("<!-- end of keys -->").unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let whole = format!(
            "{before}cargo test --lib the_keys_in_the_docs` -->\n{}\n<!-- end of keys -->{after}",
            documented()
        );
        fs::write(&path, whole).unwrap();
        return;
    }
    assert_eq!(
        keys.trim(),
        documented().trim(),
        "run it with UPDATE_DOCS=1 to write them anew"
    );
}

#[test]
fn the_keys_in_the_readmes_do_something() {
    let keymap = Keymap::default();
    let mut checked = 0;
    for name in ["README.md", "README.zh.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = fs::read_to_string(path).unwrap();
        let table = text.split("Ctrl-J").next().unwrap().len();
        let start = text[..table].rfind("| Enter").unwrap();
        for row in text[start..]
            .lines()
            .take_while(|line| line.starts_with('|'))
        {
            let keys = row.split('|').nth(1).unwrap();
            let keys = keys
                .split("(in")
                .next()
                .unwrap()
                .split('（')
                .next()
                .unwrap();
            let words = keys.split([' ', '·', '、', '`', '，']);
            for written in words.map(|word| word.trim_matches([',', ' '])) {
                let Some(chord) = Chord::parse(written) else {
                    continue;
                };
                let is_there = keymap.rows.iter().any(|row| row.chords.contains(&chord));
                assert!(is_there, "{name}: nothing has the key '{written}': {row}");
                checked += 1;
            }
        }
    }
    assert!(checked > 60, "{checked} keys looked at");
}
