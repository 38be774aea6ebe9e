//! Does what was typed, and says how it ended.

use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::answer::Screen;
use super::args::{ChatArgs, CheckArgs, Cli, Command, ConfigCommand};
use super::bench::BenchArgs;
#[cfg(feature = "console")]
use super::face;
#[cfg(feature = "store")]
use super::keep::{self, Keeping};
use super::profile::Profiling;
use super::report::{Failure, warn};
use super::style::Style;
use super::{ask, bench, check, config, object, question, simulate, start};
use crate::base::{Answer, Error, ErrorKind};
use crate::config::{Config, Env, Found, Place};
use crate::deck::Deck;
use crate::logging;
use crate::provider::Http;

/// How long tasks that are left may take to end.
const FAREWELL: Duration = Duration::from_millis(300);

/// Does it; what went wrong is told on stderr.
pub fn run(cli: &Cli, env: &Env) -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let style = Style::of(&err, env);
    let mut job = Job {
        cli,
        env,
        out: &mut out,
        err: &mut err,
        style,
    };
    let ended = job.profiled();
    match ended.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // When stderr is gone too, the exit code is all that is left.
            let _ = failure.report(&mut err, style);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// One run of the program.
struct Job<'j> {
    cli: &'j Cli,
    env: &'j Env,
    out: &'j mut dyn Write,
    err: &'j mut dyn Write,
    style: Style,
}

impl Job<'_> {
    /// Does it, sampled when that is wanted; a run that failed has its profile too.
    fn profiled(&mut self) -> Result<(), Failure> {
        let Some(path) = &self.cli.profile else {
            return self.execute();
        };
        let profiling = Profiling::start(path)?;
        let ended = self.execute();
        profiling.finish(self.err, self.style)?;
        ended
    }

    fn execute(&mut self) -> Result<(), Failure> {
        let is_console = matches!(self.cli.command, None | Some(Command::Demo(_)));
        if self.cli.metrics_listen.is_some() && !is_console {
            let error = Error::new(
                ErrorKind::Config,
                "--metrics-listen is for the console alone",
            );
            return Err(error
                .with_hint("leave it out; 'llmdeck serve' has /metrics anyway")
                .into());
        }
        match &self.cli.command {
            Some(Command::Config { command }) => self.config(*command),
            Some(Command::Check(args)) if args.offline => self.config(ConfigCommand::Check),
            Some(Command::Check(args)) => self.check(*args),
            Some(Command::Chat(args)) => self.chat(args),
            #[cfg(feature = "gateway")]
            Some(Command::Serve(args)) => self.serve(args),
            #[cfg(all(feature = "console", feature = "gateway"))]
            Some(Command::Attach(args)) => self.attach(args),
            #[cfg(feature = "gateway")]
            Some(Command::Status(args)) => self.status(args),
            #[cfg(feature = "gateway")]
            Some(Command::Gateway { command }) => {
                let super::args::GatewayCommand::Key { name } = command;
                super::serve::new_key(name, self.out, self.err)
            }
            Some(Command::Simulate(args)) => simulate::run(args, self.out, self.err),
            #[cfg(feature = "store")]
            Some(Command::History { command }) => {
                let config = self.load()?;
                let style = Style::of(&io::stdout(), self.env);
                let is_terminal = io::stdout().is_terminal();
                super::history::run(command, &config, self.env, self.out, is_terminal, style)
            }
            #[cfg(feature = "store")]
            Some(Command::Stats(args)) => {
                let config = self.load()?;
                super::stats::run(args, &config, self.env, self.out)
            }
            Some(Command::Bench(args)) => self.bench(args),
            Some(Command::Completions { shell }) => {
                let mut script = Vec::new();
                let mut command = <Cli as clap::CommandFactory>::command();
                clap_complete::generate(*shell, &mut command, "llmdeck", &mut script);
                Ok(self.out.write_all(&script)?)
            }
            Some(Command::Demo(args)) => self.console(Some(*args)),
            None => self.console(None),
        }
    }

    fn config(&mut self, command: ConfigCommand) -> Result<(), Failure> {
        let flags = self.cli.flags();
        config::run(command, self.env, &flags, self.out, self.err, self.style)
    }

    #[cfg(feature = "console")]
    fn console(&mut self, demo: Option<super::args::DemoArgs>) -> Result<(), Failure> {
        let config = crate::config::load(self.env, &self.cli.flags())?;
        let wishes = face::Wishes {
            is_private: self.is_private(),
            metrics: demo
                .and_then(|args| args.metrics_listen)
                .or(self.cli.metrics_listen),
            serve: self.serve_beside(&config, demo.is_some()),
        };
        let opened = face::open(config, demo, wishes, self.env, self.err, self.style);
        in_runtime(opened)
    }

    /// Tells whether other programs may use the console's pool: when somebody asks for it, or sets where.
    #[cfg(all(feature = "console", feature = "gateway"))]
    fn serve_beside(&self, config: &Config, is_demo: bool) -> face::Serve {
        let listen = config.origins.get("gateway.listen");
        let is_set = listen.is_some_and(|from| !matches!(from, Place::Default));
        match (self.cli.serve, is_set && !is_demo) {
            (true, _) => face::Serve::Asked,
            (false, true) => face::Serve::Configured,
            (false, false) => face::Serve::No,
        }
    }

    #[cfg(all(feature = "console", not(feature = "gateway")))]
    #[expect(clippy::unused_self, reason = "the same call as with a gateway")]
    fn serve_beside(&self, _: &Config, _: bool) -> face::Serve {
        face::Serve::No
    }

    #[cfg(not(feature = "console"))]
    #[expect(clippy::unused_self, reason = "the same call as with a console")]
    fn console(&mut self, _: Option<super::args::DemoArgs>) -> Result<(), Failure> {
        let error = Error::new(
            ErrorKind::Config,
            "this program was built without its console",
        );
        Err(error
            .with_hint("build it with the feature 'console', or use 'llmdeck chat'")
            .into())
    }

    fn check(&mut self, args: CheckArgs) -> Result<(), Failure> {
        let mut config = self.load()?;
        warn(&config.warnings, self.err, self.style)?;
        let env = self.env;
        let asked = async {
            let http = Http::from_env()?;
            crate::config::look_around(&mut config, env, &http).await?;
            if matches!(config.found, Found::Embedded) && !args.json {
                writeln!(self.out, "{}", config::summary(&config))?;
                return Ok(true);
            }
            let strategies = start::strategies(&config.instances, &http)?;
            let checked = check::ask_all(&config.instances, &strategies).await;
            if args.json {
                check::write_json(&checked, self.out)?;
            } else {
                let style = Style::of(&io::stdout(), env);
                check::write_table(&checked, self.out, style)?;
            }
            Ok::<bool, Failure>(checked.iter().all(check::Checked::is_as_wanted))
        };
        if in_runtime(asked)? {
            Ok(())
        } else {
            Err(Failure::Told(1))
        }
    }

    /// With `--json` every failure is told in the object, also one before the first attempt.
    fn chat(&mut self, args: &ChatArgs) -> Result<(), Failure> {
        let ended = self.ask(args);
        let error = match &ended {
            Err(Failure::Config(problems)) if args.json => {
                Error::new(ErrorKind::Config, problems.to_string())
            }
            Err(Failure::Error(error)) if args.json => error.clone(),
            _ => return ended,
        };
        let object = object::of_answer(Answer::default().so_far(), Some(&error));
        writeln!(self.out, "{object:#}")?;
        Err(Failure::Told(error.kind().exit_code()))
    }

    fn ask(&mut self, args: &ChatArgs) -> Result<(), Failure> {
        let config = self.load()?;
        #[cfg(feature = "store")]
        let mut args = args.clone();
        #[cfg(feature = "store")]
        let conversation = keep::Talk::find(&mut args, &config, self.env, self.cli.private)?;
        #[cfg(feature = "store")]
        let args = &args;
        let question = {
            let stdin = io::stdin();
            let mut piped = (!stdin.is_terminal()).then(|| stdin.lock());
            question::assemble(
                args.question.as_deref(),
                piped.as_mut().map(|stdin| stdin as &mut dyn Read),
            )?
        };
        let request = ask::request(args, question)?;
        #[cfg(feature = "store")]
        let (talk, request) = {
            let mut request = request;
            let talk = keep::Talk::join(conversation, &mut request);
            (talk, request)
        };
        in_runtime(async {
            let started = tokio::select! {
                started = start::start(config, self.env) => started?,
                () = interrupted() => return Err(Error::new(ErrorKind::Cancelled, "").into()),
            };
            let mut told = started.config.warnings.clone();
            if started.embedded.is_some() {
                let note = "no instance is configured, so the embedded pool answers; it only simulates a model";
                told.push(note.to_owned());
            }
            #[cfg(feature = "store")]
            let mut keeping = Keeping::open(&started.config, self.cli.private, self.env, &mut told);
            warn(&told, self.err, self.style)?;
            let telemetry = started.telemetry;
            let mut screen = Screen {
                out: self.out,
                out_is_terminal: io::stdout().is_terminal(),
                err: self.err,
                err_is_terminal: io::stderr().is_terminal(),
                style: self.style,
            };
            #[cfg(feature = "store")]
            let (driver, is_real) = (started.driver.clone(), started.embedded.is_none());
            #[cfg(feature = "store")]
            let has_budgets = (started.config.instances.iter())
                .any(|instance| instance.pool.limits.has_budgets());
            let deck = Deck::from(started.driver);
            #[cfg(not(feature = "store"))]
            let stream = deck.chat(request);
            #[cfg(feature = "store")]
            let stream = {
                if is_real {
                    keeping.follow(&deck);
                    if let Some(recall) = keeping.recall(&driver).filter(|_| has_budgets) {
                        recall.first().await;
                    }
                }
                talk.keep(&keeping, deck.chat(request))
            };
            let ended = ask::ask(stream, args, &mut screen, interrupted()).await;
            telemetry.shutdown().await;
            #[cfg(feature = "store")]
            keep::end(keeping, self.err, self.style).await?;
            ended
        })
    }

    fn bench(&mut self, args: &BenchArgs) -> Result<(), Failure> {
        let config = self.load()?;
        let done = bench::run(config, args, self.env, self.out, self.err, interrupted());
        in_runtime(done)
    }

    #[cfg(all(feature = "console", feature = "gateway"))]
    fn attach(&mut self, args: &super::args::AttachArgs) -> Result<(), Failure> {
        let config = crate::config::load(self.env, &self.cli.flags())?;
        let attached = super::attach::attach(
            config,
            args,
            self.is_private(),
            self.env,
            self.err,
            self.style,
        );
        in_runtime(attached)
    }

    /// A config that is wrong is no reason to show nothing.
    #[cfg(feature = "gateway")]
    fn status(&mut self, args: &super::args::StatusArgs) -> Result<(), Failure> {
        let config = crate::config::load(self.env, &self.cli.flags()).ok();
        let configured = config.and_then(|config| config.gateway.socket_place());
        let out = io::stdout();
        let mut output = super::status::Output {
            out: self.out,
            is_terminal: out.is_terminal(),
            style: Style::of(&out, self.env),
        };
        let way = args.reach.way(configured, self.env);
        in_runtime(super::status::run(
            way,
            args,
            self.env,
            &mut output,
            interrupted(),
        ))
    }

    #[cfg(feature = "gateway")]
    fn serve(&mut self, args: &super::args::ServeArgs) -> Result<(), Failure> {
        let config = crate::config::load(self.env, &self.cli.flags())?;
        let coloured = self.style.is_coloured();
        let _lines = logging::to_stderr_aside(&config.log.level, config.log.prompts, coloured)?;
        let is_private = self.is_private();
        let flags = self.cli.flags();
        in_runtime(super::serve::serve(
            config, &flags, args, is_private, self.env, self.err, self.style,
        ))
    }

    /// Tells whether nothing of this run may be kept.
    #[cfg(feature = "store")]
    fn is_private(&self) -> bool {
        self.cli.private
    }

    #[cfg(not(feature = "store"))]
    #[expect(clippy::unused_self, reason = "the same call as with a store")]
    fn is_private(&self) -> bool {
        true
    }

    /// Reads the config of a command that leaves the terminal to others, and logs to stderr: what is asked for, else
    /// only what is wrong. The config's level is the log file's.
    fn load(&self) -> Result<Config, Failure> {
        let config = crate::config::load(self.env, &self.cli.flags())?;
        let is_asked_for = matches!(
            config.origins.get("log.level"),
            Some(Place::Flag(_) | Place::Variable(_))
        );
        let level = if is_asked_for {
            &config.log.level
        } else {
            // What an alert says, the command's own end says too.
            "warn,llmdeck::alerts=off"
        };
        logging::to_stderr(level, config.log.prompts, self.style.is_coloured())?;
        Ok(config)
    }
}

fn in_runtime<T>(job: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = Runtime::new()?;
    let ended = runtime.block_on(job);
    runtime.shutdown_timeout(FAREWELL);
    ended
}

/// Comes true when somebody wants an end: Ctrl-C, or a polite kill.
pub(super) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without a handler Ctrl-C ends the program by itself.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
