//! The board: the frozen picture of everything at one moment, which console, gateway and tests read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    AlertView, Attempt, ErrorKind, ErrorNote, InstanceName, LlmMetrics, ProviderType, RequestId,
    RouteName, Sample, ScalingView, Scope,
};

/// Everything at one moment. Durations are relative to that moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Board {
    /// How long the driver has been running.
    pub uptime: Duration,
    /// The strategy in force for requests without a route.
    pub strategy: String,
    /// The instance that round robin takes next, if any can be taken.
    pub next: Option<InstanceName>,
    /// The queue.
    pub queue: QueueView,
    /// All instances in config order.
    pub instances: Vec<InstanceView>,
    /// The routes in config order.
    pub routes: Vec<RouteView>,
    /// Figures of all requests since the start.
    pub totals: LlmMetrics,
    /// The budget of retries.
    #[serde(default)]
    pub retries: RetryView,
    /// What scaling will do next, where an instance may stand by.
    #[serde(default)]
    pub scaling: Option<ScalingView>,
    /// What the pool is set to, by the config's keys; it is sent again only when it changes.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Alerts that are pending or firing: the firing first, then the critical, then the newest.
    pub alerts: Vec<AlertView>,
}

impl Board {
    /// Finds an instance by name.
    pub fn instance(&self, name: &InstanceName) -> Option<&InstanceView> {
        self.instances
            .iter()
            .find(|instance| instance.name == *name)
    }
}

/// The queue at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueView {
    /// Requests waiting.
    pub length: usize,
    /// How many of them are batch requests, which go behind all others.
    #[serde(default)]
    pub batch: usize,
    /// How many may wait.
    pub limit: usize,
    /// How long the oldest has waited.
    pub oldest: Option<Duration>,
    /// Requests refused because it was full, or because the wait would have been too long.
    pub refused: u64,
}

/// A budget of further attempts at one moment: requests pay into it, each further attempt takes one out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryView {
    /// Whole attempts that are left.
    pub left: u64,
    /// The most that are saved up.
    pub limit: u64,
    /// Attempts that were not made because none was left.
    pub refused: u64,
}

/// A route at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteView {
    /// Its name.
    pub name: RouteName,
    /// The strategy it uses.
    pub strategy: String,
    /// Its instances in tiers, first tier first.
    pub tiers: Vec<Vec<InstanceName>>,
    /// Its requests that wait.
    #[serde(default)]
    pub waiting: usize,
    /// How many of them may wait, where it sets that; the queue's own limit counts too.
    #[serde(default)]
    pub queue_limit: Option<usize>,
    /// Its budget of second attempts, where it hedges.
    #[serde(default)]
    pub hedges: Option<RetryView>,
    /// What its requests are held to, by the config's keys, with what it takes from the pool.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// How an instance stands, in a word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Takes requests.
    On,
    /// Takes requests, but some of the last ones failed.
    Failing,
    /// Waits out a rate limit; the time is what is left.
    Cooling(Duration),
    /// The breaker is open; the time is what is left.
    Open(Duration),
    /// The breaker lets one probe through.
    HalfOpen,
    /// Taken out by an error that only a person mends (wrong key, no money).
    Held(ErrorKind),
    /// Finishes what runs and takes nothing new.
    Draining,
    /// Waits to be needed (scaling).
    Standby,
    /// Switched off.
    Off,
}

impl InstanceState {
    /// Returns the word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Failing => "failing",
            Self::Cooling(_) => "cooling",
            Self::Open(_) => "open",
            Self::HalfOpen => "half-open",
            Self::Held(ErrorKind::Auth) => "wrong key",
            Self::Held(ErrorKind::QuotaExhausted) => "no quota",
            Self::Held(_) => "held",
            Self::Draining => "draining",
            Self::Standby => "standby",
            Self::Off => "off",
        }
    }
}

/// One instance at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceView {
    /// Its name.
    pub name: InstanceName,
    /// Its provider type.
    pub provider_type: ProviderType,
    /// Its base URL, without user, password and query.
    pub base_url: String,
    /// The models it is configured for, the default one first.
    pub models: Vec<String>,
    /// How it stands.
    pub state: InstanceState,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Requests in flight.
    pub in_flight: usize,
    /// Requests allowed at once, now.
    pub permits: usize,
    /// Its weight for weighted strategies.
    pub weight: u32,
    /// The least time between two starts.
    pub min_interval: Duration,
    /// Until its minimum interval lets the next request begin.
    pub next_start_in: Duration,
    /// The breaker.
    pub breaker: BreakerView,
    /// Rate budgets that are set for it.
    pub budgets: Vec<BudgetView>,
    /// The strategy's estimate of the time an answer would take, in seconds, when it keeps one; less is better.
    pub score: Option<f64>,
    /// The response time of its last successful request.
    pub last_latency: Option<Duration>,
    /// What else it is set to, by the config's keys; of its breaker, what differs from the pool's.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Its figures since the start. `in_flight` counts attempts that run here.
    pub metrics: LlmMetrics,
}

/// The breaker at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerView {
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// Times it has opened.
    pub opened: u64,
    /// Whether it was opened by hand.
    pub forced: bool,
}

/// A rate budget at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetView {
    /// What is counted: `requests/min`, `tokens/min`, `tokens/day`, `spend/day`. Spending is in millionths of a US
    /// dollar.
    pub what: String,
    /// What is left; negative is debt.
    pub left: i64,
    /// What is allowed.
    pub limit: u64,
}

impl BudgetView {
    /// Returns what is left and what is allowed in US dollars, when it counts money.
    pub fn dollars(&self) -> Option<(f64, f64)> {
        let dollars = |micros: f64| micros / 1e6;
        (self.what == "spend/day").then(|| (dollars(self.left as f64), dollars(self.limit as f64)))
    }
}

/// Something that happened, for faces that show it at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum DeckEvent {
    /// A request was taken in.
    RequestStarted {
        /// Its number.
        id: RequestId,
    },
    /// An attempt ended.
    AttemptEnded {
        /// The request's number.
        id: RequestId,
        /// What became of it.
        attempt: Attempt,
    },
    /// A request ended.
    RequestEnded {
        /// All that is known of it.
        sample: Arc<Sample>,
    },
    /// An instance's state changed.
    StateChanged {
        /// Which one.
        instance: InstanceName,
        /// What it is now.
        state: InstanceState,
    },
    /// Somebody gave a command, and this is what it did.
    Commanded {
        /// One sentence.
        what: String,
        /// Who gave it.
        by: String,
    },
    /// An alert began or ended.
    Alerted {
        /// How it stands now.
        alert: AlertView,
    },
    /// Events were dropped because this listener was too slow.
    Missed {
        /// How many.
        count: u64,
    },
    /// There is news to be read: figures that were asked for have come, or the line to the pool was lost or is back.
    News,
}

/// Figures over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Whose they are.
    pub scope: Scope,
    /// How much time one bucket covers.
    pub step: Duration,
    /// The number of the newest bucket since the start, so that a drawing can keep each in its column.
    pub newest: u64,
    /// Oldest first; the last one is still filling.
    pub buckets: Vec<SeriesBucket>,
    /// Distribution of response times over the whole window.
    pub response_time: Option<super::Percentiles>,
    /// Distribution of times to first token over the whole window.
    pub time_to_first_token: Option<super::Percentiles>,
    /// Requests per second over the window.
    pub requests_per_second: f64,
    /// Output tokens per second over the window.
    pub tokens_per_second: f64,
    /// Success rate over the window, 0 to 1.
    pub success_rate: Option<f64>,
    /// The last failures in the window, newest first, at most a few.
    pub last_errors: Vec<ErrorNote>,
    /// Failures by kind, each as counts in the order of the buckets.
    #[serde(default)]
    pub errors: BTreeMap<ErrorKind, Vec<u64>>,
}

/// One bucket of a series. No ended request is a gap, not a zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SeriesBucket {
    /// Requests that ended well.
    pub successful: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests that were cancelled.
    pub cancelled: u64,
    /// Mean response time of the successful ones.
    pub average_response_time: Option<Duration>,
    /// Median of their response times.
    #[serde(default)]
    pub p50_response_time: Option<Duration>,
    /// 95th percentile of their response times.
    pub p95_response_time: Option<Duration>,
    /// 99th percentile of their response times.
    #[serde(default)]
    pub p99_response_time: Option<Duration>,
    /// 95th percentile of the times in the queue.
    #[serde(default)]
    pub p95_queued: Option<Duration>,
    /// Mean time to first token.
    pub average_first_token: Option<Duration>,
    /// Output tokens of requests that ended here.
    pub completion_tokens: u64,
    /// Output tokens that arrived here, ended or not: pieces as they came, corrected at the request's end by the
    /// provider's count. This is what a drawing of tokens per second shows.
    pub streamed_tokens: u64,
}
