//! Each protocol as it should be.

use serde_json::{Value, json};

use super::{PATIENCE, Sim, header};
use crate::base::ProviderType::{self, Ollama, OpenAi, ZhipuAi};
use crate::base::{ErrorKind, FinishReason};
use crate::sim::{Delay, Ending, Server, Settings, demo};
use crate::wire;

#[tokio::test]
async fn every_type_answers_in_a_stream_and_whole_with_the_same_words() {
    for provider_type in ProviderType::ALL {
        let sim = Sim::new(provider_type, |profile| profile.reasoning = true);
        let (streamed, end) = sim.answer(true).await;
        end.unwrap();
        assert!(streamed.text.starts_with("## Welcome"), "{provider_type}");
        assert!(!streamed.reasoning.is_empty(), "{provider_type}");
        assert_eq!(streamed.finish_reason, Some(FinishReason::Stop));
        let (whole, end) = sim.answer(false).await;
        end.unwrap();
        assert_eq!(whole.text, streamed.text, "{provider_type}");
        assert_eq!(whole.finish_reason, Some(FinishReason::Stop));
        assert!(whole.usage.unwrap().completion_tokens > Some(50));
        let stats = sim.server.stats("a").unwrap();
        assert_eq!((stats.requests, stats.ok, stats.in_flight), (2, 2, 0));
        assert_eq!(stats.disconnects, 0);
    }
}

#[tokio::test]
async fn what_is_logged_is_what_was_asked_and_told() {
    let sim = Sim::new(OpenAi, |_| {});
    let (answer, _) = sim.answer(false).await;
    let log = sim.server.log();
    let usage = answer.usage.unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].model, "sim-gpt");
    assert_eq!(log[0].ending, Ending::Ok);
    assert_eq!(Some(log[0].tokens_in), usage.prompt_tokens);
    assert_eq!(Some(log[0].tokens_out), usage.completion_tokens);
    assert!(!log[0].streamed && log[0].ended >= log[0].started);
}

#[tokio::test]
async fn openai_sends_usage_in_a_stream_on_demand_only() {
    let sim = Sim::new(OpenAi, |_| {});
    let (answer, _) = sim.answer(true).await;
    assert_eq!(answer.usage, None);
    let body = json!({
        "model": "sim-gpt",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    let response = sim.send(body).send().await.unwrap();
    assert_eq!(
        header(&response, "content-type").as_deref(),
        Some("text/event-stream")
    );
    assert_eq!(
        header(&response, "x-request-id").as_deref(),
        Some("chatcmpl-a-1")
    );
    let (answer, end) = sim.fold(response, true).await;
    end.unwrap();
    assert!(answer.usage.unwrap().completion_tokens > Some(50));
}

#[tokio::test]
async fn ollama_streams_unless_told_otherwise_and_gives_its_durations() {
    let sim = Sim::new(Ollama, |profile| {
        profile.first_token = Delay::exactly(std::time::Duration::from_millis(20));
    });
    let body = json!({"model": "sim-llama:8b", "messages": [{"role": "user", "content": "Hello"}]});
    let response = sim.send(body).send().await.unwrap();
    assert_eq!(
        header(&response, "content-type").as_deref(),
        Some("application/x-ndjson")
    );
    let (answer, end) = sim.fold(response, true).await;
    end.unwrap();
    let timings = answer.timings.unwrap();
    assert!(
        timings["prompt_eval_duration"].as_u64() >= Some(20_000_000),
        "{timings}"
    );
    assert!(timings["total_duration"].as_u64() >= timings["prompt_eval_duration"].as_u64());
    assert!(answer.usage.unwrap().completion_tokens > Some(50));
}

#[tokio::test]
async fn tools_are_called_in_every_shape() {
    let tool = json!({"type": "function", "function": {"name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}});
    for provider_type in ProviderType::ALL {
        for stream in [true, false] {
            let sim = Sim::new(provider_type, |_| {});
            let body = json!({
                "model": sim.endpoint.models[0],
                "messages": [{"role": "user", "content": "What is the weather in Oslo?"}],
                "tools": [tool],
                "stream": stream,
            });
            let response = sim.send(body).send().await.unwrap();
            let (answer, end) = sim.fold(response, stream).await;
            end.unwrap();
            assert_eq!(answer.finish_reason, Some(FinishReason::ToolCalls));
            let call = &answer.tool_calls[0];
            assert_eq!(call.name.as_deref(), Some("get_weather"));
            assert!(call.id.is_some());
            assert_eq!(call.arguments.parse().unwrap(), json!({"city": "Oslo"}));
        }
    }
}

#[tokio::test]
async fn the_key_is_wanted_as_bearer_and_for_zhipu_also_signed() {
    for provider_type in ProviderType::ALL {
        let mut sim = Sim::new(provider_type, |p| p.key = Some("id.secret".to_owned()));
        sim.answer(true).await.1.unwrap();
        for wrong in [None, Some("id.other".to_owned())] {
            sim.endpoint.key = wrong;
            let error = sim.answer(true).await.1.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Auth, "{provider_type}");
            assert!(!error.message().contains("other"));
        }
        let now = std::time::SystemTime::now();
        let now = now
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis() as u64;
        sim.endpoint.key = Some(wire::zhipuai::token("id.secret", now, 60_000).unwrap());
        let signed = sim.answer(true).await.1;
        assert_eq!(signed.is_ok(), provider_type == ZhipuAi);
        let stats = sim.server.stats("a").unwrap();
        assert_eq!(stats.ended(Ending::Unauthorized), stats.requests - stats.ok);
    }
}

#[tokio::test]
async fn lists_and_small_calls_answer() {
    for provider_type in ProviderType::ALL {
        let sim = Sim::new(provider_type, |profile| {
            profile.models = vec!["one".to_owned(), "two".to_owned()];
            profile.key = Some("k.s".to_owned());
        });
        let response = sim
            .get(wire::models_path(provider_type))
            .send()
            .await
            .unwrap();
        let body = response.bytes().await.unwrap();
        let models = wire::decode_models(provider_type, &body).unwrap();
        assert_eq!(models, ["one", "two"]);
        let anonymous = sim.client.get(sim.url(wire::models_path(provider_type)));
        assert_eq!(anonymous.send().await.unwrap().status(), 401);
        let nowhere = sim.get("/nowhere").send().await.unwrap();
        assert_eq!(nowhere.status(), 404);
    }
    let sim = Sim::new(Ollama, |_| {});
    let get = async |path: &str| {
        let response = sim.get(path).send().await.unwrap();
        response.text().await.unwrap()
    };
    assert_eq!(get("/").await, "Ollama is running");
    let version: Value = serde_json::from_str(&get("/api/version").await).unwrap();
    assert!(version["version"].is_string());
    let loaded: Value = serde_json::from_str(&get("/api/ps").await).unwrap();
    assert_eq!(loaded["models"][0]["name"], "sim-llama:8b");
}

#[tokio::test]
async fn bad_requests_are_refused_in_the_protocols_words() {
    for provider_type in ProviderType::ALL {
        let sim = Sim::new(provider_type, |profile| profile.context = Some(50));
        let refused = async |body: Value| {
            let response = sim.send(body).send().await.unwrap();
            sim.classify(response).await.kind()
        };
        let message = json!([{"role": "user", "content": "Hello"}]);
        let long = json!([{"role": "user", "content": "word ".repeat(100)}]);
        let model = &sim.endpoint.models[0];
        let unknown = refused(json!({"model": "nope", "messages": message})).await;
        assert_eq!(unknown, ErrorKind::NotFoundModel, "{provider_type}");
        let too_long = refused(json!({"model": model, "messages": long})).await;
        assert_eq!(too_long, ErrorKind::ContextLength, "{provider_type}");
        let nonsense = refused(json!({"model": model, "messages": 3})).await;
        assert_eq!(nonsense, ErrorKind::InvalidRequest, "{provider_type}");
        let stats = sim.server.stats("a").unwrap();
        assert_eq!(stats.ended(Ending::UnknownModel), 1);
        assert_eq!(stats.ended(Ending::TooLong), 1);
        assert_eq!(stats.ended(Ending::BadRequest), 1);
    }
}

#[tokio::test]
async fn a_waiting_stream_gets_comments() {
    let sim = Sim::new(OpenAi, |profile| {
        profile.first_token = Delay::exactly(PATIENCE);
        profile.keep_alive = std::time::Duration::from_millis(5);
    });
    let mut response = sim.ask("Hello", true).send().await.unwrap();
    for _ in 0..3 {
        assert_eq!(super::first_piece(&mut response).await, ": keep-alive\n\n");
    }
}

#[tokio::test]
async fn the_demo_starts_on_six_ports_and_each_lists_its_models() {
    let server = Server::start(demo()).unwrap();
    let client = super::new_client();
    let endpoints = server.instances();
    assert_eq!(endpoints.len(), 6);
    for endpoint in endpoints {
        let path = wire::models_path(endpoint.provider_type);
        let request = client.get(format!("{}{path}", endpoint.base_url));
        let request = request.bearer_auth(endpoint.key.unwrap_or_default());
        let body = request.send().await.unwrap().bytes().await.unwrap();
        let models = wire::decode_models(endpoint.provider_type, &body).unwrap();
        assert_eq!(models, endpoint.models);
    }
}

#[tokio::test]
async fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
    let server = Server::start(Settings::default()).unwrap();
    assert!(server.instances().is_empty());
    let sim = Sim::new(OpenAi, |_| {});
    let error = sim.server.stats("b").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().ends_with("there are: a"));
}

#[test]
fn without_a_runtime_it_is_an_error_and_no_panic() {
    assert!(Server::start(demo()).is_err());
}
