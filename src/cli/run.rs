//! Does what was typed, and says how it ended.

use std::io::{self, Write};
use std::process::ExitCode;

use super::args::{Cli, Command, ConfigCommand};
use super::config;
use super::report::Failure;
use super::style::Style;
use crate::config::Env;

/// Does it; what went wrong is told on stderr.
pub fn run(cli: &Cli, env: &Env) -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let style = Style::of(&err, env);
    match execute(cli, env, &mut out, &mut err, style).and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // When stderr is gone too, the exit code is all that is left.
            let _ = failure.report(&mut err, style);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn execute(
    cli: &Cli,
    env: &Env,
    out: &mut dyn Write,
    err: &mut dyn Write,
    style: Style,
) -> Result<(), Failure> {
    match &cli.command {
        Some(Command::Config { command }) => {
            config::run(*command, env, &cli.flags(), out, err, style)
        }
        Some(Command::Check(args)) if args.offline => {
            config::run(ConfigCommand::Check, env, &cli.flags(), out, err, style)
        }
        _ => Ok(()),
    }
}
