//! The one queue: interactive before batch, fair between callers, bounded, with deadlines.
//!
//! Fairness is start-time fair queueing: each waiter gets a tag, one more than its caller's last tag or than the tag
//! that was served last, whichever is larger. A caller with a thousand waiters thus takes turns with one that has
//! a single one. The order is a static key, so nothing is re-sorted. Tags are counted for each priority alone: a caller's
//! waiting batch does not put off its interactive requests. Who leaves gives its tag back, so that a caller who cancels
//! much does not wait for it later.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use tokio::time::Instant;

use crate::base::Priority;

/// The place of a waiter: sorts by urgency, then fairness, then arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    priority: Priority,
    tag: u64,
    pub(crate) id: u64,
}

/// Somebody who waits for a permit.
#[derive(Debug)]
pub(crate) struct Waiter<T> {
    pub(crate) since: Instant,
    pub(crate) deadline: Instant,
    pub(crate) caller: Option<String>,
    /// How often somebody behind was served first.
    pub(crate) bypassed: u32,
    pub(crate) what: T,
}

/// The waiters in their order.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    waiters: BTreeMap<Place, Waiter<T>>,
    deadlines: BTreeSet<(Instant, Place)>,
    /// Places in the order in which they were taken; those that have left are removed lazily.
    arrivals: VecDeque<(Instant, Place)>,
    /// Of interactive and of batch requests.
    lanes: [Lane; 2],
    next_id: u64,
}

/// The tags of one priority.
#[derive(Debug, Default)]
struct Lane {
    /// The tags of those who wait, by caller, rising. Nobody is in here who has none waiting.
    tags: HashMap<Option<String>, VecDeque<u64>>,
    /// The largest tag that was served.
    served: u64,
    /// How many wait.
    waiting: usize,
}

#[expect(
    clippy::ref_option,
    reason = "requests without a key are one caller of the map"
)]
impl Lane {
    /// Gives the next tag of a caller.
    fn give(&mut self, caller: &Option<String>) -> u64 {
        let tags = match self.tags.get_mut(caller) {
            Some(tags) => tags,
            None => self.tags.entry(caller.clone()).or_default(),
        };
        let last = tags.back().copied().unwrap_or(0);
        let tag = last.max(self.served) + 1;
        tags.push_back(tag);
        tag
    }

    /// Takes back the tag of one who waits no more.
    fn take_back(&mut self, caller: &Option<String>, tag: u64) {
        let Some(tags) = self.tags.get_mut(caller) else {
            return;
        };
        // One who came back with an old tag has none here.
        if let Ok(at) = tags.binary_search(&tag) {
            tags.remove(at);
        }
        if tags.is_empty() {
            self.tags.remove(caller);
        }
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            waiters: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            arrivals: VecDeque::new(),
            lanes: Default::default(),
            next_id: 0,
        }
    }
}

impl<T> Queue<T> {
    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Returns how many of one priority wait.
    pub(crate) fn waiting(&self, priority: Priority) -> usize {
        self.lanes[priority as usize].waiting
    }

    /// Puts a waiter at its fair place; `again` keeps the tag of one that was served before and comes back.
    pub(crate) fn push(
        &mut self,
        priority: Priority,
        again: Option<u64>,
        waiter: Waiter<T>,
    ) -> Place {
        let lane = &mut self.lanes[priority as usize];
        let tag = again.unwrap_or_else(|| lane.give(&waiter.caller));
        let place = Place {
            priority,
            tag,
            id: self.next_id,
        };
        self.next_id += 1;
        self.deadlines.insert((waiter.deadline, place));
        self.arrivals.push_back((waiter.since, place));
        self.waiters.insert(place, waiter);
        self.lanes[priority as usize].waiting += 1;
        place
    }

    /// Serves one that finds the queue empty: it gets the tag that it would have had, and leaves no trace.
    pub(crate) fn pass_through(&mut self, priority: Priority, again: Option<u64>) -> u64 {
        let lane = &mut self.lanes[priority as usize];
        let tag = again.unwrap_or(lane.served + 1);
        lane.served = lane.served.max(tag);
        self.next_id += 1;
        tag
    }

    /// Takes a waiter out because it is served. Gives its tag, to be kept if it comes back.
    pub(crate) fn serve(&mut self, place: Place) -> Option<(Waiter<T>, u64)> {
        let waiter = self.remove(place)?;
        let lane = &mut self.lanes[place.priority as usize];
        lane.served = lane.served.max(place.tag);
        Some((waiter, place.tag))
    }

    /// Takes a waiter out because it left.
    pub(crate) fn remove(&mut self, place: Place) -> Option<Waiter<T>> {
        let waiter = self.waiters.remove(&place)?;
        self.deadlines.remove(&(waiter.deadline, place));
        let lane = &mut self.lanes[place.priority as usize];
        lane.take_back(&waiter.caller, place.tag);
        lane.waiting -= 1;
        self.forget_left();
        Some(waiter)
    }

    /// Keeps the oldest in front, and the list of arrivals about as long as the queue.
    fn forget_left(&mut self) {
        const SLACK: usize = 64;
        let waiters = &self.waiters;
        while let Some((_, first)) = self.arrivals.front()
            && !waiters.contains_key(first)
        {
            self.arrivals.pop_front();
        }
        if self.arrivals.len() > 2 * waiters.len() + SLACK {
            self.arrivals
                .retain(|(_, place)| waiters.contains_key(place));
        }
    }

    /// Returns the first waiter behind `after`.
    pub(crate) fn behind(&self, after: Option<Place>) -> Option<(Place, &Waiter<T>)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        self.waiters
            .range((from, Unbounded))
            .next()
            .map(|(place, waiter)| (*place, waiter))
    }

    /// Returns those at this place and before it.
    pub(crate) fn up_to(&self, place: Place) -> impl Iterator<Item = &Waiter<T>> {
        self.waiters.range(..=place).map(|(_, waiter)| waiter)
    }

    pub(crate) fn get(&self, place: Place) -> Option<&Waiter<T>> {
        self.waiters.get(&place)
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut Waiter<T>> {
        self.waiters.get_mut(&place)
    }

    /// Returns the first deadline.
    pub(crate) fn first_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Returns one whose deadline has passed.
    pub(crate) fn expired(&self, now: Instant) -> Option<Place> {
        let (deadline, place) = self.deadlines.first()?;
        (*deadline <= now).then_some(*place)
    }

    /// Returns since when the oldest waits.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.arrivals.front().map(|(since, _)| *since)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn waiter(now: Instant, caller: &str) -> Waiter<String> {
        Waiter {
            since: now,
            deadline: now + Duration::from_secs(60),
            caller: Some(caller.to_owned()),
            bypassed: 0,
            what: caller.to_owned(),
        }
    }

    fn drain(queue: &mut Queue<String>) -> String {
        let mut order = String::new();
        while let Some((place, _)) = queue.behind(None) {
            order.push_str(&queue.serve(place).unwrap().0.what);
        }
        order
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_with_many_takes_turns_with_one_that_has_few() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for _ in 0..5 {
            queue.push(Priority::Interactive, None, waiter(now, "a"));
        }
        for _ in 0..2 {
            queue.push(Priority::Interactive, None, waiter(now, "b"));
        }
        assert_eq!(drain(&mut queue), "ababaaa");
    }

    #[tokio::test(start_paused = true)]
    async fn interactive_goes_before_batch_and_one_that_comes_back_keeps_its_place() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.push(Priority::Batch, None, waiter(now, "x"));
        let place = queue.push(Priority::Interactive, None, waiter(now, "a"));
        queue.push(Priority::Interactive, None, waiter(now, "a"));
        let (mut back, tag) = queue.serve(place).unwrap();
        back.what = "A".to_owned();
        queue.push(Priority::Interactive, Some(tag), back);
        let waiting = [Priority::Interactive, Priority::Batch].map(|of| queue.waiting(of));
        assert_eq!(waiting, [2, 1]);
        assert_eq!(drain(&mut queue), "Aax");
        assert_eq!(queue.waiting(Priority::Batch), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_is_known_whoever_leaves_and_those_who_left_are_forgotten() {
        let mut now = Instant::now();
        let mut queue = Queue::default();
        let mut places = Vec::new();
        for round in 0..500_usize {
            now += Duration::from_millis(10);
            places.push((
                now,
                queue.push(Priority::Interactive, None, waiter(now, "a")),
            ));
            if round % 3 > 0 {
                // Now from the middle, now the oldest.
                let left = places.remove((round % 2) * places.len() / 2);
                queue.remove(left.1);
            }
            let oldest = places.iter().map(|(since, _)| *since).min();
            assert_eq!(queue.oldest(), oldest);
            assert!(queue.arrivals.len() <= 2 * queue.len() + 64);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn deadlines_come_in_order() {
        let now = Instant::now();
        let mut queue = Queue::default();
        let mut late = waiter(now, "a");
        late.deadline += Duration::from_secs(5);
        queue.push(Priority::Interactive, None, late);
        let early = queue.push(Priority::Batch, None, waiter(now, "b"));
        assert_eq!(queue.first_deadline(), Some(now + Duration::from_secs(60)));
        assert_eq!(queue.expired(now), None);
        assert_eq!(queue.expired(now + Duration::from_secs(60)), Some(early));
    }
}
