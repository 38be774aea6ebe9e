//! The store as its users see it.

mod care;
mod found;
mod kept;
mod log;
mod there_and_back;

use std::time::Duration;

use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::{History, SearchLimit, Store};
use crate::base::{
    Change, Conversation, ConversationId, KeptMessage, Message, MessageId, MessageState, Role,
};

fn dice(seed: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// Everything there is, in good time.
const ALL: SearchLimit = SearchLimit {
    hits: 100,
    time: Duration::from_secs(30),
};

fn history(folder: &tempfile::TempDir, seed: u64) -> History {
    History::open(folder.path(), &mut dice(seed)).unwrap()
}

fn message(id: i64, parent: Option<i64>, role: Role, text: &str) -> KeptMessage {
    KeptMessage {
        id: MessageId(id),
        parent: parent.map(MessageId),
        chosen: None,
        at: at(id),
        state: MessageState::Whole,
        message: Message::text(role, text),
        answer: None,
    }
}

/// A conversation of one question and one answer.
fn chat(id: i64, question: &str, answer: &str) -> Conversation {
    let mut chat = Conversation::new(ConversationId(id), at(10 * id));
    chat.title = crate::base::title_of(question);
    chat.say(message(10 * id, None, Role::User, question));
    chat.say(message(10 * id + 1, Some(10 * id), Role::Assistant, answer));
    chat
}

fn titles(history: &History) -> Vec<String> {
    let page = history.list(100, 0).unwrap();
    page.conversations
        .into_iter()
        .map(|summary| summary.title)
        .collect()
}

/// The handle over a fresh file.
fn store(folder: &tempfile::TempDir, seed: u64) -> Store {
    Store::open(folder.path(), &super::Settings::default(), &mut dice(seed))
        .unwrap()
        .store
}

fn say(conversation: i64, message: KeptMessage) -> Change {
    Change::Say {
        conversation: ConversationId(conversation),
        message: Box::new(message),
    }
}
