//! The fields of an incoming object, taken out one by one; null counts as absent.

use serde_json::{Map, Value};

use crate::base::{Error, ErrorKind};

/// What is left of an object, and where it stands in the body.
pub(super) struct Fields {
    left: Map<String, Value>,
    place: String,
}

impl Fields {
    /// Wraps an object.
    ///
    /// # Errors
    /// `invalid_request` when it is none.
    pub(super) fn new(value: Value, place: impl Into<String>) -> Result<Self, Error> {
        let place = place.into();
        match value {
            Value::Object(left) => Ok(Self { left, place }),
            _ => Err(invalid(match place.as_str() {
                "" => "the body must be a JSON object".to_owned(),
                place => format!("'{place}' must be an object"),
            })),
        }
    }

    /// Returns what nobody took.
    pub(super) fn rest(self) -> Map<String, Value> {
        self.left
    }

    /// Puts a field back.
    pub(super) fn put(&mut self, field: &str, value: Value) {
        self.left.insert(field.to_owned(), value);
    }

    /// Takes a field as it is.
    pub(super) fn take(&mut self, field: &str) -> Option<Value> {
        self.left
            .shift_remove(field)
            .filter(|value| !value.is_null())
    }

    /// Takes a string.
    pub(super) fn string(&mut self, field: &str) -> Result<Option<String>, Error> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(field, "a string")),
        }
    }

    /// Takes a boolean.
    pub(super) fn boolean(&mut self, field: &str) -> Result<Option<bool>, Error> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Bool(yes)) => Ok(Some(yes)),
            Some(_) => Err(self.wrong(field, "true or false")),
        }
    }

    /// Takes a number.
    pub(super) fn number(&mut self, field: &str) -> Result<Option<f64>, Error> {
        match self.take(field) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(field, "a number")),
            },
        }
    }

    /// Takes a whole number.
    pub(super) fn integer(&mut self, field: &str) -> Result<Option<i64>, Error> {
        let Some(value) = self.take(field) else {
            return Ok(None);
        };
        let rounded = value.as_f64().filter(|number| number.fract() == 0.0);
        match value.as_i64().or(rounded.map(|number| number as i64)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(field, "a whole number")),
        }
    }

    /// Takes a whole number from 0.
    pub(super) fn count(&mut self, field: &str) -> Result<Option<u64>, Error> {
        match self.integer(field)? {
            None => Ok(None),
            Some(number) => match u64::try_from(number) {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.wrong(field, "a whole number from 0")),
            },
        }
    }

    /// Takes a list.
    pub(super) fn list(&mut self, field: &str) -> Result<Vec<Value>, Error> {
        match self.take(field) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(self.wrong(field, "a list")),
        }
    }

    /// Takes one string, or a list of them.
    pub(super) fn strings(&mut self, field: &str) -> Result<Vec<String>, Error> {
        match self.take(field) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text]),
            Some(Value::Array(list)) => list
                .into_iter()
                .map(|entry| match entry {
                    Value::String(text) => Ok(text),
                    _ => Err(self.wrong(field, "a list of strings")),
                })
                .collect(),
            Some(_) => Err(self.wrong(field, "a string or a list of strings")),
        }
    }

    /// Makes the error for a field of the wrong kind.
    pub(super) fn wrong(&self, field: &str, rule: &str) -> Error {
        let place = self.place_of(field);
        invalid(format!("'{place}' must be {rule}"))
    }

    /// Returns where a field stands in the body.
    pub(super) fn place_of(&self, field: &str) -> String {
        match self.place.as_str() {
            "" => field.to_owned(),
            place => format!("{place}.{field}"),
        }
    }
}

/// Makes the error for a request that is wrong.
pub(super) fn invalid(message: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}
