//! An upstream as light as can be, whose answers a test chooses, and the real program before it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::support::{PATIENCE, allow_many_sockets};

pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// What it answers with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Before the first event.
    pub(crate) first: Duration,
    /// Events with text.
    pub(crate) events: usize,
    /// Between them; none for as fast as they are taken.
    pub(crate) pace: Duration,
    /// The bytes of text in each.
    pub(crate) length: usize,
}

/// An upstream that streams, and counts.
pub(crate) struct Upstream {
    pub(crate) port: u16,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    sent: AtomicU64,
}

impl Upstream {
    pub(crate) async fn start(plan: Plan) -> Self {
        allow_many_sockets();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                tokio::spawn(answer(socket, plan, Arc::clone(&counted)));
            }
        });
        Self { port, counts }
    }

    /// Streams that run.
    pub(crate) fn open(&self) -> usize {
        self.counts.open.load(Ordering::Relaxed)
    }

    /// Bytes that were taken.
    pub(crate) fn sent(&self) -> u64 {
        self.counts.sent.load(Ordering::Relaxed)
    }

    /// Waits until no stream runs; gives how long that took.
    pub(crate) async fn until_quiet(&self) -> Duration {
        let begun = Instant::now();
        while self.open() > 0 {
            assert!(
                begun.elapsed() < PATIENCE,
                "{} streams still run",
                self.open()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        begun.elapsed()
    }
}

struct Counted(Arc<Counts>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn answer(mut socket: TcpStream, plan: Plan, counts: Arc<Counts>) -> Option<()> {
    let mut held = Vec::new();
    loop {
        while !is_asked(&held) {
            if socket.read_buf(&mut held).await.ok()? == 0 {
                return None;
            }
        }
        held.clear();
        counts.open.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&counts));
        let (mut reading, mut writing) = socket.split();
        let streaming = stream(&mut writing, plan, &counts);
        // A connection that closes in the middle ends the answer.
        tokio::select! {
            said = streaming => said?,
            read = reading.read_buf(&mut held) => {
                read.ok().filter(|read| *read > 0)?;
            }
        }
        drop(counted);
    }
}

async fn stream(
    socket: &mut (impl AsyncWriteExt + Unpin),
    plan: Plan,
    counts: &Counts,
) -> Option<()> {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await.ok()?;
    tokio::time::sleep(plan.first).await;
    let text = "x".repeat(plan.length);
    let event =
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    let event = format!("{:x}\r\n{event}\r\n", event.len());
    let mut pace = (!plan.pace.is_zero()).then(|| tokio::time::interval(plan.pace));
    for _ in 0..plan.events {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        socket.write_all(event.as_bytes()).await.ok()?;
        counts.sent.fetch_add(event.len() as u64, Ordering::Relaxed);
    }
    let stop = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let end = format!("{stop}{DONE}");
    let end = format!("{:x}\r\n{end}\r\n0\r\n\r\n", end.len());
    socket.write_all(end.as_bytes()).await.ok()
}

/// Tells whether a request with its body is there.
fn is_asked(held: &[u8]) -> bool {
    let text = String::from_utf8_lossy(held);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().unwrap())
    });
    body.len() >= length.unwrap_or(0)
}

/// `llmdeck serve` as it is run.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: String,
    home: TempDir,
}

impl Program {
    /// Starts it over an upstream; `gateway` stands in the config's section of that name, `permits` at the instance.
    pub(crate) async fn over(upstream: &Upstream, gateway: &str, permits: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("config.toml");
        std::fs::write(&config, Self::config(upstream.port, gateway, permits)).unwrap();
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let address = format!("127.0.0.1:{port}");
        let child = Command::new(env!("CARGO_BIN_EXE_llmdeck"))
            .arg("serve")
            .args(["--listen", &address, "--config"])
            .arg(&config)
            .env_clear()
            .env("HOME", home.path())
            .env("XDG_RUNTIME_DIR", home.path())
            .stderr(Stdio::from(
                std::fs::File::create(home.path().join("err")).unwrap(),
            ))
            .spawn()
            .unwrap();
        let program = Self {
            child,
            address,
            home,
        };
        let begun = Instant::now();
        while TcpStream::connect(&program.address).await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "{}", program.told());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        program
    }

    pub(crate) fn config(upstream: u16, gateway: &str, permits: usize) -> String {
        format!(
            "[gateway]\nadmin_socket = \"off\"\n{gateway}\n[[instances]]\nname = \"up\"\ntype = \"openai\"\nbase_url = \"http://127.0.0.1:{upstream}/v1\"\nkey = \"key\"\nmodels = [\"m\"]\npermits = {permits}\n"
        )
    }

    pub(crate) fn config_file(&self) -> std::path::PathBuf {
        self.home.path().join("config.toml")
    }

    /// What it wrote for people.
    pub(crate) fn told(&self) -> String {
        std::fs::read_to_string(self.home.path().join("err")).unwrap()
    }

    /// Its resident memory in MB now and at most; `None` where the system does not tell.
    pub(crate) fn memory(&self) -> Option<(f64, f64)> {
        let place = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(Path::new(&place)).ok()?;
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
            Some(kilobytes * 1024.0 / 1e6)
        };
        Some((of("VmRSS:")?, of("VmHWM:")?))
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(told.success());
    }

    /// Waits for its end; gives its exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "{}", self.told());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
