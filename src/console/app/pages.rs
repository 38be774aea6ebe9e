//! Requests, errors and log: moving, narrowing, opening, copying.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tokio::time::Instant;

use super::{App, Effect, Focus, Redraw, Tone};
use crate::base::{Failures, InstanceName, LogLine, Sample};
use crate::console::action::Action;
use crate::console::state::input::Input;
use crate::console::words::t;
use std::sync::Arc;

/// How far a page key goes in a list.
const PAGE: isize = 15;

impl App {
    /// Returns what is wanted when a pane is entered.
    pub(super) fn entered(&mut self) -> Vec<Effect> {
        self.filtering = false;
        self.detail_top = 0;
        match self.focus {
            Focus::Requests if !self.requests.is_filled => vec![Effect::Requests],
            Focus::Errors => vec![Effect::Figures],
            Focus::Log => vec![Effect::Log],
            Focus::Prompt | Focus::Transcript | Focus::Pool | Focus::Metrics | Focus::Requests => {
                Vec::new()
            }
        }
    }

    /// Tells whether the failures are looked at.
    pub(crate) fn wants_failures(&self) -> bool {
        self.focus == Focus::Errors || (self.focus == Focus::Pool && self.pool.open)
    }

    /// Returns the instance whose history is looked at.
    pub(crate) fn wants_detail(&self) -> Option<InstanceName> {
        let open = self.focus == Focus::Pool && self.pool.open && self.frozen.is_none();
        let selected = self.pool.selected().filter(|_| open);
        selected.map(|instance| instance.name.clone())
    }

    /// Tells whether the log is looked at.
    pub(crate) fn wants_log(&self) -> bool {
        self.focus == Focus::Log
    }

    /// Returns the moment up to which requests are shown: they come a second's worth at a time.
    pub(crate) fn requests_moment(&self) -> Instant {
        self.moment().min(self.requests_until)
    }

    /// Takes what ended before the console heard of any.
    pub(super) fn fill_requests(&mut self, samples: Vec<Arc<Sample>>) -> Redraw {
        let ends = samples.into_iter().map(|sample| {
            let total = jiff::SignedDuration::try_from(sample.total).unwrap_or_default();
            // Another process may say anything.
            let ended = sample
                .called_at
                .checked_add(total)
                .unwrap_or(sample.called_at);
            let at = self.clock.instant(ended).min(self.now);
            (sample, at)
        });
        let ends: Vec<_> = ends.collect();
        self.requests.fill(ends);
        self.requests_until = self.now;
        Redraw::Soon
    }

    /// Takes what went wrong.
    pub(super) fn failures(&mut self, failures: Failures) -> Redraw {
        if self.frozen.is_some() && self.errors.is_read() {
            return Redraw::No;
        }
        let changed = self.errors.take(failures, self.now);
        Redraw::soon_if(changed)
    }

    /// Takes new lines of the log.
    pub(super) fn log_lines(&mut self, lines: Vec<Arc<LogLine>>) -> Redraw {
        let shown = self.log.take(lines);
        Redraw::soon_if(shown && self.wants_log() && self.frozen.is_none())
    }

    /// Returns up to when the log is shown, when everything stands still.
    pub(crate) fn log_until(&self) -> Option<jiff::Timestamp> {
        self.frozen.map(|frozen| self.clock.wall(frozen.moment))
    }

    /// Moves in the list of a page.
    pub(super) fn step_page(&mut self, by: isize) {
        let moment = self.requests_moment();
        self.detail_top = 0;
        match self.focus {
            Focus::Requests => self.requests.step(by, moment),
            Focus::Errors => self.errors.step(by, self.moment()),
            Focus::Log => {
                let until = self.log_until();
                self.log.step(by, until);
            }
            Focus::Prompt | Focus::Transcript | Focus::Pool | Focus::Metrics => {}
        }
    }

    /// Selects a line of a page by its place.
    pub(super) fn select_on_page(&mut self, place: usize) {
        self.detail_top = 0;
        match self.focus {
            Focus::Requests => {
                let moment = self.requests_moment();
                self.requests.select(place, moment);
            }
            Focus::Errors => self.errors.select(place, self.moment()),
            Focus::Log | Focus::Prompt | Focus::Transcript | Focus::Pool | Focus::Metrics => {}
        }
    }

    /// Goes a page up or down.
    pub(super) fn page(&mut self, down: bool) {
        self.step_page(if down { PAGE } else { -PAGE });
    }

    /// Goes to the first or last line of a page.
    pub(super) fn page_end(&mut self, bottom: bool) {
        // Half of the range, so that nothing overflows on the way.
        self.step_page(if bottom {
            isize::MAX / 2
        } else {
            isize::MIN / 2
        });
    }

    /// Shows or hides all that is known of the selected line.
    pub(super) fn toggle_details(&mut self) -> Vec<Effect> {
        self.detail_top = 0;
        match self.focus {
            Focus::Requests => {
                let moment = self.requests_moment();
                if self.requests.open {
                    self.requests.open = false;
                } else if !self.requests.open(moment) {
                    self.say(t("no request has ended yet"), Tone::Note);
                }
            }
            Focus::Errors => self.errors.open = !self.errors.open,
            Focus::Log => self.log.open = !self.log.open,
            Focus::Pool => {
                self.pool.open = !self.pool.open;
                self.zoomed = self.pool.open;
                return vec![Effect::Figures];
            }
            Focus::Prompt | Focus::Transcript | Focus::Metrics => {}
        }
        Vec::new()
    }

    /// Tells whether details are open where the focus is.
    pub(crate) fn details_open(&self) -> bool {
        match self.focus {
            Focus::Requests => self.requests.open,
            Focus::Errors => self.errors.open,
            Focus::Log => self.log.open,
            Focus::Pool => self.pool.open,
            Focus::Prompt | Focus::Transcript | Focus::Metrics => false,
        }
    }

    /// Scrolls the details.
    pub(super) fn scroll_details(&mut self, by: isize) {
        self.detail_top = self.detail_top.saturating_add_signed(by);
    }

    /// Esc on a page: closes the details, then drops the filter; `false` when there is neither.
    pub(super) fn leave_page_step(&mut self) -> bool {
        if self.details_open() {
            self.toggle_details();
            return true;
        }
        match self.page_filter() {
            Some(filter) if !filter.is_empty() => {
                filter.clear();
                true
            }
            Some(_) | None => false,
        }
    }

    /// Returns the filter of the page that has the focus.
    fn page_filter(&mut self) -> Option<&mut Input> {
        match self.focus {
            Focus::Requests => Some(&mut self.requests.filter),
            Focus::Errors => Some(&mut self.errors.filter),
            Focus::Log => Some(&mut self.log.filter),
            Focus::Prompt | Focus::Transcript | Focus::Pool | Focus::Metrics => None,
        }
    }

    /// What keys do while a filter is typed.
    pub(super) fn act_in_filter(&mut self, action: Action) {
        match action {
            Action::Choose => self.filtering = false,
            Action::Cancel => {
                self.filtering = false;
                if let Some(filter) = self.page_filter() {
                    filter.clear();
                }
            }
            Action::ScrollUp => self.step_page(-1),
            Action::ScrollDown => self.step_page(1),
            _ => {}
        }
    }

    /// A key that is no command is a part of the filter.
    pub(super) fn type_into_filter(&mut self, key: KeyEvent) {
        let is_plain = !key
            .modifiers
            .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        let Some(filter) = self.page_filter() else {
            self.filtering = false;
            return;
        };
        match key.code {
            KeyCode::Char(c) if is_plain => filter.push(c.encode_utf8(&mut [0; 4])),
            KeyCode::Char('u') => filter.clear(),
            KeyCode::Char('w') => filter.pop_word(),
            KeyCode::Backspace if filter.is_empty() => self.filtering = false,
            KeyCode::Backspace => filter.pop(),
            _ => {}
        }
    }

    /// A paste into a filter is a part of it.
    pub(super) fn paste_into_filter(&mut self, text: &str) {
        let line = text.lines().next().unwrap_or_default();
        if let Some(filter) = self.page_filter() {
            filter.push(line);
        }
    }

    /// Copies the selected line of a page, whole: a request as JSON.
    pub(super) fn copy_from_page(&mut self) -> Vec<Effect> {
        let text = match self.focus {
            Focus::Requests => {
                let shown = self.requests.shown(self.requests_moment());
                shown
                    .get(self.requests.place(&shown))
                    .and_then(|row| serde_json::to_string_pretty(&*row.sample).ok())
            }
            Focus::Errors => {
                let groups = self.errors.groups(self.moment());
                groups.get(self.errors.place(&groups)).map(|group| {
                    let name = group.instance.as_ref().map_or("-", |name| name.as_str());
                    format!("{name}: {}: {}", group.kind.words(), group.message)
                })
            }
            Focus::Log => {
                let shown = self.log.shown(self.log_until());
                shown.get(self.log.place(&shown)).map(|line| {
                    format!(
                        "{} {} {}: {}",
                        line.at,
                        line.level.as_str(),
                        line.target,
                        line.text
                    )
                })
            }
            Focus::Prompt | Focus::Transcript | Focus::Pool | Focus::Metrics => None,
        };
        match text {
            Some(text) => vec![Effect::Copy(text)],
            None => {
                self.say(t("there is nothing to copy"), Tone::Note);
                Vec::new()
            }
        }
    }
}
