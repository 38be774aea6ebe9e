//! Which model an instance takes when none is configured: the server is asked, and a known good one is preferred.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::instance::Instance;
use crate::base::ProviderType;
use crate::provider::{self, LlmModelStrategy};

/// How many models of a server are kept.
const MOST: usize = 64;

/// Models preferred as the default, best first: current, cheap, and with no announced end (late 2026).
const fn preferred(provider_type: ProviderType) -> &'static [&'static str] {
    match provider_type {
        ProviderType::OpenAi => &["gpt-5.4-mini", "gpt-6-luna", "gpt-5.6-luna", "gpt-4.1-mini"],
        ProviderType::Ollama => &[],
        ProviderType::ZhipuAi => &["glm-4.7-flash", "glm-5.3-flash", "glm-4.5-flash"],
    }
}

/// Parts of names that no chat model has.
const NOT_FOR_CHAT: [&str; 16] = [
    "embed",
    "bge-",
    "minilm",
    "rerank",
    "whisper",
    "tts",
    "dall-e",
    "image",
    "moderation",
    "audio",
    "realtime",
    "transcribe",
    "sora",
    "davinci",
    "babbage",
    "cogview",
];

/// Asks every instance without models for its list, all at once, and fills them in. Returns what could not be found
/// out, as warnings.
pub async fn fill(
    instances: &mut [Instance],
    strategies: &[Arc<dyn LlmModelStrategy>],
    patience: Duration,
) -> Vec<String> {
    let asked = instances
        .iter_mut()
        .zip(strategies)
        .filter(|(instance, _)| instance.pool.models.is_empty());
    let answers = join_all(asked.map(|(instance, strategy)| async move {
        let answer = timeout(patience, strategy.models()).await;
        let why = match answer {
            Ok(Ok(listed)) => {
                let models = choose(instance.pool.provider_type, &listed);
                if !models.is_empty() {
                    instance.pool.models = models;
                    return None;
                }
                "it offers no model for chat".to_owned()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!(
                "it did not list its models within {}",
                humantime::format_duration(patience)
            ),
        };
        let usual = usual_model(instance);
        instance.pool.models.extend(usual.map(str::to_owned));
        Some(match usual {
            Some(usual) => format!(
                "{}: no models are configured, and {why}; '{usual}' is assumed",
                instance.pool.name
            ),
            None => format!(
                "{}: no models are configured, and {why}; set models = [\"NAME\"] for it",
                instance.pool.name
            ),
        })
    }));
    answers.await.into_iter().flatten().collect()
}

/// Returns the models to use out of a server's list, the default one first.
fn choose(provider_type: ProviderType, listed: &[String]) -> Vec<String> {
    let for_chat = |model: &&String| {
        let name = model.to_lowercase();
        !NOT_FOR_CHAT.iter().any(|part| name.contains(part))
    };
    let mut models: Vec<String> = listed.iter().filter(for_chat).take(MOST).cloned().collect();
    let best = preferred(provider_type)
        .iter()
        .find(|best| listed.iter().any(|model| model == *best));
    if let Some(best) = best {
        models.retain(|model| model != best);
        models.insert(0, (*best).to_owned());
    }
    models
}

/// Returns the model to assume at a service's own address.
fn usual_model(instance: &Instance) -> Option<&'static str> {
    let own_addresses = [
        provider::default_base_url(instance.pool.provider_type),
        "https://api.z.ai/api/paas/v4",
    ];
    own_addresses
        .contains(&instance.pool.base_url.as_str())
        .then(|| preferred(instance.pool.provider_type).first().copied())?
}

#[cfg(test)]
mod tests {
    use futures_util::future::{BoxFuture, pending, ready};

    use super::*;
    use crate::base::{ChatRequest, ChatStream, Error, ErrorKind};
    use crate::config::discover::usual_ollama;
    use crate::config::env::Env;

    enum Upstream {
        Lists(&'static [&'static str]),
        Fails,
        Hangs,
    }

    impl LlmModelStrategy for Upstream {
        fn provider_type(&self) -> ProviderType {
            ProviderType::Ollama
        }
        fn stream(&self, _: &ChatRequest) -> ChatStream {
            Box::pin(futures_util::stream::empty())
        }
        fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
            match self {
                Self::Lists(models) => {
                    Box::pin(ready(Ok(models.iter().map(ToString::to_string).collect())))
                }
                Self::Fails => Box::pin(ready(Err(Error::new(ErrorKind::Network, "refused")))),
                Self::Hangs => Box::pin(pending()),
            }
        }
        fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
            Box::pin(ready(Ok(())))
        }
    }

    async fn filled(instance: Instance, upstream: Upstream) -> (Vec<String>, Vec<String>) {
        let mut instances = [instance];
        let warnings = fill(
            &mut instances,
            &[Arc::new(upstream)],
            Duration::from_secs(2),
        )
        .await;
        (instances[0].pool.models.clone(), warnings)
    }

    #[tokio::test]
    async fn the_servers_list_is_taken_without_what_cannot_chat() {
        let upstream = Upstream::Lists(&["nomic-embed-text", "qwen3:8b", "llama3.2"]);
        let (models, warnings) = filled(usual_ollama(&Env::default()), upstream).await;
        assert_eq!(models, ["qwen3:8b", "llama3.2"]);
        assert!(warnings.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_hangs_or_fails_is_told_and_not_waited_for() {
        let (models, warnings) = filled(usual_ollama(&Env::default()), Upstream::Hangs).await;
        assert!(models.is_empty());
        assert!(warnings[0].contains("within 2s") && warnings[0].contains("set models"));
        let (_, warnings) = filled(usual_ollama(&Env::default()), Upstream::Fails).await;
        assert!(warnings[0].contains("refused"));
    }

    #[tokio::test]
    async fn configured_models_are_not_asked_for() {
        let env = Env::of([("OLLAMA_MODEL", "mine")]);
        let (models, warnings) = filled(usual_ollama(&env), Upstream::Fails).await;
        assert_eq!((models, warnings), (vec!["mine".to_owned()], vec![]));
    }

    #[test]
    fn a_known_good_model_comes_first() {
        let listed = [
            "gpt-3.5-turbo",
            "text-embedding-3-large",
            "gpt-5.4-mini",
            "gpt-6-sol",
        ]
        .map(str::to_owned);
        assert_eq!(
            choose(ProviderType::OpenAi, &listed),
            ["gpt-5.4-mini", "gpt-3.5-turbo", "gpt-6-sol"]
        );
    }
}
