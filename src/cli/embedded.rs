//! The embedded pool as instances like any others: the driver reaches it over HTTP, and knows nothing else of it.

use secrecy::SecretString;

use crate::base::Error;
use crate::config::{Instance, KeySource, Place};
#[cfg(feature = "console")]
use crate::deck::Deck;
use crate::sim::{self, Server};
#[cfg(feature = "console")]
use crate::sim::{Load, LoadSettings};
use crate::{pool, provider};

/// The running embedded pool; it stops when it is dropped.
pub(super) struct Embedded {
    server: Server,
}

impl Embedded {
    /// Starts it, in the tokio runtime that this is called in.
    ///
    /// # Errors
    /// When it cannot listen.
    pub(super) fn start(seed: u64) -> Result<Self, Error> {
        let settings = sim::Settings {
            seed,
            ..sim::demo()
        };
        Ok(Self {
            server: Server::start(settings)?,
        })
    }

    /// Returns its instances, with as many permits as each bears.
    pub(super) fn instances(&self) -> Vec<Instance> {
        let endpoints = self.server.instances().into_iter();
        let instances = endpoints.map(|endpoint| {
            let mut provider =
                provider::Settings::new(endpoint.name.as_str(), endpoint.provider_type);
            provider.base_url = Some(endpoint.base_url.clone());
            provider.key = endpoint.key.map(SecretString::from);
            let mut pool =
                pool::InstanceSettings::new(endpoint.name.as_str(), endpoint.provider_type);
            pool.base_url = endpoint.base_url;
            pool.models = endpoint.models;
            if let Some(concurrency) = endpoint.profile.concurrency {
                pool.limits.permits = concurrency;
            }
            let key_from = provider.key.as_ref().map(|_| KeySource::Literal);
            Instance {
                provider,
                pool,
                key_from,
                from: Place::Default,
            }
        });
        instances.collect()
    }
}

/// Asks questions in the background through a deck, so that there is something to see; dropping it stops it.
#[cfg(feature = "console")]
pub(super) fn background_load(deck: Deck, rate: f64, seed: u64) -> Load {
    let settings = LoadSettings {
        seed,
        rate,
        ..LoadSettings::default()
    };
    Load::start(settings, move |request| deck.chat(request))
}
