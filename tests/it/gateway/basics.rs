//! What every caller meets first: answers, lists, errors.

use llmdeck::ProviderType;
use llmdeck::sim::Fault;
use serde_json::json;

use super::rig::{Front, chat, events, quick, read};
use crate::support::types;

#[tokio::test]
async fn a_whole_answer_comes_from_any_type_and_says_who_gave_it() {
    let front = Front::over(&types());
    for (name, _) in types() {
        let body = chat(&format!("{name}-model"), false);
        let response = front
            .post("/v1/chat/completions", &body)
            .send()
            .await
            .unwrap();
        let headers = response.headers().clone();
        let (status, answer) = read(response).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(headers["x-llmdeck-instance"], name);
        assert_eq!(headers["x-llmdeck-attempts"], "1");
        let id = headers["x-request-id"].to_str().unwrap();
        let known = front.rig.driver.requests(10);
        assert!(
            known.iter().any(|sample| sample.request.to_string() == id),
            "{id} is in the console"
        );
        let text = answer["choices"][0]["message"]["content"].as_str();
        assert!(text.is_some_and(|text| text.len() > 20), "{answer}");
        assert!(answer["usage"]["total_tokens"].as_u64().unwrap() > 0);
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_reason_usage_and_done() {
    let front = Front::over(&types());
    for (name, _) in types() {
        let mut body = chat(&format!("{name}-model"), true);
        body["stream_options"] = json!({"include_usage": true});
        let text = front.stream("/v1/chat/completions", &body).await;
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
        let events = events(&text);
        let last = events.last().unwrap();
        assert_eq!(last["choices"], json!([]));
        assert!(last["usage"]["completion_tokens"].as_u64().unwrap() > 0);
        assert_eq!(
            events[events.len() - 2]["choices"][0]["finish_reason"],
            "stop"
        );
    }
}

#[tokio::test]
async fn the_list_has_routes_models_auto_and_each_instances_own() {
    let front = Front::over(&types());
    let (status, list) = read(front.get("/v1/models").send().await.unwrap()).await;
    assert_eq!(status, 200);
    let ids: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        [
            "auto",
            "one-model",
            "two-model",
            "three-model",
            "one/one-model",
            "two/two-model",
            "three/three-model"
        ]
    );
    for name in ids {
        let (status, answer) = front.ask("/v1/chat/completions", &chat(name, false)).await;
        assert_eq!(status, 200, "{name}: {answer}");
    }
}

#[tokio::test]
async fn what_is_loaded_is_asked_of_every_ollama_that_is_on() {
    let profiles = [
        ("one", ProviderType::OpenAi),
        ("two", ProviderType::Ollama),
        ("three", ProviderType::Ollama),
        ("gone", ProviderType::Ollama),
    ];
    let profiles = profiles.map(|(name, provider_type)| {
        let mut profile = quick(name, provider_type);
        if name == "three" {
            profile.models = vec!["two-model".to_owned(), "big".to_owned()];
        }
        profile
    });
    let front = Front::with(profiles.to_vec(), |_| {});
    let refuses = Some(Fault::Refuse);
    front.rig.server.set_fault("gone", refuses).unwrap();
    let (status, told) = read(front.get("/api/ps").send().await.unwrap()).await;
    assert_eq!(status, 200);
    let held = told["models"].as_array().unwrap();
    let names: Vec<&str> = held
        .iter()
        .map(|model| model["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["two-model", "three/two-model", "big"]);
    assert_eq!(held[0]["size_vram"], held[0]["size"]);
    assert!(held[0]["size"].as_u64().unwrap() > 0);
    assert_eq!(held[0]["details"]["parameter_size"], "8B");
    for name in names {
        let (status, answer) = front.ask("/api/chat", &chat(name, false)).await;
        assert_eq!(status, 200, "{name}: {answer}");
    }
}

#[tokio::test]
async fn every_error_has_the_shape_of_the_protocol() {
    let front = Front::over(&types());
    let (status, told) = front
        .ask("/v1/chat/completions", &chat("nothing", false))
        .await;
    assert_eq!(status, 404);
    assert_eq!(told["error"]["code"], "model_not_found");
    assert!(
        told["error"]["message"]
            .as_str()
            .unwrap()
            .contains("one-model"),
        "{told}"
    );
    let (status, told) = front.ask("/api/chat", &chat("nothing", false)).await;
    assert_eq!(status, 404);
    assert!(told["error"].is_string(), "{told}");
    let (status, told) = front
        .ask("/api/paas/v4/chat/completions", &chat("nothing", false))
        .await;
    assert_eq!((status, &told["error"]["code"]), (404, &json!("1211")));
    let (status, told) = front.ask("/v1/nowhere", &json!({})).await;
    assert_eq!(status, 404);
    assert_eq!(told["error"]["type"], "invalid_request_error");
    let response = front.get("/v1/chat/completions").send().await.unwrap();
    assert_eq!(response.headers()["allow"], "POST");
    assert_eq!(response.status(), 405);
}

#[tokio::test]
async fn an_upstreams_wrong_key_is_not_told_as_the_callers() {
    let front = Front::over(&[("one", ProviderType::OpenAi)]);
    let fault = Some(Fault::WrongKey);
    front.rig.server.set_fault("one", fault).unwrap();
    let (status, told) = front.ask("/v1/chat/completions", &chat("auto", true)).await;
    assert_eq!(status, 502, "{told}");
    assert_eq!(told["error"]["code"], "upstream_auth");
}

#[tokio::test]
async fn a_cut_stream_is_told_in_band() {
    let front = Front::over(&[("one", ProviderType::OpenAi)]);
    let fault = Some(Fault::CutMidStream);
    front.rig.server.set_fault("one", fault).unwrap();
    let text = front
        .stream("/v1/chat/completions", &chat("auto", true))
        .await;
    assert!(!text.contains("[DONE]"), "{text}");
    let events = events(&text);
    let last = events.last().unwrap();
    assert!(last["error"]["message"].is_string(), "{last}");
}
