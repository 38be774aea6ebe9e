//! The simulated pool on real sockets, spoken to by a plain HTTP client.

mod faults;
mod limits;
mod protocols;

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::{Endpoint, Fault, InstanceProfile, Server, Settings};
use crate::base::{Answer, Error, LlmResponse, ProviderType};
use crate::wire;

/// Longer than anything here takes; a test that would hang fails instead.
const PATIENCE: Duration = Duration::from_secs(10);

thread_local! {
    /// Making a client is slow, and each test has a thread and a runtime of its own.
    static CLIENT: reqwest::Client = new_client();
}

fn new_client() -> reqwest::Client {
    // Plain HTTP, but this build of the client wants a provider to be there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    client.build().unwrap()
}

/// One instance, and a client for it.
struct Sim {
    server: Server,
    endpoint: Endpoint,
    client: reqwest::Client,
}

impl Sim {
    fn new(provider_type: ProviderType, change: impl FnOnce(&mut InstanceProfile)) -> Self {
        Self::with_seed(1, provider_type, change)
    }

    fn with_seed(
        seed: u64,
        provider_type: ProviderType,
        change: impl FnOnce(&mut InstanceProfile),
    ) -> Self {
        let client = CLIENT.with(Clone::clone);
        let mut profile = InstanceProfile::new("a", provider_type);
        change(&mut profile);
        let server = Server::start(Settings {
            seed,
            instances: vec![profile],
        })
        .unwrap();
        let endpoint = server.instances().remove(0);
        Self {
            server,
            endpoint,
            client,
        }
    }

    fn faulty(provider_type: ProviderType, fault: Fault) -> Self {
        let sim = Self::new(provider_type, |_| {});
        sim.server.set_fault("a", Some(fault)).unwrap();
        sim
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint.base_url)
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.authorised(self.client.get(self.url(path)))
    }

    fn authorised(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.endpoint.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    fn ask(&self, question: &str, stream: bool) -> RequestBuilder {
        self.send(json!({
            "model": self.endpoint.models[0],
            "messages": [{"role": "user", "content": question}],
            "stream": stream,
        }))
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads better with json!")]
    fn send(&self, body: Value) -> RequestBuilder {
        let path = wire::chat_path(self.endpoint.provider_type);
        let request = self.client.post(self.url(path));
        self.authorised(request).json(&body)
    }

    /// Asks, and folds the whole response with the client's own decoders.
    async fn answer(&self, stream: bool) -> (LlmResponse, Result<(), Error>) {
        let response = self.ask("Hello", stream).send().await.unwrap();
        self.fold(response, stream).await
    }

    async fn fold(&self, response: Response, stream: bool) -> (LlmResponse, Result<(), Error>) {
        let provider_type = self.endpoint.provider_type;
        let mut answer = Answer::default();
        if response.status() != StatusCode::OK {
            return (answer.into_response(), Err(self.classify(response).await));
        }
        let content_type = header(&response, "content-type");
        let mut decoder = wire::decoder(provider_type, stream, content_type.as_deref(), 32 << 20);
        let mut chunks = Vec::new();
        let mut end = Ok(());
        let mut body = response.bytes_stream();
        while let Some(bytes) = body.next().await {
            end = match bytes {
                Ok(bytes) => decoder.feed(&bytes, &mut chunks),
                Err(error) => Err(Error::new(
                    crate::base::ErrorKind::Network,
                    error.to_string(),
                )),
            };
            if end.is_err() {
                break;
            }
        }
        if end.is_ok() {
            end = decoder.finish(&mut chunks);
        }
        for chunk in &chunks {
            answer.push(chunk);
        }
        (answer.into_response(), end)
    }

    async fn classify(&self, response: Response) -> Error {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let find = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
        let body = response.bytes().await.unwrap();
        wire::classify(self.endpoint.provider_type, status, &find, &body)
    }
}

fn header(response: &Response, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}

/// Reads the first piece of a body.
async fn first_piece(response: &mut Response) -> String {
    let piece = response.chunk().await.unwrap().unwrap();
    String::from_utf8(piece.to_vec()).unwrap()
}
