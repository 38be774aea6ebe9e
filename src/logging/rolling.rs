//! A log file a day, for its owner's eyes only, old ones removed.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::{ToSpan, Zoned};

/// The part of a log file's name before its date.
const PREFIX: &str = "llmdeck.log.";

/// Returns the local date.
pub(super) fn today() -> Date {
    Zoned::now().date()
}

/// Writes to the file of the day.
pub(super) struct Rolling {
    dir: PathBuf,
    keep_days: u16,
    today: fn() -> Date,
    date: Date,
    file: File,
}

impl Rolling {
    /// Opens today's file in a folder, which is made when it is missing.
    pub(super) fn open(dir: &Path, keep_days: u16, today: fn() -> Date) -> io::Result<Self> {
        make_private_dir(dir)?;
        let date = today();
        let file = open_private(&path_of(dir, date))?;
        let rolling = Self {
            dir: dir.to_owned(),
            keep_days,
            today,
            date,
            file,
        };
        rolling.remove_old();
        Ok(rolling)
    }

    /// Returns the path of the file that is open.
    pub(super) fn path(&self) -> PathBuf {
        path_of(&self.dir, self.date)
    }

    fn roll(&mut self) -> io::Result<()> {
        let today = (self.today)();
        if today != self.date {
            self.file = open_private(&path_of(&self.dir, today))?;
            self.date = today;
            self.remove_old();
        }
        Ok(())
    }

    /// A file that cannot be removed is in nobody's way; it is tried again the next day.
    fn remove_old(&self) {
        let kept = i64::from(self.keep_days.max(1)) - 1;
        let Ok(oldest) = self.date.checked_sub(kept.days()) else {
            return;
        };
        let Ok(entries) = std::fs::read_dir(&self.dir) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let date = name
                .to_str()
                .and_then(|name| name.strip_prefix(PREFIX)?.parse::<Date>().ok());
            if date.is_some_and(|date| date < oldest) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

impl Write for Rolling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.roll()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn path_of(dir: &Path, date: Date) -> PathBuf {
    dir.join(format!("{PREFIX}{date}"))
}

fn make_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static DAY: Cell<i8> = const { Cell::new(1) };
    }

    fn a_day() -> Date {
        Date::constant(2026, 11, DAY.get())
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn each_day_has_its_file_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("state/llmdeck");
        let mut rolling = Rolling::open(&logs, 2, a_day).unwrap();
        std::fs::write(logs.join("llmdeck.log.notes"), "mine").unwrap();
        for day in 1..=3 {
            DAY.set(day);
            writeln!(rolling, "day {day}").unwrap();
        }
        assert_eq!(
            names(&logs),
            [
                "llmdeck.log.2026-11-02",
                "llmdeck.log.2026-11-03",
                "llmdeck.log.notes"
            ]
        );
        assert_eq!(std::fs::read_to_string(rolling.path()).unwrap(), "day 3\n");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_logs() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("llmdeck");
        let rolling = Rolling::open(&logs, 1, a_day).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&logs), mode(&rolling.path())), (0o700, 0o600));
    }
}
