//! One run: a heap of events in virtual time, around the driver's own pool.
//!
//! It stands where the driver's request loop stands, and does what that does: ask the pool, send, tell it of first
//! tokens, progress and ends, and ask `driver::retry` what to do after a failure. Only the instances are made up.

mod attempt;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use crate::base::{DeckEvent, Error, InstanceState, Priority, ProviderType, Target};
use crate::driver::retry::Budget;
use crate::limit::{self, Cost};
use crate::pool::core::{Admission, Core, Want};
use crate::pool::{self, InstanceSettings, StrategyKind};

use super::faults::{self, Course, Kind};
use super::live::{Live, Lives, Phase};
use super::machine::{self, Machine};
use super::oracle::{Oracle, Truth};
use super::scenario::{Chooser, Machinery, Scenario};
use super::tally::{Figures, Tally};
use super::work::{Arrivals, Ask};

/// The driver tells the pool of progress this often.
const PULSE: u64 = 200_000_000;
/// A pool is not looked at more often than this for time alone, as in the driver.
const LEAST_WAKE: u64 = 1_000_000;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The next request comes.
    Arrive,
    /// A first token comes.
    FirstToken { live: u32, epoch: u32 },
    /// An attempt fails before its first token.
    Fail { live: u32, epoch: u32, cause: Cause },
    /// The first stream of an instance ends.
    End { at: u32, version: u32 },
    /// A request tries again.
    Again { live: u32, epoch: u32 },
    /// A fault begins or ends.
    Fault { episode: u32, begins: bool },
    /// The pool wants to look whether time has changed something.
    Wake,
    /// Progress is told.
    Pulse,
}

/// Why an attempt fails before its first token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// A 500.
    Server,
    /// Nothing came in time.
    Silence,
    /// A 429, with the nanoseconds to wait.
    Limit(u64),
}

/// One run.
struct Engine<'s> {
    scenario: &'s Scenario,
    core: Core,
    base: Instant,
    /// Nanoseconds since the start.
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    order: u64,
    arrivals: Arrivals,
    next_ask: Option<Ask>,
    course: Course,
    truth: Arc<Mutex<Truth>>,
    lives: Lives,
    /// Who waits at which place of the queue.
    waiting: HashMap<u64, u32>,
    in_flight: Vec<u32>,
    permits: Vec<u32>,
    budget: Budget,
    dice: SmallRng,
    coins: SmallRng,
    wake_at: Option<u64>,
    warm_up: u64,
    tally: Tally,
}

/// What one run is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) chooser: Chooser,
    /// Requests offered, as a share of the healthy fleet's capacity.
    pub(super) load: f64,
    pub(super) seed: u64,
    /// Expected number of measured requests; `None` takes the scenario's duration.
    pub(super) requests: Option<u64>,
}

/// Runs it.
pub(super) fn run(scenario: &Scenario, task: Task) -> Result<Figures, Error> {
    let fleet = spread(scenario);
    // Once for each kind: the means behind it are sums of thousands of terms.
    let of_family: Vec<f64> = (scenario.fleet.iter())
        .map(|machinery| machine::capacity(machinery, &scenario.work))
        .collect();
    let capacities: Vec<f64> = fleet.iter().map(|(_, family)| of_family[*family]).collect();
    let capacity: f64 = capacities.iter().sum();
    let rate = task.load * capacity;
    let duration = match task.requests {
        Some(requests) => requests as f64 / rate,
        None => scenario.duration.as_secs_f64(),
    };
    let warm_up = scenario.warm_up.as_secs_f64();
    let families: Vec<(usize, f64)> = fleet
        .iter()
        .zip(&capacities)
        .map(|((_, family), capacity)| (*family, *capacity))
        .collect();
    let names: Vec<&str> = scenario
        .fleet
        .iter()
        .map(|machinery| machinery.name.as_str())
        .collect();
    // Every kind of chance has its own seed, so that all strategies meet the same requests and faults.
    let seed = |which: u64| task.seed.wrapping_mul(1_000_003).wrapping_add(which);
    let course = faults::course(
        &scenario.faults,
        &names,
        &families,
        warm_up,
        duration,
        seed(23),
    );
    let effective_load = rate / (capacity - course.lost / duration).max(1e-9);

    let base = Instant::now();
    let settings = pool::Settings {
        strategy: match task.chooser {
            Chooser::Strategy(kind) => kind,
            Chooser::Oracle => StrategyKind::RoundRobin,
        }
        .as_str()
        .to_owned(),
        ..scenario.pool.clone()
    };
    let instances = fleet
        .iter()
        .zip(&capacities)
        .map(|((name, family), own)| {
            let share = own * fleet.len() as f64 / capacity;
            instance(scenario, *family, name, share)
        })
        .collect();
    let mut core = Core::new(settings, Vec::new(), instances, seed(41), base)?;
    let truth = Arc::new(Mutex::new(Truth {
        machines: fleet
            .iter()
            .map(|(_, family)| {
                Machine::new(&scenario.fleet[*family], &scenario.work, &scenario.faults)
            })
            .collect(),
        ..Truth::default()
    }));
    if task.chooser == Chooser::Oracle {
        core.choose_by(Box::new(Oracle(Arc::clone(&truth))));
    }
    let engine = Engine {
        scenario,
        core,
        base,
        now: 0,
        events: BinaryHeap::new(),
        order: 0,
        arrivals: Arrivals::new(scenario.work.clone(), rate, warm_up + duration, seed(11)),
        next_ask: None,
        course,
        truth,
        lives: Lives::default(),
        waiting: HashMap::new(),
        in_flight: vec![0; fleet.len()],
        permits: fleet
            .iter()
            .map(|(_, family)| scenario.fleet[*family].permits as u32)
            .collect(),
        budget: Budget::new(&scenario.retry),
        dice: SmallRng::seed_from_u64(seed(53)),
        coins: SmallRng::seed_from_u64(seed(37)),
        wake_at: None,
        warm_up: nanos(warm_up),
        tally: Tally {
            tokens: vec![0.0; fleet.len()],
            ..Tally::default()
        },
    };
    Ok(engine.run().figures(&capacities, rate, effective_load))
}

/// Lists every instance: its name and its place in the fleet table.
fn spread(scenario: &Scenario) -> Vec<(String, usize)> {
    let mut fleet = Vec::new();
    for (family, machinery) in scenario.fleet.iter().enumerate() {
        for number in 1..=machinery.count {
            let name = match machinery.count {
                1 => machinery.name.clone(),
                _ => format!("{}-{number}", machinery.name),
            };
            fleet.push((name, family));
        }
    }
    fleet
}

/// Makes what the pool knows of an instance; `share` is its capacity relative to the mean.
fn instance(scenario: &Scenario, family: usize, name: &str, share: f64) -> InstanceSettings {
    let machinery: &Machinery = &scenario.fleet[family];
    let tokens_per_minute = machinery.quota.as_ref().and_then(|quota| {
        let per_second = machine::quota_per_second(quota, machinery, &scenario.work);
        quota
            .configured
            .map(|configured| (configured * per_second * 60.0) as u64)
    });
    InstanceSettings {
        weight: machinery
            .weight
            .unwrap_or((share * 100.0).round().clamp(1.0, 1_000_000.0) as u32),
        tier: machinery.tier,
        price: machinery.price,
        limits: limit::Settings {
            permits: machinery.permits,
            tokens_per_minute,
            ..limit::Settings::default()
        },
        ..InstanceSettings::new(name, ProviderType::OpenAi)
    }
}

fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

impl Engine<'_> {
    fn run(mut self) -> Tally {
        for (number, episode) in self.course.episodes.clone().iter().enumerate() {
            let number = number as u32;
            self.at(
                nanos(episode.from),
                Event::Fault {
                    episode: number,
                    begins: true,
                },
            );
            self.at(
                nanos(episode.to),
                Event::Fault {
                    episode: number,
                    begins: false,
                },
            );
        }
        self.expect_next();
        self.at(PULSE, Event::Pulse);
        while let Some(Reverse((when, _, event))) = self.events.pop() {
            self.now = when;
            self.truth.lock().now = self.seconds();
            self.happen(event);
            self.hear();
        }
        self.check_the_end();
        self.tally
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive => self.arrive(),
            Event::FirstToken { live, epoch } => {
                if self.lives[live].epoch == epoch {
                    self.first_token(live);
                }
            }
            Event::Fail { live, epoch, cause } => {
                if self.lives[live].epoch == epoch {
                    self.fail(live, cause);
                }
            }
            Event::End { at, version } => self.end(at, version),
            Event::Again { live, epoch } => {
                if self.lives[live].epoch == epoch {
                    self.acquire(live);
                }
            }
            Event::Fault { episode, begins } => self.fault(episode, begins),
            Event::Wake => {
                if self.wake_at == Some(self.now) {
                    self.wake_at = None;
                    self.core.tick(self.instant());
                }
            }
            Event::Pulse => {
                self.tell_progress();
                if self.next_ask.is_some() || self.lives.len() > 0 {
                    self.at(self.now + PULSE, Event::Pulse);
                }
            }
        }
    }

    /// Carries the pool's decisions to whom they concern, and sees to it that it is woken in time.
    fn hear(&mut self) {
        loop {
            let verdicts = self.core.take_verdicts();
            if verdicts.is_empty() {
                break;
            }
            for (place, verdict) in verdicts {
                let Some(live) = self.waiting.remove(&place.id) else {
                    self.tally
                        .broke(|| format!("a verdict for nobody at {place:?}"));
                    continue;
                };
                match verdict {
                    Ok(grant) => self.begin(live, &grant),
                    Err(_) => {
                        self.tally.turned_away += 1;
                        self.finish(live, false);
                    }
                }
            }
        }
        for event in self.core.take_events() {
            if let DeckEvent::StateChanged { state, .. } = event
                && matches!(state, InstanceState::Open(_))
            {
                self.tally.openings += 1;
            }
        }
        if self.core.waiting() > 0
            && let Some(when) = self.core.next_wake(self.instant())
        {
            let after = when.duration_since(self.base).as_nanos() as u64;
            let when = after.max(self.now + LEAST_WAKE);
            if self.wake_at.is_none_or(|before| when < before) {
                self.wake_at = Some(when);
                self.at(when, Event::Wake);
            }
        }
    }

    fn expect_next(&mut self) {
        self.next_ask = self.arrivals.next();
        if let Some(ask) = self.next_ask {
            self.at(nanos(ask.at), Event::Arrive);
        }
    }

    fn arrive(&mut self) {
        let Some(ask) = self.next_ask else { return };
        self.expect_next();
        let seconds = self.seconds();
        let in_planned = self
            .course
            .planned
            .iter()
            .any(|(from, to)| (*from..*to).contains(&seconds));
        let cost = self.cost(ask.prompt);
        let live = self.lives.insert(Live {
            phase: Phase::Queued,
            epoch: 0,
            prompt: ask.prompt,
            output: ask.output,
            arrived: self.now,
            first_token: 0,
            attempts: 0,
            want: Want {
                target: Target::Any,
                model: None,
                cost,
                priority: Priority::Interactive,
                caller: None,
                conversation: None,
                deadline: self.instant() + self.scenario.pool.deadline,
                tried: Vec::new(),
                tag: None,
                types: 0,
                request: 0,
            },
            lease: 0,
            probe: false,
            at: 0,
            in_planned,
        });
        self.lives[live].want.request = u64::from(live);
        {
            let asks = &mut self.truth.lock().asks;
            if asks.len() <= live as usize {
                asks.resize(live as usize + 1, (0, 0));
            }
            asks[live as usize] = (ask.prompt, ask.output);
        }
        self.tally.submitted += 1;
        self.tally.planned += u64::from(in_planned);
        self.budget.request();
        self.acquire(live);
    }

    /// Estimates what a request costs of a rate budget: the driver knows the prompt, and guesses the answer.
    fn cost(&self, prompt: u32) -> Cost {
        let counted = self.counted(prompt);
        let output = self.core.expected_output();
        Cost {
            tokens: counted as u64 + output,
            output,
            ..Cost::default()
        }
    }

    /// Returns how many tokens of a prompt the providers count.
    fn counted(&self, prompt: u32) -> f64 {
        let quota = self
            .scenario
            .fleet
            .iter()
            .find_map(|machinery| machinery.quota.as_ref());
        quota.map_or(1.0, |quota| quota.prompt) * f64::from(prompt)
    }

    fn acquire(&mut self, live: u32) {
        let want = self.lives[live].want.clone();
        match self.core.acquire(want, self.instant()) {
            Admission::Granted(grant) => self.begin(live, &grant),
            Admission::Waiting(place) => {
                self.lives[live].phase = Phase::Queued;
                self.waiting.insert(place.id, live);
            }
            Admission::Refused(_) => {
                self.tally.turned_away += 1;
                self.finish(live, false);
            }
        }
    }

    fn fault(&mut self, episode: u32, begins: bool) {
        let episode = self.course.episodes[episode as usize];
        let seconds = self.seconds();
        let ill = begins.then_some((episode.kind, episode.to));
        let mut broken = Vec::new();
        {
            let machine = &mut self.truth.lock().machines[episode.instance as usize];
            machine.change(ill, seconds);
            if begins && episode.kind == Kind::Fail {
                let (coins, share) = (&mut self.coins, self.scenario.faults.fail.cut);
                broken = machine.cut(seconds, || rand::Rng::random_bool(coins, share));
            }
        }
        self.expect_end(episode.instance);
        for live in broken {
            self.break_off(live);
        }
    }

    /// Ends a request.
    fn finish(&mut self, live: u32, ok: bool) {
        let ended = &self.lives[live];
        self.tally.outcomes += 1;
        if ended.phase == Phase::Free {
            self.tally.broke(|| "a request has two outcomes".to_owned());
            return;
        }
        if ended.in_planned {
            self.tally.planned_attempts += u64::from(ended.attempts);
        }
        if ended.arrived >= self.warm_up {
            self.tally.measured += 1;
            if ok {
                let slo = &self.scenario.slo;
                let first = (ended.first_token - ended.arrived) as f64 * 1e-9;
                let streaming = (self.now - ended.first_token) as f64 * 1e-9;
                let in_time =
                    slo.first_token.as_secs_f64() + f64::from(ended.prompt) / slo.prompt_per_second;
                let fast = slo.per_token.as_secs_f64() * f64::from(ended.output);
                self.tally.good += u64::from(first <= in_time && streaming <= fast);
                self.tally.first_tokens.push(first as f32);
                self.tally.totals.push((first + streaming) as f32);
            } else {
                self.tally.failed += 1;
            }
        }
        self.lives.remove(live);
    }

    fn check_the_end(&mut self) {
        if self.lives.len() > 0 || self.tally.outcomes != self.tally.submitted {
            let left = self.lives.len();
            self.tally
                .broke(|| format!("{left} requests have no outcome"));
        }
        let view = self.core.view(self.instant());
        let leaked = view.instances.iter().find(|found| found.in_flight > 0);
        if let Some(leaked) = leaked {
            self.tally
                .broke(|| format!("{} leaked a permit", leaked.name));
        }
    }

    fn at(&mut self, when: u64, event: Event) {
        self.order += 1;
        self.events.push(Reverse((when, self.order, event)));
    }

    fn after(&mut self, seconds: f64, event: Event) {
        self.at(self.now + nanos(seconds), event);
    }

    fn seconds(&self) -> f64 {
        self.now as f64 * 1e-9
    }

    fn instant(&self) -> Instant {
        self.base + Duration::from_nanos(self.now)
    }
}
