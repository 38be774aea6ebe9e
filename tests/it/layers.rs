//! Who may import whom, read from the sources: imports go only downward.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and what it may use of the others, besides itself. `base` is below all and may use none.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("wire", &["base"]),
    ("monitor", &["base"]),
    ("limit", &["base"]),
    ("prices", &["base"]),
    ("provider", &["base", "wire"]),
    ("pool", &["base", "limit"]),
    (
        "driver",
        &["base", "limit", "monitor", "pool", "prices", "provider"],
    ),
    ("deck", &["base", "driver"]),
    ("store", &["base"]),
    ("remote", &["base", "deck", "provider"]),
    ("export", &["base", "deck", "provider"]),
    ("notify", &["base", "deck", "provider"]),
    ("sim", &["base", "wire"]),
    // Of the pool it uses the names of the strategies.
    ("console", &["base", "deck", "pool"]),
    ("gateway", &["base", "deck", "limit", "remote", "wire"]),
    ("logging", &["base"]),
    (
        "config",
        &[
            "base", "limit", "monitor", "notify", "pool", "provider", "driver", "console",
            "gateway", "logging", "prices", "store", "wire",
        ],
    ),
    ("bench", &["base"]),
    ("simulate", &["base", "driver", "limit", "pool"]),
    (
        "cli",
        &[
            "base", "bench", "config", "console", "deck", "driver", "export", "gateway", "limit",
            "logging", "monitor", "notify", "pool", "prices", "provider", "remote", "sim",
            "simulate", "store", "wire",
        ],
    ),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Returns the code of a file without its tests, which may use anything, and without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns the modules that stand after `crate::` in a text, also in a group: `use crate::{a, b::c}`.
fn used(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => word.clear(),
                    c if depth == 0 && (c.is_alphanumeric() || c == '_') => word.push(c),
                    ':' if depth == 0 && !word.is_empty() => found.push(std::mem::take(&mut word)),
                    _ => {}
                }
            }
        } else {
            found.push(
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    found
}

#[test]
fn imports_go_only_downward() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rules: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 50, "the sources were found");
    let mut wrong = Vec::new();
    for path in files {
        let relative = path.strip_prefix(&src).unwrap();
        let first = relative.iter().next().unwrap().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        let is_test = relative.ends_with("tests.rs") || relative.iter().any(|part| part == "tests");
        if matches!(module, "lib" | "main") || is_test {
            continue;
        }
        let allowed = rules
            .get(module)
            .unwrap_or_else(|| panic!("module '{module}' is not in the table of layers"));
        for used in used(&code(&path)) {
            if used != module
                && rules.contains_key(used.as_str())
                && !allowed.contains(&used.as_str())
            {
                wrong.push(format!("{}: {module} uses {used}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_itself_has_no_circle() {
    let mut done: Vec<&str> = Vec::new();
    let mut left: Vec<(&str, &[&str])> = MAY_USE.to_vec();
    while !left.is_empty() {
        let before = left.len();
        left.retain(|(module, uses)| {
            let ready = uses.iter().all(|used| done.contains(used));
            if ready {
                done.push(module);
            }
            !ready
        });
        assert!(left.len() < before, "a circle among {left:?}");
    }
}

#[test]
fn inside_the_console_state_knows_no_colour_no_terminal_and_no_clock() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console");
    let mut files = vec![src.join("app.rs"), src.join("state.rs")];
    sources(&src.join("state"), &mut files);
    let mut wrong = Vec::new();
    for path in files.into_iter().filter(|path| path.exists()) {
        let code = code(&path);
        for forbidden in [
            "console::view",
            "console::theme",
            "super::view",
            "super::theme",
            "Instant::now",
            "SystemTime::now",
            "ratatui::style",
            "crossterm::terminal",
        ] {
            if code.contains(forbidden) {
                wrong.push(format!("{} uses {forbidden}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
