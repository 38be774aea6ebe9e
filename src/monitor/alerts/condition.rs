//! Whether a rule's condition holds, and what it saw, in words.

use std::time::Duration;

use tokio::time::Instant;

use super::burn::{self, Share, Why};
use super::settings::{Amount, Condition, FailuresInRow, Limit, Objective, Percentile};
use super::standing::Standings;
use crate::base::{InstanceName, LlmMetrics, Percentiles, Scope, Severity};
use crate::monitor::LlmMonitor;
use crate::monitor::tally::Tally;

const HOUR: Duration = Duration::from_secs(3600);
/// Below this many values a percentile says nothing.
const ENOUGH: u64 = 20;
/// The window in which requests are few.
const FEW_WINDOW: Duration = Duration::from_secs(300);

/// What a condition saw while it held.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) message: String,
}

impl Finding {
    fn warning(message: String) -> Self {
        Self {
            severity: Severity::Warning,
            message,
        }
    }
}

/// Where a condition looks, and how much of each threshold is enough.
pub(super) struct Look<'a> {
    pub(super) monitor: &'a LlmMonitor,
    pub(super) standings: &'a Standings,
    pub(super) scope: &'a Scope,
    pub(super) now: Instant,
    pub(super) part: f64,
}

impl Look<'_> {
    /// Returns what it sees when it holds.
    pub(super) fn at(&self, condition: &Condition) -> Option<Finding> {
        match condition {
            Condition::SuccessRate(objective) => self.rate(*objective, "failed", failures),
            Condition::SlowAnswers(objective) => {
                let mut finding = self.rate(*objective, "were slow", |tally| Share {
                    bad: tally.slow,
                    all: tally.timed,
                })?;
                // Slow is not down.
                finding.severity = Severity::Warning;
                Some(finding)
            }
            Condition::FailuresInRow(rule) => self.failures_in_row(*rule),
            Condition::ResponseTime(limit) => {
                self.percentile(*limit, "response time", |all| all.response_time)
            }
            Condition::FirstToken(limit) => {
                self.percentile(*limit, "time to first token", |all| all.time_to_first_token)
            }
            Condition::QueueWait(limit) => {
                self.percentile(*limit, "time in the queue", |all| all.queued)
            }
            Condition::TokensPerHour(limit) => self.amount(*limit, "tokens", |tally| {
                Some((tally.prompt_tokens + tally.completion_tokens) as f64)
            }),
            Condition::CostPerHour(limit) => self.amount(*limit, "spent", Tally::cost),
            Condition::InstanceOut(rule) => match self.scope {
                Scope::Instance(name) => self.instance_out(name, rule.longer_than),
                Scope::All | Scope::Type(_) | Scope::Route(_) => None,
            },
            Condition::InstanceHeld(_) => match self.scope {
                Scope::Instance(name) => self.instance_held(name),
                Scope::All | Scope::Type(_) | Scope::Route(_) => None,
            },
            Condition::Capacity(rule) => self.capacity(rule.below),
        }
    }

    fn rate(
        &self,
        objective: Objective,
        what: &str,
        share: impl Fn(&Tally) -> Share,
    ) -> Option<Finding> {
        let allowed = 1.0 - objective.objective;
        let at_least = if self.part < 1.0 {
            0
        } else {
            objective.at_least
        };
        let share = |window| share(&self.monitor.tally(self.scope, window, self.now));
        Some(match burn::holds(share, allowed, self.part, at_least)? {
            Why::Burn {
                window,
                share,
                fast,
            } => Finding {
                severity: if fast {
                    Severity::Critical
                } else {
                    Severity::Warning
                },
                message: format!(
                    "{} of {} requests {what} in {} min ({}); allowed are {}",
                    share.bad,
                    share.all,
                    window.as_secs() / 60,
                    percent(share),
                    percent_of(allowed),
                ),
            },
            Why::Change { recent, before } => Finding::warning(format!(
                "{} of {} requests {what} in 5 min ({}); in the hour before {} of {} ({})",
                recent.bad,
                recent.all,
                percent(recent),
                before.bad,
                before.all,
                percent(before),
            )),
        })
    }

    fn failures_in_row(&self, rule: FailuresInRow) -> Option<Finding> {
        let in_row = self.monitor.failures_in_row(self.scope);
        let firing = self.part < 1.0;
        let few = self.monitor.tally(self.scope, FEW_WINDOW, self.now).ended() < rule.below;
        (in_row >= rule.count && (few || firing)).then(|| Finding {
            severity: Severity::Critical,
            message: format!("the last {in_row} requests failed"),
        })
    }

    fn percentile(
        &self,
        limit: Limit,
        what: &str,
        of: impl Fn(&LlmMetrics) -> Option<Percentiles>,
    ) -> Option<Finding> {
        let metrics = self
            .monitor
            .window_metrics(self.scope, limit.window, self.now);
        let all = of(&metrics).filter(|all| all.count >= ENOUGH)?;
        let (name, value) = match limit.percentile {
            Percentile::P50 => ("p50", all.p50),
            Percentile::P90 => ("p90", all.p90),
            Percentile::P95 => ("p95", all.p95),
            Percentile::P99 => ("p99", all.p99),
        };
        (value > limit.above.mul_f64(self.part)).then(|| {
            Finding::warning(format!(
                "{what}: {name} is {:.1} s in {} s, over {} requests; the limit is {:.1} s",
                value.as_secs_f64(),
                limit.window.as_secs(),
                all.count,
                limit.above.as_secs_f64(),
            ))
        })
    }

    fn amount(
        &self,
        limit: Amount,
        what: &str,
        of: impl Fn(&Tally) -> Option<f64>,
    ) -> Option<Finding> {
        let amount = of(&self.monitor.tally(self.scope, HOUR, self.now))?;
        // No hysteresis but the quiet time: half of an allowed amount is a usual one.
        (amount > limit.above).then(|| {
            Finding::warning(format!(
                "{amount:.2} {what} in the last hour; the limit is {:.2}",
                limit.above
            ))
        })
    }

    fn instance_out(&self, name: &InstanceName, longer_than: Duration) -> Option<Finding> {
        let out = self.standings.out_for(name, self.now)?;
        (out >= longer_than).then(|| {
            Finding::warning(format!(
                "instance {name} has been unable to serve for {} min",
                out.as_secs() / 60
            ))
        })
    }

    fn instance_held(&self, name: &InstanceName) -> Option<Finding> {
        let kind = self.standings.held(name)?;
        Some(Finding {
            severity: Severity::Critical,
            message: format!(
                "instance {name} is out until somebody mends it: {}",
                kind.words()
            ),
        })
    }

    fn capacity(&self, below: f64) -> Option<Finding> {
        let share = self.standings.out();
        let serving = share.all - share.bad;
        let part = serving as f64 / share.all.max(1) as f64;
        (share.all > 0 && part < below).then(|| Finding {
            severity: if serving == 0 {
                Severity::Critical
            } else {
                Severity::Warning
            },
            message: format!("{serving} of {} instances can serve", share.all),
        })
    }
}

/// Returns the failures that say something about the pool.
fn failures(tally: &Tally) -> Share {
    let bad = tally
        .errors
        .iter()
        .filter(|(kind, _)| !kind.callers_own())
        .map(|(_, count)| count)
        .sum();
    Share {
        bad,
        all: tally.successful + bad,
    }
}

fn percent(share: Share) -> String {
    percent_of(share.rate().unwrap_or_default())
}

fn percent_of(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}
