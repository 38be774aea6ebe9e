//! Theme files: what they may say, and what is said when they say something else.
//!
//! ```toml
//! about = "one line for the list"
//! extends = "dark"            # everything that is not said here
//! mode = "dark"               # dark, light or any: what it is made for
//! background = "#1d2028"      # the terminal's background it is made for
//! foreground = "#d6d9e0"
//! paint = false               # true paints that background instead of keeping the terminal's own
//! [palette]
//! sea = "#6fd3d8"
//! [roles]
//! title = "sea bold"
//! selected = "default on #34435e"
//! key = { fg = "sea", underline = true }
//! ```

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use ratatui::style::Modifier;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Mode, Role};
use crate::base::{Error, ErrorKind};

const KEYS: [&str; 8] = [
    "about",
    "extends",
    "mode",
    "background",
    "foreground",
    "paint",
    "palette",
    "roles",
];

const MODIFIERS: [(&str, Modifier); 6] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underline", Modifier::UNDERLINED),
    ("reverse", Modifier::REVERSED),
    ("strike", Modifier::CROSSED_OUT),
];

/// Where something was said, for messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    file: Arc<str>,
    line: usize,
}

impl Place {
    pub(super) fn error(&self, message: &str) -> Error {
        Error::new(
            ErrorKind::Config,
            format!("{}:{}: {message}", self.file, self.line),
        )
    }
}

/// A value and where it was said.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// A style as written: names of colours, not yet looked up.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spec {
    pub(super) fg: Option<String>,
    pub(super) bg: Option<String>,
    pub(super) modifiers: Modifier,
}

/// One theme file as written.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) about: Option<String>,
    pub(super) extends: Option<At<String>>,
    pub(super) mode: Option<Mode>,
    pub(super) background: Option<At<String>>,
    pub(super) foreground: Option<At<String>>,
    pub(super) paint: Option<bool>,
    pub(super) palette: Vec<(String, At<String>)>,
    pub(super) roles: Vec<(Role, At<Spec>)>,
}

impl File {
    /// Reads a theme file's text; `name` stands in messages.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let reader = Reader {
            file: name.into(),
            text,
        };
        let table = DeTable::parse(text).map_err(|error| {
            reader
                .place(&error.span().unwrap_or_default())
                .error(error.message())
        })?;
        reader.file(table.get_ref())
    }
}

struct Reader<'a> {
    file: Arc<str>,
    text: &'a str,
}

type Value<'a> = Spanned<DeValue<'a>>;

impl Reader<'_> {
    fn place(&self, span: &Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        Place {
            file: Arc::clone(&self.file),
            line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
        }
    }

    fn file(&self, table: &DeTable<'_>) -> Result<File, Error> {
        let mut file = File::default();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "about" => file.about = Some(self.string("about", value)?.value),
                "extends" => file.extends = Some(self.string("extends", value)?),
                "mode" => file.mode = Some(self.mode(value)?),
                "background" => file.background = Some(self.string("background", value)?),
                "foreground" => file.foreground = Some(self.string("foreground", value)?),
                "paint" => file.paint = Some(self.bool("paint", value)?),
                "palette" => {
                    for (name, value) in self.table("palette", value)? {
                        let color = self.string(name.get_ref(), value)?;
                        file.palette.push((name.get_ref().to_string(), color));
                    }
                }
                "roles" => {
                    for (name, value) in self.table("roles", value)? {
                        file.roles.push((self.role(name)?, self.spec(value)?));
                    }
                }
                other => {
                    let error = self
                        .place(&key.span())
                        .error(&format!("unknown key '{other}'"));
                    return Err(error.with_hint(did_you_mean(other, KEYS)));
                }
            }
        }
        Ok(file)
    }

    fn role(&self, name: &Spanned<std::borrow::Cow<'_, str>>) -> Result<Role, Error> {
        Role::from_name(name.get_ref()).ok_or_else(|| {
            self.place(&name.span())
                .error(&format!("unknown role '{}'", name.get_ref()))
                .with_hint(did_you_mean(
                    name.get_ref(),
                    Role::ALL.iter().map(|role| role.name()),
                ))
        })
    }

    fn spec(&self, value: &Value<'_>) -> Result<At<Spec>, Error> {
        let place = self.place(&value.span());
        let spec = match value.get_ref() {
            DeValue::String(text) => spec_of_words(text, &place)?,
            DeValue::Table(table) => self.spec_of_table(table)?,
            other => return Err(wrong_type("a role", "a string or a table", other, &place)),
        };
        Ok(At { value: spec, place })
    }

    fn spec_of_table(&self, table: &DeTable<'_>) -> Result<Spec, Error> {
        let mut spec = Spec::default();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if name == "fg" {
                spec.fg = Some(self.string("fg", value)?.value);
            } else if name == "bg" {
                spec.bg = Some(self.string("bg", value)?.value);
            } else if let Some((_, modifier)) = MODIFIERS.iter().find(|(word, _)| *word == name) {
                spec.modifiers.set(*modifier, self.bool(name, value)?);
            } else {
                let known = MODIFIERS.iter().map(|(word, _)| *word).chain(["fg", "bg"]);
                let error = self
                    .place(&key.span())
                    .error(&format!("unknown key '{name}' in a style"));
                return Err(error.with_hint(did_you_mean(name, known)));
            }
        }
        Ok(spec)
    }

    fn mode(&self, value: &Value<'_>) -> Result<Mode, Error> {
        let At { value: text, place } = self.string("mode", value)?;
        match text.as_str() {
            "dark" => Ok(Mode::Dark),
            "light" => Ok(Mode::Light),
            "any" => Ok(Mode::Any),
            other => Err(place
                .error(&format!("unknown mode '{other}'"))
                .with_hint("mode is \"dark\", \"light\" or \"any\"")),
        }
    }

    fn string(&self, key: &str, value: &Value<'_>) -> Result<At<String>, Error> {
        let place = self.place(&value.span());
        match value.get_ref() {
            DeValue::String(text) => Ok(At {
                value: text.to_string(),
                place,
            }),
            other => Err(wrong_type(
                &format!("'{key}'"),
                "a string in quotes",
                other,
                &place,
            )),
        }
    }

    fn bool(&self, key: &str, value: &Value<'_>) -> Result<bool, Error> {
        value.get_ref().as_bool().ok_or_else(|| {
            let place = self.place(&value.span());
            wrong_type(
                &format!("'{key}'"),
                "true or false",
                value.get_ref(),
                &place,
            )
        })
    }

    fn table<'v, 'i>(&self, key: &str, value: &'v Value<'i>) -> Result<&'v DeTable<'i>, Error> {
        value.get_ref().as_table().ok_or_else(|| {
            let place = self.place(&value.span());
            wrong_type(&format!("'{key}'"), "a table", value.get_ref(), &place)
        })
    }
}

fn wrong_type(what: &str, wanted: &str, got: &DeValue<'_>, place: &Place) -> Error {
    let got = got.type_str();
    place.error(&format!("{what} must be {wanted}, not {got}"))
}

/// Reads "sea on #112233 bold": a foreground, `on` a background, modifiers, each at most once.
fn spec_of_words(text: &str, place: &Place) -> Result<Spec, Error> {
    let mut spec = Spec::default();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        if let Some((_, modifier)) = MODIFIERS.iter().find(|(name, _)| *name == word) {
            spec.modifiers |= *modifier;
        } else if word == "on" {
            let Some(color) = words.next() else {
                return Err(place.error(&format!("no color after 'on' in '{text}'")));
            };
            if spec.bg.replace(color.to_owned()).is_some() {
                return Err(place.error(&format!("two backgrounds in '{text}'")));
            }
        } else if let Some(before) = spec.fg.replace(word.to_owned()) {
            let known = MODIFIERS.iter().map(|(name, _)| *name).chain(["on"]);
            return Err(place
                .error(&format!(
                    "'{word}' after the color '{before}' is no modifier"
                ))
                .with_hint(did_you_mean(word, known)));
        }
    }
    Ok(spec)
}

/// Makes a hint out of a wrong word and the right ones: the nearest, if one is near, else all of them.
pub(super) fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let nearest = known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(wrong, word), *word))
        .min()
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4);
    if let Some((_, word)) = nearest {
        return format!("did you mean '{word}'?");
    }
    let mut hint = "known are ".to_owned();
    for (index, word) in known.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let _ = write!(hint, "{comma}{word}");
    }
    hint
}
