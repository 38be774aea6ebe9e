//! A request as a row, and back.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::base::{
    ErrorKind, FinishReason, InstanceName, Outcome, ProviderType, RequestId, RouteName, Sample,
    Target, Usage, attempts_from_json, attempts_to_json,
};

/// The longest message of an error that is kept, in characters.
const LONGEST_ERROR: usize = 200;

pub(super) fn insert(connection: &Connection, sample: &Sample) -> Result<(), rusqlite::Error> {
    let (outcome, kind) = match sample.outcome {
        Outcome::Success => ("success", None),
        Outcome::Failure(kind) => ("failure", Some(kind)),
        Outcome::Cancelled => ("cancelled", None),
    };
    let usage = sample.usage.unwrap_or_default();
    let count = |tokens: Option<u64>| tokens.and_then(|tokens| i64::try_from(tokens).ok());
    let message = sample
        .error
        .as_ref()
        .map(|(_, message)| crate::base::shorten(message, LONGEST_ERROR));
    let error = |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    connection
        .prepare_cached(
            "insert into request(at, request, caller, conversation, target, route, instance, provider_type, model,
                outcome, kind, error, finish_reason, queued, first_token, between_tokens, total, retries, failovers,
                hedges, prompt_tokens, completion_tokens, total_tokens, cached_tokens, cache_write_tokens,
                reasoning_tokens, cost, attempts, prompt)
             values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
                ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29)",
        )?
        .execute(params![
            sample.called_at.as_microsecond(),
            sample.request.0.cast_signed(),
            sample.caller,
            sample.conversation,
            serde_json::to_string(&sample.target).map_err(error)?,
            sample.route.as_ref().map(RouteName::as_str),
            sample.instance.as_ref().map(InstanceName::as_str),
            sample.provider_type.map(ProviderType::as_str),
            sample.model,
            outcome,
            kind.map(ErrorKind::as_str),
            message,
            sample.finish_reason.map(FinishReason::as_str),
            micros(sample.queued),
            sample.time_to_first_token.map(micros),
            sample.time_between_tokens.map(micros),
            micros(sample.total),
            sample.retries,
            sample.failovers,
            sample.hedges,
            count(usage.prompt_tokens),
            count(usage.completion_tokens),
            count(usage.total_tokens),
            count(usage.cached_tokens),
            count(usage.cache_write_tokens),
            count(usage.reasoning_tokens),
            sample.cost,
            attempts_to_json(&sample.attempts).map_err(error)?,
            sample.prompt.as_deref(),
        ])?;
    Ok(())
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// Returns the time from which on rows are to be read: so far back, so many, and never before the oldest.
pub(super) fn known_since(
    connection: &Connection,
    now: Timestamp,
    span: Duration,
    most: usize,
) -> Result<Option<Timestamp>, rusqlite::Error> {
    let oldest: Option<i64> =
        connection.query_row("select min(at) from request", [], |row| row.get(0))?;
    let Some(oldest) = oldest else {
        return Ok(None);
    };
    let since = now
        .as_microsecond()
        .saturating_sub(micros(span))
        .max(oldest);
    let enough: Option<i64> = connection
        .prepare_cached("select at from request where at > ?1 order by at desc limit 1 offset ?2")?
        .query_row(
            params![since, i64::try_from(most).unwrap_or(i64::MAX)],
            |row| row.get(0),
        )
        .optional()?;
    // What was called at that very moment may be one too many.
    let since = enough.map_or(since, |at| at.saturating_add(1));
    Ok(Timestamp::from_microsecond(since).ok())
}

/// Goes over rows since a time, oldest first.
pub(super) fn each(
    connection: &Connection,
    since: Timestamp,
    take: &mut dyn FnMut(Sample) -> bool,
) -> Result<(), rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "select at, request, caller, conversation, target, route, instance, provider_type, model, outcome, kind,
            error, finish_reason, queued, first_token, between_tokens, total, retries, failovers, hedges,
            prompt_tokens, completion_tokens, total_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,
            cost, attempts
         from request where at >= ?1 order by at",
    )?;
    let mut rows = statement.query([since.as_microsecond()])?;
    while let Some(row) = rows.next()? {
        if !take(sample(row)?) {
            return Ok(());
        }
    }
    Ok(())
}

fn sample(row: &Row<'_>) -> Result<Sample, rusqlite::Error> {
    let time = |at: usize| -> Result<Option<Duration>, rusqlite::Error> {
        let micros: Option<i64> = row.get(at)?;
        Ok(micros.map(|micros| Duration::from_micros(micros.unsigned_abs())))
    };
    let count = |at: usize| -> Result<Option<u64>, rusqlite::Error> {
        let count: Option<i64> = row.get(at)?;
        Ok(count.map(i64::unsigned_abs))
    };
    let text =
        |at: usize| -> Result<Option<String>, rusqlite::Error> { row.get::<_, Option<String>>(at) };
    let kind = text(10)?.and_then(|word| kind_of(&word));
    let outcome = match (text(9)?.as_deref(), kind) {
        (Some("success"), _) => Outcome::Success,
        (Some("failure"), Some(kind)) => Outcome::Failure(kind),
        _ => Outcome::Cancelled,
    };
    let usage = Usage {
        prompt_tokens: count(20)?,
        completion_tokens: count(21)?,
        total_tokens: count(22)?,
        cached_tokens: count(23)?,
        cache_write_tokens: count(24)?,
        reasoning_tokens: count(25)?,
    };
    let request = RequestId(row.get::<_, i64>(1)?.cast_unsigned());
    let total = time(16)?.unwrap_or_default();
    Ok(Sample {
        called_at: Timestamp::from_microsecond(row.get(0)?).unwrap_or_default(),
        caller: text(2)?,
        conversation: text(3)?,
        target: text(4)?
            .and_then(|json| serde_json::from_str::<Target>(&json).ok())
            .unwrap_or_default(),
        route: text(5)?.map(|name| name.as_str().into()),
        instance: text(6)?.map(|name| name.as_str().into()),
        provider_type: text(7)?.and_then(|word| word.parse().ok()),
        model: text(8)?,
        finish_reason: text(12)?
            .and_then(|word| serde_json::from_value(serde_json::Value::String(word)).ok()),
        queued: time(13)?.unwrap_or_default(),
        time_to_first_token: time(14)?,
        time_between_tokens: time(15)?,
        retries: row.get(17)?,
        failovers: row.get(18)?,
        hedges: row.get(19)?,
        usage: (usage != Usage::default()).then_some(usage),
        cost: row.get(26)?,
        attempts: text(27)?
            .and_then(|json| attempts_from_json(&json).ok())
            .unwrap_or_default(),
        error: kind.zip(text(11)?),
        ..Sample::new(request, outcome, total)
    })
}

fn kind_of(word: &str) -> Option<ErrorKind> {
    ErrorKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == word)
}
