//! One of three instances fails in every way there is, over real sockets: who asks must not notice more than has to be.
//!
//! Each case has a server of its own with one instance of each type; each of the three is the sick one in turn. The
//! sick one has a short timeout where its fault calls for one and the others have long ones, so that a busy machine
//! changes nothing.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use llmdeck::ErrorKind;
use llmdeck::base::{Command, Health, InstanceState};
use llmdeck::driver;
use llmdeck::pool::BreakerSettings;
use llmdeck::provider::Http;
use llmdeck::sim::{Fault, InstanceProfile, Spread};

use crate::support::{Rig, Told, http, types};

/// Requests a case sends in a round while the instance is sick, how many at once, and how many rounds at most.
const REQUESTS: usize = 30;
const ROUNDS: usize = 12;
const AT_ONCE: usize = 6;
const PERMITS: usize = 2;
/// The longest line that is accepted; the huge one is longer.
const LONGEST_LINE: usize = 1 << 20;

/// What a case expects of the sick instance.
#[derive(Clone, Copy)]
struct Expected {
    /// The kind of each failed attempt.
    kind: ErrorKind,
}

/// One instance that fails.
struct Case {
    rig: Rig,
    sick: &'static str,
    fault: Fault,
}

impl Case {
    fn start(fault: Fault, sick: &'static str, http: &Http) -> Self {
        let mut settings = driver::Settings {
            seed: Some(1),
            ..driver::Settings::default()
        };
        settings.pool.breaker = BreakerSettings {
            open_for: Duration::from_millis(100),
            open_at_most: Duration::from_millis(400),
            ..BreakerSettings::default()
        };
        let profiles = types().map(|(name, provider_type)| InstanceProfile {
            length: Some(Spread::exactly(40.0)),
            speed: Spread::exactly(2_000.0),
            ..InstanceProfile::new(name, provider_type)
        });
        let rig = Rig::new(settings, profiles.into(), http, |spec| {
            spec.pool.limits.permits = PERMITS;
            spec.reach.max_line = LONGEST_LINE;
            if spec.reach.name.as_str() == sick {
                let timeouts = &mut spec.reach.timeouts;
                match fault {
                    Fault::HangBeforeHeaders | Fault::HangBeforeToken | Fault::Trickle => {
                        timeouts.first_token = Duration::from_millis(300);
                    }
                    Fault::HangMidStream => timeouts.idle = Duration::from_millis(300),
                    Fault::Endless => timeouts.total = Duration::from_secs(3),
                    _ => {}
                }
            }
        });
        rig.server.set_fault(sick, Some(fault)).unwrap();
        Self { rig, sick, fault }
    }

    /// Sends requests, some at once, until the sick one is out. While it hangs the others are quick, so that how many
    /// requests that takes is a matter of the machine.
    async fn ask_until_out(&self) -> Vec<Told> {
        let mut told = Vec::new();
        for _ in 0..ROUNDS {
            told.extend(self.ask_some().await);
            if self.rig.view(self.sick).breaker.opened > 0 {
                break;
            }
        }
        told
    }

    async fn ask_some(&self) -> Vec<Told> {
        stream::iter(0..REQUESTS)
            .map(|_| self.rig.ask())
            .buffer_unordered(AT_ONCE)
            .collect()
            .await
    }

    fn check(&self, holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
        if holds {
            return Ok(());
        }
        let (fault, sick) = (self.fault.as_str(), self.sick);
        Err(format!(
            "{fault} at {sick}: {}\n  board: {:?}",
            what(),
            self.rig.view(sick)
        ))
    }

    /// An answer that is whole, whoever gave it.
    fn is_whole(&self, told: &Told) -> Result<(), String> {
        let whole = match &told.outcome {
            Ok(response) => {
                response
                    .finish_reason
                    .is_some_and(|reason| reason.as_str() == "stop")
                    && response.text == told.text
                    && told.text.len() > 50
            }
            Err(_) => false,
        };
        self.check(
            whole && told.started.len() == 1 && !told.retried_late,
            || format!("no whole answer: {told:?}"),
        )
    }

    /// Nobody saw a failure: the others answered, and the attempts at the sick one say why.
    async fn others_answer(&self, expected: Expected) -> Result<(), String> {
        let told = match expected.kind.health() {
            Health::Fail | Health::HalfFail => self.ask_until_out().await,
            _ => self.ask_some().await,
        };
        for told in told {
            self.is_whole(&told)?;
            self.check(!told.by(self.sick), || format!("answered: {told:?}"))?;
            for attempt in &told.retries {
                let right = attempt.instance.as_str() == self.sick
                    && attempt.outcome == llmdeck::base::Outcome::Failure(expected.kind);
                self.check(right, || format!("another failure: {attempt:?}"))?;
            }
        }
        Ok(())
    }

    /// It was asked no more than the breaker needs to see, then once each time it might be well again; and once more
    /// where the probe's first token made it look well before its answer broke off.
    fn is_ejected(&self, kind: ErrorKind) -> Result<(), String> {
        let view = self.rig.view(self.sick);
        let needed = match kind.health() {
            Health::HalfFail => 10,
            _ => 5,
        };
        let opened = view.breaker.opened;
        let asked = view.metrics.total_requests;
        self.check(opened >= 1, || "never ejected".to_owned())?;
        let most = needed + PERMITS as u64 - 1 + 2 * opened;
        self.check(asked <= most, || {
            format!("asked {asked} times, opened {opened} times")
        })?;
        let out = matches!(view.state, InstanceState::Open(_) | InstanceState::HalfOpen);
        self.check(out, || "in".to_owned())
    }

    async fn comes_back(&self) -> Result<(), String> {
        self.rig.server.set_fault(self.sick, None).unwrap();
        let back = self.rig.until_back(self.sick).await;
        self.check(back.is_ok(), || format!("{back:?}"))
    }
}

/// Runs a story for each of the faults at each of the instances, all at once.
async fn each<F>(
    faults: impl IntoIterator<Item = (Fault, ErrorKind)>,
    story: impl Fn(Case, Expected) -> F,
) where
    F: Future<Output = Result<(), String>>,
{
    let http = http();
    let mut running = Vec::new();
    for (fault, kind) in faults {
        for (sick, _) in types() {
            running.push(story(Case::start(fault, sick, &http), Expected { kind }));
        }
    }
    let failed: Vec<String> = join_all(running)
        .await
        .into_iter()
        .filter_map(Result::err)
        .collect();
    assert!(
        failed.is_empty(),
        "{} cases:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_before_a_token_is_answered_by_another_and_the_sick_one_is_out_until_it_is_well()
{
    let faults = [
        (Fault::Refuse, ErrorKind::Network),
        (Fault::Close, ErrorKind::Network),
        (Fault::HangBeforeHeaders, ErrorKind::TimeoutFirstToken),
        (Fault::HangBeforeToken, ErrorKind::TimeoutFirstToken),
        (Fault::Trickle, ErrorKind::TimeoutFirstToken),
        (Fault::ServerError, ErrorKind::Server),
        (Fault::BadGateway, ErrorKind::Server),
        (Fault::Unavailable, ErrorKind::Overloaded),
        (Fault::Overloaded, ErrorKind::Overloaded),
        (Fault::HtmlOk, ErrorKind::Protocol),
    ];
    each(faults, |case, expected| async move {
        case.others_answer(expected).await?;
        case.is_ejected(expected.kind)?;
        case.comes_back().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_after_a_token_ends_with_what_came_and_says_so() {
    let faults = [
        (Fault::HangMidStream, ErrorKind::TimeoutIdle),
        (Fault::CutMidStream, ErrorKind::Network),
        (Fault::ResetMidStream, ErrorKind::Network),
        (Fault::Truncated, ErrorKind::Protocol),
        (Fault::ErrorMidStream, ErrorKind::Server),
        (Fault::Garbage, ErrorKind::Protocol),
        (Fault::HugeLine { bytes: 10 << 20 }, ErrorKind::Protocol),
        (Fault::Endless, ErrorKind::Deadline),
    ];
    each(faults, |case, expected| async move {
        let mut broken = 0;
        for told in case.ask_until_out().await {
            if !told.by(case.sick) {
                case.is_whole(&told)?;
                continue;
            }
            broken += 1;
            let Err(error) = &told.outcome else {
                return case.check(false, || format!("silently short: {told:?}"));
            };
            let clear = error.kind() == expected.kind
                && error
                    .instance()
                    .is_some_and(|name| name.as_str() == case.sick)
                && error.attempts().len() == 1
                && !error.hint().is_empty();
            case.check(clear, || format!("unclear: {error:?}"))?;
            let shown = !told.text.is_empty() && told.started.len() == 1 && told.retries.is_empty();
            case.check(shown && !told.retried_late, || {
                format!("shown otherwise: {told:?}")
            })?;
        }
        // Where the machine is slow some time out before a token, and count for the breaker too.
        case.check(broken >= 3, || format!("only {broken} met it"))?;
        case.is_ejected(expected.kind)?;
        case.comes_back().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_waited_out_elsewhere_and_is_no_ill_health() {
    let faults = [None, Some(Duration::from_secs(1))]
        .map(|retry_after| (Fault::RateLimited { retry_after }, ErrorKind::RateLimited));
    each(faults, |case, expected| async move {
        case.others_answer(expected).await?;
        let view = case.rig.view(case.sick);
        let asked = view.metrics.total_requests;
        // On a slow machine its time may be over once or twice before all is asked.
        case.check((1..=3 * PERMITS as u64).contains(&asked), || {
            format!("asked {asked} times")
        })?;
        case.check(view.breaker.opened == 0, || "ejected".to_owned())?;
        case.comes_back().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_or_an_account_that_is_no_good_is_held_until_a_probe_finds_it_well() {
    let faults = [
        (Fault::WrongKey, ErrorKind::Auth),
        (Fault::NoQuota, ErrorKind::QuotaExhausted),
    ];
    each(faults, |case, expected| async move {
        case.others_answer(expected).await?;
        let view = case.rig.view(case.sick);
        case.check(view.state == InstanceState::Held(expected.kind), || {
            "not held".to_owned()
        })?;
        let asked = view.metrics.total_requests;
        case.check((1..=PERMITS as u64).contains(&asked), || {
            format!("asked {asked} times")
        })?;
        case.rig.server.set_fault(case.sick, None).unwrap();
        let probe = Command::Probe {
            instance: case.sick.into(),
        };
        let probed = case.rig.driver.command(probe, "test").await;
        case.check(probed.is_ok(), || format!("{probed:?}"))?;
        case.comes_back().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_gone_or_forbidden_is_asked_for_elsewhere() {
    let faults = [
        (Fault::UnknownModel, ErrorKind::NotFoundModel),
        (Fault::Forbidden, ErrorKind::Permission),
    ];
    each(faults, |case, expected| async move {
        case.others_answer(expected).await?;
        let asked = case.rig.view(case.sick).metrics.total_requests;
        case.check((1..=PERMITS as u64).contains(&asked), || {
            format!("asked {asked} times")
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_text_are_replaced_and_the_answer_goes_on() {
    each(
        [(Fault::BadUtf8, ErrorKind::Protocol)],
        |case, _| async move {
            let mut odd = 0;
            for told in case.ask_some().await {
                case.is_whole(&told)?;
                let replaced = told.text.contains('\u{fffd}');
                case.check(replaced == told.by(case.sick), || format!("{told:?}"))?;
                odd += usize::from(replaced);
            }
            case.check(odd >= REQUESTS / 6, || format!("only {odd} met it"))
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_body_where_a_stream_was_asked_for_is_an_answer_too() {
    each(
        [(Fault::WholeForStream, ErrorKind::Protocol)],
        |case, _| async move {
            for told in case.ask_some().await {
                case.is_whole(&told)?;
                case.check(told.retries.is_empty(), || format!("{told:?}"))?;
            }
            Ok(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_did_wrong_is_nobody_elses_fault() {
    let faults = [
        (Fault::ContentFilter, ErrorKind::ContentFilter),
        (Fault::ContextLength, ErrorKind::ContextLength),
    ];
    each(faults, |case, expected| async move {
        let mut refused = 0;
        for told in case.ask_some().await {
            match &told.outcome {
                Ok(_) => case.is_whole(&told)?,
                Err(error) => {
                    refused += 1;
                    case.check(error.kind() == expected.kind, || format!("{error:?}"))?;
                    case.check(told.text.is_empty(), || format!("{told:?}"))?;
                }
            }
        }
        case.check(refused >= REQUESTS / 6, || format!("only {refused} met it"))?;
        case.check(case.rig.state(case.sick) == InstanceState::On, || {
            "out".to_owned()
        })
    })
    .await;
}
