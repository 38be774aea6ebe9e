//! Where an instance's key comes from: a variable, a file, or (least well) the config itself.

use std::io::Read;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::env::Env;
use super::findings::Findings;
use super::problem::Problem;
use super::table::{Given, Table};

/// The largest key file that is read, in bytes.
const LARGEST_KEY: u64 = 64 << 10;

/// Where a key came from. The key itself is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// It stands in the config file.
    Literal,
    /// An environment variable holds it.
    Variable(String),
    /// A file holds it.
    File(PathBuf),
}

impl std::fmt::Display for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Literal => f.write_str("config file"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

/// Reads `key`, `key_env` or `key_file`, of which at most one may stand.
pub(super) fn take(
    table: &mut Table<'_>,
    env: &Env,
    findings: &mut Findings,
) -> Option<(SecretString, KeySource)> {
    let literal = table.take_secret::<String>("key", findings);
    let variable = table.take::<String>("key_env", findings);
    let file = table.take::<String>("key_file", findings);
    let given: Vec<&Given<String>> = [&literal, &variable, &file].into_iter().flatten().collect();
    if let [first, second, ..] = given.as_slice() {
        let rule = format!("the key is given twice, here and as {}", first.key);
        findings.push(
            Problem::new(second.place.clone(), &second.key, rule)
                .with_right("keep one of key, key_env and key_file"),
        );
        return None;
    }
    let (given, source, key) = if let Some(given) = literal {
        let key = given.value.trim().to_owned();
        (given, KeySource::Literal, Ok(key))
    } else if let Some(mut given) = variable {
        given.shown.take_if(|_| !looks_like_a_name(&given.value));
        let key = from_variable(&given.value, env);
        let source = KeySource::Variable(given.value.clone());
        (given, source, key)
    } else {
        let given = file?;
        let path = resolve(table.document().path(), &given.value, env);
        if let Some(mode) = mode_for_others(&path) {
            findings.warnings.push(format!(
                "others can read the key file {0} (mode {mode:04o}); run: chmod 600 {0}",
                path.display()
            ));
        }
        let key = from_file(&path);
        (given, KeySource::File(path), key)
    };
    match key.and_then(|key| check(&key).map(|()| key)) {
        Ok(key) => Some((SecretString::from(key), source)),
        Err((rule, right)) => {
            findings.push(given.problem(rule).with_right(right));
            None
        }
    }
}

/// A rule that is broken, and what would be right.
type Broken = (String, String);

fn from_variable(name: &str, env: &Env) -> Result<String, Broken> {
    if let Some(key) = env.get(name) {
        return Ok(key.trim().to_owned());
    }
    Err(if looks_like_a_name(name) {
        (
            format!("the environment variable {name} is not set"),
            format!("run: export {name}=YOUR_KEY, or use key_file"),
        )
    } else {
        (
            "this is not the name of an environment variable".to_owned(),
            "write the variable's name, not the key itself; a key goes into a variable or a key_file".to_owned(),
        )
    })
}

/// Tells a variable's name from a key that was written in its place, which must not be repeated.
fn looks_like_a_name(text: &str) -> bool {
    const LONGEST_WORD: usize = 20;
    let is_word = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    is_word && starts_well && (text.len() <= LONGEST_WORD || text.contains('_'))
}

fn from_file(path: &Path) -> Result<String, Broken> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST_KEY).read_to_string(&mut text))
        .map_err(|error| {
            (
                format!("the key file '{}' cannot be read: {error}", path.display()),
                "write the path of a file that holds only the key".to_owned(),
            )
        })?;
    Ok(text.trim().to_owned())
}

fn check(key: &str) -> Result<(), Broken> {
    let right = "give the key alone, as the provider shows it".to_owned();
    if key.is_empty() {
        return Err(("the key is empty".to_owned(), right));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let rule = "the key holds a blank, a line break or another character that no key has";
        return Err((rule.to_owned(), right));
    }
    Ok(())
}

/// Returns the path of a file named in a config: `~/` is the home folder, a relative one starts at the config file.
pub(super) fn resolve(config: &Path, written: &str, env: &Env) -> PathBuf {
    let expanded = env.expand(written);
    match config.parent() {
        Some(folder) if expanded.is_relative() => folder.join(expanded),
        _ => expanded,
    }
}

/// Returns a file's mode when group or others may read or write it.
#[cfg(unix)]
pub(super) fn mode_for_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path)
        .ok()
        .filter(std::fs::Metadata::is_file)?;
    let mode = metadata.permissions().mode() & 0o7777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Returns nothing: this system has no such mode.
#[cfg(not(unix))]
pub(super) fn mode_for_others(_: &Path) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_written_as_a_variable_name_is_not_repeated() {
        for key in [
            "sk-abc.def",
            "0123456789abcdef",
            "abcdefghijklmnopqrstuvwxyz",
        ] {
            let (rule, right) = from_variable(key, &Env::default()).unwrap_err();
            assert!(!rule.contains(key) && !right.contains(key));
        }
    }

    #[test]
    fn paths_start_at_the_config_file_or_home() {
        let env = Env::of([("HOME", "/h")]);
        let config = Path::new("/etc/deck/config.toml");
        assert_eq!(resolve(config, "k", &env), Path::new("/etc/deck/k"));
        assert_eq!(resolve(config, "~/k", &env), Path::new("/h/k"));
        assert_eq!(resolve(config, "/k", &env), Path::new("/k"));
    }

    #[test]
    fn a_key_with_a_line_break_inside_is_refused() {
        assert!(check("abc\ndef").is_err());
        assert!(check("").is_err());
        assert!(check("sk-Az09_.=").is_ok());
    }
}
