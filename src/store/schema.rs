//! The tables. A step that was released is never changed; another one is added.

use super::file::Step;

/// The steps of the file with conversations.
///
/// Times are microseconds since 1970. `message_text` finds three characters and more, `message_short` one and two
/// (see `grams`); both hold only messages that have ended, and no text of their own.
pub(super) const HISTORY: &[Step] = &["
create table conversation(
    id integer primary key,
    title text not null,
    titled integer not null,
    created integer not null,
    updated integer not null,
    persona text,
    system text,
    target text not null,
    model text,
    draft text not null,
    pinned integer not null,
    tags text not null,
    forked_from integer,
    first integer,
    questions integer not null default 0,
    last_instance text,
    last_model text,
    cut integer not null default 0,
    deleted integer
) strict;
create index conversation_by_time on conversation(pinned desc, updated desc) where deleted is null;
create index conversation_by_update on conversation(updated desc) where deleted is null;
create index conversation_by_age on conversation(updated) where deleted is null and pinned = 0;
create index conversation_named on conversation(updated desc)
    where deleted is null and (titled = 1 or tags <> '[]');
create index conversation_deleted on conversation(deleted) where deleted is not null;

create table message(
    id integer primary key,
    conversation integer not null references conversation(id) on delete cascade,
    parent integer,
    chosen integer,
    at integer not null,
    state text not null,
    role text not null,
    session integer,
    text text not null,
    reasoning text,
    rest text,
    facts text
) strict;
create index message_of on message(conversation, id);
create index message_in_session on message(session) where session is not null;

create table piece(
    number integer primary key,
    message integer not null,
    reasoning integer not null,
    text text not null
) strict;
create index piece_of on piece(message, number);

create virtual table message_text using fts5(
    text, content = 'message', content_rowid = 'id', tokenize = 'trigram', detail = none, columnsize = 0
);
create virtual table message_short using fts5(
    grams, content = '', tokenize = 'unicode61 remove_diacritics 0', detail = none, columnsize = 0
);
insert into message_text(message_text, rank) values('secure-delete', 1);
"];

/// The steps of the request log. Durations are microseconds.
pub(super) const REQUESTS: &[Step] = &[
    "
create table request(
    id integer primary key,
    at integer not null,
    request integer not null,
    caller text,
    conversation text,
    target text not null,
    route text,
    instance text,
    provider_type text,
    model text,
    outcome text not null,
    kind text,
    error text,
    finish_reason text,
    queued integer not null,
    first_token integer,
    between_tokens integer,
    total integer not null,
    retries integer not null,
    failovers integer not null,
    hedges integer not null,
    prompt_tokens integer,
    completion_tokens integer,
    total_tokens integer,
    cached_tokens integer,
    cache_write_tokens integer,
    reasoning_tokens integer,
    cost real,
    attempts text not null
) strict;
create index request_by_time on request(at);
",
    "
alter table request add column prompt text;
",
];
