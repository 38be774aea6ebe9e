//! The draft in an editor of the person's own: the terminal is handed over and taken back.

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;

use crate::base::{Error, ErrorKind};

/// The most that is taken back, in bytes.
const LARGEST: usize = 8 << 20;

/// A file for the draft, readable by its owner alone, gone when dropped.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        // It lies in the folder for such files; the system clears it if this fails.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Draft {
    fn new(text: &str) -> io::Result<Self> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut number: u64 = rand::random();
        loop {
            let path = env::temp_dir().join(format!("llmdeck-{number:016x}.md"));
            match options.open(&path) {
                Ok(mut file) => {
                    let draft = Self(path);
                    file.write_all(text.as_bytes())?;
                    return Ok(draft);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    number = number.wrapping_add(1);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Runs the editor on a text, and returns what was saved.
///
/// # Errors
/// `config`, in a sentence: no editor, one that failed, or a text that cannot be taken back.
pub(super) async fn run(text: String) -> Result<String, Error> {
    let command = ["VISUAL", "EDITOR"]
        .into_iter()
        .find_map(|name| env::var(name).ok().filter(|value| !value.trim().is_empty()))
        .unwrap_or_else(|| "vi".to_owned());
    let fails = |what: String| {
        Error::new(ErrorKind::Config, what).with_hint("$VISUAL or $EDITOR names the editor")
    };
    let draft = Draft::new(&text)
        .map_err(|error| fails(format!("no file for the editor can be made: {error}")))?;
    // As git does it: the variable is a command line for the shell.
    let ended = tokio::process::Command::new("sh")
        .arg("-c")
        .arg(format!("{command} \"$1\""))
        .arg("sh")
        .arg(&draft.0)
        .status()
        .await
        .map_err(|error| fails(format!("the editor '{command}' cannot be started: {error}")))?;
    if !ended.success() {
        return Err(fails(format!("the editor '{command}' ended with {ended}")));
    }
    let bytes = tokio::fs::read(&draft.0)
        .await
        .map_err(|error| fails(format!("what was written cannot be read: {error}")))?;
    if bytes.len() > LARGEST {
        return Err(fails(
            "what was written is too large for a question".to_owned(),
        ));
    }
    String::from_utf8(bytes).map_err(|_| fails("what was written is not UTF-8 text".to_owned()))
}
