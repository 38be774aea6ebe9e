//! The program is killed in the middle of an answer, again and again; what is older than a second must be there, the
//! file sound, and the conversation ready to go on.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use crate::history::Home;

/// What was handed over this long before the kill must be on disk: half a second of gathering, and the rest for a
/// machine with other things to do.
const KEPT_AFTER: Duration = Duration::from_secs(1);

fn rounds() -> u32 {
    let asked = std::env::var("LLMDECK_CRASH_ROUNDS").ok();
    asked.and_then(|rounds| rounds.parse().ok()).unwrap_or(8)
}

#[test]
#[expect(
    clippy::disallowed_types,
    reason = "another program is killed in real time"
)]
fn a_killed_program_loses_at_most_the_last_second() {
    let home = Home::new(60.0);
    let mut dice = SmallRng::seed_from_u64(7);
    let mut worst = Duration::ZERO;
    for round in 0..rounds() {
        let question = format!("round {round}: what are permits?");
        let mut child = home
            .command(&["chat", &question])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        // When each byte of the answer was seen.
        let reader = std::thread::spawn(move || {
            let (mut seen, mut buffer) = (Vec::new(), [0; 512]);
            while let Ok(count @ 1..) = out.read(&mut buffer) {
                seen.push((Instant::now(), buffer[..count].to_vec()));
            }
            seen
        });
        std::thread::sleep(Duration::from_millis(dice.random_range(200..2600)));
        let killed = Instant::now();
        child.kill().unwrap();
        child.wait().unwrap();
        let seen = reader.join().unwrap();
        let text = |older: Duration| -> String {
            let old = seen
                .iter()
                .filter(|(at, _)| killed.saturating_duration_since(*at) >= older);
            let bytes: Vec<u8> = old.flat_map(|(_, bytes)| bytes.clone()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let path = home.data().join(llmdeck::store::HISTORY_FILE);
        if !path.exists() {
            assert!(
                text(KEPT_AFTER).is_empty(),
                "round {round}: nothing is kept"
            );
            continue;
        }
        let shown = home.run(&["history", "export", "--format", "json"]);
        let kept: serde_json::Value = serde_json::from_str(&shown).unwrap();
        let conversations = kept["conversations"].as_array().unwrap();
        let this = conversations.iter().find(|one| {
            let messages = one["messages"].as_array().unwrap();
            messages
                .first()
                .is_some_and(|said| said["message"]["content"] == question.as_str())
        });
        let expected = text(KEPT_AFTER);
        let Some(this) = this else {
            assert!(expected.is_empty(), "round {round}: '{expected}' is lost");
            continue;
        };
        let answer = &this["messages"][1];
        let state = answer["state"].as_str().unwrap();
        assert!(matches!(state, "cut" | "whole"), "round {round}: {state}");
        let kept = answer["message"]["content"].as_str().unwrap();
        assert!(
            kept.starts_with(expected.trim_end()),
            "round {round}: of\n{expected}\nonly this is there:\n{kept}"
        );
        // What was lost, as time.
        let lost = seen.iter().rev().find(|(at, _)| {
            kept.trim_end()
                .starts_with(text(killed.saturating_duration_since(*at)).trim_end())
        });
        if let Some((at, _)) = lost {
            worst = worst.max(killed.saturating_duration_since(*at));
        }
        let connection = rusqlite::Connection::open(&path).unwrap();
        let sound: String = connection
            .query_row("pragma integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok", "round {round}");
    }
    println!(
        "{} kills; at most the last {worst:?} of an answer was lost",
        rounds()
    );
    // The last one can go on.
    home.run(&["chat", "--continue", "and now?"]);
    let shown = home.run(&["history", "show"]);
    assert!(shown.contains("and now?"), "{shown}");
}
