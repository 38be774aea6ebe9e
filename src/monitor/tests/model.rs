//! The counters against a plain list of what was told, under random sequences of requests.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const ROUTES: [&str; 2] = ["fast", "cheap"];

fn type_of(instance: usize) -> ProviderType {
    ProviderType::ALL[instance % 3]
}

/// One thing that may happen. Numbers choose among what is running, so every sequence makes sense.
#[derive(Clone, Debug)]
enum Step {
    Begin {
        route: Option<usize>,
    },
    AttemptBegin {
        running: usize,
        instance: usize,
    },
    Progress {
        running: usize,
        tokens: u32,
    },
    AttemptEnd {
        running: usize,
        outcome: Outcome,
        millis: u64,
    },
    End {
        running: usize,
        outcome: Outcome,
        tokens: Option<u64>,
        millis: u64,
    },
    Wait {
        millis: u64,
    },
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Success),
        1 => Just(Outcome::Cancelled),
        2 => prop::sample::select(&ErrorKind::ALL[..]).prop_map(Outcome::Failure),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0..1000_usize;
    prop_oneof![
        4 => prop::option::of(0..ROUTES.len()).prop_map(|route| Step::Begin { route }),
        4 => (any.clone(), 0..NAMES.len()).prop_map(|(running, instance)| Step::AttemptBegin { running, instance }),
        3 => (any.clone(), 1..50_u32).prop_map(|(running, tokens)| Step::Progress { running, tokens }),
        4 => (any.clone(), outcome(), 1..50_000_u64)
            .prop_map(|(running, outcome, millis)| Step::AttemptEnd { running, outcome, millis }),
        4 => (any, outcome(), prop::option::of(0..500_u64), 1..90_000_u64)
            .prop_map(|(running, outcome, tokens, millis)| Step::End { running, outcome, tokens, millis }),
        3 => prop_oneof![0..1_500_u64, 0..400_000_u64].prop_map(|millis| Step::Wait { millis }),
    ]
}

#[derive(Default)]
struct Live {
    id: u64,
    route: Option<usize>,
    /// Of the attempt that runs.
    at: Option<usize>,
    last: Option<usize>,
    attempts: Vec<Attempt>,
    streamed: u64,
}

/// What a scope should say, from a plain list.
#[derive(Clone, Debug, Default, PartialEq)]
struct Expected {
    successful: u64,
    failed: u64,
    cancelled: u64,
    in_flight: u64,
    attempts: u64,
    tokens: u64,
    errors: BTreeMap<ErrorKind, u64>,
    /// Milliseconds of each success.
    times: Vec<u64>,
}

impl Expected {
    fn count(&mut self, outcome: Outcome, millis: u64) {
        match outcome {
            Outcome::Success => {
                self.successful += 1;
                self.times.push(millis);
            }
            Outcome::Failure(kind) => {
                self.failed += 1;
                *self.errors.entry(kind).or_default() += 1;
            }
            Outcome::Cancelled => self.cancelled += 1,
        }
    }

    fn compare(&self, scope: &Scope, got: &LlmMetrics) -> Result<(), TestCaseError> {
        prop_assert_eq!(got.successful_requests, self.successful, "{:?}", scope);
        prop_assert_eq!(got.failed_requests, self.failed, "{:?}", scope);
        prop_assert_eq!(got.cancelled_requests, self.cancelled, "{:?}", scope);
        prop_assert_eq!(got.in_flight, self.in_flight, "{:?}", scope);
        prop_assert_eq!(got.attempts, self.attempts, "{:?}", scope);
        prop_assert_eq!(got.completion_tokens, self.tokens, "{:?}", scope);
        prop_assert_eq!(&got.errors, &self.errors, "{:?}", scope);
        let ended = self.successful + self.failed + self.cancelled;
        prop_assert_eq!(got.total_requests, ended + self.in_flight);
        let count = self.times.len() as u64;
        let mean = (self.times.iter().sum::<u64>() * 1000).checked_div(count);
        prop_assert_eq!(got.average_response_time, mean.map(Duration::from_micros));
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        if let Some(all) = got.response_time {
            prop_assert_eq!(all.count, count);
            for (percent, got) in [
                (50, all.p50),
                (90, all.p90),
                (95, all.p95),
                (99, all.p99),
                (100, all.max),
            ] {
                let exact =
                    Duration::from_millis(sorted[(sorted.len() * percent).div_ceil(100) - 1]);
                let most = exact.mul_f64(1.0 + 1.0 / 128.0);
                prop_assert!(
                    got >= exact && got <= most,
                    "p{}: {:?} is not {:?}",
                    percent,
                    got,
                    exact
                );
            }
        } else {
            prop_assert_eq!(count, 0);
        }
        Ok(())
    }
}

fn expected(log: &[(Scope, u64, Outcome, u64)], scope: &Scope, from: u64) -> Expected {
    let mut expected = Expected::default();
    for (of, second, outcome, millis) in log {
        if of == scope && *second >= from {
            expected.count(*outcome, *millis);
        }
    }
    expected
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn the_counters_add_up(steps in prop::collection::vec(step(), 1..250)) {
        let (monitor, start) = monitor();
        let mut now = start;
        let mut live: Vec<Live> = Vec::new();
        let mut begun = 0;
        // What ended, by scope: when, how, how long.
        let mut log: Vec<(Scope, u64, Outcome, u64)> = Vec::new();
        let mut attempts: BTreeMap<Scope, u64> = BTreeMap::new();
        let mut tokens_of: BTreeMap<Scope, u64> = BTreeMap::new();
        let mut arrived = 0_u64;
        for step in steps {
            let second = (now - start).as_secs();
            let pick = |running: usize, live: &[Live]| (!live.is_empty()).then(|| running % live.len());
            match step {
                Step::Wait { millis } => now += Duration::from_millis(millis),
                Step::Begin { route } => {
                    begun += 1;
                    let name = route.map(|route| RouteName::new(ROUTES[route]));
                    monitor.begin(RequestId(begun), name.as_ref());
                    live.push(Live { id: begun, route, ..Live::default() });
                }
                Step::AttemptBegin { running, instance } => {
                    let Some(index) = pick(running, &live) else { continue };
                    let request = &mut live[index];
                    if request.at.is_none() {
                        request.at = Some(instance);
                        request.last = Some(instance);
                        monitor.attempt_begin(RequestId(request.id), &NAMES[instance].into(), type_of(instance));
                    }
                }
                Step::Progress { running, tokens } => {
                    let Some(index) = pick(running, &live) else { continue };
                    let request = &mut live[index];
                    if let Some(at) = request.at {
                        request.streamed += u64::from(tokens);
                        arrived += u64::from(tokens);
                        monitor.progress(RequestId(request.id), &NAMES[at].into(), type_of(at), tokens, now);
                    }
                }
                Step::AttemptEnd { running, outcome, millis } => {
                    let Some(index) = pick(running, &live) else { continue };
                    let request = &mut live[index];
                    let Some(at) = request.at.take() else { continue };
                    let attempt = Attempt {
                        total: Duration::from_millis(millis),
                        ..attempt(NAMES[at], outcome, 1.0)
                    };
                    monitor.attempt_end(&attempt, type_of(at), now);
                    let scope = instance(NAMES[at]);
                    *attempts.entry(scope.clone()).or_default() += 1;
                    log.push((scope, second, outcome, millis));
                    request.attempts.push(attempt);
                }
                Step::End { running, outcome, tokens, millis } => {
                    let Some(index) = pick(running, &live) else { continue };
                    if live[index].at.is_some() {
                        continue;
                    }
                    let request = live.swap_remove(index);
                    let sample = Sample {
                        instance: request.last.map(|last| NAMES[last].into()),
                        provider_type: request.last.map(type_of),
                        route: request.route.map(|route| ROUTES[route].into()),
                        usage: tokens.map(|tokens| Usage { completion_tokens: Some(tokens), ..Usage::default() }),
                        attempts: request.attempts,
                        ..Sample::new(RequestId(request.id), outcome, Duration::from_millis(millis))
                    };
                    monitor.record(&sample, now);
                    if let Some(tokens) = tokens {
                        arrived = arrived + tokens - request.streamed;
                    }
                    let mut scopes = vec![Scope::All];
                    scopes.extend(sample.provider_type.map(Scope::Type));
                    scopes.extend(sample.route.clone().map(Scope::Route));
                    for scope in scopes {
                        *attempts.entry(scope.clone()).or_default() += sample.attempts.len() as u64;
                        *tokens_of.entry(scope.clone()).or_default() += tokens.unwrap_or(0);
                        log.push((scope, second, outcome, millis));
                    }
                    if let Some(at) = request.last {
                        *tokens_of.entry(instance(NAMES[at])).or_default() += tokens.unwrap_or(0);
                    }
                }
            }

            // At every moment, in all.
            let all = monitor.metrics(&Scope::All, now);
            prop_assert_eq!(all.total_requests, begun);
            prop_assert_eq!(all.in_flight, live.len() as u64);
            let ended = all.successful_requests + all.failed_requests + all.cancelled_requests;
            prop_assert_eq!(ended + all.in_flight, begun);
            let asked = live.iter().filter(|request| request.last.is_some()).count() as u64;
            let by_type: u64 = monitor.get_all_metrics(now).values().map(|of| of.in_flight).sum();
            prop_assert_eq!(by_type, asked);
        }

        let scopes = std::iter::once(Scope::All)
            .chain(ProviderType::ALL.map(Scope::Type))
            .chain(ROUTES.map(|route| Scope::Route(route.into())))
            .chain(NAMES.map(instance));
        for scope in scopes {
            let mut wanted = expected(&log, &scope, 0);
            wanted.attempts = attempts.get(&scope).copied().unwrap_or(0);
            wanted.tokens = tokens_of.get(&scope).copied().unwrap_or(0);
            wanted.in_flight = live.iter().filter(|request| match &scope {
                Scope::All => true,
                Scope::Type(wanted) => request.last.map(type_of) == Some(*wanted),
                Scope::Route(wanted) => request.route.is_some_and(|route| ROUTES[route] == wanted.as_str()),
                Scope::Instance(wanted) => request.at.is_some_and(|at| NAMES[at] == wanted.as_str()),
            }).count() as u64;
            wanted.compare(&scope, &monitor.metrics(&scope, now))?;

            let second = (now - start).as_secs();
            for (minutes, slot) in [(1, 1), (5, 1), (15, 10), (60, 10), (24 * 60, 600)] {
                let from = (second / slot + 1).saturating_sub(minutes * 60 / slot) * slot;
                let got = monitor.window_metrics(&scope, MINUTE * minutes as u32, now);
                let windowed = expected(&log, &scope, from);
                let counts = (got.successful_requests, got.failed_requests, got.cancelled_requests);
                prop_assert_eq!(counts, (windowed.successful, windowed.failed, windowed.cancelled));
                prop_assert_eq!(&got.errors, &windowed.errors);
                prop_assert_eq!(got.response_time.map_or(0, |all| all.count), windowed.times.len() as u64);
            }
        }
        prop_assert_eq!(monitor.all.lock().totals().streamed_tokens, i64::try_from(arrived).unwrap());
    }
}
