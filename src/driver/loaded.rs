//! Which models the servers of the pool hold in memory.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::LlmModelDriver;
use super::roster::Member;
use crate::base::{InstanceName, Loaded, ProviderType};

/// A server that takes longer is left out.
const PATIENCE: Duration = Duration::from_secs(2);

impl LlmModelDriver {
    /// Asks every Ollama that is switched on which models it holds in memory, all at once. Who does not answer within
    /// two seconds is left out: this is for people who look, and a wrong answer helps nobody.
    pub async fn loaded(&self) -> Vec<(InstanceName, Vec<Loaded>)> {
        let board = self.board();
        let members: Vec<Arc<Member>> = {
            let roster = self.0.roster.read();
            let on = board.instances.iter().filter(|instance| {
                instance.enabled && instance.provider_type == ProviderType::Ollama
            });
            on.filter_map(|instance| roster.find(&instance.name).cloned())
                .collect()
        };
        let asked = members.iter().map(|member| async move {
            match timeout(PATIENCE, member.strategy.loaded()).await {
                Ok(Ok(loaded)) => Some((member.name().clone(), loaded)),
                Ok(Err(error)) => {
                    tracing::debug!(instance = %member.name(), %error, "which models it holds is not known");
                    None
                }
                Err(_) => None,
            }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }
}
