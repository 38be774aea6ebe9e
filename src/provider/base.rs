//! What providers share: one upstream with its address, credentials, client and patience, and how it is asked.
//! The formats of what is said are `wire`'s; the course of one answer is in `call`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Uri;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    LOCATION,
};
use reqwest::{Client, Method, Request, Url};
use tokio::time::timeout;

use super::address::{Address, shown};
use super::answered::Answered;
use super::auth::{Clock, Credentials, system_clock};
use super::call::{self, TraceHeaders};
use super::connects::watch;
use super::fault::{Place, Stage, Transport, closed_unanswered, explain};
use super::fingerprint;
use super::hint::better_hint;
use super::http::{Http, Way, read_authorities};
use super::plain::Plain;
use super::{Settings, Timeouts};
use crate::base::{
    ChatRequest, ChatStream, Endpoint, Error, ErrorKind, InstanceName, Loaded, ProviderType,
};
use crate::wire;

/// How much of an error's body is read, and for how long.
const LONGEST_REFUSAL: usize = 64 << 10;
const REFUSAL_PATIENCE: Duration = Duration::from_secs(5);
/// Headers that a chat is sent with, those that reqwest adds included; more are possible.
const MOST_HEADERS: usize = 12;
/// How much of a small answer (a list of models) is read, and for how long beyond connecting.
const LONGEST_SMALL_ANSWER: usize = 16 << 20;
const SMALL_ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// The header of the W3C Trace Context recommendation.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// In what a provider type differs from the others, apart from its formats.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Its usual base URL.
    pub base_url: &'static str,
    /// Domains that want the most output tokens in a field of another name, and that name.
    pub max_tokens_fields: &'static [(&'static str, &'static str)],
}

/// What every provider type does alike; the design document's name for it. Cheap to clone.
#[derive(Clone)]
pub struct BaseLlmGeneration {
    upstream: Arc<Upstream>,
}

impl BaseLlmGeneration {
    /// Checks the settings and takes a client; sends nothing.
    ///
    /// # Errors
    /// `config`, naming the instance, when URL, key, headers or `ca_file` are wrong.
    pub fn new(settings: Settings, http: &Http, habits: Habits) -> Result<Self, Error> {
        Self::with_clock(settings, http, habits, system_clock)
    }

    /// As [`BaseLlmGeneration::new`], with a clock for signed tokens.
    pub(super) fn with_clock(
        settings: Settings,
        http: &Http,
        habits: Habits,
        clock: Clock,
    ) -> Result<Self, Error> {
        let name = settings.name.clone();
        match Upstream::new(settings, http, habits, clock) {
            Ok(upstream) => Ok(Self {
                upstream: Arc::new(upstream),
            }),
            Err(error) => Err(error.with_instance(name)),
        }
    }

    /// Returns the protocol it speaks.
    pub fn provider_type(&self) -> ProviderType {
        self.upstream.provider_type
    }

    /// Returns a number that is another one when it is reached in another way.
    pub fn fingerprint(&self) -> u64 {
        self.upstream.fingerprint
    }

    /// Asks for an answer; sends nothing until the stream is polled, and closes its connection when it is dropped.
    pub fn stream(&self, request: &ChatRequest) -> ChatStream {
        call::stream(&self.upstream, request)
    }

    /// Returns the body that would be sent.
    #[cfg(test)]
    pub(super) fn body_for(&self, request: &ChatRequest) -> serde_json::Value {
        wire::encode(self.upstream.provider_type, request, &self.upstream.quirks)
    }

    /// Lists the models the upstream offers.
    ///
    /// # Errors
    /// Whatever goes wrong on the way, and `protocol` when the answer is no such list.
    pub async fn models(&self) -> Result<Vec<String>, Error> {
        let upstream = &self.upstream;
        let answer = upstream
            .get(wire::models_path(upstream.provider_type))
            .await?;
        wire::decode_models(upstream.provider_type, &answer.body)
            .map_err(|error| upstream.sign(error))
    }

    /// Lists the models that an Ollama holds in memory.
    ///
    /// # Errors
    /// Whatever goes wrong on the way, and `protocol` when the answer is no such list.
    pub(super) async fn loaded(&self) -> Result<Vec<Loaded>, Error> {
        let answer = self.upstream.get(wire::LOADED_PATH).await?;
        wire::decode_loaded(&answer.body).map_err(|error| self.upstream.sign(error))
    }

    /// Fetches a small JSON answer and says nothing of what is in it.
    ///
    /// # Errors
    /// Whatever goes wrong on the way, and `protocol` when it is a web page.
    pub async fn reach(&self, path: &str) -> Result<(), Error> {
        let answer = self.upstream.get(path).await?;
        if answer.is_page {
            let host = self.upstream.address.host_port();
            return Err(self.upstream.sign(Error::protocol(
                "html",
                format!("{host} answered with a web page where the API should be"),
            )));
        }
        Ok(())
    }
}

impl std::fmt::Debug for BaseLlmGeneration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BaseLlmGeneration")
            .field("instance", &self.upstream.name)
            .field("provider_type", &self.upstream.provider_type)
            .field("base_url", &self.upstream.address.shown())
            .finish_non_exhaustive()
    }
}

/// One configured upstream, ready to be asked.
pub(super) struct Upstream {
    pub(super) name: InstanceName,
    pub(super) provider_type: ProviderType,
    pub(super) timeouts: Timeouts,
    pub(super) max_line: usize,
    pub(super) quirks: wire::Quirks,
    pub(super) place: Place,
    pub(super) address: Address,
    pub(super) credentials: Credentials,
    chat_url: Url,
    /// What of it stands in a request's first line.
    chat_path: Uri,
    client: Client,
    /// Connections of its own, where neither TLS nor a proxy nor HTTP/2 can be in play.
    plain: Option<Plain>,
    fingerprint: u64,
}

/// A small answer, read whole.
struct SmallAnswer {
    body: Vec<u8>,
    is_page: bool,
}

impl Upstream {
    fn new(settings: Settings, http: &Http, habits: Habits, clock: Clock) -> Result<Self, Error> {
        let provider_type = settings.provider_type;
        let base_url = settings.base_url.as_deref().unwrap_or(habits.base_url);
        let address = Address::parse(base_url, provider_type)?;
        let credentials = Credentials::new(&settings, address.user.as_ref(), clock)?;
        let loopback = address.is_loopback();
        let way = Way {
            connect: settings.timeouts.connect,
            authorities: settings
                .ca_file
                .as_deref()
                .map(read_authorities)
                .transpose()?,
            loopback,
            tls: address.is_tls() || !loopback,
        };
        let place = Place {
            host: address.host_port(),
            proxy: http.proxy_of(address.url(), loopback),
            provider_type,
            loopback,
        };
        let max_tokens_field = settings.max_tokens_field.clone().or_else(|| {
            habits
                .max_tokens_fields
                .iter()
                .find(|(domain, _)| address.is_at(domain))
                .map(|(_, field)| (*field).to_owned())
        });
        let chat_url = address.join(wire::chat_path(provider_type));
        Ok(Self {
            fingerprint: fingerprint::of(&settings, way.authorities.as_deref()),
            plain: match place.proxy {
                None => Plain::new(address.url(), settings.timeouts.connect),
                Some(_) => None,
            },
            client: http.client(way)?,
            name: settings.name,
            provider_type,
            timeouts: settings.timeouts,
            max_line: settings.max_line,
            quirks: wire::Quirks {
                max_tokens_field,
                ..wire::Quirks::default()
            },
            place,
            chat_path: path_of(&chat_url),
            chat_url,
            address,
            credentials,
        })
    }

    /// Sends a chat and waits for the response's headers, whatever they say.
    pub(super) async fn post(
        &self,
        body: Bytes,
        endpoint: Endpoint,
        streaming: bool,
        trace: TraceHeaders,
    ) -> Result<Answered, Error> {
        let (url, path) = match endpoint {
            Endpoint::Chat => (None, self.chat_path.clone()),
            Endpoint::Embeddings => {
                let path = wire::embed::embed_path(self.provider_type);
                let url = self.address.join(path);
                let path = path_of(&url);
                (Some(url), path)
            }
        };
        let accept = match (streaming, self.provider_type) {
            (false, _) => "application/json",
            (true, ProviderType::Ollama) => "application/x-ndjson",
            (true, ProviderType::OpenAi | ProviderType::ZhipuAi) => "text/event-stream",
        };
        let headers = || {
            let mut headers = HeaderMap::with_capacity(MOST_HEADERS);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            if streaming {
                // Proxies that compress also hold back; what comes compressed all the same is unpacked.
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            headers.extend(trace.parent.clone().map(|value| (TRACEPARENT, value)));
            headers.extend(trace.state.clone().map(|value| (TRACESTATE, value)));
            headers.extend(self.credentials.headers()?);
            Ok::<_, Error>(headers)
        };
        if let Some(plain) = &self.plain {
            let headers = || {
                let mut headers = headers()?;
                if !streaming {
                    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
                }
                Ok(headers)
            };
            return match plain.post(&path, headers, body).await? {
                Ok(answer) => Ok(answer.into()),
                Err(error) => Err(explain(error, Stage::Sending, &self.place)),
            };
        }
        self.execute(|| {
            let mut request =
                Request::new(Method::POST, url.as_ref().unwrap_or(&self.chat_url).clone());
            *request.headers_mut() = headers()?;
            *request.body_mut() = Some(body.clone().into());
            Ok(request)
        })
        .await
    }

    async fn get(&self, path: &str) -> Result<SmallAnswer, Error> {
        let patience = self.timeouts.connect + SMALL_ANSWER_PATIENCE;
        match timeout(patience, self.get_patiently(path)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::new(
                ErrorKind::TimeoutFirstToken,
                format!(
                    "{} did not answer GET {path} within {} s",
                    self.place.host,
                    patience.as_secs_f64()
                ),
            )
            .with_hint("the server takes connections but does not answer; see its log")),
        }
        .map_err(|error| self.sign(error))
    }

    async fn get_patiently(&self, path: &str) -> Result<SmallAnswer, Error> {
        let request = || {
            let mut request = Request::new(Method::GET, self.address.join(path));
            let headers = request.headers_mut();
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            headers.extend(self.credentials.headers()?);
            Ok(request)
        };
        let mut response = self.accept(self.execute(request).await?).await?;
        let is_page = content_type(response.headers()).is_some_and(|is| is.contains("text/html"));
        let mut body = Vec::new();
        while let Some(bytes) = response
            .chunk()
            .await
            .map_err(|error| explain(error, Stage::Body, &self.place))?
        {
            if body.len() + bytes.len() > LONGEST_SMALL_ANSWER {
                let megabytes = LONGEST_SMALL_ANSWER >> 20;
                return Err(Error::protocol(
                    "too_long",
                    format!("the answer to GET {path} is over {megabytes} MiB"),
                ));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(SmallAnswer { body, is_page })
    }

    /// Sends a request; once more, silently, if it met a kept connection that the server was just closing.
    async fn execute(
        &self,
        request: impl Fn() -> Result<Request, Error>,
    ) -> Result<Answered, Error> {
        let (outcome, opened) = watch(self.client.execute(request()?)).await;
        let outcome = match outcome.map_err(Transport::from) {
            Err(error) if !opened && closed_unanswered(&error) => {
                tracing::debug!(instance = %self.name, "a kept connection was closed; asking on a new one");
                self.client
                    .execute(request()?)
                    .await
                    .map_err(Transport::from)
            }
            outcome => outcome,
        };
        match outcome {
            Ok(response) => Ok(Answered::Reqwest(response)),
            Err(error) => Err(explain(error, Stage::Sending, &self.place)),
        }
    }

    /// Lets pass what is an answer, and turns everything else into an error.
    pub(super) async fn accept(&self, response: Answered) -> Result<Answered, Error> {
        let status = response.status();
        if status.is_redirection() {
            let target = response
                .headers()
                .get(LOCATION)
                .and_then(|to| to.to_str().ok());
            let target = target.and_then(|to| self.address.url().join(to).ok());
            let target = target.map_or_else(|| "nowhere".to_owned(), |to| shown(&to));
            return Err(Error::protocol(
                "redirect",
                format!("{} redirects to {target}", self.place.host),
            )
            .with_status(status.as_u16())
            .with_hint("redirects are not followed, for they could carry the key elsewhere; set base_url to the API's final address"));
        }
        if !status.is_success() {
            return Err(self.refusal(response).await);
        }
        if let Some(coding) = response.headers().get(CONTENT_ENCODING)
            && coding != "identity"
        {
            let coding = String::from_utf8_lossy(coding.as_bytes()).into_owned();
            return Err(Error::protocol(
                "bad_encoding",
                format!(
                    "{} answered compressed as '{coding}', which was not asked for",
                    self.place.host
                ),
            )
            .with_hint("a proxy in between may do this; let it pass answers as they are"));
        }
        Ok(response)
    }

    /// Reads what a server says when it does not answer, as far as it says it soon and in few words.
    async fn refusal(&self, mut response: Answered) -> Error {
        let mut body = Vec::new();
        let reading = async {
            while body.len() < LONGEST_REFUSAL {
                match response.chunk().await {
                    Ok(Some(bytes)) => body.extend_from_slice(&bytes),
                    // What has come so far is all there is to say.
                    Ok(None) | Err(_) => break,
                }
            }
        };
        let _ = timeout(REFUSAL_PATIENCE, reading).await;
        body.truncate(LONGEST_REFUSAL);
        // A cut could leave the beginning of a quoted key, so it is hidden before anything is shortened.
        let text = String::from_utf8_lossy(&body);
        let hidden = self.credentials.hide(&text);
        let headers = response.headers();
        wire::classify(
            self.provider_type,
            response.status().as_u16(),
            &|name| header(headers, name),
            hidden.as_bytes(),
        )
    }

    /// Gives an error the instance's name and a hint that knows the instance, and takes secrets out of it.
    pub(super) fn sign(&self, mut error: Error) -> Error {
        let hidden = self.credentials.hide(error.message());
        if hidden != error.message() {
            let hidden = hidden.into_owned();
            error = error.with_message(hidden);
        }
        if let Some(code) = error.code() {
            let hidden = self.credentials.hide(code);
            if hidden != code {
                let hidden = hidden.into_owned();
                error = error.with_code(hidden);
            }
        }
        if let Some(hint) = better_hint(self, &error) {
            error = error.with_hint(hint);
        }
        error.with_instance(self.name.clone())
    }
}

/// Returns what of a URL stands in a request's first line.
fn path_of(url: &Url) -> Uri {
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    path.parse().unwrap_or_default()
}

/// Returns a header's value as text.
pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Returns the content type in small letters.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    header(headers, CONTENT_TYPE.as_str()).map(|value| value.to_ascii_lowercase())
}
