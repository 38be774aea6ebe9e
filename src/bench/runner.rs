//! All steps of a run, one after another.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::knee::{self, Knee};
use super::report::Outcome;
use super::step::Step;
use super::{Load, Plan, Report};
use crate::base::{ChatRequest, ChatStream};

/// What is given a request and makes a stream of it.
pub(super) type Sender = Arc<dyn Fn(ChatRequest) -> ChatStream + Send + Sync>;

/// A run.
pub struct Bench {
    target: String,
    plan: Arc<Plan>,
    send: Sender,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The step that runs.
    pub load: Load,
    /// What it does now.
    pub stage: Stage,
    /// Since it is measured.
    pub elapsed: Duration,
    /// Requests that count and have ended.
    pub ended: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Requests that are open.
    pub in_flight: usize,
    /// Requests answered, each second so far.
    pub requests_per_second: f64,
    /// The median so far.
    pub first_token: Option<Duration>,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It loads, and nothing counts yet.
    WarmUp,
    /// What begins now counts.
    Measuring,
    /// Nothing begins any more; what is open may end.
    Ending,
}

impl Bench {
    /// Makes a run over whatever `send` reaches; `target` is how it is called in the report.
    pub fn new(
        target: impl Into<String>,
        plan: Plan,
        send: impl Fn(ChatRequest) -> ChatStream + Send + Sync + 'static,
    ) -> Self {
        Self {
            target: target.into(),
            plan: Arc::new(plan),
            send: Arc::new(send),
        }
    }

    /// Runs it; `stop` ends the step that runs and leaves out the rest. `tell` hears how far it is, four times a
    /// second, and `ended` of every step.
    pub async fn run(
        self,
        stop: &CancellationToken,
        tell: &(dyn Fn(Progress) + Sync),
        ended: &(dyn Fn(&Outcome) + Sync),
    ) -> Report {
        let numbers = Arc::new(AtomicU64::new(0));
        let mut steps: Vec<Outcome> = Vec::new();
        let mut planned = self.plan.steps.clone().into_iter();
        while let Some(load) = planned.next().or_else(|| self.further(&steps)) {
            if stop.is_cancelled() {
                break;
            }
            let step = Step::start(load, &self.plan, &self.send, &numbers);
            let outcome = step.run(stop, tell).await;
            ended(&outcome);
            steps.push(outcome);
        }
        Report {
            target: self.target,
            prompt_tokens: self.plan.prompt.to_string(),
            output_tokens: self.plan.output.to_string(),
            seed: self.plan.seed,
            is_interrupted: stop.is_cancelled(),
            closed_knee: Knee::of_closed(&steps),
            open_knee: Knee::of_open(&steps),
            steps,
        }
    }

    fn further(&self, steps: &[Outcome]) -> Option<Load> {
        self.plan.sweep.then(|| knee::further(steps))?
    }
}
