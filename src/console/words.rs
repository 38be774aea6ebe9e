//! The interface's words. The source has them in English; another language has a table beside it.
//!
//! ```text
//! t("queue")                                  one phrase, as it is
//! phrase!("{} keeps its one permit", name)    a sentence with something in it; `{1}` and `{0}` where the order differs
//! ```
//! The language is the console's own: it is set where the console starts and holds in its thread, which the console
//! never leaves. English costs one look at it; nothing is allocated for a phrase in any language.

mod zh;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::{Display, Write as _};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// A language of the interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Simplified Chinese.
    Zh,
}

/// Which language is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LangChoice {
    /// The one that `LC_ALL`, `LC_MESSAGES` or `LANG` name, else English.
    #[default]
    Auto,
    /// English.
    En,
    /// Simplified Chinese.
    Zh,
}

impl LangChoice {
    /// Decides by the environment where nothing was chosen.
    pub fn resolve(self, var: impl Fn(&str) -> Option<String>) -> Lang {
        match self {
            Self::En => Lang::En,
            Self::Zh => Lang::Zh,
            Self::Auto => {
                let named = ["LC_ALL", "LC_MESSAGES", "LANG"]
                    .into_iter()
                    .find_map(|name| var(name).filter(|value| !value.is_empty()));
                match named {
                    Some(name) if name.to_ascii_lowercase().starts_with("zh") => Lang::Zh,
                    Some(_) | None => Lang::En,
                }
            }
        }
    }
}

thread_local! {
    static LANG: Cell<Lang> = const { Cell::new(Lang::En) };
}

/// Sets the language of this thread's console.
pub(crate) fn speak(lang: Lang) {
    LANG.set(lang);
}

/// Returns the language of this thread's console.
pub(crate) fn lang() -> Lang {
    LANG.get()
}

/// Returns a phrase in the language that is spoken; in English where the table has none.
pub(crate) fn t(english: &'static str) -> &'static str {
    match lang() {
        Lang::En => english,
        Lang::Zh => in_chinese(english).unwrap_or(english),
    }
}

/// Returns a text from elsewhere (a state's word, an error's hint) in the language that is spoken, if the table has it.
pub(crate) fn known(text: &str) -> &str {
    match lang() {
        Lang::En => text,
        Lang::Zh => in_chinese(text).unwrap_or(text),
    }
}

/// Returns a sentence from elsewhere in the language that is spoken: one that the table has as it is, or one that was
/// made from one of its templates. What it does not know stays as it is.
pub(crate) fn translate(text: &str) -> Cow<'_, str> {
    match lang() {
        Lang::En => Cow::Borrowed(text),
        Lang::Zh => match in_chinese(text) {
            Some(chinese) => Cow::Borrowed(chinese),
            None => from_template(text)
                .or_else(|| piece_by_piece(text))
                .map_or(Cow::Borrowed(text), Cow::Owned),
        },
    }
}

/// Says the kind of an error in the other language, between who gave it and what it said: `azure: rate limited: ...`.
fn piece_by_piece(text: &str) -> Option<String> {
    /// Who gave it, what it was; the rest is somebody else's.
    const PIECES: usize = 3;
    let pieces: Vec<&str> = text.splitn(PIECES, ": ").collect();
    let is_known = |piece: &&str| in_chinese(piece).is_some();
    (pieces.len() > 1 && pieces.iter().any(is_known)).then(|| {
        let said = pieces
            .into_iter()
            .map(|piece| in_chinese(piece).unwrap_or(piece));
        said.collect::<Vec<_>>().join(": ")
    })
}

/// Finds the template with the most words of its own from which a sentence was made, and makes it from the other one.
fn from_template(text: &str) -> Option<String> {
    /// With fewer letters a template says too little to be sure.
    const FEWEST_LETTERS: usize = 2;
    let letters = |template: &str| template.chars().filter(|c| c.is_alphabetic()).count();
    let (_, places, chinese) = zh::phrases()
        .filter(|(english, _)| english.contains('{') && letters(english) >= FEWEST_LETTERS)
        .filter_map(|(english, chinese)| Some((letters(english), places(english, text)?, chinese)))
        .max_by_key(|(letters, ..)| *letters)?;
    let places: Vec<Cow<'_, str>> = places.into_iter().map(translate).collect();
    let places: Vec<&dyn Display> = places.iter().map(|place| place as &dyn Display).collect();
    Some(fill(chinese, &places))
}

/// Returns what stands at the places of a template in a text that was made from it.
fn places<'t>(template: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut pieces = template.split("{}");
    let mut rest = text.strip_prefix(pieces.next()?)?;
    let mut places = Vec::new();
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        let at = if pieces.peek().is_none() {
            rest.len()
                .checked_sub(piece.len())
                .filter(|at| rest.get(*at..) == Some(piece))?
        } else {
            rest.find(piece)?
        };
        places.push(&rest[..at]);
        rest = &rest[at + piece.len()..];
    }
    Some(places)
}

fn in_chinese(english: &str) -> Option<&'static str> {
    static TABLE: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    let table = TABLE.get_or_init(|| zh::phrases().copied().collect());
    table.get(english).copied()
}

/// Puts arguments into a template: `{}` takes the next one, `{0}` a certain one.
pub(crate) fn fill(template: &str, arguments: &[&dyn Display]) -> String {
    let mut out = String::with_capacity(template.len() + 16);
    let mut next = 0;
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((inside, after)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        let index = inside.parse().unwrap_or_else(|_| {
            next += 1;
            next - 1
        });
        if let Some(argument) = arguments.get(index) {
            // Writing to a String does not fail.
            let _ = write!(out, "{argument}");
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Makes a sentence with something in it.
macro_rules! phrase {
    ($english:literal $(, $argument:expr)* $(,)?) => {
        $crate::console::words::fill(
            $crate::console::words::t($english),
            &[$(&$argument as &dyn ::std::fmt::Display),*],
        )
    };
}
pub(crate) use phrase;

/// Makes a sentence about a count: one for a single thing, and one with its place for any other number.
macro_rules! counted {
    ($count:expr, $one:literal, $many:literal $(,)?) => {
        match u64::try_from($count).unwrap_or(u64::MAX) {
            1 => $crate::console::words::t($one).to_owned(),
            count => $crate::console::words::phrase!($many, $crate::console::text::count(count)),
        }
    };
}
pub(crate) use counted;

#[cfg(test)]
mod tests;
