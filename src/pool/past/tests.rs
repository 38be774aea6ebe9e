use std::time::Duration;

use super::*;
use crate::base::{ErrorKind, ProviderType, RequestId};
use crate::limit;

const HOUR: Duration = Duration::from_secs(3600);

fn limited() -> InstanceSettings {
    let mut settings = InstanceSettings::new("paid", ProviderType::OpenAi);
    settings.limits.tokens_per_day = Some(1_000_000);
    settings.rates.insert(
        "m".to_owned(),
        limit::Rate {
            input: 1e-6,
            output: 2e-6,
        },
    );
    settings
}

fn attempt(instance: &str, outcome: Outcome, status: Option<u16>) -> Attempt {
    Attempt {
        instance: instance.into(),
        model: "m".to_owned(),
        outcome,
        message: None,
        status,
        started_after: Duration::from_secs(1),
        queued: Duration::ZERO,
        headers: None,
        first_token: None,
        total: Duration::from_secs(2),
    }
}

#[test]
fn what_an_answer_used_is_the_logs_word_and_what_nobody_counted_is_the_mean() {
    let (wall, now) = (Timestamp::now(), Instant::now());
    let settings = limited();
    let mut past = Past::new((wall, now), [&settings].into_iter());
    let called = |ago: Duration| wall.checked_sub(ago).unwrap();
    let sample = |ago, attempts: Vec<Attempt>, usage| Sample {
        called_at: called(ago),
        attempts,
        usage,
        ..Sample::new(RequestId(1), Outcome::Success, HOUR)
    };
    let usage = |input, output| {
        Some(Usage {
            prompt_tokens: Some(input),
            completion_tokens: Some(output),
            ..Usage::default()
        })
    };
    let busy = Outcome::Failure(ErrorKind::Server);
    let answered = attempt("paid", Outcome::Success, Some(200));
    let mut paid = sample(9 * HOUR, vec![answered.clone()], usage(100, 50));
    paid.cost = Some(0.5);
    past.take(&paid);
    let refused = attempt("paid", busy, Some(503));
    past.take(&sample(
        8 * HOUR,
        vec![refused, answered.clone()],
        usage(300, 50),
    ));
    let left = attempt("paid", Outcome::Cancelled, None);
    past.take(&sample(7 * HOUR, vec![left], None));
    let other = attempt("other", Outcome::Success, Some(200));
    past.take(&sample(6 * HOUR, vec![other], usage(1, 1)));
    past.take(&sample(Duration::ZERO, vec![answered], usage(7, 7)));
    let used: Vec<_> = past.used().collect();
    assert_eq!(used.len(), 1, "others have no budgets");
    let spent: Vec<_> = used[0]
        .1
        .iter()
        .map(|(at, cost)| (now.duration_since(*at).as_secs(), cost.tokens, cost.spend))
        .collect();
    assert_eq!(
        spent,
        [
            (9 * 3600 - 1, 150, 500_000),
            (8 * 3600 - 1, 0, 0),
            (8 * 3600 - 1, 350, 400),
            (7 * 3600 - 1, 250, 250_200),
        ]
    );
}
