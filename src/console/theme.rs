//! Themes: roles become styles. Files in `themes/` are part of the program; people may write their own.
//!
//! A colour never carries meaning alone: what is wrong also has a word or a mark, what is selected a mark or
//! reverse video. The terminal's own background is kept, unless a theme (or a setting) asks to paint.

mod chain;
mod color;
mod file;
mod mono;
mod role;
#[cfg(test)]
mod tests;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;

use ratatui::style::{Color, Style};

use self::chain::Chain;
use crate::base::Error;
use crate::console::term_env::{Depth, TermEnv};

pub use self::role::Role;

/// The themes that are part of the program, the default ones first.
const BUILTIN: &[(&str, &str)] = &[
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("ansi", include_str!("../../themes/ansi.toml")),
    ("catppuccin", include_str!("../../themes/catppuccin.toml")),
    (
        "catppuccin-latte",
        include_str!("../../themes/catppuccin-latte.toml"),
    ),
    ("dracula", include_str!("../../themes/dracula.toml")),
    ("gruvbox", include_str!("../../themes/gruvbox.toml")),
    (
        "high-contrast",
        include_str!("../../themes/high-contrast.toml"),
    ),
    (
        "high-contrast-light",
        include_str!("../../themes/high-contrast-light.toml"),
    ),
    ("nord", include_str!("../../themes/nord.toml")),
    (
        "solarized-light",
        include_str!("../../themes/solarized-light.toml"),
    ),
    ("tokyo-night", include_str!("../../themes/tokyo-night.toml")),
];

/// The name of the theme that has no colours; it is made here, not read.
const NO_COLOR: &str = "no-color";

/// What background a theme is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Light text on a dark ground.
    Dark,
    /// Dark text on a light ground.
    Light,
    /// Both, since it uses the terminal's own colours.
    Any,
}

/// A style for every role.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    name: String,
    about: String,
    mode: Mode,
    /// The terminal's foreground and background that it is made for.
    ground: (Color, Color),
    paint: bool,
    depth: Depth,
    /// As the file says.
    written: Vec<Style>,
    /// What is asked for: brought to the depth, background painted or not.
    styles: Vec<Style>,
    fingerprint: u64,
}

impl Theme {
    /// Returns the style of a role.
    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role.index()).copied().unwrap_or_default()
    }

    /// Returns its name, as one would choose it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns one line about it.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Tells what background it is made for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Returns the background to paint; `None` keeps the terminal's own.
    pub fn background(&self) -> Option<Color> {
        self.style(Role::Text).bg
    }

    /// Returns a number that differs between themes that look different, for caches of styled text.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Lists the themes that are part of the program.
    pub fn builtin_names() -> &'static [&'static str] {
        const NAMES: [&str; BUILTIN.len() + 1] = {
            let mut names = [NO_COLOR; BUILTIN.len() + 1];
            let mut index = 0;
            while index < BUILTIN.len() {
                names[index] = BUILTIN[index].0;
                index += 1;
            }
            names
        };
        &NAMES
    }

    /// Lists all themes, those of `dirs` last, by name and with a line on each; one that is wrong says what is wrong.
    pub fn list(dirs: &[PathBuf]) -> Vec<(String, String)> {
        let builtin = Self::builtin_names().iter().map(|name| (*name).to_owned());
        let mut names: Vec<String> = builtin.collect();
        for own in dirs.iter().flat_map(|dir| chain::names_in(dir)) {
            // One's own `dark` takes the place of the program's.
            names.retain(|name| *name != own);
            names.push(own);
        }
        let about = |name: &str| match Self::load(name, dirs) {
            Ok(theme) => theme.about,
            Err(error) => error.message().to_owned(),
        };
        names
            .into_iter()
            .map(|name| (name.clone(), about(&name)))
            .collect()
    }

    /// Makes the theme without colours: bold, dim, reverse and underline carry what has to be seen.
    pub fn no_color() -> Self {
        let ground = (Color::Reset, Color::Reset);
        let about = "no colours: bold, dim, reverse and underline";
        let written = Role::ALL.iter().map(|role| mono::style(*role)).collect();
        Self::finish(NO_COLOR, about, Mode::Any, ground, false, written)
    }

    /// Loads a theme by its name (from `dirs`, then from the program) or by a file's path, in full colour.
    ///
    /// # Errors
    /// `config`: no such theme, or a file that is wrong, with its line and a proposal.
    pub fn load(name_or_path: &str, dirs: &[PathBuf]) -> Result<Self, Error> {
        if name_or_path == NO_COLOR {
            return Ok(Self::no_color());
        }
        let chain = Chain::read(name_or_path, dirs)?;
        chain.resolve()
    }

    /// Chooses by setting and terminal: the named theme in as many colours as the terminal has; without a
    /// setting (or with `auto`) dark or light as the terminal says, or its own 16 colours when it says nothing.
    ///
    /// # Errors
    /// As [`Theme::load`].
    pub fn choose(setting: Option<&str>, env: &TermEnv) -> Result<Self, Error> {
        Self::choose_in(setting, &[], env)
    }

    /// As [`Theme::choose`], with folders in which people keep themes of their own.
    ///
    /// # Errors
    /// As [`Theme::load`].
    pub fn choose_in(
        setting: Option<&str>,
        dirs: &[PathBuf],
        env: &TermEnv,
    ) -> Result<Self, Error> {
        let depth = env.depth();
        let setting = setting.filter(|name| *name != "auto");
        // A wrong name is an error on every terminal, so the setting is looked at before the depth.
        let theme = match setting {
            Some(name) => Self::load(name, dirs)?,
            None => match (depth, env.is_light()) {
                (Depth::Mono, _) => Self::no_color(),
                (Depth::Ansi16, _) | (_, None) => Self::load("ansi", dirs)?,
                (_, Some(true)) => Self::load("light", dirs)?,
                (_, Some(false)) => Self::load("dark", dirs)?,
            },
        };
        if depth == Depth::Mono {
            return Ok(Self::no_color());
        }
        let is_for_the_other_ground = match (theme.mode, env.is_light()) {
            (Mode::Dark, Some(true)) | (Mode::Light, Some(false)) => true,
            (Mode::Dark | Mode::Light | Mode::Any, _) => false,
        };
        let theme = theme.at_depth(depth);
        if is_for_the_other_ground {
            // Dark text on a dark ground could not be read.
            return Ok(theme.painted(true));
        }
        Ok(theme)
    }

    /// Brings its colours down to what a terminal can show.
    #[must_use]
    pub fn at_depth(self, depth: Depth) -> Self {
        Self { depth, ..self }.derived()
    }

    /// Paints the background it is made for, or keeps the terminal's own; a theme without one cannot paint.
    #[must_use]
    pub fn painted(self, paint: bool) -> Self {
        Self { paint, ..self }.derived()
    }

    fn finish(
        name: &str,
        about: &str,
        mode: Mode,
        ground: (Color, Color),
        paint: bool,
        written: Vec<Style>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            mode,
            ground,
            paint,
            depth: Depth::True,
            written,
            styles: Vec::new(),
            fingerprint: 0,
        }
        .derived()
    }

    fn derived(mut self) -> Self {
        let (fg, bg) = self.ground;
        let paint = self.paint && bg != Color::Reset;
        let bring = |color: Color| color::at_depth(color, self.depth);
        self.styles = self.written.clone();
        for (index, style) in self.styles.iter_mut().enumerate() {
            let is_text = index == Role::Text.index();
            // On a painted ground the terminal's own foreground may be as dark as the ground.
            if paint && (style.fg == Some(Color::Reset) || is_text && style.fg.is_none()) {
                style.fg = Some(fg);
            }
            if paint && (style.bg == Some(Color::Reset) || is_text && style.bg.is_none()) {
                style.bg = Some(bg);
            }
            style.fg = style.fg.map(bring);
            style.bg = style.bg.map(bring);
        }
        let mut hasher = DefaultHasher::new();
        self.styles.hash(&mut hasher);
        self.fingerprint = hasher.finish();
        self
    }
}
