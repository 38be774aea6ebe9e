//! The requests page: what ended, newest first, narrowed by a filter.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::input::Input;
use crate::base::{ErrorKind, Outcome, Percentiles, RequestId, Sample, Scope, Target};

/// The most requests that are held.
pub(crate) const MOST: usize = 1_000;
/// The most running ones that are counted.
const MOST_RUNNING: usize = 10_000;

/// One request that ended.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) sample: Arc<Sample>,
    /// When it ended.
    pub(crate) ended: Instant,
    /// What the filter looks in, in lower case.
    searched: String,
}

/// What the page knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    /// Oldest first.
    rows: VecDeque<Row>,
    running: BTreeSet<RequestId>,
    pub(crate) filter: Input,
    /// The selected one, by number, so that it stays selected as others come; `None` is the newest one.
    selected: Option<RequestId>,
    /// Whether the selected one is shown in full.
    pub(crate) open: bool,
    /// Whether the deck was asked for those that ended before.
    pub(crate) is_filled: bool,
}

impl Requests {
    /// A request began.
    pub(crate) fn began(&mut self, id: RequestId) {
        if self.running.len() < MOST_RUNNING {
            self.running.insert(id);
        }
    }

    /// A request ended.
    pub(crate) fn ended(&mut self, sample: &Arc<Sample>, at: Instant) {
        self.running.remove(&sample.request);
        if self.has(sample.request) {
            return;
        }
        if self.rows.len() >= MOST {
            self.rows.pop_front();
        }
        self.rows.push_back(Row::new(sample, at));
    }

    /// Takes those that ended before the console heard of any; newest first, each with the time of its end.
    pub(crate) fn fill(&mut self, earlier: impl IntoIterator<Item = (Arc<Sample>, Instant)>) {
        self.is_filled = true;
        for (sample, at) in earlier {
            if !self.has(sample.request) {
                self.rows.push_back(Row::new(&sample, at));
            }
        }
        self.rows.make_contiguous().sort_by_key(|row| row.ended);
        while self.rows.len() > MOST {
            self.rows.pop_front();
        }
    }

    /// Events were missed: nothing is known of what runs.
    pub(crate) fn missed(&mut self) {
        self.is_filled = false;
        self.running.clear();
    }

    /// Counts what runs.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// Counts what is held.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns what is shown, newest first: what had ended by `moment` and has every word of the filter.
    pub(crate) fn shown(&self, moment: Instant) -> Vec<&Row> {
        let words: Vec<Word> = self.filter.words().into_iter().map(Word::new).collect();
        self.rows
            .iter()
            .rev()
            .filter(|row| row.ended <= moment && words.iter().all(|word| word.is_in(row)))
            .collect()
    }

    /// Counts what had ended by a moment.
    pub(crate) fn ended_by(&self, moment: Instant) -> usize {
        self.rows.iter().filter(|row| row.ended <= moment).count()
    }

    /// Returns response times and times to the first token of what ended after `from` and by `until`; `None` unless
    /// all of it is held.
    pub(crate) fn times(&self, scope: &Scope, from: Instant, until: Instant) -> Option<Times> {
        let oldest = self.rows.front().map(|row| row.ended);
        let reaches_back = self.rows.len() < MOST || oldest.is_some_and(|oldest| oldest <= from);
        if !self.is_filled || !reaches_back {
            return None;
        }
        let ended = self
            .rows
            .iter()
            .filter(|row| row.ended > from && row.ended <= until);
        let (mut totals, mut firsts) = (Vec::new(), Vec::new());
        let mut add = |outcome: Outcome, total: Duration, first: Option<Duration>| {
            firsts.extend(first);
            totals.extend((outcome == Outcome::Success).then_some(total));
        };
        for row in ended {
            let sample = &row.sample;
            // An instance's figures count attempts, all others requests; so do the monitor's.
            if let Scope::Instance(name) = scope {
                for attempt in sample.attempts.iter().filter(|one| one.instance == *name) {
                    add(attempt.outcome, attempt.total, attempt.first_token);
                }
            } else if match scope {
                Scope::Type(kind) => sample.provider_type == Some(*kind),
                Scope::Route(route) => sample.route.as_ref() == Some(route),
                Scope::All | Scope::Instance(_) => true,
            } {
                add(sample.outcome, sample.total, sample.time_to_first_token);
            }
        }
        Some((percentiles(totals), percentiles(firsts)))
    }

    /// Returns the place of the selected one among those shown.
    pub(crate) fn place(&self, shown: &[&Row]) -> usize {
        self.selected
            .and_then(|id| shown.iter().position(|row| row.sample.request == id))
            .unwrap_or(0)
    }

    /// Selects by place; too large means the last. The first place follows what comes.
    pub(crate) fn select(&mut self, place: usize, moment: Instant) {
        let shown = self.shown(moment);
        let place = place.min(shown.len().saturating_sub(1));
        let id = shown.get(place).map(|row| row.sample.request);
        self.selected = if place == 0 && !self.open { None } else { id };
    }

    /// Moves the selection.
    pub(crate) fn step(&mut self, by: isize, moment: Instant) {
        let place = self.place(&self.shown(moment));
        self.select(place.saturating_add_signed(by), moment);
    }

    /// Opens the selected one; it stays the one that is shown. `false` when there is none.
    pub(crate) fn open(&mut self, moment: Instant) -> bool {
        let shown = self.shown(moment);
        let Some(row) = shown.get(self.place(&shown)) else {
            return false;
        };
        self.selected = Some(row.sample.request);
        self.open = true;
        true
    }

    fn has(&self, id: RequestId) -> bool {
        self.rows.iter().rev().any(|row| row.sample.request == id)
    }
}

impl Row {
    fn new(sample: &Arc<Sample>, ended: Instant) -> Self {
        Self {
            searched: searched(sample),
            sample: Arc::clone(sample),
            ended,
        }
    }
}

/// Response times, and times to the first token.
pub(crate) type Times = (Option<Percentiles>, Option<Percentiles>);

fn percentiles(mut times: Vec<Duration>) -> Option<Percentiles> {
    times.sort_unstable();
    let last = times.len().checked_sub(1)?;
    let at = |share: usize| {
        times[(times.len() * share)
            .div_ceil(100)
            .saturating_sub(1)
            .min(last)]
    };
    Some(Percentiles {
        count: times.len() as u64,
        p50: at(50),
        p90: at(90),
        p95: at(95),
        p99: at(99),
        max: times[last],
    })
}

/// Returns what the filter looks in.
fn searched(sample: &Sample) -> String {
    let mut text = format!("{} {}", sample.request, outcome_word(sample.outcome));
    let mut add = |part: Option<&str>| {
        if let Some(part) = part {
            text.push(' ');
            text.push_str(part);
        }
    };
    add(sample.caller.as_deref());
    add(sample.conversation.as_deref());
    add(sample.model.as_deref());
    add(sample.route.as_ref().map(crate::base::RouteName::as_str));
    if let Target::Instance(name) = &sample.target {
        add(Some(name.as_str()));
    }
    for attempt in &sample.attempts {
        add(Some(attempt.instance.as_str()));
        if let Outcome::Failure(kind) = attempt.outcome {
            add(Some(kind.as_str()));
            add(Some(kind.words()));
        }
    }
    add(sample.provider_type.map(crate::base::ProviderType::as_str));
    if let Some((kind, message)) = &sample.error {
        add(Some(kind.as_str()));
        add(Some(kind.words()));
        add(Some(message));
    }
    text.to_lowercase()
}

/// Returns the word for how a request ended.
pub(crate) const fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "ok",
        Outcome::Failure(ErrorKind::Cancelled) | Outcome::Cancelled => "cancelled",
        Outcome::Failure(_) => "failed",
    }
}

/// One word of a filter: text, text that must not be there (`!ok`), or a time (`>2s`, `<500ms`).
enum Word {
    Has(String),
    HasNot(String),
    Longer(Duration),
    Shorter(Duration),
}

impl Word {
    fn new(word: String) -> Self {
        let time = |text: &str| humantime::parse_duration(text).ok();
        if let Some(time) = word.strip_prefix('>').and_then(time) {
            Self::Longer(time)
        } else if let Some(time) = word.strip_prefix('<').and_then(time) {
            Self::Shorter(time)
        } else {
            match word.strip_prefix('!') {
                Some(rest) if !rest.is_empty() => Self::HasNot(rest.to_owned()),
                _ => Self::Has(word),
            }
        }
    }

    fn is_in(&self, row: &Row) -> bool {
        match self {
            Self::Has(word) => row.searched.contains(word.as_str()),
            Self::HasNot(word) => !row.searched.contains(word.as_str()),
            Self::Longer(time) => row.sample.total > *time,
            Self::Shorter(time) => row.sample.total < *time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(id: u64, outcome: Outcome, millis: u64) -> Arc<Sample> {
        let mut sample = Sample::new(RequestId(id), outcome, Duration::from_millis(millis));
        sample.model = Some(format!("Model-{}", id % 2));
        Arc::new(sample)
    }

    fn ids(requests: &Requests, moment: Instant) -> Vec<u64> {
        requests
            .shown(moment)
            .iter()
            .map(|row| row.sample.request.0)
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn words_narrow_and_times_too() {
        let now = Instant::now();
        let mut requests = Requests::default();
        for (id, outcome, millis) in [
            (1, Outcome::Success, 100),
            (2, Outcome::Failure(ErrorKind::Server), 3_000),
            (3, Outcome::Success, 5_000),
        ] {
            requests.ended(&sample(id, outcome, millis), now);
        }
        assert_eq!(ids(&requests, now), [3, 2, 1]);
        for (filter, found) in [
            ("ok", vec![3, 1]),
            ("!ok", vec![2]),
            ("model-1 >2s", vec![3]),
            ("<2s", vec![1]),
            ("MODEL-0", vec![2]),
            ("nobody", vec![]),
        ] {
            requests.filter.clear();
            requests.filter.push(filter);
            assert_eq!(ids(&requests, now), found, "{filter}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_selected_one_stays_selected_and_the_first_follows() {
        let now = Instant::now();
        let mut requests = Requests::default();
        for id in 0..5 {
            requests.ended(&sample(id, Outcome::Success, 1), now);
        }
        requests.step(1, now);
        let selected = |requests: &Requests| {
            let shown = requests.shown(now);
            shown[requests.place(&shown)].sample.request.0
        };
        assert_eq!(selected(&requests), 3);
        requests.ended(&sample(9, Outcome::Success, 1), now);
        assert_eq!(selected(&requests), 3);
        requests.select(0, now);
        requests.ended(&sample(10, Outcome::Success, 1), now);
        assert_eq!(selected(&requests), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_and_nothing_is_held_twice() {
        let now = Instant::now();
        let mut requests = Requests::default();
        for id in 0..3_000 {
            requests.began(RequestId(id));
            requests.ended(&sample(id, Outcome::Success, 1), now);
        }
        requests.fill([(sample(2_999, Outcome::Success, 1), now)]);
        assert_eq!(requests.len(), MOST);
        assert_eq!(requests.running(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn times_of_a_past_window_are_those_of_what_ended_in_it() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut requests = Requests::default();
        for second in 1..=100_u64 {
            requests.ended(&sample(second, Outcome::Success, second * 10), at(second));
        }
        requests.ended(&sample(200, Outcome::Cancelled, 99_999), at(50));
        assert_eq!(
            requests.times(&Scope::All, at(0), at(60)),
            None,
            "not asked for"
        );
        requests.fill([]);
        let (times, first) = requests.times(&Scope::All, at(40), at(60)).unwrap();
        let times = times.unwrap();
        assert_eq!((times.count, times.max), (20, Duration::from_millis(600)));
        assert_eq!(times.p50, Duration::from_millis(500));
        assert_eq!(times.p99, Duration::from_millis(600));
        assert_eq!(first, None);
        for id in 1_000..2_000 {
            requests.ended(&sample(id, Outcome::Success, 1), at(200));
        }
        assert_eq!(
            requests.times(&Scope::All, at(40), at(60)),
            None,
            "forgotten"
        );
        assert!(requests.times(&Scope::All, at(200), at(210)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_ended_after_the_moment_is_not_shown() {
        let start = Instant::now();
        let mut requests = Requests::default();
        for id in 0..4 {
            let at = start + Duration::from_secs(id);
            requests.ended(&sample(id, Outcome::Success, 1), at);
        }
        assert_eq!(ids(&requests, start + Duration::from_secs(1)), [1, 0]);
    }
}
