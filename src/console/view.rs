//! Draws the console: reads the app, writes cells, decides nothing.

mod ascii;
mod chat;
mod chrome;
mod compare;
mod details;
mod dialog;
mod errors;
mod footer;
mod grid;
mod header;
mod help;
pub mod highlight;
mod layout;
mod library;
mod log;
pub mod markdown;
mod metrics;
mod metrics_full;
mod page;
mod palette;
mod pool;
mod pool_detail;
mod requests;
mod scaling;
pub mod spark;
mod state_word;
mod transcript;
mod turn;
mod waterfall;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use self::chrome::{Chrome, Symbols};
use self::layout::{Layout, Shape};
use self::transcript::Transcript;
use super::app::{App, Drawn, Places};
use super::state::dialog::Dialog;
use super::state::focus::{Focus, Pane};
use super::state::select::Select;
use super::text;
use super::theme::{Role, Theme};
use super::words::t;

/// Everything a drawing needs beside the app: the look, and what is worth keeping from frame to frame.
pub(crate) struct Screen {
    theme: Theme,
    symbols: Symbols,
    transcript: Transcript,
}

impl Screen {
    /// Makes a screen with a look.
    pub(crate) fn new(theme: Theme, ascii: bool) -> Self {
        Self {
            theme,
            symbols: Symbols::new(ascii),
            transcript: Transcript::default(),
        }
    }

    /// Puts on another look.
    pub(crate) fn wear(&mut self, theme: Theme) {
        self.theme = theme;
    }

    /// Draws everything.
    pub(crate) fn draw(&mut self, frame: &mut Frame<'_>, app: &App) -> Drawn {
        let area = frame.area();
        let mut drawn = Drawn {
            places: Places::default(),
            scroll: app.chat.scroll.clone(),
            select: app.select.clone(),
            found: None,
            help_top: 0,
            detail_top: 0,
            columns: app.metrics.columns,
        };
        let text = self.theme.style(Role::Text);
        frame.buffer_mut().set_style(area, text);
        let pane = app.focus.pane();
        let focused = (app.zoomed || pane.is_page()).then_some(pane);
        let layout = Layout::of(area, focused, app.pool.board.instances.len(), app.split);
        drawn.places.edges.clone_from(&layout.edges);
        drawn.places.body = layout.body;
        if layout.shape == Shape::TooSmall {
            self.too_small(frame);
            return drawn;
        }
        self.panes(frame, app, &layout, &mut drawn);
        match &app.dialog {
            Some(Dialog::Help { top }) => {
                let look = self.look();
                drawn.help_top =
                    help::draw(frame, area, *top, app.focus_context(), &app.keymap, &look);
            }
            Some(Dialog::Confirm(question)) => {
                dialog::confirm(frame, area, question, &app.keymap, &self.look());
            }
            Some(Dialog::Choose(list)) => dialog::choose(frame, area, list, &self.look()),
            Some(Dialog::Palette(found)) => palette::draw(frame, area, found, &self.look()),
            Some(Dialog::Library(list)) => library::draw(frame, area, list, &self.look()),
            Some(Dialog::Line(_)) | None => {}
        }
        if self.symbols.ascii {
            ascii::only(frame.buffer_mut());
        }
        drawn
    }

    /// Returns lines of the conversation as they are shown, without blanks at their ends.
    pub(crate) fn chosen_lines(&mut self, app: &App, chosen: Select) -> String {
        let look = Look {
            theme: &self.theme,
            symbols: &self.symbols,
        };
        chat::chosen_lines(app, &mut self.transcript, &look, chosen)
    }

    fn panes(&mut self, frame: &mut Frame<'_>, app: &App, layout: &Layout, drawn: &mut Drawn) {
        let shown = match layout.shape {
            Shape::Single => Some(app.focus.pane()),
            Shape::Wide | Shape::Stacked | Shape::Zoomed | Shape::TooSmall => None,
        };
        let look = Look {
            theme: &self.theme,
            symbols: &self.symbols,
        };
        header::draw(frame, layout.header, app, &look);
        if let Some(area) = layout.tabs {
            drawn.places.tabs = chrome::tabs(frame, area, app.focus.pane(), &look);
        }
        if let Some(area) = layout.strip {
            pool::strip(frame, area, app, &look);
        }
        for pane in Pane::ALL {
            let area = layout.area(pane);
            if area.is_empty() || shown.is_some_and(|only| only != pane) {
                continue;
            }
            drawn.places.panes.push((pane, area));
            let inside = if layout.tabs.is_some() {
                area
            } else {
                Chrome {
                    pane,
                    focused: app.dialog.is_none()
                        && app.focus.pane() == pane
                        && app.focus != Focus::Prompt,
                    active: app.focus.pane() == pane,
                    detail: detail(pane, app),
                }
                .draw(frame, area, &look)
            };
            match pane {
                Pane::Chat => {
                    chat::draw(frame, inside, app, &mut self.transcript, &look, drawn);
                }
                Pane::Pool => pool::table(frame, inside, app, &look, drawn),
                Pane::Metrics => drawn.columns = metrics::draw(frame, inside, app, &look),
                Pane::Requests => requests::draw(frame, inside, app, &look, drawn),
                Pane::Errors => errors::draw(frame, inside, app, &look, drawn),
                Pane::Log => log::draw(frame, inside, app, &look, drawn),
            }
        }
        if app.lost_since().is_some() {
            // What they show is old.
            let old = look.theme.style(Role::Dim);
            let panes = drawn.places.panes.iter();
            let figures = panes
                .filter(|(pane, _)| *pane != Pane::Chat)
                .map(|(_, area)| *area);
            for area in figures.chain(layout.strip) {
                frame.buffer_mut().set_style(area, old);
            }
        }
        chrome::dividers(frame, layout, &look);
        footer::draw(frame, layout.footer, app, &look);
    }

    fn too_small(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let style = self.theme.style(Role::Warn);
        let words = [t("too small:"), "llmdeck", t("needs"), "36x9"];
        for (row, chunk) in wrap_words(&words, usize::from(area.width))
            .iter()
            .enumerate()
        {
            if row < usize::from(area.height) {
                let at = Rect::new(area.x, area.y + row as u16, area.width, 1);
                Line::from(Span::styled(chunk.clone(), style)).render(at, frame.buffer_mut());
            }
        }
    }

    fn look(&self) -> Look<'_> {
        Look {
            theme: &self.theme,
            symbols: &self.symbols,
        }
    }
}

/// The look, handed to every part of the drawing.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) theme: &'a Theme,
    pub(crate) symbols: &'a Symbols,
}

impl Look<'_> {
    /// Makes a styled piece of text.
    pub(crate) fn span(&self, text: impl Into<String>, role: Role) -> Span<'static> {
        Span::styled(text.into(), self.theme.style(role))
    }
}

/// What stands beside a pane's name.
fn detail(pane: Pane, app: &App) -> String {
    match pane {
        Pane::Chat => String::new(),
        Pane::Pool => pool::title(app),
        Pane::Metrics => metrics::title(app),
        Pane::Requests => requests::title(app),
        Pane::Errors => errors::title(app),
        Pane::Log => log::title(app),
    }
}

fn wrap_words(words: &[&str], width: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for word in words {
        match rows.last_mut() {
            Some(row) if text::width(row) + 1 + text::width(word) <= width => {
                row.push(' ');
                row.push_str(word);
            }
            _ => rows.push((*word).to_owned()),
        }
    }
    rows
}
