//! `llmdeck bench` by the real program against a simulated instance: its forms, what it prints, and an early end.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::history::Home;

/// Little enough to take no time, and no warm-up.
const SMALL: [&str; 6] = [
    "--warm-up",
    "0s",
    "--output-tokens",
    "20",
    "--prompt-tokens",
    "30",
];

fn bench(home: &Home, arguments: &[&str]) -> String {
    let all = [&["bench"], arguments, &SMALL].concat();
    home.run(&all)
}

#[test]
fn steps_are_told_in_json_in_csv_and_in_a_table_that_fits() {
    let home = Home::new(4000.0);
    let steps = ["east", "--concurrency", "1,2", "--requests", "8"];
    let told = bench(&home, &[&steps[..], &["--json"]].concat());
    let report: Value = serde_json::from_str(&told).unwrap();
    let of_steps = report["steps"].as_array().unwrap();
    assert_eq!(of_steps.len(), 2, "{report}");
    for step in of_steps {
        // What is open when the eighth has ended may count too.
        assert!((8..=9).contains(&step["ok"].as_u64().unwrap()), "{step}");
        assert_eq!(step["failed"], 0);
        assert!(step["completion"]["p95_seconds"].as_f64().unwrap() > 0.0);
        assert!(step["requests_per_second"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(report["is_interrupted"], false);
    assert!(report["closed_knee"]["permits"].as_u64().unwrap() >= 1);

    let told = bench(&home, &[&steps[..], &["--csv"]].concat());
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines[0].starts_with("loop,level,seconds,"), "{told}");
    let cells = |line: &str| line.split(',').count();
    assert!(lines.iter().all(|line| cells(line) == cells(lines[0])));

    let told = bench(&home, &steps);
    assert!(told.contains("permits = "), "{told}");
    assert!(told.contains("FIRST TOKEN"), "{told}");
    for line in told.lines() {
        assert!(
            line.chars().count() <= 80,
            "too long for 80 columns: {line}"
        );
    }
}

#[test]
fn a_url_a_route_and_the_whole_pool_are_loaded_at_rates_too() {
    let home = Home::with(
        4000.0,
        "[[routes]]\nname = \"fast\"\ntiers = [[\"east\"]]\n",
    );
    let open = ["--rate", "40", "--duration", "500ms", "--json"];
    for target in ["fast", "all"] {
        let report = bench(&home, &[&[target][..], &open].concat());
        let report: Value = serde_json::from_str(&report).unwrap();
        let step = &report["steps"][0];
        assert_eq!(step["loop"], "open", "{report}");
        assert!(step["ok"].as_u64().unwrap() >= 5, "{report}");
    }
    let url = home.url();
    let model = home.model();
    let key = ["--key-env", "BENCH_KEY", "--model", &model];
    let arguments = [&["bench", &url][..], &open, &key, &SMALL].concat();
    let output = home
        .command(&arguments)
        .env("BENCH_KEY", home.key())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["steps"][0]["ok"].as_u64().unwrap() >= 5, "{report}");

    let said = home.fails(&["bench", "nowhere"]);
    assert!(said.contains("east") && said.contains("fast"), "{said}");
}

#[test]
fn a_sweep_ends_by_itself_and_recommends() {
    let home = Home::new(4000.0);
    let told = bench(&home, &["east", "--sweep", "--requests", "12", "--json"]);
    let report: Value = serde_json::from_str(&told).unwrap();
    let steps = report["steps"].as_array().unwrap();
    let of = |name: &str| steps.iter().filter(|step| step["loop"] == name).count();
    assert!(of("closed") >= 2 && of("open") == 4, "{report}");
}

#[cfg(unix)]
#[test]
fn an_early_end_prints_what_there_is() {
    let home = Home::new(200.0);
    let arguments = [
        "bench",
        "east",
        "--concurrency",
        "2",
        "--duration",
        "10m",
        "--json",
    ];
    let mut child = home
        .command(&[&arguments[..], &SMALL].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Two questions must have been answered; what is asked of the server tells when.
    let begun = Instant::now();
    while home.answered() < 4 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "nothing is asked"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let mut told = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let report: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(report["is_interrupted"], true);
    assert!(report["steps"][0]["ok"].as_u64().unwrap() >= 1, "{report}");
}
