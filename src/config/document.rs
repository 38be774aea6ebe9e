//! A config file as text, and where in it something stands.

use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use super::problem::{Place, Problem, Problems};

/// The largest config file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// The text of a config file.
pub(super) struct Document {
    path: Arc<Path>,
    text: String,
}

impl Document {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, Problems> {
        let path: Arc<Path> = path.into();
        let start = || Place::File {
            path: Arc::clone(&path),
            line: 1,
            column: 1,
        };
        let mut bytes = Vec::new();
        std::fs::File::open(&path)
            .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
            .map_err(|error| {
                let rule = format!("cannot read '{}': {error}", path.display());
                let right = "give a config file with --config FILE, or write one with 'llmdeck config init'";
                Problems::from(Problem::new(Place::Default, "", rule).with_right(right))
            })?;
        if bytes.len() as u64 > LARGEST {
            return Err(Problem::new(start(), "", "the file is larger than 1 MiB").into());
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes());
            Problems::from(
                Problem::new(place(&path, &text, good), "", "the file is not UTF-8 text")
                    .with_right("save it as UTF-8"),
            )
        })?;
        Ok(Self { path, text })
    }

    /// Stands for a config without a file.
    pub(super) fn nothing() -> Self {
        Self {
            path: Path::new("").into(),
            text: String::new(),
        }
    }

    /// Takes a text as if it stood in this file.
    pub(super) fn of_text(path: &Path, text: String) -> Self {
        let path = path.into();
        Self { path, text }
    }

    /// Takes a text as if it stood in a file.
    #[cfg(test)]
    pub(super) fn from_text(path: &str, text: &str) -> Self {
        Self::of_text(Path::new(path), text.to_owned())
    }

    /// Parses the TOML, keeping where everything stands.
    pub(super) fn parse(&self) -> Result<DeTable<'_>, Problems> {
        DeTable::parse(&self.text)
            .map(toml::Spanned::into_inner)
            .map_err(|error| {
                // The line itself is not repeated: it may hold a key.
                let at = error.span().map_or(0, |span| span.start);
                let rule = format!("this is not TOML: {}", error.message());
                Problems::from(Problem::new(self.place(at), "", rule))
            })
    }

    /// Returns the file's path, empty when there is no file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file's path, when there is a file.
    pub(super) fn file(&self) -> Option<&Path> {
        (!self.path.as_os_str().is_empty()).then_some(&self.path)
    }

    /// Returns line and column of a byte.
    pub(super) fn place(&self, at: usize) -> Place {
        place(&self.path, &self.text, at)
    }

    /// Returns a value as it was written.
    pub(super) fn excerpt(&self, span: Range<usize>) -> &str {
        self.text.get(span).unwrap_or_default()
    }
}

fn place(path: &Arc<Path>, text: &str, at: usize) -> Place {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place::File {
        path: Arc::clone(path),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_bytes() {
        let document = Document::from_text("a.toml", "x = 1\n名 = \"é\" oops");
        let problems = document.parse().unwrap_err();
        assert!(
            problems
                .to_string()
                .contains("a.toml:2:9: this is not TOML"),
            "{problems}"
        );
    }

    #[test]
    fn a_broken_line_with_a_key_is_not_repeated() {
        let document = Document::from_text("a.toml", "key = \"sk-very-secret\n");
        assert!(!document.parse().unwrap_err().to_string().contains("secret"));
    }

    #[test]
    fn a_file_that_is_not_utf8_is_refused_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, b"a = 1\nb = \"\xff\"\n").unwrap();
        let problems = Document::read(&path).err().unwrap();
        let told = problems.list()[0].to_string();
        assert!(told.ends_with(":2:6: the file is not UTF-8 text"), "{told}");
    }
}
