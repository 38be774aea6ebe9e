//! `llmdeck bench`: loads an instance, a route or a URL, and tells how it bore that.

mod args;
mod bill;
mod steps;
mod target;
mod tell;

use std::io::{IsTerminal, Write};

use tokio_util::sync::CancellationToken;

pub(super) use args::BenchArgs;

use self::target::Loaded;
use super::report::{Failure, warn};
use super::style::Style;
use crate::base::{ChatRequest, ErrorKind, Priority};
use crate::bench::{Bench, Plan};
use crate::config::{Config, Env};

/// Does it; `interrupted` ends it early, and what is known by then is printed all the same.
///
/// # Errors
/// When there is nothing of that name, when it may cost money and nobody agreed, when nothing at all was answered.
pub(super) async fn run(
    config: Config,
    args: &BenchArgs,
    env: &Env,
    out: &mut dyn Write,
    err: &mut dyn Write,
    interrupted: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let stderr = std::io::stderr();
    let style = Style::of(&stderr, env);
    let loaded = Loaded::find(config, env, args).await?;
    warn(&loaded.warnings, err, style)?;
    let plan = plan(args, &loaded);
    bill::agree(&loaded, &plan, args)?;
    let steps = plan.steps.len();
    let bench = Bench::new(&loaded.name, plan, loaded.sender());
    writeln!(
        err,
        "{}",
        style.faint(&format!(
            "loads {}; Ctrl-C ends it and prints what there is",
            loaded.name
        ))
    )?;
    let stop = CancellationToken::new();
    let telling = tell::Telling::new(stderr.is_terminal(), steps);
    let (tell, ended) = (
        |progress| telling.progress(progress),
        |outcome: &_| telling.ended(outcome),
    );
    let running = bench.run(&stop, &tell, &ended);
    tokio::pin!(running);
    let report = tokio::select! {
        report = &mut running => report,
        () = interrupted => {
            stop.cancel();
            running.await
        }
    };
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else if args.csv {
        tell::csv(&report, out)?;
    } else {
        tell::table(
            &report,
            out,
            Style::of(&std::io::stdout(), env),
            tell::has_blocks(env),
        )?;
    }
    if report.is_interrupted {
        return Err(Failure::Told(ErrorKind::Cancelled.exit_code()));
    }
    if report.steps.iter().any(|step| step.ok > 0) {
        Ok(())
    } else {
        Err(Failure::Told(1))
    }
}

fn plan(args: &BenchArgs, loaded: &Loaded) -> Plan {
    let mut template = ChatRequest {
        target: loaded.target.clone(),
        model: loaded.model.clone(),
        priority: Priority::Batch,
        ..ChatRequest::default()
    };
    if args.ignore_eos {
        template.extra.insert("ignore_eos".to_owned(), true.into());
    }
    Plan {
        steps: args.steps(),
        sweep: args.sweep,
        duration: args.duration(),
        requests: args.requests,
        warm_up: args.warm_up,
        seed: args.seed,
        prompt: args.prompt_tokens,
        output: args.output_tokens,
        template,
    }
}
