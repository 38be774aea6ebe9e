//! Stories of a check.

use futures_util::future::{BoxFuture, pending, ready};

use super::*;
use crate::base::{ChatRequest, ChatStream, ProviderType};
use crate::config::{Env, usual_ollama};

struct Upstream {
    models: &'static [&'static str],
    fails: Option<ErrorKind>,
    hangs: bool,
}

impl LlmModelStrategy for Upstream {
    fn provider_type(&self) -> ProviderType {
        ProviderType::Ollama
    }
    fn stream(&self, _: &ChatRequest) -> ChatStream {
        Box::pin(futures_util::stream::empty())
    }
    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        if self.hangs {
            return Box::pin(pending());
        }
        let models = self.models.iter().map(ToString::to_string).collect();
        Box::pin(ready(self.answer().map(|()| models)))
    }
    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        if self.hangs {
            return Box::pin(pending());
        }
        Box::pin(ready(self.answer()))
    }
}

impl Upstream {
    fn answer(&self) -> Result<(), Error> {
        match self.fails {
            Some(kind) => Err(Error::new(kind, "as told").with_instance("ollama".into())),
            None => Ok(()),
        }
    }
}

async fn told(model: &'static str, upstream: Upstream) -> (String, bool) {
    told_of(usual_ollama(&Env::of([("OLLAMA_MODEL", model)])), upstream).await
}

async fn told_of(instance: Instance, upstream: Upstream) -> (String, bool) {
    let instances = [instance];
    let checked = ask_all(&instances, &[Arc::new(upstream)]).await;
    let mut out = Vec::new();
    write_table(&checked, &mut out, Style::PLAIN).unwrap();
    (
        String::from_utf8(out).unwrap(),
        checked.iter().all(Checked::is_as_wanted),
    )
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_there_is_ok() {
    let upstream = Upstream {
        models: &["qwen3:latest", "b"],
        fails: None,
        hangs: false,
    };
    let (text, is_well) = told("qwen3", upstream).await;
    assert_eq!(
        text,
        "NAME    TYPE    URL                     MODELS  TIME  RESULT\n\
         ollama  ollama  http://127.0.0.1:11434  2       0 ms  ok\n"
    );
    assert!(is_well);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_is_told_once_with_its_hint() {
    let upstream = Upstream {
        models: &[],
        fails: Some(ErrorKind::Auth),
        hangs: false,
    };
    let (text, is_well) = told("m", upstream).await;
    assert!(text.contains("0 ms  wrong key\n"));
    assert!(text.contains("\nerror: ollama: wrong key: as told\nhint: check the instance's key"));
    assert_eq!(text.matches("as told").count(), 1);
    assert!(!is_well);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_given_up() {
    let upstream = Upstream {
        models: &[],
        fails: None,
        hangs: true,
    };
    let (text, is_well) = told("m", upstream).await;
    assert!(text.contains("15000 ms  no connection in time"), "{text}");
    assert!(!is_well);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_not_listed_is_noted_and_no_failure() {
    let upstream = Upstream {
        models: &["a", "b\u{1b}[2J"],
        fails: None,
        hangs: false,
    };
    let (text, is_well) = told("gone", upstream).await;
    assert!(text.contains("note: ollama: the model 'gone' is not in its list"));
    assert!(!text.contains('\u{1b}'));
    assert!(is_well);
}

#[tokio::test(start_paused = true)]
async fn json_names_everything() {
    let instances = [usual_ollama(&Env::default())];
    let upstream = Upstream {
        models: &["a"],
        fails: None,
        hangs: false,
    };
    let checked = ask_all(&instances, &[Arc::new(upstream)]).await;
    let mut out = Vec::new();
    write_json(&checked, &mut out).unwrap();
    let list: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(list[0]["ok"], true);
    assert_eq!(list[0]["models"][0], "a");
    assert_eq!(list[0]["error"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn what_is_switched_off_may_be_away() {
    let mut instance = usual_ollama(&Env::default());
    instance.pool.enabled = false;
    let upstream = Upstream {
        models: &[],
        fails: Some(ErrorKind::Network),
        hangs: false,
    };
    let (text, is_as_wanted) = told_of(instance, upstream).await;
    assert!(text.contains("network failed (off)"), "{text}");
    assert!(is_as_wanted);
}
