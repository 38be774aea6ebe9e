//! Conversations to be read. Headings say who speaks; a comment on each keeps a heading within a text apart from them.
//!
//! ```text
//! # Title
//!
//! ## User <!-- llmdeck:user -->
//! ```

use std::io::{self, Write};

use rand::RngCore;

use super::{Imported, conversation_of};
use crate::base::{
    Conversation, Error, ErrorKind, KeptMessage, Message, MessageId, MessageState, Role, clean_line,
};

const ROLES: [Role; 4] = [Role::System, Role::User, Role::Assistant, Role::Tool];

const fn heading(role: Role) -> &'static str {
    match role {
        Role::System => "## System <!-- llmdeck:system -->",
        Role::User => "## User <!-- llmdeck:user -->",
        Role::Assistant => "## Assistant <!-- llmdeck:assistant -->",
        Role::Tool => "## Tool <!-- llmdeck:tool -->",
    }
}

pub(super) fn one(out: &mut dyn Write, conversation: &Conversation, first: bool) -> io::Result<()> {
    if !first {
        write!(out, "\n---\n\n")?;
    }
    let title = match conversation.title.as_str() {
        "" => "Untitled",
        title => title,
    };
    writeln!(
        out,
        "# {} <!-- llmdeck:conversation {} -->\n",
        clean_line(title),
        conversation.id
    )?;
    let mut tags = String::new();
    for tag in &conversation.tags {
        tags.push_str(" #");
        tags.push_str(&clean_line(tag));
    }
    writeln!(
        out,
        "*{}{tags}*",
        conversation.created_at.strftime("%Y-%m-%d %H:%M UTC")
    )?;
    let system = conversation
        .system
        .as_deref()
        .filter(|text| !text.is_empty());
    if let Some(system) = system {
        section(out, Role::System, system)?;
    }
    for kept in conversation.path() {
        section(out, kept.message.role, &kept.message.content.to_text())?;
        for call in &kept.message.tool_calls {
            let name = clean_line(call.name.as_deref().unwrap_or("?"));
            writeln!(
                out,
                "\n*calls {name}({})*",
                clean_line(&call.arguments.to_text())
            )?;
        }
        if let Some(facts) = facts(kept) {
            writeln!(out, "\n*{facts}* <!-- llmdeck:facts -->")?;
        }
    }
    Ok(())
}

fn section(out: &mut dyn Write, role: Role, text: &str) -> io::Result<()> {
    writeln!(out, "\n{}\n\n{}", heading(role), text.trim_end())
}

/// Who answered, and how it ended.
fn facts(kept: &KeptMessage) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(facts) = &kept.answer {
        parts.extend(
            facts
                .instance
                .as_ref()
                .map(|name| clean_line(name.as_str())),
        );
        parts.extend(facts.model.as_deref().map(clean_line));
        let tokens = facts.usage.and_then(|usage| usage.completion_tokens);
        parts.extend(tokens.map(|tokens| format!("{tokens} tokens")));
        if !facts.total_time.is_zero() {
            parts.push(format!("{:.1} s", facts.total_time.as_secs_f64()));
        }
        parts.extend(facts.cost.map(|cost| format!("${cost:.5}")));
    }
    match kept.state {
        MessageState::Whole => {}
        state => parts.push(state.as_str().to_owned()),
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

pub(super) fn read(
    text: &str,
    now: jiff::Timestamp,
    dice: &mut dyn RngCore,
) -> Result<Imported, Error> {
    let mut reader = Reader::default();
    for line in text.lines() {
        reader.line(line);
    }
    reader.end_conversation();
    let mut imported = Imported::default();
    let mut id = MessageId::new(now, &mut &mut *dice);
    for (title, messages) in reader.conversations {
        if let Some(mut conversation) = conversation_of(messages, now, &mut id, dice) {
            if conversation.title != title && !title.is_empty() {
                conversation.title = title;
                conversation.titled = true;
            }
            imported.conversations.push(conversation);
        }
    }
    if imported.conversations.is_empty() {
        let message = "no heading in it says who speaks";
        return Err(Error::new(ErrorKind::Config, message)
            .with_hint("only Markdown that 'llmdeck history export' wrote is read back"));
    }
    Ok(imported)
}

#[derive(Default)]
struct Reader {
    conversations: Vec<(String, Vec<Message>)>,
    title: String,
    messages: Vec<Message>,
    speaks: Option<Role>,
    text: String,
}

impl Reader {
    fn line(&mut self, line: &str) {
        if line.starts_with("# ") && line.contains("<!-- llmdeck:conversation ") {
            self.end_conversation();
            let title = line.trim_start_matches("# ");
            let title = title.split("<!-- llmdeck:").next().unwrap_or_default();
            title.trim().clone_into(&mut self.title);
        } else if let Some(role) = ROLES.into_iter().find(|role| line == heading(*role)) {
            self.end_message();
            self.speaks = Some(role);
        } else if self.speaks.is_some() && !line.ends_with("<!-- llmdeck:facts -->") {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    fn end_message(&mut self) {
        let text = std::mem::take(&mut self.text);
        if let Some(role) = self.speaks.take() {
            let text = text.trim_matches('\n');
            self.messages.push(Message::text(role, text));
        }
    }

    fn end_conversation(&mut self) {
        // The rule between two conversations is neither's.
        if let Some(kept) = self.text.trim_end_matches('\n').strip_suffix("\n---") {
            self.text = kept.to_owned();
        }
        self.end_message();
        let messages = std::mem::take(&mut self.messages);
        let title = std::mem::take(&mut self.title);
        if !messages.is_empty() {
            self.conversations.push((title, messages));
        }
    }
}
