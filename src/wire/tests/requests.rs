//! Request bodies, as each provider type wants them.

use serde_json::{Value, json};

use crate::base::{
    ChatRequest, Content, Message, Part, ProviderType, Role, ToolArguments, ToolCall,
};
use crate::wire::{Quirks, encode};

fn request(messages: Vec<Message>) -> ChatRequest {
    ChatRequest::new(messages).with_model("m")
}

fn body(provider_type: ProviderType, request: &ChatRequest) -> Value {
    encode(provider_type, request, &Quirks::default())
}

fn extra(fields: &Value) -> serde_json::Map<String, Value> {
    fields.as_object().expect("an object").clone()
}

fn call(id: Option<&str>, name: &str, arguments: ToolArguments) -> ToolCall {
    ToolCall {
        id: id.map(str::to_owned),
        name: Some(name.to_owned()),
        arguments,
    }
}

/// A question, two calls without ids as Ollama makes them, and their results in another order.
fn conversation_with_tools() -> Vec<Message> {
    let mut calling = Message::assistant("");
    calling.reasoning = Some("hm".to_owned());
    calling.tool_calls = vec![
        call(None, "add", ToolArguments::Json(json!({"a": 1}))),
        call(None, "now", ToolArguments::Text(String::new())),
    ];
    let mut now = Message::text(Role::Tool, "12:00");
    now.name = Some("now".to_owned());
    let sum = Message::text(Role::Tool, "1");
    vec![Message::user("?"), calling, now, sum]
}

#[test]
fn a_plain_stream_asks_for_its_usage() {
    let request = request(vec![Message::system("be brief"), Message::user("hi")]);
    let expected = json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hi"},
        ],
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    assert_eq!(body(ProviderType::OpenAi, &request), expected);
}

#[test]
fn stream_options_go_only_with_a_stream_and_where_they_are_known() {
    let mut request = request(vec![Message::user("hi")]);
    let options = json!({"stream_options": {"include_usage": false, "include_obfuscation": false}});
    request.extra = extra(&options);
    assert_eq!(
        body(ProviderType::OpenAi, &request)["stream_options"],
        json!({"include_usage": true, "include_obfuscation": false})
    );
    let quirks = Quirks {
        no_stream_options: true,
        ..Quirks::default()
    };
    let refused = encode(ProviderType::OpenAi, &request, &quirks);
    assert_eq!(refused.get("stream_options"), None);
    request.stream = false;
    let whole = body(ProviderType::OpenAi, &request);
    assert_eq!(whole.get("stream_options"), None);
    assert_eq!(whole["stream"], false);
}

#[test]
fn the_token_limit_has_the_name_that_the_server_knows() {
    let mut request = request(vec![Message::user("hi")]);
    request.max_tokens = Some(7);
    assert_eq!(body(ProviderType::OpenAi, &request)["max_tokens"], 7);
    let quirks = Quirks {
        max_tokens_field: Some("max_completion_tokens".to_owned()),
        ..Quirks::default()
    };
    let renamed = encode(ProviderType::OpenAi, &request, &quirks);
    assert_eq!(renamed["max_completion_tokens"], 7);
    assert_eq!(renamed.get("max_tokens"), None);
    let ollama = body(ProviderType::Ollama, &request);
    assert_eq!(ollama["options"]["num_predict"], 7);
}

#[test]
fn unknown_fields_travel_through_but_never_over_known_ones() {
    let mut request = request(vec![Message::user("hi")]);
    request.temperature = Some(0.5);
    request.extra = extra(&json!({"x_new": [1], "temperature": 9, "model": "other"}));
    let mut odd = Message::user("a");
    odd.extra = extra(&json!({"cache": true, "role": "root"}));
    request.messages.push(odd);
    for provider_type in [ProviderType::OpenAi, ProviderType::ZhipuAi] {
        let sent = body(provider_type, &request);
        assert_eq!(sent["x_new"], json!([1]));
        assert_eq!(sent["temperature"], 0.5);
        assert_eq!(sent["model"], "m");
        assert_eq!(
            sent["messages"][1],
            json!({"role": "user", "content": "a", "cache": true})
        );
    }
    assert_eq!(body(ProviderType::Ollama, &request)["x_new"], json!([1]));
}

#[test]
fn calls_without_ids_get_some_and_their_results_get_the_same() {
    let sent = body(ProviderType::OpenAi, &request(conversation_with_tools()));
    let expected = json!([
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "call_1_0", "type": "function",
             "function": {"name": "add", "arguments": "{\"a\":1}"}},
            {"id": "call_1_1", "type": "function",
             "function": {"name": "now", "arguments": ""}},
        ]},
        {"role": "tool", "content": "12:00", "tool_call_id": "call_1_1"},
        {"role": "tool", "content": "1", "tool_call_id": "call_1_0"},
    ]);
    assert_eq!(sent["messages"], expected);
}

#[test]
fn zhipu_gets_the_reasoning_back_with_the_calls_that_came_of_it() {
    let mut messages = conversation_with_tools();
    let mut without_calls = Message::assistant("done");
    without_calls.reasoning = Some("easy".to_owned());
    messages.push(without_calls);
    let sent = body(ProviderType::ZhipuAi, &request(messages));
    assert_eq!(sent["messages"][1]["reasoning_content"], "hm");
    assert_eq!(sent["messages"][4].get("reasoning_content"), None);
    assert_eq!(sent.get("stream_options"), None);
}

#[test]
fn zhipu_gets_one_stop_and_a_temperature_within_its_range() {
    let mut request = request(vec![Message::user("hi")]);
    request.stop = vec!["a".to_owned(), "b".to_owned()];
    request.top_p = Some(0.0);
    for (asked, sent, sampling) in [
        (0.0, 0.01, Some(false)),
        (0.5, 0.5, None),
        (1.0, 0.99, None),
        (2.0, 0.99, None),
    ] {
        request.temperature = Some(asked);
        let body = body(ProviderType::ZhipuAi, &request);
        assert_eq!(body["temperature"], sent);
        assert_eq!(body.get("do_sample").and_then(Value::as_bool), sampling);
        assert_eq!(body["stop"], json!(["a"]));
        assert_eq!(body["top_p"], 0.01);
    }
}

#[test]
fn no_tools_are_sent_where_none_may_be_called_and_that_cannot_be_said() {
    let mut request = request(vec![Message::user("hi")]);
    request.tools = vec![json!({"type": "function", "function": {"name": "f"}})];
    request.tool_choice = Some("none".into());
    for provider_type in [ProviderType::ZhipuAi, ProviderType::Ollama] {
        assert_eq!(body(provider_type, &request).get("tools"), None);
    }
    let openai = body(ProviderType::OpenAi, &request);
    assert_eq!(openai["tool_choice"], "none");
    assert_eq!(openai["tools"], json!(request.tools));
}

#[test]
fn ollama_gets_objects_names_and_thinking() {
    let mut messages = conversation_with_tools();
    let mut bad = Message::assistant("");
    bad.tool_calls = vec![call(
        Some("c9"),
        "cut",
        ToolArguments::Text("{\"a".to_owned()),
    )];
    let mut result = Message::text(Role::Tool, "no");
    result.tool_call_id = Some("c9".to_owned());
    messages.extend([bad, result]);
    let sent = body(ProviderType::Ollama, &request(messages));
    let expected = json!([
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
            {"function": {"name": "add", "arguments": {"a": 1}}},
            {"function": {"name": "now", "arguments": {}}},
        ]},
        {"role": "tool", "content": "12:00", "tool_name": "now"},
        {"role": "tool", "content": "1"},
        {"role": "assistant", "content": "", "tool_calls": [
            {"id": "c9", "function": {"name": "cut", "arguments": {"arguments": "{\"a"}}},
        ]},
        {"role": "tool", "content": "no", "tool_name": "cut", "tool_call_id": "c9"},
    ]);
    assert_eq!(sent["messages"], expected);
}

#[test]
fn ollama_gets_embedded_images_and_says_what_it_cannot_take() {
    let mut message = Message::user("");
    message.content = Content::Parts(vec![
        Part::Text("look: ".to_owned()),
        Part::Other(json!({"type": "image_url",
                           "image_url": {"url": "data:image/png;base64,iVBOR", "detail": "low"}})),
        Part::Other(
            json!({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}),
        ),
        Part::Other(json!({"type": "text", "text": "bye", "cached": true})),
    ]);
    let sent = body(ProviderType::Ollama, &request(vec![message.clone()]));
    assert_eq!(
        sent["messages"][0],
        json!({
            "role": "user",
            "content": "look: [an image_url was left out: only text and embedded images can be sent here]bye",
            "images": ["iVBOR"],
        })
    );
    let openai = body(ProviderType::OpenAi, &request(vec![message]));
    assert_eq!(
        openai["messages"][0]["content"][1]["image_url"]["detail"],
        "low"
    );
}

#[test]
fn ollama_gets_openai_s_wishes_in_its_own_words() {
    let mut request = request(vec![Message::user("hi")]);
    request.temperature = Some(0.1);
    request.top_p = Some(0.9);
    request.seed = Some(3);
    request.stop = vec!["x".to_owned()];
    request.extra = extra(&json!({
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
        "reasoning_effort": "minimal",
        "frequency_penalty": 0.3,
        "options": {"num_ctx": 8192, "seed": 1},
        "keep_alive": "5m",
    }));
    let sent = body(ProviderType::Ollama, &request);
    let expected = json!({
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": true,
        "format": {"type": "object"},
        "think": "low",
        "options": {
            "num_ctx": 8192,
            "frequency_penalty": 0.3,
            "temperature": 0.1,
            "top_p": 0.9,
            "seed": 3,
            "stop": ["x"],
        },
        "keep_alive": "5m",
    });
    assert_eq!(sent, expected);
}
