//! Names that people give: which characters they have, and that each is used once.

use std::collections::BTreeMap;

use super::findings::Findings;
use super::problem::Place;
use super::table::Given;

/// The longest name, in characters.
const LONGEST: usize = 40;

/// The names that are taken so far, and where.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, Place>);

impl Names {
    /// Goes through all of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Takes a name; one that is taken already is noted.
    pub(super) fn take(&mut self, given: &Given<String>, findings: &mut Findings) {
        match self.0.get(&given.value) {
            Some(first) => {
                let problem = given.problem(format!("the name is taken already, at {first}"));
                findings.push(problem.with_right("give each one a name of its own"));
            }
            None => {
                self.0.insert(given.value.clone(), given.place.clone());
            }
        }
    }
}

/// Checks the characters of a name.
pub(super) fn check(name: &str) -> Result<(), &'static str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() {
        Err("a name is not empty")
    } else if !name.chars().all(is_plain) {
        Err("a name holds only letters, digits, '.', '_' and '-'")
    } else if name.len() > LONGEST {
        Err("a name has at most 40 characters")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_short() {
        assert!(check("gpt-4.1_east").is_ok());
        assert!(check("").is_err());
        assert!(check("two words").is_err());
        assert!(check("名").is_err());
        assert!(check(&"x".repeat(LONGEST + 1)).is_err());
    }
}
