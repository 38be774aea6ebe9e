//! A deck's figures at one moment, in terms of the list of metrics.

use std::borrow::Cow;
use std::time::Duration;

use crate::base::{
    AlertState, AttemptFigures, Board, Distribution, Figures, InstanceState, InstanceView, Measure,
    Outcome, RequestFigures, Scope, Severity,
};

use super::metric::{self, Metric};

/// A metric and its points.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Which metric.
    pub metric: Metric,
    /// Its points; no two have the same labels.
    pub points: Vec<Point>,
}

/// A number with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Labels by their OpenTelemetry names, in a steady order; none is empty.
    pub labels: Labels,
    /// The number.
    pub value: Value,
}

/// Labels of a point.
pub type Labels = Vec<(&'static str, Cow<'static, str>)>;

/// What a point says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Count(u64),
    /// Any other number.
    Number(f64),
    /// A distribution of this measure.
    Distribution(Measure, Distribution),
}

/// The names of labels.
pub(super) mod label {
    pub(crate) const OPERATION: &str = "gen_ai.operation.name";
    pub(crate) const PROVIDER: &str = "gen_ai.provider.name";
    pub(crate) const MODEL: &str = "gen_ai.request.model";
    pub(crate) const TOKEN_TYPE: &str = "gen_ai.token.type";
    pub(crate) const ERROR: &str = "error.type";
    pub(crate) const INSTANCE: &str = "llmdeck.instance";
    pub(crate) const ROUTE: &str = "llmdeck.route";
}

/// The one operation there is.
pub(super) const CHAT: &str = "chat";

/// Reads everything, in the order of [`metric::ALL`]; families without points are left out.
pub fn families(board: &Board, figures: &Figures) -> Vec<Family> {
    let mut collector = Collector::default();
    for requests in &figures.requests {
        collector.requests(requests);
    }
    for attempts in &figures.attempts {
        collector.attempts(attempts);
    }
    collector.pool(board);
    for instance in &board.instances {
        collector.instance(instance);
    }
    collector.alerts(board);
    collector.count(metric::LABELS_MERGED, &[], figures.merged);
    let version = Cow::Borrowed(env!("CARGO_PKG_VERSION"));
    collector.count(metric::BUILD_INFO, &[("version", version)], 1);
    let mut families = collector.0;
    families.sort_by_key(|family| {
        metric::ALL
            .iter()
            .position(|metric| *metric == family.metric)
    });
    families
}

#[derive(Default)]
struct Collector(Vec<Family>);

impl Collector {
    fn add(&mut self, metric: Metric, labels: &[(&'static str, Cow<'static, str>)], value: Value) {
        let labels = labels.iter().filter(|(_, value)| !value.is_empty());
        let point = Point {
            labels: labels.cloned().collect(),
            value,
        };
        match self.0.iter_mut().find(|family| family.metric == metric) {
            Some(family) => family.points.push(point),
            None => self.0.push(Family {
                metric,
                points: vec![point],
            }),
        }
    }

    fn count(
        &mut self,
        metric: Metric,
        labels: &[(&'static str, Cow<'static, str>)],
        value: impl TryInto<u64>,
    ) {
        self.add(
            metric,
            labels,
            Value::Count(value.try_into().unwrap_or(u64::MAX)),
        );
    }

    fn number(&mut self, metric: Metric, labels: &[(&'static str, Cow<'static, str>)], value: f64) {
        self.add(metric, labels, Value::Number(value));
    }

    fn distribution(
        &mut self,
        metric: Metric,
        labels: &[(&'static str, Cow<'static, str>)],
        (measure, distribution): (Measure, Option<&Distribution>),
    ) {
        if let Some(distribution) = distribution {
            let value = Value::Distribution(measure, distribution.clone());
            self.add(metric, labels, value);
        }
    }

    fn requests(&mut self, of: &RequestFigures) {
        let get = |measure| (measure, of.distributions.get(&measure));
        let error = error_type(of.outcome);
        let pool_labels = [
            (
                label::PROVIDER,
                text(of.provider_type.map_or("", |of| of.as_str())),
            ),
            (label::MODEL, text(of.model.as_deref().unwrap_or_default())),
            (
                label::INSTANCE,
                text(of.instance.as_ref().map_or("", |name| name.as_str())),
            ),
            (
                label::ROUTE,
                text(of.route.as_ref().map_or("", |name| name.as_str())),
            ),
            (label::ERROR, error),
        ];
        let mut labels = vec![(label::OPERATION, Cow::Borrowed(CHAT))];
        labels.extend(pool_labels.iter().cloned());
        self.distribution(metric::OPERATION_DURATION, &labels, get(Measure::Duration));
        self.distribution(
            metric::TIME_TO_FIRST_CHUNK,
            &labels,
            get(Measure::FirstToken),
        );
        for (kind, measure) in [
            ("input", Measure::InputTokens),
            ("output", Measure::OutputTokens),
        ] {
            labels.push((label::TOKEN_TYPE, Cow::Borrowed(kind)));
            self.distribution(metric::TOKEN_USAGE, &labels, get(measure));
            labels.pop();
        }
        let labels = pool_labels;
        self.distribution(
            metric::TIME_PER_OUTPUT_TOKEN,
            &labels,
            get(Measure::BetweenTokens),
        );
        self.distribution(metric::QUEUE_DURATION, &labels, get(Measure::Queued));
        self.count(
            metric::REQUESTS,
            &with_outcome(&labels, of.outcome),
            of.count,
        );
        for (metric, count) in [
            (metric::RETRIES, of.retries),
            (metric::FAILOVERS, of.failovers),
            (metric::HEDGES, of.hedges),
            (metric::CACHED_TOKENS, of.cached_tokens),
            (metric::REASONING_TOKENS, of.reasoning_tokens),
            (metric::UNPRICED, of.unpriced),
        ] {
            // Where there is none yet a zero lets a rate see the first; failures have none for good as a rule.
            if count > 0 || of.outcome == Outcome::Success {
                self.count(metric, &labels, count);
            }
        }
        if of.cost > 0.0 || of.outcome == Outcome::Success {
            self.number(metric::COST, &labels, of.cost);
        }
    }

    fn attempts(&mut self, of: &AttemptFigures) {
        let get = |measure| (measure, of.distributions.get(&measure));
        let labels = [
            (label::PROVIDER, text(of.provider_type.as_str())),
            (label::MODEL, text(&of.model)),
            (label::INSTANCE, text(of.instance.as_str())),
            (label::ERROR, error_type(of.outcome)),
        ];
        self.count(
            metric::ATTEMPTS,
            &with_outcome(&labels, of.outcome),
            of.count,
        );
        self.distribution(metric::ATTEMPT_DURATION, &labels, get(Measure::Duration));
        self.distribution(
            metric::ATTEMPT_TIME_TO_FIRST_CHUNK,
            &labels,
            get(Measure::FirstToken),
        );
        self.distribution(
            metric::ATTEMPT_TIME_TO_HEADERS,
            &labels,
            get(Measure::Headers),
        );
    }

    fn pool(&mut self, board: &Board) {
        self.number(metric::UPTIME, &[], board.uptime.as_secs_f64());
        self.count(metric::IN_FLIGHT, &[], board.totals.in_flight);
        self.count(metric::QUEUE_LENGTH, &[], board.queue.length);
        self.count(metric::QUEUE_LIMIT, &[], board.queue.limit);
        let oldest = board.queue.oldest.unwrap_or(Duration::ZERO);
        self.number(metric::QUEUE_OLDEST, &[], oldest.as_secs_f64());
        self.count(metric::QUEUE_REFUSED, &[], board.queue.refused);
        self.count(metric::RETRY_BUDGET_LEFT, &[], board.retries.left);
        self.count(metric::RETRY_BUDGET_LIMIT, &[], board.retries.limit);
        self.count(metric::RETRY_BUDGET_REFUSED, &[], board.retries.refused);
    }

    fn instance(&mut self, of: &InstanceView) {
        let name = (label::INSTANCE, text(of.name.as_str()));
        let provider = (label::PROVIDER, text(of.provider_type.as_str()));
        self.count(metric::INSTANCE_INFO, &[name.clone(), provider], 1);
        let name = [name];
        let now = state_word(&of.state);
        for state in STATES {
            let labels = [name[0].clone(), ("state", Cow::Borrowed(state))];
            self.count(metric::INSTANCE_STATE, &labels, u64::from(state == now));
        }
        self.count(metric::INSTANCE_IN_FLIGHT, &name, of.in_flight);
        self.count(metric::INSTANCE_PERMITS, &name, of.permits);
        self.count(metric::INSTANCE_WEIGHT, &name, of.weight);
        if let Some(score) = of.score {
            self.number(metric::INSTANCE_SCORE, &name, score);
        }
        self.count(metric::BREAKER_OPENED, &name, of.breaker.opened);
        self.count(
            metric::BREAKER_FAILURES,
            &name,
            of.breaker.consecutive_failures,
        );
        for budget in &of.budgets {
            let labels = [name[0].clone(), ("budget", text(&budget.what))];
            let (left, limit) = budget
                .dollars()
                .unwrap_or((budget.left as f64, budget.limit as f64));
            self.number(metric::BUDGET_LEFT, &labels, left);
            self.number(metric::BUDGET_LIMIT, &labels, limit);
        }
    }

    fn alerts(&mut self, board: &Board) {
        for alert in &board.alerts {
            let state = match alert.state {
                AlertState::Pending => "pending",
                AlertState::Firing => "firing",
                AlertState::Resolved => continue,
            };
            let severity = match alert.severity {
                Severity::Warning => "warning",
                Severity::Critical => "critical",
            };
            let (kind, name) = match &alert.scope {
                Scope::All => ("all", ""),
                Scope::Type(of) => ("type", of.as_str()),
                Scope::Route(of) => ("route", of.as_str()),
                Scope::Instance(of) => ("instance", of.as_str()),
            };
            let labels = [
                ("rule", text(&alert.rule)),
                ("severity", Cow::Borrowed(severity)),
                ("state", Cow::Borrowed(state)),
                ("scope", Cow::Borrowed(kind)),
                ("name", text(name)),
            ];
            self.count(metric::ALERTS, &labels, 1);
        }
    }
}

/// The words for [`InstanceState`] that a label may hold, each for good.
const STATES: [&str; 9] = [
    "on",
    "failing",
    "cooling",
    "open",
    "half_open",
    "held",
    "draining",
    "standby",
    "off",
];

fn state_word(state: &InstanceState) -> &'static str {
    match state {
        InstanceState::On => "on",
        InstanceState::Failing => "failing",
        InstanceState::Cooling(_) => "cooling",
        InstanceState::Open(_) => "open",
        InstanceState::HalfOpen => "half_open",
        InstanceState::Held(_) => "held",
        InstanceState::Draining => "draining",
        InstanceState::Standby => "standby",
        InstanceState::Off => "off",
    }
}

fn with_outcome(labels: &[(&'static str, Cow<'static, str>)], outcome: Outcome) -> Labels {
    let word = match outcome {
        Outcome::Success => "success",
        Outcome::Failure(_) => "failure",
        Outcome::Cancelled => "cancelled",
    };
    let mut labels = labels.to_vec();
    labels.push(("outcome", Cow::Borrowed(word)));
    labels
}

/// Returns the conventions' `error.type`: empty for a success.
fn error_type(outcome: Outcome) -> Cow<'static, str> {
    Cow::Borrowed(match outcome {
        Outcome::Success => "",
        Outcome::Failure(kind) => kind.as_str(),
        Outcome::Cancelled => "cancelled",
    })
}

fn text(of: &str) -> Cow<'static, str> {
    Cow::Owned(of.to_owned())
}
