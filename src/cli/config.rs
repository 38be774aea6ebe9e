//! `llmdeck config`: writes, shows and finds the config file.

use std::io::Write;

use super::args::ConfigCommand;
use super::report::{Failure, warn};
use super::style::Style;
use crate::base::{Error, ErrorKind};
use crate::config::{self, Env, Flags};

/// Does it.
///
/// # Errors
/// When the config is wrong, or a file cannot be written.
pub(super) fn run(
    command: ConfigCommand,
    env: &Env,
    flags: &Flags,
    out: &mut dyn Write,
    err: &mut dyn Write,
    style: Style,
) -> Result<(), Failure> {
    match command {
        ConfigCommand::Path => writeln!(out, "{}", path(env, flags)?.display())?,
        ConfigCommand::Init => {
            let path = path(env, flags)?;
            config::init(&path)?;
            writeln!(out, "wrote {}", path.display())?;
        }
        ConfigCommand::Print => {
            let config = config::load(env, flags)?;
            warn(&config.warnings, err, style)?;
            write!(out, "{}", config::print(&config))?;
        }
        ConfigCommand::Check => {
            let config = config::load(env, flags)?;
            warn(&config.warnings, err, style)?;
            writeln!(out, "{}", summary(&config))?;
        }
    }
    Ok(())
}

/// Says in a line what a right config holds.
pub(super) fn summary(config: &config::Config) -> String {
    let file = match &config.file {
        Some(path) => format!("{} is right", path.display()),
        None => "there is no config file".to_owned(),
    };
    match (config.instances.len(), &config.found) {
        (0, _) => format!(
            "{file}; no instance is configured or found in the environment: the embedded pool answers"
        ),
        (1, found) => format!("{file}; 1 instance from {found}"),
        (count, found) => format!("{file}; {count} instances from {found}"),
    }
}

fn path(env: &Env, flags: &Flags) -> Result<std::path::PathBuf, Error> {
    flags
        .config
        .clone()
        .or_else(|| env.config_file())
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "there is no place for a config file: no home folder is known",
            )
            .with_hint("set HOME, or give a file with --config FILE")
        })
}
