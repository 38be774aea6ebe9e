//! Keeping the conversation as it goes, and the list of those that were kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tokio::time::Instant;

use super::{App, Effect, Focus, Tone};
use crate::base::{
    Change, Content, Conversation, ConversationId, Error, Facts, Found, KeptMessage, Message,
    MessageId, MessageState, Page, Piece, Role, clean,
};
use crate::console::action::Action;
use crate::console::effect::Wanted;
use crate::console::state::dialog::Dialog;
use crate::console::state::ledger::{Ledger, Open};
use crate::console::state::library::{Library, Typing};
use crate::console::state::reply::{Phase, Reply, ReplyId};
use crate::console::state::scroll::Move;
use crate::console::words::t;

/// How often the open list looks for other programs' changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A longer draft is kept only when it is sent.
const LONGEST_DRAFT: usize = 256 << 10;

impl App {
    /// Hands over what is new since the last look; `thorough` looks at the draft and at which branches are shown too.
    pub(super) fn keep(&mut self, thorough: bool) -> Vec<Effect> {
        if self.context.kept.is_none() {
            return Vec::new();
        }
        let mut changes = Vec::new();
        self.keep_new(&mut changes);
        self.keep_open(&mut changes);
        if thorough {
            self.keep_path(&mut changes);
            self.keep_draft(&mut changes);
        }
        changes.into_iter().map(Effect::Keep).collect()
    }

    /// Questions and answers that have begun.
    fn keep_new(&mut self, changes: &mut Vec<Change>) {
        let (chat, ledger, now) = (&self.chat, &mut self.ledger, self.wall);
        for turn in chat.active_turns() {
            let is_known = ledger.questions.contains_key(&turn.id);
            let is_new = |reply: &&Reply| !ledger.answers.contains_key(&reply.id);
            let replies: Vec<ReplyId> = turn
                .replies
                .iter()
                .filter(is_new)
                .map(|reply| reply.id)
                .collect();
            if is_known && replies.is_empty() {
                continue;
            }
            let id = ledger.id();
            if !ledger.begun {
                ledger.begun = true;
                let persona = turn.persona.as_deref();
                changes.push(Change::Begin(Box::new(Conversation {
                    persona: persona.map(|persona| persona.name.clone()),
                    system: persona
                        .map(|persona| persona.prompt.clone())
                        .filter(|prompt| !prompt.trim().is_empty()),
                    ..Conversation::new(id, now)
                })));
            }
            let mut say = |kept: KeptMessage, chosen: &mut HashMap<_, _>| {
                chosen.insert(kept.parent, kept.id);
                changes.push(Change::Say {
                    conversation: id,
                    message: Box::new(kept),
                });
            };
            let question = if let Some(question) = ledger.questions.get(&turn.id) {
                *question
            } else {
                let parent = turn.after.and_then(|after| ledger.answers.get(&after));
                let parent = parent.copied();
                let question = ledger.message(now);
                ledger.questions.insert(turn.id, question);
                let asked = kept(question, parent, now, Message::user(turn.question.as_str()));
                say(asked, &mut ledger.chosen);
                question
            };
            for reply in replies {
                let answer = ledger.message(now);
                ledger.answers.insert(reply, answer);
                let begun = KeptMessage {
                    state: MessageState::Streaming,
                    ..kept(answer, Some(question), now, Message::assistant(""))
                };
                say(begun, &mut ledger.chosen);
                ledger.open.push(Open {
                    reply,
                    turn: turn.id,
                    at: now,
                    text: 0,
                    reasoning: 0,
                });
            }
        }
    }

    /// What has come of answers, and those that have ended.
    fn keep_open(&mut self, changes: &mut Vec<Change>) {
        let (chat, ledger) = (&self.chat, &mut self.ledger);
        let Some(conversation) = ledger.conversation else {
            return;
        };
        let mut open = std::mem::take(&mut ledger.open);
        open.retain_mut(|open| {
            let turn = chat.find(open.turn);
            let found = turn.and_then(|turn| turn.replies.iter().find(|r| r.id == open.reply));
            let (Some(reply), Some(message)) = (found, ledger.answers.get(&open.reply)) else {
                return false;
            };
            let response = reply.response();
            if !reply.is_running() {
                let parent = ledger.questions.get(&open.turn).copied();
                changes.push(Change::Finish {
                    conversation,
                    message: Box::new(ended(reply, *message, parent, open.at)),
                });
                return false;
            }
            let mut piece = |piece| {
                changes.push(Change::Piece {
                    conversation,
                    message: *message,
                    piece,
                });
            };
            if let Some(more) = response.reasoning.get(open.reasoning..)
                && !more.is_empty()
            {
                open.reasoning = response.reasoning.len();
                piece(Piece::Reasoning(more.to_owned()));
            }
            if let Some(more) = response.text.get(open.text..)
                && !more.is_empty()
            {
                open.text = response.text.len();
                piece(Piece::Text(more.to_owned()));
            }
            true
        });
        ledger.open = open;
    }

    /// Which branches are shown.
    fn keep_path(&mut self, changes: &mut Vec<Change>) {
        let (chat, ledger) = (&self.chat, &mut self.ledger);
        let Some(conversation) = ledger.conversation else {
            return;
        };
        let mut parent = None;
        for turn in chat.turns() {
            let answer = turn.reply().and_then(|reply| ledger.answers.get(&reply.id));
            let question = ledger.questions.get(&turn.id).copied();
            for child in [question, answer.copied()].into_iter().flatten() {
                if ledger.chosen.insert(parent, child) != Some(child) {
                    changes.push(Change::Choose {
                        conversation,
                        parent,
                        child,
                    });
                }
                parent = Some(child);
            }
        }
    }

    fn keep_draft(&mut self, changes: &mut Vec<Change>) {
        if self.editing.is_some() {
            return;
        }
        let draft = self.composer.text();
        if draft == self.ledger.draft || draft.len() > LONGEST_DRAFT {
            return;
        }
        self.ledger.draft.clone_from(&draft);
        changes.push(Change::Draft {
            conversation: self.ledger.id(),
            text: draft,
        });
    }

    /// Opens the list of conversations.
    pub(super) fn open_library(&mut self) -> Vec<Effect> {
        if self.context.kept.is_none() {
            self.say(t("conversations are not kept in this run"), Tone::Note);
            return Vec::new();
        }
        self.dialog = Some(Dialog::Library(Library::new(self.wall)));
        // What was said before would hide the list's keys.
        self.toast = None;
        self.looked = self.now;
        vec![Effect::Library(Wanted::List)]
    }

    /// A key that is no command of the list is a part of what is looked for, or of a title.
    pub(super) fn type_into_library(&mut self, key: KeyEvent) -> Vec<Effect> {
        let Some(Dialog::Library(library)) = &mut self.dialog else {
            return Vec::new();
        };
        let is_plain = !key
            .modifiers
            .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        let mut text = library.text().to_owned();
        match key.code {
            KeyCode::Char(c) if is_plain => text.push(c),
            KeyCode::Char('u' | 'w') => text.clear(),
            KeyCode::Backspace => {
                text.pop();
            }
            _ => return Vec::new(),
        }
        self.set_library_text(&text)
    }

    /// Changes what is typed in the list.
    pub(super) fn set_library_text(&mut self, text: &str) -> Vec<Effect> {
        match &mut self.dialog {
            Some(Dialog::Library(library)) => {
                library.set_text(text);
                match library.typing {
                    Typing::Search => vec![Effect::Library(wanted(library))],
                    Typing::Title(_) | Typing::Tags(_) => Vec::new(),
                }
            }
            _ => Vec::new(),
        }
    }

    /// What a key does in the list.
    pub(super) fn act_in_library(&mut self, action: Action) -> Vec<Effect> {
        let Some(Dialog::Library(library)) = &mut self.dialog else {
            return Vec::new();
        };
        let chosen = library.chosen().map(|row| row.summary.clone());
        match (action, chosen) {
            (Action::ScrollUp, _) => library.step(-1),
            (Action::ScrollDown, _) => library.step(1),
            (Action::PageUp, _) => library.step(-10),
            (Action::PageDown, _) => library.step(10),
            (Action::Undelete, _) => return self.undelete(),
            (Action::Choose, chosen) => {
                match std::mem::replace(&mut library.typing, Typing::Search) {
                    Typing::Search => {
                        return chosen.map_or_else(Vec::new, |row| {
                            vec![Effect::Library(Wanted::Open(row.id))]
                        });
                    }
                    Typing::Title(conversation) => {
                        let title = std::mem::take(&mut library.edited);
                        return self.change_in_library(Change::Rename {
                            conversation,
                            title,
                        });
                    }
                    Typing::Tags(conversation) => {
                        let typed = std::mem::take(&mut library.edited);
                        let words = typed.split([' ', ',']).map(|word| word.trim_matches('#'));
                        let mut tags: Vec<String> = words
                            .filter(|word| !word.is_empty())
                            .map(str::to_owned)
                            .collect();
                        tags.dedup();
                        return self.change_in_library(Change::Tag { conversation, tags });
                    }
                }
            }
            (Action::Rename, Some(row)) => {
                library.typing = Typing::Title(row.id);
                library.edited = row.title;
            }
            (Action::Tag, Some(row)) => {
                library.typing = Typing::Tags(row.id);
                library.edited = row.tags.join(" ");
            }
            (Action::Pin, Some(row)) => {
                return self.change_in_library(Change::Pin {
                    conversation: row.id,
                    pinned: !row.pinned,
                });
            }
            (Action::Delete, Some(row)) => return self.delete_kept(row.id),
            _ => {}
        }
        Vec::new()
    }

    /// Esc in the list: a title is left as it was, else the list closes.
    pub(super) fn leave_library(&mut self) {
        match &mut self.dialog {
            Some(Dialog::Library(library)) if library.typing != Typing::Search => {
                library.typing = Typing::Search;
                library.edited.clear();
            }
            _ => self.dialog = None,
        }
    }

    fn change_in_library(&mut self, change: Change) -> Vec<Effect> {
        let wanted = match &self.dialog {
            Some(Dialog::Library(library)) => wanted(library),
            _ => Wanted::List,
        };
        vec![Effect::Keep(change), Effect::Library(wanted)]
    }

    fn delete_kept(&mut self, id: ConversationId) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.ledger.conversation == Some(id) {
            effects.extend(self.stop().unwrap_or_default());
            self.begin_anew();
        }
        self.deleted.push(id);
        self.say(t("deleted; Alt-U brings it back"), Tone::Done);
        let change = Change::Delete { conversation: id };
        effects.extend(self.change_in_library(change));
        effects
    }

    fn undelete(&mut self) -> Vec<Effect> {
        let Some(conversation) = self.deleted.pop() else {
            self.say(t("nothing was deleted here"), Tone::Note);
            return Vec::new();
        };
        self.change_in_library(Change::Restore { conversation })
    }

    /// Takes a list that was asked for.
    pub(super) fn listed(&mut self, page: Result<Page, Error>) {
        match (page, &mut self.dialog) {
            (Ok(page), Some(Dialog::Library(library))) if library.query.trim().is_empty() => {
                library.list(page);
            }
            (Err(error), Some(Dialog::Library(_))) => self.say_error(&error),
            _ => {}
        }
    }

    /// Takes what a search found; of an older one nothing is shown.
    pub(super) fn found(&mut self, query: &str, found: Result<Found, Error>) {
        match (found, &mut self.dialog) {
            (Ok(found), Some(Dialog::Library(library))) if library.query == query => {
                library.found(found);
            }
            (Err(error), Some(Dialog::Library(_))) => self.say_error(&error),
            _ => {}
        }
    }

    /// Takes the store's number: when it is another one, the list is read again.
    pub(super) fn stamped(&mut self, stamp: i64) -> Vec<Effect> {
        match &mut self.dialog {
            Some(Dialog::Library(library)) => {
                let before = library.stamp.replace(stamp);
                let is_other = before.is_some_and(|before| before != stamp);
                let wanted = wanted(library);
                is_other
                    .then_some(Effect::Library(wanted))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Shows a conversation that was kept.
    pub(super) fn opened(&mut self, opened: Result<Option<Conversation>, Error>) -> Vec<Effect> {
        let conversation = match opened {
            Ok(Some(conversation)) => conversation,
            Ok(None) => {
                self.say(t("this conversation is gone"), Tone::Note);
                return Vec::new();
            }
            Err(error) => {
                self.say_error(&error);
                return Vec::new();
            }
        };
        let mut effects = self.stop().unwrap_or_default();
        // What was typed until now stays with its own conversation.
        effects.extend(self.keep(true));
        self.begin_anew();
        self.dialog = None;
        self.composer.clear();
        if !conversation.draft.is_empty() {
            self.composer.set_text(&clean(&conversation.draft));
        }
        self.ledger.conversation = Some(conversation.id);
        self.ledger.begun = !conversation.messages.is_empty();
        self.ledger.draft = self.composer.text();
        let named = conversation.persona.as_deref();
        let persona = self
            .context
            .personas
            .iter()
            .find(|persona| Some(persona.name.as_str()) == named);
        if let Some(persona) = persona {
            self.persona = Some(Arc::new(persona.clone()));
        }
        self.restore(&conversation);
        self.chat.scroll.push(Move::Bottom);
        self.focus = Focus::Prompt;
        effects
    }

    /// Tells when to look whether another program has changed something: only while the list is open.
    pub(super) fn looks_at_store_at(&self) -> Option<Instant> {
        matches!(self.dialog, Some(Dialog::Library(_))).then(|| self.looked + LOOK_EVERY)
    }

    pub(super) fn look_at_store(&mut self) -> Vec<Effect> {
        let is_due = self.looks_at_store_at().is_some_and(|at| at <= self.now);
        if !is_due {
            return Vec::new();
        }
        self.looked = self.now;
        vec![Effect::Library(Wanted::Stamp)]
    }

    /// Begins a fork at the question that keys mean: another conversation with all up to its answer.
    pub(super) fn fork(&mut self) -> Vec<Effect> {
        let answer = self.chat.current_turn().and_then(|turn| {
            let reply = turn.reply().filter(|reply| !reply.is_running())?;
            self.ledger.answers.get(&reply.id)
        });
        let (Some(conversation), Some(answer)) = (self.ledger.conversation, answer.copied()) else {
            self.say(t("there is no answer to begin a fork at"), Tone::Note);
            return Vec::new();
        };
        vec![Effect::Library(Wanted::Fork(conversation, answer))]
    }

    /// Takes the conversation to be forked, and shows the fork.
    pub(super) fn forked(
        &mut self,
        at: MessageId,
        opened: Result<Option<Conversation>, Error>,
    ) -> Vec<Effect> {
        let Ok(Some(conversation)) = opened else {
            return self.opened(opened);
        };
        let now = self.wall;
        let id = Ledger::new(self.ledger.chance()).id();
        let mut fork = conversation.fork(id, at, now);
        fork.renumber(self.ledger.message(now));
        if let Some(last) = fork.messages.last() {
            self.ledger.know(last.id);
        }
        let mut effects = vec![Effect::Keep(Change::Begin(Box::new(fork.clone())))];
        effects.extend(self.opened(Ok(Some(fork))));
        self.say(
            t("this is the fork; the list has the other one"),
            Tone::Done,
        );
        effects
    }

    /// Forgets the shown conversation; what is kept of it stays kept.
    pub(super) fn begin_anew(&mut self) {
        self.chat.clear();
        self.ledger.turn_over();
        self.editing = None;
    }

    fn restore(&mut self, conversation: &Conversation) {
        let mut anchors: HashMap<MessageId, Option<ReplyId>> = HashMap::new();
        let is_shown: HashMap<Option<MessageId>, MessageId> = conversation
            .messages
            .iter()
            .filter_map(|said| Some((Some(said.id), said.chosen?)))
            .chain(conversation.first.map(|first| (None, first)))
            .collect();
        for said in &conversation.messages {
            self.ledger.know(said.id);
            let before = said.parent.and_then(|parent| anchors.get(&parent).copied());
            let after = before.flatten();
            if said.message.role != Role::User {
                // Answers come with their questions; what else there is goes along with what it follows.
                anchors.entry(said.id).or_insert(after);
                continue;
            }
            let answers: Vec<&KeptMessage> = conversation
                .messages
                .iter()
                .filter(|other| {
                    other.parent == Some(said.id) && other.message.role == Role::Assistant
                })
                .collect();
            let shown = answers
                .iter()
                .position(|answer| is_shown.get(&Some(said.id)) == Some(&answer.id));
            let question = clean(&said.message.content.to_text());
            let persona = self.persona.clone();
            let (turn, replies) =
                self.chat
                    .put_back(question, after, persona, answers.len(), shown, self.now);
            self.ledger.questions.insert(turn, said.id);
            for (id, answer) in replies.iter().zip(&answers) {
                self.ledger.answers.insert(*id, answer.id);
                anchors.insert(answer.id, Some(*id));
                self.chat.fill(turn, *id, |reply| reply.put_back(answer));
            }
            if answers.is_empty() {
                // Nobody answered; what follows the question stands behind the empty place.
                let place = replies.first().copied();
                anchors.insert(said.id, place);
                if let Some(id) = place {
                    self.ledger.answers.insert(id, said.id);
                    self.chat
                        .fill(turn, id, |reply| reply.phase = Phase::Stopped);
                }
            }
            if is_shown.get(&said.parent) == Some(&said.id) {
                self.chat.choose(after, turn);
            }
        }
        self.chat.settle();
        self.ledger.chosen = is_shown;
    }
}

/// What the open list shows.
fn wanted(library: &Library) -> Wanted {
    if library.query.trim().is_empty() {
        Wanted::List
    } else {
        Wanted::Search(library.query.clone())
    }
}

fn kept(id: MessageId, parent: Option<MessageId>, at: Timestamp, message: Message) -> KeptMessage {
    KeptMessage {
        id,
        parent,
        chosen: None,
        at,
        state: MessageState::Whole,
        message,
        answer: None,
    }
}

fn ended(reply: &Reply, id: MessageId, parent: Option<MessageId>, at: Timestamp) -> KeptMessage {
    let response = reply.response();
    let (state, error) = match &reply.phase {
        Phase::Failed(error) => (MessageState::Failed, Some(error)),
        Phase::Stopped => (MessageState::Stopped, None),
        Phase::Waiting | Phase::Streaming | Phase::Done => (MessageState::Whole, None),
    };
    let message = Message {
        content: Content::Text(response.text.clone()),
        reasoning: Some(response.reasoning.clone()).filter(|text| !text.is_empty()),
        tool_calls: response.tool_calls.clone(),
        ..Message::assistant("")
    };
    KeptMessage {
        state,
        answer: Some(Box::new(Facts::of(response, error))),
        ..kept(id, parent, at, message)
    }
}
