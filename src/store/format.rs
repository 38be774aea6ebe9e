//! Conversations to take away and to bring back: JSON that loses nothing, OpenAI's JSONL, and Markdown.

mod json;
mod jsonl;
mod markdown;

use std::io::Write;

use rand::RngCore;

use crate::base::{Conversation, Error, ErrorKind, MessageId};

/// A form of export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Everything, all branches; what is written is read back as it was.
    Json,
    /// One line a conversation, `{"messages": [...]}`, the branch that is shown.
    Jsonl,
    /// To be read; the branch that is shown. Questions and answers are found again, the rest is not.
    Markdown,
}

impl Format {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Json, Self::Jsonl, Self::Markdown];

    /// Returns the word on the command line, which is also the usual end of a file's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Markdown => "md",
        }
    }

    /// Finds the form that a file's name tells.
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, end) = name.rsplit_once('.')?;
        match end.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Json),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "md" | "markdown" => Some(Self::Markdown),
            _ => None,
        }
    }

    /// Guesses the form of a text.
    pub fn of_text(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if !text.starts_with('{') {
            return Self::Markdown;
        }
        let first = text.lines().next().unwrap_or_default();
        let is_line = serde_json::from_str::<serde_json::Value>(first)
            .is_ok_and(|value| value.get("messages").is_some());
        if is_line { Self::Jsonl } else { Self::Json }
    }
}

/// Writes conversations one after another, as they are brought.
///
/// # Errors
/// When one cannot be brought or written.
pub fn export_into(
    out: &mut dyn Write,
    format: Format,
    conversations: &mut dyn Iterator<Item = Result<Conversation, Error>>,
) -> Result<usize, Error> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Config, format!("it cannot be written: {error}"))
            .with_hint("free some space, or choose another file with --output")
    };
    let mut count = 0;
    if format == Format::Json {
        json::begin(out).map_err(failed)?;
    }
    for conversation in conversations {
        let conversation = conversation?;
        match format {
            Format::Json => json::one(out, &conversation, count == 0),
            Format::Jsonl => jsonl::one(out, &conversation),
            Format::Markdown => markdown::one(out, &conversation, count == 0),
        }
        .map_err(failed)?;
        count += 1;
    }
    if format == Format::Json {
        json::end(out).map_err(failed)?;
    }
    out.flush().map_err(failed)?;
    Ok(count)
}

/// What was read.
#[derive(Debug, Default)]
pub struct Imported {
    /// The conversations.
    pub conversations: Vec<Conversation>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

/// Reads conversations. Those of JSON keep their ids; others get new ones, and `now` as their time.
///
/// # Errors
/// Of kind `config`, when the text is not of that form.
pub fn import(
    text: &str,
    format: Format,
    now: jiff::Timestamp,
    dice: &mut impl RngCore,
) -> Result<Imported, Error> {
    let text = text.trim_start_matches('\u{feff}');
    match format {
        Format::Json => json::read(text),
        Format::Jsonl => jsonl::read(text, now, dice),
        Format::Markdown => markdown::read(text, now, dice),
    }
}

/// Puts messages in a row into a new conversation; `id` goes on over all that are read at once, whose time is one.
fn conversation_of(
    messages: Vec<crate::base::Message>,
    now: jiff::Timestamp,
    id: &mut MessageId,
    dice: &mut dyn RngCore,
) -> Option<Conversation> {
    use crate::base::{Content, ConversationId, KeptMessage, MessageState, Role, title_of};
    let mut dice = dice;
    let now = jiff::Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
    let mut conversation = Conversation::new(ConversationId::new(&mut dice), now);
    let mut parent = None;
    for message in messages {
        let is_first = conversation.messages.is_empty();
        if let (Role::System, Content::Text(text), None) =
            (message.role, &message.content, &conversation.system)
            && is_first
            && !text.is_empty()
            && message.name.is_none()
            && message.tool_calls.is_empty()
            && message.tool_call_id.is_none()
        {
            conversation.system = Some(text.clone());
            continue;
        }
        if message.role == Role::User && conversation.title.is_empty() {
            conversation.title = title_of(&message.content.to_text());
        }
        conversation.say(KeptMessage {
            id: *id,
            parent,
            chosen: None,
            at: now,
            state: MessageState::Whole,
            message,
            answer: None,
        });
        parent = Some(*id);
        *id = id.after();
    }
    (!conversation.messages.is_empty()).then_some(conversation)
}
