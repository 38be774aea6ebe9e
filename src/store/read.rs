//! Conversations read back.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use crate::base::{
    Conversation, ConversationId, KeptMessage, Message, MessageId, MessageState, Page, Role,
    Summary,
};

/// The columns of a summary.
pub(super) const SUMMARY: &str = "id, title, created, updated, questions, pinned, tags, last_instance, last_model, cut, draft <> ''";

/// What there is in all.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Conversations.
    pub conversations: u64,
    /// Questions, in all branches.
    pub questions: u64,
    /// Answers, in all branches.
    pub answers: u64,
    /// Answers that were cut when the program ended.
    pub cut: u64,
    /// Characters of all messages.
    pub characters: u64,
    /// Tokens of all prompts, where known.
    pub prompt_tokens: u64,
    /// Tokens of all answers, where known.
    pub completion_tokens: u64,
    /// What answers cost in US dollars, where known; nothing when it is known of none.
    pub cost: Option<f64>,
    /// Answers whose cost is not known.
    pub unpriced: u64,
    /// When the first conversation began.
    pub oldest: Option<Timestamp>,
    /// When something was last said.
    pub newest: Option<Timestamp>,
    /// Room on disk, in bytes.
    pub bytes: u64,
    /// Answers by model, most first.
    pub models: Vec<(String, u64)>,
}

/// Reads a time.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or_default()
}

pub(super) fn summary_of(row: &Row<'_>) -> Result<Summary, rusqlite::Error> {
    let tags: String = row.get(6)?;
    Ok(Summary {
        id: ConversationId(row.get(0)?),
        title: row.get(1)?,
        created_at: time(row.get(2)?),
        updated_at: time(row.get(3)?),
        questions: row.get::<_, i64>(4)?.unsigned_abs(),
        pinned: row.get(5)?,
        tags: serde_json::from_str(&tags).unwrap_or_default(),
        instance: row.get(7)?,
        model: row.get(8)?,
        cut: row.get(9)?,
        has_draft: row.get(10)?,
    })
}

pub(super) fn list(
    connection: &Connection,
    limit: usize,
    offset: usize,
) -> Result<Page, rusqlite::Error> {
    let sql = format!(
        "select {SUMMARY} from conversation where deleted is null
         order by pinned desc, updated desc limit ?1 offset ?2"
    );
    let conversations = connection
        .prepare_cached(&sql)?
        .query_map(
            params![
                u32::try_from(limit).unwrap_or(u32::MAX),
                u32::try_from(offset).unwrap_or(u32::MAX)
            ],
            summary_of,
        )?
        .collect::<Result<_, _>>()?;
    let total: i64 = connection
        .prepare_cached("select count(*) from conversation where deleted is null")?
        .query_row([], |row| row.get(0))?;
    Ok(Page {
        conversations,
        total: total.unsigned_abs(),
    })
}

pub(super) fn summary(
    connection: &Connection,
    id: ConversationId,
) -> Result<Option<Summary>, rusqlite::Error> {
    let sql = format!("select {SUMMARY} from conversation where id = ?1 and deleted is null");
    connection
        .prepare_cached(&sql)?
        .query_row([id.0], summary_of)
        .optional()
}

pub(super) fn find(
    connection: &Connection,
    prefix: &str,
) -> Result<Vec<ConversationId>, rusqlite::Error> {
    let Some((least, most)) = ConversationId::range(prefix) else {
        return Ok(Vec::new());
    };
    connection
        .prepare_cached(
            "select id from conversation where id between ?1 and ?2 and deleted is null limit 2",
        )?
        .query_map([least.0, most.0], |row| Ok(ConversationId(row.get(0)?)))?
        .collect()
}

pub(super) fn newest(connection: &Connection) -> Result<Option<ConversationId>, rusqlite::Error> {
    connection
        .prepare_cached(
            "select id from conversation where deleted is null and first is not null
             order by updated desc limit 1",
        )?
        .query_row([], |row| Ok(ConversationId(row.get(0)?)))
        .optional()
}

/// Tells whether another conversation has a message of the same id as one of these.
pub(super) fn has_message_elsewhere(
    connection: &Connection,
    conversation: &Conversation,
) -> Result<bool, rusqlite::Error> {
    let mut statement =
        connection.prepare_cached("select 1 from message where id = ?1 and conversation <> ?2")?;
    for said in &conversation.messages {
        if statement.exists([said.id.0, conversation.id.0])? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn ids(connection: &Connection) -> Result<Vec<ConversationId>, rusqlite::Error> {
    connection
        .prepare_cached("select id from conversation where deleted is null order by updated, id")?
        .query_map([], |row| Ok(ConversationId(row.get(0)?)))?
        .collect()
}

/// Returns what was deleted before a time.
pub(super) fn deleted(
    connection: &Connection,
    until: i64,
) -> Result<Vec<ConversationId>, rusqlite::Error> {
    connection
        .prepare_cached("select id from conversation where deleted is not null and deleted < ?1")?
        .query_map([until], |row| Ok(ConversationId(row.get(0)?)))?
        .collect()
}

pub(super) fn load(
    connection: &Connection,
    id: ConversationId,
) -> Result<Option<Conversation>, rusqlite::Error> {
    let found = connection
        .prepare_cached(
            "select title, titled, created, updated, persona, system, target, model, draft, pinned, tags,
                forked_from, first
             from conversation where id = ?1 and deleted is null",
        )?
        .query_row([id.0], |row| {
            let (target, tags): (String, String) = (row.get(6)?, row.get(10)?);
            Ok(Conversation {
                id,
                title: row.get(0)?,
                titled: row.get(1)?,
                created_at: time(row.get(2)?),
                updated_at: time(row.get(3)?),
                persona: row.get(4)?,
                system: row.get(5)?,
                target: serde_json::from_str(&target).unwrap_or_default(),
                model: row.get(7)?,
                draft: row.get(8)?,
                pinned: row.get(9)?,
                tags: serde_json::from_str(&tags).unwrap_or_default(),
                forked_from: row.get::<_, Option<i64>>(11)?.map(ConversationId),
                first: row.get::<_, Option<i64>>(12)?.map(MessageId),
                messages: Vec::new(),
            })
        })
        .optional()?;
    let Some(mut conversation) = found else {
        return Ok(None);
    };
    conversation.messages = connection
        .prepare_cached(
            "select id, parent, chosen, at, state, role, text, reasoning, rest, facts
             from message where conversation = ?1 order by id",
        )?
        .query_map([id.0], message_of)?
        .collect::<Result<_, _>>()?;
    for kept in &mut conversation.messages {
        if kept.state == MessageState::Streaming {
            add_pieces(connection, kept)?;
        }
    }
    Ok(Some(conversation))
}

fn message_of(row: &Row<'_>) -> Result<KeptMessage, rusqlite::Error> {
    let id = MessageId(row.get(0)?);
    let (state, role): (String, String) = (row.get(4)?, row.get(5)?);
    let rest: Option<String> = row.get(8)?;
    let facts: Option<String> = row.get(9)?;
    let message = match rest {
        Some(rest) => parsed(&rest)?,
        None => Message {
            reasoning: row.get(7)?,
            ..Message::text(role_of(&role), row.get::<_, String>(6)?)
        },
    };
    Ok(KeptMessage {
        id,
        parent: row.get::<_, Option<i64>>(1)?.map(MessageId),
        chosen: row.get::<_, Option<i64>>(2)?.map(MessageId),
        at: time(row.get(3)?),
        state: state_of(&state),
        message,
        answer: facts.as_deref().map(parsed).transpose()?,
    })
}

fn parsed<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, rusqlite::Error> {
    serde_json::from_str(json).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn role_of(word: &str) -> Role {
    match word {
        "system" => Role::System,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => Role::User,
    }
}

fn state_of(word: &str) -> MessageState {
    MessageState::ALL
        .into_iter()
        .find(|state| state.as_str() == word)
        .unwrap_or_default()
}

/// Adds what has come of a message that another program is receiving.
fn add_pieces(connection: &Connection, kept: &mut KeptMessage) -> Result<(), rusqlite::Error> {
    let mut text = kept.message.content.to_text();
    let mut reasoning = kept.message.reasoning.take().unwrap_or_default();
    let mut statement = connection
        .prepare_cached("select reasoning, text from piece where message = ?1 order by number")?;
    let mut rows = statement.query([kept.id.0])?;
    while let Some(row) = rows.next()? {
        let is_reasoning: bool = row.get(0)?;
        let to = if is_reasoning {
            &mut reasoning
        } else {
            &mut text
        };
        to.push_str(row.get_ref(1)?.as_str()?);
    }
    kept.message.content = crate::base::Content::Text(text);
    kept.message.reasoning = Some(reasoning).filter(|text| !text.is_empty());
    Ok(())
}

pub(super) fn figures(connection: &Connection) -> Result<Figures, rusqlite::Error> {
    let mut figures = connection.query_row(
        "select count(*), min(created), max(updated) from conversation where deleted is null",
        [],
        |row| {
            Ok(Figures {
                conversations: row.get::<_, i64>(0)?.unsigned_abs(),
                oldest: row.get::<_, Option<i64>>(1)?.map(time),
                newest: row.get::<_, Option<i64>>(2)?.map(time),
                ..Figures::default()
            })
        },
    )?;
    let counted =
        "from message where conversation in (select id from conversation where deleted is null)";
    connection.query_row(
        &format!(
            "select count(*) filter (where role = 'user'), count(*) filter (where role = 'assistant'),
                count(*) filter (where state = 'cut'), coalesce(sum(length(text)), 0),
                coalesce(sum(facts ->> '$.usage.prompt_tokens'), 0),
                coalesce(sum(facts ->> '$.usage.completion_tokens'), 0),
                count(*) filter (where role = 'assistant' and facts ->> '$.cost' is null),
                sum(facts ->> '$.cost') {counted}"
        ),
        [],
        |row| {
            let mut at = 0;
            let mut count = || {
                at += 1;
                row.get::<_, i64>(at - 1).map(i64::unsigned_abs)
            };
            figures.questions = count()?;
            figures.answers = count()?;
            figures.cut = count()?;
            figures.characters = count()?;
            figures.prompt_tokens = count()?;
            figures.completion_tokens = count()?;
            figures.unpriced = count()?;
            figures.cost = row.get(7)?;
            Ok(())
        },
    )?;
    figures.models = connection
        .prepare(&format!(
            "select facts ->> 'model', count(*) {counted} and facts ->> 'model' is not null
             group by 1 order by 2 desc, 1"
        ))?
        .query_map([], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
        })?
        .collect::<Result<_, _>>()?;
    figures.bytes = size(connection)?;
    Ok(figures)
}

/// Returns the room that a file takes, in bytes.
pub(super) fn size(connection: &Connection) -> Result<u64, rusqlite::Error> {
    let pragma = |name| -> Result<i64, rusqlite::Error> {
        connection.pragma_query_value(None, name, |row| row.get(0))
    };
    Ok((pragma("page_count")? * pragma("page_size")?).unsigned_abs())
}
