//! Changing the pool: every change is a command whose answer says what it did.

use super::{App, Effect, Focus, Tone};
use crate::base::{Command, InstanceState, InstanceView, Scope};
use crate::console::state::dialog::{Dialog, Entry, List, Question, Then};
use crate::pool::StrategyKind;

impl App {
    /// Switches the selected instance on or off; asks before the last one goes off.
    pub(super) fn toggle_instance(&mut self) -> Vec<Effect> {
        let Some(instance) = self.selected() else {
            return Vec::new();
        };
        let name = instance.name.clone();
        let is_off = !instance.enabled
            || matches!(
                instance.state,
                InstanceState::Off | InstanceState::Draining | InstanceState::Held(_)
            );
        if is_off {
            return command(Command::Enable { instance: name });
        }
        let disable = Command::Disable { instance: name };
        self.unless_last(&instance, disable, "switch it off")
    }

    /// Lets the selected instance finish what runs.
    pub(super) fn drain_instance(&mut self) -> Vec<Effect> {
        let Some(instance) = self.selected() else {
            return Vec::new();
        };
        let drain = Command::Drain {
            instance: instance.name.clone(),
        };
        self.unless_last(&instance, drain, "drain it")
    }

    /// Changes how many requests may be in flight at the selected instance.
    pub(super) fn change_permits(&mut self, by: isize) -> Vec<Effect> {
        let Some(instance) = self.selected() else {
            return Vec::new();
        };
        let permits = instance.permits.saturating_add_signed(by).max(1);
        if permits == instance.permits {
            self.say(
                format!(
                    "{} keeps its one permit; Space switches it off",
                    instance.name
                ),
                Tone::Note,
            );
            return Vec::new();
        }
        self.pool
            .expect(&instance.name, |view| view.permits = permits);
        command(Command::SetPermits {
            instance: instance.name,
            permits,
        })
    }

    /// Changes the selected instance's weight.
    pub(super) fn change_weight(&mut self, by: i32) -> Vec<Effect> {
        let Some(instance) = self.selected() else {
            return Vec::new();
        };
        let weight = instance.weight.saturating_add_signed(by).max(1);
        if weight == instance.weight {
            self.say(format!("{} keeps weight 1", instance.name), Tone::Note);
            return Vec::new();
        }
        self.pool
            .expect(&instance.name, |view| view.weight = weight);
        command(Command::SetWeight {
            instance: instance.name,
            weight,
        })
    }

    /// Closes the selected instance's breaker.
    pub(super) fn reset_breaker(&mut self) -> Vec<Effect> {
        self.selected().map_or_else(Vec::new, |instance| {
            command(Command::ResetBreaker {
                instance: instance.name,
            })
        })
    }

    /// Asks the selected instance whether it is there.
    pub(super) fn probe(&mut self) -> Vec<Effect> {
        let Some(instance) = self.selected() else {
            return Vec::new();
        };
        self.say(format!("asking {} ...", instance.name), Tone::Note);
        command(Command::Probe {
            instance: instance.name,
        })
    }

    /// Opens the list of strategies.
    pub(super) fn choose_strategy(&mut self) {
        let now = self.pool.board.strategy.clone();
        let entries: Vec<Entry> = StrategyKind::ALL
            .iter()
            .map(|kind| Entry {
                name: kind.as_str().replace('_', " "),
                about: kind.about().to_owned(),
                current: kind.as_str() == now,
                then: Then::Command(Command::SetStrategy {
                    route: None,
                    strategy: kind.as_str().to_owned(),
                }),
            })
            .collect();
        let list = List::new("Which instance answers next", entries);
        self.dialog = Some(Dialog::Choose(list));
    }

    /// Takes the last change back.
    pub(super) fn undo(&mut self) -> Vec<Effect> {
        match self.pool.take_undo() {
            Some(command) => vec![Effect::Command {
                command,
                undoing: true,
            }],
            None => {
                self.say("nothing to take back", Tone::Note);
                Vec::new()
            }
        }
    }

    /// Shows the figures of the selected instance; a second time, those of all.
    pub(super) fn scope_here(&mut self) -> Vec<Effect> {
        let Some(instance) = self.selected() else {
            return Vec::new();
        };
        let scope = Scope::Instance(instance.name);
        self.metrics.scope = if self.metrics.scope == scope {
            Scope::All
        } else {
            scope
        };
        vec![Effect::Figures]
    }

    /// Shows the figures of all instances.
    pub(super) fn scope_all(&mut self) -> Vec<Effect> {
        self.metrics.scope = Scope::All;
        vec![Effect::Figures]
    }

    /// Shows the figures of the next or previous instance.
    pub(super) fn step_scope(&mut self, by: isize) -> Vec<Effect> {
        self.metrics.step_scope(by, &self.pool.board);
        vec![Effect::Figures]
    }

    /// Looks back further or less far.
    pub(super) fn widen(&mut self, by: isize) -> Vec<Effect> {
        if self.metrics.widen(by) {
            vec![Effect::Figures]
        } else {
            Vec::new()
        }
    }

    fn selected(&mut self) -> Option<InstanceView> {
        let name = self.pool.selected().map(|instance| instance.name.clone());
        // What is done is done to the pool as it is, whatever moment is shown.
        let selected = match &name {
            Some(name) if self.frozen.is_some() => self.live.instance(name).cloned(),
            Some(_) | None => self.pool.selected().cloned(),
        };
        if selected.is_none() {
            self.say("the pool has no instances", Tone::Note);
            self.focus = Focus::Pool;
        }
        selected
    }

    /// Does it at once, but asks first when no instance would be left that takes requests.
    fn unless_last(
        &mut self,
        instance: &InstanceView,
        what: Command,
        yes: &'static str,
    ) -> Vec<Effect> {
        if !self.pool.is_last_one_on(instance) {
            return command(what);
        }
        self.dialog = Some(Dialog::Confirm(Question {
            text: format!(
                "{} is the last instance that takes requests. Without it nothing is answered.",
                instance.name
            ),
            yes,
            no: "leave it on",
            then: Then::Command(what),
        }));
        Vec::new()
    }
}

fn command(command: Command) -> Vec<Effect> {
    vec![Effect::Command {
        command,
        undoing: false,
    }]
}
