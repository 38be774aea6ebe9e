//! A driver over simulated instances: real providers, real sockets, one process.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first surprise"
)]

use std::time::Duration;

use futures_util::StreamExt;
use llmdeck::base::{
    Answer, Attempt, ChatRequest, Chunk, Error, InstanceState, InstanceView, LlmResponse,
};
use llmdeck::driver::{self, InstanceSpec};
use llmdeck::pool::InstanceSettings;
use llmdeck::provider::{self, Http, HttpSettings};
use llmdeck::sim::{InstanceProfile, Server, Settings, Stats};
use llmdeck::{LlmModelDriver, ProviderType};
use tokio::time::Instant;

/// Longer than anything here takes on a busy machine; what would hang fails instead.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A question that every simulated instance answers.
pub(crate) const QUESTION: &str = "What are permits?";

/// Simulated instances and a driver over them.
pub(crate) struct Rig {
    pub(crate) server: Server,
    pub(crate) driver: LlmModelDriver,
}

/// Everything one instance is set to, to be changed before the driver is made.
pub(crate) struct Spec {
    pub(crate) reach: provider::Settings,
    pub(crate) pool: InstanceSettings,
}

impl Rig {
    /// Starts the instances and a driver over them; `change` sees each one's settings first.
    pub(crate) fn new(
        settings: driver::Settings,
        profiles: Vec<InstanceProfile>,
        http: &Http,
        mut change: impl FnMut(&mut Spec),
    ) -> Self {
        allow_many_sockets();
        let server = Server::start(Settings {
            seed: 1,
            instances: profiles,
        })
        .unwrap();
        let instances = server.instances().into_iter().map(|endpoint| {
            let mut reach = provider::Settings::new(&endpoint.name, endpoint.provider_type);
            reach.base_url = Some(endpoint.base_url.clone());
            reach.key = endpoint.key.map(Into::into);
            let mut pool = InstanceSettings::new(&endpoint.name, endpoint.provider_type);
            pool.base_url = endpoint.base_url;
            pool.models = endpoint.models;
            let mut spec = Spec { reach, pool };
            change(&mut spec);
            InstanceSpec {
                settings: spec.pool,
                strategy: provider::build(spec.reach, http).unwrap(),
            }
        });
        let driver = LlmModelDriver::new(settings, Vec::new(), instances.collect()).unwrap();
        Self { server, driver }
    }

    /// Asks the usual question and waits for the end.
    pub(crate) async fn ask(&self) -> Told {
        self.tell(QUESTION.into()).await
    }

    /// Sends a request and keeps what the caller sees of it.
    pub(crate) async fn tell(&self, request: ChatRequest) -> Told {
        let reading = read(&self.driver, request);
        tokio::time::timeout(PATIENCE, reading)
            .await
            .expect("a request ended in time")
    }

    /// Returns an instance as the board shows it.
    pub(crate) fn view(&self, name: &str) -> InstanceView {
        self.driver.board().instance(&name.into()).unwrap().clone()
    }

    /// Returns an instance's state.
    pub(crate) fn state(&self, name: &str) -> InstanceState {
        self.view(name).state
    }

    /// Returns what the server counted at an instance.
    pub(crate) fn stats(&self, name: &str) -> Stats {
        self.server.stats(name).unwrap()
    }

    /// Asks again and again until `name` has answered and stands as if nothing had happened.
    pub(crate) async fn until_back(&self, name: &str) -> Result<(), String> {
        let begun = Instant::now();
        let mut answered = false;
        while !(answered && matches!(self.state(name), InstanceState::On | InstanceState::Failing))
        {
            if begun.elapsed() > PATIENCE {
                return Err(format!("{name} has not come back: {:?}", self.view(name)));
            }
            let told = self.ask().await;
            answered |= told.outcome.is_ok() && told.by(name);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

/// What a caller saw of one request.
#[derive(Debug)]
pub(crate) struct Told {
    /// How it ended.
    pub(crate) outcome: Result<LlmResponse, Error>,
    /// The visible text that came, as it came.
    pub(crate) text: String,
    /// Failed attempts that were made good before anything was shown.
    pub(crate) retries: Vec<Attempt>,
    /// Who began to answer; nobody when nothing was shown.
    pub(crate) started: Vec<String>,
    /// Whether a failed attempt was told of after something had been shown.
    pub(crate) retried_late: bool,
}

impl Told {
    /// Tells whether this instance answered, or began to.
    pub(crate) fn by(&self, name: &str) -> bool {
        self.started.iter().any(|started| started == name)
    }
}

async fn read(driver: &LlmModelDriver, request: ChatRequest) -> Told {
    let mut stream = driver.stream(request);
    let mut answer = Answer::default();
    let mut told = Told {
        outcome: Ok(LlmResponse::default()),
        text: String::new(),
        retries: Vec::new(),
        started: Vec::new(),
        retried_late: false,
    };
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => {
                answer.push(&piece);
                match piece {
                    Chunk::Text(text) => told.text.push_str(&text),
                    Chunk::Retry(attempt) => {
                        told.retried_late |= !told.started.is_empty();
                        told.retries.push(*attempt);
                    }
                    Chunk::Started(started) => told.started.push(started.instance.to_string()),
                    _ => {}
                }
            }
            Err(error) => {
                told.outcome = Err(error);
                return told;
            }
        }
    }
    told.outcome = Ok(answer.into_response());
    told
}

/// Both ends of every connection are in this process, and many systems allow 1,024 files at first.
pub(crate) fn allow_many_sockets() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    const ENOUGH: u64 = 8_192;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < ENOUGH) {
        limit.current = Some(limit.maximum.map_or(ENOUGH, |most| most.min(ENOUGH)));
        setrlimit(Resource::Nofile, limit).unwrap();
    }
}

/// Makes the place where clients are kept, without any proxy.
pub(crate) fn http() -> Http {
    Http::new(HttpSettings::default()).unwrap()
}

/// Returns the three types with the name that their instance has in these tests.
pub(crate) fn types() -> [(&'static str, ProviderType); 3] {
    [
        ("one", ProviderType::OpenAi),
        ("two", ProviderType::Ollama),
        ("three", ProviderType::ZhipuAi),
    ]
}
