//! One simulated instance: its profile, its port, and what is set at run time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::gate::Gate;
use super::journal::{Journal, Log};
use super::port::Port;
use super::{Fault, InstanceProfile};
use crate::base::ProviderType;

/// One simulated instance.
pub(super) struct Instance {
    pub(super) seed: u64,
    pub(super) profile: InstanceProfile,
    pub(super) models: Vec<String>,
    pub(super) journal: Arc<Journal>,
    pub(super) gate: Gate,
    port: Port,
    start: Instant,
    trouble: Mutex<Trouble>,
}

/// What is wrong with an instance now.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    /// By order.
    fault: Option<Fault>,
    /// By schedule.
    outage: bool,
}

impl Trouble {
    fn closes_port(self) -> bool {
        self.outage || self.fault == Some(Fault::Refuse)
    }
}

impl Instance {
    /// Opens the instance's port. Needs a tokio runtime.
    pub(super) fn open(
        seed: u64,
        profile: InstanceProfile,
        start: Instant,
        log: Arc<Log>,
        stopped: CancellationToken,
    ) -> io::Result<Self> {
        let journal = Arc::new(Journal::new(profile.name.clone(), start, log));
        Ok(Self {
            seed,
            models: profile.models(),
            gate: Gate::new(&profile, Arc::clone(&journal)),
            port: Port::open(profile.port, stopped)?,
            journal,
            start,
            trouble: Mutex::default(),
            profile,
        })
    }

    /// Returns the base URL that a client is configured with.
    pub(super) fn base_url(&self) -> String {
        let address: SocketAddr = self.port.address();
        let path = match self.profile.provider_type {
            ProviderType::OpenAi => "/v1",
            ProviderType::Ollama => "",
            ProviderType::ZhipuAi => "/api/paas/v4",
        };
        format!("http://{address}{path}")
    }

    /// Tells whether it has a model; Ollama's names may leave out `:latest`.
    pub(super) fn offers(&self, model: &str) -> bool {
        let is_ollama = self.profile.provider_type == ProviderType::Ollama;
        self.models.iter().any(|offered| {
            offered == model || is_ollama && offered.strip_suffix(":latest") == Some(model)
        })
    }

    /// Returns the fault that was ordered.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.trouble.lock().fault
    }

    /// Orders a fault, or ends it. Needs a tokio runtime.
    pub(super) fn set_fault(&self, fault: Option<Fault>) -> io::Result<()> {
        self.change(|trouble| trouble.fault = fault)
    }

    /// Waits for a connection, without end.
    pub(super) async fn accept(&self) -> (TcpStream, CancellationToken) {
        /// Accepting fails when files run out; a moment later there may be some.
        const AFTER_FAILURE: Duration = Duration::from_millis(50);
        loop {
            match self.port.accept().await {
                Ok((stream, _)) if self.fault() == Some(Fault::Close) => drop(stream),
                Ok(accepted) => {
                    self.journal.count(|stats| stats.connections += 1);
                    return accepted;
                }
                Err(error) => {
                    tracing::warn!(instance = %self.profile.name, %error, "cannot accept");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Closes and opens the port by its schedule, without end; ends at once when there is none.
    pub(super) async fn keep_schedule(&self) {
        let Some(outage) = self.profile.outage else {
            return;
        };
        loop {
            let (is_on, left) = outage.at(self.start.elapsed());
            if let Err(error) = self.change(|trouble| trouble.outage = is_on) {
                tracing::warn!(instance = %self.profile.name, %error, "cannot open its port again");
            }
            tokio::time::sleep(left).await;
        }
    }

    /// Takes no more connections; `gently` lets those that stand go on.
    pub(super) fn close(&self, gently: bool) {
        if gently {
            self.port.close_gently();
        } else {
            self.port.close();
        }
    }

    fn change(&self, change: impl FnOnce(&mut Trouble)) -> io::Result<()> {
        let mut trouble = self.trouble.lock();
        change(&mut trouble);
        if trouble.closes_port() {
            self.port.close();
            Ok(())
        } else {
            self.port.reopen()
        }
    }
}
