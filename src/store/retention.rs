//! What is too old or too much goes, as far as somebody asked for it.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, TransactionBehavior, params};

use super::settings::Settings;
use super::{read, write};
use crate::base::ConversationId;

/// Conversations that go in one transaction.
const AT_ONCE: i64 = 100;

/// Removes conversations; tells how many.
pub(super) fn conversations(
    connection: &mut Connection,
    settings: &Settings,
    now: Timestamp,
) -> Result<usize, rusqlite::Error> {
    let mut gone = 0;
    if let Some(before) = days_before(now, settings.keep_days) {
        loop {
            let went = remove_oldest(connection, before)?;
            gone += went;
            if went == 0 {
                break;
            }
        }
    }
    let most = u64::from(settings.keep_mb) << 20;
    while most > 0 && used(connection)? > most {
        let went = remove_oldest(connection, i64::MAX)?;
        gone += went;
        if went == 0 {
            break;
        }
    }
    if gone > 0 {
        give_back(connection)?;
        tracing::info!(conversations = gone, "old conversations went");
    }
    Ok(gone)
}

fn remove_oldest(connection: &mut Connection, before: i64) -> Result<usize, rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let ids: Vec<i64> = transaction
        .prepare_cached(
            "select id from conversation where deleted is null and pinned = 0 and updated < ?1
             order by updated limit ?2",
        )?
        .query_map(params![before, AT_ONCE], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in &ids {
        write::remove(&transaction, ConversationId(*id))?;
    }
    transaction.commit()?;
    Ok(ids.len())
}

/// Removes rows of the request log; tells how many.
pub(super) fn requests(
    connection: &mut Connection,
    settings: &Settings,
    now: Timestamp,
) -> Result<usize, rusqlite::Error> {
    let mut gone = 0;
    if let Some(before) = days_before(now, settings.requests_keep_days) {
        gone += connection
            .prepare_cached("delete from request where at < ?1")?
            .execute([before])?;
    }
    let most = u64::from(settings.requests_keep_mb) << 20;
    while most > 0 && used(connection)? > most {
        // The oldest tenth: rows are alike, so that is about a tenth of the room.
        let went = connection
            .prepare_cached(
                "delete from request where id in
                    (select id from request order by at limit (select count(*) / 10 + 1 from request))",
            )?
            .execute([])?;
        gone += went;
        if went == 0 {
            break;
        }
    }
    if gone > 0 {
        give_back(connection)?;
    }
    Ok(gone)
}

fn days_before(now: Timestamp, days: u32) -> Option<i64> {
    let back = SignedDuration::from_hours(24 * i64::from(days));
    (days > 0)
        .then(|| now.checked_sub(back).ok())
        .flatten()
        .map(Timestamp::as_microsecond)
}

/// Returns the room that is in use, in bytes: what is free within the file does not count.
fn used(connection: &Connection) -> Result<u64, rusqlite::Error> {
    let pragma = |name| -> Result<i64, rusqlite::Error> {
        connection.pragma_query_value(None, name, |row| row.get(0))
    };
    let free = pragma("freelist_count")? * pragma("page_size")?;
    Ok(read::size(connection)?.saturating_sub(free.unsigned_abs()))
}

/// Gives free room back to the disk.
fn give_back(connection: &Connection) -> Result<(), rusqlite::Error> {
    // Each step gives one page back.
    let mut vacuum = connection.prepare("pragma incremental_vacuum")?;
    let mut steps = vacuum.query([])?;
    while steps.next()?.is_some() {}
    connection.execute_batch("pragma wal_checkpoint(truncate)")
}
