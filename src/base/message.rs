//! What is said in a chat, and by whom.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The persona and the rules; OpenAI's `developer` counts as this.
    #[serde(alias = "developer")]
    System,
    /// The person who asks.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

impl Role {
    /// Returns the word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One message of a chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    #[serde(default)]
    pub content: Content,
    /// The model's reasoning that came with an assistant message, to be sent back where a provider wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// Calls that an assistant message makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// The speaker's name, where the protocol has one; for a tool message the tool's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Fields nobody thought of, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Message {
    /// Makes a message of plain text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            content: Content::Text(text.into()),
            reasoning: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            name: None,
            extra: Map::new(),
        }
    }

    /// Makes a system message of plain text.
    pub fn system(text: impl Into<String>) -> Self {
        Self::text(Role::System, text)
    }

    /// Makes a user message of plain text.
    pub fn user(text: impl Into<String>) -> Self {
        Self::text(Role::User, text)
    }

    /// Makes an assistant message of plain text.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::text(Role::Assistant, text)
    }
}

/// The content of a message: text, or parts of which some are not text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Parts in their order.
    Parts(Vec<Part>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Content {
    /// Returns all text of the content, parts joined without a separator.
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    Part::Text(text) => Some(text.as_str()),
                    Part::Other(_) => None,
                })
                .collect(),
        }
    }

    /// Tells whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Parts(parts) => parts.is_empty(),
        }
    }
}

/// One part of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Value", into = "Value")]
pub enum Part {
    /// Plain text.
    Text(String),
    /// Anything else (image, audio, file ...), in OpenAI's shape, kept unread.
    Other(Value),
}

impl From<Value> for Part {
    fn from(value: Value) -> Self {
        if let Value::Object(fields) = &value
            && fields.len() == 2
            && fields.get("type").and_then(Value::as_str) == Some("text")
            && let Some(text) = fields.get("text").and_then(Value::as_str)
        {
            return Self::Text(text.to_owned());
        }
        Self::Other(value)
    }
}

impl From<Part> for Value {
    fn from(part: Part) -> Self {
        match part {
            Part::Text(text) => serde_json::json!({"type": "text", "text": text}),
            Part::Other(value) => value,
        }
    }
}

/// A call of a tool by the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call, where it gives one.
    pub id: Option<String>,
    /// The tool's name.
    pub name: Option<String>,
    /// The arguments, in the form in which the wire has them.
    pub arguments: ToolArguments,
}

/// Arguments of a tool call: text on OpenAI's wire (maybe not even valid JSON), an object on Ollama's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ToolArguments {
    /// The exact string that was received.
    Text(String),
    /// An object that was received as such.
    Json(Value),
}

impl ToolArguments {
    /// Returns the arguments as JSON text.
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Json(value) => value.to_string(),
        }
    }

    /// Parses the arguments.
    ///
    /// # Errors
    /// When the text is not JSON.
    pub fn parse(&self) -> Result<Value, serde_json::Error> {
        match self {
            Self::Text(text) if text.is_empty() => Ok(Value::Object(Map::new())),
            Self::Text(text) => serde_json::from_str(text),
            Self::Json(value) => Ok(value.clone()),
        }
    }
}
