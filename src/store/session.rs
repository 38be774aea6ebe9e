//! Which program writes a message that is coming in, and whether that program still lives.
//!
//! Each one holds a lock on a file of its own as long as it runs; however it ends, the lock is gone with it.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::file::touch_private;

/// The lock of a running program; its file goes when it is dropped.
#[derive(Debug)]
pub(super) struct Session {
    /// Its number.
    pub(super) id: i64,
    path: PathBuf,
    file: File,
}

impl Session {
    /// Takes the lock of a new session. `None` where files cannot be locked; then nothing is ever taken for dead.
    pub(super) fn begin(folder: &Path, id: i64) -> Option<Self> {
        let path = path_of(folder, id);
        touch_private(&path).ok()?;
        let file = File::options().append(true).open(&path).ok()?;
        file.try_lock().ok()?;
        Some(Self { id, path, file })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What is left is removed by whoever comes next.
        let _ = std::fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

/// Tells whether the program of a session is gone; its file is removed then.
pub(super) fn is_over(folder: &Path, id: i64) -> bool {
    let path = path_of(folder, id);
    let file = match File::options().append(true).open(&path) {
        Ok(file) => file,
        Err(error) => return error.kind() == std::io::ErrorKind::NotFound,
    };
    let over = file.try_lock().is_ok();
    if over {
        let _ = std::fs::remove_file(&path);
    }
    over
}

fn path_of(folder: &Path, id: i64) -> PathBuf {
    folder.join(format!("session-{:016x}", id.cast_unsigned()))
}

/// Removes the locks of programs that are gone.
pub(super) fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let id = name
            .to_str()
            .and_then(|name| u64::from_str_radix(name.strip_prefix("session-")?, 16).ok());
        if let Some(id) = id {
            is_over(folder, id.cast_signed());
        }
    }
}
