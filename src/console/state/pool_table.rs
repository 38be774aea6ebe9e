//! The pool's table: its columns, and in which order the instances stand.

use std::cmp::Ordering;

use crate::base::{InstanceState, InstanceView};

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolColumn {
    Name,
    Type,
    State,
    Permits,
    Budget,
    Latency,
    Score,
    Success,
    Requests,
    Weight,
    Why,
    LastError,
    LastSuccess,
}

impl PoolColumn {
    /// Every column, in the order in which they stand.
    pub(crate) const ALL: [Self; 13] = [
        Self::Name,
        Self::Type,
        Self::State,
        Self::Permits,
        Self::Budget,
        Self::Latency,
        Self::Score,
        Self::Success,
        Self::Requests,
        Self::Weight,
        Self::LastSuccess,
        Self::LastError,
        Self::Why,
    ];

    /// Returns its heading.
    pub(crate) const fn heading(self) -> &'static str {
        match self {
            Self::Name => "instance",
            Self::Type => "type",
            Self::State => "state",
            Self::Permits => "permits",
            Self::Budget => "budget",
            Self::Latency => "latency",
            Self::Score => "load",
            Self::Success => "ok",
            Self::Requests => "req",
            Self::Weight => "wt",
            Self::Why => "why it failed",
            Self::LastError => "last err",
            Self::LastSuccess => "last ok",
        }
    }

    /// Compares two instances by what stands in the column, what one looks for first coming first.
    fn compare(self, a: &InstanceView, b: &InstanceView) -> Ordering {
        let figure = |x: Option<f64>, y: Option<f64>| {
            y.unwrap_or(f64::NEG_INFINITY)
                .total_cmp(&x.unwrap_or(f64::NEG_INFINITY))
        };
        match self {
            Self::Name => a.name.cmp(&b.name),
            Self::Type => a.provider_type.as_str().cmp(b.provider_type.as_str()),
            Self::State => badness(&b.state).cmp(&badness(&a.state)),
            Self::Permits => figure(Some(used(a)), Some(used(b))),
            Self::Budget => figure(budget_left(b), budget_left(a)),
            Self::Latency => b.last_latency.cmp(&a.last_latency),
            Self::Score => figure(a.score, b.score),
            Self::Success => figure(b.metrics.success_rate(), a.metrics.success_rate()),
            Self::Requests => b.metrics.total_requests.cmp(&a.metrics.total_requests),
            Self::Weight => b.weight.cmp(&a.weight),
            Self::Why => b.metrics.failed_requests.cmp(&a.metrics.failed_requests),
            Self::LastError => {
                let age = |i: &InstanceView| i.metrics.last_error.as_ref().map(|error| error.age);
                none_last(age(a), age(b))
            }
            Self::LastSuccess => {
                none_last(a.metrics.since_last_success, b.metrics.since_last_success)
            }
        }
    }
}

fn none_last<T: Ord>(a: Option<T>, b: Option<T>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.cmp(&b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// Returns the share of the permits that is taken.
fn used(instance: &InstanceView) -> f64 {
    instance.in_flight as f64 / instance.permits.max(1) as f64
}

/// Returns the share of the tightest budget that is left.
pub(crate) fn budget_left(instance: &InstanceView) -> Option<f64> {
    instance
        .budgets
        .iter()
        .map(|budget| budget.left.max(0) as f64 / budget.limit.max(1) as f64)
        .min_by(f64::total_cmp)
}

/// Orders the states by how much somebody should look at them.
const fn badness(state: &InstanceState) -> u8 {
    match state {
        InstanceState::Held(_) => 8,
        InstanceState::Open(_) => 7,
        InstanceState::HalfOpen => 6,
        InstanceState::Failing => 5,
        InstanceState::Cooling(_) => 4,
        InstanceState::Draining => 3,
        InstanceState::Off => 2,
        InstanceState::Standby => 1,
        InstanceState::On => 0,
    }
}

/// How the table is sorted; without a column as in the config.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) column: Option<PoolColumn>,
    pub(crate) reversed: bool,
}

impl Sort {
    /// Goes to the next column, and after the last one to the order of the config.
    pub(crate) fn next(&mut self) {
        let at = self
            .column
            .and_then(|of| PoolColumn::ALL.iter().position(|c| *c == of));
        self.column = PoolColumn::ALL.get(at.map_or(0, |at| at + 1)).copied();
        self.reversed = false;
    }

    /// Returns the places of the instances in the order in which they stand; equal ones as in the config.
    pub(crate) fn order(self, instances: &[InstanceView]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..instances.len()).collect();
        if let Some(column) = self.column {
            order.sort_by(|a, b| {
                let compared = column.compare(&instances[*a], &instances[*b]);
                if self.reversed {
                    compared.reverse()
                } else {
                    compared
                }
            });
        } else if self.reversed {
            order.reverse();
        }
        order
    }
}
