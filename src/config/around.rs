//! Looks around on this machine, when no instance is configured: does an Ollama listen at its usual place?

use std::time::Duration;

use tokio::time::timeout;

use super::discover::{Found, usual_ollama};
use super::env::Env;
use super::load::Config;
use crate::base::{Error, ProviderType};
use crate::provider::{self, Http};

/// How long a server on this machine may take to take a connection.
const CONNECT: Duration = Duration::from_millis(200);
/// How long it may take to answer.
const ANSWER: Duration = Duration::from_millis(600);

/// Adds the Ollama at its usual place to what was found, if one answers and no config file names instances.
///
/// # Errors
/// When no HTTP client can be made.
pub async fn look_around(config: &mut Config, env: &Env, http: &Http) -> Result<(), Error> {
    let has_ollama = config
        .instances
        .iter()
        .any(|instance| instance.pool.provider_type == ProviderType::Ollama);
    let is_configured = matches!(config.found, Found::File(_));
    if is_configured || has_ollama {
        return Ok(());
    }
    let ollama = usual_ollama(env);
    let mut reach = ollama.provider.clone();
    reach.timeouts.connect = CONNECT;
    let strategy = provider::build(reach, http)?;
    let answers = timeout(ANSWER, strategy.probe()).await;
    if matches!(answers, Ok(Ok(()))) {
        let what = format!("the Ollama at {}", ollama.pool.base_url);
        config.instances.push(ollama);
        config.found = match std::mem::replace(&mut config.found, Found::Embedded) {
            Found::Environment(mut names) => {
                names.push(what);
                Found::Environment(names)
            }
            Found::Embedded | Found::File(_) => Found::Environment(vec![what]),
        };
    }
    Ok(())
}
