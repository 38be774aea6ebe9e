//! What a console remembers from run to run beside conversations: the theme that was chosen, the hints that were given.
//!
//! One small file in the state folder. A file that cannot be read is as good as none, and nothing depends on it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::{Error, ErrorKind};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 << 10;

/// What is remembered, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    file: Option<PathBuf>,
    writes: bool,
    pub(crate) notes: Notes,
}

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Notes {
    /// The theme that was chosen in the console.
    pub(crate) theme: Option<String>,
    /// Whether its background is painted, where somebody said so.
    pub(crate) paint: Option<bool>,
    /// The hints that were given.
    pub(crate) hints: BTreeSet<String>,
}

impl Memory {
    /// Reads what is remembered in `file`; with `writes` false nothing is ever written there.
    pub fn open(file: PathBuf, writes: bool) -> Self {
        Self {
            notes: read(&file).unwrap_or_default(),
            file: Some(file),
            writes,
        }
    }

    /// Tells whether what is noted now is still known in the next run.
    pub(crate) fn lasts(&self) -> bool {
        self.file.is_some() && self.writes
    }

    /// Writes it down.
    ///
    /// # Errors
    /// `config`, in a sentence, when the file cannot be written.
    pub(crate) fn write(&self) -> Result<(), Error> {
        let Some(file) = self.file.as_deref().filter(|_| self.writes) else {
            return Ok(());
        };
        write(file, &self.notes).map_err(|error| {
            let message = format!("{} cannot be written: {error}", file.display());
            Error::new(ErrorKind::Config, message)
                .with_hint("what was chosen holds until you leave")
        })
    }
}

fn read(file: &Path) -> Option<Notes> {
    let mut text = String::new();
    let file = fs::File::open(file).ok()?;
    file.take(LARGEST).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Writes the whole file or nothing: another console may read it at this moment.
fn write(file: &Path, notes: &Notes) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let early = file.with_extension(format!("{}.new", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let text = serde_json::to_string_pretty(notes)?;
    let written = options
        .open(&early)
        .and_then(|mut new| new.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&early, file));
    if written.is_err() {
        // It may not even be there.
        let _ = fs::remove_file(&early);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes() -> Notes {
        Notes {
            theme: Some("nord".to_owned()),
            paint: None,
            hints: ["answer".to_owned()].into(),
        }
    }

    #[test]
    fn what_is_written_is_known_again_and_for_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/console.json");
        let mut memory = Memory::open(file.clone(), true);
        assert!(memory.lasts());
        memory.notes = notes();
        memory.write().unwrap();
        assert_eq!(Memory::open(file.clone(), true).notes, notes());
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_private_run_reads_and_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("console.json");
        let mut memory = Memory::open(file.clone(), false);
        memory.notes = notes();
        memory.write().unwrap();
        assert!(!file.exists() && !memory.lasts());
    }

    #[test]
    fn a_broken_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("console.json");
        for text in ["", "{", "[1]", "{\"theme\": 5}"] {
            fs::write(&file, text).unwrap();
            assert_eq!(Memory::open(file.clone(), true).notes, Notes::default());
        }
        fs::write(&file, "{\"theme\": \"nord\", \"later\": 1}").unwrap();
        let memory = Memory::open(file, true);
        assert_eq!(memory.notes.theme.as_deref(), Some("nord"));
    }
}
