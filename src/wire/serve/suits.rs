//! Whether an instance of another protocol can do what a request asks for. What it cannot is named, never dropped.

use serde_json::Value;

use crate::base::{ChatRequest, Content, Part, ProviderType};

/// Fields that ask for nothing an answer could show: who asks, where it is kept, what it costs; and what the server
/// does by itself.
const HARMLESS: [&str; 9] = [
    "user",
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "keep_alive",
    "stream_options",
];

/// What each type knows of OpenAI's vocabulary, by a translation in this module's neighbours or as it is.
const fn known(provider_type: ProviderType) -> &'static [&'static str] {
    match provider_type {
        ProviderType::OpenAi => &[
            "response_format",
            "reasoning_effort",
            "verbosity",
            "frequency_penalty",
            "presence_penalty",
            "parallel_tool_calls",
            "logit_bias",
            "top_k",
            "min_p",
            "repeat_penalty",
        ],
        ProviderType::Ollama => &[
            "response_format",
            "reasoning_effort",
            "frequency_penalty",
            "presence_penalty",
            "repeat_penalty",
            "top_k",
            "min_p",
            "num_ctx",
            "options",
        ],
        ProviderType::ZhipuAi => &["response_format", "reasoning_effort"],
    }
}

/// Returns what an instance of a type cannot do of a request that came in another protocol, in words that begin with
/// the field's name; `None` when it can do everything.
pub fn unsuited(provider_type: ProviderType, request: &ChatRequest) -> Option<String> {
    let cannot = |field: &str| format!("'{field}' cannot be translated for {provider_type}");
    for (field, value) in &request.extra {
        if is_nothing(field, value) || HARMLESS.contains(&field.as_str()) {
            continue;
        }
        // A window's size is a wish for a local server's memory; others have theirs.
        if !known(provider_type).contains(&field.as_str()) && field != "num_ctx" {
            return Some(cannot(field));
        }
    }
    let wants_schema = request
        .extra
        .get("response_format")
        .and_then(|format| format.get("type"))
        .is_some_and(|kind| kind == "json_schema");
    match provider_type {
        ProviderType::OpenAi => {}
        ProviderType::Ollama => {
            if request.tool_choice.as_ref().is_some_and(is_forced) {
                return Some(cannot("tool_choice"));
            }
        }
        ProviderType::ZhipuAi => {
            if wants_schema {
                return Some(cannot("response_format.type = json_schema"));
            }
            if request.tool_choice.as_ref().is_some_and(is_forced) {
                return Some(cannot("tool_choice"));
            }
            if request.stop.len() > 1 {
                return Some(cannot("stop with more than one text"));
            }
        }
    }
    let foreign_tool = |tool: &Value| tool.get("type").is_some_and(|kind| kind != "function");
    if let Some(at) = request.tools.iter().position(foreign_tool)
        && provider_type != ProviderType::OpenAi
    {
        return Some(cannot(&format!("tools[{at}].type")));
    }
    request
        .messages
        .iter()
        .enumerate()
        .find_map(|(at, message)| {
            let Content::Parts(parts) = &message.content else {
                return None;
            };
            let part = parts.iter().position(|part| !takes(provider_type, part))?;
            Some(cannot(&format!("messages[{at}].content[{part}]")))
        })
}

/// Tells whether a field asks for nothing: null, or what happens anyway.
fn is_nothing(field: &str, value: &Value) -> bool {
    let asks_nothing = match field {
        "n" => *value == 1,
        "logprobs" | "echo" => *value == false,
        "top_logprobs" => *value == 0,
        "parallel_tool_calls" => *value == true,
        "frequency_penalty" | "presence_penalty" => value.as_f64() == Some(0.0),
        "modalities" => value
            .as_array()
            .is_some_and(|all| all.iter().all(|one| one == "text")),
        "response_format" => value.get("type").is_some_and(|kind| kind == "text"),
        _ => false,
    };
    asks_nothing || value.is_null()
}

/// Tells whether a choice of tools forces one.
fn is_forced(choice: &Value) -> bool {
    !matches!(choice.as_str(), Some("auto" | "none"))
}

fn takes(provider_type: ProviderType, part: &Part) -> bool {
    let Part::Other(value) = part else {
        return true;
    };
    match (value.get("type").and_then(Value::as_str), provider_type) {
        (Some("text"), _) | (_, ProviderType::OpenAi) => true,
        (Some("image_url"), ProviderType::ZhipuAi) => true,
        (Some("image_url"), ProviderType::Ollama) => {
            let image = value.get("image_url");
            let url = image.and_then(|image| image.get("url").unwrap_or(image).as_str());
            url.is_some_and(|url| url.starts_with("data:") && url.contains(";base64,"))
        }
        _ => false,
    }
}
