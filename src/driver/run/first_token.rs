//! From a request that was sent to its first token: who is waited for, how long, and what a failure leads to.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::{Answer, Chunk, Error, ErrorKind};

use super::super::attempt::Running;
use super::super::hedge::{self, Race, Times};
use super::super::retry::{self, Next};
use super::{Active, Phase, named};

impl Active {
    /// Reads until the first output, a proper end without any, or a failure.
    pub(super) async fn wait_for_first_token(&mut self) -> Result<(), Error> {
        // A caller's own deadline is hard; the pool's only bounds waiting and new attempts, since a local server may
        // take minutes to load a model, which has its own timeout.
        let hard = self.request.deadline.map(|_| self.deadline);
        loop {
            let too_late = self.rules.too_late(self.running.as_ref());
            let times = Times {
                late: self.hedge_at,
                too_late,
                deadline: hard,
            };
            match hedge::race(&mut self.running, &mut self.hedge, times).await {
                Race::First(Some(Ok(chunk))) => {
                    let output = chunk.is_output();
                    if output {
                        self.attempts.extend(self.hedge.take().map(Running::cancel));
                        self.start();
                    }
                    self.take(chunk);
                    if output {
                        self.phase = Phase::Streaming;
                        return Ok(());
                    }
                }
                Race::First(Some(Err(error))) => {
                    if self.first_failed(error)? {
                        return Ok(());
                    }
                }
                Race::TooLate => {
                    let error = self.rules.no_first_token();
                    if self.first_failed(error)? {
                        return Ok(());
                    }
                }
                Race::First(None) => {
                    self.attempts.extend(self.hedge.take().map(Running::cancel));
                    self.start();
                    self.ended_well();
                    return Ok(());
                }
                Race::Second(Some(Ok(chunk))) if chunk.is_output() => {
                    let second = self.hedge.take();
                    let first = std::mem::replace(&mut self.running, second);
                    self.attempts.extend(first.map(Running::cancel));
                    self.forget_pieces();
                    self.start();
                    self.take(chunk);
                    self.phase = Phase::Streaming;
                    return Ok(());
                }
                Race::Second(Some(Ok(_))) => {}
                Race::Second(Some(Err(error))) => {
                    if let Some(second) = self.hedge.take() {
                        let error = named(error, &second.record);
                        self.attempts.push(second.fail(&error));
                    }
                }
                Race::Second(None) => self.attempts.extend(self.hedge.take().map(Running::cancel)),
                Race::Late => self.begin_hedge(),
                Race::OutOfTime => {
                    let mut error =
                        Error::new(ErrorKind::Deadline, "no first token before the deadline");
                    if let Some(running) = &self.running {
                        error = named(error, &running.record);
                    }
                    self.cancel_running();
                    return Err(self.fail(error));
                }
            }
        }
    }

    /// Goes on after the first attempt failed: with the second one, if it is under way; else as the error says. Tells
    /// whether another lease is wanted.
    fn first_failed(&mut self, error: Error) -> Result<bool, Error> {
        let Some(hedge) = self.hedge.take() else {
            return self.after_failure(error).map(|()| true);
        };
        if let Some(first) = self.running.replace(hedge) {
            let error = named(error, &first.record);
            self.attempts.push(first.fail(&error));
        }
        self.forget_pieces();
        Ok(false)
    }

    /// Begins a second attempt beside a slow one, if a permit is free and the budget has room.
    fn begin_hedge(&mut self) {
        self.hedge_at = None;
        let Some(mut want) = self.want.clone() else {
            return;
        };
        want.tried
            .extend(self.running.as_ref().and_then(Running::at));
        let target = &self.request.target;
        let Some(lease) = hedge::lease(&self.shared, &self.in_force, target, want) else {
            return;
        };
        self.counts.hedges += 1;
        let asked_first = self.last_asked.clone();
        self.hedge = Some(self.send(lease));
        // Until it has won, the first is the one that was asked.
        self.last_asked = asked_first;
    }

    /// What came from an attempt that is no longer the answer belongs to it alone.
    pub(super) fn forget_pieces(&mut self) {
        self.answer = Answer::default();
        self.ready.retain(|chunk| matches!(chunk, Chunk::Retry(_)));
    }

    pub(super) fn cancel_running(&mut self) {
        self.attempts.extend(self.hedge.take().map(Running::cancel));
        self.attempts
            .extend(self.running.take().map(Running::cancel));
    }

    /// Decides what comes after a failure before the first token.
    fn after_failure(&mut self, error: Error) -> Result<(), Error> {
        let Some(running) = self.running.take() else {
            return Err(self.fail(error));
        };
        let error = named(error, &running.record);
        let (at, is_probe) = (running.at(), running.is_probe());
        let attempt = running.fail(&error);
        self.attempts.push(attempt.clone());
        self.forget_pieces();
        let number = self.attempts.len() as u32;
        let mut untried = false;
        if let Some(want) = &mut self.want {
            want.tried.extend(at);
            untried = self.shared.balancer.has_untried(want);
        }
        let next = retry::next(
            &self.rules.retry,
            &error,
            number,
            untried,
            &mut *self.shared.dice.lock(),
        );
        let wait = match next {
            Next::Stop => return Err(self.fail(error)),
            Next::Failover => Duration::ZERO,
            Next::Again(wait) => {
                if let Some(want) = &mut self.want {
                    want.tried.clear();
                }
                wait
            }
        };
        let is_paid = || self.shared.budget.take(error.kind(), is_probe, next);
        if Instant::now() + wait >= self.deadline || !is_paid() {
            return Err(self.fail(error));
        }
        self.ready.push_back(Chunk::Retry(Box::new(attempt)));
        self.phase = Phase::Wanting(wait);
        Ok(())
    }
}
