//! scratch: the console over a real driver with in-process instances
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use llmdeck::base::*;
use llmdeck::driver::{InstanceSpec, LlmModelDriver};
use llmdeck::pool::InstanceSettings;
use llmdeck::provider::LlmModelStrategy;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::sync::Arc;
use std::time::Duration;

struct Fake {
    name: &'static str,
    kind: ProviderType,
    first: u64,
    speed: f64,
    fail: f64,
    error: ErrorKind,
    seed: parking_lot::Mutex<SmallRng>,
}

const TEXT: &str = "# Round robin\n\nThe pool keeps a **ring** of instances and a pointer to the one that is next:\n\n1. A request takes the first instance from the pointer on that has a *free permit*.\n2. The pointer moves behind it.\n\n| instance | permits | state |\n|---|---:|---|\n| openai-a | 4 | on |\n| 本地-ollama | 2 | cooling |\n\n```rust\nlet driver = LlmModelDriver::new(settings, routes, instances)?;\nlet answer = driver.chat(\"why is the sky blue?\").await?;\nprintln!(\"{}\", answer.text);\n```\n\n> A permit is the right to have one request in flight.\n\nMore in the [docs](https://example.org/docs). Use `Space` in the pool to switch an instance off; what runs goes on. 中文也可以：每个字占两列。\n\n- one\n- two\n  - nested\n";

impl LlmModelStrategy for Fake {
    fn provider_type(&self) -> ProviderType {
        self.kind
    }
    fn stream(&self, request: &ChatRequest) -> ChatStream {
        let (first, gap, failing) = {
            let mut r = self.seed.lock();
            (
                Duration::from_millis((self.first as f64 * r.random_range(0.5..1.8)) as u64),
                Duration::from_secs_f64(1.0 / self.speed),
                r.random_bool(self.fail),
            )
        };
        let question = request
            .messages
            .last()
            .map(|m| m.content.to_text())
            .unwrap_or_default();
        let short = question.starts_with("load");
        let name = self.name;
        let error = self.error;
        let long = question.contains("long");
        Box::pin(async_stream(move |tx| async move {
            tokio::time::sleep(first).await;
            if failing || question.contains("fail") {
                let _ = tx
                    .send(Err(Error::new(
                        error,
                        "Rate limit reached for requests, please try again in 20s",
                    )
                    .with_instance(InstanceName::new(name))))
                    .await;
                return;
            }
            if question.contains("think") {
                for _ in 0..30 {
                    let _ = tx
                        .send(Ok(Chunk::Reasoning("I should think about it. ".into())))
                        .await;
                    tokio::time::sleep(gap).await;
                }
            }
            let text = if short {
                "ok ".repeat(30)
            } else if long {
                TEXT.repeat(20)
            } else {
                TEXT.to_owned()
            };
            let mut tokens = 0;
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(5) {
                tokens += 1;
                if tx
                    .send(Ok(Chunk::Text(piece.iter().collect())))
                    .await
                    .is_err()
                {
                    return;
                }
                tokio::time::sleep(gap).await;
            }
            let _ = tx
                .send(Ok(Chunk::Usage(Usage {
                    prompt_tokens: Some(40),
                    completion_tokens: Some(tokens),
                    ..Usage::default()
                })))
                .await;
            let _ = tx
                .send(Ok(Chunk::Finish {
                    reason: FinishReason::Stop,
                    raw: None,
                }))
                .await;
        }))
    }
    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        async { Ok(vec![]) }.boxed()
    }
    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(())
        }
        .boxed()
    }
}
fn async_stream<F: Future<Output = ()> + Send + 'static>(
    f: impl FnOnce(tokio::sync::mpsc::Sender<Result<Chunk, Error>>) -> F,
) -> impl futures_util::Stream<Item = Result<Chunk, Error>> + Send {
    let (tx, mut rx) = tokio::sync::mpsc::channel(1);
    let mut work = Some(Box::pin(f(tx)));
    futures_util::stream::poll_fn(move |cx| {
        if let Some(w) = &mut work {
            if w.poll_unpin(cx).is_ready() {
                work = None;
            }
        }
        rx.poll_recv(cx)
    })
}
#[tokio::main]
async fn main() {
    let f = |name, kind, model: &str, permits, first, speed, fail, error| {
        let mut s = InstanceSettings::new(name, kind);
        s.models = vec![model.into()];
        s.limits.permits = permits;
        s.base_url = "http://127.0.0.1:1".into();
        InstanceSpec {
            settings: s,
            strategy: Arc::new(Fake {
                name,
                kind,
                first,
                speed,
                fail,
                error,
                seed: parking_lot::Mutex::new(SmallRng::seed_from_u64(first)),
            }),
        }
    };
    use ProviderType::*;
    let driver = LlmModelDriver::new(
        llmdeck::driver::Settings {
            seed: Some(1),
            ..Default::default()
        },
        vec![],
        vec![
            f(
                "openai-a",
                OpenAi,
                "gpt-5.2-mini",
                4,
                340,
                90.0,
                0.02,
                ErrorKind::RateLimited,
            ),
            f(
                "openai-b",
                OpenAi,
                "gpt-5.2-mini",
                4,
                420,
                70.0,
                0.05,
                ErrorKind::Overloaded,
            ),
            f(
                "azure-eu",
                OpenAi,
                "gpt-5.2",
                2,
                800,
                50.0,
                0.02,
                ErrorKind::Server,
            ),
            f(
                "ollama-1",
                Ollama,
                "qwen3:8b",
                1,
                1200,
                25.0,
                0.0,
                ErrorKind::Network,
            ),
            f(
                "ollama-2",
                Ollama,
                "llama4:scout",
                2,
                900,
                35.0,
                0.1,
                ErrorKind::TimeoutFirstToken,
            ),
            f(
                "zhipu",
                ZhipuAi,
                "glm-5-flash",
                3,
                500,
                80.0,
                0.3,
                ErrorKind::RateLimited,
            ),
        ],
    )
    .unwrap();
    let rate: f64 = std::env::var("RATE")
        .ok()
        .and_then(|r| r.parse().ok())
        .unwrap_or(4.0);
    if rate > 0.0 {
        let d = driver.clone();
        tokio::spawn(async move {
            let mut r = SmallRng::seed_from_u64(7);
            loop {
                tokio::time::sleep(Duration::from_secs_f64(r.random_range(0.2..1.8) / rate)).await;
                let mut s = d.stream(ChatRequest::new(vec![Message::user("load")]));
                tokio::spawn(async move { while let Some(_) = s.next().await {} });
            }
        });
    }
    let settings = llmdeck::console::Settings {
        theme: std::env::var("DECK_THEME").ok(),
        ascii: std::env::var("DECK_ASCII").is_ok(),
        ..Default::default()
    };
    let context = llmdeck::console::Context {
        source_note: Some("embedded pool".into()),
        source_hint: Some("No provider is configured, so six simulated instances inside this program answer. Set OPENAI_API_KEY, ZHIPUAI_API_KEY or OLLAMA_HOST, or write a config with 'llmdeck config init', for real ones.".into()),
        version: "0.1.0".into(), ..Default::default() };
    let end = llmdeck::console::start(llmdeck::deck::Deck::from(driver), settings, context).await;
    eprintln!("{end:?}");
}
