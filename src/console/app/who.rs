//! Who answers: a route, a type, one instance, or several at once; and whom they play.

use std::sync::Arc;

use super::{App, Effect, Tone};
use crate::base::{InstanceName, InstanceView, ProviderType, Target};
use crate::console::Persona;
use crate::console::state::answerers::{Answerers, MOST_COMPARED};
use crate::console::state::dialog::{Dialog, Entry, List, Then};
use crate::console::words::known;

impl App {
    /// Opens the list of who may answer.
    pub(super) fn choose_answerers(&mut self) {
        let mut entries: Vec<Entry> = self
            .targets()
            .into_iter()
            .map(|(target, name, about)| {
                let answerers = Answerers::One(target);
                Entry {
                    name,
                    about,
                    current: self.answerers == answerers,
                    then: Then::Answer(answerers),
                }
            })
            .collect();
        if self.pool.board.instances.len() > 1 {
            entries.push(Entry {
                name: "several at once".to_owned(),
                about: "compare their answers side by side".to_owned(),
                current: matches!(self.answerers, Answerers::Each(_)),
                then: Then::ChooseCompared,
            });
        }
        self.dialog = Some(Dialog::Choose(List::new("Who answers", entries)));
    }

    /// Opens the list of who may answer the current question again.
    pub(super) fn choose_again_by(&mut self) -> Vec<Effect> {
        let Some(turn) = self.asked_and_quiet() else {
            return Vec::new();
        };
        let answered = self.chat.find(turn).and_then(|turn| turn.reply());
        let by = answered.and_then(|reply| reply.response().instance.clone());
        let entries: Vec<Entry> = self
            .targets()
            .into_iter()
            .map(|(target, name, about)| Entry {
                name,
                about,
                current: matches!((&target, &by), (Target::Instance(one), Some(by)) if one == by),
                then: Then::AgainBy(turn, target),
            })
            .collect();
        let mut list = List::new("Who answers again", entries);
        // The one after whoever answered: another one is wanted.
        let others = list.entries.len() - 1;
        if list.entries[list.selected].current {
            list.selected = if list.selected < others {
                list.selected + 1
            } else {
                0
            };
        }
        self.dialog = Some(Dialog::Choose(list));
        Vec::new()
    }

    /// Asks these from now on.
    pub(super) fn answer_by(&mut self, answerers: Answerers) -> Vec<Effect> {
        let said = match &answerers {
            Answerers::One(Target::Any) => "the pool chooses who answers".to_owned(),
            Answerers::One(Target::Type(one)) => format!("only {one} instances answer"),
            Answerers::One(Target::Route(one)) => format!("route {one} answers"),
            Answerers::One(Target::Instance(one)) => format!("only {one} answers"),
            Answerers::Each(names) => {
                let names: Vec<&str> = names.iter().map(InstanceName::as_str).collect();
                format!("the next questions go to {}", names.join(", "))
            }
        };
        self.answerers = answerers;
        self.say(said, Tone::Done);
        Vec::new()
    }

    /// Opens the list of instances to compare.
    pub(super) fn choose_compared(&mut self) -> Vec<Effect> {
        if self.pool.board.instances.len() < 2 {
            self.say("comparing needs two instances", Tone::Note);
            return Vec::new();
        }
        let marked: &[InstanceName] = match &self.answerers {
            Answerers::Each(names) => names,
            Answerers::One(_) => &[],
        };
        let entries = self.pool.board.instances.iter().map(|instance| Entry {
            name: instance.name.to_string(),
            about: about(instance),
            current: marked.contains(&instance.name),
            then: Then::Compare,
        });
        let mut list = List::new(
            "Compare which: Space marks two to four, Enter takes them",
            entries.collect(),
        );
        list.markable = MOST_COMPARED;
        self.dialog = Some(Dialog::Choose(list));
        Vec::new()
    }

    /// Asks the marked instances from now on; with fewer than two marked, the list stays open.
    pub(super) fn compare(&mut self, list: List) -> Vec<Effect> {
        let names: Vec<InstanceName> = list
            .marked()
            .map(|entry| entry.name.as_str().into())
            .collect();
        if names.len() < 2 {
            self.say("mark at least two with Space", Tone::Note);
            self.dialog = Some(Dialog::Choose(list));
            return Vec::new();
        }
        self.answer_by(Answerers::Each(names))
    }

    /// Opens the list of personas.
    pub(super) fn choose_persona(&mut self) {
        if self.context.personas.is_empty() {
            self.say(
                "there are no personas; the config can have some under [[personas]]",
                Tone::Note,
            );
            return;
        }
        let none = Entry {
            name: "none".to_owned(),
            about: "no system message".to_owned(),
            current: self.persona.is_none(),
            then: Then::Play(None),
        };
        let entries = self.context.personas.iter().map(|persona| Entry {
            name: persona.name.clone(),
            about: persona.prompt.lines().next().unwrap_or_default().to_owned(),
            current: self.persona.as_deref() == Some(persona),
            then: Then::Play(Some(Arc::new(persona.clone()))),
        });
        let entries = entries.chain([none]).collect();
        self.dialog = Some(Dialog::Choose(List::new("Whom the model plays", entries)));
    }

    /// Lets a persona answer from now on.
    pub(super) fn play(&mut self, persona: Option<Arc<Persona>>) -> Vec<Effect> {
        let said = match &persona {
            Some(persona) => format!("{} answers from the next question on", persona.name),
            None => "no persona from the next question on".to_owned(),
        };
        self.persona = persona;
        self.say(said, Tone::Done);
        Vec::new()
    }

    /// Everything that a question can be sent to: what, its name, a line on it.
    fn targets(&self) -> Vec<(Target, String, String)> {
        let board = &self.pool.board;
        let mut targets = vec![(
            Target::Any,
            "the pool".to_owned(),
            "whichever instance is next".to_owned(),
        )];
        for route in &board.routes {
            let names: Vec<&str> = route
                .tiers
                .iter()
                .flatten()
                .map(InstanceName::as_str)
                .collect();
            targets.push((
                Target::Route(route.name.clone()),
                route.name.to_string(),
                format!("route: {}", names.join(", ")),
            ));
        }
        let mut types: Vec<ProviderType> = Vec::new();
        for instance in &board.instances {
            if !types.contains(&instance.provider_type) {
                types.push(instance.provider_type);
            }
        }
        if types.len() > 1 {
            for one in types {
                let of_it = |i: &&InstanceView| i.provider_type == one;
                let count = board.instances.iter().filter(of_it).count();
                let about = if count == 1 {
                    "type: 1 instance".to_owned()
                } else {
                    format!("type: {count} instances")
                };
                targets.push((Target::Type(one), one.to_string(), about));
            }
        }
        for instance in &board.instances {
            targets.push((
                Target::Instance(instance.name.clone()),
                instance.name.to_string(),
                about(instance),
            ));
        }
        targets
    }
}

/// An instance in a line: its state and its model.
fn about(instance: &InstanceView) -> String {
    let model = instance.models.first().map_or("", String::as_str);
    format!("{}, {}", known(instance.state.word()), model)
}
