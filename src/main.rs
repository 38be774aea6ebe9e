//! The llmdeck program.

use std::process::ExitCode;

use clap::Parser;
use llmdeck::cli::{self, Cli};
use llmdeck::config::Env;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let env = Env::of_process();
    cli::run(&cli, &env)
}
