//! What can be typed. The words here are the help.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::base::{InstanceName, ProviderType, RouteName, Target};
use crate::config::Flags;
use crate::export::listen_address;
use crate::simulate::Chooser;

/// One console, driver and gateway for language models that live in several places.
///
/// Without a command the console opens on the configured instances, on what the environment names, or else on an
/// embedded pool that needs no key and no network.
#[derive(Clone, Debug, Parser)]
#[command(name = "llmdeck", version, max_term_width = 100)]
pub struct Cli {
    /// Read this config file instead of the usual one
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Log this much: off, error, warn, info, debug, trace, or a list such as info,hyper=debug
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,

    /// Speak this language in the console: en, zh, or auto for what the environment says
    #[arg(long, global = true, value_name = "LANG")]
    pub lang: Option<String>,

    /// Draw the console with ASCII symbols only, for terminals and fonts without others
    #[arg(long, global = true)]
    pub ascii: bool,

    /// Let other programs use the console's pool too, as 'llmdeck serve' does
    #[cfg(all(feature = "console", feature = "gateway"))]
    #[arg(long)]
    pub serve: bool,

    /// Keep nothing of this run: no conversation, no row in the request log
    #[cfg(feature = "store")]
    #[arg(long, global = true)]
    pub private: bool,

    /// Let the console serve its figures to a Prometheus at this port, or IP:PORT, under /metrics
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address)]
    pub metrics_listen: Option<SocketAddr>,

    /// Sample where the program itself spends its time, and write a flame graph when it ends
    #[arg(long, global = true, value_name = "FILE.svg")]
    pub profile: Option<PathBuf>,

    /// What to do; the console opens without one
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// Returns what was said about the config.
    pub fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            log_level: self.log_level.clone(),
            lang: self.lang.clone(),
            ascii: self.ascii,
        }
    }
}

/// A command.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Open the console on an embedded pool with background load; needs no key and no network
    Demo(DemoArgs),
    /// Ask one question; the answer streams to stdout
    Chat(ChatArgs),
    /// Check the config and ask every instance whether it is there
    Check(CheckArgs),
    /// Write, show or find the config file
    Config {
        /// What to do with it
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Let other programs use the pool, in the protocols of OpenAI, Ollama, Zhipu and Anthropic
    #[cfg(feature = "gateway")]
    Serve(ServeArgs),
    /// Open the console on a running 'llmdeck serve', here or on another machine
    #[cfg(all(feature = "console", feature = "gateway"))]
    Attach(AttachArgs),
    /// Show how a running 'llmdeck serve' is; exit code 0 well, 1 degraded, 2 down, 3 not reachable
    #[cfg(feature = "gateway")]
    Status(StatusArgs),
    /// Make keys for those who use the gateway
    #[cfg(feature = "gateway")]
    Gateway {
        /// What to do
        #[command(subcommand)]
        command: GatewayCommand,
    },
    /// Compare balancing strategies on a simulated fleet, in virtual time
    Simulate(SimulateArgs),
    /// List, search, show, export, import or delete conversations that were kept
    #[cfg(feature = "store")]
    History {
        /// What to do with them
        #[command(subcommand)]
        command: super::history::HistoryCommand,
    },
    /// Show what the request log tells: requests, success, times, tokens, cost
    #[cfg(feature = "store")]
    Stats(super::stats::StatsArgs),
    /// Load an instance, a route or a URL, and find how much it bears
    Bench(super::bench::BenchArgs),
    /// Print what a shell needs to complete commands and options: bash, zsh, fish, elvish, powershell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// How the embedded pool is used.
#[derive(Clone, Copy, Debug, Args)]
pub struct DemoArgs {
    /// Requests per second of the background load; 0 for none
    #[arg(long, default_value_t = 1.2, value_name = "PER_SECOND", value_parser = rate)]
    pub rate: f64,

    /// Make the chances of the embedded pool repeatable
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub seed: u64,

    /// Serve the figures to a Prometheus at this port, or IP:PORT, under /metrics
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address)]
    pub metrics_listen: Option<SocketAddr>,
}

/// One question.
#[derive(Clone, Debug, Default, Args)]
pub struct ChatArgs {
    /// The question; '-' or nothing reads it from stdin, and what is piped in besides goes along with it
    pub question: Option<String>,

    /// Say who the model is to be (the system message)
    #[arg(long, short, value_name = "TEXT")]
    pub system: Option<String>,

    /// Ask for this model
    #[arg(long, short, value_name = "NAME")]
    pub model: Option<String>,

    /// Go on with this conversation, or with the last one: the first letters of its id are enough
    #[cfg(feature = "store")]
    #[arg(long = "continue", value_name = "ID", num_args = 0..=1, default_missing_value = "")]
    pub continues: Option<String>,

    /// Ask an instance of this provider type: openai, ollama, zhipuai
    #[arg(long = "type", value_name = "TYPE", group = "target")]
    pub provider_type: Option<String>,

    /// Ask this instance and no other
    #[arg(long, value_name = "NAME", group = "target")]
    pub instance: Option<String>,

    /// Ask the instances of this route
    #[arg(long, value_name = "NAME", group = "target")]
    pub route: Option<String>,

    /// Print one JSON object when the answer is complete, also when it failed
    #[arg(long)]
    pub json: bool,

    /// Ask for the answer in one piece
    #[arg(long)]
    pub no_stream: bool,

    /// Show the model's reasoning on stderr
    #[arg(long)]
    pub reasoning: bool,

    /// Stop after this many tokens
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_tokens: Option<u64>,

    /// Sample at this temperature, from 0 to 2
    #[arg(long, value_name = "NUMBER", value_parser = temperature)]
    pub temperature: Option<f64>,
}

impl ChatArgs {
    /// Returns which instances may answer.
    ///
    /// # Errors
    /// When the provider type is unknown.
    pub fn target(&self) -> Result<Target, crate::base::Error> {
        Ok(match (&self.provider_type, &self.instance, &self.route) {
            (Some(word), _, _) => Target::Type(word.parse::<ProviderType>()?),
            (None, Some(name), _) => Target::Instance(InstanceName::new(name)),
            (None, None, Some(name)) => Target::Route(RouteName::new(name)),
            (None, None, None) => Target::Any,
        })
    }
}

/// How to check.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct CheckArgs {
    /// Check the config only, and ask nobody
    #[arg(long)]
    pub offline: bool,

    /// Print a JSON list
    #[arg(long)]
    pub json: bool,
}

/// What to do for the gateway.
#[cfg(feature = "gateway")]
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum GatewayCommand {
    /// Make a new key: print it once, and the lines for the config, which keep only its hash
    Key {
        /// Whose it is
        name: String,
    },
}

/// How to serve.
#[cfg(feature = "gateway")]
#[derive(Clone, Debug, Default, Args)]
pub struct ServeArgs {
    /// Listen on this address and port instead of the configured one
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,

    /// Put the socket for 'llmdeck attach' here instead of the configured place
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// How to attach.
#[cfg(all(feature = "console", feature = "gateway"))]
#[derive(Clone, Debug, Default, Args)]
pub struct AttachArgs {
    #[command(flatten)]
    pub(super) reach: super::reach::ReachArgs,

    /// Only look: commands and questions are refused, by the gateway too
    #[arg(long)]
    pub read_only: bool,
}

/// How to show the status.
#[cfg(feature = "gateway")]
#[derive(Clone, Debug, Default, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub(super) reach: super::reach::ReachArgs,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Go on, with a new picture when something changes, at most one a second
    #[arg(long)]
    pub watch: bool,
}

/// What to do with the config file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Write an example with every key, for its owner's eyes only; never over a file that is there
    Init,
    /// Show what is in force and where each key comes from; secrets show as ***
    Print,
    /// Show where the config file is expected
    Path,
    /// Check the config, and ask nobody (the same as 'check --offline')
    Check,
}

/// What to simulate.
#[derive(Clone, Debug, Default, Args)]
pub struct SimulateArgs {
    /// A scenario file, or the name of a scenario that comes with the program
    #[arg(default_value = "het8")]
    pub scenario: String,

    /// Compare only these strategies; 'oracle' knows everything and is what none can beat by much
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub strategy: Vec<Chooser>,

    /// Offer this much, in percent of what the healthy fleet can do
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', value_parser = load)]
    pub load: Vec<f64>,

    /// Repeat with so many different seeds
    #[arg(long, value_name = "COUNT")]
    pub seeds: Option<u64>,

    /// Measure about so many requests in each run, instead of the scenario's time
    #[arg(long, value_name = "COUNT")]
    pub requests: Option<u64>,

    /// Use so many instances: those of the scenario in turn
    #[arg(long, value_name = "COUNT")]
    pub instances: Option<usize>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn load(text: &str) -> Result<f64, String> {
    number(text.trim_end_matches('%'), 1.0, 1000.0)
}

fn rate(text: &str) -> Result<f64, String> {
    number(text, 0.0, 1000.0)
}

fn temperature(text: &str) -> Result<f64, String> {
    number(text, 0.0, 2.0)
}

fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("a number from {least} to {most} is wanted"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn one_target_at_most() {
        let both = [
            "llmdeck",
            "chat",
            "x",
            "--type",
            "openai",
            "--instance",
            "a",
        ];
        assert!(Cli::try_parse_from(both).is_err());
    }

    #[test]
    fn global_flags_may_follow_the_command() {
        let cli = Cli::try_parse_from(["llmdeck", "check", "--config", "a.toml"]).unwrap();
        assert_eq!(cli.flags().config, Some("a.toml".into()));
    }

    #[cfg(feature = "console")]
    #[test]
    fn ascii_may_be_asked_for_where_the_program_is_called() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, "").unwrap();
        let config = |more: &[&str]| {
            let typed = ["llmdeck", "demo", "--config", path.to_str().unwrap()];
            let cli = Cli::try_parse_from(typed.iter().chain(more)).unwrap();
            crate::config::load(&crate::config::Env::of([]), &cli.flags()).unwrap()
        };
        let asked = config(&["--ascii"]);
        assert!(asked.console.ascii);
        assert_eq!(asked.origins["console.ascii"].to_string(), "--ascii");
        let plain = config(&[]);
        assert!(!plain.console.ascii && !plain.origins.contains_key("console.ascii"));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert!(Cli::try_parse_from(["llmdeck", "demo", "--rate", "-1"]).is_err());
        assert!(Cli::try_parse_from(["llmdeck", "demo", "--rate", "NaN"]).is_err());
        assert!(Cli::try_parse_from(["llmdeck", "chat", "x", "--temperature", "2.5"]).is_err());
        assert!(Cli::try_parse_from(["llmdeck", "chat", "x", "--max-tokens", "0"]).is_err());
    }
}
