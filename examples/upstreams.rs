//! Simulated instances that behave in known ways, for trying clients against `llmdeck serve`: quick ones of every type, a
//! slow one, and some that always fail. Writes instances and routes into the config file that it is told, and ends when
//! its input does. What it counts is at the address that it prints: `GET /INSTANCE`.
#![expect(clippy::print_stdout, reason = "an example says what it does")]

use std::fmt::Write as _;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use llmdeck::sim::{self, Fault, InstanceProfile, Server, Spread};
use llmdeck::{Error, ErrorKind, ProviderType};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What always happens at an instance, and what is asked for to meet it.
const FAULTS: [(&str, Fault); 5] = [
    ("broken", Fault::ServerError),
    ("crowded", Fault::Unavailable),
    (
        "limited",
        Fault::RateLimited {
            retry_after: Some(Duration::from_secs(1)),
        },
    ),
    ("cut", Fault::CutMidStream),
    ("bad-half", Fault::ServerError),
];

fn profiles() -> Vec<InstanceProfile> {
    let of = |name: &str, provider_type| {
        let mut profile = InstanceProfile::new(name, provider_type);
        profile.models = vec![name.to_owned()];
        profile
    };
    let mut slow = of("slow", ProviderType::OpenAi);
    slow.speed = Spread::exactly(20.0);
    slow.length = Some(Spread::exactly(600.0));
    let mut brief = of("brief", ProviderType::OpenAi);
    brief.context = Some(20);
    let mut thinker = of("thinker", ProviderType::OpenAi);
    thinker.reasoning = true;
    let mut all = vec![
        of("gpt", ProviderType::OpenAi),
        of("llama", ProviderType::Ollama),
        of("glm", ProviderType::ZhipuAi),
        of("good-half", ProviderType::OpenAi),
        thinker,
        slow,
        brief,
    ];
    all.extend(FAULTS.map(|(name, _)| of(name, ProviderType::OpenAi)));
    all
}

/// Writes the instances down, and a route for each that fails: it must fail at once and in its own way, however often
/// it is asked.
fn config(server: &Server) -> String {
    let mut text = String::new();
    for found in server.instances() {
        let (name, provider_type, url) = (&found.name, found.provider_type, &found.base_url);
        // Writing into a text never fails.
        let _ = writeln!(
            text,
            "[[instances]]\nname = \"{name}\"\ntype = \"{provider_type}\"\nbase_url = \"{url}\"\nmodels = [\"{name}\"]\n\
             permits = 64\nbreaker = {{ enabled = {} }}\n",
            name.as_str() == "bad-half"
        );
    }
    for (name, _) in FAULTS {
        let _ = writeln!(
            text,
            "[[routes]]\nname = \"{name}\"\ntiers = [[\"{name}\"]]\nattempts = 1\ndeadline = \"900ms\"\n"
        );
    }
    text.push_str("[[routes]]\nname = \"pair\"\ntiers = [[\"bad-half\", \"good-half\"]]\n");
    text
}

/// Answers every request with the counters of the instance that its path names.
async fn tell(server: Arc<Server>, mut socket: TcpStream) -> std::io::Result<()> {
    let mut line = String::new();
    BufReader::new(&mut socket).read_line(&mut line).await?;
    let name = line.split([' ', '?']).nth(1).unwrap_or_default();
    let stats = server.stats(name.trim_start_matches('/')).ok();
    let (status, body) = match stats {
        Some(stats) => ("200 OK", serde_json::to_string(&stats).unwrap_or_default()),
        None => ("404 Not Found", "{}".to_owned()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    socket.write_all((head + &body).as_bytes()).await?;
    socket.shutdown().await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::new(ErrorKind::Config, error.to_string());
    let server = Arc::new(Server::start(sim::Settings {
        seed: 1,
        instances: profiles(),
    })?);
    for (name, fault) in FAULTS {
        server.set_fault(name, Some(fault))?;
    }
    let place = std::env::args()
        .nth(1)
        .ok_or_else(|| Error::new(ErrorKind::Config, "usage: upstreams CONFIG_FILE"))?;
    std::fs::write(place, config(&server)).map_err(failed)?;
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    println!("http://{}", listener.local_addr().map_err(failed)?);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(tell(Arc::clone(&server), socket));
        }
    });
    let until_end = || std::io::stdin().read_to_end(&mut Vec::new());
    // Whoever started this is gone when its input ends, or when nobody could wait for that.
    let _ = tokio::task::spawn_blocking(until_end).await;
    Ok(())
}
