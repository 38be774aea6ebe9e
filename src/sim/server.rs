//! The server: all simulated instances, each on a port of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::instance::Instance;
use super::journal::Log;
use super::{Fault, InstanceProfile, Record, Settings, Stats, connection, route};
use crate::base::{Error, ErrorKind, InstanceName, ProviderType};

/// How a client reaches a simulated instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// The instance's name.
    pub name: InstanceName,
    /// The protocol it speaks.
    pub provider_type: ProviderType,
    /// Its base URL, as a client is configured with it.
    pub base_url: String,
    /// The models it offers, the default one first; never empty.
    pub models: Vec<String>,
    /// The key it wants; made up, and no secret.
    pub key: Option<String>,
    /// Its whole character, for clients that want to respect its limits.
    pub profile: InstanceProfile,
}

/// The embedded pool. Dropping it closes all ports and breaks all connections.
pub struct Server {
    instances: Vec<Arc<Instance>>,
    log: Arc<Log>,
    tasks: TaskTracker,
    /// Cancelled when answers may still run to their end, but nothing new begins.
    stopping: CancellationToken,
    /// Cancelled when everything ends at once.
    stopped: CancellationToken,
    runtime: Handle,
}

impl Server {
    /// Opens all ports and answers from now on, on the tokio runtime that this is called in.
    ///
    /// # Errors
    /// `config` when the settings make no sense, `network` when a port is taken or there is no runtime.
    pub fn start(settings: Settings) -> Result<Self, Error> {
        settings.validate()?;
        let runtime = Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::Network, "the simulated pool needs a runtime").with_source(error)
        })?;
        let start = Instant::now();
        let log = Arc::new(Log::default());
        let mut server = Self {
            instances: Vec::with_capacity(settings.instances.len()),
            log: Arc::clone(&log),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            stopped: CancellationToken::new(),
            runtime,
        };
        for profile in settings.instances {
            let name = profile.name.clone();
            let port = profile.port;
            let stopped = server.stopped.clone();
            let opened = Instance::open(settings.seed, profile, start, Arc::clone(&log), stopped);
            let instance = opened.map_err(|error| {
                Error::new(
                    ErrorKind::Network,
                    format!("cannot listen on 127.0.0.1:{port}: {error}"),
                )
                .with_instance(name)
                .with_source(error)
            })?;
            server.instances.push(Arc::new(instance));
        }
        for instance in &server.instances {
            server.run(instance);
        }
        Ok(server)
    }

    /// Returns how to reach each instance, in the order of the settings.
    pub fn instances(&self) -> Vec<Endpoint> {
        self.instances
            .iter()
            .map(|instance| Endpoint {
                name: instance.profile.name.clone(),
                provider_type: instance.profile.provider_type,
                base_url: instance.base_url(),
                models: instance.models.clone(),
                key: instance.profile.key.clone(),
                profile: instance.profile.clone(),
            })
            .collect()
    }

    /// Makes every request to an instance meet a fault, or ends that. [`Fault::Refuse`] has closed the port when
    /// this returns, and without it the port is open again.
    ///
    /// # Errors
    /// `config` when there is no such instance, `network` when its port cannot be opened again.
    pub fn set_fault(&self, name: &str, fault: Option<Fault>) -> Result<(), Error> {
        let _runtime = self.runtime.enter();
        let instance = self.find(name)?;
        instance.set_fault(fault).map_err(|error| {
            Error::new(ErrorKind::Network, format!("cannot listen again: {error}"))
                .with_instance(instance.profile.name.clone())
        })
    }

    /// Returns an instance's counters.
    ///
    /// # Errors
    /// `config` when there is no such instance.
    pub fn stats(&self, name: &str) -> Result<Stats, Error> {
        Ok(self.find(name)?.journal.stats())
    }

    /// Waits until an instance's counters are as wanted, and returns them.
    ///
    /// # Errors
    /// `config` when there is no such instance.
    pub async fn until(
        &self,
        name: &str,
        mut wanted: impl FnMut(&Stats) -> bool,
    ) -> Result<Stats, Error> {
        let mut stats = self.find(name)?.journal.watch();
        let reached = stats.wait_for(|stats| wanted(stats)).await;
        reached
            .map(|stats| stats.clone())
            .map_err(|error| Error::new(ErrorKind::Cancelled, "server gone").with_source(error))
    }

    /// Returns the last requests of all instances, in the order in which they ended; at most 10 000.
    pub fn log(&self) -> Vec<Record> {
        self.log.records()
    }

    /// Takes nothing new, lets running answers end for as long as `patience`, and breaks what is left.
    pub async fn shutdown(self, patience: Duration) {
        self.stopping.cancel();
        for instance in &self.instances {
            instance.close(true);
        }
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::debug!("simulated answers were broken off at shutdown");
        }
    }

    fn find(&self, name: &str) -> Result<&Arc<Instance>, Error> {
        let name_of = |instance: &Arc<Instance>| instance.profile.name.as_str().to_owned();
        self.instances
            .iter()
            .find(|instance| instance.profile.name.as_str() == name)
            .ok_or_else(|| {
                let known: Vec<String> = self.instances.iter().map(name_of).collect();
                let known = known.join(", ");
                Error::new(
                    ErrorKind::Config,
                    format!("no simulated instance '{name}'; there are: {known}"),
                )
            })
    }

    fn run(&self, instance: &Arc<Instance>) {
        let (tasks, stopping) = (self.tasks.clone(), self.stopping.clone());
        let accepting = Arc::clone(instance);
        self.tasks.spawn(async move {
            let accept_all = async {
                loop {
                    let (stream, broken) = accepting.accept().await;
                    let instance = Arc::clone(&accepting);
                    tasks.spawn(connection::serve(
                        stream,
                        broken,
                        stopping.clone(),
                        move |connection, request| {
                            route::handle(Arc::clone(&instance), connection, request)
                        },
                    ));
                }
            };
            stopping.run_until_cancelled(accept_all).await;
        });
        let stopping = self.stopping.clone();
        let instance = Arc::clone(instance);
        self.tasks.spawn(async move {
            stopping.run_until_cancelled(instance.keep_schedule()).await;
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.stopped.cancel();
        for instance in &self.instances {
            instance.close(false);
        }
    }
}
