//! Files: read for a question, looked up for a completion, written for an export. All of it blocks, so it is done in
//! threads of its own.

mod glob;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::base::{Error, ErrorKind, clean_line};
use crate::console::state::quoted::Quoted;
use crate::console::text;

/// The largest file that is quoted, in bytes.
const LARGEST: u64 = 256 << 10;
/// The most that is quoted at once, in bytes.
const MOST_TOGETHER: usize = 1 << 20;
/// The most files that are quoted at once.
const MOST_FILES: usize = 50;
/// The most names that a completion offers.
const MOST_NAMES: usize = 40;

/// Reads the files that a path, or a pattern, names.
///
/// # Errors
/// `invalid_request`, in a sentence: nothing there, a folder, too large, too many, not text.
pub(crate) fn read(path: &str) -> Result<Vec<Quoted>, Error> {
    let is_pattern = path.contains(['*', '?', '[']) && !home(path).exists();
    if !is_pattern {
        return Ok(vec![read_one(&home(path), path)?]);
    }
    let found = glob::files(&home(path).to_string_lossy(), MOST_FILES + 1);
    if found.is_empty() {
        return Err(refused(format!("no file matches {path}"))
            .with_hint("'*' stands for any name, '**' for any folders"));
    }
    if found.len() > MOST_FILES {
        return Err(
            refused(format!("{path} matches more than {MOST_FILES} files"))
                .with_hint("name fewer of them"),
        );
    }
    let mut quoted = Vec::new();
    let mut together = 0;
    for path in found {
        let file = read_one(&path, &path.to_string_lossy())?;
        together += file.text.len();
        if together > MOST_TOGETHER {
            let most = text::count(MOST_TOGETHER as u64);
            return Err(
                refused(format!("these files have more than {most}B together"))
                    .with_hint("name fewer of them"),
            );
        }
        quoted.push(file);
    }
    Ok(quoted)
}

fn read_one(path: &Path, name: &str) -> Result<Quoted, Error> {
    let name = clean_line(name);
    let unreadable = |error: std::io::Error| {
        let what = match error.kind() {
            std::io::ErrorKind::NotFound => format!("there is no file {name}"),
            std::io::ErrorKind::PermissionDenied => format!("{name} must not be read"),
            _ => format!("{name} cannot be read: {error}"),
        };
        refused(what).with_hint("Tab completes a path")
    };
    let meta = fs::metadata(path).map_err(unreadable)?;
    if meta.is_dir() {
        return Err(
            refused(format!("{name} is a folder")).with_hint("'FOLDER/*' quotes what is in it")
        );
    }
    if !meta.is_file() {
        return Err(refused(format!("{name} is not a file")));
    }
    if meta.len() > LARGEST {
        return Err(too_large(&name, meta.len()));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    // It may have grown since, or tell no size at all.
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large(&name, bytes.len() as u64));
    }
    if bytes.contains(&0) {
        return Err(binary(&name));
    }
    let text = String::from_utf8(bytes).map_err(|_| binary(&name))?;
    Ok(Quoted { name, text })
}

/// Finds what a path that is being typed can become; folders end with a slash.
pub(crate) fn complete(path: &str) -> Vec<String> {
    let (folder, begun) = path.rsplit_once('/').map_or(("", path), |(folder, begun)| {
        (&path[..=folder.len()], begun)
    });
    let place = if folder.is_empty() { "." } else { folder };
    let Ok(entries) = fs::read_dir(home(place)) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let hidden = name.starts_with('.') && !begun.starts_with('.');
            if hidden || !name.starts_with(begun) || name.chars().any(char::is_control) {
                return None;
            }
            let slash = if entry.path().is_dir() { "/" } else { "" };
            Some(format!("{folder}{name}{slash}"))
        })
        .collect();
    names.sort_unstable();
    names.truncate(MOST_NAMES);
    names
}

/// Writes a text into a new file and returns its path.
///
/// # Errors
/// `invalid_request`, in a sentence: the file is there already, or cannot be written.
pub(crate) fn save(path: &str, text: &str) -> Result<String, Error> {
    use std::io::Write as _;
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(home(path));
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => Ok(clean_line(path)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(refused(format!("{path} is there already")).with_hint("save it by another name"))
        }
        Err(error) => Err(refused(format!("{path} cannot be written: {error}"))
            .with_hint("save it in a folder that is there and yours")),
    }
}

/// Puts the home folder in for a leading `~`.
fn home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), etcetera::home_dir()) {
        (Some(rest), Ok(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

fn refused(what: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, what).with_hint("nothing was changed")
}

fn too_large(name: &str, bytes: u64) -> Error {
    let (is, most) = (text::count(bytes), text::count(LARGEST));
    refused(format!(
        "{name} has {is}B, and {most}B is the most that is quoted"
    ))
    .with_hint("quote the part that matters")
}

fn binary(name: &str) -> Error {
    refused(format!("{name} is not text")).with_hint("only text files can be quoted")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        fs::create_dir_all(folder.path().join("src/deep")).unwrap();
        write("src/a.rs", b"fn a() {}\n");
        write("src/deep/b.rs", b"fn b() {}\n");
        write("src/c.txt", b"```\ncode\n```\n");
        write("picture.png", b"\x89PNG\0\0");
        write("latin1.txt", b"caf\xe9");
        write("big.log", &vec![b'x'; (LARGEST + 1) as usize]);
        folder
    }

    fn names(found: &[Quoted]) -> Vec<&str> {
        found
            .iter()
            .map(|file| file.name.rsplit('/').next().unwrap())
            .collect()
    }

    #[test]
    fn one_file_many_files_and_files_below_are_read() {
        let folder = folder();
        let path = |end: &str| format!("{}/{end}", folder.path().display());
        assert_eq!(names(&read(&path("src/a.rs")).unwrap()), ["a.rs"]);
        assert_eq!(names(&read(&path("src/*.rs")).unwrap()), ["a.rs"]);
        assert_eq!(names(&read(&path("**/*.rs")).unwrap()), ["a.rs", "b.rs"]);
        assert_eq!(names(&read(&path("src/?.*")).unwrap()), ["a.rs", "c.txt"]);
    }

    #[test]
    fn what_cannot_be_quoted_is_refused_with_a_sentence() {
        let folder = folder();
        for (name, says) in [
            ("picture.png", "is not text"),
            ("latin1.txt", "is not text"),
            ("big.log", "is the most that is quoted"),
            ("nothing", "there is no file"),
            ("src", "is a folder"),
            ("*.zip", "no file matches"),
        ] {
            let path = format!("{}/{name}", folder.path().display());
            let error = read(&path).unwrap_err();
            assert!(error.message().contains(says), "{name}: {error}");
        }
    }

    #[test]
    fn a_quoted_file_cannot_close_its_fence() {
        let folder = folder();
        let path = format!("{}/src/c.txt", folder.path().display());
        let quote = read(&path).unwrap()[0].quote();
        assert!(quote.contains("\n````txt\n```\ncode\n```\n````"), "{quote}");
    }

    #[test]
    fn paths_are_completed_and_folders_end_with_a_slash() {
        let folder = folder();
        let path = |end: &str| format!("{}/{end}", folder.path().display());
        assert_eq!(complete(&path("s")), [path("src/")]);
        assert_eq!(
            complete(&path("src/")),
            [path("src/a.rs"), path("src/c.txt"), path("src/deep/")]
        );
        assert!(complete(&path("none/")).is_empty());
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = folder();
        let path = format!("{}/out.md", folder.path().display());
        save(&path, "one").unwrap();
        let error = save(&path, "two").unwrap_err();
        assert!(error.message().contains("there already"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
    }
}
