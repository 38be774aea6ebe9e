//! Figures of the request log by group.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::Connection;
use serde::Serialize;

/// By what requests are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The instance that answered, or was asked last.
    Instance,
    /// Its provider type.
    Type,
    /// The route.
    Route,
    /// The model.
    Model,
    /// The key's name.
    Key,
    /// The local day of the call.
    Day,
    /// The local hour of the call.
    Hour,
}

impl By {
    /// Every one, in the order in which they are listed.
    pub const ALL: [Self; 7] = [
        Self::Instance,
        Self::Type,
        Self::Route,
        Self::Model,
        Self::Key,
        Self::Day,
        Self::Hour,
    ];

    /// Returns the word on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Type => "type",
            Self::Route => "route",
            Self::Model => "model",
            Self::Key => "key",
            Self::Day => "day",
            Self::Hour => "hour",
        }
    }

    const fn column(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Type => "provider_type",
            Self::Route => "route",
            Self::Model => "model",
            Self::Key => "caller",
            Self::Day | Self::Hour => "null",
        }
    }
}

/// Which requests count.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Called at or after this.
    pub since: Timestamp,
    /// Called before this.
    pub until: Timestamp,
    /// Where days and hours begin.
    pub zone: TimeZone,
}

/// Figures of one group. Times are milliseconds, and those of requests that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Group {
    /// The group; `None` for requests that have none, and for all together.
    pub name: Option<String>,
    /// Requests that ended.
    pub requests: u64,
    /// Those that succeeded.
    pub successful: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that their caller gave up.
    pub cancelled: u64,
    /// Successes among successes and failures, from 0 to 1.
    pub success_rate: Option<f64>,
    /// Attempts after the first, at the same or another instance.
    pub retries: u64,
    /// Mean time in the queue.
    pub queued_ms: Option<f64>,
    /// Time to the first token: half were faster.
    pub first_token_p50_ms: Option<f64>,
    /// Time to the first token: 95 of 100 were faster.
    pub first_token_p95_ms: Option<f64>,
    /// Whole time: half were faster.
    pub p50_ms: Option<f64>,
    /// Whole time: 90 of 100 were faster.
    pub p90_ms: Option<f64>,
    /// Whole time: 95 of 100 were faster.
    pub p95_ms: Option<f64>,
    /// Whole time: 99 of 100 were faster.
    pub p99_ms: Option<f64>,
    /// The slowest.
    pub max_ms: Option<f64>,
    /// Tokens of prompts, where known.
    pub prompt_tokens: u64,
    /// Tokens of answers, where known.
    pub completion_tokens: u64,
    /// What it cost in US dollars, where known.
    pub cost: f64,
    /// Answers of which nobody knows what they cost.
    pub unpriced: u64,
}

#[derive(Default)]
struct Gathered {
    group: Group,
    queued: i64,
    totals: Vec<i64>,
    first_tokens: Vec<i64>,
}

pub(super) fn groups(
    connection: &Connection,
    filter: &Filter,
    by: Option<By>,
) -> Result<Vec<Group>, rusqlite::Error> {
    let mut groups: BTreeMap<Option<String>, Gathered> = BTreeMap::new();
    let sql = format!(
        "select at, {}, outcome, retries + failovers, queued, first_token, total, prompt_tokens, completion_tokens,
            cost
         from request where at >= ?1 and at < ?2 order by at",
        by.map_or("null", By::column)
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let span = [filter.since.as_microsecond(), filter.until.as_microsecond()];
    let mut rows = statement.query(span)?;
    while let Some(row) = rows.next()? {
        let name = match by {
            Some(By::Day) => Some(stamp(row.get(0)?, "%Y-%m-%d", filter)),
            Some(By::Hour) => Some(stamp(row.get(0)?, "%Y-%m-%d %H:00", filter)),
            Some(_) => row.get(1)?,
            None => None,
        };
        let gathered = groups.entry(name).or_default();
        let group = &mut gathered.group;
        group.requests += 1;
        let cost: Option<f64> = row.get(9)?;
        let total: i64 = row.get(6)?;
        match row.get_ref(2)?.as_str()? {
            "success" => {
                group.successful += 1;
                gathered.totals.push(total);
                group.unpriced += u64::from(cost.is_none());
            }
            "failure" => group.failed += 1,
            _ => group.cancelled += 1,
        }
        group.retries += row.get::<_, i64>(3)?.unsigned_abs();
        gathered.queued = gathered.queued.saturating_add(row.get(4)?);
        gathered.first_tokens.extend(row.get::<_, Option<i64>>(5)?);
        let count = |at: usize| row.get::<_, Option<i64>>(at);
        group.prompt_tokens += count(7)?.unwrap_or(0).unsigned_abs();
        group.completion_tokens += count(8)?.unwrap_or(0).unsigned_abs();
        group.cost += cost.unwrap_or(0.0);
    }
    let named = groups.into_iter().map(|(name, gathered)| Group {
        name,
        ..gathered.sum_up()
    });
    let mut groups: Vec<Group> = named.collect();
    if !matches!(by, Some(By::Day | By::Hour)) {
        groups.sort_by_key(|group| std::cmp::Reverse(group.requests));
    }
    Ok(groups)
}

fn stamp(micros: i64, format: &str, filter: &Filter) -> String {
    let at = Timestamp::from_microsecond(micros).unwrap_or_default();
    at.to_zoned(filter.zone.clone())
        .strftime(format)
        .to_string()
}

impl Gathered {
    fn sum_up(mut self) -> Group {
        self.totals.sort_unstable();
        self.first_tokens.sort_unstable();
        let group = self.group;
        let decided = group.successful + group.failed;
        Group {
            success_rate: (decided > 0).then(|| group.successful as f64 / decided as f64),
            queued_ms: (group.requests > 0)
                .then(|| self.queued as f64 / group.requests as f64 / 1000.0),
            first_token_p50_ms: percentile(&self.first_tokens, 0.5),
            first_token_p95_ms: percentile(&self.first_tokens, 0.95),
            p50_ms: percentile(&self.totals, 0.5),
            p90_ms: percentile(&self.totals, 0.9),
            p95_ms: percentile(&self.totals, 0.95),
            p99_ms: percentile(&self.totals, 0.99),
            max_ms: percentile(&self.totals, 1.0),
            ..group
        }
    }
}

/// Returns the smallest value that is not below the given part of all, in milliseconds.
fn percentile(sorted: &[i64], part: f64) -> Option<f64> {
    let rank = (part * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).map(|micros| *micros as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let sorted: Vec<i64> = (1..=100).map(|n| n * 1000).collect();
        assert_eq!(percentile(&sorted, 0.5), Some(50.0));
        assert_eq!(percentile(&sorted, 0.99), Some(99.0));
        assert_eq!(percentile(&sorted, 1.0), Some(100.0));
        assert_eq!(percentile(&[7000], 0.5), Some(7.0));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
