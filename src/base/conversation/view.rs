//! What lists show of conversations.

use jiff::Timestamp;
use serde::Serialize;

use super::{ConversationId, MessageId};

/// A conversation in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its id.
    pub id: ConversationId,
    /// Its title, empty when nothing has been asked.
    pub title: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When something was last said in it.
    pub updated_at: Timestamp,
    /// Questions in all its branches.
    pub questions: u64,
    /// Whether it stands above the others.
    pub pinned: bool,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The instance that answered last.
    pub instance: Option<String>,
    /// The model that answered last.
    pub model: Option<String>,
    /// Whether its last answer was cut when the program ended.
    pub cut: bool,
    /// Whether something is typed in it and not sent.
    pub has_draft: bool,
}

/// Some conversations, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    /// Some of them, the pinned first, the newest first.
    pub conversations: Vec<Summary>,
    /// All there are.
    pub total: u64,
}

/// Where a search found something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// The conversation.
    pub conversation: Summary,
    /// The newest message that matches; `None` when only the title or a tag does.
    pub message: Option<MessageId>,
    /// Who said it: `user`, `assistant` ... or `title`.
    pub role: String,
    /// The line that matches, clean and shortened around the match.
    pub line: String,
    /// Where in the line the match is, in bytes.
    pub matched: Option<(usize, usize)>,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// One for each conversation, the newest match first.
    pub hits: Vec<Hit>,
    /// Whether there may be more: a bound on number or time was reached.
    pub more: bool,
}
