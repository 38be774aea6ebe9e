//! One SQLite file: opened for its owner alone, brought to today's schema after a backup, set aside when damaged.

use std::fs::{DirBuilder, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

use super::fault::{self, Remedy};
use crate::base::{Error, ErrorKind};

/// How long another program's writing is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// One step of a schema; the file's version is the number of steps it has taken.
pub(super) type Step = &'static str;

/// An open file.
#[derive(Debug)]
pub(super) struct Open {
    /// The connection.
    pub(super) connection: Connection,
    /// What should be known: that a damaged file was set aside.
    pub(super) note: Option<String>,
}

/// Opens a file, which is made when it is missing.
///
/// # Errors
/// When the folder cannot be used, or a newer program wrote the file.
pub(super) fn open(path: &Path, steps: &[Step]) -> Result<Open, Error> {
    if let Some(folder) = path.parent() {
        make_private_dir(folder).map_err(|error| fault::io(folder, &error))?;
    }
    match try_open(path, steps) {
        Ok(connection) => Ok(Open {
            connection,
            note: None,
        }),
        Err(Failed::Sqlite(error)) if fault::remedy(&error) == Remedy::SetAside => {
            let aside = set_aside(path).map_err(|error| fault::io(path, &error))?;
            let connection = try_open(path, steps).map_err(|failed| failed.told(path))?;
            let note = format!(
                "'{}' was damaged ({error}); it is kept as '{}', and a new one is begun",
                path.display(),
                aside.display()
            );
            tracing::error!("{note}");
            Ok(Open {
                connection,
                note: Some(note),
            })
        }
        Err(failed) => Err(failed.told(path)),
    }
}

enum Failed {
    Sqlite(rusqlite::Error),
    Told(Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failed {
    fn told(self, path: &Path) -> Error {
        match self {
            Self::Sqlite(error) => fault::told(path, &error),
            Self::Told(error) => error,
        }
    }
}

fn try_open(path: &Path, steps: &[Step]) -> Result<Connection, Failed> {
    touch_private(path).map_err(|error| Failed::Told(fault::io(path, &error)))?;
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update_and_check(None, "journal_size_limit", 16 << 20, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&mut connection, path, steps)?;
    Ok(connection)
}

/// Brings the schema to today's, in one step that either happens or does not.
fn migrate(connection: &mut Connection, path: &Path, steps: &[Step]) -> Result<(), Failed> {
    let found = version(connection)?;
    if found > steps.len() {
        let message = format!(
            "'{}' was written by a newer llmdeck (its schema is {found}, this one knows {})",
            path.display(),
            steps.len()
        );
        return Err(Failed::Told(
            Error::new(ErrorKind::Config, message)
                .with_hint("use the newer program, or set store.dir to another folder"),
        ));
    }
    if found == steps.len() {
        return Ok(());
    }
    if found > 0 {
        back_up(connection, path, found)?;
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another program may have been faster.
    let found = version(&transaction)?;
    for step in steps.iter().skip(found) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(
        None,
        "user_version",
        u32::try_from(steps.len()).unwrap_or(u32::MAX),
    )?;
    transaction.commit()?;
    Ok(())
}

fn version(connection: &Connection) -> Result<usize, rusqlite::Error> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Copies the file as it is before its schema changes.
fn back_up(connection: &Connection, path: &Path, version: usize) -> Result<(), Failed> {
    let copy = with_suffix(path, &format!(".schema-{version}"));
    let failed = |error: std::io::Error| Failed::Told(fault::io(&copy, &error));
    if copy.exists() {
        std::fs::remove_file(&copy).map_err(failed)?;
    }
    touch_private(&copy).map_err(failed)?;
    let mut target = Connection::open(&copy)?;
    rusqlite::backup::Backup::new(connection, &mut target)?.run_to_completion(
        1024,
        Duration::ZERO,
        None,
    )?;
    tracing::info!(copy = %copy.display(), "backed up before the schema changes");
    Ok(())
}

/// Moves a damaged file and what belongs to it out of the way; nothing of it is thrown away.
pub(super) fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut aside = with_suffix(path, &format!(".damaged-{now}"));
    for number in 2.. {
        if !aside.exists() {
            break;
        }
        aside = with_suffix(path, &format!(".damaged-{now}-{number}"));
    }
    std::fs::rename(path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        let beside = with_suffix(path, suffix);
        if beside.exists() {
            std::fs::rename(&beside, with_suffix(&aside, suffix))?;
        }
    }
    Ok(aside)
}

/// Returns the path with something behind its name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn make_private_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Makes an empty file that only its owner can read; SQLite gives its companions the same mode.
pub(super) fn touch_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
