//! What the two ends say to each other. `docs/admin-api.md` describes it for people.
//!
//! [`LINE`] is raised when one end could not understand the other any more.

use std::time::Duration;

use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::base::{
    Attempt, Changed, ChatRequest, Chunk, Command, Error, ErrorKind, InstanceName, Scope,
};

/// The version of the line.
pub const LINE: u32 = 1;

/// What the `Upgrade` header says.
pub(super) fn protocol() -> String {
    format!("llmdeck-line/{LINE}")
}

/// The number of a chat, a command or a view; the console chooses it, each kind counts by itself.
pub(super) type Number = u64;

/// What the console says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromConsole {
    /// It wants to see something, and to hear of it when it changes.
    View {
        id: Number,
        what: What,
        /// At most once in so many milliseconds.
        every: u64,
    },
    /// It does not look at a view any more.
    Close { id: Number },
    /// It lost track of a view and wants all of it.
    Again { id: Number },
    /// It wants the last requests that ended.
    Requests { limit: usize },
    /// It asks.
    Chat {
        id: Number,
        request: Box<ChatRequest>,
    },
    /// It does not want the answer any more.
    Cancel { id: Number },
    /// It gives a command.
    Command {
        id: Number,
        #[serde(serialize_with = "with_secrets")]
        command: Command,
    },
    /// It is still there.
    Beat,
}

/// Writes a command for the gateway: the key of a new instance must get there, which otherwise is never written.
fn with_secrets<S: Serializer>(command: &Command, serializer: S) -> Result<S::Ok, S::Error> {
    let mut written = serde_json::to_value(command).map_err(S::Error::custom)?;
    if let Command::AddInstance { settings } = command {
        written["settings"] = Value::Object(settings.expose().clone());
    }
    written.serialize(serializer)
}

/// What can be seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// The board.
    Board,
    /// Figures over time.
    Series {
        scope: Scope,
        window: Duration,
        buckets: usize,
    },
    /// Figures over a window as one set of numbers.
    Window { scope: Scope, window: Duration },
    /// The last failures.
    Failures { limit: usize },
    /// Figures since the start by label set.
    Figures,
}

/// What the gateway says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromGateway {
    /// The first message.
    Hello(Hello),
    /// A view, all of it.
    Full { id: Number, t: i64, value: Value },
    /// What is different in a view; `n` counts from 1 after a full one.
    Patch {
        id: Number,
        n: u64,
        t: i64,
        patch: Value,
    },
    /// What happened, in the compact form.
    Events { t: i64, list: Vec<Value> },
    /// Requests that ended, newest first, in the compact form.
    Requests { list: Vec<Value> },
    /// Pieces of an answer.
    Chunks { id: Number, list: Vec<Chunk> },
    /// An answer's stream is over; nothing follows.
    ChatEnded {
        id: Number,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Told>,
    },
    /// A command was carried out.
    Changed { id: Number, changed: Changed },
    /// A command was not carried out.
    Refused { id: Number, error: Told },
    /// It is still there.
    Beat { t: i64 },
    /// It leaves, and says why.
    Bye { why: String },
}

/// How the gateway introduces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// The program's version.
    pub(super) llmdeck: String,
    /// The version of the line.
    pub(super) line: u32,
    /// Under which name this console's commands are told to others.
    pub(super) by: String,
    /// Whether commands and chats are refused.
    pub(super) read_only: bool,
    /// The pool's age in milliseconds.
    pub(super) t: i64,
}

/// An error on the line, and in the answers of the admin API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) kind: ErrorKind,
    pub(super) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instance: Option<InstanceName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retry_after: Option<Duration>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) attempts: Vec<Attempt>,
}

impl From<&Error> for Told {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            message: error.message().to_owned(),
            hint: Some(error.hint())
                .filter(|hint| *hint != error.kind().hint())
                .map(str::to_owned),
            instance: error.instance().cloned(),
            code: error.code().map(str::to_owned),
            detail: error.detail().map(str::to_owned),
            status: error.status(),
            retry_after: error.retry_after(),
            attempts: error.attempts().to_vec(),
        }
    }
}

/// The details that errors have; a word that is not among them is left out.
const DETAILS: [&str; 8] = [
    "bad_json",
    "connect",
    "empty_stream",
    "finish_reason",
    "no_models",
    "too_long",
    "total",
    "truncated",
];

impl From<Told> for Error {
    fn from(told: Told) -> Self {
        let mut error = Self::new(told.kind, &told.message).with_attempts(told.attempts);
        let detail = told
            .detail
            .and_then(|said| DETAILS.into_iter().find(|known| *known == said));
        if let Some(detail) = detail {
            error = error.with_detail(detail);
        }
        if let Some(hint) = told.hint {
            error = error.with_hint(crate::base::clean_line(&hint));
        }
        if let Some(instance) = told.instance {
            error = error.with_instance(instance);
        }
        if let Some(code) = told.code {
            error = error.with_code(code);
        }
        if let Some(status) = told.status {
            error = error.with_status(status);
        }
        if let Some(wait) = told.retry_after {
            error = error.with_retry_after(wait);
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_new_instance_gets_there_and_is_never_shown() {
        let text = r#"{"command":"add_instance","settings":{"name":"b","key":"sk-secret"}}"#;
        let command: Command = serde_json::from_str(text).unwrap();
        let message = FromConsole::Command { id: 1, command };
        assert!(!format!("{message:?}").contains("sk-secret"));
        let line = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<FromConsole>(&line).unwrap(), message);
        assert!(line.contains("sk-secret"));
    }

    #[test]
    fn an_error_comes_through_whole() {
        let error = Error::protocol("truncated", "it stopped")
            .with_hint("look there")
            .with_instance("a".into())
            .with_code("c")
            .with_status(502)
            .with_retry_after(Duration::from_secs(3));
        let line = serde_json::to_string(&Told::from(&error)).unwrap();
        let back = Error::from(serde_json::from_str::<Told>(&line).unwrap());
        assert_eq!(back, error);
        assert_eq!(
            (back.hint(), back.status(), back.retry_after()),
            (error.hint(), error.status(), error.retry_after())
        );
    }
}
