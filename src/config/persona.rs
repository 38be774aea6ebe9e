//! One `[[personas]]` entry: who the model is to be, and what both sides are called.

use serde::{Deserialize, Serialize};

use super::findings::Findings;
use super::names::Names;
use super::overlay;
use super::problem::Problem;
use super::table::Table;

/// A persona: a system prompt with names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Persona {
    /// What it is chosen by.
    pub name: String,
    /// The system prompt.
    pub prompt: String,
    /// What the model is called; empty takes the persona's name.
    pub role_name: String,
    /// What the person is called; empty takes "you".
    pub you_name: String,
}

/// Reads one entry; `None` when something is wrong, which is then noted.
pub(super) fn read(
    mut table: Table<'_>,
    taken: &mut Names,
    findings: &mut Findings,
) -> Option<Persona> {
    let problems_before = findings.problems.len();
    match table.take::<String>("name", findings) {
        Some(given) => {
            if given.value.trim().is_empty() || given.value.chars().any(char::is_control) {
                findings.push(given.problem("a persona's name is text on one line, and not empty"));
            }
            taken.take(&given, findings);
            let mut persona = Persona {
                name: given.value,
                ..Persona::default()
            };
            table.rename(format!("personas.{}", persona.name));
            persona = overlay::fields(persona, &mut table, findings);
            table.finish(findings);
            (findings.problems.len() == problems_before).then_some(persona)
        }
        None => {
            if findings.problems.len() == problems_before {
                let problem = Problem::new(table.place(), table.path(), "'name' is missing");
                findings.push(
                    problem.with_right("give each persona a name, such as name = \"teacher\""),
                );
            }
            None
        }
    }
}
