//! A program that is started again goes on where it stopped: the windows of the monitor, and what is spent of a day's
//! budgets. By the real program, with the real file.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::history::Home;

/// How long anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway that ends with the test.
struct Serve(Child);

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks the admin API for something.
fn get(socket: &Path, path: &str) -> Option<Value> {
    let mut stream = UnixStream::connect(socket).ok()?;
    write!(
        stream,
        "GET /admin/v1/{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let body = &answer[answer.find('{')?..=answer.rfind('}')?];
    serde_json::from_str(body).ok()
}

/// Asks until something is there and as it should be.
fn until(socket: &Path, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    let mut last = None;
    while begun.elapsed() < PATIENCE {
        last = get(socket, path);
        if let Some(found) = last.take_if(|found| is_so(found)) {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{path} is {last:?}");
}

#[test]
fn windows_and_budgets_go_on_after_a_restart() {
    let home = Home::with(5000.0, "tokens_per_day = 100000\n");
    for question in ["What is a permit?", "And a lease?", "And a route?"] {
        home.run(&["chat", question]);
    }
    let stats: Value = serde_json::from_str(&home.run(&["stats", "--json"])).unwrap();
    let tokens = |name: &str| stats[0][name].as_i64().unwrap();
    let used = tokens("prompt_tokens") + tokens("completion_tokens");
    assert!(used > 0, "{stats}");

    let socket = home.data().join("deck.sock");
    let place = socket.to_str().unwrap();
    let serve = home
        .command(&["serve", "--listen", "127.0.0.1:0", "--socket", place])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _serve = Serve(serve.unwrap());
    // It listens only when it knows what was spent.
    let board = until(&socket, "board", |_| true);
    assert_eq!(board["totals"]["total_requests"], 0, "since the start");
    let budget = &board["instances"][0]["budgets"][0];
    assert_eq!(budget["left"], 100_000 - used, "{budget}");

    for scope in ["all", "type:openai", "instance:east"] {
        let path = format!("series?scope={scope}&window=86400&buckets=24");
        let series = get(&socket, &path).unwrap();
        let buckets = series["buckets"].as_array().unwrap();
        let sum = |name: &str| -> i64 {
            let counts = buckets.iter().map(|bucket| bucket[name].as_i64());
            counts.map(Option::unwrap).sum()
        };
        assert_eq!(sum("successful"), 3, "{series}");
        assert_eq!(sum("completion_tokens"), tokens("completion_tokens"));
        assert_eq!(series["success_rate"], 1.0);
    }
}

#[test]
fn a_days_tokens_that_are_spent_stay_spent_for_the_next_program() {
    let home = Home::with(5000.0, "tokens_per_day = 40\n");
    home.run(&["chat", "What is a permit?"]);
    let refused = home.fails(&["chat", "And a lease?"]);
    assert!(
        refused.contains("east") || refused.contains("budget"),
        "{refused}"
    );
    // Whoever keeps nothing knows nothing either.
    home.run(&["--private", "chat", "And a lease?"]);
    let stats: Value = serde_json::from_str(&home.run(&["stats", "--json"])).unwrap();
    assert_eq!(stats[0]["successful"], 1);
}
