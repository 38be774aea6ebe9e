//! Reads `[console.keys.CONTEXT]`: every key with its line, so that a conflict can name both.

use super::findings::Findings;
use super::problem::{Place, Problem, did_you_mean};
use super::table::Table;
use crate::console::{KeyProblem, Keys, Settings, check_keys, key_actions, key_contexts};

/// Takes the tables of keys out of `[console]`.
pub(super) fn read(console: &mut Settings, table: &mut Table<'_>, findings: &mut Findings) {
    let Some(mut keys) = table.take_table("keys", findings) else {
        return;
    };
    for context in key_contexts() {
        let Some(mut actions) = keys.take_table(context, findings) else {
            continue;
        };
        let read = actions.take_rest::<Keys>(findings);
        console
            .keys
            .insert((*context).to_owned(), read.into_iter().collect());
    }
    keys.finish(findings);
}

/// Tells what cannot be as it is set.
pub(super) fn check(console: &Settings, findings: &mut Findings) {
    for problem in check_keys(&console.keys) {
        let KeyProblem {
            context,
            action,
            mut rule,
            right,
            other,
        } = problem;
        let key = format!("console.keys.{context}.{action}");
        let place = findings.origins.get(&key).cloned().unwrap_or_default();
        if let Some((context, action)) = other {
            let other = format!("console.keys.{context}.{action}");
            if let Some(Place::File { line, .. }) = findings.origins.get(&other) {
                rule = format!("{rule}, set in line {line}");
            }
        }
        let right = right.unwrap_or_else(|| {
            let names = key_actions(&context);
            let known: Vec<&str> = names.iter().map(String::as_str).collect();
            did_you_mean(&action, &known)
        });
        findings.push(Problem::new(place, &key, rule).with_right(right));
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Env, Flags, load};

    fn problems(text: &str) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let flags = Flags {
            config: Some(path),
            ..Flags::default()
        };
        let Err(problems) = load(&Env::of([]), &flags) else {
            return Vec::new();
        };
        let file = format!("{}/", dir.path().display());
        let lines = problems.to_string().replace(&file, "");
        lines.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_conflict_names_both_lines() {
        let told =
            problems("[console.keys.pool]\ntoggle = 'x'\ndrain = ['x', 'ctrl-d']\n").join("\n");
        assert!(told.contains("config.toml:"), "{told}");
        assert!(told.contains("'x' is the key of"), "{told}");
        assert!(told.contains("set in line"), "{told}");
    }

    #[test]
    fn wrong_places_actions_and_keys_are_told_with_what_was_meant() {
        let told = problems(
            "[console.keys.pol]\nx = 'y'\n[console.keys.pool]\ntogle = 'x'\nprobe = 'hyper-q'\ndrain = 5\n",
        )
        .join("\n");
        assert!(told.contains("did you mean 'pool'"), "{told}");
        assert!(told.contains("did you mean 'toggle'"), "{told}");
        assert!(told.contains("'hyper-q' is not a key"), "{told}");
        assert!(told.contains("console.keys.pool.drain = 5"), "{told}");
    }

    #[test]
    fn right_keys_are_taken() {
        assert_eq!(
            problems("[console]\nlang = 'zh'\n[console.keys.pool]\ntoggle = 'x'\n"),
            Vec::<String>::new()
        );
    }
}
