//! What a simulated model says to a request, as pieces, before any of it is sent.

mod tool;

use serde_json::Value;

use super::plan::Plan;
use super::{InstanceProfile, texts};
use crate::base::{ChatRequest, Chunk, FinishReason, ProviderType, Role, Usage};

/// The longest part of a question that is read, in characters.
const LONGEST_QUESTION: usize = 2_000;

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// Its pieces; each is one token.
    pub(super) pieces: Vec<Chunk>,
    /// Why it ends.
    pub(super) finish: FinishReason,
    prompt_tokens: u64,
}

impl Answer {
    /// Writes the answer to a request.
    pub(super) fn write(profile: &InstanceProfile, plan: &Plan, request: &ChatRequest) -> Self {
        if profile.provider_type == ProviderType::Ollama && request.messages.is_empty() {
            return Self::load(request);
        }
        let question = question(request);
        let mut pieces = Vec::new();
        if profile.reasoning && wants_reasoning(request) {
            let thought = texts::thought(&question, plan.pick);
            pieces.extend(owned(thought).map(Chunk::Reasoning));
        }
        let mut finish = FinishReason::Stop;
        if let Some(calls) = tool::call(profile.provider_type, request, &question, plan.pick) {
            pieces.extend(calls);
            finish = FinishReason::ToolCalls;
        } else {
            let mut text = match (tool::result(request), plan.length) {
                (Some(text), _) => text,
                (None, Some(tokens)) => texts::answer_of_length(&question, plan.pick, tokens),
                (None, None) => texts::answer(&question, plan.pick),
            };
            for stop in request.stop.iter().filter(|stop| !stop.is_empty()) {
                if let Some(at) = text.find(stop.as_str()) {
                    text.truncate(at);
                }
            }
            pieces.extend(owned(&text).map(Chunk::Text));
        }
        if let Some(most) = request.max_tokens
            && (pieces.len() as u64) > most
        {
            pieces.truncate(most as usize);
            finish = FinishReason::Length;
        }
        Self {
            pieces,
            finish,
            prompt_tokens: request.estimated_prompt_tokens(),
        }
    }

    /// Ollama loads its model when it is asked nothing, and unloads it when it shall keep it for no time.
    fn load(request: &ChatRequest) -> Self {
        let keeps_it = request.extra.get("keep_alive").and_then(Value::as_u64) != Some(0);
        Self {
            pieces: Vec::new(),
            finish: if keeps_it {
                FinishReason::Load
            } else {
                FinishReason::Unload
            },
            prompt_tokens: 0,
        }
    }

    /// Returns the tokens of prompt and answer together.
    pub(super) fn tokens(&self) -> u64 {
        self.prompt_tokens + self.pieces.len() as u64
    }

    /// Returns the usage after the first `sent` pieces.
    pub(super) fn usage(&self, sent: usize) -> Usage {
        let reasoning = self
            .pieces
            .iter()
            .take(sent)
            .filter(|piece| matches!(piece, Chunk::Reasoning(_)))
            .count() as u64;
        let sent = sent as u64;
        Usage {
            prompt_tokens: Some(self.prompt_tokens),
            completion_tokens: Some(sent),
            total_tokens: Some(self.prompt_tokens + sent),
            reasoning_tokens: (reasoning > 0).then_some(reasoning),
            ..Usage::default()
        }
    }
}

fn owned(text: &str) -> impl Iterator<Item = String> {
    texts::pieces(text).into_iter().map(str::to_owned)
}

fn question(request: &ChatRequest) -> String {
    request
        .messages
        .iter()
        .rfind(|message| message.role == Role::User)
        .map(|message| message.content.to_text())
        .unwrap_or_default()
        .chars()
        .take(LONGEST_QUESTION)
        .collect()
}

/// Reads the switches of Ollama (`think`) and Zhipu (`thinking.type`).
fn wants_reasoning(request: &ChatRequest) -> bool {
    let is_off = request.extra.get("think") == Some(&Value::Bool(false))
        || request
            .extra
            .get("thinking")
            .and_then(|thinking| thinking.get("type"))
            .and_then(Value::as_str)
            == Some("disabled");
    !is_off
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::{self, Message};

    fn write(change: impl FnOnce(&mut InstanceProfile, &mut ChatRequest)) -> base::Answer {
        let (answer, _) = write_with_usage(change);
        answer
    }

    fn write_with_usage(
        change: impl FnOnce(&mut InstanceProfile, &mut ChatRequest),
    ) -> (base::Answer, Usage) {
        let mut profile = InstanceProfile::new("a", ProviderType::OpenAi);
        let mut request = ChatRequest::new(vec![Message::user("Hello")]);
        change(&mut profile, &mut request);
        let plan = Plan::draw(1, &profile, 0);
        let written = Answer::write(&profile, &plan, &request);
        let mut answer = base::Answer::default();
        for piece in &written.pieces {
            answer.push(piece);
        }
        answer.push(&Chunk::Finish {
            reason: written.finish,
            raw: None,
        });
        let usage = written.usage(written.pieces.len());
        (answer, usage)
    }

    fn tool() -> Value {
        json!({"type": "function", "function": {"name": "get_weather", "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
        }}})
    }

    #[test]
    fn a_question_is_answered_and_counted() {
        let (answer, usage) = write_with_usage(|_, _| {});
        assert!(answer.so_far().text.starts_with("## Welcome"));
        assert_eq!(answer.so_far().finish_reason, Some(FinishReason::Stop));
        assert_eq!(usage.prompt_tokens, Some(6));
        assert_eq!(usage.reasoning_tokens, None);
        assert!(usage.completion_tokens > Some(80));
    }

    #[test]
    fn the_last_user_message_is_the_question() {
        let answer = write(|_, request| {
            request.messages = vec![
                Message::system("config config config"),
                Message::user("Hello"),
                Message::assistant("themes"),
                Message::user("Which keys?"),
            ];
        });
        assert!(answer.so_far().text.starts_with("## Keys"));
    }

    #[test]
    fn reasoning_comes_first_and_can_be_switched_off() {
        let (answer, usage) = write_with_usage(|profile, _| profile.reasoning = true);
        assert!(!answer.so_far().reasoning.is_empty());
        assert!(usage.reasoning_tokens > Some(10));
        for (key, value) in [
            ("think", json!(false)),
            ("thinking", json!({"type": "disabled"})),
        ] {
            let answer = write(|profile, request| {
                profile.reasoning = true;
                request.extra.insert(key.to_owned(), value);
            });
            assert!(answer.so_far().reasoning.is_empty(), "{key}");
        }
    }

    #[test]
    fn max_tokens_and_stop_texts_end_it() {
        let (answer, usage) = write_with_usage(|_, request| request.max_tokens = Some(5));
        assert_eq!(answer.so_far().finish_reason, Some(FinishReason::Length));
        assert_eq!(usage.completion_tokens, Some(5));
        let answer = write(|_, request| request.stop = vec!["llmdeck".to_owned()]);
        assert_eq!(answer.so_far().text, "## Welcome to ");
        assert_eq!(answer.so_far().finish_reason, Some(FinishReason::Stop));
    }

    #[test]
    fn a_tool_is_called_when_the_question_asks_for_it() {
        let answer = write(|_, request| {
            request.messages = vec![Message::user("How is the weather in Oslo for 3 days?")];
            request.tools = vec![tool()];
        });
        let call = &answer.so_far().tool_calls[0];
        assert_eq!(call.name.as_deref(), Some("get_weather"));
        assert_eq!(
            call.arguments.parse().unwrap(),
            json!({"city": "Oslo", "days": 3, "unit": "C"})
        );
        assert_eq!(answer.so_far().finish_reason, Some(FinishReason::ToolCalls));
        assert!(answer.so_far().text.is_empty());
    }

    #[test]
    fn a_tool_is_not_called_unasked_or_when_forbidden_but_when_required() {
        let calls = |question: &str, choice: Option<Value>| {
            let answer = write(|_, request| {
                request.messages = vec![Message::user(question)];
                request.tools = vec![tool()];
                request.tool_choice = choice;
            });
            !answer.so_far().tool_calls.is_empty()
        };
        assert!(!calls("Hello", None));
        assert!(!calls("the weather?", Some(json!("none"))));
        assert!(calls("Hello", Some(json!("required"))));
        let named = json!({"type": "function", "function": {"name": "get_weather"}});
        assert!(calls("Hello", Some(named)));
    }

    #[test]
    fn a_tools_result_is_repeated_and_no_tool_called_again() {
        let answer = write(|_, request| {
            let result = Message {
                name: Some("get_weather".to_owned()),
                ..Message::text(Role::Tool, "-4 degrees, snow")
            };
            request.messages = vec![Message::user("the weather?"), result];
            request.tools = vec![tool()];
        });
        assert!(answer.so_far().text.contains("-4 degrees, snow"));
        assert!(answer.so_far().tool_calls.is_empty());
    }

    #[test]
    fn ollama_gets_its_arguments_as_an_object() {
        let answer = write(|profile, request| {
            profile.provider_type = ProviderType::Ollama;
            request.messages = vec![Message::user("call the tool")];
            request.tools = vec![tool()];
        });
        let arguments = &answer.so_far().tool_calls[0].arguments;
        assert!(matches!(arguments, base::ToolArguments::Json(_)));
    }

    #[test]
    fn ollama_loads_and_unloads_when_asked_nothing() {
        let finish = |keep_alive: Option<Value>| {
            let answer = write(|profile, request| {
                profile.provider_type = ProviderType::Ollama;
                request.messages.clear();
                if let Some(keep_alive) = keep_alive {
                    request.extra.insert("keep_alive".to_owned(), keep_alive);
                }
            });
            assert!(answer.so_far().text.is_empty());
            answer.so_far().finish_reason
        };
        assert_eq!(finish(None), Some(FinishReason::Load));
        assert_eq!(finish(Some(json!(300))), Some(FinishReason::Load));
        assert_eq!(finish(Some(json!(0))), Some(FinishReason::Unload));
    }
}
