//! What the fuzzers call, with recorded bodies and changed ones: the same on every machine, and in a moment.

use std::fs;
use std::path::Path;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

#[path = "../../fuzz/src/targets.rs"]
#[allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::manual_assert,
    reason = "a fuzzer stops at the first surprise"
)]
mod targets;

/// How many changed inputs each target gets; more and others with `LLMDECK_FUZZED=100000,7`: so many, of this seed.
const CHANGED: usize = 400;
const SEED: u64 = 20_261_123;
/// Longer ones only take time here.
const LONGEST: usize = 8 << 10;

/// What is not read off a body that was recorded.
const WRITTEN: [&str; 12] = [
    "",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "Mon, 23 Nov 2026 20:00:00 GMT",
    "\u{1}\u{ad}120\nMon, 23 Nov 2026 20:00:00 GMT\n1h2m3.5s\n{\"error\":{\"message\":\"try again in 20s\"}}",
    "1e308",
    "[[instances]]\nname = \"a\"\ntype = \"ollama\"\nbase_url = \"http://127.0.0.1:1\"\n",
    "# A\n\n* b\n  1. c `d`\n\n| x | y |\n|---|---|\n| \u{4e2d} | \u{1f980} |\n\n```rust\nfn x() {}\n```\n",
    "0{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}],\"tools\":[]}",
    "6{\"model\":\"m\",\"max_tokens\":5,\"system\":\"s\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
    "2{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"x\"},{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"y\"}]}",
    "{\"models\":[{\"name\":\"a\",\"size\":1,\"details\":{\"family\":\"f\"}}]}",
    "{\"data\":[{\"embedding\":[0.5,1e40]}],\"input\":\"x\",\"encoding_format\":\"base64\"}",
];

fn seeds() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = ["tests/fixtures", "tests/configs/invalid"]
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind != "json"))
        .collect();
    files.extend(["config.example.toml", "README.md", "README.zh.md"].map(|file| root.join(file)));
    files.sort();
    let recorded = files.iter().map(|path| fs::read(path).unwrap());
    let written = WRITTEN.iter().map(|text| text.as_bytes().to_vec());
    recorded.chain(written).collect()
}

/// Changes a few places, as a fuzzer would that knows nothing.
fn change(seed: &[u8], other: &[u8], dice: &mut SmallRng) -> Vec<u8> {
    let mut bytes = seed[..seed.len().min(LONGEST)].to_vec();
    for _ in 0..dice.random_range(1..6) {
        let at = dice.random_range(0..=bytes.len());
        match dice.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, dice.random()),
            2 if at < bytes.len() => bytes[at] = dice.random(),
            3 if at < bytes.len() => drop(bytes.remove(at)),
            4 => {
                let from = dice.random_range(0..=other.len());
                let until = (from + 64).min(other.len());
                bytes.splice(at..at, other[from..until].iter().copied());
            }
            _ => {
                let marks: [&[u8]; 8] = [
                    b"\n\n", b"\r", b"\"", b"{", b"null", b"\\ud800", b"\x1b[", b"1e400",
                ];
                let mark = marks.choose(dice).copied().unwrap_or_default();
                bytes.splice(at..at, mark.iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn no_bytes_from_outside_do_harm() {
    let seeds = seeds();
    assert!(seeds.len() > 60, "the recorded bodies were found");
    let wanted = std::env::var("LLMDECK_FUZZED").unwrap_or_default();
    let (changed, chance) = wanted.split_once(',').unwrap_or((&wanted, ""));
    let changed = changed.parse().unwrap_or(CHANGED);
    for (name, target) in targets::TARGETS {
        let begun = tokio::time::Instant::now();
        let mut dice = SmallRng::seed_from_u64(chance.parse().unwrap_or(SEED));
        for seed in &seeds {
            target(&seed[..seed.len().min(LONGEST)]);
        }
        for number in 0..changed {
            let (Some(seed), Some(other)) = (seeds.choose(&mut dice), seeds.choose(&mut dice))
            else {
                continue;
            };
            let bytes = change(seed, other, &mut dice);
            let survived = std::panic::catch_unwind(|| target(&bytes));
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            assert!(survived.is_ok(), "{name}, input {number}: {shown:?}");
        }
        let runs = changed + seeds.len();
        println!("{name}: {runs} runs in {:.1?}", begun.elapsed());
    }
}
