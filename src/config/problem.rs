//! What is wrong with a config: where, which key, which value, which rule, and what would be right.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::{clean_line, shorten};

/// The longest value repeated in a message, in characters.
const LONGEST_VALUE: usize = 80;

/// Where a setting comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Nobody set it.
    #[default]
    Default,
    /// A line of a config file.
    File {
        /// The file.
        path: Arc<Path>,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// An environment variable, by name.
    Variable(String),
    /// A flag of the command line, as it is written.
    Flag(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// The key in dotted form, empty for the file as a whole.
    pub key: String,
    /// The value as it was written, where there is one and it is no secret.
    pub value: Option<String>,
    /// The rule that it breaks.
    pub rule: String,
    /// What would be right.
    pub right: Option<String>,
}

impl Problem {
    /// Makes a problem; text from the file is cleaned of control characters.
    pub fn new(place: Place, key: impl AsRef<str>, rule: impl AsRef<str>) -> Self {
        Self {
            place,
            key: clean_line(key.as_ref()),
            value: None,
            rule: clean_line(rule.as_ref()),
            right: None,
        }
    }

    /// Adds the value as it was written.
    #[must_use]
    pub fn with_value(mut self, value: impl AsRef<str>) -> Self {
        self.value = Some(shorten(&clean_line(value.as_ref()), LONGEST_VALUE));
        self
    }

    /// Adds what would be right.
    #[must_use]
    pub fn with_right(mut self, right: impl AsRef<str>) -> Self {
        self.right = Some(clean_line(right.as_ref()));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place != Place::Default {
            write!(f, "{}: ", self.place)?;
        }
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = {value}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.rule)
    }
}

/// Everything that is wrong with a config; nothing starts with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Wraps what was found, in the order of the file; `None` when nothing was.
    pub fn of(mut problems: Vec<Problem>) -> Option<Self> {
        problems.sort_by_key(|problem| match &problem.place {
            Place::File { line, column, .. } => (*line, *column),
            Place::Default | Place::Variable(_) | Place::Flag(_) => (usize::MAX, 0),
        });
        (!problems.is_empty()).then_some(Self(problems))
    }

    /// Returns them in the order of the file.
    pub fn list(&self) -> &[Problem] {
        &self.0
    }

    /// Returns the file they stand in, when they stand in one.
    pub fn file(&self) -> Option<PathBuf> {
        self.0.iter().find_map(|problem| match &problem.place {
            Place::File { path, .. } => Some(path.to_path_buf()),
            Place::Default | Place::Variable(_) | Place::Flag(_) => None,
        })
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [_] => f.write_str("the config is wrong, nothing was started")?,
            several => write!(
                f,
                "the config is wrong in {} places, nothing was started",
                several.len()
            )?,
        }
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
            if let Some(right) = &problem.right {
                write!(f, "\n      {right}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Returns a sentence that names the nearest known word, and all of them when they are few.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> String {
    const FAR: f64 = 0.72;
    const FEW: usize = 10;
    const MANY: usize = 30;
    let likeness = |candidate: &&&str| strsim::jaro_winkler(&word.to_lowercase(), candidate);
    let nearest = known
        .iter()
        .filter(|candidate| likeness(candidate) >= FAR)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let all = known.join(", ");
    match nearest {
        Some(nearest) if known.len() <= FEW => format!("did you mean '{nearest}'? known: {all}"),
        Some(nearest) => format!("did you mean '{nearest}'?"),
        None if known.is_empty() => "none is known".to_owned(),
        None if known.len() <= MANY => format!("known: {all}"),
        None => "see config.example.toml for every key".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_and_a_far_one_is_not() {
        let known = ["openai", "ollama", "zhipuai"];
        assert_eq!(
            did_you_mean("opnai", &known),
            "did you mean 'openai'? known: openai, ollama, zhipuai"
        );
        assert_eq!(did_you_mean("xq", &known), "known: openai, ollama, zhipuai");
    }

    #[test]
    fn a_problem_names_place_key_value_and_rule() {
        let place = Place::File {
            path: Path::new("a.toml").into(),
            line: 3,
            column: 9,
        };
        let problem = Problem::new(place, "pool.queue_limit", "a whole number is wanted")
            .with_value("\"\u{1b}[31mmany\"")
            .with_right("such as 256");
        assert_eq!(
            Problems::from(problem).to_string(),
            "the config is wrong, nothing was started\n  \
             a.toml:3:9: pool.queue_limit = \"\u{fffd}[31mmany\": a whole number is wanted\n      such as 256"
        );
    }
}
