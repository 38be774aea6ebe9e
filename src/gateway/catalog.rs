//! The model names that callers use, and what they mean in the pool.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::{Board, InstanceName, ProviderType, RouteName, Target};

/// The name that leaves the choice to the pool.
pub(super) const AUTO: &str = "auto";
/// How old a catalog may be before the board is read again.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// All names at one moment.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// When it was read.
    read_at: Option<Instant>,
    routes: Vec<Routed>,
    instances: Vec<Known>,
    models: HashSet<String>,
}

#[derive(Debug)]
struct Routed {
    name: RouteName,
    instances: Vec<InstanceName>,
}

/// An instance as far as names matter.
#[derive(Debug)]
struct Known {
    name: InstanceName,
    provider_type: ProviderType,
    models: Vec<String>,
}

/// One name that callers can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// The name.
    pub(super) name: String,
    /// Who stands behind it.
    pub(super) owner: String,
}

impl Catalog {
    /// Reads the names off the board.
    pub(super) fn of(board: &Board, now: Instant) -> Arc<Self> {
        let routes = board.routes.iter().map(|route| Routed {
            name: route.name.clone(),
            instances: route.tiers.iter().flatten().cloned().collect(),
        });
        let instances = board.instances.iter().map(|instance| Known {
            name: instance.name.clone(),
            provider_type: instance.provider_type,
            models: instance.models.clone(),
        });
        let models = board.instances.iter().flat_map(|instance| &instance.models);
        Arc::new(Self {
            read_at: Some(now),
            routes: routes.collect(),
            models: models.cloned().collect(),
            instances: instances.collect(),
        })
    }

    /// Tells whether it may still be used.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.read_at
            .is_some_and(|read_at| now.duration_since(read_at) < FRESH)
    }

    /// Finds out who is meant, and which model is asked for there (`None`: whichever comes first at the instance).
    ///
    /// A route's name comes first, then a model that an instance lists, `auto`, `instance/model`, and the name of an
    /// instance. What is none of these is left to the pool, which knows instances that list nothing.
    pub(super) fn find(&self, name: &str) -> (Target, Option<String>) {
        if let Some(route) = self.routes.iter().find(|route| route.name.as_str() == name) {
            return (Target::Route(route.name.clone()), None);
        }
        if self.models.contains(name) {
            return (Target::Any, Some(name.to_owned()));
        }
        if name == AUTO {
            return (Target::Any, None);
        }
        if let Some((instance, model)) = name.split_once('/')
            && !model.is_empty()
            && self.instance(instance).is_some()
        {
            let target = Target::Instance(InstanceName::new(instance));
            return (target, Some(model.to_owned()));
        }
        if self.instance(name).is_some() {
            return (Target::Instance(InstanceName::new(name)), None);
        }
        // Ollama's clients leave its usual tag out.
        let tagged = format!("{name}:latest");
        if !name.contains(':') && self.models.contains(&tagged) {
            return (Target::Any, Some(tagged));
        }
        (Target::Any, Some(name.to_owned()))
    }

    /// Returns the types of the instances that may get a request.
    pub(super) fn types(&self, target: &Target, model: Option<&str>) -> Vec<ProviderType> {
        let mut types: Vec<ProviderType> = self.types_of(target, model).collect();
        types.sort_unstable();
        types.dedup();
        types
    }

    /// Tells whether instances of one type are meant, and nobody else.
    pub(super) fn has_only(
        &self,
        provider_type: ProviderType,
        target: &Target,
        model: Option<&str>,
    ) -> bool {
        let mut types = self.types_of(target, model);
        types.next() == Some(provider_type) && types.all(|found| found == provider_type)
    }

    fn types_of(&self, target: &Target, model: Option<&str>) -> impl Iterator<Item = ProviderType> {
        self.instances
            .iter()
            .filter(|known| match target {
                Target::Any => true,
                Target::Type(provider_type) => known.provider_type == *provider_type,
                Target::Instance(name) => known.name == *name,
                Target::Route(name) => self
                    .routes
                    .iter()
                    .any(|route| route.name == *name && route.instances.contains(&known.name)),
            })
            .filter(move |known| {
                matches!(target, Target::Instance(_))
                    || known.models.is_empty()
                    || model.is_none_or(|model| known.models.iter().any(|has| has == model))
            })
            .map(|known| known.provider_type)
    }

    /// Returns every name: routes, `auto`, models, and each instance's own models; each once, in this order.
    pub(super) fn list(&self) -> Vec<Listed> {
        let mut seen = HashSet::new();
        let mut all = Vec::new();
        let mut add = |name: String, owner: &str| {
            if seen.insert(name.clone()) {
                all.push(Listed {
                    name,
                    owner: owner.to_owned(),
                });
            }
        };
        for route in &self.routes {
            add(route.name.as_str().to_owned(), "llmdeck");
        }
        if !self.instances.is_empty() {
            add(AUTO.to_owned(), "llmdeck");
        }
        for known in &self.instances {
            for model in &known.models {
                add(model.clone(), known.name.as_str());
            }
        }
        for known in &self.instances {
            for model in &known.models {
                add(format!("{}/{model}", known.name), known.name.as_str());
            }
        }
        all
    }

    fn instance(&self, name: &str) -> Option<&Known> {
        self.instances
            .iter()
            .find(|known| known.name.as_str() == name)
    }
}
