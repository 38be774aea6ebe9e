//! The conversation: a tree of questions and answers, of which one path is shown.
//!
//! ```text
//! question 1 ── answer 1 ── question 2  ── answer 1
//!            │           └─ question 2' ── answer 1      asked in another way
//!            └─ answer 2 ── question 2''                 answered again
//! ```
//! Nothing is taken away by asking again or in another way: what was there stays reachable.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::reply::{Reply, ReplyId};
use super::scroll::Scroll;
pub(crate) use super::turn::{Turn, TurnId, Variants};
use crate::base::Message;
use crate::console::Persona;

/// The most turns kept; the oldest go first, and the conversation says so.
const MOST_TURNS: usize = 4000;

/// The conversation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chat {
    /// All turns of all branches, by number.
    all: Vec<Turn>,
    /// The shown ones, as places in `all`.
    path: Vec<usize>,
    /// Which question is shown after an answer, where it is not the newest.
    chosen: HashMap<Option<ReplyId>, TurnId>,
    /// Those that may be running.
    active: Vec<TurnId>,
    /// The question that was jumped to, and that keys mean.
    pub(crate) selected: Option<TurnId>,
    pub(crate) scroll: Scroll,
    /// How many turns were dropped to bound memory.
    pub(crate) dropped: usize,
    next: u64,
}

impl Chat {
    /// Adds a question at the end of the path and starts as many answers.
    pub(crate) fn ask(
        &mut self,
        question: String,
        persona: Option<Arc<Persona>>,
        answers: usize,
        now: Instant,
    ) -> Vec<ReplyId> {
        let after = self.last().and_then(Turn::reply).map(|reply| reply.id);
        self.insert(question, after, persona, answers, now)
    }

    /// Asks an earlier question in other words: another version of it, beside which the old one stays.
    pub(crate) fn ask_instead(
        &mut self,
        of: TurnId,
        question: String,
        persona: Option<Arc<Persona>>,
        answers: usize,
        now: Instant,
    ) -> Vec<ReplyId> {
        let after = self.find(of).and_then(|turn| turn.after);
        self.insert(question, after, persona, answers, now)
    }

    /// Starts another answer to a question, and shows it.
    pub(crate) fn ask_again(&mut self, id: TurnId, now: Instant) -> Option<ReplyId> {
        let reply = ReplyId(self.number());
        let turn = self.find_mut(id)?;
        turn.replies.push(Reply::new(reply, now));
        turn.shown = turn.replies.len() - 1;
        turn.compared = false;
        self.activate(id);
        self.lay_path();
        Some(reply)
    }

    /// Counts the turns that are shown.
    pub(crate) fn len(&self) -> usize {
        self.path.len()
    }

    /// Tells whether nothing has been asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.path.is_empty()
    }

    /// Returns a shown turn by its place, from 0.
    pub(crate) fn turn(&self, index: usize) -> Option<&Turn> {
        self.all.get(*self.path.get(index)?)
    }

    /// Returns the shown turns.
    pub(crate) fn turns(&self) -> impl DoubleEndedIterator<Item = &Turn> + ExactSizeIterator {
        self.path.iter().map(|&place| &self.all[place])
    }

    /// Returns the last turn that is shown.
    pub(crate) fn last(&self) -> Option<&Turn> {
        self.turn(self.len().checked_sub(1)?)
    }

    /// Returns the place of the turn that keys mean: the one jumped to, or the last.
    pub(crate) fn current(&self) -> Option<usize> {
        let last = self.len().checked_sub(1)?;
        let selected = self
            .selected
            .and_then(|id| self.turns().position(|turn| turn.id == id));
        Some(selected.unwrap_or(last))
    }

    /// Returns the turn that keys mean.
    pub(crate) fn current_turn(&self) -> Option<&Turn> {
        self.turn(self.current()?)
    }

    /// Finds a turn by its number, shown or not.
    pub(crate) fn find(&self, id: TurnId) -> Option<&Turn> {
        self.all.get(self.place(id)?)
    }

    /// Finds a turn to change it.
    pub(crate) fn find_mut(&mut self, id: TurnId) -> Option<&mut Turn> {
        let place = self.place(id)?;
        self.all.get_mut(place)
    }

    /// Returns the turns that may have something new.
    pub(crate) fn active_turns(&self) -> impl Iterator<Item = &Turn> {
        self.active.iter().filter_map(|&id| self.find(id))
    }

    /// Puts a question back that was kept, with as many empty answers, at least one; [`settle`](Self::settle) shows it.
    pub(crate) fn put_back(
        &mut self,
        question: String,
        after: Option<ReplyId>,
        persona: Option<Arc<Persona>>,
        answers: usize,
        shown: Option<usize>,
        now: Instant,
    ) -> (TurnId, Vec<ReplyId>) {
        let id = TurnId(self.number());
        let ids: Vec<ReplyId> = (0..answers.max(1))
            .map(|_| ReplyId(self.number()))
            .collect();
        self.all.push(Turn {
            id,
            after,
            question,
            persona,
            replies: ids.iter().map(|id| Reply::new(*id, now)).collect(),
            shown: shown.unwrap_or(0),
            compared: false,
        });
        (id, ids)
    }

    /// Changes an answer that is put back.
    pub(crate) fn fill(&mut self, turn: TurnId, reply: ReplyId, change: impl FnOnce(&mut Reply)) {
        let found = self.find_mut(turn).and_then(|turn| {
            let mut replies = turn.replies.iter_mut();
            replies.find(|known| known.id == reply)
        });
        if let Some(found) = found {
            change(found);
        }
    }

    /// Notes which question is shown after an answer.
    pub(crate) fn choose(&mut self, after: Option<ReplyId>, turn: TurnId) {
        self.chosen.insert(after, turn);
    }

    /// Shows what was put back.
    pub(crate) fn settle(&mut self) {
        self.make_room();
        self.lay_path();
    }

    /// Returns an answer that is still running, the newest first.
    pub(crate) fn running(&self) -> Option<&Reply> {
        self.running_replies().next()
    }

    /// Returns the answers that are still running, the newest first.
    pub(crate) fn running_replies(&self) -> impl Iterator<Item = &Reply> {
        self.active
            .iter()
            .rev()
            .filter_map(|&id| self.find(id))
            .flat_map(|turn| turn.replies.iter().rev())
            .filter(|reply| reply.is_running())
    }

    /// Finds an answer that may be running, to change it.
    pub(crate) fn reply_mut(&mut self, id: ReplyId) -> Option<&mut Reply> {
        let place = self.active.iter().rev().find_map(|&turn| {
            let place = self.place(turn)?;
            let has = |reply: &Reply| reply.id == id;
            self.all[place].replies.iter().any(has).then_some(place)
        })?;
        let mut replies = self.all[place].replies.iter_mut();
        replies.find(|reply| reply.id == id)
    }

    /// Tells which version of a shown question and which of its answers is shown.
    pub(crate) fn variants(&self, index: usize) -> Variants {
        let Some(turn) = self.turn(index) else {
            return Variants::default();
        };
        let mut question = (0, 0);
        for other in self.versions(turn.after) {
            if other.id == turn.id {
                question.0 = question.1;
            }
            question.1 += 1;
        }
        Variants {
            question,
            answer: (turn.shown, turn.replies.len()),
        }
    }

    /// Shows the next or previous answer to a question, behind the last one those of its next version; `false` at
    /// the end.
    pub(crate) fn step_variant(&mut self, index: usize, by: isize) -> bool {
        let Some(turn) = self.turn(index) else {
            return false;
        };
        let (id, after) = (turn.id, turn.after);
        if let Some(shown) = turn
            .shown
            .checked_add_signed(by)
            .filter(|shown| *shown < turn.replies.len())
        {
            if let Some(turn) = self.find_mut(id) {
                turn.shown = shown;
            }
        } else {
            let versions: Vec<TurnId> = self.versions(after).map(|turn| turn.id).collect();
            let here = versions.iter().position(|other| *other == id).unwrap_or(0);
            let Some(&next) = here
                .checked_add_signed(by)
                .and_then(|place| versions.get(place))
            else {
                return false;
            };
            if let Some(turn) = self.find_mut(next) {
                turn.shown = if by > 0 { 0 } else { turn.replies.len() - 1 };
            }
            self.chosen.insert(after, next);
            if self.selected == Some(id) {
                self.selected = Some(next);
            }
        }
        self.lay_path();
        true
    }

    /// Forgets everything but the numbering.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            next: self.next,
            ..Self::default()
        };
    }

    /// Makes the messages for a shown question: the persona, some earlier turns, the question.
    ///
    /// Turns without an answer are left out: a failed question must not be answered in the next one's place.
    pub(crate) fn messages(&self, index: usize, history_turns: usize) -> Vec<Message> {
        let Some(asked) = self.turn(index) else {
            return Vec::new();
        };
        let persona = asked.persona.as_ref().map(|persona| persona.prompt.trim());
        let persona = persona.filter(|prompt| !prompt.is_empty());
        let mut messages: Vec<Message> = persona.map(Message::system).into_iter().collect();
        let first = index.saturating_sub(history_turns);
        for turn in self.turns().take(index).skip(first) {
            if let Some(reply) = turn.reply()
                && !reply.response().text.is_empty()
            {
                messages.push(Message::user(turn.question.clone()));
                messages.push(Message::assistant(reply.response().text.clone()));
            }
        }
        messages.push(Message::user(asked.question.clone()));
        messages
    }

    fn insert(
        &mut self,
        question: String,
        after: Option<ReplyId>,
        persona: Option<Arc<Persona>>,
        answers: usize,
        now: Instant,
    ) -> Vec<ReplyId> {
        self.make_room();
        let id = TurnId(self.number());
        let answers = answers.max(1);
        let ids: Vec<ReplyId> = (0..answers).map(|_| ReplyId(self.number())).collect();
        self.all.push(Turn {
            id,
            after,
            question,
            persona,
            replies: ids.iter().map(|id| Reply::new(*id, now)).collect(),
            shown: 0,
            compared: answers > 1,
        });
        self.chosen.insert(after, id);
        self.selected = None;
        self.activate(id);
        let end = self.last().and_then(Turn::reply).map(|reply| reply.id);
        if after == end {
            self.path.push(self.all.len() - 1);
        } else {
            self.lay_path();
        }
        ids
    }

    /// Returns the versions of the question after an answer, oldest first.
    fn versions(&self, after: Option<ReplyId>) -> impl Iterator<Item = &Turn> {
        self.all.iter().filter(move |turn| turn.after == after)
    }

    /// Finds the shown path anew: at each answer the chosen question, or the newest.
    fn lay_path(&mut self) {
        let mut follow: HashMap<Option<ReplyId>, usize> = HashMap::new();
        for (place, turn) in self.all.iter().enumerate() {
            let chosen = self.chosen.get(&turn.after);
            if chosen.is_none_or(|id| *id == turn.id) {
                follow.insert(turn.after, place);
            }
        }
        self.path.clear();
        let mut after = None;
        while let Some(&place) = follow.get(&after) {
            self.path.push(place);
            after = self.all[place].reply().map(|reply| reply.id);
            if after.is_none() {
                break;
            }
        }
    }

    /// Drops the oldest turns when there are too many: first those of branches that are not shown.
    fn make_room(&mut self) {
        while self.all.len() >= MOST_TURNS {
            let is_leaf = |turn: &Turn| {
                let follows = |other: &Turn| {
                    turn.replies
                        .iter()
                        .any(|reply| other.after == Some(reply.id))
                };
                !self.all.iter().any(follows)
            };
            let hidden = (0..self.all.len())
                .find(|place| !self.path.contains(place) && is_leaf(&self.all[*place]));
            let gone = self.all.remove(hidden.unwrap_or(0));
            if hidden.is_none() {
                for turn in &mut self.all {
                    if gone
                        .replies
                        .iter()
                        .any(|reply| turn.after == Some(reply.id))
                    {
                        turn.after = None;
                        self.chosen.insert(None, turn.id);
                    }
                }
                self.dropped += 1;
                self.scroll.dropped(1);
            }
            self.lay_path();
        }
    }

    fn place(&self, id: TurnId) -> Option<usize> {
        self.all.binary_search_by_key(&id, |turn| turn.id).ok()
    }

    fn activate(&mut self, id: TurnId) {
        let mut active = std::mem::take(&mut self.active);
        active.retain(|&other| other != id && self.find(other).is_some_and(Turn::is_running));
        active.push(id);
        self.active = active;
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Chunk;

    /// Asks and has it answered at once.
    fn asked(chat: &mut Chat, question: &str, answer: &str) {
        let ids = chat.ask(question.to_owned(), None, 1, Instant::now());
        answered(chat, ids[0], answer);
    }

    fn answered(chat: &mut Chat, id: ReplyId, answer: &str) {
        let reply = chat.reply_mut(id).expect("it is running");
        reply.push(Chunk::Text(answer.to_owned()));
        reply.push(Chunk::Done(Box::default()));
    }

    fn shown(chat: &Chat) -> Vec<(String, String)> {
        chat.turns()
            .map(|turn| {
                let answer = turn.reply().map(|reply| reply.response().text.clone());
                (turn.question.clone(), answer.unwrap_or_default())
            })
            .collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(question, answer)| ((*question).to_owned(), (*answer).to_owned()))
            .collect()
    }

    #[test]
    fn asking_again_in_the_middle_begins_a_branch_and_the_old_one_stays_reachable() {
        let mut chat = Chat::default();
        asked(&mut chat, "one", "1");
        asked(&mut chat, "two", "2");
        let first = chat.turn(0).map(|turn| turn.id).expect("it was asked");
        let again = chat.ask_again(first, Instant::now()).expect("it is there");
        answered(&mut chat, again, "uno");
        assert_eq!(shown(&chat), pairs(&[("one", "uno")]));
        asked(&mut chat, "zwei", "due");
        assert_eq!(shown(&chat), pairs(&[("one", "uno"), ("zwei", "due")]));
        assert!(chat.step_variant(0, -1));
        assert_eq!(shown(&chat), pairs(&[("one", "1"), ("two", "2")]));
        assert!(chat.step_variant(0, 1));
        assert_eq!(shown(&chat), pairs(&[("one", "uno"), ("zwei", "due")]));
        assert!(!chat.step_variant(0, 1), "there is no third one");
    }

    #[test]
    fn another_version_of_a_question_stands_beside_the_old_one() {
        let mut chat = Chat::default();
        asked(&mut chat, "one", "1");
        asked(&mut chat, "two", "2");
        let second = chat.turn(1).map(|turn| turn.id).expect("it was asked");
        let ids = chat.ask_instead(second, "two, please".to_owned(), None, 1, Instant::now());
        answered(&mut chat, ids[0], "2!");
        assert_eq!(shown(&chat), pairs(&[("one", "1"), ("two, please", "2!")]));
        assert_eq!(chat.variants(1).question, (1, 2));
        assert!(chat.step_variant(1, -1));
        assert_eq!(shown(&chat), pairs(&[("one", "1"), ("two", "2")]));
        assert_eq!(chat.variants(1).question, (0, 2));
        let told = chat.messages(1, 30);
        assert_eq!(
            told,
            [
                Message::user("one"),
                Message::assistant("1"),
                Message::user("two")
            ]
        );
    }

    #[test]
    fn memory_is_bounded_and_hidden_branches_go_first() {
        let mut chat = Chat::default();
        asked(&mut chat, "first", "1");
        let first = chat.turn(0).map(|turn| turn.id).expect("it was asked");
        asked(&mut chat, "hidden", "x");
        let again = chat.ask_again(first, Instant::now()).expect("it is there");
        answered(&mut chat, again, "uno");
        for number in 0..MOST_TURNS - 2 {
            asked(&mut chat, &number.to_string(), "y");
        }
        assert_eq!(chat.dropped, 0);
        assert_eq!(chat.turn(0).map(|turn| turn.id), Some(first));
        asked(&mut chat, "one more", "y");
        assert_eq!(chat.turn(0).map(|turn| turn.id), Some(first), "hidden went");
        asked(&mut chat, "and more", "y");
        assert_eq!((chat.dropped, chat.len()), (1, MOST_TURNS));
    }
}
