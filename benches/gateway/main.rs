//! What `llmdeck serve` costs beside a plain nginx proxy: one run, the same upstream, the same load.
//!
//! Three processes besides this one, which makes the load: an upstream that does next to nothing (this program with
//! `--upstream`), nginx, and `llmdeck serve`. What is compared is the processor time of nginx and of llmdeck by what
//! the kernel counted of their threads, not time on the wall, so that other work on the machine changes little.
//! They take turns, round by round. `benches/gateway/run` builds and runs it.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench prints, and stops at the first surprise"
)]

mod load;
mod peer;
mod upstream;

use std::time::Duration;

use load::{Kind, Load, Outcome};
use peer::Peer;

/// Rounds; the figures are medians over them.
const ROUNDS: usize = 5;
/// Connections that ask again as soon as they have their answer.
const AT_ONCE: usize = 64;
/// Streams at once, for the memory.
const MANY: usize = 500;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--upstream") {
        return upstream::serve();
    }
    let asked = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)
    };
    let program = asked("--llmdeck").map_or(env!("CARGO_BIN_EXE_llmdeck"), String::as_str);
    let rounds = asked("--rounds").map_or(ROUNDS, |rounds| rounds.parse().expect("a number"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let only = asked("--only").map(String::as_str);
    runtime.block_on(compare(program, rounds, only));
}

async fn compare(program: &str, rounds: usize, only: Option<&str>) {
    let (_upstream, port) = peer::upstream();
    let mut peers = vec![Peer::direct(port)];
    match Peer::nginx(port) {
        Some(nginx) => peers.push(nginx),
        None => println!("nginx is not there (Debian: apt-get install nginx-light); llmdeck alone"),
    }
    peers.push(Peer::llmdeck(program, port));
    for peer in &peers {
        peer.wait().await.unwrap();
    }
    println!(
        "{AT_ONCE} connections, {rounds} rounds, medians; processor time of the proxy's process alone\n"
    );
    for load in [
        Load {
            kind: Kind::Whole,
            at_once: AT_ONCE,
            requests: 10_000,
            every: Duration::ZERO,
        },
        Load {
            kind: Kind::Stream,
            at_once: AT_ONCE,
            requests: 4_000,
            every: Duration::ZERO,
        },
        Load {
            kind: Kind::Paced,
            at_once: AT_ONCE,
            requests: 256,
            every: Duration::ZERO,
        },
    ] {
        let name = format!("{:?}", load.kind);
        if only.is_none_or(|only| name.eq_ignore_ascii_case(only)) {
            cost(&peers, load, rounds).await;
        }
    }
    if only.is_some() {
        return;
    }
    println!(
        "added latency: one connection, one request each 5 ms; milliseconds at the median and at 99 %"
    );
    for kind in [Kind::Whole, Kind::Stream] {
        let load = Load {
            kind,
            at_once: 1,
            requests: 200,
            every: Duration::from_millis(5),
        };
        latency(&peers, load, rounds).await;
    }
    println!("{MANY} paced streams at once, none lost; the most memory that was resident:");
    for peer in &peers {
        let load = Load {
            kind: Kind::Paced,
            at_once: MANY,
            requests: MANY,
            every: Duration::ZERO,
        };
        let outcome = load.run(peer.port).await;
        assert_eq!(
            outcome.wrong, 0,
            "{}: streams that are not whole",
            peer.name
        );
        if let Some(bytes) = peer.memory() {
            println!("  {:<8} {:>6.1} MB", peer.name, bytes as f64 / 1e6);
        }
    }
}

/// Prints processor time a request, and requests a second.
async fn cost(peers: &[Peer], load: Load, rounds: usize) {
    let mut found: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); peers.len()];
    for round in 0..=rounds {
        for (peer, found) in peers.iter().zip(&mut found) {
            let before = peer.processor_time();
            let outcome = load.run(peer.port).await;
            let spent = peer.processor_time().saturating_sub(before);
            assert_eq!(
                outcome.wrong, 0,
                "{}: answers that are not right",
                peer.name
            );
            // The first warms up.
            if round > 0 {
                found
                    .0
                    .push(spent.as_secs_f64() * 1e6 / load.requests as f64);
                found
                    .1
                    .push(load.requests as f64 / outcome.took.as_secs_f64());
            }
        }
    }
    println!("{}:", load.kind.told());
    let nginx = peers.iter().position(|peer| peer.name == "nginx");
    let nginx = nginx.map(|at| median(&mut found[at].0));
    for (peer, (cost, speed)) in peers.iter().zip(&mut found) {
        let (cost, speed) = (median(cost), median(speed));
        let beside = match nginx {
            Some(nginx) if peer.name != "direct" => format!("{:>6.2} x nginx", cost / nginx),
            _ => String::new(),
        };
        println!(
            "  {:<8} {cost:>8.1} us a request {speed:>10.0} a second {beside}",
            peer.name
        );
    }
    println!();
}

/// Prints what a peer adds to the time until the first byte and until the end.
async fn latency(peers: &[Peer], load: Load, rounds: usize) {
    let mut found: Vec<Outcome> = peers.iter().map(|_| Outcome::default()).collect();
    for _ in 0..rounds {
        for (peer, found) in peers.iter().zip(&mut found) {
            found.add(load.run(peer.port).await);
        }
    }
    println!("{}:", load.kind.told());
    let mut direct = None;
    for (peer, outcome) in peers.iter().zip(&mut found) {
        let at = |times: &mut Vec<f64>, share: f64| {
            times.sort_by(f64::total_cmp);
            times[((times.len() - 1) as f64 * share) as usize]
        };
        let now = [
            at(&mut outcome.first, 0.5),
            at(&mut outcome.first, 0.99),
            at(&mut outcome.end, 0.5),
            at(&mut outcome.end, 0.99),
        ];
        let base = *direct.get_or_insert(now);
        println!(
            "  {:<8} first byte {:>6.2} {:>6.2}, end {:>6.2} {:>6.2}; added {:>6.2} and {:>6.2}",
            peer.name,
            now[0],
            now[1],
            now[2],
            now[3],
            now[0] - base[0],
            now[2] - base[2]
        );
    }
    println!();
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
