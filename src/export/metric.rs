//! The list of everything that is exported, by its OpenTelemetry name.

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises while the program runs.
    Counter,
    /// How something stands now.
    Gauge,
    /// Counts below bounds, and a sum.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its OpenTelemetry name.
    pub name: &'static str,
    /// Its unit as UCUM has it: `s`, `1`, or a word in braces for what is counted.
    pub unit: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// What it says, in one sentence without a full stop.
    pub help: &'static str,
}

impl Metric {
    /// Returns its name in Prometheus text: of a histogram without `_bucket`, `_sum`, `_count`.
    pub fn prometheus_name(&self) -> String {
        let mut name = self.name.replace('.', "_");
        if self.unit == "s" {
            name.push_str("_seconds");
        }
        if self.kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $constant:ident = $kind:ident $name:literal $unit:literal $help:literal;)*) => {
        $(
            $(#[$doc])*
            #[doc = $help]
            pub const $constant: Metric = Metric {
                name: $name,
                unit: $unit,
                kind: Kind::$kind,
                help: $help,
            };
        )*

        /// Every metric, in the order in which they are written.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    OPERATION_DURATION = Histogram "gen_ai.client.operation.duration" "s"
        "Time from a caller's call to the end of the answer, however it ended; cancelled and failed requests have an error_type";
    TIME_TO_FIRST_CHUNK = Histogram "gen_ai.client.operation.time_to_first_chunk" "s"
        "Time from a caller's call to the first token, waiting and retries included";
    TOKEN_USAGE = Histogram "gen_ai.client.token.usage" "{token}"
        "Tokens of one request as the provider counted them, by gen_ai_token_type input and output";
    TIME_PER_OUTPUT_TOKEN = Histogram "llmdeck.request.time_per_output_token" "s"
        "Mean time between the tokens of one answer after its first";
    QUEUE_DURATION = Histogram "llmdeck.request.queue.duration" "s"
        "Time that a request waited for a permit, over all its attempts";
    REQUESTS = Counter "llmdeck.requests" "{request}"
        "Requests that ended, by outcome: success, failure, or cancelled, which is neither";
    RETRIES = Counter "llmdeck.retries" "{attempt}"
        "Attempts after the first at the same instance, of requests that ended";
    FAILOVERS = Counter "llmdeck.failovers" "{attempt}"
        "Attempts after the first at another instance, of requests that ended";
    HEDGES = Counter "llmdeck.hedges" "{attempt}"
        "Attempts beside a slow one, of requests that ended";
    CACHED_TOKENS = Counter "llmdeck.tokens.cached" "{token}"
        "Input tokens that came from providers' caches; they are in the input of gen_ai_client_token_usage too";
    REASONING_TOKENS = Counter "llmdeck.tokens.reasoning" "{token}"
        "Output tokens spent on reasoning; they are in the output of gen_ai_client_token_usage too";
    COST = Counter "llmdeck.cost.usd" "{USD}"
        "Cost in US dollars of the answers whose price is known";
    UNPRICED = Counter "llmdeck.unpriced" "{answer}"
        "Answers whose price is not known, missing in llmdeck_cost_usd_total";
    ATTEMPTS = Counter "llmdeck.attempts" "{attempt}"
        "Attempts that ended at an instance, by outcome";
    ATTEMPT_DURATION = Histogram "llmdeck.attempt.duration" "s"
        "Time from an attempt's start to its end, however it ended";
    ATTEMPT_TIME_TO_FIRST_CHUNK = Histogram "llmdeck.attempt.time_to_first_chunk" "s"
        "Time from an attempt's start to its first token";
    ATTEMPT_TIME_TO_HEADERS = Histogram "llmdeck.attempt.time_to_headers" "s"
        "Time from an attempt's start to the response's headers";
    IN_FLIGHT = Gauge "llmdeck.in_flight" "{request}"
        "Requests taken in and not ended, waiting ones too";
    QUEUE_LENGTH = Gauge "llmdeck.queue.length" "{request}"
        "Requests that wait for a permit";
    QUEUE_LIMIT = Gauge "llmdeck.queue.limit" "{request}"
        "Requests that may wait for a permit";
    QUEUE_OLDEST = Gauge "llmdeck.queue.oldest.age" "s"
        "How long the oldest waiting request has waited";
    QUEUE_REFUSED = Counter "llmdeck.queue.refused" "{request}"
        "Requests refused because the queue was full or the wait would have been too long";
    RETRY_BUDGET_LEFT = Gauge "llmdeck.retry.budget.left" "{attempt}"
        "Retries and failovers that may be made at once before requests have paid for more";
    RETRY_BUDGET_LIMIT = Gauge "llmdeck.retry.budget.limit" "{attempt}"
        "The most retries and failovers that are saved up";
    RETRY_BUDGET_REFUSED = Counter "llmdeck.retry.budget.refused" "{attempt}"
        "Retries and failovers that were not made because the budget was empty";
    INSTANCE_INFO = Gauge "llmdeck.instance.info" "{instance}"
        "Always 1, for each instance with its provider type";
    INSTANCE_STATE = Gauge "llmdeck.instance.state" "{instance}"
        "1 for the state an instance is in, 0 for the others";
    INSTANCE_IN_FLIGHT = Gauge "llmdeck.instance.in_flight" "{request}"
        "Attempts that run at an instance";
    INSTANCE_PERMITS = Gauge "llmdeck.instance.permits" "{permit}"
        "Attempts that may run at an instance at once, now";
    INSTANCE_WEIGHT = Gauge "llmdeck.instance.weight" "{weight}"
        "An instance's weight for weighted strategies";
    INSTANCE_SCORE = Gauge "llmdeck.instance.score" "s"
        "The time an answer would take at an instance, as its strategy estimates; less is better";
    BREAKER_OPENED = Counter "llmdeck.instance.breaker.opened" "{time}"
        "Times an instance's breaker has opened";
    BREAKER_FAILURES = Gauge "llmdeck.instance.breaker.consecutive_failures" "{failure}"
        "Failures in a row at an instance";
    BUDGET_LEFT = Gauge "llmdeck.instance.budget.left" "{unit}"
        "What is left of a rate budget, by what it counts; negative is debt";
    BUDGET_LIMIT = Gauge "llmdeck.instance.budget.limit" "{unit}"
        "What a rate budget allows";
    ALERTS = Gauge "llmdeck.alerts" "{alert}"
        "Alerts that stand, by rule, severity, state (pending, firing) and scope";
    LABELS_MERGED = Counter "llmdeck.labels.merged" "{sample}"
        "Requests and attempts counted under the model _other because there were too many sets of labels";
    UPTIME = Gauge "llmdeck.uptime" "s"
        "How long the pool has been running";
    BUILD_INFO = Gauge "llmdeck.build.info" "{build}"
        "Always 1, with the program's version";
}
