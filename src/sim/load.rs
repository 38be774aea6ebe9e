//! Background load: questions that keep a pool busy, so that a newcomer sees it living.
//!
//! Questions arrive as independent people would ask them (a Poisson process) at a rate that swings slowly, like the
//! hours of a day in minutes. What it sends goes through whatever it is given; it knows nothing of pools.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::Exp1;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::base::{ChatRequest, ChatStream, Chunk, Message, Priority};

/// Short questions, as people ask them here.
const QUESTIONS: [&str; 16] = [
    "Which keys are there?",
    "How do I read the pool pane?",
    "What do p95 and p99 mean?",
    "How do I connect my own provider?",
    "Which environment variables are read?",
    "How does round robin choose an instance?",
    "What is a permit?",
    "What happens when a request fails?",
    "How do I use the driver from Rust code?",
    "Is there a light theme?",
    "Can I use it in a shell pipe?",
    "What am I looking at in this demo?",
    "How does streaming work?",
    "怎么配置智谱的密钥？",
    "成功率是怎么算的？",
    "Can I switch an instance off?",
];

/// How the background load behaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoadSettings {
    /// Decides everything that chance decides.
    pub seed: u64,
    /// Questions per second, on average over a period.
    pub rate: f64,
    /// How far the rate swings around its average, from 0 (steady) to 1 (down to nothing, up to double).
    pub swing: f64,
    /// How long one swing takes.
    #[serde(with = "humantime_serde")]
    pub period: Duration,
    /// The most questions that are open at once; what comes beyond is skipped and counted.
    pub outstanding: usize,
    /// The share of askers who leave in the middle of the answer, from 0 to 1.
    pub impatience: f64,
}

impl Default for LoadSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            rate: 1.2,
            swing: 0.6,
            period: Duration::from_secs(180),
            outstanding: 32,
            impatience: 0.01,
        }
    }
}

/// What a background load has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadCounts {
    /// Questions that were asked.
    pub asked: u64,
    /// Answered in full.
    pub answered: u64,
    /// Ended in an error.
    pub failed: u64,
    /// Left by an impatient asker.
    pub left: u64,
    /// Not asked, since too many were open.
    pub skipped: u64,
}

/// A running background load. Dropping it stops it and cancels what is open.
pub struct Load {
    rate: watch::Sender<f64>,
    counts: Arc<Mutex<LoadCounts>>,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    /// Starts asking through `send`, on the tokio runtime that this is called in.
    pub fn start(
        settings: LoadSettings,
        send: impl Fn(ChatRequest) -> ChatStream + Send + Sync + 'static,
    ) -> Self {
        let rate = watch::Sender::new(sane_rate(settings.rate));
        let counts = Arc::<Mutex<LoadCounts>>::default();
        let asker = Asker {
            chance: StdRng::seed_from_u64(settings.seed),
            begun: Instant::now(),
            rate: rate.subscribe(),
            counts: Arc::clone(&counts),
            settings,
        };
        Self {
            rate,
            counts,
            task: tokio::spawn(asker.run(send)),
        }
    }

    /// Changes the average rate, in questions per second; 0 pauses. Takes effect at once.
    pub fn set_rate(&self, rate: f64) {
        self.rate.send_replace(sane_rate(rate));
    }

    /// Returns the average rate, in questions per second.
    pub fn rate(&self) -> f64 {
        *self.rate.borrow()
    }

    /// Returns what it has done so far.
    pub fn counts(&self) -> LoadCounts {
        *self.counts.lock()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn sane_rate(rate: f64) -> f64 {
    const FASTEST: f64 = 100_000.0;
    if rate.is_finite() {
        rate.clamp(0.0, FASTEST)
    } else {
        0.0
    }
}

struct Asker {
    settings: LoadSettings,
    chance: StdRng,
    begun: Instant,
    rate: watch::Receiver<f64>,
    counts: Arc<Mutex<LoadCounts>>,
}

impl Asker {
    async fn run(mut self, send: impl Fn(ChatRequest) -> ChatStream) {
        // Dropped with this future, and with it everything that is open.
        let mut open = JoinSet::new();
        loop {
            let average = *self.rate.borrow_and_update();
            let swing = self.settings.swing.clamp(0.0, 1.0);
            let fastest = average * (1.0 + swing);
            let gap: f64 = self.chance.sample(Exp1);
            let wait = Duration::try_from_secs_f64(gap / fastest);
            tokio::select! {
                () = sleep_or_wait(wait.ok()) => {}
                changed = self.rate.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    // A Poisson process has no memory: draw again at the new rate.
                    continue;
                }
            }
            while open.try_join_next().is_some() {}
            // Thinning: drawn at the fastest rate, kept as often as the rate of this moment says.
            let kept: f64 = self.chance.random();
            if kept * (1.0 + swing) > 1.0 + swing * self.wave() {
                continue;
            }
            self.ask(&send, &mut open);
        }
    }

    fn ask(&mut self, send: &impl Fn(ChatRequest) -> ChatStream, open: &mut JoinSet<()>) {
        if open.len() >= self.settings.outstanding {
            self.counts.lock().skipped += 1;
            return;
        }
        let question = QUESTIONS[self.chance.random_range(0..QUESTIONS.len())];
        let is_impatient = self
            .chance
            .random_bool(self.settings.impatience.clamp(0.0, 1.0));
        let most_pieces = is_impatient.then(|| self.chance.random_range(1..20));
        let request = ChatRequest {
            priority: Priority::Batch,
            caller: Some("background".to_owned()),
            ..ChatRequest::new(vec![Message::user(question)])
        };
        self.counts.lock().asked += 1;
        let answer = send(request);
        let counts = Arc::clone(&self.counts);
        open.spawn(async move {
            let end = read(answer, most_pieces).await;
            let mut counts = counts.lock();
            match end {
                End::Answered => counts.answered += 1,
                End::Failed => counts.failed += 1,
                End::Left => counts.left += 1,
            }
        });
    }

    /// Returns where the slow swing is now, from -1 to 1.
    fn wave(&self) -> f64 {
        let period = self.settings.period.as_secs_f64().max(1.0);
        (self.begun.elapsed().as_secs_f64() / period * std::f64::consts::TAU).sin()
    }
}

enum End {
    Answered,
    Failed,
    Left,
}

/// Reads an answer to its end, or to so many pieces of output.
async fn read(mut answer: ChatStream, most_pieces: Option<usize>) -> End {
    let mut pieces = 0;
    while let Some(chunk) = answer.next().await {
        match chunk {
            Ok(chunk) => pieces += usize::from(Chunk::is_output(&chunk)),
            Err(_) => return End::Failed,
        }
        if most_pieces.is_some_and(|most| pieces >= most) {
            return End::Left;
        }
    }
    End::Answered
}

/// Sleeps; without a time, forever.
async fn sleep_or_wait(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures_util::stream;

    use super::*;
    use crate::base::{Error, ErrorKind};

    fn steady(rate: f64) -> LoadSettings {
        LoadSettings {
            rate,
            swing: 0.0,
            impatience: 0.0,
            ..LoadSettings::default()
        }
    }

    fn at_once(_: ChatRequest) -> ChatStream {
        Box::pin(stream::iter([Ok(Chunk::Text("a".to_owned()))]))
    }

    fn never(_: ChatRequest) -> ChatStream {
        Box::pin(stream::pending())
    }

    #[tokio::test(start_paused = true)]
    async fn questions_come_at_the_wanted_rate() {
        let load = Load::start(steady(5.0), at_once);
        sleep(Duration::from_secs(200)).await;
        let counts = load.counts();
        assert!((900..1100).contains(&counts.asked), "{counts:?}");
        assert!(counts.asked - counts.answered <= 1);
        assert_eq!((counts.failed, counts.left, counts.skipped), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_swings_over_the_period() {
        let settings = LoadSettings {
            swing: 1.0,
            period: Duration::from_secs(400),
            ..steady(5.0)
        };
        let load = Load::start(settings, at_once);
        sleep(Duration::from_secs(200)).await;
        let busy_half = load.counts().asked;
        sleep(Duration::from_secs(200)).await;
        let quiet_half = load.counts().asked - busy_half;
        assert!(busy_half > 3 * quiet_half, "{busy_half} {quiet_half}");
        let all = busy_half + quiet_half;
        assert!((1800..2200).contains(&all), "{all}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_can_be_changed_and_paused() {
        let load = Load::start(steady(0.0), at_once);
        sleep(Duration::from_secs(100)).await;
        assert_eq!(load.counts().asked, 0);
        load.set_rate(10.0);
        sleep(Duration::from_secs(100)).await;
        let asked = load.counts().asked;
        assert!((850..1150).contains(&asked), "{asked}");
        load.set_rate(f64::NAN);
        assert_eq!(load.rate(), 0.0);
        sleep(Duration::from_secs(100)).await;
        assert!(load.counts().asked - asked <= 1);
    }

    #[tokio::test(start_paused = true)]
    async fn open_questions_are_bounded_and_what_is_skipped_is_counted() {
        let settings = LoadSettings {
            outstanding: 3,
            ..steady(5.0)
        };
        let load = Load::start(settings, never);
        sleep(Duration::from_secs(20)).await;
        let counts = load.counts();
        assert_eq!(counts.asked, 3);
        assert!(counts.skipped > 50, "{counts:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_and_impatience_are_told_apart() {
        let impatient = LoadSettings {
            impatience: 1.0,
            ..steady(5.0)
        };
        let load = Load::start(impatient, |_| {
            Box::pin(stream::repeat_with(|| Ok(Chunk::Text("a".to_owned()))))
        });
        sleep(Duration::from_secs(20)).await;
        let counts = load.counts();
        assert!(counts.left > 50 && counts.answered == 0, "{counts:?}");

        let load = Load::start(steady(5.0), |_| {
            let error = Error::new(ErrorKind::Server, "no");
            Box::pin(stream::iter([Err(error)]))
        });
        sleep(Duration::from_secs(20)).await;
        let counts = load.counts();
        assert!(counts.failed > 50 && counts.answered == 0, "{counts:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_load_cancels_what_is_open() {
        struct Open(Arc<AtomicU64>);
        impl Drop for Open {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let open = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&open);
        let load = Load::start(steady(5.0), move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            let open = Open(Arc::clone(&counter));
            Box::pin(stream::poll_fn(move |_| {
                let _ = &open;
                std::task::Poll::Pending
            }))
        });
        sleep(Duration::from_secs(5)).await;
        assert!(open.load(Ordering::SeqCst) > 5);
        drop(load);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(open.load(Ordering::SeqCst), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_seed_asks_the_same_questions() {
        async fn asked() -> Vec<String> {
            let questions = Arc::<Mutex<Vec<String>>>::default();
            let heard = Arc::clone(&questions);
            let load = Load::start(steady(5.0), move |request| {
                let text = request.messages[0].content.to_text();
                heard.lock().push(text);
                at_once(request)
            });
            sleep(Duration::from_secs(10)).await;
            drop(load);
            let questions = questions.lock();
            questions.clone()
        }
        let first = asked().await;
        assert!(first.len() > 20);
        assert_eq!(first, asked().await);
    }
}
