//! One error type: kind, instance, source, hint. The kind decides what is done about it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{InstanceName, RequestId, clean_line, shorten};

/// The longest message kept from a provider, in characters.
const LONGEST_MESSAGE: usize = 500;

/// What went wrong, in classes that differ in what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The key is wrong or missing.
    Auth,
    /// The key is right but may not do this.
    Permission,
    /// Money or plan is used up.
    QuotaExhausted,
    /// Too many requests or tokens for now.
    RateLimited,
    /// The server has too much to do.
    Overloaded,
    /// The request itself is wrong.
    InvalidRequest,
    /// The prompt does not fit the model's window.
    ContextLength,
    /// Moderation refused it.
    ContentFilter,
    /// The model is not there.
    NotFoundModel,
    /// No connection in time.
    TimeoutConnect,
    /// Connected, but no first token in time.
    TimeoutFirstToken,
    /// The stream fell silent.
    TimeoutIdle,
    /// DNS, TCP, TLS, proxy, reset.
    Network,
    /// What came is not what the protocol says.
    Protocol,
    /// The server failed.
    Server,
    /// The caller went away.
    Cancelled,
    /// The whole request ran out of time.
    Deadline,
    /// The queue is full, or the wait would be longer than the deadline.
    QueueFull,
    /// No instance can answer this: none configured, all off, or all held.
    NoInstance,
    /// The configuration or a command is wrong.
    Config,
}

/// What an error says about the instance that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing.
    No,
    /// A failure in the breaker's window.
    Fail,
    /// Half a failure.
    HalfFail,
    /// Skip the instance until the wait is over; not a failure.
    Cool,
    /// Take the instance out until its reset time, a configuration change, or a slow probe.
    Hold,
    /// Only this model at this instance is marked.
    Pair,
}

impl ErrorKind {
    /// Every kind, in the order in which lists show them.
    pub const ALL: [Self; 20] = [
        Self::Auth,
        Self::Permission,
        Self::QuotaExhausted,
        Self::RateLimited,
        Self::Overloaded,
        Self::InvalidRequest,
        Self::ContextLength,
        Self::ContentFilter,
        Self::NotFoundModel,
        Self::TimeoutConnect,
        Self::TimeoutFirstToken,
        Self::TimeoutIdle,
        Self::Network,
        Self::Protocol,
        Self::Server,
        Self::Cancelled,
        Self::Deadline,
        Self::QueueFull,
        Self::NoInstance,
        Self::Config,
    ];

    /// Returns the word used in JSON, logs, metrics and on the screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Permission => "permission",
            Self::QuotaExhausted => "quota_exhausted",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::InvalidRequest => "invalid_request",
            Self::ContextLength => "context_length",
            Self::ContentFilter => "content_filter",
            Self::NotFoundModel => "not_found_model",
            Self::TimeoutConnect => "timeout_connect",
            Self::TimeoutFirstToken => "timeout_first_token",
            Self::TimeoutIdle => "timeout_idle",
            Self::Network => "network",
            Self::Protocol => "protocol",
            Self::Server => "server",
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline",
            Self::QueueFull => "queue_full",
            Self::NoInstance => "no_instance",
            Self::Config => "config",
        }
    }

    /// Returns what happened in a few words for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Auth => "wrong key",
            Self::Permission => "not permitted",
            Self::QuotaExhausted => "quota used up",
            Self::RateLimited => "rate limited",
            Self::Overloaded => "overloaded",
            Self::InvalidRequest => "request refused",
            Self::ContextLength => "prompt too long",
            Self::ContentFilter => "content filtered",
            Self::NotFoundModel => "no such model",
            Self::TimeoutConnect => "no connection in time",
            Self::TimeoutFirstToken => "no first token in time",
            Self::TimeoutIdle => "stream fell silent",
            Self::Network => "network failed",
            Self::Protocol => "bad answer",
            Self::Server => "server failed",
            Self::Cancelled => "cancelled",
            Self::Deadline => "out of time",
            Self::QueueFull => "queue full",
            Self::NoInstance => "no instance can answer",
            Self::Config => "wrong configuration",
        }
    }

    /// Tells whether the same instance may be asked again (when nothing has been shown yet).
    pub const fn retry_same(self) -> bool {
        match self {
            Self::RateLimited
            | Self::Overloaded
            | Self::TimeoutConnect
            | Self::TimeoutIdle
            | Self::Network
            | Self::Protocol
            | Self::Server => true,
            Self::Auth
            | Self::Permission
            | Self::QuotaExhausted
            | Self::InvalidRequest
            | Self::ContextLength
            | Self::ContentFilter
            | Self::NotFoundModel
            | Self::TimeoutFirstToken
            | Self::Cancelled
            | Self::Deadline
            | Self::QueueFull
            | Self::NoInstance
            | Self::Config => false,
        }
    }

    /// Tells whether another instance may be asked (when nothing has been shown yet).
    pub const fn failover(self) -> bool {
        match self {
            Self::Auth
            | Self::Permission
            | Self::QuotaExhausted
            | Self::RateLimited
            | Self::Overloaded
            | Self::NotFoundModel
            | Self::TimeoutConnect
            | Self::TimeoutFirstToken
            | Self::TimeoutIdle
            | Self::Network
            | Self::Protocol
            | Self::Server => true,
            Self::InvalidRequest
            | Self::ContextLength
            | Self::ContentFilter
            | Self::Cancelled
            | Self::Deadline
            | Self::QueueFull
            | Self::NoInstance
            | Self::Config => false,
        }
    }

    /// Tells what it says about the instance's health.
    pub const fn health(self) -> Health {
        match self {
            Self::Auth | Self::QuotaExhausted => Health::Hold,
            Self::Permission | Self::NotFoundModel => Health::Pair,
            Self::RateLimited => Health::Cool,
            Self::Overloaded => Health::HalfFail,
            Self::TimeoutConnect
            | Self::TimeoutFirstToken
            | Self::TimeoutIdle
            | Self::Network
            | Self::Protocol
            | Self::Server => Health::Fail,
            Self::InvalidRequest
            | Self::ContextLength
            | Self::ContentFilter
            | Self::Cancelled
            | Self::Deadline
            | Self::QueueFull
            | Self::NoInstance
            | Self::Config => Health::No,
        }
    }

    /// Tells whether it is the caller's own doing, so that no pool could have done better.
    pub const fn callers_own(self) -> bool {
        match self {
            Self::InvalidRequest
            | Self::ContextLength
            | Self::ContentFilter
            | Self::Cancelled
            | Self::Config => true,
            Self::Auth
            | Self::Permission
            | Self::QuotaExhausted
            | Self::RateLimited
            | Self::Overloaded
            | Self::NotFoundModel
            | Self::TimeoutConnect
            | Self::TimeoutFirstToken
            | Self::TimeoutIdle
            | Self::Network
            | Self::Protocol
            | Self::Server
            | Self::Deadline
            | Self::QueueFull
            | Self::NoInstance => false,
        }
    }

    /// Returns what a person can do about it.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Auth => "check the instance's key and the variable or file it comes from",
            Self::Permission => {
                "this key may not use this model or region; use another key or model"
            }
            Self::QuotaExhausted => {
                "top up the account or wait for its reset; other instances go on"
            }
            Self::RateLimited => "wait a little, or set lower limits for this instance",
            Self::Overloaded => "the provider is busy; try again, or add another instance",
            Self::InvalidRequest => {
                "the request itself was refused; change it before sending it again"
            }
            Self::ContextLength => "shorten the conversation, or use a model with a larger window",
            Self::ContentFilter => "the provider's moderation refused it; rephrase the question",
            Self::NotFoundModel => "see 'llmdeck check' for the models this instance offers",
            Self::TimeoutConnect => "check the address, the network and the proxy settings",
            Self::TimeoutFirstToken => {
                "the server may be loading the model; try again or raise timeouts.first_token"
            }
            Self::TimeoutIdle => "the server stopped sending; try again or raise timeouts.idle",
            Self::Network => "check the address, the network and the proxy settings",
            Self::Protocol => {
                "check that base_url points at the API and not at a web page or proxy"
            }
            Self::Server => "the provider failed; try again, or add another instance",
            Self::Cancelled => "ask again when you like",
            Self::Deadline => "raise the deadline, or add instances or permits",
            Self::QueueFull => "try again shortly, or add instances or permits",
            Self::NoInstance => "switch an instance on, or add one to the config",
            Self::Config => {
                "mend the config and try again; 'llmdeck config print' shows what is in force"
            }
        }
    }

    /// Returns the exit code of the program for this kind: 2 for the caller's own mistakes, 10 and up otherwise.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Config => 2,
            Self::Auth => 10,
            Self::Permission => 11,
            Self::QuotaExhausted => 12,
            Self::RateLimited => 13,
            Self::Overloaded => 14,
            Self::InvalidRequest => 15,
            Self::ContextLength => 16,
            Self::ContentFilter => 17,
            Self::NotFoundModel => 18,
            Self::TimeoutConnect => 19,
            Self::TimeoutFirstToken => 20,
            Self::TimeoutIdle => 21,
            Self::Network => 22,
            Self::Protocol => 23,
            Self::Server => 24,
            Self::Deadline => 25,
            Self::QueueFull => 26,
            Self::NoInstance => 27,
            Self::Cancelled => 130,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Everything that can go wrong, in one shape. Text in it is clean: no control characters, no secrets.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    instance: Option<InstanceName>,
    code: Option<String>,
    detail: Option<&'static str>,
    status: Option<u16>,
    retry_after: Option<Duration>,
    hint: Option<String>,
    attempts: Vec<Attempt>,
    request: Option<RequestId>,
    source: Option<std::sync::Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Makes an error; the message is cleaned of control characters and shortened to 500 characters.
    pub fn new(kind: ErrorKind, message: impl AsRef<str>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: shorten(&clean_line(message.as_ref()), LONGEST_MESSAGE),
            instance: None,
            code: None,
            detail: None,
            status: None,
            retry_after: None,
            hint: None,
            attempts: Vec::new(),
            request: None,
            source: None,
        }))
    }

    /// Makes a `protocol` error with its detail (`truncated`, `bad_json`, `empty_stream` ...).
    pub fn protocol(detail: &'static str, message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Protocol, message).with_detail(detail)
    }

    /// Replaces what happened, cleaned and shortened as in [`Error::new`].
    #[must_use]
    pub fn with_message(mut self, message: impl AsRef<str>) -> Self {
        self.0.message = shorten(&clean_line(message.as_ref()), LONGEST_MESSAGE);
        self
    }

    /// Names the instance that gave it.
    #[must_use]
    pub fn with_instance(mut self, instance: InstanceName) -> Self {
        self.0.instance = Some(instance);
        self
    }

    /// Adds the provider's own code.
    #[must_use]
    pub fn with_code(mut self, code: impl AsRef<str>) -> Self {
        self.0.code = Some(shorten(&clean_line(code.as_ref()), 100));
        self
    }

    /// Adds what exactly it was, from a closed list of words.
    #[must_use]
    pub fn with_detail(mut self, detail: &'static str) -> Self {
        self.0.detail = Some(detail);
        self
    }

    /// Adds the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds how long the provider asks to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Replaces the kind's general hint by a better one.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the chain of attempts that led here.
    #[must_use]
    pub fn with_attempts(mut self, attempts: Vec<Attempt>) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Adds the number of the request that it ended.
    #[must_use]
    pub fn with_request(mut self, request: RequestId) -> Self {
        self.0.request = Some(request);
        self
    }

    /// Adds the underlying error. Its text must hold no secret.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(std::sync::Arc::new(source));
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns what happened; the provider's words where there are any.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the instance that gave it.
    pub fn instance(&self) -> Option<&InstanceName> {
        self.0.instance.as_ref()
    }

    /// Returns the provider's own code.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Returns what exactly it was.
    pub fn detail(&self) -> Option<&'static str> {
        self.0.detail
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Returns how long the provider asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Tells what it says about the health of the instance that gave it: what its kind says, but an instance that
    /// used up its own time for a whole answer (detail `total`) has failed, whatever a caller's deadline would mean.
    pub fn health(&self) -> Health {
        match (self.0.kind, self.0.detail) {
            (ErrorKind::Deadline, Some("total")) => Health::Fail,
            (kind, _) => kind.health(),
        }
    }

    /// Returns what a person can do about it.
    pub fn hint(&self) -> &str {
        self.0.hint.as_deref().unwrap_or(self.0.kind.hint())
    }

    /// Returns the number of the request that it ended.
    pub fn request(&self) -> Option<RequestId> {
        self.0.request
    }

    /// Returns the chain of attempts that led here.
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.attempts
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(instance) = &self.0.instance {
            write!(f, "{instance}: ")?;
        }
        f.write_str(self.0.kind.words())?;
        if !self.0.message.is_empty() {
            write!(f, ": {}", self.0.message)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("instance", &self.0.instance)
            .field("code", &self.0.code)
            .field("detail", &self.0.detail)
            .field("status", &self.0.status)
            .field("retry_after", &self.0.retry_after)
            .field("attempts", &self.0.attempts.len())
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.0.kind == other.0.kind
            && self.0.message == other.0.message
            && self.0.instance == other.0.instance
            && self.0.code == other.0.code
            && self.0.detail == other.0.detail
    }
}

/// How a request or an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A proper end.
    Success,
    /// An error.
    Failure(ErrorKind),
    /// The caller went away; neither success nor failure.
    Cancelled,
}

/// One request that was sent to one instance, and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The instance that was asked.
    pub instance: InstanceName,
    /// The model it was asked for.
    pub model: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The provider's words, when it failed.
    pub message: Option<String>,
    /// The HTTP status, when there was one.
    pub status: Option<u16>,
    /// From the caller's call to the start of this attempt.
    pub started_after: Duration,
    /// Time in the queue before this attempt.
    pub queued: Duration,
    /// From its start to the response's headers.
    pub headers: Option<Duration>,
    /// From its start to its first token.
    pub first_token: Option<Duration>,
    /// From its start to its end.
    pub total: Duration,
}
