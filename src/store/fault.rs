//! What SQLite says, in the words of this program.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::base::{Error, ErrorKind};

/// What is to be done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Wait and try again: the disk is full, somebody else writes, a cable is out.
    Wait,
    /// The file is damaged.
    SetAside,
    /// It will never work.
    GiveUp,
}

/// Tells what is to be done.
pub(super) fn remedy(error: &rusqlite::Error) -> Remedy {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted,
        ) => Remedy::Wait,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Remedy::SetAside,
        Some(_) | None => Remedy::GiveUp,
    }
}

/// Makes an error for people.
pub(super) fn told(path: &Path, error: &rusqlite::Error) -> Error {
    let path = path.display();
    let (message, hint) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => (
            format!("'{path}' cannot grow: the disk is full"),
            "free some space; what was said since is written then",
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            format!("'{path}' is in use by another program"),
            "it is tried again; close what holds it if this stays",
        ),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => (
            format!("'{path}' cannot be written: {error}"),
            "make its folder writable, set store.dir to another one, or store.enabled = false",
        ),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => (
            format!("'{path}' is damaged: {error}"),
            "'sqlite3 FILE .recover' may save what is in it; move it out of the way and a new one is begun",
        ),
        Some(ErrorCode::SystemIoFailure) => (
            format!("'{path}' cannot be read or written: {error}"),
            "look whether the disk is full or failing; store.enabled = false goes on without it",
        ),
        Some(_) | None => (
            format!("'{path}': {error}"),
            "try again; store.enabled = false goes on without it",
        ),
    };
    Error::new(ErrorKind::Config, message).with_hint(hint)
}

/// Makes an error of a folder or file that cannot be used.
pub(super) fn io(path: &Path, error: &std::io::Error) -> Error {
    let message = format!("'{}' cannot be used: {error}", path.display());
    Error::new(ErrorKind::Config, message).with_hint(
        "make its folder writable, set store.dir to another one, or store.enabled = false",
    )
}
