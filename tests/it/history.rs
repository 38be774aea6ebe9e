//! What is kept, by the real program: asked, ended in the middle, listed, searched, taken away and brought back.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use llmdeck::ProviderType;
use llmdeck::sim::{Delay, InstanceProfile, Server, Settings, Spread};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_llmdeck");

/// A home with a config that names one simulated instance.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
    server: Server,
}

impl Home {
    /// Starts an instance that answers at this pace, in tokens per second.
    pub(crate) fn new(pace: f64) -> Self {
        Self::with(pace, "")
    }

    /// Does so, with something more in the instance's part of the config.
    pub(crate) fn with(pace: f64, more: &str) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let guard = runtime.enter();
        let profile = InstanceProfile {
            first_token: Delay::exactly(std::time::Duration::from_millis(5)),
            speed: Spread::exactly(pace),
            ..InstanceProfile::new("east", ProviderType::OpenAi)
        };
        let server = Server::start(Settings {
            seed: 1,
            instances: vec![profile],
        })
        .unwrap();
        let endpoint = server.instances().remove(0);
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[[instances]]\nname = \"east\"\ntype = \"openai\"\nbase_url = \"{}\"\nkey = \"{}\"\nmodels = [\"{}\"]\n{more}",
            endpoint.base_url,
            endpoint.key.as_deref().unwrap_or("sk-x"),
            endpoint.models[0],
        );
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        drop(guard);
        Self {
            folder,
            _runtime: runtime,
            server,
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("LLMDECK_CONFIG", self.folder.path().join("config.toml"))
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        told(&output, arguments)
    }

    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(arguments)).unwrap()
    }

    /// Returns the instance's base URL.
    pub(crate) fn url(&self) -> String {
        self.server.instances().remove(0).base_url
    }

    /// Returns the model that the instance has.
    pub(crate) fn model(&self) -> String {
        self.server.instances().remove(0).models.remove(0)
    }

    /// Returns the instance's key.
    pub(crate) fn key(&self) -> String {
        let key = self.server.instances().remove(0).key;
        key.unwrap_or_else(|| "sk-x".to_owned())
    }

    /// Counts what the instance has answered in full.
    pub(crate) fn answered(&self) -> u64 {
        self.server.stats("east").unwrap().ok
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join(".local/share/llmdeck")
    }

    fn path(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_str().unwrap().to_owned()
    }
}

fn told(output: &Output, arguments: &[&str]) -> String {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {err}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_question_is_kept_listed_found_continued_and_deleted() {
    let home = Home::new(5000.0);
    let answer = home.run(&["chat", "What is a semaphore?"]);
    let list = home.run(&["history", "list"]);
    assert!(list.contains("What is a semaphore?"), "{list}");
    let all = home.json(&["history", "list", "--json"]);
    let id = all[0]["id"].as_str().unwrap().to_owned();
    let shown = home.run(&["history", "show", &id[..6]]);
    assert!(shown.contains(answer.trim()), "{shown}\n---\n{answer}");
    let found = home.run(&["history", "search", "semaph"]);
    assert!(
        found.contains(&id[..8]) && found.contains("user: What is a semaphore?"),
        "{found}"
    );

    home.run(&["chat", "--continue", "And a mutex?"]);
    home.run(&["chat", "--continue", &id[..4], "And a lock?"]);
    let kept = home.json(&["history", "show", "--json", &id]);
    let said: Vec<&str> = kept["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|said| said["message"]["role"] == "user")
        .map(|said| said["message"]["content"].as_str().unwrap())
        .collect();
    assert_eq!(
        said,
        ["What is a semaphore?", "And a mutex?", "And a lock?"]
    );
    let facts = &kept["messages"][1]["answer"];
    assert_eq!(facts["instance"], "east");
    assert_eq!(facts["attempts"][0]["outcome"], "success");
    assert!(facts["total_ms"].as_f64().unwrap() > 0.0);

    let stats = home.run(&["stats", "--by", "instance"]);
    assert!(stats.contains("east") && stats.contains("all"), "{stats}");
    let stats = home.json(&["stats", "--json"]);
    assert_eq!(stats[0]["requests"], 3);
    let csv = home.run(&["stats", "--csv", "--by", "model"]);
    assert!(csv.starts_with("name,requests,"), "{csv}");

    let refused = home.fails(&["history", "delete", &id]);
    assert!(refused.contains("--yes"), "{refused}");
    home.run(&["history", "delete", "--yes", &id]);
    assert!(
        home.run(&["history", "list"])
            .contains("no conversation is kept")
    );
    assert!(
        home.fails(&["history", "show", &id])
            .contains("there is no conversation")
    );
}

#[test]
fn exports_are_read_back_and_nothing_is_written_over() {
    let home = Home::new(5000.0);
    home.run(&["chat", "一个问题？"]);
    home.run(&["chat", "another question"]);
    let before = home.run(&["history", "export"]);
    for name in ["all.json", "all.jsonl", "all.md"] {
        let path = home.path(name);
        home.run(&["history", "export", "--output", &path]);
        assert!(
            home.fails(&["history", "export", "--output", &path])
                .contains("cannot be made")
        );
    }
    let again = home.run(&["history", "import", &home.path("all.json")]);
    assert!(
        again.contains("2 conversations were there already"),
        "{again}"
    );
    home.run(&["history", "delete", "--all", "--yes"]);
    home.run(&["history", "import", &home.path("all.json")]);
    assert_eq!(home.run(&["history", "export"]), before);
    home.run(&["history", "import", &home.path("all.jsonl")]);
    home.run(&["history", "import", &home.path("all.md")]);
    let stats = home.json(&["history", "stats", "--json"]);
    assert_eq!(stats["conversations"], 6);
    assert_eq!(
        home.run(&["history", "search", "一个问题"])
            .matches("user: 一个问题？")
            .count(),
        3
    );
}

fn is_empty(folder: &Path) -> bool {
    !folder.exists() || std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn private_and_switched_off_write_nothing_at_all() {
    let home = Home::new(5000.0);
    home.run(&["chat", "--private", "secret"]);
    assert!(is_empty(&home.data()));
    let output = home
        .command(&["chat", "secret"])
        .env("LLMDECK_STORE_ENABLED", "false")
        .output()
        .unwrap();
    told(&output, &["chat"]);
    assert!(is_empty(&home.data()));
}

#[test]
fn a_folder_that_cannot_be_written_is_told_and_the_answer_comes_all_the_same() {
    let home = Home::new(5000.0);
    let file = home.path("in-the-way");
    std::fs::write(&file, "").unwrap();
    let output = home
        .command(&["chat", "hello"])
        .env("LLMDECK_STORE_DIR", format!("{file}/data"))
        .output()
        .unwrap();
    assert!(!told(&output, &["chat"]).is_empty());
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("warning: conversations are not kept"), "{err}");
}
