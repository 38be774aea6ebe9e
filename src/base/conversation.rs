//! What is kept of a chat: its messages as a tree, who answered and how, and what changes it.
//!
//! A message names the one before it (`parent`), so asking again or another way makes a branch and loses nothing. Which
//! branch is shown is noted where it begins: `chosen` in a message names the next one, `first` in the conversation the
//! first one. The same shapes are the JSON that is exported; `docs/history.md` describes it.

mod change;
mod facts;
mod id;
mod millis;
mod view;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Message, Target};

pub use change::{Change, Piece};
pub use facts::{Facts, KeptError};
#[cfg(feature = "store")]
pub(crate) use facts::{attempts_from_json, attempts_to_json};
pub use id::{ConversationId, MessageId};
pub use view::{Found, Hit, Page, Summary};

/// How far a kept message came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// All of it is there.
    #[default]
    Whole,
    /// It is coming in.
    Streaming,
    /// The person who asked stopped it.
    Stopped,
    /// An error ended it.
    Failed,
    /// The program ended in the middle of it.
    Cut,
}

impl MessageState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Whole,
        Self::Streaming,
        Self::Stopped,
        Self::Failed,
        Self::Cut,
    ];

    /// Returns the word used in JSON and on the screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Streaming => "streaming",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Cut => "cut",
        }
    }
}

/// A message that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptMessage {
    /// Its id.
    pub id: MessageId,
    /// The message before it; `None` for one that begins a conversation.
    #[serde(default)]
    pub parent: Option<MessageId>,
    /// Which of the messages after it is shown.
    #[serde(default)]
    pub chosen: Option<MessageId>,
    /// When it was said, or asked for.
    pub at: Timestamp,
    /// How far it came.
    #[serde(default)]
    pub state: MessageState,
    /// What is said.
    pub message: Message,
    /// How it came about, when it is an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Box<Facts>>,
}

impl KeptMessage {
    /// Tells whether nothing is said in it.
    pub fn is_empty(&self) -> bool {
        self.message.content.is_empty() && self.message.tool_calls.is_empty()
    }
}

/// A conversation with all its branches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Its title, empty when nothing has been asked.
    #[serde(default)]
    pub title: String,
    /// Whether a person gave it that title; otherwise it is the first question.
    #[serde(default)]
    pub titled: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When something was last said in it.
    pub updated_at: Timestamp,
    /// The name of the persona that answers.
    #[serde(default)]
    pub persona: Option<String>,
    /// The system message.
    #[serde(default)]
    pub system: Option<String>,
    /// Which instances may answer.
    #[serde(default)]
    pub target: Target,
    /// The model that is asked for.
    #[serde(default)]
    pub model: Option<String>,
    /// What is typed and not sent yet.
    #[serde(default)]
    pub draft: String,
    /// Whether it stands above the others, and stays when old ones go.
    #[serde(default)]
    pub pinned: bool,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The conversation that it was forked from.
    #[serde(default)]
    pub forked_from: Option<ConversationId>,
    /// Which of the messages that begin it is shown.
    #[serde(default)]
    pub first: Option<MessageId>,
    /// All messages, in the order in which they were said.
    #[serde(default)]
    pub messages: Vec<KeptMessage>,
}

impl Conversation {
    /// Makes one in which nothing has been said.
    pub fn new(id: ConversationId, at: Timestamp) -> Self {
        Self {
            id,
            title: String::new(),
            titled: false,
            created_at: at,
            updated_at: at,
            persona: None,
            system: None,
            target: Target::Any,
            model: None,
            draft: String::new(),
            pinned: false,
            tags: Vec::new(),
            forked_from: None,
            first: None,
            messages: Vec::new(),
        }
    }

    /// Returns the messages of the branch that is shown, in order. A chain that leads nowhere or in a circle ends there.
    pub fn path(&self) -> Vec<&KeptMessage> {
        let by_id: std::collections::HashMap<MessageId, &KeptMessage> = self
            .messages
            .iter()
            .map(|message| (message.id, message))
            .collect();
        let mut path = Vec::new();
        let mut next = self.first;
        while let Some(message) = next.and_then(|id| by_id.get(&id)) {
            if path.len() >= self.messages.len() {
                break;
            }
            path.push(*message);
            next = message.chosen;
        }
        path
    }

    /// Returns what goes along with the next question: the branch that is shown, without questions that nobody answered.
    pub fn context(&self) -> Vec<Message> {
        let path = self.path();
        let is_answered = |at: usize| {
            let next: Option<&&KeptMessage> = path.get(at + 1);
            next.is_some_and(|next| next.message.role != super::Role::User && !next.is_empty())
        };
        let kept = path.iter().enumerate().filter(|(at, said)| {
            !said.is_empty() && (said.message.role != super::Role::User || is_answered(*at))
        });
        kept.map(|(_, said)| said.message.clone()).collect()
    }

    /// Begins another conversation with the branch that is shown, up to a message.
    #[must_use]
    pub fn fork(&self, id: ConversationId, up_to: MessageId, at: Timestamp) -> Self {
        let mut fork = Self {
            id,
            created_at: at,
            updated_at: at,
            draft: String::new(),
            pinned: false,
            forked_from: Some(self.id),
            first: None,
            messages: Vec::new(),
            ..self.clone()
        };
        let mut parent = None;
        for said in self.path() {
            let (id, chosen) = (said.id, None);
            fork.say(KeptMessage {
                parent,
                chosen,
                ..said.clone()
            });
            parent = Some(id);
            if id == up_to {
                break;
            }
        }
        fork
    }

    /// Gives all messages other ids, from this one on.
    pub fn renumber(&mut self, first: MessageId) {
        let mut next = first;
        let mut ids = std::collections::HashMap::new();
        for said in &self.messages {
            ids.insert(said.id, next);
            next = next.after();
        }
        let other = |id: Option<MessageId>| id.map(|id| ids.get(&id).copied().unwrap_or(id));
        self.first = other(self.first);
        for said in &mut self.messages {
            said.id = other(Some(said.id)).unwrap_or(said.id);
            said.parent = other(said.parent);
            said.chosen = other(said.chosen);
        }
    }

    /// Adds a message and shows it.
    pub fn say(&mut self, message: KeptMessage) {
        self.choose(message.parent, message.id);
        self.updated_at = self.updated_at.max(message.at);
        self.messages.push(message);
    }

    /// Shows a branch.
    pub fn choose(&mut self, parent: Option<MessageId>, child: MessageId) {
        match parent {
            None => self.first = Some(child),
            Some(parent) => {
                let before = self.messages.iter_mut().find(|said| said.id == parent);
                if let Some(before) = before {
                    before.chosen = Some(child);
                }
            }
        }
    }
}

/// Makes a title out of a first question: its first line that says something, shortened.
pub fn title_of(question: &str) -> String {
    const LONGEST: usize = 80;
    let lines = question.lines().map(super::clean_line);
    let said = lines.into_iter().find(|line| {
        line.chars()
            .any(|c| c.is_alphanumeric() || !c.is_ascii_punctuation() && !c.is_whitespace())
    });
    super::shorten(&said.unwrap_or_default(), LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(id: i64, parent: Option<i64>) -> KeptMessage {
        KeptMessage {
            id: MessageId(id),
            parent: parent.map(MessageId),
            chosen: None,
            at: Timestamp::UNIX_EPOCH,
            state: MessageState::Whole,
            message: Message::user(id.to_string()),
            answer: None,
        }
    }

    fn shown(conversation: &Conversation) -> Vec<i64> {
        conversation.path().iter().map(|said| said.id.0).collect()
    }

    #[test]
    fn asking_another_way_makes_a_branch_and_the_other_stays() {
        let mut chat = Conversation::new(ConversationId(1), Timestamp::UNIX_EPOCH);
        chat.say(said(1, None));
        chat.say(said(2, Some(1)));
        chat.say(said(3, Some(2)));
        chat.say(said(4, Some(1)));
        assert_eq!(shown(&chat), [1, 4]);
        chat.choose(Some(MessageId(1)), MessageId(2));
        assert_eq!(shown(&chat), [1, 2, 3]);
        chat.say(said(5, None));
        assert_eq!(shown(&chat), [5]);
    }

    #[test]
    fn a_question_that_nobody_answered_does_not_go_along() {
        let mut chat = Conversation::new(ConversationId(1), Timestamp::UNIX_EPOCH);
        let answer = |id, parent, text: &str| KeptMessage {
            message: Message::assistant(text),
            ..said(id, Some(parent))
        };
        chat.say(said(1, None));
        chat.say(answer(2, 1, ""));
        chat.say(said(3, Some(2)));
        chat.say(answer(4, 3, "yes"));
        chat.say(said(5, Some(4)));
        let texts = chat
            .context()
            .into_iter()
            .map(|message| message.content.to_text());
        assert_eq!(texts.collect::<Vec<_>>(), ["3", "yes"]);
    }

    #[test]
    fn a_fork_ends_at_its_message_and_has_ids_of_its_own() {
        let mut chat = Conversation::new(ConversationId(1), Timestamp::UNIX_EPOCH);
        chat.say(said(1, None));
        chat.say(said(2, Some(1)));
        chat.say(said(3, Some(2)));
        let mut fork = chat.fork(ConversationId(2), MessageId(2), Timestamp::UNIX_EPOCH);
        assert_eq!(shown(&fork), [1, 2]);
        fork.renumber(MessageId(70));
        assert_eq!(shown(&fork), [70, 71]);
        assert_eq!(fork.forked_from, Some(ConversationId(1)));
        assert_eq!(shown(&chat), [1, 2, 3]);
    }

    #[test]
    fn a_circle_does_not_hang() {
        let mut chat = Conversation::new(ConversationId(1), Timestamp::UNIX_EPOCH);
        chat.say(said(1, None));
        chat.say(said(2, Some(1)));
        chat.choose(Some(MessageId(2)), MessageId(1));
        assert_eq!(shown(&chat), [1, 2]);
    }

    #[test]
    fn a_title_is_the_first_line_that_says_something() {
        assert_eq!(title_of("\n```rust\nfn main() {}"), "```rust");
        assert_eq!(title_of("---\n  你好，\t世界 \n"), "你好， 世界");
        assert_eq!(title_of(&"x".repeat(100)).chars().count(), 80);
        assert_eq!(title_of(" \n\n"), "");
    }
}
