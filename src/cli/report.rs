//! How a command ended, told once: `error:` and `hint:` on stderr, and an exit code.

use std::io::{self, Write};

use super::style::Style;
use crate::base::{Error, ErrorKind};
use crate::config::Problems;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// The config is wrong.
    Config(Problems),
    /// Something went wrong on the way.
    Error(Error),
    /// Something went wrong, and the command has an exit code of its own for it.
    Ended(u8, Error),
    /// It has been told already; only the exit code is left to say.
    Told(u8),
    /// Whoever read the output went away; nobody is left to tell.
    NobodyListens,
    /// The output could not be written.
    Output(io::Error),
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Config(problems)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyListens,
            _ => Self::Output(error),
        }
    }
}

impl Failure {
    /// Returns the exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => ErrorKind::Config.exit_code(),
            Self::Error(error) => error.kind().exit_code(),
            Self::Told(code) | Self::Ended(code, _) => *code,
            Self::NobodyListens => 0,
            Self::Output(_) => 1,
        }
    }

    /// Tells it.
    ///
    /// # Errors
    /// When stderr cannot be written, which leaves nothing to do.
    pub fn report(&self, err: &mut dyn Write, style: Style) -> io::Result<()> {
        let (error, hint) = (style.bad("error:"), style.helpful("hint:"));
        match self {
            Self::Config(problems) => {
                writeln!(err, "{error} {problems}")?;
                if problems.file().is_some() {
                    writeln!(
                        err,
                        "{hint} 'llmdeck check --offline' checks again; 'llmdeck config init --config NEW' writes an example with every key"
                    )?;
                }
                Ok(())
            }
            Self::Error(failed) | Self::Ended(_, failed)
                if failed.kind() == ErrorKind::Cancelled =>
            {
                writeln!(err, "{}", style.faint("cancelled"))
            }
            Self::Error(failed) | Self::Ended(_, failed) => {
                match (failed.kind(), failed.instance()) {
                    // What was typed or configured speaks for itself.
                    (ErrorKind::Config, None) => writeln!(err, "{error} {}", failed.message())?,
                    _ => writeln!(err, "{error} {failed}")?,
                }
                writeln!(err, "{hint} {}", failed.hint())
            }
            Self::Output(failed) => writeln!(err, "{error} the output cannot be written: {failed}"),
            Self::Told(_) | Self::NobodyListens => Ok(()),
        }
    }
}

/// Tells what works but should be known.
///
/// # Errors
/// When stderr cannot be written.
pub(super) fn warn(warnings: &[String], err: &mut dyn Write, style: Style) -> io::Result<()> {
    for warning in warnings {
        let warning = crate::base::clean_line(warning);
        writeln!(err, "{} {warning}", style.doubtful("warning:"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(failure: &Failure) -> String {
        let mut err = Vec::new();
        failure.report(&mut err, Style::PLAIN).unwrap();
        String::from_utf8(err).unwrap()
    }

    #[test]
    fn an_error_is_one_line_and_a_hint() {
        let error = Error::new(ErrorKind::Auth, "401 no").with_instance("east".into());
        let failure = Failure::from(error);
        assert_eq!(
            told(&failure),
            "error: east: wrong key: 401 no\n\
             hint: check the instance's key and the variable or file it comes from\n"
        );
        assert_eq!(failure.exit_code(), 10);
    }

    #[test]
    fn a_broken_pipe_is_silent() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((told(&failure).as_str(), failure.exit_code()), ("", 0));
    }
}
