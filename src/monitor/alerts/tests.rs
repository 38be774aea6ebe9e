//! Rules under simulated time.

mod incidents;

use super::*;
use crate::base::{ErrorKind, Outcome, RequestId, Sample, Usage};

fn monitor_with(rules: Vec<Rule>) -> (LlmMonitor, Instant) {
    let start = Instant::now();
    let settings = crate::monitor::Settings {
        alerts: Settings {
            rules,
            ..Settings::default()
        },
        ..crate::monitor::Settings::default()
    };
    (LlmMonitor::new(&settings, start), start)
}

fn request(number: u64, fails: bool) -> Sample {
    let outcome = if fails {
        Outcome::Failure(ErrorKind::Server)
    } else {
        Outcome::Success
    };
    Sample::new(RequestId(number), outcome, Duration::from_secs(1))
}

#[test]
fn what_is_worst_and_newest_stands_first() {
    use AlertState::{Firing, Pending, Resolved};
    use Severity::{Critical, Warning};
    let view = |(state, severity, seconds)| AlertView {
        rule: String::new(),
        scope: Scope::All,
        state,
        severity,
        age: Duration::from_secs(seconds),
        message: String::new(),
        silenced: None,
    };
    let ordered = [
        (Firing, Critical, 5),
        (Firing, Critical, 900),
        (Firing, Warning, 1),
        (Pending, Critical, 2),
        (Pending, Warning, 3),
        (Resolved, Critical, 0),
    ];
    let mut views: Vec<AlertView> = ordered.into_iter().rev().map(view).collect();
    views.sort_by_key(place);
    let found: Vec<_> = views
        .iter()
        .map(|view| (view.state, view.severity, view.age.as_secs()))
        .collect();
    assert_eq!(found, ordered);
}

/// Time that goes on, one look at a time.
struct Story {
    monitor: LlmMonitor,
    now: Instant,
    number: u64,
}

impl Story {
    fn new(rules: Vec<Rule>) -> Self {
        let (monitor, now) = monitor_with(rules);
        Self {
            monitor,
            now,
            number: 0,
        }
    }

    fn end(&mut self, many: u64, change: impl Fn(&mut Sample)) {
        for _ in 0..many {
            self.number += 1;
            let mut sample = request(self.number, false);
            change(&mut sample);
            self.monitor.record(&sample, self.now);
        }
    }

    fn fail(&mut self, many: u64) {
        self.end(many, |sample| {
            sample.outcome = Outcome::Failure(ErrorKind::Server);
        });
    }

    /// Ten seconds later: what has changed, and whether it notifies.
    fn look(&mut self) -> Vec<(AlertState, bool)> {
        self.now += Duration::from_secs(10);
        let changes = self.monitor.alert_changes(self.now);
        changes
            .into_iter()
            .map(|change| (change.alert.state, change.notify))
            .collect()
    }

    /// Looks for a while with requests coming in between: everything that changed, with the second.
    fn go_on(&mut self, seconds: u64, each: impl Fn(&mut Self)) -> Vec<(u64, AlertState, bool)> {
        let mut changes = Vec::new();
        for second in (10..=seconds).step_by(10) {
            each(self);
            changes.extend(
                self.look()
                    .into_iter()
                    .map(|(state, notify)| (second, state, notify)),
            );
        }
        changes
    }
}

fn in_row(count: u64) -> Rule {
    Rule::new(
        "row",
        Condition::FailuresInRow(FailuresInRow { count, below: 20 }),
    )
}

fn queue() -> Rule {
    Rule {
        hold: Duration::from_secs(60),
        ..Rule::new(
            "queue",
            Condition::QueueWait(Limit {
                percentile: Percentile::P95,
                above: Duration::from_secs(2),
                window: Duration::from_secs(60),
            }),
        )
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_fires_once_worsens_once_and_resolves_once() {
    let mut story = Story::new(vec![Rule::new(
        "success",
        Condition::SuccessRate(Objective::new(0.99)),
    )]);
    let before = story.go_on(3600, |story| story.end(20, |_| {}));
    assert_eq!(before, []);
    let during = story.go_on(300, |story| story.fail(20));
    assert_eq!(
        during,
        [
            (10, AlertState::Firing, true),
            (20, AlertState::Firing, true)
        ],
        "first the change, then the burn, which is critical"
    );
    let alert = story.monitor.alerts(story.now).remove(0);
    assert_eq!(alert.severity, Severity::Critical);
    assert_eq!(alert.scope, Scope::All);
    assert!(
        alert.message.contains("requests failed in 5 min"),
        "{}",
        alert.message
    );
    let after = story.go_on(3600, |story| story.end(20, |_| {}));
    assert_eq!(after.len(), 1, "{after:?}");
    let (second, state, notify) = after[0];
    assert_eq!((state, notify), (AlertState::Resolved, true));
    assert!((200..=400).contains(&second), "cleared after {second} s");
    assert_eq!(
        story.monitor.alerts(story.now),
        [],
        "and is shown for a quarter of an hour only"
    );
}

#[tokio::test(start_paused = true)]
async fn at_the_threshold_it_does_not_flap() {
    let mut story = Story::new(vec![Rule::new(
        "success",
        Condition::SuccessRate(Objective::new(0.99)),
    )]);
    story.go_on(4000, |story| story.end(100, |_| {}));
    // 3 % and a bit: three times what is allowed, now above and now below.
    let changes = story.go_on(4 * 3600, |story| {
        let bad = if story.number % 3 == 0 { 4 } else { 3 };
        story.fail(bad);
        story.end(97, |_| {});
    });
    let firings = changes
        .iter()
        .filter(|(_, state, _)| *state == AlertState::Firing);
    assert_eq!(firings.count(), 1, "{changes:?}");
    assert!(
        changes
            .iter()
            .all(|(_, state, _)| *state == AlertState::Firing),
        "{changes:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn cancelled_requests_and_the_callers_own_faults_alarm_no_one() {
    let mut story = Story::new(Settings::default().rules);
    story.go_on(3600, |story| story.end(20, |_| {}));
    let changes = story.go_on(900, |story| {
        story.end(10, |sample| sample.outcome = Outcome::Cancelled);
        story.end(10, |sample| {
            sample.outcome = Outcome::Failure(ErrorKind::ContextLength);
        });
    });
    assert_eq!(changes, []);
}

#[tokio::test(start_paused = true)]
async fn five_failures_in_a_row_alarm_when_requests_are_few() {
    let mut story = Story::new(vec![in_row(5)]);
    story.fail(4);
    assert_eq!(story.look(), []);
    story.fail(1);
    assert_eq!(story.look(), [(AlertState::Firing, true)]);
    let quiet = story.go_on(3600, |_| {});
    assert_eq!(quiet, [], "nothing says that it is over");
    story.end(1, |_| {});
    let over = story.go_on(120, |_| {});
    assert_eq!(over, [(60, AlertState::Resolved, true)]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_long_for_long_enough_goes_from_pending_to_firing() {
    let mut story = Story::new(vec![queue()]);
    let long = |story: &mut Story| {
        story.end(10, |sample| sample.queued = Duration::from_secs(3));
    };
    let changes = story.go_on(120, long);
    assert_eq!(
        changes,
        [
            (20, AlertState::Pending, false),
            (80, AlertState::Firing, true)
        ],
        "twenty values are needed first"
    );
    assert_eq!(
        story.monitor.alerts(story.now)[0].message,
        "time in the queue: p95 is 3.0 s in 60 s, over 50 requests; the limit is 2.0 s"
    );
    // Half of the threshold is enough to keep it.
    let half = story.go_on(600, |story| {
        story.end(10, |sample| sample.queued = Duration::from_millis(1500));
    });
    assert_eq!(half, []);
    let over = story.go_on(300, |story| story.end(10, |_| {}));
    assert_eq!(over.len(), 1);
    assert_eq!(over[0].1, AlertState::Resolved);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_long_only_for_a_moment_stays_pending() {
    let mut story = Story::new(vec![queue()]);
    story.end(25, |sample| sample.queued = Duration::from_secs(3));
    assert_eq!(story.look(), [(AlertState::Pending, false)]);
    let changes = story.go_on(600, |story| story.end(200, |_| {}));
    assert_eq!(changes, []);
    assert_eq!(story.monitor.alerts(story.now), []);
}

#[tokio::test(start_paused = true)]
async fn a_silenced_rule_shows_but_does_not_tell() {
    let mut story = Story::new(vec![in_row(2)]);
    let silence = |rule: &str, seconds| {
        let time = Duration::from_secs(seconds);
        story.monitor.silence_alert(rule, time, story.now)
    };
    let unknown = silence("nobody", 1).unwrap_err();
    assert!(unknown.message().contains("there are row"), "{unknown}");
    assert_eq!(silence("row", 100).unwrap(), Duration::ZERO);
    assert_eq!(silence("row", 0).unwrap(), Duration::from_secs(100));
    assert_eq!(silence("row", 300).unwrap(), Duration::ZERO);
    story.fail(2);
    assert_eq!(story.look(), [(AlertState::Firing, false)]);
    let alert = story.monitor.alerts(story.now).remove(0);
    assert_eq!(alert.silenced, Some(Duration::from_secs(290)));
    story.end(1, |_| {});
    let over = story.go_on(600, |_| {});
    assert_eq!(over, [(60, AlertState::Resolved, false)]);
    assert_eq!(story.monitor.alerts(story.now)[0].silenced, None);
    story.fail(2);
    assert_eq!(
        story.look(),
        [(AlertState::Firing, true)],
        "it speaks again"
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_alert_is_not_told_of_twice_in_a_quarter_of_an_hour() {
    let mut story = Story::new(vec![in_row(2)]);
    let mut told = Vec::new();
    for round in 0..10 {
        story.fail(2);
        let fired = story.look();
        assert_eq!(fired.len(), 1, "round {round}");
        story.end(1, |_| {});
        let over = story.go_on(190, |_| {});
        assert_eq!(over.len(), 1);
        assert_eq!(over[0].2, fired[0].1, "its end is told when its start was");
        told.push(fired[0].1);
    }
    // Every 200 s for 2000 s: at 10, 1010.
    assert_eq!(told.iter().filter(|told| **told).count(), 2, "{told:?}");
    assert!(told[0] && told[5]);
}

#[tokio::test(start_paused = true)]
async fn a_part_does_not_tell_while_the_whole_fires() {
    let each = Rule {
        name: "each".to_owned(),
        over: Over::EachType,
        ..in_row(3)
    };
    let mut story = Story::new(vec![in_row(3), each]);
    story.end(3, |sample| {
        sample.outcome = Outcome::Failure(ErrorKind::Network);
        sample.provider_type = Some(ProviderType::Ollama);
    });
    assert_eq!(
        story.look(),
        [(AlertState::Firing, true), (AlertState::Firing, false)]
    );
    let scopes: Vec<_> = story
        .monitor
        .alerts(story.now)
        .into_iter()
        .map(|alert| alert.scope)
        .collect();
    assert_eq!(scopes, [Scope::All, Scope::Type(ProviderType::Ollama)]);
}

#[tokio::test(start_paused = true)]
async fn slow_answers_warn_and_fast_ones_of_long_prompts_do_not() {
    let mut story = Story::new(vec![Rule::new(
        "slow",
        Condition::SlowAnswers(Objective::new(0.95)),
    )]);
    let first_token = |prompt, seconds| {
        move |sample: &mut Sample| {
            sample.time_to_first_token = Some(Duration::from_secs(seconds));
            sample.usage = Some(Usage {
                prompt_tokens: Some(prompt),
                ..Usage::default()
            });
        }
    };
    let long = story.go_on(3600, |story| story.end(10, first_token(80_000, 20)));
    assert_eq!(long, []);
    let slow = story.go_on(120, |story| story.end(10, first_token(100, 20)));
    assert_eq!(slow.len(), 1);
    let alert = story.monitor.alerts(story.now).remove(0);
    assert_eq!(
        (alert.state, alert.severity),
        (AlertState::Firing, Severity::Warning)
    );
    assert!(alert.message.contains("were slow"), "{}", alert.message);
}

#[tokio::test(start_paused = true)]
async fn an_hour_may_cost_so_much_and_no_more() {
    let mut story = Story::new(vec![
        Rule::new("cost", Condition::CostPerHour(Amount { above: 2.0 })),
        Rule::new(
            "tokens",
            Condition::TokensPerHour(Amount { above: 1_000.0 }),
        ),
    ]);
    let spend = |story: &mut Story| {
        story.end(1, |sample| {
            sample.cost = Some(0.5);
            sample.usage = Some(Usage {
                prompt_tokens: Some(100),
                completion_tokens: Some(50),
                ..Usage::default()
            });
        });
    };
    let changes = story.go_on(40, spend);
    assert_eq!(changes, [], "2.00 is not above 2");
    spend(&mut story);
    assert_eq!(story.look(), [(AlertState::Firing, true)]);
    assert_eq!(
        story.monitor.alerts(story.now)[0].message,
        "2.50 spent in the last hour; the limit is 2.00"
    );
    story.go_on(20, spend);
    assert_eq!(story.monitor.alerts(story.now).len(), 2);
    let over = story.go_on(4000, |_| {});
    assert_eq!(over.len(), 2, "an hour later both are over");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_out_for_a_quarter_of_an_hour_and_a_pool_without_half_of_its_instances()
{
    let mut story = Story::new(Settings::default().rules);
    let tell = |story: &Story, name: &str, state| {
        story
            .monitor
            .instance_state(&name.into(), &state, story.now);
    };
    for name in ["a", "b", "c"] {
        tell(&story, name, InstanceState::On);
    }
    tell(&story, "a", InstanceState::Open(Duration::from_secs(30)));
    let one = story.go_on(600, |_| {});
    assert_eq!(one, [], "two of three can serve");
    // Opening again after a failed probe is the same outage.
    tell(&story, "a", InstanceState::HalfOpen);
    tell(&story, "a", InstanceState::Open(Duration::from_secs(60)));
    let long = story.go_on(400, |_| {});
    assert_eq!(long, [(300, AlertState::Firing, true)]);
    let alert = story.monitor.alerts(story.now).remove(0);
    assert_eq!(alert.scope, Scope::Instance("a".into()));
    assert_eq!(alert.severity, Severity::Warning);

    tell(&story, "b", InstanceState::Held(ErrorKind::Auth));
    assert_eq!(
        story.look(),
        [(AlertState::Firing, true), (AlertState::Firing, true)],
        "fewer than half can serve, and a key that only a person mends"
    );
    tell(&story, "c", InstanceState::Open(Duration::from_secs(30)));
    assert_eq!(
        story.look(),
        [(AlertState::Firing, true)],
        "now it is critical"
    );
    let alert = story.monitor.alerts(story.now).remove(0);
    assert_eq!(alert.severity, Severity::Critical);
    assert_eq!(alert.message, "0 of 3 instances can serve");

    tell(&story, "a", InstanceState::Off);
    tell(&story, "b", InstanceState::On);
    tell(&story, "c", InstanceState::Cooling(Duration::from_secs(5)));
    let over = story.go_on(120, |_| {});
    assert_eq!(over.len(), 3);
    assert!(
        over.iter()
            .all(|(_, state, notify)| *state == AlertState::Resolved && *notify)
    );
}

#[tokio::test(start_paused = true)]
async fn between_two_looks_nothing_is_looked_at() {
    let mut story = Story::new(vec![in_row(2)]);
    story.monitor.alerts(story.now);
    story.fail(2);
    let soon = story.now + Duration::from_secs(9);
    assert_eq!(story.monitor.alerts(soon), []);
    let later = story.now + Duration::from_secs(10);
    assert_eq!(story.monitor.alerts(later).len(), 1);
    assert_eq!(story.monitor.alert_changes(later).len(), 1);
    assert_eq!(
        story.monitor.alert_changes(later).len(),
        0,
        "each change is told once"
    );
}

#[test]
fn rules_are_written_and_read_again_and_unknown_keys_are_refused() {
    let settings = Settings::default();
    let text = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
    let rule = r#"{ "rules": [{
        "name": "costs", "over": "each_instance", "for": "5m", "when": { "cost_per_hour": { "above": 3.5 } }
    }] }"#;
    let settings: Settings = serde_json::from_str(rule).unwrap();
    assert_eq!(settings.rules.len(), 1);
    assert_eq!(settings.rules[0].hold, Duration::from_secs(300));
    let wrong = [
        r#"{ "evry": "1s" }"#,
        r#"{ "slow": { "first": "1s" } }"#,
        &rule.replace("above", "abov"),
        &rule.replace("for", "fro"),
    ];
    for wrong in wrong {
        let error = serde_json::from_str::<Settings>(wrong).unwrap_err();
        assert!(error.to_string().contains("unknown field"), "{error}");
    }
}
