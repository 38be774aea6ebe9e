//! Changing the pool: every change is a command whose answer says what it did.

use super::{App, Effect, Focus, Tone};
use crate::base::{Command, InstanceName, InstanceState, InstanceView, Scope};
use crate::console::state::dialog::{Dialog, Entry, List, Question, Then};
use crate::console::state::pool_table::Sort;
use crate::console::words::{phrase, t};
use crate::pool::StrategyKind;

impl App {
    /// Switches what is meant on, or off when any of it is on; asks before the last one goes off.
    pub(super) fn toggle_instance(&mut self) -> Vec<Effect> {
        let meant = self.meant();
        let is_off = |instance: &InstanceView| {
            !instance.enabled
                || matches!(
                    instance.state,
                    InstanceState::Off | InstanceState::Draining | InstanceState::Held(_)
                )
        };
        if meant.iter().all(is_off) {
            return self.command_each(&meant, |instance| Command::Enable { instance });
        }
        let on: Vec<InstanceView> = meant.into_iter().filter(|i| !is_off(i)).collect();
        self.unless_last(
            &on,
            |instance| Command::Disable { instance },
            "switch it off",
        )
    }

    /// Lets what is meant finish what runs.
    pub(super) fn drain_instance(&mut self) -> Vec<Effect> {
        let meant = self.meant();
        self.unless_last(&meant, |instance| Command::Drain { instance }, "drain it")
    }

    /// Changes how many requests may be in flight.
    pub(super) fn change_permits(&mut self, by: isize) -> Vec<Effect> {
        let mut commands = Vec::new();
        for instance in self.meant() {
            let permits = instance.permits.saturating_add_signed(by).max(1);
            if permits == instance.permits {
                let said = phrase!(
                    "{} keeps its one permit; {} switches it off",
                    instance.name,
                    "Space"
                );
                self.say(said, Tone::Note);
                continue;
            }
            if self.frozen.is_none() {
                self.pool
                    .expect(&instance.name, |view| view.permits = permits);
            }
            commands.push(Command::SetPermits {
                instance: instance.name,
                permits,
            });
        }
        self.give(commands)
    }

    /// Changes the weight.
    pub(super) fn change_weight(&mut self, by: i32) -> Vec<Effect> {
        let mut commands = Vec::new();
        for instance in self.meant() {
            let weight = instance.weight.saturating_add_signed(by).max(1);
            if weight == instance.weight {
                self.say(phrase!("{} keeps weight 1", instance.name), Tone::Note);
                continue;
            }
            if self.frozen.is_none() {
                self.pool
                    .expect(&instance.name, |view| view.weight = weight);
            }
            commands.push(Command::SetWeight {
                instance: instance.name,
                weight,
            });
        }
        self.give(commands)
    }

    /// Closes the breaker.
    pub(super) fn reset_breaker(&mut self) -> Vec<Effect> {
        let meant = self.meant();
        self.command_each(&meant, |instance| Command::ResetBreaker { instance })
    }

    /// Asks whether it is there.
    pub(super) fn probe(&mut self) -> Vec<Effect> {
        let meant = self.meant();
        if let Some(first) = meant.first() {
            self.say(phrase!("asking {} ...", first.name), Tone::Note);
        }
        self.command_each(&meant, |instance| Command::Probe { instance })
    }

    /// Marks the selected instance for a common action.
    pub(super) fn mark(&mut self) {
        self.pool.mark();
    }

    /// Marks all instances, or none.
    pub(super) fn mark_all(&mut self) {
        self.pool.mark_all();
    }

    /// Sorts by the next column.
    pub(super) fn sort(&mut self) {
        self.pool.resort(Sort::next);
        let said = match self.pool.sort.column {
            Some(column) => phrase!("sorted by {}", t(column.heading())),
            None => t("in the order of the config").to_owned(),
        };
        self.say(said, Tone::Note);
    }

    /// Sorts the other way round.
    pub(super) fn reverse(&mut self) {
        self.pool.resort(|sort| sort.reversed = !sort.reversed);
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
        let commands = self.pool.take_undo();
        if commands.is_empty() {
            self.say(t("nothing to take back"), Tone::Note);
        }
        let commands = commands.into_iter().rev();
        commands
            .map(|command| Effect::Command {
                command,
                undoing: true,
            })
            .collect()
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

    /// Returns what an action is for, as it is now: the marked instances, else the selected one.
    pub(super) fn meant(&mut self) -> Vec<InstanceView> {
        let names = self.pool.meant();
        if names.is_empty() {
            self.say(t("the pool has no instances"), Tone::Note);
            self.focus = Focus::Pool;
        }
        // What is done is done to the pool as it is, whatever moment is shown.
        let board = if self.frozen.is_some() {
            &self.live
        } else {
            &self.pool.board
        };
        names
            .iter()
            .filter_map(|name| board.instance(name).cloned())
            .collect()
    }

    fn selected(&mut self) -> Option<InstanceView> {
        let selected = self.pool.selected().cloned();
        if selected.is_none() {
            self.say(t("the pool has no instances"), Tone::Note);
            self.focus = Focus::Pool;
        }
        selected
    }

    fn command_each(
        &mut self,
        meant: &[InstanceView],
        what: impl Fn(InstanceName) -> Command,
    ) -> Vec<Effect> {
        let commands = meant.iter().map(|instance| what(instance.name.clone()));
        self.give(commands.collect())
    }

    /// Gives commands that are taken back together.
    pub(super) fn give(&mut self, commands: Vec<Command>) -> Vec<Effect> {
        self.pool.begin(commands.len());
        let commands = commands.into_iter();
        commands
            .map(|command| Effect::Command {
                command,
                undoing: false,
            })
            .collect()
    }

    /// Does it at once, but asks first when no instance would be left that takes requests.
    fn unless_last(
        &mut self,
        meant: &[InstanceView],
        what: impl Fn(InstanceName) -> Command,
        yes: &'static str,
    ) -> Vec<Effect> {
        let takes = |i: &InstanceView| {
            i.enabled && !matches!(i.state, InstanceState::Draining | InstanceState::Held(_))
        };
        let board = if self.frozen.is_some() {
            &self.live
        } else {
            &self.pool.board
        };
        let is_meant = |i: &InstanceView| meant.iter().any(|one| one.name == i.name);
        let any_left = board.instances.iter().any(|i| takes(i) && !is_meant(i));
        if any_left || !meant.iter().any(takes) {
            return self.command_each(meant, what);
        }
        let text = match meant {
            [one] => phrase!(
                "{} is the last instance that takes requests. Without it nothing is answered.",
                one.name
            ),
            _ => phrase!(
                "These {} are the last instances that take requests. Without them nothing is answered.",
                meant.len()
            ),
        };
        let commands = meant.iter().map(|instance| what(instance.name.clone()));
        self.dialog = Some(Dialog::Confirm(Question {
            text,
            yes,
            no: "leave it on",
            then: Then::Commands(commands.collect()),
        }));
        Vec::new()
    }
}
