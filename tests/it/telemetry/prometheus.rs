//! Debian's Prometheus and its promtool, when they are here; CI says that they must be (`LLMDECK_WANTS_PROMETHEUS=1`).

#![expect(clippy::print_stderr, reason = "a test that is skipped says why")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use llmdeck::Deck;
use llmdeck::driver::Settings;
use llmdeck::export::{MetricsListener, metric, prometheus};
use llmdeck::sim::{Fault, FaultShare, InstanceProfile, Spread};
use tokio::time::{Instant, sleep};

use crate::support::{Rig, http, types};

/// Longer than a Prometheus takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells whether a program is here; without it the test says so and ends, unless it must be here.
fn is_here(program: &str) -> bool {
    let ran = Command::new(program).arg("--version").output();
    let is_here = ran.is_ok_and(|output| output.status.success());
    if !is_here {
        let wanted = std::env::var_os("LLMDECK_WANTS_PROMETHEUS").is_some_and(|value| value == "1");
        assert!(!wanted, "{program} must be installed (Debian: prometheus)");
        eprintln!("skipped: no {program} here (Debian: apt-get install prometheus)");
    }
    is_here
}

/// Runs promtool with a text on its stdin.
fn promtool(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() && said.trim().is_empty() || said.contains("SUCCESS") {
        Ok(said)
    } else {
        Err(said)
    }
}

/// Some answers, some failures.
fn rig() -> Rig {
    let quick = |(name, provider_type)| InstanceProfile {
        length: Some(Spread::exactly(40.0)),
        ..InstanceProfile::new(name, provider_type)
    };
    let mut profiles: Vec<InstanceProfile> = types().map(quick).into();
    profiles[0].faults = vec![FaultShare {
        fault: Fault::ServerError,
        share: 0.5,
    }];
    let settings = Settings {
        seed: Some(7),
        ..Settings::default()
    };
    Rig::new(settings, profiles, &http(), |_| {})
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_to_say_about_the_text() {
    if !is_here("promtool") {
        return;
    }
    let rig = rig();
    for _ in 0..40 {
        let _ = rig.ask().await;
    }
    let deck = Deck::from(rig.driver.clone());
    let text = prometheus(&deck.board(), &deck.figures());
    promtool(&["check", "metrics"], &text).unwrap();
    assert!(
        promtool(&["check", "metrics"], "x 1\nx 2\n").is_err(),
        "it does look"
    );
}

/// A Prometheus that ends with the test.
struct Running {
    child: Child,
    said: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "{}",
                std::fs::read_to_string(&self.said).unwrap_or_default()
            );
        }
    }
}

fn start_prometheus(folder: &Path, target: &str, port: u16) -> Running {
    let config = format!(
        "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\nscrape_configs:\n  - job_name: llmdeck\n    static_configs:\n      - targets: ['{target}']\n"
    );
    let file = folder.join("prometheus.yml");
    std::fs::write(&file, config).unwrap();
    let said = folder.join("said");
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.join("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--log.level=error")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&said).unwrap())
        .spawn()
        .unwrap();
    Running { child, said }
}

/// Asks a Prometheus for one number; `None` while it has none.
async fn query(port: u16, question: &str) -> Option<f64> {
    let url = format!("http://127.0.0.1:{port}/api/v1/query");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = reqwest::Url::parse_with_params(&url, [("query", question)]).unwrap();
    let answer = client.get(url).send().await.ok()?.text().await.ok()?;
    let answer: serde_json::Value = serde_json::from_str(&answer).ok()?;
    answer["data"]["result"][0]["value"][1]
        .as_str()?
        .parse()
        .ok()
}

async fn until(port: u16, question: &str, wanted: f64) {
    let begun = Instant::now();
    loop {
        let found = query(port, question).await;
        if found.is_some_and(|found| (found - wanted).abs() < 1e-6) {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{question}: wanted {wanted}, found {found:?}"
        );
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_scrapes_the_same_figures() {
    if !is_here("prometheus") {
        return;
    }
    let rig = rig();
    let deck = Deck::from(rig.driver.clone());
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = MetricsListener::start(deck.clone(), any).await.unwrap();
    for _ in 0..60 {
        let _ = rig.ask().await;
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let folder = tempfile::tempdir().unwrap();
    let _prometheus = start_prometheus(folder.path(), &listener.address().to_string(), port);

    let board = deck.board();
    let totals = &board.totals;
    let requests = totals.total_requests as f64;
    until(port, "sum(llmdeck_requests_total)", requests).await;
    for (question, wanted) in [
        (
            r#"sum(llmdeck_requests_total{outcome="success"})"#,
            totals.successful_requests,
        ),
        (
            "sum(gen_ai_client_operation_duration_seconds_count)",
            totals.total_requests,
        ),
        (
            r#"sum(gen_ai_client_operation_duration_seconds_bucket{le="+Inf"})"#,
            totals.total_requests,
        ),
        ("sum(llmdeck_attempts_total)", totals.attempts),
        ("sum(llmdeck_failovers_total)", totals.failovers),
        (
            r#"sum(gen_ai_client_token_usage_sum{gen_ai_token_type="output"})"#,
            totals.completion_tokens,
        ),
        ("count(llmdeck_instance_permits)", 3),
        (r#"up{job="llmdeck"}"#, 1),
    ] {
        until(port, question, wanted as f64).await;
    }
    let median =
        "histogram_quantile(0.5, sum by (le) (gen_ai_client_operation_duration_seconds_bucket))";
    assert!(query(port, median).await.is_some_and(|median| median > 0.0));
    assert!(
        rig.stats("one").requests > 0 && totals.failovers > 0,
        "faults were met"
    );
}

#[test]
fn the_rules_and_the_dashboard_name_only_what_is_exported() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    let mut known = std::collections::BTreeSet::new();
    for metric in metric::ALL {
        let name = metric.prometheus_name();
        for suffix in ["_bucket", "_sum", "_count"] {
            if metric.kind == metric::Kind::Histogram {
                known.insert(format!("{name}{suffix}"));
            }
        }
        if metric.kind != metric::Kind::Histogram {
            known.insert(name);
        }
    }
    let labels = [
        "gen_ai_provider_name",
        "gen_ai_request_model",
        "gen_ai_token_type",
        "llmdeck_instance",
        "llmdeck_route",
    ];
    for file in ["prometheus/llmdeck.rules.yml", "grafana/llmdeck.json"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        if file.ends_with("json") {
            let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(dashboard["panels"].as_array().unwrap().len() >= 10);
        }
        let mut used = 0;
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':');
        for name in text.split(word) {
            let is_name = name.starts_with("llmdeck_") || name.starts_with("gen_ai_");
            if is_name && !labels.contains(&name) {
                assert!(
                    known.contains(name),
                    "{file} uses {name}, which is not exported"
                );
                used += 1;
            }
        }
        assert!(used >= 8, "{file} was read: {used}");
    }
}

#[test]
fn promtool_takes_the_rules() {
    if !is_here("promtool") {
        return;
    }
    let rules =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/prometheus/llmdeck.rules.yml");
    let test =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/prometheus/llmdeck.rules.test.yml");
    promtool(&["check", "rules", rules.to_str().unwrap()], "").unwrap();
    promtool(&["test", "rules", test.to_str().unwrap()], "").unwrap();
}
