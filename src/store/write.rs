//! Changes as SQL. Every function here runs within a transaction that its caller holds.

use rusqlite::{Connection, OptionalExtension, params};

use super::grams::grams;
use crate::base::{
    Change, Content, Conversation, ConversationId, InstanceName, KeptMessage, Message, MessageId,
    MessageState, Piece, Role, title_of,
};

type Done = Result<(), rusqlite::Error>;

/// Makes a change; `session` is the running program's, for messages that are coming in.
pub(super) fn apply(connection: &Connection, change: &Change, session: Option<i64>) -> Done {
    match change {
        Change::Begin(conversation) => begin(connection, conversation, session),
        Change::Say {
            conversation,
            message,
        } => {
            ensure(connection, *conversation, message.at.as_microsecond())?;
            insert(connection, *conversation, message, session)?;
            choose(connection, *conversation, message.parent, message.id)?;
            touch(connection, *conversation, message)
        }
        Change::Piece { message, piece, .. } => append(connection, *message, piece),
        Change::Finish {
            conversation,
            message,
        } => {
            let chosen: Option<i64> = connection
                .prepare_cached("select chosen from message where id = ?1")?
                .query_row([message.id.0], |row| row.get(0))
                .optional()?
                .flatten();
            ensure(connection, *conversation, message.at.as_microsecond())?;
            drop_message(connection, message.id)?;
            insert(connection, *conversation, message, None)?;
            connection
                .prepare_cached("update message set chosen = coalesce(chosen, ?2) where id = ?1")?
                .execute(params![message.id.0, chosen])?;
            touch(connection, *conversation, message)
        }
        Change::Choose {
            conversation,
            parent,
            child,
        } => choose(connection, *conversation, *parent, *child),
        Change::Draft { conversation, text } => draft(connection, *conversation, text),
        Change::Rename {
            conversation,
            title,
        } => rename(connection, *conversation, title),
        Change::Pin {
            conversation,
            pinned,
        } => {
            connection
                .prepare_cached("update conversation set pinned = ?2 where id = ?1")?
                .execute(params![conversation.0, pinned])?;
            Ok(())
        }
        Change::Tag { conversation, tags } => {
            connection
                .prepare_cached("update conversation set tags = ?2 where id = ?1")?
                .execute(params![conversation.0, json(tags)?])?;
            Ok(())
        }
        Change::Route {
            conversation,
            target,
            model,
            persona,
            system,
        } => {
            connection
                .prepare_cached(
                    "update conversation set target = ?2, model = ?3, persona = ?4, system = ?5 where id = ?1",
                )?
                .execute(params![conversation.0, json(target)?, model, persona, system])?;
            Ok(())
        }
        Change::Delete { conversation } => {
            connection
                .prepare_cached("update conversation set deleted = ?2 where id = ?1")?
                .execute(params![
                    conversation.0,
                    jiff::Timestamp::now().as_microsecond()
                ])?;
            Ok(())
        }
        Change::Restore { conversation } => {
            connection
                .prepare_cached("update conversation set deleted = null where id = ?1")?
                .execute([conversation.0])?;
            Ok(())
        }
    }
}

/// Puts a whole conversation in, over one of the same id.
fn begin(connection: &Connection, conversation: &Conversation, session: Option<i64>) -> Done {
    remove(connection, conversation.id)?;
    connection
        .prepare_cached(
            "insert into conversation(id, title, titled, created, updated, persona, system, target, model, draft,
                pinned, tags, forked_from, first)
             values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            conversation.id.0,
            conversation.title,
            conversation.titled,
            conversation.created_at.as_microsecond(),
            conversation.updated_at.as_microsecond(),
            conversation.persona,
            conversation.system,
            json(&conversation.target)?,
            conversation.model,
            conversation.draft,
            conversation.pinned,
            json(&conversation.tags)?,
            conversation.forked_from.map(|id| id.0),
            conversation.first.map(|id| id.0),
        ])?;
    for message in &conversation.messages {
        insert(connection, conversation.id, message, session)?;
    }
    note_last(connection, conversation.id)
}

/// A conversation that nobody began is begun: a draft or a message must not be lost for want of it.
fn ensure(connection: &Connection, id: ConversationId, at: i64) -> Done {
    connection
        .prepare_cached(
            "insert into conversation(id, title, titled, created, updated, target, draft, pinned, tags)
             values(?1, '', 0, ?2, ?2, '\"any\"', '', 0, '[]') on conflict do nothing",
        )?
        .execute(params![id.0, at])?;
    Ok(())
}

fn insert(
    connection: &Connection,
    conversation: ConversationId,
    kept: &KeptMessage,
    session: Option<i64>,
) -> Done {
    let message = &kept.message;
    let text = message.content.to_text();
    let rest = if is_plain(message) {
        None
    } else {
        Some(json(message)?)
    };
    let facts = kept.answer.as_ref().map(json).transpose()?;
    let is_streaming = kept.state == MessageState::Streaming;
    connection
        .prepare_cached(
            "insert into message(id, conversation, parent, chosen, at, state, role, session, text, reasoning, rest, facts)
             values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            kept.id.0,
            conversation.0,
            kept.parent.map(|id| id.0),
            kept.chosen.map(|id| id.0),
            kept.at.as_microsecond(),
            kept.state.as_str(),
            message.role.as_str(),
            session.filter(|_| is_streaming),
            text,
            message.reasoning,
            rest,
            facts,
        ])?;
    if !is_streaming {
        index(connection, kept.id, &text)?;
    }
    Ok(())
}

/// Tells whether role, text and reasoning are all there is.
fn is_plain(message: &Message) -> bool {
    matches!(message.content, Content::Text(_))
        && message.tool_calls.is_empty()
        && message.tool_call_id.is_none()
        && message.name.is_none()
        && message.extra.is_empty()
}

fn index(connection: &Connection, id: MessageId, text: &str) -> Done {
    if text.is_empty() {
        return Ok(());
    }
    connection
        .prepare_cached("insert into message_text(rowid, text) values(?1, ?2)")?
        .execute(params![id.0, text])?;
    connection
        .prepare_cached("insert into message_short(rowid, grams) values(?1, ?2)")?
        .execute(params![id.0, grams(text)])?;
    Ok(())
}

fn unindex(connection: &Connection, id: MessageId, text: &str) -> Done {
    if text.is_empty() {
        return Ok(());
    }
    connection
        .prepare_cached(
            "insert into message_text(message_text, rowid, text) values('delete', ?1, ?2)",
        )?
        .execute(params![id.0, text])?;
    connection
        .prepare_cached(
            "insert into message_short(message_short, rowid, grams) values('delete', ?1, ?2)",
        )?
        .execute(params![id.0, grams(text)])?;
    Ok(())
}

/// Takes a message out with all that belongs to it.
fn drop_message(connection: &Connection, id: MessageId) -> Done {
    let found: Option<(String, String)> = connection
        .prepare_cached("select state, text from message where id = ?1")?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((state, text)) = found else {
        return Ok(());
    };
    if state != MessageState::Streaming.as_str() {
        unindex(connection, id, &text)?;
    }
    drop_pieces(connection, id)?;
    connection
        .prepare_cached("delete from message where id = ?1")?
        .execute([id.0])?;
    Ok(())
}

fn drop_pieces(connection: &Connection, id: MessageId) -> Done {
    connection
        .prepare_cached("delete from piece where message = ?1")?
        .execute([id.0])?;
    Ok(())
}

/// Notes a title, who spoke, and when.
fn touch(connection: &Connection, id: ConversationId, kept: &KeptMessage) -> Done {
    let text = kept.message.content.to_text();
    let is_question = kept.message.role == Role::User;
    if is_question {
        connection
            .prepare_cached(
                "update conversation set title = ?2 where id = ?1 and titled = 0 and title = ''",
            )?
            .execute(params![id.0, title_of(&text)])?;
    }
    let facts = kept.answer.as_deref();
    let ended = facts.map_or(kept.at.as_microsecond(), |facts| {
        let took = i64::try_from(facts.total_time.as_micros()).unwrap_or(0);
        kept.at.as_microsecond().saturating_add(took)
    });
    connection
        .prepare_cached(
            "update conversation set updated = max(updated, ?2), questions = questions + ?3,
                last_instance = coalesce(?4, last_instance), last_model = coalesce(?5, last_model), cut = 0
             where id = ?1",
        )?
        .execute(params![
            id.0,
            ended,
            is_question,
            facts.and_then(|facts| facts.instance.as_ref().map(InstanceName::as_str)),
            facts.and_then(|facts| facts.model.as_deref()),
        ])?;
    Ok(())
}

/// Counts questions and finds who spoke last, of what is there.
fn note_last(connection: &Connection, id: ConversationId) -> Done {
    connection
        .prepare_cached(
            "update conversation set
                questions = (select count(*) from message where conversation = ?1 and role = 'user'),
                cut = coalesce((select state = 'cut' from message where conversation = ?1 order by id desc limit 1), 0),
                (last_instance, last_model) =
                    (select facts ->> 'instance', facts ->> 'model' from message
                     where conversation = ?1 and facts is not null order by id desc limit 1)
             where id = ?1",
        )?
        .execute([id.0])?;
    Ok(())
}

fn choose(
    connection: &Connection,
    conversation: ConversationId,
    parent: Option<MessageId>,
    child: MessageId,
) -> Done {
    match parent {
        None => connection
            .prepare_cached("update conversation set first = ?2 where id = ?1")?
            .execute(params![conversation.0, child.0])?,
        Some(parent) => connection
            .prepare_cached("update message set chosen = ?2 where id = ?1 and conversation = ?3")?
            .execute(params![parent.0, child.0, conversation.0])?,
    };
    Ok(())
}

/// Adds what came of a message.
pub(super) fn append(connection: &Connection, message: MessageId, piece: &Piece) -> Done {
    let (is_reasoning, text) = match piece {
        Piece::Text(text) => (false, text),
        Piece::Reasoning(text) => (true, text),
    };
    connection
        .prepare_cached("insert into piece(message, reasoning, text) values(?1, ?2, ?3)")?
        .execute(params![message.0, is_reasoning, text])?;
    Ok(())
}

/// Keeps what is typed. A conversation that holds nothing else goes with its draft.
pub(super) fn draft(connection: &Connection, id: ConversationId, text: &str) -> Done {
    if text.is_empty() {
        connection
            .prepare_cached("update conversation set draft = '' where id = ?1")?
            .execute([id.0])?;
        connection
            .prepare_cached(
                "delete from conversation where id = ?1 and titled = 0 and pinned = 0 and tags = '[]'
                    and not exists (select 1 from message where conversation = ?1)",
            )?
            .execute([id.0])?;
        return Ok(());
    }
    ensure(connection, id, jiff::Timestamp::now().as_microsecond())?;
    connection
        .prepare_cached("update conversation set draft = ?2 where id = ?1")?
        .execute(params![id.0, text])?;
    Ok(())
}

fn rename(connection: &Connection, id: ConversationId, title: &str) -> Done {
    let title = crate::base::clean_line(title);
    if !title.is_empty() {
        connection
            .prepare_cached("update conversation set title = ?2, titled = 1 where id = ?1")?
            .execute(params![id.0, title])?;
        return Ok(());
    }
    let question: Option<String> = connection
        .prepare_cached(
            "select text from message where conversation = ?1 and role = 'user' order by id limit 1",
        )?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    connection
        .prepare_cached("update conversation set title = ?2, titled = 0 where id = ?1")?
        .execute(params![id.0, title_of(&question.unwrap_or_default())])?;
    Ok(())
}

/// Ends a message whose program is gone, with what had come.
pub(super) fn cut(connection: &Connection, id: MessageId) -> Done {
    let (mut text, mut reasoning) = (String::new(), String::new());
    let mut statement = connection
        .prepare_cached("select reasoning, text from piece where message = ?1 order by number")?;
    let mut rows = statement.query([id.0])?;
    while let Some(row) = rows.next()? {
        let is_reasoning: bool = row.get(0)?;
        let piece = row.get_ref(1)?.as_str()?;
        if is_reasoning {
            reasoning.push_str(piece);
        } else {
            text.push_str(piece);
        }
    }
    connection
        .prepare_cached(
            "update message set state = 'cut', session = null, text = text || ?2,
                reasoning = nullif(coalesce(reasoning, '') || ?3, '') where id = ?1",
        )?
        .execute(params![id.0, text, reasoning])?;
    drop_pieces(connection, id)?;
    let whole: String = connection
        .prepare_cached("select text from message where id = ?1")?
        .query_row([id.0], |row| row.get(0))?;
    index(connection, id, &whole)?;
    connection
        .prepare_cached(
            "update conversation set cut = 1 where id = (select conversation from message where id = ?1)",
        )?
        .execute([id.0])?;
    Ok(())
}

/// Takes a conversation out with all that belongs to it; tells whether it was there.
pub(super) fn remove(connection: &Connection, id: ConversationId) -> Result<bool, rusqlite::Error> {
    let messages: Vec<i64> = connection
        .prepare_cached("select id from message where conversation = ?1")?
        .query_map([id.0], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for message in messages {
        drop_message(connection, MessageId(message))?;
    }
    let gone = connection
        .prepare_cached("delete from conversation where id = ?1")?
        .execute([id.0])?;
    Ok(gone > 0)
}

fn json(value: &impl serde::Serialize) -> Result<String, rusqlite::Error> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
