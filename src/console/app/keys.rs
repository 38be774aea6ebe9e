//! From a key to what it does.

use ratatui::crossterm::event::{KeyEvent, KeyEventKind};

use super::{ARMED, App, Effect, Focus, Pane, Tone};
use crate::console::action::Action;
use crate::console::state::dialog::{Dialog, Question, Then};
use crate::console::state::scroll::Move;
use crate::console::state::toast::Toast;
use crate::console::words::{phrase, t};

impl App {
    pub(super) fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        match self.keymap.action(self.key_context(), key) {
            Some(action) => {
                if action != Action::Interrupt {
                    self.quit_armed = None;
                }
                self.act(action, key)
            }
            None => {
                self.quit_armed = None;
                self.type_into_palette(key);
                self.type_into_line(key);
                if matches!(self.dialog, Some(Dialog::Library(_))) {
                    return self.type_into_library(key);
                }
                if self.filtering {
                    self.type_into_filter(key);
                    return Vec::new();
                }
                if self.dialog.is_none() && self.select.is_none() && self.focus == Focus::Prompt {
                    self.composer.input(&key);
                }
                Vec::new()
            }
        }
    }

    pub(super) fn act(&mut self, action: Action, key: KeyEvent) -> Vec<Effect> {
        if self.dialog.is_some() {
            return self.act_in_dialog(action);
        }
        if self.filtering {
            self.act_in_filter(action);
            return Vec::new();
        }
        if self.select.is_some()
            && let Some(effects) = self.act_in_select(action)
        {
            return effects;
        }
        match action {
            Action::Interrupt => return self.interrupt(),
            Action::Back => return self.back(),
            Action::Quit => return vec![Effect::Quit],
            Action::QuitWhenEmpty => {
                if self.composer.is_empty() {
                    return vec![Effect::Quit];
                }
                self.composer.input(&key);
            }
            Action::Suspend => return vec![Effect::Suspend],
            Action::Redraw => return vec![Effect::Redraw],
            Action::Palette => self.open_palette(),
            Action::Help => self.dialog = Some(Dialog::Help { top: 0 }),
            Action::FocusNext => {
                if self.focus == Focus::Prompt
                    && let Some(effects) = self.complete()
                {
                    return effects;
                }
                self.focus = self.focus.next();
            }
            Action::FocusPrevious => self.focus = self.focus.previous(),
            Action::FocusChat | Action::Write => self.focus = Focus::Prompt,
            Action::FocusPool => self.focus = Focus::Pool,
            Action::FocusMetrics => self.focus = Focus::Metrics,
            Action::FocusRequests => self.focus = Focus::Requests,
            Action::FocusErrors => self.focus = Focus::Errors,
            Action::FocusLog => self.focus = Focus::Log,
            Action::Earlier => return self.look(-5),
            Action::Later => return self.look(5),
            Action::MuchEarlier => return self.look(-60),
            Action::MuchLater => return self.look(60),
            Action::Details => return self.toggle_details(),
            Action::Filter => self.filtering = true,
            Action::DetailUp => self.scroll_details(-1),
            Action::DetailDown => self.scroll_details(1),
            Action::LogMore => {
                self.log.widen(1);
            }
            Action::LogLess => {
                self.log.widen(-1);
            }
            Action::Copy if self.focus.pane().is_page() => return self.copy_from_page(),
            Action::PageUp if self.focus.pane().is_page() => self.page(false),
            Action::PageDown if self.focus.pane().is_page() => self.page(true),
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::Grow => self.grow_pane(1),
            Action::Shrink => self.grow_pane(-1),
            Action::Theme => return vec![Effect::Themes],
            Action::Mouse => return self.toggle_mouse(),
            Action::Freeze => return self.toggle_freeze(),
            Action::Send => return self.send(),
            Action::Newline => self.composer.newline(),
            Action::Reasoning => self.show_reasoning = !self.show_reasoning,
            Action::Up | Action::Down | Action::UndoTyping => {
                self.composer.input(&key);
            }
            Action::Retry => return self.again(),
            Action::RetryBy => return self.choose_again_by(),
            Action::Edit => self.edit_question(),
            Action::GoOn => return self.go_on(),
            Action::NextVariant => self.step_variant(1),
            Action::PreviousVariant => self.step_variant(-1),
            Action::NextQuestion => self.jump(1),
            Action::PreviousQuestion => self.jump(-1),
            Action::Pick => self.pick(),
            Action::Who => self.choose_answerers(),
            Action::Compare => return self.choose_compared(),
            Action::Persona => self.choose_persona(),
            Action::Copy => return self.copy(),
            Action::CopyCode => return self.copy_code(),
            Action::SelectLines => self.begin_select(),
            Action::Search => self.open_search(),
            Action::NextFound => self.step_search(1),
            Action::PreviousFound => self.step_search(-1),
            Action::Save => self.open_save(),
            Action::Editor => return vec![Effect::Edit(self.composer.text())],
            Action::NewConversation => return self.ask_for_new_conversation(),
            Action::ScrollUp => return self.step(-1),
            Action::ScrollDown => return self.step(1),
            Action::HalfPageUp => self.chat.scroll.push(Move::HalfPages(-1)),
            Action::HalfPageDown => self.chat.scroll.push(Move::HalfPages(1)),
            Action::PageUp => self.chat.scroll.push(Move::HalfPages(-2)),
            Action::PageDown => self.chat.scroll.push(Move::HalfPages(2)),
            Action::Top => self.go_to_end(false),
            Action::Bottom => self.go_to_end(true),
            Action::Toggle => return self.toggle_instance(),
            Action::Drain => return self.drain_instance(),
            Action::MorePermits => return self.change_permits(1),
            Action::FewerPermits => return self.change_permits(-1),
            Action::MoreWeight => return self.change_weight(1),
            Action::LessWeight => return self.change_weight(-1),
            Action::ResetBreaker => return self.reset_breaker(),
            Action::Probe => return self.probe(),
            Action::Mark => self.mark(),
            Action::MarkAll => self.mark_all(),
            Action::Sort => self.sort(),
            Action::Reverse => self.reverse(),
            Action::Strategy => self.choose_strategy(),
            Action::Undo => return self.undo(),
            Action::ScopeHere => return self.scope_here(),
            Action::ScopeAll => return self.scope_all(),
            Action::NextScope => return self.step_scope(1),
            Action::PreviousScope => return self.step_scope(-1),
            Action::WiderWindow => return self.widen(1),
            Action::NarrowerWindow => return self.widen(-1),
            Action::Library => return self.open_library(),
            Action::Fork => return self.fork(),
            Action::Rename
            | Action::Tag
            | Action::Pin
            | Action::Delete
            | Action::Undelete
            | Action::Confirm
            | Action::Cancel
            | Action::Choose => {}
        }
        Vec::new()
    }

    /// Ctrl-C: stops the answer, then clears the draft, then asks once more, then quits.
    fn interrupt(&mut self) -> Vec<Effect> {
        if let Some(effects) = self.stop() {
            self.quit_armed = None;
            return effects;
        }
        if !self.composer.is_empty() {
            self.composer.clear();
            self.quit_armed = None;
            self.say("draft cleared; Ctrl-_ brings it back", Tone::Note);
            return Vec::new();
        }
        if self.quit_armed.is_some_and(|until| self.now < until) {
            return vec![Effect::Quit];
        }
        self.quit_armed = Some(self.now + ARMED);
        self.toast = Some(Toast::lasting(
            "press Ctrl-C again to quit",
            Tone::Note,
            self.now,
            ARMED,
        ));
        Vec::new()
    }

    /// Esc: one step back at a time, and never out of the program.
    fn back(&mut self) -> Vec<Effect> {
        if let Some(effects) = self.stop() {
            return effects;
        }
        if self.focus == Focus::Transcript && self.search.take().is_some() {
            return Vec::new();
        }
        if (self.focus == Focus::Prompt && self.leave_editing()) || self.leave_page_step() {
            return Vec::new();
        }
        if self.zoomed && self.focus != Focus::Prompt {
            self.zoomed = false;
        } else if self.focus == Focus::Prompt {
            self.focus = Focus::Transcript;
        } else if self.focus == Focus::Metrics && self.metrics.instance().is_some() {
            return self.scope_all();
        } else if self.focus == Focus::Transcript {
            self.chat.selected = None;
            self.chat.scroll.push(Move::Bottom);
        } else {
            self.focus = Focus::of(Pane::Chat);
        }
        Vec::new()
    }

    fn act_in_dialog(&mut self, action: Action) -> Vec<Effect> {
        if action == Action::Suspend {
            return vec![Effect::Suspend];
        }
        if let Some(Dialog::Library(_)) = &self.dialog {
            match action {
                Action::Back => self.leave_library(),
                Action::Interrupt => self.dialog = None,
                action => return self.act_in_library(action),
            }
            return Vec::new();
        }
        let Some(dialog) = &mut self.dialog else {
            return Vec::new();
        };
        if matches!(action, Action::Back | Action::Cancel | Action::Interrupt) {
            if matches!(dialog, Dialog::Line(_)) {
                self.search = None;
            }
            return match self.dialog.take() {
                Some(Dialog::Choose(list)) => self.leave_themes(&list),
                _ => Vec::new(),
            };
        }
        match dialog {
            Dialog::Help { top } => {
                *top = match action {
                    Action::ScrollUp => top.saturating_sub(1),
                    Action::ScrollDown => top.saturating_add(1),
                    Action::PageUp => top.saturating_sub(10),
                    Action::PageDown => top.saturating_add(10),
                    Action::Top => 0,
                    Action::Bottom => usize::MAX,
                    _ => *top,
                };
            }
            Dialog::Confirm(question) if action == Action::Confirm => {
                let then = question.then.clone();
                self.dialog = None;
                return self.follow(then);
            }
            Dialog::Confirm(_) | Dialog::Library(_) => {}
            Dialog::Line(_) => return self.act_in_line(action),
            Dialog::Palette(palette) => match action {
                Action::ScrollUp => palette.step(-1),
                Action::ScrollDown => palette.step(1),
                Action::PageUp => palette.step(-10),
                Action::PageDown => palette.step(10),
                Action::Choose => return self.call_chosen(),
                _ => {}
            },
            Dialog::Choose(list) => match action {
                Action::ScrollUp | Action::ScrollDown | Action::Top | Action::Bottom => {
                    match action {
                        Action::ScrollUp => list.step(-1),
                        Action::ScrollDown => list.step(1),
                        Action::Top => list.selected = 0,
                        _ => list.step(isize::MAX),
                    }
                    return self.try_theme();
                }
                Action::Mark if list.markable == 0 => return self.toggle_paint(),
                Action::Mark => {
                    let most = list.markable;
                    let marked = list.mark();
                    if !marked {
                        self.say(phrase!("at most {} can be compared", most), Tone::Note);
                    }
                }
                Action::Choose => {
                    let list = list.clone();
                    self.dialog = None;
                    if let Some(entry) = list.entries.get(list.selected) {
                        return match &entry.then {
                            Then::Compare => self.compare(list),
                            then => self.follow(then.clone()),
                        };
                    }
                }
                _ => {}
            },
        }
        Vec::new()
    }

    /// Does what was agreed to or chosen in a dialog.
    fn follow(&mut self, then: Then) -> Vec<Effect> {
        match then {
            Then::Commands(commands) => self.give(commands),
            Then::Command(command) => vec![Effect::Command {
                command,
                undoing: false,
            }],
            Then::NewConversation => self.new_conversation(),
            Then::AgainBy(turn, target) => self.again_by(turn, &target),
            Then::Answer(answerers) => self.answer_by(answerers),
            Then::ChooseCompared => self.choose_compared(),
            Then::Compare => Vec::new(),
            Then::Play(persona) => self.play(persona),
            Then::Copy(text) => vec![Effect::Copy(text)],
            Then::Theme(name) => vec![Effect::Theme {
                name,
                paint: self.paint,
                keep: true,
            }],
        }
    }

    fn ask_for_new_conversation(&mut self) -> Vec<Effect> {
        if !self.chat.is_empty() && self.context.kept.is_some() {
            let effects = self.new_conversation();
            self.say(
                t("the other conversation is in the list (Ctrl-O)"),
                Tone::Note,
            );
            return effects;
        }
        if !self.chat.is_empty() {
            self.dialog = Some(Dialog::Confirm(Question {
                text: "Start a new conversation? This one is forgotten.".to_owned(),
                yes: "start anew",
                no: "go on with this one",
                then: Then::NewConversation,
            }));
        }
        Vec::new()
    }

    /// A step up or down means what the focused pane shows.
    fn step(&mut self, by: isize) -> Vec<Effect> {
        match self.focus {
            Focus::Prompt | Focus::Transcript | Focus::Metrics => {
                self.chat.scroll.push(Move::Lines(by));
            }
            Focus::Pool => {
                self.pool.step(by);
                self.detail_top = 0;
                if self.pool.open {
                    return vec![Effect::Figures];
                }
            }
            Focus::Requests | Focus::Errors | Focus::Log => self.step_page(by),
        }
        Vec::new()
    }

    fn go_to_end(&mut self, bottom: bool) {
        match self.focus {
            Focus::Prompt | Focus::Transcript | Focus::Metrics => {
                let wish = if bottom { Move::Bottom } else { Move::Top };
                self.chat.selected = None;
                self.chat.scroll.push(wish);
            }
            Focus::Pool => self.pool.select(if bottom { usize::MAX } else { 0 }),
            Focus::Requests | Focus::Errors | Focus::Log => self.page_end(bottom),
        }
    }

    fn toggle_mouse(&mut self) -> Vec<Effect> {
        self.mouse = !self.mouse;
        let text = if self.mouse {
            "the console has the mouse"
        } else {
            "the terminal has the mouse; select text as usual"
        };
        self.say(text, Tone::Note);
        vec![Effect::Mouse(self.mouse)]
    }
}
