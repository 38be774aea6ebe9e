//! One step: a load is kept up, what begins after the warm-up counts, and what still runs at the end may end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::Exp1;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::ask::ask;
use super::report::Outcome;
use super::runner::Sender;
use super::tally::Tally;
use super::{Load, Plan, Progress, Stage, prompts};

/// The most requests that are open at once in an open loop: what comes beyond is told as not sent.
const MOST_OPEN: usize = 1_000;
/// How long what still runs may take to end when the load has ended.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// A step that runs.
pub(super) struct Step {
    load: Load,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    plan: Arc<Plan>,
    send: Sender,
    /// The number of the next request of the run, over all its steps.
    numbers: Arc<AtomicU64>,
    tally: Mutex<Tally>,
    /// No request begins any more.
    enough: CancellationToken,
}

impl Shared {
    /// Sends the next request and waits for its end.
    async fn one(&self, meant: Instant) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let request = prompts::request(&self.plan, number);
        let asked = ask((self.send)(request), meant).await;
        let ended = self.tally.lock().end(&asked);
        if self.plan.requests.is_some_and(|wanted| ended >= wanted) {
            self.enough();
        }
    }

    fn enough(&self) {
        self.tally.lock().close(Instant::now());
        self.enough.cancel();
    }

    fn begin(&self, meant: Instant) {
        self.tally.lock().begin(meant);
    }
}

impl Step {
    /// Starts to load.
    pub(super) fn start(
        load: Load,
        plan: &Arc<Plan>,
        send: &Sender,
        numbers: &Arc<AtomicU64>,
    ) -> Self {
        let begun = Instant::now();
        let from = begun + plan.warm_up;
        let shared = Arc::new(Shared {
            plan: Arc::clone(plan),
            send: Arc::clone(send),
            numbers: Arc::clone(numbers),
            tally: Mutex::new(Tally::new(from)),
            enough: CancellationToken::new(),
        });
        let mut tasks = JoinSet::new();
        match load {
            Load::Closed(at_once) => {
                for _ in 0..at_once {
                    tasks.spawn(again_and_again(Arc::clone(&shared)));
                }
            }
            Load::Open(rate) => {
                tasks.spawn(arrivals(Arc::clone(&shared), rate, begun));
            }
        }
        if let Some(duration) = plan.duration {
            let shared = Arc::clone(&shared);
            tasks.spawn(async move {
                let over = sleep_until(from + duration);
                if shared
                    .enough
                    .clone()
                    .run_until_cancelled(over)
                    .await
                    .is_some()
                {
                    shared.enough();
                }
            });
        }
        Self {
            load,
            shared,
            tasks,
        }
    }

    /// Runs to the end, or until `stop`; what is open then is cancelled.
    pub(super) async fn run(
        mut self,
        stop: &CancellationToken,
        tell: &(dyn Fn(Progress) + Sync),
    ) -> Outcome {
        let mut ticks = tokio::time::interval(TELL_EVERY);
        let mut patience = None;
        let mut is_interrupted = false;
        loop {
            let until = patience.unwrap_or_else(|| Instant::now() + PATIENCE);
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    is_interrupted = true;
                    break;
                }
                () = self.shared.enough.cancelled(), if patience.is_none() => {
                    patience = Some(Instant::now() + PATIENCE);
                }
                ended = timeout_at(until, self.tasks.join_next()) => match ended {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) if patience.is_some() => break,
                    Err(_) => {}
                },
                now = ticks.tick() => tell(self.progress(patience.is_some(), now)),
            }
        }
        let now = Instant::now();
        let outcome = self
            .shared
            .tally
            .lock()
            .outcome(self.load, is_interrupted, now);
        self.tasks.shutdown().await;
        outcome
    }

    fn progress(&self, is_ending: bool, now: Instant) -> Progress {
        let tally = self.shared.tally.lock();
        let stage = match is_ending {
            true => Stage::Ending,
            false if tally.is_warming_up(now) => Stage::WarmUp,
            false => Stage::Measuring,
        };
        tally.progress(self.load, stage, now)
    }
}

/// Asks again as soon as there is an answer.
async fn again_and_again(shared: Arc<Shared>) {
    while !shared.enough.is_cancelled() {
        let meant = Instant::now();
        shared.begin(meant);
        shared.one(meant).await;
        // A refusal that takes no time must not keep others from their turn.
        tokio::task::yield_now().await;
    }
}

/// Asks as independent people would: a Poisson process, which waits for nobody's answer.
async fn arrivals(shared: Arc<Shared>, rate: f64, begun: Instant) {
    let mut chance = StdRng::seed_from_u64(shared.plan.seed ^ rate.to_bits());
    let mut asked = JoinSet::new();
    let mut due = begun;
    loop {
        let wait: f64 = chance.sample(Exp1);
        due += Duration::from_secs_f64(wait / rate);
        if shared
            .enough
            .run_until_cancelled(sleep_until(due))
            .await
            .is_none()
        {
            break;
        }
        while asked.try_join_next().is_some() {}
        if asked.len() >= MOST_OPEN {
            shared.tally.lock().not_sent(due);
            continue;
        }
        // When this task comes late, the request is late too: its times count from when it was due.
        shared.begin(due);
        let shared = Arc::clone(&shared);
        asked.spawn(async move { shared.one(due).await });
    }
    while asked.join_next().await.is_some() {}
}
