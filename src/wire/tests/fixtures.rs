//! Recorded bodies: each must give the same, exactly, however it is cut.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    MAX_LINE, anthropic_decoder, cut, decoder, document, fold, folder, provider_type,
    responses_decoder,
};
use crate::base::{Answer, Chunk, Error, clean_line, shorten};
use crate::wire::{Decode, classify};

/// Bodies above this are not fed in pieces of one and seven bytes.
const LARGE: usize = 256 << 10;

struct Fixture {
    name: String,
    meta: Value,
    body: Vec<u8>,
}

fn fixtures() -> Vec<Fixture> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".expected.json")?.to_owned()))
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let meta = document(&format!("{name}.expected.json"));
            let file = meta["file"].as_str().expect("a file name");
            let body = match name.as_str() {
                "sse_huge_line" => huge_line(),
                _ => std::fs::read(folder().join(file)).expect(file),
            };
            Fixture { name, meta, body }
        })
        .collect()
}

/// One line of 1.1 MiB, not worth storing.
fn huge_line() -> Vec<u8> {
    let sentence = "A long and very dull sentence that exists only to fill the line. ";
    let event = |delta: Value, finish: Value| {
        let chunk = json!({
            "id": "chatcmpl-f1",
            "object": "chat.completion.chunk",
            "created": 1_795_400_000,
            "model": "test-model",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        });
        format!("data: {chunk}\n\n")
    };
    let events = [
        event(json!({"role": "assistant", "content": ""}), Value::Null),
        event(json!({"content": sentence.repeat(17_500)}), Value::Null),
        event(json!({}), json!("stop")),
        "data: [DONE]\n\n".to_owned(),
    ];
    events.concat().into_bytes()
}

impl Fixture {
    fn decoder(&self) -> Box<dyn Decode> {
        let streaming = match self.meta["protocol"].as_str().expect("a protocol") {
            "anthropic_sse" => return anthropic_decoder(MAX_LINE),
            "responses_sse" => return responses_decoder(MAX_LINE),
            protocol => !protocol.ends_with("_json"),
        };
        let provider_type = provider_type(self.meta["provider"].as_str().expect("a provider"));
        let content_type = header(&self.meta, "content-type");
        decoder(provider_type, streaming, content_type.as_deref(), MAX_LINE)
    }

    fn status(&self) -> u16 {
        let status = self.meta["http_status"].as_u64().expect("a status");
        u16::try_from(status).expect("a status")
    }

    /// Every way of cutting, by name.
    fn feeds(&self) -> Vec<(&'static str, Vec<usize>)> {
        let length = self.body.len();
        let seed = self.name.bytes().map(u64::from).sum();
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut random: Vec<usize> = (0..5).map(|_| rng.random_range(0..=length)).collect();
        random.sort_unstable();
        let splits = self.meta["splits"].as_array().map(|splits| {
            let place = |split: &Value| split.as_u64().and_then(|at| usize::try_from(at).ok());
            splits.iter().filter_map(place).collect::<Vec<_>>()
        });
        let mut feeds = vec![
            ("whole", Vec::new()),
            ("1000 bytes", (1000..length).step_by(1000).collect()),
            ("splits", splits.unwrap_or_default()),
            ("random", random),
        ];
        if length <= LARGE {
            feeds.push(("byte by byte", (1..length).collect()));
            feeds.push(("7 bytes", (7..length).step_by(7).collect()));
        }
        feeds
    }
}

fn header(meta: &Value, name: &str) -> Option<String> {
    let headers = meta.get("headers")?.as_object()?;
    let (_, value) = headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    value.as_str().map(str::to_owned)
}

/// What came out, in the words of the fixtures.
fn view(answer: &Answer, error: Option<&Error>) -> Map<String, Value> {
    let came = answer.so_far();
    let calls: Vec<Value> = came
        .tool_calls
        .iter()
        .map(|call| json!({"id": call.id, "name": call.name, "arguments": call.arguments}))
        .collect();
    let usage = came.usage.map(|usage| {
        json!({
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
        })
    });
    let is_proper = error.is_none_or(|error| error.detail() == Some("finish_reason"));
    let view = json!({
        "text": came.text,
        "reasoning": came.reasoning,
        "refusal": came.refusal,
        "tool_calls": calls,
        "finish_reason": came.finish_reason,
        "finish_raw": came.finish_raw,
        "usage": usage,
        "timings": came.timings,
        "complete": answer.is_complete() && is_proper,
        "error": error.map(|error| json!({
            "class": error.kind(),
            "code": error.code(),
            "message": error.message(),
            "detail": error.detail(),
            "retry_after_ms": error.retry_after().map(|wait| wait.as_millis() as u64),
        })),
    });
    view.as_object().expect("an object").clone()
}

fn check(what: &str, mut got: Map<String, Value>, expected: &Value) {
    let mut expected = expected.as_object().expect("an object").clone();
    if let Some(hash) = expected.shift_remove("text_sha256") {
        let text = got["text"].as_str().expect("a text").to_owned();
        let digest = format!("{:x}", Sha256::digest(text.as_bytes()));
        assert_eq!(Value::from(digest), hash, "{what}: text");
        let length = expected.shift_remove("text_len").expect("a length");
        assert_eq!(Value::from(text.chars().count()), length, "{what}: length");
        got.shift_remove("text");
    }
    if let Some(error) = expected.get_mut("error").and_then(Value::as_object_mut) {
        match error.get("message").and_then(Value::as_str) {
            // Errors keep the provider's words in one clean line.
            Some(message) => {
                let message = shorten(&clean_line(message), 500);
                error.insert("message".to_owned(), message.into());
            }
            // No words of the provider's: ours are free.
            None => {
                error.shift_remove("message");
                if let Some(got) = got.get_mut("error").and_then(Value::as_object_mut) {
                    assert_ne!(got["message"], "", "{what}: an error without words");
                    got.shift_remove("message");
                }
            }
        }
    }
    assert_eq!(
        Value::Object(sorted(&got)),
        Value::Object(sorted(&expected)),
        "{what}"
    );
}

fn sorted(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut fields = fields.clone();
    fields.sort_keys();
    fields
}

#[test]
fn every_recorded_body_gives_what_is_expected_however_it_is_cut() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 53, "only {} fixtures", fixtures.len());
    for fixture in &fixtures {
        let expected = &fixture.meta["expect"];
        if fixture.status() >= 400 {
            let headers = |name: &str| header(&fixture.meta, name);
            let provider = provider_type(fixture.meta["provider"].as_str().expect("a provider"));
            let error = classify(provider, fixture.status(), &headers, &fixture.body);
            assert_eq!(error.status(), Some(fixture.status()));
            check(
                &fixture.name,
                view(&Answer::default(), Some(&error)),
                expected,
            );
            continue;
        }
        for (feed, places) in fixture.feeds() {
            let pieces = cut(&fixture.body, &places);
            let (answer, error, out) = fold(fixture.decoder(), pieces);
            let what = format!("{} [{feed}]", fixture.name);
            check(&what, view(&answer, error.as_ref()), expected);
            let finishes = out
                .iter()
                .filter(|chunk| matches!(chunk, Chunk::Finish { .. }))
                .count();
            assert!(finishes <= 1, "{what}: {finishes} finish reasons");
            if finishes == 1 {
                let last = out.last();
                assert!(
                    matches!(last, Some(Chunk::Finish { .. })),
                    "{what}: something follows the finish reason"
                );
            }
        }
    }
}

#[test]
fn every_recorded_error_answer_is_told_apart() {
    let cases = document("error_cases.json");
    let cases = cases["cases"].as_array().expect("a list");
    assert!(cases.len() >= 98);
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let body = match &case["body"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let provider = provider_type(case["provider"].as_str().expect("a provider"));
        let status = u16::try_from(case["status"].as_u64().expect("a status")).expect("a status");
        let headers = |name: &str| header(case, name);
        let error = classify(provider, status, &headers, body.as_bytes());
        let got = view(&Answer::default(), Some(&error));
        for (field, expected) in case["expect"].as_object().expect("an object") {
            assert_eq!(got["error"][field], *expected, "{name}: {field}");
        }
    }
}

#[test]
fn a_signed_token_is_what_the_official_sdk_makes() {
    let vector = document("zhipu_jwt.json");
    let key = vector["api_key"].as_str().expect("a key");
    let number = |field: &str| vector[field].as_u64().expect("a number");
    let token = crate::wire::zhipuai::token(key, number("now_ms"), number("ttl_ms"));
    assert_eq!(
        token.as_deref(),
        Ok(vector["token"].as_str().expect("a token"))
    );
}

#[test]
fn a_key_that_cannot_sign_is_refused_without_being_shown() {
    for key in ["whole", "a.b.c", ".b", "a.", ""] {
        let error = crate::wire::zhipuai::token(key, 0, 0).expect_err("not a key");
        assert_eq!(error.kind(), crate::base::ErrorKind::Config);
        assert!(key.is_empty() || !error.message().contains(key));
    }
}
