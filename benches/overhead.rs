//! What the driver adds to a request, against the same trivial server on loopback.
//!
//! Four ways take turns, request by request, so that whatever else the machine does meets all alike:
//! plain reqwest that reads the bytes and does not look at them; one provider, which decodes them; the driver over 20
//! instances, which also chooses, limits, retries and counts; and the driver over instances without any socket, which
//! shows its own part alone.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench prints, and stops at the first surprise"
)]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use llmdeck::base::{FinishReason, Message, Usage};
use llmdeck::driver::{InstanceSpec, Settings};
use llmdeck::pool::InstanceSettings;
use llmdeck::provider::{self, Http, HttpSettings, LlmModelStrategy};
use llmdeck::{ChatRequest, ChatStream, Chunk, Error, LlmModelDriver, ProviderType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

const INSTANCES: usize = 20;
/// Rounds that are not counted, and rounds that are.
const WARM_UP: usize = 500;
const ROUNDS: usize = 5_000;
/// The same for long streams.
const LONG_WARM_UP: usize = 10;
const LONG_ROUNDS: usize = 200;
const LONG: usize = 1_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        println!("{INSTANCES} instances, {ROUNDS} requests each way, answers of 3 pieces");
        let short = Bench::new(3);
        let direct = short.run(WARM_UP, ROUNDS).await;
        println!(
            "the driver adds {:.1} us to plain reqwest at the median, {:.1} us to the provider\n",
            direct.driver.above(&direct.plain),
            direct.driver.above(&direct.provider)
        );

        println!("{LONG_ROUNDS} streams each way, answers of {LONG} pieces");
        let long = Bench::new(LONG);
        let direct = long.run(LONG_WARM_UP, LONG_ROUNDS).await;
        let each = |micros: f64| micros * 1_000.0 / LONG as f64;
        println!(
            "a piece costs {:.0} ns to decode, and {:.0} ns more through the driver",
            each(direct.provider.above(&direct.plain)),
            each(direct.driver.above(&direct.provider)),
        );
    });
}

/// Everything that is measured, on one server.
struct Bench {
    plain: reqwest::Client,
    body: String,
    urls: Vec<String>,
    providers: Vec<Arc<dyn LlmModelStrategy>>,
    driver: LlmModelDriver,
    /// The driver over instances that answer without a socket.
    alone: LlmModelDriver,
    request: ChatRequest,
    pieces: usize,
}

/// Times of the ways, in microseconds.
struct Times {
    plain: Sorted,
    provider: Sorted,
    driver: Sorted,
}

impl Bench {
    fn new(pieces: usize) -> Self {
        let http = Http::new(HttpSettings::default()).unwrap();
        let urls: Vec<String> = serve(INSTANCES, Arc::new(response(pieces)));
        let mut providers = Vec::new();
        let mut settings = Vec::new();
        for (n, url) in urls.iter().enumerate() {
            let name = format!("i{n}");
            let mut reach = provider::Settings::new(&name, ProviderType::OpenAi);
            reach.base_url = Some(url.clone());
            reach.key = Some("sk-bench".to_owned().into());
            providers.push(provider::build(reach, &http).unwrap());
            let mut pool = InstanceSettings::new(&name, ProviderType::OpenAi);
            pool.models = vec!["m".to_owned()];
            settings.push(pool);
        }
        let driver_over = |strategies: &[Arc<dyn LlmModelStrategy>]| {
            let instances = settings.iter().zip(strategies);
            let instances = instances.map(|(settings, strategy)| InstanceSpec {
                settings: settings.clone(),
                strategy: Arc::clone(strategy),
            });
            LlmModelDriver::new(Settings::default(), Vec::new(), instances.collect()).unwrap()
        };
        let instant: Arc<dyn LlmModelStrategy> = Arc::new(Instantly(pieces));
        let alone = driver_over(&vec![instant; INSTANCES]);
        let driver = driver_over(&providers);
        let request = ChatRequest::new(vec![
            Message::system("You are brief, and you never say more than you know."),
            Message::user("Why is the sky blue, and since when has it been so?"),
        ])
        .with_model("m");
        Self {
            plain: reqwest::Client::builder()
                .no_proxy()
                .tcp_nodelay(true)
                .build()
                .unwrap(),
            body: llmdeck::wire::encode(
                ProviderType::OpenAi,
                &request,
                &llmdeck::wire::Quirks::default(),
            )
            .to_string(),
            urls,
            providers,
            driver,
            alone,
            request,
            pieces,
        }
    }

    async fn run(&self, warm_up: usize, rounds: usize) -> Times {
        let mut times: [Vec<f64>; 4] = std::array::from_fn(|_| Vec::with_capacity(rounds));
        for round in 0..warm_up + rounds {
            for turn in 0..times.len() {
                // Each way is the first in its turn: the first after a pause is the slowest. Half of the rounds go
                // backwards, so that plain reqwest and the driver follow the way without sockets, after which the
                // server sleeps, equally often.
                let turn = if (round / times.len()).is_multiple_of(2) {
                    turn
                } else {
                    times.len() - turn
                };
                let way = (round + turn) % times.len();
                let begun = Instant::now();
                match way {
                    0 => self.plainly(round).await,
                    1 => {
                        let at = round % self.providers.len();
                        self.read(self.providers[at].stream(&self.request)).await;
                    }
                    2 => self.read(self.driver.stream(self.request.clone())).await,
                    _ => self.read(self.alone.stream(self.request.clone())).await,
                }
                if round >= warm_up {
                    times[way].push(begun.elapsed().as_secs_f64() * 1e6);
                }
            }
        }
        let [plain, provider, driver, alone] = times.map(Sorted::new);
        plain.print("plain reqwest");
        provider.print("one provider");
        driver.print("the driver");
        alone.print("the driver without sockets");
        Times {
            plain,
            provider,
            driver,
        }
    }

    async fn plainly(&self, round: usize) {
        let url = format!("{}/chat/completions", self.urls[round % self.urls.len()]);
        let request = self
            .plain
            .post(url)
            .header("content-type", "application/json")
            .header("accept", "text/event-stream")
            .header("authorization", "Bearer sk-bench")
            .body(self.body.clone());
        let mut response = request.send().await.unwrap();
        let mut bytes = 0;
        while let Some(chunk) = response.chunk().await.unwrap() {
            bytes += chunk.len();
        }
        assert!(bytes > 100);
    }

    async fn read(&self, mut stream: ChatStream) {
        let mut pieces = 0;
        while let Some(piece) = stream.next().await {
            pieces += usize::from(piece.unwrap().is_output());
        }
        assert_eq!(pieces, self.pieces);
    }
}

/// Times in order.
struct Sorted(Vec<f64>);

impl Sorted {
    fn new(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    fn at(&self, share: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * share) as usize]
    }

    /// Returns by how much the median is above another's.
    fn above(&self, other: &Self) -> f64 {
        self.at(0.5) - other.at(0.5)
    }

    fn print(&self, what: &str) {
        println!(
            "{what:<28} median {:>9.1} us   p99 {:>9.1} us",
            self.at(0.5),
            self.at(0.99)
        );
    }
}

/// An instance that has its answer ready.
struct Instantly(usize);

impl LlmModelStrategy for Instantly {
    fn provider_type(&self) -> ProviderType {
        ProviderType::OpenAi
    }

    fn stream(&self, _: &ChatRequest) -> ChatStream {
        let pieces = (0..self.0).map(|_| Chunk::Text("word ".to_owned()));
        let end = [
            Chunk::Finish {
                reason: FinishReason::Stop,
                raw: None,
            },
            Chunk::Usage(Usage {
                prompt_tokens: Some(20),
                completion_tokens: Some(self.0 as u64),
                ..Usage::default()
            }),
        ];
        Box::pin(stream::iter(pieces.chain(end).map(Ok)))
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        async { Ok(()) }.boxed()
    }
}

/// Makes the response to every request.
fn response(pieces: usize) -> Vec<u8> {
    let event = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let mut body = event(r#"{"content":"word "}"#, "null").repeat(pieces);
    body += &event("{}", "\"stop\"");
    body += "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":3,\"total_tokens\":23}}\n\n";
    body += "data: [DONE]\n\n";
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

/// Serves on so many ports, on a thread of its own, until the process ends. Returns base URLs.
fn serve(ports: usize, response: Arc<Vec<u8>>) -> Vec<String> {
    let listeners: Vec<std::net::TcpListener> = (0..ports)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let urls = listeners
        .iter()
        .map(|listener| format!("http://{}/v1", listener.local_addr().unwrap()))
        .collect();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            for listener in listeners {
                listener.set_nonblocking(true).unwrap();
                let listener = TcpListener::from_std(listener).unwrap();
                let response = Arc::clone(&response);
                tokio::spawn(async move {
                    while let Ok((socket, _)) = listener.accept().await {
                        tokio::spawn(answer(socket, Arc::clone(&response)));
                    }
                });
            }
            tokio::time::sleep(Duration::MAX).await;
        });
    });
    urls
}

/// Answers every request on a connection with the same bytes.
async fn answer(mut socket: TcpStream, response: Arc<Vec<u8>>) {
    socket.set_nodelay(true).unwrap();
    let mut so_far = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while let Ok(more) = socket.read(&mut buffer).await {
        if more == 0 {
            return;
        }
        so_far.extend_from_slice(&buffer[..more]);
        while let Some(end) = end_of_request(&so_far) {
            so_far.drain(..end);
            if socket.write_all(&response).await.is_err() {
                return;
            }
        }
    }
}

/// Returns where the first request ends, if all of it is there.
fn end_of_request(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).expect("headers in ASCII");
    let length = text
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0_usize);
    (bytes.len() >= head + length).then_some(head + length)
}
