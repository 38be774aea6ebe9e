//! `docs/invariants.md` names the tests that hold the driver to its promises; here each name is looked up in the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the file of a test's module: `a/b.rs`, or where its parent has it inside.
fn source(modules: &[&str]) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    (1..=modules.len()).rev().find_map(|count| {
        let file = root.join(modules[..count].join("/")).with_extension("rs");
        file.is_file().then_some(file)
    })
}

#[test]
fn every_test_that_is_named_is_there() {
    let table = include_str!("../../docs/invariants.md");
    let named: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        let parts: Vec<&str> = name.split("::").collect();
        let (test, modules) = parts.split_last().unwrap();
        let file = source(modules).unwrap_or_else(|| panic!("{name}: there is no such module"));
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let at = lines
            .iter()
            .position(|line| line.contains(&format!("fn {test}(")));
        let at = at.unwrap_or_else(|| panic!("{name} is not in {}", file.display()));
        let marked = lines[at.saturating_sub(4)..at]
            .iter()
            .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
        assert!(marked, "{name} is not a test");
    }
    for number in 1..=24 {
        assert!(
            table.contains(&format!("I{number}")),
            "I{number} is missing"
        );
    }
}
