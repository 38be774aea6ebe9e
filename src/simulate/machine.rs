//! One simulated instance: how fast it answers, how streams slow each other down, how it fails.
//!
//! All streams of an instance run at the same speed, `v·d / (1 + batching·n/permits)`, so it is enough to know how far
//! one stream that ran since the beginning would be (`served`): a stream of `k` tokens that begins at `s` ends at
//! `s + k`.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::faults::{Faults, Kind};
use super::scenario::{Machinery, Quota};
use super::work::Work;

/// Speed of running streams while an instance hangs: as good as none.
const HANGING: f64 = 1e-4;
/// How soon a 429 comes, in seconds.
const REFUSED_AFTER: f64 = 0.05;

/// A stream that runs.
#[derive(Clone, Copy, Debug)]
struct Stream {
    /// Where `served` stands when it ends.
    ends: f64,
    order: u64,
    /// Where its request lives.
    live: u32,
}

/// What comes of an attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reply {
    /// A first token after so many seconds.
    FirstToken(f64),
    /// A 500 after so many seconds.
    Failure(f64),
    /// A 429 after so many seconds, and how long to wait.
    Refusal(f64, f64),
}

/// An instance.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) speed: f64,
    pub(super) permits: f64,
    pub(super) batching: f64,
    pub(super) prefill: f64,
    pub(super) round_trip: f64,
    /// What is wrong with it, and until when, in seconds.
    pub(super) ill: Option<(Kind, f64)>,
    /// Its speed when it is slow, as a share.
    pub(super) slow_speed: f64,
    served: f64,
    seen: f64,
    /// Tokens that all streams together have brought, and how many of them the pool has been told of.
    brought: f64,
    told: f64,
    streams: BinaryHeap<Stream>,
    order: u64,
    /// Changes whenever the next end does.
    pub(super) version: u32,
    quota: Option<Bucket>,
}

/// A provider's own token bucket.
#[derive(Debug)]
struct Bucket {
    per_second: f64,
    most: f64,
    left: f64,
    seen: f64,
    prompt: f64,
}

/// Requests a second that an instance can do when all its permits are in use all the time.
pub(super) fn capacity(machinery: &Machinery, work: &Work) -> f64 {
    let busy = work.output.mean() * (1.0 + machinery.batching) / machinery.speed;
    let wait = machinery.round_trip.as_secs_f64() + work.prompt.mean() / machinery.prefill;
    machinery.permits as f64 / (wait + busy)
}

/// Tokens a second that its provider allows, as it counts them.
pub(super) fn quota_per_second(quota: &Quota, machinery: &Machinery, work: &Work) -> f64 {
    let counted = work.output.mean() + quota.prompt * work.prompt.mean();
    quota.share * capacity(machinery, work) * counted
}

impl Machine {
    pub(super) fn new(machinery: &Machinery, work: &Work, faults: &Faults) -> Self {
        let quota = machinery.quota.as_ref().map(|quota| {
            let per_second = quota_per_second(quota, machinery, work);
            let most = per_second * quota.burst.as_secs_f64();
            Bucket {
                per_second,
                most,
                left: most,
                seen: 0.0,
                prompt: quota.prompt,
            }
        });
        Self {
            speed: machinery.speed,
            permits: machinery.permits as f64,
            batching: machinery.batching,
            prefill: machinery.prefill,
            round_trip: machinery.round_trip.as_secs_f64(),
            ill: None,
            slow_speed: faults.slow.speed,
            served: 0.0,
            seen: 0.0,
            brought: 0.0,
            told: 0.0,
            streams: BinaryHeap::new(),
            order: 0,
            version: 0,
            quota,
        }
    }

    /// Returns how many streams run.
    pub(super) fn running(&self) -> usize {
        self.streams.len()
    }

    /// Returns the share of its speed that it has now.
    pub(super) fn pace(&self) -> f64 {
        match self.ill {
            Some((Kind::Slow, _)) => self.slow_speed,
            Some((Kind::Hang, _)) => HANGING,
            Some((Kind::Fail, _)) | None => 1.0,
        }
    }

    /// Returns tokens a second of each stream when `streams` run.
    pub(super) fn rate(&self, streams: f64) -> f64 {
        self.speed * self.pace() / (1.0 + self.batching * streams / self.permits)
    }

    /// Lets time pass.
    fn advance(&mut self, now: f64) -> f64 {
        if !self.streams.is_empty() {
            let streams = self.streams.len() as f64;
            let each = self.rate(streams) * (now - self.seen);
            self.served += each;
            self.brought += each * streams;
        }
        self.seen = now;
        self.served
    }

    /// Returns how many whole tokens its streams have brought since this was asked last, and one of those who run.
    pub(super) fn news(&mut self, now: f64) -> Option<(u64, u32)> {
        let live = self.streams.peek()?.live;
        self.advance(now);
        let news = (self.brought - self.told).floor();
        self.told += news;
        (news > 0.0).then_some((news as u64, live))
    }

    /// Takes a request; `coin` from 0 to 1 decides what chance decides.
    pub(super) fn ask(
        &mut self,
        prompt: u32,
        output: u32,
        now: f64,
        faults: &Faults,
        coin: f64,
    ) -> Reply {
        if let Some(bucket) = &mut self.quota {
            bucket.left = (bucket.left + (now - bucket.seen) * bucket.per_second).min(bucket.most);
            bucket.seen = now;
            if bucket.left < 0.0 {
                return Reply::Refusal(REFUSED_AFTER, -bucket.left / bucket.per_second);
            }
            bucket.left -= f64::from(output) + bucket.prompt * f64::from(prompt);
        }
        let reading = f64::from(prompt) / self.prefill;
        match self.ill {
            Some((Kind::Fail, _)) if coin < faults.fail.share => {
                Reply::Failure(faults.fail.after.as_secs_f64())
            }
            Some((Kind::Hang, until)) => {
                Reply::FirstToken(self.round_trip + reading + (until - now).max(0.0))
            }
            Some((Kind::Slow, _)) => Reply::FirstToken(self.round_trip + reading / self.slow_speed),
            Some((Kind::Fail, _)) | None => Reply::FirstToken(self.round_trip + reading),
        }
    }

    /// Begins a stream of so many tokens.
    pub(super) fn join(&mut self, live: u32, tokens: u32, now: f64) {
        let begin = self.advance(now);
        self.order += 1;
        self.streams.push(Stream {
            ends: begin + f64::from(tokens),
            order: self.order,
            live,
        });
        self.version += 1;
    }

    /// Ends the stream that ends first.
    pub(super) fn finish(&mut self, now: f64) -> Option<u32> {
        self.advance(now);
        self.version += 1;
        self.streams.pop().map(|stream| stream.live)
    }

    /// Returns when the first stream ends, as things stand.
    pub(super) fn next_end(&self) -> Option<f64> {
        let first = self.streams.peek()?;
        let rate = self.rate(self.streams.len() as f64);
        Some(self.seen + (first.ends - self.served).max(0.0) / rate)
    }

    /// Falls ill or gets well.
    pub(super) fn change(&mut self, ill: Option<(Kind, f64)>, now: f64) {
        self.advance(now);
        self.ill = ill;
        self.version += 1;
    }

    /// Breaks streams: those for which `breaks` says so, asked in the order in which they began.
    pub(super) fn cut(&mut self, now: f64, mut breaks: impl FnMut() -> bool) -> Vec<u32> {
        self.advance(now);
        let mut streams = std::mem::take(&mut self.streams).into_vec();
        streams.sort_by_key(|stream| stream.order);
        let mut broken = Vec::new();
        streams.retain(|stream| {
            let breaks = breaks();
            if breaks {
                broken.push(stream.live);
            }
            !breaks
        });
        self.streams = streams.into();
        self.version += 1;
        broken
    }
}

impl Ord for Stream {
    /// The one that ends first is the greatest: a heap gives the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .ends
            .total_cmp(&self.ends)
            .then(other.order.cmp(&self.order))
    }
}

impl PartialOrd for Stream {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Stream {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Stream {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn machinery() -> Machinery {
        Machinery {
            name: "a".to_owned(),
            count: 1,
            speed: 100.0,
            permits: 4,
            prefill: 1_000.0,
            round_trip: Duration::from_millis(200),
            batching: 0.5,
            quota: None,
            weight: None,
            tier: 0,
            price: None,
        }
    }

    fn machine() -> Machine {
        Machine::new(&machinery(), &Work::default(), &Faults::default())
    }

    #[test]
    fn streams_slow_each_other_down_and_speed_up_when_one_ends() {
        let mut machine = machine();
        machine.join(0, 100, 0.0);
        assert!((machine.next_end().unwrap() - 1.125).abs() < 1e-9);
        machine.join(1, 100, 0.5);
        // 44.4 tokens done, 55.6 left at 80 a second.
        let first = machine.next_end().unwrap();
        assert!((first - (0.5 + 55.555_555 / 80.0)).abs() < 1e-4, "{first}");
        assert_eq!(machine.finish(first), Some(0));
        let second = machine.next_end().unwrap();
        assert!((second - (first + 44.444_444 / (100.0 / 1.125))).abs() < 1e-4);
    }

    #[test]
    fn news_are_the_tokens_of_all_streams_each_told_once() {
        let mut machine = machine();
        assert_eq!(machine.news(1.0), None);
        machine.join(0, 100, 1.0);
        machine.join(1, 100, 1.0);
        assert_eq!(machine.news(1.5), Some((80, 0)));
        assert_eq!(machine.news(1.5), None);
        machine.finish(2.25);
        assert_eq!(machine.news(2.25), Some((120, 1)));
    }

    #[test]
    fn a_hanging_one_stands_still_until_it_is_well() {
        let mut machine = machine();
        let faults = Faults::default();
        machine.join(0, 100, 0.0);
        machine.change(Some((Kind::Hang, 30.0)), 0.5);
        assert!(machine.next_end().unwrap() > 1_000.0);
        let Reply::FirstToken(after) = machine.ask(1_000, 10, 10.0, &faults, 0.5) else {
            panic!("it says nothing, not no")
        };
        assert!((after - 21.2).abs() < 1e-9);
        machine.change(None, 30.0);
        assert!(machine.next_end().unwrap() < 30.7);
    }

    #[test]
    fn a_used_up_quota_says_exactly_how_long_to_wait() {
        let quota = Quota {
            share: 0.5,
            burst: Duration::from_secs(10),
            prompt: 0.0,
            configured: None,
        };
        let machinery = Machinery {
            quota: Some(quota.clone()),
            ..machinery()
        };
        let (work, faults) = (Work::default(), Faults::default());
        let per_second = quota_per_second(&quota, &machinery, &work);
        let mut machine = Machine::new(&machinery, &work, &faults);
        let all = (10.5 * per_second) as u32;
        assert!(matches!(
            machine.ask(1, all, 0.0, &faults, 0.5),
            Reply::FirstToken(_)
        ));
        let Reply::Refusal(_, wait) = machine.ask(1, 1, 0.0, &faults, 0.5) else {
            panic!("nothing is left")
        };
        assert!((wait - 0.5).abs() < 0.05, "{wait}");
        assert!(matches!(
            machine.ask(1, 1, wait + 0.001, &faults, 0.5),
            Reply::FirstToken(_)
        ));
    }

    #[test]
    fn a_failing_one_cuts_what_chance_says_and_the_rest_goes_on() {
        let mut machine = machine();
        for live in 0..4 {
            machine.join(live, 100, 0.0);
        }
        let mut odd = false;
        let broken = machine.cut(0.1, || {
            odd = !odd;
            odd
        });
        assert_eq!(broken, [0, 2]);
        assert_eq!(machine.running(), 2);
    }
}
