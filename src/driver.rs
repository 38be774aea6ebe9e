//! The driver: a chat made reliable and watched.
//!
//! `stream` is the one way in: it asks the balancer for a lease, the instance's strategy for a stream, retries and
//! fails over before the first token and never after it, and tells the monitor everything. `chat` (whole answer) and
//! `chat_stream` (two callbacks) are thin folds over it.

mod apply;
mod attempt;
mod callbacks;
mod hedge;
mod input;
mod loaded;
mod past;
pub(crate) mod retry;
mod roster;
mod rules;
mod run;
mod set;
mod tending;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::base::{
    AlertState, AlertView, Answer, Board, Changed, ChatRequest, ChatStream, Command, DeckEvent,
    Error, Failures, InstanceDocument, InstanceName, LlmMetrics, LlmResponse, ProviderType,
    RequestId, RouteName, Sample, Scope, Series, Usage,
};
use crate::limit;
use crate::monitor::{self, LlmMonitor};
use crate::pool::{self, InstanceSettings, LlmLoadBalancer, RouteSettings};
use crate::prices::{self, PriceSettings};
use crate::provider::LlmModelStrategy;

use roster::Roster;

pub use apply::Applied;
pub use input::{ChatInput, Turn};
pub use past::Past;
pub use retry::RetrySettings;

/// How many events a slow listener may lag behind before it misses some.
const EVENTS_HELD: usize = 1_024;
/// How many ended requests are kept for those who look later.
const ENDED_HELD: usize = 1_000;

/// What the driver as a whole is set to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The pool: strategy, queue, breaker.
    pub pool: pool::Settings,
    /// Retries and their budget.
    pub retry: RetrySettings,
    /// The monitor.
    pub monitor: monitor::Settings,
    /// Prices of one's own by model; the built-in list holds the public ones.
    pub prices: BTreeMap<String, PriceSettings>,
    /// Whether somebody exports traces: then instances are told of the attempt's span, otherwise of the caller's.
    pub trace: bool,
    /// Whether samples carry the text of their prompts, for a request log that keeps it.
    pub prompts: bool,
    /// The seed of every choice by chance; `None` takes one from the system.
    pub seed: Option<u64>,
}

/// One instance to drive: what the pool knows of it, and how to speak to it.
#[derive(Clone)]
pub struct InstanceSpec {
    /// What the pool knows.
    pub settings: InstanceSettings,
    /// How to speak to it.
    pub strategy: Arc<dyn LlmModelStrategy>,
}

/// The driver over a pool of instances (the design document's name for it). Cheap to clone, safe to share.
///
/// Needs a tokio runtime around its calls.
#[derive(Clone)]
pub struct LlmModelDriver(Arc<Shared>);

/// Sets up an instance from what a face says of it while the driver runs; reads its key and makes its strategy.
pub type InstanceBuilder =
    Box<dyn Fn(InstanceDocument) -> BoxFuture<'static, Result<InstanceSpec, Error>> + Send + Sync>;

/// What all requests share.
struct Shared {
    balancer: LlmLoadBalancer,
    roster: RwLock<Roster>,
    /// Held while instances come or go, so that pool and roster agree.
    changing: Mutex<()>,
    builder: RwLock<Option<InstanceBuilder>>,
    tasks: tending::Tasks,
    monitor: LlmMonitor,
    budget: retry::Budget,
    hedges: hedge::Budgets,
    in_force: RwLock<Arc<InForce>>,
    dice: Mutex<rand::rngs::SmallRng>,
    events: broadcast::Sender<DeckEvent>,
    /// The last requests that ended, oldest first.
    ended: Mutex<VecDeque<Arc<Sample>>>,
    started: Instant,
    next_request: AtomicU64,
}

/// The settings of this moment. A request keeps those it began with.
struct InForce {
    settings: Settings,
    routes: BTreeMap<RouteName, Arc<RouteSettings>>,
    /// The same in words, for boards.
    told: set::Told,
}

impl InForce {
    fn new(settings: Settings, routes: Vec<RouteSettings>) -> Self {
        let routes = routes.into_iter();
        Self {
            routes: routes
                .map(|route| (route.name.clone(), Arc::new(route)))
                .collect(),
            settings,
            told: set::Told::default(),
        }
    }
}

impl LlmModelDriver {
    /// Makes a driver.
    ///
    /// # Errors
    /// Of kind `config`: two instances of one name, an unknown strategy, a route that names a missing instance.
    pub fn new(
        settings: Settings,
        routes: Vec<RouteSettings>,
        mut instances: Vec<InstanceSpec>,
    ) -> Result<Self, Error> {
        use rand::SeedableRng;
        let seed = settings.seed.unwrap_or_else(seed_of_the_system);
        let (events, _) = broadcast::channel(EVENTS_HELD);
        let now = Instant::now();
        let mut roster = Roster::default();
        for instance in &mut instances {
            prices_of(&mut instance.settings, &settings)?;
            roster.take(None, instance.clone());
        }
        let balancer = LlmLoadBalancer::new(
            settings.pool.clone(),
            routes.clone(),
            instances
                .into_iter()
                .map(|instance| instance.settings)
                .collect(),
            seed,
            events.clone(),
        )?;
        let driver = Self(Arc::new(Shared {
            balancer,
            roster: RwLock::new(roster),
            changing: Mutex::default(),
            builder: RwLock::default(),
            tasks: tending::Tasks::default(),
            monitor: LlmMonitor::new(&settings.monitor, now),
            budget: retry::Budget::new(&settings.retry),
            hedges: hedge::Budgets::default(),
            in_force: RwLock::new(Arc::new(InForce::new(settings, routes))),
            dice: Mutex::new(rand::rngs::SmallRng::seed_from_u64(seed ^ 0x5eed)),
            events,
            ended: Mutex::default(),
            started: now,
            next_request: AtomicU64::new(1),
        }));
        tending::start(&driver.0);
        Ok(driver)
    }

    /// Lets instances be added while it runs, by [`Command::AddInstance`]: `builder` knows how to set one up, with the
    /// defaults of the config in force. The last one that is given counts.
    pub fn build_with(&self, builder: InstanceBuilder) {
        *self.0.builder.write() = Some(builder);
    }

    /// Sends a chat. Nothing happens until the stream is polled; dropping it cancels the request, closes the upstream
    /// connection and gives the permit back.
    ///
    /// The stream ends in exactly one `Ok(Chunk::Done(_))` or one `Err`.
    pub fn stream(&self, request: ChatRequest) -> ChatStream {
        run::stream(Arc::clone(&self.0), request)
    }

    /// Sends a chat and waits for the whole answer.
    ///
    /// # Errors
    /// Whatever ended the request, with the chain of attempts.
    pub async fn chat(&self, request: impl Into<ChatRequest>) -> Result<LlmResponse, Error> {
        let mut stream = self.stream(request.into());
        let mut answer = Answer::default();
        while let Some(piece) = stream.next().await {
            answer.push(&piece?);
        }
        Ok(answer.into_response())
    }

    /// Sends a chat as the design document has it: `realtime(role_name, you_name, content, end)` for every piece of
    /// visible text, and once more with an empty piece and `end = true`; then, when the answer came to a proper end,
    /// `conversation_end(role_name, answer, you_name, query)` once.
    ///
    /// # Errors
    /// An unknown type, or whatever ended the request. `realtime` has then been called with `end = true` too, if it
    /// was called at all; `conversation_end` has not.
    pub async fn chat_stream(
        &self,
        input: &ChatInput,
        realtime: impl FnMut(&str, &str, &str, bool) + Send,
        conversation_end: impl FnOnce(&str, &str, &str, &str) + Send,
    ) -> Result<LlmResponse, Error> {
        callbacks::chat_stream(self, input, realtime, conversation_end).await
    }

    /// Returns the figures of a provider type since the start.
    ///
    /// # Errors
    /// When the type is not known; the message lists those that are.
    pub fn get_metrics(&self, provider_type: &str) -> Result<LlmMetrics, Error> {
        let provider_type: ProviderType = provider_type.parse()?;
        Ok(self.0.monitor.get_metrics(provider_type, Instant::now()))
    }

    /// Returns the figures of every provider type since the start.
    pub fn get_all_metrics(&self) -> BTreeMap<ProviderType, LlmMetrics> {
        self.0.monitor.get_all_metrics(Instant::now())
    }

    /// Returns the monitor.
    pub fn monitor(&self) -> &LlmMonitor {
        &self.0.monitor
    }

    /// Returns the balancer.
    pub fn balancer(&self) -> &LlmLoadBalancer {
        &self.0.balancer
    }

    /// Returns the picture of this moment.
    pub fn board(&self) -> Board {
        let now = Instant::now();
        let view = self.0.balancer.view();
        let mut instances = view.instances;
        for instance in &mut instances {
            let scope = Scope::Instance(instance.name.clone());
            instance.metrics = self.0.monitor.metrics(&scope, now);
        }
        let in_force = self.0.in_force();
        {
            let roster = self.0.roster.read();
            for instance in &mut instances {
                if let Some(member) = roster.find(&instance.name) {
                    instance.settings.extend(in_force.told_of_instance(member));
                }
            }
        }
        let mut routes = view.routes;
        for route in &mut routes {
            route.settings = in_force.told_of_route(&route.name);
            let of = in_force.routes.get(&route.name);
            route.hedges = of.and_then(|of| self.0.hedges.view(of));
        }
        Board {
            uptime: now.duration_since(self.0.started),
            strategy: view.strategy,
            next: view.next,
            queue: view.queue,
            instances,
            routes,
            totals: self.0.monitor.metrics(&Scope::All, now),
            retries: self.0.budget.view(),
            scaling: view.scaling,
            settings: in_force.told_of_pool(),
            alerts: standing(self.0.monitor.alerts(now)),
        }
    }

    /// Returns figures over the last `window`, in at most `buckets` buckets.
    pub fn series(&self, scope: &Scope, window: Duration, buckets: usize) -> Series {
        self.0
            .monitor
            .series(scope, window, buckets, Instant::now())
    }

    /// Returns figures over the last `window` as one set of numbers.
    pub fn window_metrics(&self, scope: &Scope, window: Duration) -> LlmMetrics {
        self.0.monitor.window_metrics(scope, window, Instant::now())
    }

    /// Returns the last requests that ended, newest first, at most `limit` of the thousand that are kept.
    pub fn requests(&self, limit: usize) -> Vec<Arc<Sample>> {
        let ended = self.0.ended.lock();
        ended.iter().rev().take(limit).cloned().collect()
    }

    /// Returns the last failures, at most `limit`, and all groups of alike ones.
    pub fn failures(&self, limit: usize) -> Failures {
        self.0.monitor.recent_errors(limit, Instant::now())
    }

    /// Hears what happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<DeckEvent> {
        self.0.events.subscribe()
    }

    /// Carries out a command; `by` says who gives it, for the log.
    pub fn command(
        &self,
        command: Command,
        by: &str,
    ) -> BoxFuture<'static, Result<Changed, Error>> {
        let shared = Arc::clone(&self.0);
        let by = by.to_owned();
        Box::pin(async move { shared.command(command, by).await })
    }
}

impl Shared {
    async fn command(self: &Arc<Self>, command: Command, by: String) -> Result<Changed, Error> {
        let changed = match command {
            Command::Probe { instance } => self.probe(&instance).await?,
            Command::AddInstance { settings } => self.add(settings).await?,
            Command::RemoveInstance { .. } => {
                let _one_at_a_time = self.changing.lock();
                let changed = self.balancer.command(&command)?;
                self.forget_the_gone();
                changed
            }
            Command::SilenceAlert { rule, time } => self.silence(rule, time)?,
            Command::Set { whose, key, value } => self.set(&whose, &key, value.as_deref())?,
            command => self.balancer.command(&command)?,
        };
        tracing::info!(by, what = changed.what, "command");
        // Nobody listening is fine.
        let _ = self.events.send(DeckEvent::Commanded {
            what: changed.what.clone(),
            by,
        });
        Ok(changed)
    }

    /// Keeps an alert rule silent.
    fn silence(&self, rule: String, time: Duration) -> Result<Changed, Error> {
        const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
        let before = self
            .monitor
            .silence_alert(&rule, time.min(LONGEST), Instant::now())?;
        let what = if time.is_zero() {
            format!("alert rule {rule} tells again")
        } else {
            let time = Duration::from_secs(time.min(LONGEST).as_secs().max(1));
            format!(
                "alert rule {rule} is silent for {}",
                humantime::format_duration(time)
            )
        };
        let undo = Command::SilenceAlert { rule, time: before };
        Ok(Changed {
            what,
            undo: Some(undo),
        })
    }

    /// Asks an instance whether it is there.
    async fn probe(&self, instance: &InstanceName) -> Result<Changed, Error> {
        let command = Command::Probe {
            instance: instance.clone(),
        };
        let mut changed = self.balancer.command(&command)?;
        let member = self.roster.read().find(instance).cloned();
        let member = member.ok_or_else(|| roster::unknown(instance))?;
        let begun = Instant::now();
        let found = member.strategy.probe().await;
        let took = begun.elapsed();
        found?;
        // An instance that answers is asked again at once, whatever it was held or open for.
        self.balancer.command(&Command::ResetBreaker {
            instance: instance.clone(),
        })?;
        changed.what = format!("{instance} answers in {} ms", took.as_millis());
        Ok(changed)
    }

    /// Returns the settings of this moment.
    fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.read())
    }

    /// Returns what an answer cost in US dollars, when that is known.
    fn cost(&self, instance: &InstanceName, model: &str, usage: Option<&Usage>) -> Option<f64> {
        let usage = usage?;
        let member = self.roster.read().find(instance).cloned()?;
        let price = prices::find(
            &self.in_force().settings.prices,
            member.settings.provider_type,
            &member.settings.base_url,
            model,
        )?;
        price.cost(usage, jiff::Timestamp::now())
    }

    fn next_request(&self) -> RequestId {
        RequestId(self.next_request.fetch_add(1, Ordering::Relaxed))
    }

    /// Keeps an ended request for those who look later.
    fn keep(&self, sample: &Arc<Sample>) {
        let mut ended = self.ended.lock();
        if ended.len() >= ENDED_HELD {
            ended.pop_front();
        }
        ended.push_back(Arc::clone(sample));
    }

    /// Tells whoever listens; without anybody the event is not even made.
    fn tell(&self, event: impl FnOnce() -> DeckEvent) {
        if self.events.receiver_count() > 0 {
            // The last one may have left just now.
            let _ = self.events.send(event());
        }
    }
}

impl From<&str> for ChatRequest {
    /// Makes a request with one user message.
    fn from(question: &str) -> Self {
        Self::new(vec![crate::base::Message::user(question)])
    }
}

/// Leaves out what is over.
fn standing(mut alerts: Vec<AlertView>) -> Vec<AlertView> {
    alerts.retain(|alert| alert.state != AlertState::Resolved);
    alerts
}

/// Fills in what an instance's answers cost, where the config does not say.
///
/// # Errors
/// When its spending is limited and nothing is known of its prices.
fn prices_of(instance: &mut InstanceSettings, settings: &Settings) -> Result<(), Error> {
    instance.rates = (instance.models.iter())
        .filter_map(|model| {
            let price = prices::find(
                &settings.prices,
                instance.provider_type,
                &instance.base_url,
                model,
            )?;
            let (input, output) = price.per_token()?;
            Some((model.clone(), limit::Rate { input, output }))
        })
        .collect();
    let unknown = (instance.models.iter()).find(|model| !instance.rates.contains_key(*model));
    if let (Some(_), Some(model)) = (instance.limits.spend_per_day, unknown) {
        return Err(pool::no_price(&instance.name, model));
    }
    if let (None, Some(model)) = (instance.price, instance.models.first()) {
        instance.price = prices::find(
            &settings.prices,
            instance.provider_type,
            &instance.base_url,
            model,
        )
        .and_then(|price| price.output_per_million());
    }
    Ok(())
}

fn seed_of_the_system() -> u64 {
    use rand::{RngCore, SeedableRng};
    rand::rngs::SmallRng::from_os_rng().next_u64()
}
