//! Every front onto every type of instance: whole, in a stream, with tools.

use llmdeck::ProviderType;
use llmdeck::sim::InstanceProfile;
use serde_json::{Value, json};

use super::rig::{Front, chat, events, quick, read};
use crate::support::types;

const QUESTION: &str = "What are permits?";

/// A path, a request, and where the text of a whole answer stands.
type Case = (&'static str, Value, fn(&Value) -> &Value);

fn cases(model: &str) -> Vec<Case> {
    vec![
        ("/v1/chat/completions", chat(model, false), |answer| {
            &answer["choices"][0]["message"]["content"]
        }),
        (
            "/v1/completions",
            json!({"model": model, "prompt": QUESTION}),
            |answer| &answer["choices"][0]["text"],
        ),
        (
            "/v1/responses",
            json!({"model": model, "input": QUESTION, "instructions": "Be brief."}),
            |answer| &answer["output"][0]["content"][0]["text"],
        ),
        (
            "/v1/messages",
            json!({"model": model, "max_tokens": 300, "system": "Be brief.",
                   "messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]}),
            |answer| &answer["content"][0]["text"],
        ),
        (
            "/api/chat",
            json!({"model": model, "stream": false, "options": {"num_ctx": 4096},
                   "messages": [{"role": "user", "content": QUESTION}]}),
            |answer| &answer["message"]["content"],
        ),
        (
            "/api/generate",
            json!({"model": model, "stream": false, "prompt": QUESTION, "keep_alive": "5m"}),
            |answer| &answer["response"],
        ),
        (
            "/api/paas/v4/chat/completions",
            chat(model, false),
            |answer| &answer["choices"][0]["message"]["content"],
        ),
    ]
}

#[tokio::test]
async fn every_front_gets_whole_answers_from_every_type() {
    let front = Front::over(&types());
    for (name, _) in types() {
        for (path, body, text) in cases(&format!("{name}-model")) {
            let (status, answer) = front.ask(path, &body).await;
            assert_eq!(status, 200, "{path} onto {name}: {answer}");
            let text = text(&answer).as_str().unwrap_or_default();
            assert!(text.len() > 20, "{path} onto {name}: {answer}");
        }
    }
}

/// Collects the text of a stream in any front.
fn streamed_text(path: &str, body: &str) -> String {
    if path.starts_with("/api/chat") || path.starts_with("/api/generate") {
        let lines: Vec<Value> = body
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let last = lines.last().unwrap();
        assert_eq!(last["done"], true, "{last}");
        assert_eq!(last["done_reason"], "stop");
        assert!(last["eval_count"].as_u64().unwrap() > 0);
        return lines
            .iter()
            .filter_map(|line| {
                let said = line
                    .get("response")
                    .or_else(|| line["message"].get("content"));
                said?.as_str()
            })
            .collect();
    }
    let all = events(body);
    match path {
        "/v1/messages" => {
            assert_eq!(all[0]["type"], "message_start");
            assert_eq!(all.last().unwrap()["type"], "message_stop");
            let ended = &all[all.len() - 2];
            assert_eq!(ended["delta"]["stop_reason"], "end_turn");
            assert!(ended["usage"]["output_tokens"].as_u64().unwrap() > 0);
        }
        "/v1/responses" => {
            for (number, event) in all.iter().enumerate() {
                assert_eq!(event["sequence_number"], number);
            }
            assert_eq!(all[0]["type"], "response.created");
            let last = all.last().unwrap();
            assert_eq!(last["type"], "response.completed");
            assert!(last["response"]["usage"]["total_tokens"].as_u64().unwrap() > 0);
        }
        _ => assert!(body.ends_with("data: [DONE]\n\n")),
    }
    all.iter()
        .filter_map(|event| match event["type"].as_str() {
            Some("content_block_delta") => event["delta"]["text"].as_str(),
            Some("response.output_text.delta") => event["delta"].as_str(),
            Some(_) => None,
            None => {
                let choice = event["choices"].get(0)?;
                choice
                    .get("text")
                    .or_else(|| choice["delta"].get("content"))?
                    .as_str()
            }
        })
        .collect()
}

#[tokio::test]
async fn every_front_gets_streams_from_every_type() {
    let front = Front::over(&types());
    for (name, _) in types() {
        for (path, mut body, _) in cases(&format!("{name}-model")) {
            body["stream"] = json!(true);
            let sent = front.stream(path, &body).await;
            let text = streamed_text(path, &sent);
            assert!(text.len() > 20, "{path} onto {name}: {sent}");
        }
    }
}

fn weather() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
}

#[tokio::test]
async fn tools_are_called_and_their_results_go_back_in_every_front() {
    let front = Front::over(&types());
    let ask = "Use get_weather for Paris";
    let tool =
        json!({"type": "function", "function": {"name": "get_weather", "parameters": weather()}});
    for (name, _) in types() {
        let model = format!("{name}-model");
        for path in [
            "/v1/chat/completions",
            "/api/paas/v4/chat/completions",
            "/api/chat",
        ] {
            let user = json!({"role": "user", "content": ask});
            let body =
                json!({"model": model, "messages": [user], "tools": [tool], "stream": false});
            let (status, answer) = front.ask(path, &body).await;
            assert_eq!(status, 200, "{answer}");
            let message = answer
                .get("message")
                .unwrap_or(&answer["choices"][0]["message"]);
            let call = &message["tool_calls"][0];
            assert_eq!(
                call["function"]["name"], "get_weather",
                "{path} onto {name}: {answer}"
            );
            let result = json!({"role": "tool", "tool_call_id": call["id"], "tool_name": "get_weather", "content": "21 degrees"});
            let body = json!({"model": model, "messages": [user, message, result], "tools": [tool], "stream": false});
            let (status, answer) = front.ask(path, &body).await;
            assert_eq!(status, 200, "{answer}");
            assert!(
                answer.to_string().contains("21 degrees"),
                "{path} onto {name}: {answer}"
            );
        }
        let tool = json!({"name": "get_weather", "input_schema": weather()});
        let user = json!({"role": "user", "content": ask});
        let body = json!({"model": model, "max_tokens": 99, "messages": [user], "tools": [tool]});
        let (status, answer) = front.ask("/v1/messages", &body).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["stop_reason"], "tool_use", "{answer}");
        let content = answer["content"].clone();
        let call = content
            .as_array()
            .unwrap()
            .iter()
            .find(|block| block["type"] == "tool_use");
        let call = call.unwrap();
        assert!(call["input"]["city"].is_string(), "{call}");
        let result = json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": call["id"], "content": "21 degrees"}]});
        let said = json!({"role": "assistant", "content": content});
        let body = json!({"model": model, "max_tokens": 99, "messages": [user, said, result], "tools": [tool]});
        let (status, answer) = front.ask("/v1/messages", &body).await;
        assert_eq!(status, 200, "{answer}");
        assert!(
            answer.to_string().contains("21 degrees"),
            "{name}: {answer}"
        );

        let tool = json!({"type": "function", "name": "get_weather", "parameters": weather()});
        let body = json!({"model": model, "input": ask, "tools": [tool], "stream": true});
        let sent = front.stream("/v1/responses", &body).await;
        let last = events(&sent).pop().unwrap();
        let call = last["response"]["output"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone();
        assert_eq!(call["type"], "function_call", "{name}: {last}");
        let output = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "21 degrees"});
        let input = json!([{"role": "user", "content": ask}, call, output]);
        let (status, answer) = front
            .ask(
                "/v1/responses",
                &json!({"model": model, "input": input, "tools": [tool]}),
            )
            .await;
        assert_eq!(status, 200, "{answer}");
        assert!(
            answer.to_string().contains("21 degrees"),
            "{name}: {answer}"
        );
    }
}

#[tokio::test]
async fn reasoning_is_told_in_every_front() {
    let profiles = types().map(|(name, provider_type)| InstanceProfile {
        reasoning: true,
        ..quick(name, provider_type)
    });
    let front = Front::with(profiles.into(), |_| {});
    for (name, _) in types() {
        let model = format!("{name}-model");
        let (_, answer) = front
            .ask("/v1/chat/completions", &chat(&model, false))
            .await;
        assert!(
            answer["choices"][0]["message"]["reasoning_content"].is_string() || name == "two",
            "{answer}"
        );
        for (path, body, _) in cases(&model) {
            if path != "/v1/completions" {
                let (_, answer) = front.ask(path, &body).await;
                let told = answer.to_string();
                let word = match path {
                    "/v1/responses" => "reasoning_text",
                    "/v1/messages" | "/api/chat" | "/api/generate" => "thinking",
                    _ => "reasoning_content",
                };
                assert!(told.contains(word), "{path} onto {name}: {told}");
            }
        }
    }
}

#[tokio::test]
async fn the_same_protocol_passes_through_untouched() {
    let front = Front::over(&[("one", ProviderType::OpenAi)]);
    let direct = front.rig.server.instances()[0].base_url.clone();
    let mut body = chat("one-model", false);
    body["a_field_nobody_knows"] = json!({"deep": [1, 2.50]});
    let (status, through) = front.ask("/v1/chat/completions", &body).await;
    assert_eq!(status, 200, "{through}");
    let url = format!("{direct}/chat/completions");
    let sent = front.client().post(url).json(&body).send().await.unwrap();
    let (_, straight) = read(sent).await;
    assert!(through["id"].as_str().unwrap().len() == straight["id"].as_str().unwrap().len());
    assert_eq!(through["model"], straight["model"]);
    assert_eq!(
        through["system_fingerprint"],
        straight["system_fingerprint"]
    );
    // Usage that nobody asked for is read, but not shown.
    let text = front
        .stream("/v1/chat/completions", &chat("one-model", true))
        .await;
    assert!(
        events(&text)
            .iter()
            .all(|event| event["choices"] != json!([])),
        "{text}"
    );
    assert!(text.ends_with("data: [DONE]\n\n"));
    let last = front.rig.driver.requests(1).pop().unwrap();
    assert!(
        last.usage
            .is_some_and(|usage| usage.completion_tokens > Some(0)),
        "{last:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_translated_is_refused_by_name() {
    let front = Front::over(&[
        ("two", ProviderType::Ollama),
        ("three", ProviderType::ZhipuAi),
    ]);
    for (model, field, value) in [
        ("two-model", "n", json!(2)),
        ("two-model", "logprobs", json!(true)),
        ("two-model", "tool_choice", json!("required")),
        ("two-model", "made_up", json!(1)),
        ("three-model", "stop", json!(["a", "b"])),
        (
            "three-model",
            "response_format",
            json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}),
        ),
        ("auto", "web_search_options", json!({})),
    ] {
        let mut body = chat(model, false);
        body[field] = value;
        let (status, told) = front.ask("/v1/chat/completions", &body).await;
        assert_eq!(status, 400, "{field}: {told}");
        assert!(
            told["error"]["message"].as_str().unwrap().contains(field),
            "{told}"
        );
    }
    for (path, body, word) in [
        (
            "/v1/responses",
            json!({"model": "auto", "input": "x", "previous_response_id": "resp_1"}),
            "previous_response_id",
        ),
        (
            "/v1/responses",
            json!({"model": "auto", "input": "x", "tools": [{"type": "web_search"}]}),
            "tools[0].type",
        ),
        (
            "/v1/completions",
            json!({"model": "auto", "prompt": "x", "suffix": "y"}),
            "suffix",
        ),
        (
            "/api/generate",
            json!({"model": "auto", "prompt": "x", "raw": true}),
            "raw",
        ),
        (
            "/v1/messages",
            json!({"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "document"}]}]}),
            "document",
        ),
    ] {
        let (status, told) = front.ask(path, &body).await;
        assert_eq!(status, 400, "{told}");
        assert!(told.to_string().contains(word), "{told}");
    }
    // Whoever can do it is asked, and nobody else.
    let front = Front::over(&types());
    let mut body = chat("auto", false);
    body["logprobs"] = json!(true);
    for _ in 0..4 {
        let sent = front
            .post("/v1/chat/completions", &body)
            .send()
            .await
            .unwrap();
        assert_eq!(sent.headers()["x-llmdeck-instance"], "one");
    }
}

#[tokio::test]
async fn ollamas_lists_are_there() {
    let front = Front::over(&types());
    let (_, tags) = read(front.get("/api/tags").send().await.unwrap()).await;
    assert_eq!(tags["models"][1]["name"], "one-model");
    let (_, version) = read(front.get("/api/version").send().await.unwrap()).await;
    assert!(version["version"].is_string());
    let (_, loaded) = read(front.get("/api/ps").send().await.unwrap()).await;
    assert!(loaded["models"].is_array());
    let (status, shown) = front.ask("/api/show", &json!({"model": "two-model"})).await;
    assert_eq!(
        (status, shown["capabilities"][1].as_str()),
        (200, Some("tools"))
    );
    let (status, told) = front.ask("/api/show", &json!({"model": "none"})).await;
    assert_eq!(status, 404);
    assert!(told["error"].is_string());
}

#[tokio::test]
async fn embeddings_come_from_every_type_in_every_shape() {
    let front = Front::over(&types());
    for (name, _) in types() {
        let body = json!({"model": format!("{name}-model"), "input": ["one text", "another"]});
        for path in ["/v1/embeddings", "/api/paas/v4/embeddings"] {
            let (status, answer) = front.ask(path, &body).await;
            assert_eq!(status, 200, "{answer}");
            assert_eq!(
                answer["data"][1]["index"], 1,
                "{path} onto {name}: {answer}"
            );
            assert_eq!(answer["data"][1]["embedding"].as_array().unwrap().len(), 8);
            assert!(answer["usage"]["prompt_tokens"].as_u64().unwrap() > 0);
        }
        let (status, answer) = front.ask("/api/embed", &body).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            answer["embeddings"].as_array().unwrap().len(),
            2,
            "{answer}"
        );
    }
    let tokens = json!({"model": "two-model", "input": [1, 2]});
    let (status, told) = front.ask("/v1/embeddings", &tokens).await;
    assert_eq!(status, 400, "{told}");
    let last = front.rig.driver.requests(1).pop().unwrap();
    assert!(
        last.usage
            .is_some_and(|usage| usage.prompt_tokens > Some(0))
    );
}
