//! The processes that are compared, and what the kernel knows of them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;

/// A process that ends with its owner.
pub(super) struct Process {
    child: Child,
    _place: Option<TempDir>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // Politely, for nginx takes its workers along.
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Something to ask.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) port: u16,
    process: Option<Process>,
}

/// Starts the upstream; gives its port.
pub(super) fn upstream() -> (Process, u16) {
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program)
        .arg("--upstream")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the upstream");
    let mut line = String::new();
    let out = child.stdout.take().expect("its output");
    BufReader::new(out).read_line(&mut line).expect("its port");
    let port = line.trim().parse().expect("a port");
    (
        Process {
            child,
            _place: None,
        },
        port,
    )
}

impl Peer {
    /// The upstream itself.
    pub(super) fn direct(port: u16) -> Self {
        Self {
            name: "direct",
            port,
            process: None,
        }
    }

    /// A plain proxy; `None` when nginx is not there.
    pub(super) fn nginx(upstream: u16) -> Option<Self> {
        let port = free_port();
        let place = TempDir::new().expect("a folder");
        let at = place.path().display();
        let config = format!(
            "daemon off;
worker_processes 2;
pid {at}/pid;
error_log {at}/error.log error;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;
  uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
  keepalive_requests 1000000;
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://up;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_buffering off;
    }}
  }}
}}
"
        );
        let file = place.path().join("nginx.conf");
        fs::write(&file, config).expect("a file");
        let program = ["/usr/sbin/nginx", "nginx"].into_iter().find(|program| {
            let asked = Command::new(program)
                .arg("-v")
                .stderr(Stdio::null())
                .status();
            asked.is_ok_and(|status| status.success())
        })?;
        let child = Command::new(program)
            .arg("-c")
            .arg(&file)
            .arg("-e")
            .arg(place.path().join("error.log"))
            .spawn()
            .ok()?;
        Some(Self {
            name: "nginx",
            port,
            process: Some(Process {
                child,
                _place: Some(place),
            }),
        })
    }

    /// `llmdeck serve` over one instance, without a line of log a request, as nginx is here; its request log in a database is
    /// on, as usual.
    pub(super) fn llmdeck(program: &str, upstream: u16) -> Self {
        let port = free_port();
        let place = TempDir::new().expect("a folder");
        let config = format!(
            "[gateway]
listen = \"127.0.0.1:{port}\"
admin_socket = \"off\"
[log]
level = \"warn\"
[[instances]]
name = \"up\"
type = \"openai\"
base_url = \"http://127.0.0.1:{upstream}/v1\"
key = \"key\"
models = [\"m\", \"paced\"]
permits = 1024
"
        );
        let file = place.path().join("config.toml");
        fs::write(&file, config).expect("a file");
        let child = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .env("XDG_DATA_HOME", place.path())
            .env("XDG_STATE_HOME", place.path())
            .env("XDG_CONFIG_HOME", place.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("llmdeck");
        Self {
            name: "llmdeck",
            port,
            process: Some(Process {
                child,
                _place: Some(place),
            }),
        }
    }

    /// Waits until it takes connections.
    pub(super) async fn wait(&self) -> Result<(), String> {
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(format!("{} does not take connections", self.name))
    }

    /// The processor time of its process and that one's children.
    pub(super) fn processor_time(&self) -> Duration {
        self.processes().map(threads_time).sum()
    }

    /// The most memory that it had resident, in bytes.
    pub(super) fn memory(&self) -> Option<u64> {
        self.process.as_ref()?;
        Some(self.processes().map(resident).sum())
    }

    fn processes(&self) -> impl Iterator<Item = u32> {
        let own = self.process.as_ref().map(|process| process.child.id());
        let children = own.map(|own| {
            let file = format!("/proc/{own}/task/{own}/children");
            fs::read_to_string(file).unwrap_or_default()
        });
        let children = children.unwrap_or_default();
        let children: Vec<u32> = children.split_whitespace().flat_map(str::parse).collect();
        own.into_iter().chain(children)
    }
}

/// Sums the nanoseconds that the kernel counted of each thread.
fn threads_time(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task"));
    let of_each = threads
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|thread| {
            let told = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            told.split_whitespace().next()?.parse::<u64>().ok()
        });
    Duration::from_nanos(of_each.sum())
}

fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
