//! The inputs of the design document, and how they become messages.
//!
//! 1. One system message: `prompt`, in which `{role_name}` and `{you_name}` are replaced by the names; then, when
//!    `long_history` holds anything, a blank line, the line `Recalled from earlier conversations:` and each recalled
//!    text on lines of its own. Without either there is no system message.
//! 2. The turns of `short_history` in order, each a user message and, when it was answered, an assistant message.
//! 3. `query` as a user message.
//!
//! The names are not sent otherwise: they are for the callbacks.

use crate::base::{ChatRequest, Error, Message, ProviderType, Target};

/// One earlier turn of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// What the person said.
    pub query: String,
    /// What was answered; empty when it was not.
    pub answer: String,
}

impl Turn {
    /// Makes a turn.
    pub fn new(query: impl Into<String>, answer: impl Into<String>) -> Self {
        Self {
            query: query.into(),
            answer: answer.into(),
        }
    }
}

/// The inputs of `chat` and `chat_stream` as the design document has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatInput {
    /// The persona.
    pub prompt: String,
    /// The provider type (`openai`, `ollama`, `zhipuai`); empty for any.
    pub provider_type: String,
    /// What the answering side is called.
    pub role_name: String,
    /// What the asking side is called.
    pub you_name: String,
    /// The question.
    pub query: String,
    /// Earlier turns of this conversation.
    pub short_history: Vec<Turn>,
    /// Texts recalled from earlier conversations.
    pub long_history: Vec<String>,
    /// The model; `None` takes the instance's default.
    pub model: Option<String>,
}

impl ChatInput {
    /// Makes an input of a question to any type.
    pub fn new(query: impl Into<String>) -> Self {
        Self {
            query: query.into(),
            ..Self::default()
        }
    }

    /// Makes the request.
    ///
    /// # Errors
    /// When the type is not known; the message lists those that are.
    pub fn to_request(&self) -> Result<ChatRequest, Error> {
        let target = match self.provider_type.as_str() {
            "" => Target::Any,
            name => Target::Type(name.parse::<ProviderType>()?),
        };
        let mut messages = Vec::with_capacity(2 * self.short_history.len() + 2);
        let system = self.system_message();
        if !system.is_empty() {
            messages.push(Message::system(system));
        }
        for turn in &self.short_history {
            messages.push(Message::user(&turn.query));
            if !turn.answer.is_empty() {
                messages.push(Message::assistant(&turn.answer));
            }
        }
        messages.push(Message::user(&self.query));
        let mut request = ChatRequest::new(messages).with_target(target);
        request.model.clone_from(&self.model);
        Ok(request)
    }

    fn system_message(&self) -> String {
        let mut system = self
            .prompt
            .replace("{role_name}", &self.role_name)
            .replace("{you_name}", &self.you_name);
        let recalled: Vec<&str> = self
            .long_history
            .iter()
            .map(|text| text.trim())
            .filter(|text| !text.is_empty())
            .collect();
        if !recalled.is_empty() {
            if !system.is_empty() {
                system.push_str("\n\n");
            }
            system.push_str("Recalled from earlier conversations:\n");
            system.push_str(&recalled.join("\n"));
        }
        system
    }
}

impl TryFrom<&ChatInput> for ChatRequest {
    type Error = Error;

    fn try_from(input: &ChatInput) -> Result<Self, Error> {
        input.to_request()
    }
}

#[cfg(test)]
mod tests {
    use crate::base::Role;

    use super::*;

    #[test]
    fn inputs_become_messages_in_the_documented_order() {
        let input = ChatInput {
            prompt: "You are {role_name}, a guide of {you_name}.".to_owned(),
            provider_type: "ollama".to_owned(),
            role_name: "Ada".to_owned(),
            you_name: "Bo".to_owned(),
            query: "And now?".to_owned(),
            short_history: vec![Turn::new("Hi", "Hello"), Turn::new("Lost", "")],
            long_history: vec![
                "Bo likes tea.".to_owned(),
                " ".to_owned(),
                "Bo lives in Rome.".to_owned(),
            ],
            model: Some("m".to_owned()),
        };
        let request = input.to_request().unwrap();
        assert_eq!(request.target, Target::Type(ProviderType::Ollama));
        assert_eq!(request.model.as_deref(), Some("m"));
        let said: Vec<(Role, String)> = request
            .messages
            .iter()
            .map(|message| (message.role, message.content.to_text()))
            .collect();
        let expected = [
            (
                Role::System,
                "You are Ada, a guide of Bo.\n\nRecalled from earlier conversations:\nBo likes tea.\nBo lives in Rome.",
            ),
            (Role::User, "Hi"),
            (Role::Assistant, "Hello"),
            (Role::User, "Lost"),
            (Role::User, "And now?"),
        ];
        assert_eq!(said, expected.map(|(role, text)| (role, text.to_owned())));
    }

    #[test]
    fn without_a_persona_there_is_no_system_message() {
        let request = ChatInput::new("Hi").to_request().unwrap();
        assert_eq!(request.messages, [Message::user("Hi")]);
    }

    #[test]
    fn an_unknown_type_lists_the_known_ones() {
        let input = ChatInput {
            provider_type: "opnai".to_owned(),
            ..ChatInput::new("Hi")
        };
        let error = input.to_request().unwrap_err();
        assert_eq!(
            error.message(),
            "unknown provider type 'opnai'; known types: openai, ollama, zhipuai"
        );
    }
}
