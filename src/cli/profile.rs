//! `--profile FILE.svg`: where the program itself spends its time, as a flame graph.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use pprof::{ProfilerGuard, ProfilerGuardBuilder};

use super::report::Failure;
use super::style::Style;
use crate::base::{Error, ErrorKind};

/// Samples each second of processor time; no round number, so that nothing periodic falls in step with it.
const FREQUENCY: i32 = 499;
/// Where unwinding from a signal handler is known to go wrong.
const NOT_UNWOUND: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];

/// A sampling that runs.
pub(super) struct Profiling {
    guard: ProfilerGuard<'static>,
    file: File,
    path: PathBuf,
}

impl Profiling {
    /// Opens the file, so that a long run is not for nothing, and begins to sample.
    ///
    /// # Errors
    /// `config` when the file cannot be written or this machine cannot be sampled.
    pub(super) fn start(path: &Path) -> Result<Self, Error> {
        let cannot = |what: &str| Error::new(ErrorKind::Config, what);
        let file = File::create(path).map_err(|error| {
            let shown = path.display();
            cannot(&format!(
                "the profile cannot be written to {shown}: {error}"
            ))
            .with_hint("name a file in a folder that is there and yours, after --profile")
        })?;
        let guard = ProfilerGuardBuilder::default()
            .frequency(FREQUENCY)
            .blocklist(&NOT_UNWOUND)
            .build();
        let guard = guard.map_err(|error| {
            cannot(&format!("this program cannot be profiled here: {error}"))
                .with_hint("sampling needs SIGPROF and setitimer; without --profile all else works")
        })?;
        Ok(Self {
            guard,
            file,
            path: path.to_owned(),
        })
    }

    /// Writes what was sampled, and says so.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub(super) fn finish(self, err: &mut dyn Write, style: Style) -> Result<(), Failure> {
        let failed = |error: pprof::Error| {
            let shown = self.path.display();
            Error::new(
                ErrorKind::Config,
                format!("the profile in {shown} was not written: {error}"),
            )
        };
        let report = self.guard.report().build().map_err(failed)?;
        let samples: isize = report.data.values().sum();
        if report.data.is_empty() {
            writeln!(&self.file, "{NOTHING}")?;
        } else {
            report.flamegraph(&self.file).map_err(failed)?;
        }
        let mut names = report
            .data
            .keys()
            .flat_map(|stack| stack.frames.iter().flatten());
        let shown = self.path.display();
        let note = match samples {
            0 => format!("profile: no sample, since it hardly used the processor: {shown}"),
            1 => format!("profile: 1 sample in {shown}"),
            _ => format!("profile: {samples} samples in {shown}"),
        };
        writeln!(err, "{}", style.faint(&note))?;
        if samples > 0 && !names.any(|symbol| symbol.name().contains("llmdeck")) {
            let warning = "this program was built without the names of its functions; \
                           CARGO_PROFILE_RELEASE_STRIP=none cargo build --release keeps them";
            writeln!(err, "{} {warning}", style.doubtful("warning:"))?;
        }
        Ok(())
    }
}

/// A picture that says why there is none.
const NOTHING: &str = concat!(
    r#"<svg xmlns="http://www.w3.org/2000/svg" width="480" height="40">"#,
    r#"<text x="10" y="25" font-family="monospace">no sample: the program hardly used the processor</text></svg>"#
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_told_before_anything_runs() {
        let error = Profiling::start(Path::new("/nowhere/at/all.svg"))
            .err()
            .unwrap();
        assert!(error.message().contains("/nowhere/at/all.svg"), "{error}");
        assert!(error.hint().contains("--profile"));
    }
}
