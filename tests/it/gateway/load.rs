//! Many at once, a flood, callers who do not read, and changes under load: nothing is lost, and memory stays bounded.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::rig::chat;
use super::upstream::{DONE, Plan, Program, Upstream};
use crate::support::PATIENCE;

fn client() -> Client {
    let builder = Client::builder().no_proxy().pool_max_idle_per_host(0);
    builder.timeout(PATIENCE * 3).build().unwrap()
}

/// What a caller saw.
struct Seen {
    status: u16,
    retry_after: Option<String>,
    text: String,
    took: Duration,
}

impl Seen {
    /// Tells whether every event and the end came.
    fn is_whole(&self, events: usize) -> bool {
        self.status == 200
            && self.text.matches("\"content\"").count() == events
            && self.text.ends_with(DONE)
    }
}

async fn ask(client: &Client, address: &str) -> Seen {
    let begun = Instant::now();
    let url = format!("http://{address}/v1/chat/completions");
    let post = client.post(url).json(&chat("m", true));
    let response = post.send().await.unwrap();
    let status = response.status().as_u16();
    let header = response.headers().get("retry-after");
    let retry_after = header.map(|value| value.to_str().unwrap().to_owned());
    // A connection that breaks shows as a text without an end.
    let text = response.text().await.unwrap_or_default();
    Seen {
        status,
        retry_after,
        text,
        took: begun.elapsed(),
    }
}

async fn many(streams: usize) {
    let plan = Plan {
        first: Duration::from_millis(1_000),
        events: 20,
        pace: Duration::from_millis(100),
        length: 60,
    };
    let upstream = Upstream::start(plan).await;
    let program = Program::over(&upstream, "", streams).await;
    let client = client();
    let asking = join_all((0..streams).map(|_| ask(&client, &program.address)));
    let watching = async {
        let mut most = 0;
        loop {
            most = most.max(upstream.open());
            if most == streams {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (seen, ()) = tokio::join!(asking, async {
        let _ = tokio::time::timeout(PATIENCE, watching).await;
    });
    let whole = seen
        .iter()
        .filter(|seen| seen.is_whole(plan.events))
        .count();
    assert_eq!(whole, streams, "{}", program.told());
    if let Some((now, most)) = program.memory() {
        #[expect(clippy::print_stdout, reason = "a measurement says what it measured")]
        let () = println!(
            "{streams} streams at once: {now:.0} MB resident at the end, {most:.0} MB at most"
        );
        assert!(most < 100.0, "{most} MB");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_streams_at_once_lose_nothing() {
    many(100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long; 'cargo test --release -- --ignored five_hundred' prints the memory"]
async fn five_hundred_streams_at_once_lose_nothing_below_100_mb() {
    many(500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_shed_and_those_who_are_in_keep_their_speed() {
    const ADMITTED: usize = 16;
    const FLOOD: usize = 300;
    let plan = Plan {
        first: Duration::from_millis(200),
        events: 40,
        pace: Duration::from_millis(50),
        length: 20,
    };
    let upstream = Upstream::start(plan).await;
    let limit = format!("max_requests = {ADMITTED}");
    let program = Program::over(&upstream, &limit, ADMITTED).await;
    let client = client();
    let admitted = || join_all((0..ADMITTED).map(|_| ask(&client, &program.address)));
    let longest = |seen: &[Seen]| {
        assert!(seen.iter().all(|seen| seen.is_whole(plan.events)));
        seen.iter().map(|seen| seen.took).max().unwrap()
    };
    let alone = longest(&admitted().await);
    let flood = async {
        let begun = Instant::now();
        while upstream.open() < ADMITTED {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut seen = Vec::new();
        for _ in 0..FLOOD / 20 {
            seen.extend(join_all((0..20).map(|_| ask(&client, &program.address))).await);
            if upstream.open() < ADMITTED {
                break;
            }
        }
        seen
    };
    let (seen, shed) = tokio::join!(admitted(), flood);
    let beside = longest(&seen);
    let ratio = beside.as_secs_f64() / alone.as_secs_f64();
    // Those who came when the first had ended were let in.
    let refused: Vec<&Seen> = shed.iter().filter(|seen| seen.status != 200).collect();
    assert!(refused.len() >= 20, "{}", refused.len());
    for seen in &refused {
        assert_eq!(seen.status, 503);
        assert_eq!(seen.retry_after.as_deref(), Some("1"));
        assert!(seen.text.contains("\"error\""), "{}", seen.text);
    }
    let mut times: Vec<Duration> = refused.iter().map(|seen| seen.took).collect();
    times.sort();
    println!(
        "{} shed, {:?} at the median; the {ADMITTED} admitted took {beside:?}, alone {alone:?}: {ratio:.2} times",
        refused.len(),
        times[times.len() / 2]
    );
    assert!(times[times.len() / 2] < Duration::from_secs(1));
    assert!(ratio < 2.0, "{ratio}");
}

#[tokio::test]
async fn who_reads_nothing_holds_nothing_up_and_is_given_up() {
    let endless = Plan {
        first: Duration::ZERO,
        events: usize::MAX,
        pace: Duration::ZERO,
        length: 8_000,
    };
    let upstream = Upstream::start(endless).await;
    let program = Program::over(&upstream, "write_timeout = \"2s\"", 4).await;
    let before = program.memory();
    let mut socket = TcpStream::connect(&program.address).await.unwrap();
    let body = chat("m", true).to_string();
    let head =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 64];
    socket.read_exact(&mut first).await.unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200"));
    // Nothing is read from here on: the upstream is held back, and then left.
    let gone = upstream.until_quiet().await;
    let sent = upstream.sent() as f64 / 1e6;
    println!("the upstream got rid of {sent:.1} MB, and was left after {gone:?}");
    // What the system's own buffers take on both sides, and no more.
    assert!(sent < 60.0, "{sent} MB");
    if let (Some((before, _)), Some((_, most))) = (before, program.memory()) {
        println!("{before:.0} MB before, {most:.0} MB at most");
        assert!(most - before < 30.0, "{most} MB");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(unix)]
async fn a_reload_loses_nothing_and_a_stop_tells_what_it_cuts() {
    const STREAMS: usize = 20;
    let plan = Plan {
        first: Duration::from_millis(100),
        events: 30,
        pace: Duration::from_millis(50),
        length: 20,
    };
    let upstream = Upstream::start(plan).await;
    let mut program = Program::over(&upstream, "drain = \"300ms\"", STREAMS).await;
    let client = client();
    let asking = || join_all((0..STREAMS).map(|_| ask(&client, &program.address)));
    let until_all_run = async || {
        let begun = Instant::now();
        while upstream.open() < STREAMS {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let reloads = async {
        until_all_run().await;
        let changed = Program::config(upstream.port, "drain = \"300ms\"\nmax_requests = 900", 30);
        std::fs::write(program.config_file(), changed).unwrap();
        program.signal("-HUP");
        tokio::time::sleep(Duration::from_millis(100)).await;
        std::fs::write(program.config_file(), "[gateway]\nlisten = 5\n").unwrap();
        program.signal("-HUP");
    };
    let (seen, ()) = tokio::join!(asking(), reloads);
    assert!(seen.iter().all(|seen| seen.is_whole(plan.events)));
    // The wrong file changed nothing.
    assert!(ask(&client, &program.address).await.is_whole(plan.events));
    let stop = async {
        until_all_run().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        program.signal("-TERM");
    };
    let (seen, ()) = tokio::join!(asking(), stop);
    let is_told = |seen: &&Seen| {
        seen.status == 200 && seen.text.contains("shutting down") && !seen.text.contains(DONE)
    };
    assert_eq!(seen.iter().filter(is_told).count(), STREAMS);
    assert_eq!(program.ended().await, Some(1));
    let told = program.told();
    assert!(
        told.contains("20 requests were running, 20 of them were cut"),
        "{told}"
    );
}
