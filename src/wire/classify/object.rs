//! The error object inside an error answer, in all the shapes that servers give it.

use std::borrow::Cow;

use serde_json::Value;

use super::Fields;
use crate::wire::json::is_truthy;

/// What an error answer says of itself.
pub(super) struct ErrorObject<'a> {
    fields: Option<&'a Fields>,
    code: Option<&'a Value>,
    /// The provider's words.
    pub(super) message: Cow<'a, str>,
}

impl<'a> ErrorObject<'a> {
    /// Finds the error in a document: an `error` object or string, flat `code` and `msg`, `detail`, and all that in
    /// a list of one.
    pub(super) fn of(document: &'a Value) -> Option<Self> {
        let document = match document {
            Value::Array(list) => list.first()?,
            other => other,
        };
        let document = document.as_object()?;
        let inner = match document.get("error") {
            Some(Value::Array(list)) => list.first().filter(|first| first.is_object()),
            other => other,
        };
        match inner {
            Some(Value::Object(fields)) => {
                return Some(Self::of_fields(
                    fields,
                    text_of(fields, &["message", "msg"]),
                ));
            }
            Some(Value::String(told)) if !told.is_empty() => {
                let message = document.get("message").filter(|value| is_truthy(value));
                return Some(Self {
                    fields: None,
                    code: document.get("code"),
                    message: message.map_or(Cow::Borrowed(told.as_str()), text),
                });
            }
            _ => {}
        }
        let is_answer = document.contains_key("choices");
        let has_message = document.contains_key("msg") || document.contains_key("message");
        if document.contains_key("code") && has_message && !is_answer {
            return Some(Self::of_fields(
                document,
                text_of(document, &["msg", "message"]),
            ));
        }
        if let Some(detail) = document.get("detail").filter(|_| !is_answer) {
            return Some(Self {
                fields: None,
                code: None,
                message: detail_text(detail),
            });
        }
        let says_error = |field| document.get(field).and_then(Value::as_str) == Some("error");
        (says_error("object") || says_error("type"))
            .then(|| Self::of_fields(document, text_of(document, &["message"])))
    }

    /// Wraps an answer that has no error object.
    pub(super) fn of_text(message: String) -> Self {
        Self {
            fields: None,
            code: None,
            message: Cow::Owned(message),
        }
    }

    fn of_fields(fields: &'a Fields, message: Cow<'a, str>) -> Self {
        Self {
            fields: Some(fields),
            code: fields.get("code"),
            message,
        }
    }

    fn get(&self, field: &str) -> Option<&'a Value> {
        self.fields?.get(field)
    }

    /// Returns the code as text; servers send it as text or as a number.
    pub(super) fn code_text(&self) -> Option<Cow<'a, str>> {
        self.code.filter(|code| !code.is_null()).map(text)
    }

    /// Returns what is shown as the provider's code: its code, else its type, else its status word.
    pub(super) fn shown_code(&self) -> Option<Cow<'a, str>> {
        let code = self.code_text().filter(|code| !code.is_empty());
        code.or_else(|| self.get("type").filter(|value| is_truthy(value)).map(text))
            .or_else(|| {
                self.get("status")
                    .filter(|value| is_truthy(value))
                    .map(text)
            })
    }

    /// Returns the HTTP status that is written inside the error, if it is one of an error.
    pub(super) fn status_inside(&self) -> Option<u16> {
        let number = |value: &Value| match value {
            Value::Number(number) => number.as_u64(),
            Value::String(digits) => digits.parse().ok(),
            _ => None,
        };
        let status = self
            .code
            .and_then(number)
            .or_else(|| self.get("status").and_then(Value::as_u64))?;
        u16::try_from(status)
            .ok()
            .filter(|status| (400..600).contains(status))
    }

    /// Returns the words that may name the class, most telling first, in lower case.
    pub(super) fn words(&self) -> Vec<String> {
        let within = |outer: &str, inner: &str| self.get(outer).and_then(|value| value.get(inner));
        let reasons = self
            .detail_list()
            .iter()
            .filter_map(|detail| detail.get("reason"))
            .filter(|reason| is_truthy(reason));
        let named = [
            within("innererror", "code"),
            within("details", "error_code"),
            within("metadata", "error_type"),
            self.code,
            self.get("type"),
            self.get("status"),
        ];
        reasons
            .chain(named.into_iter().flatten())
            .filter(|word| !word.is_null())
            .map(|word| text(word).to_lowercase())
            .collect()
    }

    /// Returns Google's list of details, empty when there is none.
    pub(super) fn detail_list(&self) -> &'a [Value] {
        match self.get("details") {
            Some(Value::Array(list)) => list,
            _ => &[],
        }
    }

    /// Tells whether the limit that was hit is one per day.
    pub(super) fn is_daily_quota(&self) -> bool {
        self.detail_list()
            .iter()
            .filter_map(|detail| detail.get("violations")?.as_array())
            .flatten()
            .filter_map(|violation| violation.get("quotaId")?.as_str())
            .any(|quota| quota.contains("PerDay"))
    }

    /// Tells whether moderation left its marks.
    pub(super) fn is_moderation(&self) -> bool {
        self.get("metadata").is_some_and(|metadata| {
            metadata.get("flagged_input").is_some() || metadata.get("reasons").is_some()
        })
    }
}

fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn text_of<'a>(fields: &'a Fields, names: &[&str]) -> Cow<'a, str> {
    names
        .iter()
        .filter_map(|name| fields.get(*name))
        .find(|value| is_truthy(value))
        .map(text)
        .unwrap_or_default()
}

fn detail_text(detail: &Value) -> Cow<'_, str> {
    let Value::Array(list) = detail else {
        return text(detail);
    };
    let told: Vec<_> = list
        .iter()
        .map(|entry| text(entry.get("msg").unwrap_or(entry)))
        .collect();
    Cow::Owned(told.join("; "))
}
