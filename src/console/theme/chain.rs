//! From a theme's name to a theme: its file is found, what it extends is found, colours are looked up.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf, is_separator};

use ratatui::style::{Color, Style};

use super::file::{At, File, Place, Spec, did_you_mean};
use super::{BUILTIN, Mode, Role, Theme, color};
use crate::base::{Error, ErrorKind};

/// How far `extends` and names in a palette may lead.
const DEEPEST: usize = 8;

/// The largest theme file that is read, in bytes.
const LARGEST: u64 = 256 << 10;

/// A theme file and those it extends, the outermost first.
pub(super) struct Chain {
    name: String,
    files: Vec<File>,
}

impl Chain {
    pub(super) fn read(name_or_path: &str, dirs: &[PathBuf]) -> Result<Self, Error> {
        let mut files: Vec<File> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        let mut next = At::unplaced(name_or_path);
        loop {
            let source = Source::find(&next.value, dirs, seen.last())
                .map_err(|error| next.say(error, files.is_empty()))?;
            if seen.contains(&source.id) || seen.len() == DEEPEST {
                let error = Error::new(ErrorKind::Config, "themes extend one another in a circle");
                return Err(next.say(error, files.is_empty()));
            }
            let file = File::parse(&source.id, &source.text)?;
            seen.push(source.id);
            let parent = file.parent(source.builtin);
            files.push(file);
            match parent {
                Some(parent) => next = parent,
                None => break,
            }
        }
        let name = Path::new(name_or_path).file_stem().map_or_else(
            || name_or_path.to_owned(),
            |stem| stem.to_string_lossy().into_owned(),
        );
        Ok(Self { name, files })
    }

    pub(super) fn resolve(self) -> Result<Theme, Error> {
        let mut palette = BTreeMap::new();
        let mut specs: Vec<Option<At<Spec>>> = vec![None; Role::COUNT];
        let (mut mode, mut paint) = (Mode::Any, false);
        let (mut foreground, mut background) = (None, None);
        let mut about = String::new();
        for file in self.files.into_iter().rev() {
            palette.extend(file.palette);
            for (role, spec) in file.roles {
                if let Some(slot) = specs.get_mut(role.index()) {
                    *slot = Some(spec);
                }
            }
            mode = file.mode.unwrap_or(mode);
            paint = file.paint.unwrap_or(paint);
            foreground = file.foreground.or(foreground);
            background = file.background.or(background);
            about = file.about.unwrap_or_default();
        }
        let palette = Palette(palette);
        let written = specs
            .into_iter()
            .map(|spec| spec.map_or(Ok(Style::new()), |spec| palette.style(&spec)))
            .collect::<Result<_, _>>()?;
        let ground = (
            palette.ground(foreground.as_ref())?,
            palette.ground(background.as_ref())?,
        );
        Ok(Theme::finish(
            &self.name, &about, mode, ground, paint, written,
        ))
    }
}

/// A theme file's text and where it came from.
struct Source {
    /// Whether it is part of the program.
    builtin: bool,
    /// What stands in messages, and tells files apart.
    id: String,
    text: String,
}

impl Source {
    fn find(name: &str, dirs: &[PathBuf], child: Option<&String>) -> Result<Self, Error> {
        let path = Path::new(name);
        if name.contains(is_separator) || is_toml(path) {
            return Self::read(path);
        }
        for dir in dirs {
            let path = dir.join(format!("{name}.toml"));
            // One's own `dark.toml` may extend the program's `dark`.
            let is_child = child.is_some_and(|child| *child == path.display().to_string());
            if !is_child && path.is_file() {
                return Self::read(&path);
            }
        }
        let found = BUILTIN.iter().find(|(builtin, _)| *builtin == name);
        if let Some((_, text)) = found {
            return Ok(Self {
                builtin: true,
                id: format!("themes/{name}.toml"),
                text: (*text).to_owned(),
            });
        }
        let own = dirs.iter().flat_map(|dir| names_in(dir));
        let known: Vec<String> = Theme::builtin_names()
            .iter()
            .map(|name| (*name).to_owned())
            .chain(own)
            .collect();
        let hint = did_you_mean(name, known.iter().map(String::as_str));
        Err(Error::new(ErrorKind::Config, format!("no theme '{name}'")).with_hint(hint))
    }

    fn read(path: &Path) -> Result<Self, Error> {
        let id = path.display().to_string();
        let unreadable = |error: std::io::Error| {
            Error::new(
                ErrorKind::Config,
                format!("cannot read theme {id}: {error}"),
            )
            .with_hint("give a theme's name or the path of a theme file")
        };
        let size = fs::metadata(path).map_err(unreadable)?.len();
        if size > LARGEST {
            let message = format!("theme {id} is too large: {size} bytes of at most {LARGEST}");
            return Err(Error::new(ErrorKind::Config, message));
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Ok(Self {
            builtin: false,
            id,
            text,
        })
    }
}

fn is_toml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "toml")
}

/// Lists the themes in a folder; one that cannot be read has none.
pub(super) fn names_in(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_toml(path))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names
}

/// Colours by name.
struct Palette(BTreeMap<String, At<String>>);

impl Palette {
    fn style(&self, spec: &At<Spec>) -> Result<Style, Error> {
        let color = |name: &Option<String>| {
            name.as_deref()
                .map(|name| self.color(name, spec))
                .transpose()
        };
        let mut style = Style::new().add_modifier(spec.value.modifiers);
        style.fg = color(&spec.value.fg)?;
        style.bg = color(&spec.value.bg)?;
        Ok(style)
    }

    fn ground(&self, name: Option<&At<String>>) -> Result<Color, Error> {
        name.map_or(Ok(Color::Reset), |name| self.color(&name.value, name))
    }

    fn color<T>(&self, name: &str, said: &At<T>) -> Result<Color, Error> {
        let mut name = name;
        let mut place = &said.place;
        for _ in 0..DEEPEST {
            let Some(next) = self.0.get(name) else {
                return color::parse(name).ok_or_else(|| self.unknown(name, place));
            };
            name = &next.value;
            place = &next.place;
        }
        Err(place.error("colors of the palette name one another in a circle"))
    }

    fn unknown(&self, name: &str, place: &Place) -> Error {
        let error = place.error(&format!("unknown color '{name}'"));
        if name.starts_with('#') {
            return error.with_hint("a color is #rgb or #rrggbb, in hexadecimal digits");
        }
        let own = self.0.keys().map(String::as_str);
        let known = own.chain(color::ANSI_NAMES).chain(["default"]);
        error.with_hint(did_you_mean(name, known))
    }
}

impl At<String> {
    fn unplaced(value: &str) -> Self {
        Self {
            value: value.to_owned(),
            place: Place::default(),
        }
    }

    /// Adds the line with `extends` to an error about what it names; the first name comes from no file.
    fn say(&self, error: Error, first: bool) -> Error {
        if first {
            return error;
        }
        let placed = self.place.error(error.message());
        placed.with_hint(error.hint())
    }
}

impl File {
    /// Returns what it extends: what it says, else the program's own theme of its mode.
    fn parent(&self, builtin: bool) -> Option<At<String>> {
        if let Some(extends) = &self.extends {
            return Some(extends.clone());
        }
        let root = match self.mode {
            None | Some(Mode::Dark) => "dark",
            Some(Mode::Light) => "light",
            Some(Mode::Any) => "ansi",
        };
        (!builtin).then(|| At::unplaced(root))
    }
}
