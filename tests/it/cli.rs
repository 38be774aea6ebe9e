//! The real program, run as people run it: arguments, pipes, exit codes. Providers are the embedded ones, over HTTP.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use llmdeck::ProviderType;
use llmdeck::sim::{Delay, Fault, InstanceProfile, Server, Settings, Spread};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_llmdeck");
/// Longer than anything here takes, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A home of its own, with nothing of this machine's environment.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs the program to its end with something on stdin, which is no terminal.
    fn run_with(&self, arguments: &[&str], stdin: &str) -> Ended {
        let output = assert_cmd::Command::new(PROGRAM)
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .env("TEST_KEY", "sk-test")
            .write_stdin(stdin)
            .timeout(PATIENCE)
            .output()
            .unwrap();
        Ended::of(output)
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, "")
    }

    fn start(&self, arguments: &[&str]) -> std::process::Child {
        std::process::Command::new(PROGRAM)
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

#[derive(Debug)]
struct Ended {
    out: String,
    err: String,
    code: Option<i32>,
}

impl Ended {
    fn of(output: Output) -> Self {
        Self {
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }

    fn object(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A home whose config names embedded providers: `a` speaks openai, `b` ollama.
struct Deck {
    home: Home,
    server: Server,
    config: String,
    runtime: tokio::runtime::Runtime,
}

impl Deck {
    fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let profile = |name, provider_type, key: Option<&str>| InstanceProfile {
            key: key.map(str::to_owned),
            models: vec!["model-1".to_owned()],
            first_token: Delay::exactly(Duration::from_millis(5)),
            speed: Spread::exactly(5_000.0),
            length: Some(Spread::exactly(40.0)),
            ..InstanceProfile::new(name, provider_type)
        };
        let settings = Settings {
            seed: 1,
            instances: vec![
                profile("a", ProviderType::OpenAi, Some("sk-right")),
                profile("b", ProviderType::Ollama, None),
            ],
        };
        let server = {
            let _inside = runtime.enter();
            Server::start(settings).unwrap()
        };
        let home = Home::new();
        home.write("key", "sk-right\n");
        std::fs::set_permissions(home.path().join("key"), private()).unwrap();
        let urls: Vec<String> = server
            .instances()
            .iter()
            .map(|found| found.base_url.clone())
            .collect();
        let config = format!(
            "[[instances]]\nname = \"a\"\ntype = \"openai\"\nbase_url = \"{}\"\nkey_file = \"key\"\nmodels = [\"model-1\"]\n\n\
             [[instances]]\nname = \"b\"\ntype = \"ollama\"\nbase_url = \"{}\"\nmodels = [\"model-1\"]\n\n\
             [retry]\nattempts = 1\n",
            urls[0], urls[1]
        );
        let config = home.write("deck.toml", &config).display().to_string();
        Self {
            home,
            server,
            config,
            runtime,
        }
    }

    fn run_with(&self, arguments: &[&str], stdin: &str) -> Ended {
        let arguments = [arguments, &["--config", &self.config]].concat();
        self.home.run_with(&arguments, stdin)
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, "")
    }

    fn start(&self, arguments: &[&str]) -> std::process::Child {
        self.home
            .start(&[arguments, &["--config", &self.config]].concat())
    }

    fn wait_until_busy(&self, name: &str) {
        let busy = self.server.until(name, |stats| stats.in_flight > 0);
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, busy).await })
            .unwrap()
            .unwrap();
    }
}

fn private() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o600)
}

#[test]
fn the_version_is_told() {
    let ended = Home::new().run(&["--version"]);
    assert_eq!(
        ended.out,
        format!("llmdeck {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn shells_can_complete_what_is_typed() {
    for (shell, word) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef llmdeck"),
        ("fish", "complete -c llmdeck"),
    ] {
        let ended = Home::new().run(&["completions", shell]);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{shell}");
        assert!(ended.out.contains(word), "{shell}");
        assert!(ended.out.contains("attach"), "{shell} knows the commands");
    }
}

#[test]
fn a_new_config_is_written_once_found_and_right() {
    let home = Home::new();
    let path = home.path().join(".config/llmdeck/config.toml");
    assert_eq!(
        home.run(&["config", "path"]).out.trim_end(),
        path.display().to_string()
    );
    assert_eq!(home.run(&["config", "init"]).code, Some(0));
    let again = home.run(&["config", "init"]);
    assert_eq!(again.code, Some(2));
    assert!(
        again.err.starts_with("error: ") && again.err.contains("is there already"),
        "{again:?}"
    );
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        llmdeck::config::EXAMPLE
    );
    let printed = home.run(&["config", "print"]);
    assert!(
        printed
            .out
            .contains(&format!("# config file: {}", path.display()))
    );
    assert_eq!(home.run(&["check", "--offline"]).code, Some(0));
}

#[test]
fn a_config_that_is_named_must_be_there() {
    for arguments in [["config", "print"], ["check", "--offline"]] {
        let ended =
            Home::new().run(&[arguments[0], arguments[1], "--config", "/nowhere/deck.toml"]);
        assert_eq!(ended.code, Some(2));
        assert!(
            ended.err.contains("cannot read '/nowhere/deck.toml'"),
            "{ended:?}"
        );
    }
}

#[test]
fn nothing_starts_with_a_wrong_config() {
    let home = Home::new();
    let path = home.write(
        "bad.toml",
        "[[instances]]\nname = \"a\"\ntype = \"openia\"\nkey_env = \"NO_SUCH_KEY\"\n",
    );
    let path = path.display().to_string();
    for arguments in [vec!["chat", "x"], vec!["check"], vec!["demo"], vec![]] {
        let ended = home.run(&[arguments.as_slice(), &["--config", &path]].concat());
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
        assert!(
            ended
                .err
                .starts_with("error: the config is wrong in 2 places, nothing was started\n")
        );
        assert!(ended.err.contains(&format!(
            "{path}:3:8: instances.a.type = \"openia\": unknown provider type"
        )));
        assert!(ended.err.contains("did you mean 'openai'?"));
        assert!(
            ended
                .err
                .contains("the environment variable NO_SUCH_KEY is not set")
        );
    }
}

#[test]
fn broken_toml_is_told_with_its_place() {
    let home = Home::new();
    let path = home
        .write("bad.toml", "[pool\nstrategy = 1\n")
        .display()
        .to_string();
    let ended = home.run(&["check", "--config", &path]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.err.contains(&format!("{path}:1:6: this is not TOML")),
        "{ended:?}"
    );
}

#[test]
fn the_console_wants_a_terminal() {
    for arguments in [&["demo"][..], &[]] {
        let ended = Home::new().run(arguments);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(
            ended.err.contains("error: the console needs a terminal"),
            "{ended:?}"
        );
        assert!(ended.err.contains("hint: use 'llmdeck chat"), "{ended:?}");
    }
}

#[test]
fn a_wrong_flag_is_told() {
    let ended = Home::new().run(&["chat", "x", "--log-level", "loud"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended
            .err
            .contains("--log-level: log.level = \"loud\": unknown log level")
    );
}

#[test]
fn a_question_is_answered_on_stdout_and_nothing_else_is_said() {
    let deck = Deck::new();
    let ended = deck.run(&["chat", "What is a permit?"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(
        ended.out.len() > 20 && ended.out.ends_with('\n'),
        "{ended:?}"
    );
}

#[test]
fn a_question_may_come_through_a_pipe_with_or_without_an_argument() {
    let deck = Deck::new();
    for (arguments, stdin) in [
        (&["chat"][..], "Why?\n"),
        (&["chat", "Sum up:"], "a text\n"),
    ] {
        let ended = deck.run_with(arguments, stdin);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    let nothing = deck.run(&["chat"]);
    assert_eq!(nothing.code, Some(2));
    assert!(
        nothing
            .err
            .starts_with("error: there is no question\nhint: ")
    );
}

#[test]
fn json_is_one_object_also_without_a_stream() {
    let deck = Deck::new();
    for arguments in [
        &["chat", "Why?", "--json"][..],
        &["chat", "Why?", "--json", "--no-stream"],
    ] {
        let ended = deck.run(arguments);
        let object = ended.object();
        assert_eq!(ended.code, Some(0));
        assert_eq!(object["error"], Value::Null);
        assert_eq!(object["model"], "model-1");
        assert_eq!(object["attempts"].as_array().unwrap().len(), 1);
        assert!(object["usage"]["completion_tokens"].as_u64() > Some(0));
        assert!(object["total_ms"].as_f64() > Some(0.0));
    }
}

#[test]
fn the_target_is_kept_to() {
    let deck = Deck::new();
    let answered_by = |arguments: &[&str]| {
        let object = deck
            .run(&[&["chat", "Why?", "--json"], arguments].concat())
            .object();
        object["instance"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(answered_by(&["--instance", "b"]), "b");
    assert_eq!(answered_by(&["--type", "openai"]), "a");
    let unknown = deck.run(&["chat", "Why?", "--type", "opnai"]);
    assert_eq!(unknown.code, Some(2));
    assert!(
        unknown.err.contains("openai, ollama, zhipuai"),
        "{unknown:?}"
    );
    let nobody = deck.run(&["chat", "Why?", "--instance", "c"]);
    assert_ne!(nobody.code, Some(0));
    assert!(nobody.err.contains('c'), "{nobody:?}");
}

#[test]
fn each_failure_has_its_exit_code_and_a_hint() {
    let deck = Deck::new();
    let cases = [
        (Fault::WrongKey, "auth", 10),
        (Fault::NoQuota, "quota_exhausted", 12),
        (Fault::Overloaded, "overloaded", 14),
        (Fault::ContextLength, "context_length", 16),
        (Fault::UnknownModel, "not_found_model", 18),
        (Fault::Refuse, "network", 22),
        (Fault::HtmlOk, "protocol", 23),
        (Fault::Truncated, "protocol", 23),
        (Fault::ServerError, "server", 24),
    ];
    for (fault, kind, code) in cases {
        deck.server.set_fault("a", Some(fault)).unwrap();
        let ended = deck.run(&["chat", "Why?", "--instance", "a", "--json"]);
        let object = ended.object();
        assert_eq!(object["error"]["kind"], kind, "{fault:?}: {ended:?}");
        assert_eq!(
            (ended.code, ended.err.as_str()),
            (Some(code), ""),
            "{fault:?}"
        );
        assert!(!object["error"]["hint"].as_str().unwrap().is_empty());
    }
    let ended = deck.run(&["chat", "Why?", "--instance", "a"]);
    assert!(
        ended.err.starts_with("error: a: server failed"),
        "{ended:?}"
    );
    assert!(ended.err.contains("\nhint: "), "{ended:?}");
}

#[test]
fn a_wrong_config_is_an_object_too_when_json_is_asked_for() {
    let home = Home::new();
    let path = home.write("bad.toml", "x = 1").display().to_string();
    let ended = home.run(&["chat", "x", "--json", "--config", &path]);
    assert_eq!(ended.object()["error"]["kind"], "config");
    assert_eq!(ended.code, Some(2));
}

#[test]
fn a_key_is_never_shown() {
    let deck = Deck::new();
    deck.server.set_fault("a", Some(Fault::WrongKey)).unwrap();
    for arguments in [
        &["chat", "x", "--instance", "a", "--log-level", "trace"][..],
        &["check", "--log-level", "trace"],
        &["config", "print"],
    ] {
        let ended = deck.run(arguments);
        assert!(
            !ended.out.contains("sk-right") && !ended.err.contains("sk-right"),
            "{ended:?}"
        );
    }
}

#[test]
fn prompts_are_logged_only_when_a_setting_asks_for_them() {
    let deck = Deck::new();
    let question = ["chat", "MyVerySecretQuestion", "--log-level"];
    let silent = deck.run(&[&question[..], &["trace"]].concat());
    assert!(silent.err.contains("request"), "{silent:?}");
    assert!(!silent.err.contains("MyVerySecretQuestion"), "{silent:?}");
    let config = std::fs::read_to_string(&deck.config).unwrap() + "\n[log]\nprompts = true\n";
    let path = deck
        .home
        .write("prompts.toml", &config)
        .display()
        .to_string();
    let told = deck
        .home
        .run(&[&question[..], &["info", "--config", &path]].concat());
    assert!(told.err.contains("MyVerySecretQuestion"), "{told:?}");
}

#[test]
fn check_shows_who_is_there_and_what_is_wrong_with_the_others() {
    let deck = Deck::new();
    let well = deck.run(&["check"]);
    assert_eq!((well.code, well.err.as_str()), (Some(0), ""), "{well:?}");
    let lines: Vec<Vec<&str>> = well
        .out
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        ["NAME", "TYPE", "URL", "MODELS", "TIME", "RESULT"]
    );
    assert_eq!(
        (lines[1][0], lines[1][1], lines[1][3]),
        ("a", "openai", "1")
    );
    assert_eq!((lines[2][0], lines[2].last()), ("b", Some(&"ok")));

    deck.server.set_fault("b", Some(Fault::Refuse)).unwrap();
    let ill = deck.run(&["check"]);
    assert_eq!(ill.code, Some(1));
    assert!(ill.out.contains("network failed"), "{ill:?}");
    assert!(
        ill.out.contains("\nerror: b: network failed") && ill.out.contains("\nhint: "),
        "{ill:?}"
    );

    let list = deck.run(&["check", "--json"]).object();
    assert_eq!(
        (list[0]["ok"].as_bool(), list[1]["ok"].as_bool()),
        (Some(true), Some(false))
    );
    assert_eq!(list[1]["error"]["kind"], "network");
}

#[test]
fn a_server_without_tls_is_told_as_such() {
    let deck = Deck::new();
    let config = std::fs::read_to_string(&deck.config)
        .unwrap()
        .replace("http://", "https://");
    let path = deck.home.write("tls.toml", &config).display().to_string();
    let ended = deck
        .home
        .run(&["chat", "x", "--instance", "b", "--json", "--config", &path]);
    let object = ended.object();
    assert_eq!(object["error"]["kind"], "network", "{ended:?}");
    assert_eq!(ended.code, Some(22));
}

#[test]
fn models_are_asked_for_when_none_are_configured() {
    let deck = Deck::new();
    let config = std::fs::read_to_string(&deck.config)
        .unwrap()
        .replace("models = [\"model-1\"]\n", "");
    let path = deck
        .home
        .write("no_models.toml", &config)
        .display()
        .to_string();
    let ended = deck.home.run(&["chat", "x", "--json", "--config", &path]);
    assert_eq!(ended.object()["model"], "model-1", "{ended:?}");
    deck.server.set_fault("a", Some(Fault::Refuse)).unwrap();
    let ended = deck
        .home
        .run(&["chat", "x", "--instance", "b", "--config", &path]);
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.err.contains("warning: a: no models are configured"),
        "{ended:?}"
    );
}

#[test]
fn ctrl_c_ends_an_answer_and_closes_its_connection() {
    let deck = Deck::new();
    deck.server
        .set_fault("b", Some(Fault::HangMidStream))
        .unwrap();
    let mut child = deck.start(&["chat", "x", "--instance", "b"]);
    deck.wait_until_busy("b");
    // Something has been shown, so the program listens to the signal by now.
    let mut first = [0; 1];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    let killed = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (Some(130), "cancelled\n"));
    let gone = deck
        .server
        .until("b", |stats| stats.disconnects == 1 && stats.in_flight == 0);
    deck.runtime
        .block_on(async { tokio::time::timeout(PATIENCE, gone).await })
        .unwrap()
        .unwrap();
}

#[test]
fn a_reader_that_leaves_ends_the_answer_in_silence() {
    let deck = Deck::new();
    deck.server.set_fault("b", Some(Fault::Endless)).unwrap();
    let mut child = deck.start(&["chat", "x", "--instance", "b"]);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
}

#[test]
fn the_embedded_pool_answers_when_there_is_nothing_else_and_says_so() {
    let ended = Home::new().run(&["chat", "What is this?", "--instance", "openai-a", "--json"]);
    if ended.err.is_empty() {
        return; // An Ollama listens on this machine, and is asked instead.
    }
    assert!(
        ended.err.starts_with("warning: no instance is configured"),
        "{ended:?}"
    );
    assert_eq!(ended.object()["instance"], "openai-a");
}
