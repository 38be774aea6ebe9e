//! A gateway over simulated instances, and a client that keeps what it sees.

use llmdeck::driver;
use llmdeck::gateway::{Gateway, Mounts, Settings};
use llmdeck::sim::InstanceProfile;
use llmdeck::{Deck, ProviderType};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Rig, http};

/// A gateway over simulated instances.
pub(crate) struct Front {
    pub(crate) rig: Rig,
    pub(crate) gateway: Gateway,
    client: Client,
}

impl Front {
    /// Starts a gateway over quick instances of these names and types.
    pub(crate) fn over(instances: &[(&str, ProviderType)]) -> Self {
        let profiles = instances
            .iter()
            .map(|(name, provider_type)| quick(name, *provider_type))
            .collect();
        Self::with(profiles, |_| {})
    }

    /// Starts a gateway over these instances; `change` sees its settings first.
    pub(crate) fn with(profiles: Vec<InstanceProfile>, change: impl FnOnce(&mut Settings)) -> Self {
        let rig = Rig::new(driver::Settings::default(), profiles, &http(), |_| {});
        let mut settings = Settings {
            listen: "127.0.0.1:0".to_owned(),
            ..Settings::default()
        };
        change(&mut settings);
        let deck = Deck::from(rig.driver.clone());
        let gateway = Gateway::start(settings, deck, Mounts::default()).unwrap();
        let client = Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .unwrap();
        Self {
            rig,
            gateway,
            client,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.address())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(self.url(path)).json(body)
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Posts, and returns the status and the document.
    pub(crate) async fn ask(&self, path: &str, body: &Value) -> (u16, Value) {
        read(self.post(path, body).send().await.unwrap()).await
    }

    /// Posts, and returns the whole body of a stream.
    pub(crate) async fn stream(&self, path: &str, body: &Value) -> String {
        let response = self.post(path, body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.text().await.unwrap()
    }
}

/// Returns the status and the document of a response.
pub(crate) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let document = serde_json::from_str(&text);
    (status, document.unwrap_or_else(|_| Value::String(text)))
}

/// An instance that answers at once.
pub(crate) fn quick(name: &str, provider_type: ProviderType) -> InstanceProfile {
    let mut profile = InstanceProfile::new(name, provider_type);
    profile.models = vec![format!("{name}-model")];
    profile
}

/// A chat in OpenAI's shape.
pub(crate) fn chat(model: &str, stream: bool) -> Value {
    json!({
        "model": model,
        "messages": [{"role": "user", "content": "What are permits?"}],
        "stream": stream,
    })
}

/// The JSON documents of the `data:` lines of an event stream, without `[DONE]`.
pub(crate) fn events(body: &str) -> Vec<Value> {
    body.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}
