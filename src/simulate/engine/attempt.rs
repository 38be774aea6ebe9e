//! One attempt in virtual time: sent, first token, progress, end or failure, and what comes after.

use std::time::Duration;

use rand::Rng;

use crate::base::{Error, ErrorKind};
use crate::driver::retry::{self, Next};
use crate::pool::core::{End, Grant};

use super::super::live::Phase;
use super::super::machine::Reply;
use super::{Cause, Engine, Event, nanos};

impl Engine<'_> {
    /// Sends a request to the instance that it was given.
    pub(super) fn begin(&mut self, place: u32, grant: &Grant) {
        let at = grant.at as usize;
        self.in_flight[at] += 1;
        self.check_the_grant(place, grant);
        let seconds = self.seconds();
        let coin = self.coins.random_range(0.0..1.0);
        let live = &mut self.lives[place];
        live.phase = Phase::Silent;
        live.epoch = live.epoch.wrapping_add(1);
        live.attempts += 1;
        live.lease = grant.lease;
        live.probe = grant.probe;
        live.at = grant.at;
        live.want.tag = Some(grant.tag);
        let (epoch, prompt, output) = (live.epoch, live.prompt, live.output);
        self.tally.attempts += 1;
        let faults = &self.scenario.faults;
        let reply = self.truth.lock().machines[at].ask(prompt, output, seconds, faults, coin);
        let patience = self.scenario.first_token_timeout.as_secs_f64();
        let fail = |cause| Event::Fail {
            live: place,
            epoch,
            cause,
        };
        match reply {
            Reply::FirstToken(after) if after <= patience => {
                self.after(after, Event::FirstToken { live: place, epoch });
            }
            Reply::FirstToken(_) => self.after(patience, fail(Cause::Silence)),
            Reply::Failure(after) => self.after(after, fail(Cause::Server)),
            Reply::Refusal(after, wait) => self.after(after, fail(Cause::Limit(nanos(wait)))),
        }
    }

    fn check_the_grant(&mut self, place: u32, grant: &Grant) {
        let live = &self.lives[place];
        let at = grant.at as usize;
        if self.in_flight[at] > self.permits[at] {
            self.tally
                .broke(|| format!("{} has more in flight than permits", grant.instance));
        }
        if !matches!(live.phase, Phase::Queued | Phase::Resting) {
            let phase = live.phase;
            self.tally
                .broke(|| format!("an attempt began in phase {phase:?}"));
        }
        if live.want.tried.contains(&grant.at) {
            self.tally.broke(|| {
                format!(
                    "{} was asked again although another was left",
                    grant.instance
                )
            });
        }
        if live.attempts >= self.scenario.retry.attempts {
            self.tally.broke(|| "too many attempts".to_owned());
        }
    }

    /// Takes a first token: from here the request is not tried again.
    pub(super) fn first_token(&mut self, place: u32) {
        let (now, seconds, instant) = (self.now, self.seconds(), self.instant());
        let live = &mut self.lives[place];
        live.phase = Phase::Streaming;
        live.first_token = now;
        let at = live.at;
        self.truth.lock().machines[at as usize].join(place, live.output, seconds);
        self.core.first_token(live.lease, instant);
        self.expect_end(at);
    }

    /// Plans the end of an instance's stream that ends first.
    pub(super) fn expect_end(&mut self, at: u32) {
        let planned = {
            let machine = &self.truth.lock().machines[at as usize];
            machine
                .next_end()
                .map(|seconds| (nanos(seconds), machine.version))
        };
        if let Some((when, version)) = planned {
            self.at(when.max(self.now), Event::End { at, version });
        }
    }

    /// Ends the stream of an instance that is complete.
    pub(super) fn end(&mut self, at: u32, version: u32) {
        let seconds = self.seconds();
        let (news, place) = {
            let machine = &mut self.truth.lock().machines[at as usize];
            if machine.version != version {
                return;
            }
            (machine.news(seconds), machine.finish(seconds))
        };
        let Some(place) = place else { return };
        let live = &self.lives[place];
        let (lease, output) = (live.lease, u64::from(live.output));
        let counted = self.counted(live.prompt) as u64 + output;
        if let Some((news, _)) = news {
            self.core.progress(lease, news);
        }
        self.in_flight[at as usize] -= 1;
        self.tally.tokens[at as usize] += output as f64;
        let end = End::Success {
            tokens: Some(counted),
            output: Some(output),
            spend: None,
        };
        self.core.release(lease, end, self.instant());
        self.finish(place, true);
        self.expect_end(at);
    }

    /// Breaks a stream: what was shown stays shown, so it is over.
    pub(super) fn break_off(&mut self, place: u32) {
        let live = &self.lives[place];
        let (lease, at) = (live.lease, live.at);
        self.in_flight[at as usize] -= 1;
        let error = Error::new(ErrorKind::Network, "the connection was reset");
        self.core
            .release(lease, End::Failure(&error), self.instant());
        self.finish(place, false);
    }

    /// Takes a failure before the first token, and decides as the driver does.
    pub(super) fn fail(&mut self, place: u32, cause: Cause) {
        let now = self.instant();
        let error = error_of(cause);
        let live = &mut self.lives[place];
        let (lease, at, attempt) = (live.lease, live.at, live.attempts);
        live.phase = Phase::Resting;
        live.epoch = live.epoch.wrapping_add(1);
        live.want.tried.push(at);
        let epoch = live.epoch;
        self.in_flight[at as usize] -= 1;
        self.core.release(lease, End::Failure(&error), now);
        let untried = self.core.has_untried(&self.lives[place].want, now);
        let settings = &self.scenario.retry;
        let next = retry::next(settings, &error, attempt, untried, &mut self.dice);
        let wait = match next {
            Next::Stop => return self.finish(place, false),
            Next::Failover => Duration::ZERO,
            Next::Again(wait) => {
                self.lives[place].want.tried.clear();
                wait
            }
        };
        let in_time = now + wait < self.lives[place].want.deadline;
        let was_probe = self.lives[place].probe;
        if !in_time || !self.budget.take(error.kind(), was_probe, next) {
            return self.finish(place, false);
        }
        if wait.is_zero() {
            self.acquire(place);
        } else {
            self.after(wait.as_secs_f64(), Event::Again { live: place, epoch });
        }
    }

    /// Tells the pool how far the running streams are: all of an instance at once, for it adds them up anyway.
    pub(super) fn tell_progress(&mut self) {
        let seconds = self.seconds();
        let mut truth = self.truth.lock();
        for machine in &mut truth.machines {
            if let Some((news, live)) = machine.news(seconds) {
                self.core.progress(self.lives[live].lease, news);
            }
        }
    }
}

fn error_of(cause: Cause) -> Error {
    match cause {
        Cause::Server => Error::new(ErrorKind::Server, "internal error").with_status(500),
        Cause::Silence => Error::new(ErrorKind::TimeoutFirstToken, "no first token in time"),
        Cause::Limit(wait) => Error::new(ErrorKind::RateLimited, "slow down")
            .with_status(429)
            .with_retry_after(Duration::from_nanos(wait)),
    }
}
