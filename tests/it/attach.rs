//! A running gateway, consoles that attach to it in pseudo-terminals, and its status for scripts.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::console_pty::Console;

const PROGRAM: &str = env!("CARGO_BIN_EXE_llmdeck");
/// How long anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A home with a gateway in it.
struct Home {
    folder: tempfile::TempDir,
    serve: Option<Child>,
}

impl Home {
    /// Starts a gateway over the embedded pool.
    fn new() -> Self {
        let mut home = Self {
            folder: tempfile::tempdir().unwrap(),
            serve: None,
        };
        home.serve();
        home
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn socket(&self) -> PathBuf {
        self.path().join("llmdeck.sock")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", self.path())
            .env("USER", "eve")
            .stdin(Stdio::null());
        command
    }

    fn serve(&mut self) {
        let child = self
            .command(&["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.serve = Some(child.unwrap());
        Home::until("it serves", || self.status(&[]).0 == 0);
    }

    /// Kills the gateway, so that it says goodbye to nobody.
    fn kill(&mut self) {
        let mut child = self.serve.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn attach(&self, arguments: &[&str], user: &str) -> Console {
        let runtime = self.path().to_str().unwrap();
        let mut all = vec!["attach"];
        all.extend(arguments);
        let variables = [("XDG_RUNTIME_DIR", runtime), ("USER", user)];
        let console = Console::start_in(self.path(), &all, &variables);
        console.until_shown("attached");
        console
    }

    /// Returns the exit code and what was written.
    fn status(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(&["status"]).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        (code, text(output.stdout), text(output.stderr))
    }

    fn until(what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "{what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(mut child) = self.serve.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn what_one_console_changes_the_other_shows_and_both_outlive_the_gateway() {
    let mut home = Home::new();
    let mut eve = home.attach(&[], "eve");
    let bob = home.attach(&[], "bob");
    eve.until_shown("6/6 on");
    bob.until_shown("6/6 on");

    eve.press("\x1b2 ");
    eve.until_shown("○ off");
    bob.until_shown("5/6 on");
    bob.until("who did it is said", |screen| screen.contains("(by eve@"));

    eve.press("\x1b1What are permits?\r");
    eve.until_shown("first token");
    Home::until("the gateway's pool has answered", || {
        let told: Value = serde_json::from_str(&home.status(&["--json"]).1).unwrap();
        told["board"]["totals"]["successful_requests"] == 1
    });

    home.kill();
    eve.until("the loss is shown", |screen| {
        screen.contains("lost ") && screen.contains("trying again")
    });
    bob.until("the loss is shown", |screen| screen.contains("lost "));
    assert!(
        bob.screen().contains("○ off"),
        "the last picture stays:\n{}",
        bob.screen()
    );

    home.serve();
    eve.until("it is back", |screen| {
        screen.contains("attached") && screen.contains("6/6 on")
    });
    bob.until("it is back", |screen| {
        screen.contains("attached") && screen.contains("6/6 on")
    });
    eve.press("\x03\x04");
    eve.press("\x03\x03");
    assert!(eve.ended().success());
}

#[test]
fn who_only_looks_changes_nothing() {
    let home = Home::new();
    let mut eve = home.attach(&["--read-only"], "eve");
    eve.until_shown("attached, read-only");
    eve.press("\x1b2 ");
    eve.until_shown("read-only; it changes nothing");
    assert!(eve.screen().contains("6/6 on"));
}

#[test]
fn status_tells_by_its_exit_code() {
    let mut home = Home::new();
    let (code, out, err) = home.status(&[]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("6/6 on, 0/"), "{out}");
    assert!(out.contains("all is well\n"), "{out}");
    assert!(!out.contains('\x1b'), "plain in a pipe");

    let (code, out, _) = home.status(&["--json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, told["health"].as_str()), (0, Some("well")));
    assert_eq!(told["board"]["instances"].as_array().unwrap().len(), 6);
    assert!(told["board"]["uptime"].is_f64());

    home.kill();
    let (code, _, err) = home.status(&[]);
    assert_eq!(code, 3);
    assert!(err.contains("is gone"), "{err}");
    std::fs::remove_file(home.socket()).unwrap();
    let (code, out, err) = home.status(&["--json"]);
    assert_eq!((code, err.as_str()), (3, ""));
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["health"], "unreachable");
    let message = told["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("no 'llmdeck serve' runs here"),
        "{message}"
    );
}

#[test]
fn a_watched_status_goes_on_and_says_when_nothing_can_be_said() {
    use std::io::{BufRead, BufReader};
    let mut home = Home::new();
    let mut watching = home
        .command(&["status", "--watch", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    // Where nothing happens there is no other picture.
    let told = next();
    assert_eq!(
        (&told["health"], &told["lost"]),
        (&"well".into(), &Value::Null)
    );
    home.kill();
    // Pictures that were on their way are still right.
    let lost = std::iter::repeat_with(&mut next).find(|told| told["health"] != "well");
    let lost = lost.unwrap();
    assert_eq!(lost["health"], "unreachable");
    assert!(lost["lost"]["why"].is_string(), "{lost}");
    let pid = rustix::process::Pid::from_child(&watching);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(watching.wait().unwrap().code(), Some(3));
}

#[test]
fn a_console_can_serve_beside() {
    let mut home = Home::new();
    home.kill();
    let runtime = home.path().to_str().unwrap();
    let variables = [
        ("XDG_RUNTIME_DIR", runtime),
        ("USER", "ann"),
        ("LLMDECK_GATEWAY_LISTEN", "127.0.0.1:0"),
    ];
    let mut ann = Console::start_in(home.path(), &["--serve"], &variables);
    ann.until_shown("6/6 on");
    Home::until("others find it", || home.status(&[]).0 == 0);
    let mut eve = home.attach(&[], "eve");
    eve.press("\x1b2 ");
    ann.until_shown("5/6 on");
    ann.until("who did it is said", |screen| screen.contains("(by eve@"));
    ann.press("\x03\x04");
    ann.press("\x03\x03");
    assert!(ann.ended().success());
    eve.until("the loss is shown", |screen| screen.contains("lost "));
}

#[test]
fn a_second_gateway_leaves_the_first_ones_socket_alone() {
    let home = Home::new();
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--socket",
        "llmdeck.sock",
    ];
    let second = home
        .command(&arguments)
        .current_dir(home.path())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let err = String::from_utf8(second.stderr).unwrap();
    assert!(err.contains("another 'llmdeck serve' listens on"), "{err}");
    assert_eq!(home.status(&[]).0, 0);
}
