//! Calling a tool, as well as one can who understands nothing: the name is found in the question, the arguments
//! are made up from the schema.

use serde_json::{Map, Value};

use crate::base::{ChatRequest, Chunk, ProviderType, Role, ToolArguments, ToolCallDelta};

/// The most arguments that are made up.
const MOST_ARGUMENTS: usize = 16;
/// The longest part of a tool's result that is repeated, in characters.
const LONGEST_RESULT: usize = 2_000;
/// Characters of arguments in one piece.
const PIECE: usize = 8;

/// Returns the pieces of a tool call, when one is due.
pub(super) fn call(
    provider_type: ProviderType,
    request: &ChatRequest,
    question: &str,
    pick: u64,
) -> Option<Vec<Chunk>> {
    let is_result = request.messages.last()?.role == Role::Tool;
    let function = if is_result {
        None
    } else {
        choose(request, question)
    }?;
    let name = function.get("name")?.as_str()?.to_owned();
    let arguments = arguments(function, question);
    let id = match provider_type {
        ProviderType::OpenAi | ProviderType::ZhipuAi => format!("call_sim{pick:016x}"),
        ProviderType::Ollama => format!("call_{:08x}", pick as u32),
    };
    let delta = |id, name, arguments| {
        Chunk::ToolCall(ToolCallDelta {
            index: 0,
            id,
            name,
            arguments: Some(arguments),
        })
    };
    let (id, name) = (Some(id), Some(name));
    let pieces = match provider_type {
        ProviderType::Ollama => vec![delta(id, name, ToolArguments::Json(arguments))],
        ProviderType::ZhipuAi => {
            vec![delta(id, name, ToolArguments::Text(arguments.to_string()))]
        }
        ProviderType::OpenAi => {
            let text: Vec<char> = arguments.to_string().chars().collect();
            let first = delta(id, name, ToolArguments::Text(String::new()));
            let more = text
                .chunks(PIECE)
                .map(|piece| delta(None, None, ToolArguments::Text(piece.iter().collect())));
            std::iter::once(first).chain(more).collect()
        }
    };
    Some(pieces)
}

/// Returns what to say to a tool's result, when the last message is one.
pub(super) fn result(request: &ChatRequest) -> Option<String> {
    let last = request
        .messages
        .last()
        .filter(|last| last.role == Role::Tool)?;
    let name = last.name.as_deref().unwrap_or("tool");
    let result: String = last
        .content
        .to_text()
        .replace("```", "'''")
        .chars()
        .take(LONGEST_RESULT)
        .collect();
    Some(format!(
        "`{name}` answered:\n\n```text\n{result}\n```\n\nI am a simulated model inside llmdeck, so I repeat it and do not interpret it."
    ))
}

fn choose<'a>(request: &'a ChatRequest, question: &str) -> Option<&'a Value> {
    let functions = || request.tools.iter().filter_map(|tool| tool.get("function"));
    let name_of = |function: &Value| {
        let name = function.get("name").and_then(Value::as_str);
        name.unwrap_or_default().to_owned()
    };
    match &request.tool_choice {
        Some(Value::String(choice)) if choice == "none" => None,
        Some(Value::String(choice)) if choice == "required" => functions().next(),
        Some(Value::Object(choice)) => {
            let wanted = choice.get("function")?.get("name")?.as_str()?;
            functions().find(|function| name_of(function) == wanted)
        }
        _ => {
            let question = question.to_lowercase();
            let is_asked = |name: &str| {
                name.to_lowercase()
                    .split(|c: char| !c.is_alphanumeric())
                    .any(|word| word.chars().count() >= 4 && question.contains(word))
            };
            functions()
                .find(|function| is_asked(&name_of(function)))
                .or_else(|| {
                    let asks = question.contains("tool") || question.contains("工具");
                    asks.then(|| functions().next()).flatten()
                })
        }
    }
}

fn arguments(function: &Value, question: &str) -> Value {
    let properties = function
        .get("parameters")
        .and_then(|parameters| parameters.get("properties"))
        .and_then(Value::as_object);
    let arguments: Map<String, Value> = properties
        .into_iter()
        .flatten()
        .take(MOST_ARGUMENTS)
        .map(|(name, schema)| (name.clone(), argument(schema, question)))
        .collect();
    Value::Object(arguments)
}

fn argument(schema: &Value, question: &str) -> Value {
    let first_choice = schema.get("enum").and_then(|choices| choices.get(0));
    if let Some(value) = schema.get("default").or(first_choice) {
        return value.clone();
    }
    let number = question
        .split(|c: char| !c.is_ascii_digit())
        .find_map(|digits| digits.parse::<i64>().ok());
    match schema.get("type").and_then(Value::as_str) {
        Some("integer" | "number") => number.unwrap_or(1).into(),
        Some("boolean") => true.into(),
        Some("array") => Value::Array(Vec::new()),
        Some("object") => Value::Object(Map::new()),
        _ => word(question).into(),
    }
}

/// The last word with a capital, else the last word: most questions name what they are about at their end.
fn word(question: &str) -> &str {
    let words = || {
        question
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
    };
    words()
        .skip(1)
        .filter(|word| word.starts_with(char::is_uppercase))
        .last()
        .or_else(|| words().next_back())
        .unwrap_or_default()
}
