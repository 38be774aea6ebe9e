//! Runs against servers that are made up, under paused time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::base::{ChatRequest, ChatStream, Chunk, Error, ErrorKind, Usage};

/// Answers take 100 ms to the first of their tokens and 20 ms to each further one, `slots` at once, others wait.
fn server(slots: usize) -> impl Fn(ChatRequest) -> ChatStream + Send + Sync + 'static {
    let slots = Arc::new(Semaphore::new(slots));
    move |request| {
        let tokens = request.max_tokens.unwrap_or(1);
        let slots = Arc::clone(&slots);
        let start = async move { slots.acquire_owned().await.ok() };
        Box::pin(stream::unfold(
            (0, None, Some(start)),
            move |(told, slot, start)| async move {
                let slot = match start {
                    Some(start) => start.await,
                    None => slot,
                };
                let next = |chunk| Some((Ok(chunk), (told + 1, slot, None)));
                if told < tokens {
                    sleep(Duration::from_millis(if told == 0 { 100 } else { 20 })).await;
                    return next(Chunk::Text("word ".to_owned()));
                }
                (told == tokens).then(|| {
                    next(Chunk::Usage(Usage {
                        prompt_tokens: Some(10),
                        completion_tokens: Some(tokens),
                        ..Usage::default()
                    }))
                })?
            },
        ))
    }
}

fn plan(steps: &[Load]) -> Plan {
    Plan {
        steps: steps.to_vec(),
        sweep: false,
        duration: Some(Duration::from_secs(30)),
        requests: None,
        warm_up: Duration::from_secs(5),
        seed: 1,
        prompt: Lengths::Exactly(50),
        // 100 ms + 20 * 20 ms: half a second each.
        output: Lengths::Exactly(21),
        template: ChatRequest::default(),
    }
}

async fn run(
    plan: Plan,
    send: impl Fn(ChatRequest) -> ChatStream + Send + Sync + 'static,
) -> Report {
    let stop = CancellationToken::new();
    Bench::new("made up", plan, send)
        .run(&stop, &|_| {}, &|_| {})
        .await
}

fn near(found: f64, wanted: f64, share: f64) -> bool {
    (found / wanted - 1.0).abs() <= share
}

#[tokio::test(start_paused = true)]
async fn a_closed_loop_measures_what_the_server_does() {
    let report = run(plan(&[Load::Closed(2)]), server(4)).await;
    let step = &report.steps[0];
    assert!(near(step.requests_per_second, 4.0, 0.02), "{step:?}");
    assert!(near(step.tokens_per_second, 84.0, 0.02), "{step:?}");
    let (first, gap, whole) = (
        step.first_token.unwrap(),
        step.between_tokens.unwrap(),
        step.completion.unwrap(),
    );
    assert!(near(first.p50.as_secs_f64(), 0.1, 0.03), "{first:?}");
    assert!(near(gap.p50.as_secs_f64(), 0.02, 0.06), "{gap:?}");
    assert!(near(whole.p99.as_secs_f64(), 0.5, 0.06), "{whole:?}");
    assert_eq!((step.failed, step.unfinished, step.not_sent), (0, 0, 0));
    assert!(!step.tokens_are_estimated);
}

#[tokio::test(start_paused = true)]
async fn the_knee_is_the_number_of_slots() {
    for slots in [3, 4, 6] {
        let report = run(plan(&[1, 2, 4, 8, 16].map(Load::Closed)), server(slots)).await;
        let knee = report.knee().unwrap();
        assert_eq!(
            (knee.permits, knee.is_at_least),
            (slots, false),
            "{report:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_sweep_finds_the_slots_by_itself() {
    let mut plan = plan(&[]);
    plan.sweep = true;
    plan.output = Lengths::Between(10, 32);
    let report = run(plan, server(6)).await;
    assert_eq!(report.knee().unwrap().permits, 6, "{report:?}");
    let open = report
        .steps
        .iter()
        .filter(|step| matches!(step.load, Load::Open(_)));
    assert_eq!(open.count(), 4);
    assert!(report.open_knee.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_open_loop_counts_the_wait_of_what_could_not_begin() {
    // Twice what the server bears: after 30 s half of all is still waiting, and everyone waits longer than the last.
    let report = run(plan(&[Load::Open(4.0)]), server(1)).await;
    let step = &report.steps[0];
    assert!(near(step.requests_per_second, 2.0, 0.05), "{step:?}");
    let whole = step.completion.unwrap();
    assert!(whole.p99 > Duration::from_secs(20), "{whole:?}");
    assert!(whole.p50 > Duration::from_secs(8), "{whole:?}");
    let sent = step.ok + step.unfinished;
    assert!(
        (90..=150).contains(&sent),
        "about 4 a second for 30 s: {sent}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_ends_when_so_many_requests_have() {
    let mut plan = plan(&[Load::Closed(2), Load::Open(3.0)]);
    plan.duration = None;
    plan.requests = Some(50);
    let report = run(plan, server(4)).await;
    for step in &report.steps {
        assert!((50..=54).contains(&step.ok), "{step:?}");
    }
    assert!(near(report.steps[0].seconds, 12.5, 0.05));
}

#[tokio::test(start_paused = true)]
async fn errors_are_told_by_kind_and_are_no_throughput() {
    let turn = std::sync::atomic::AtomicU64::new(0);
    let good = server(4);
    let send = move |request| match turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 4 {
        0 => Box::pin(stream::once(async {
            sleep(Duration::from_millis(10)).await;
            Err(Error::new(ErrorKind::RateLimited, "slow down"))
        })),
        _ => good(request),
    };
    let report = run(plan(&[Load::Closed(1), Load::Closed(2)]), send).await;
    let step = &report.steps[0];
    assert!(near(step.failed_share(), 0.25, 0.05), "{step:?}");
    assert_eq!(
        step.errors.get(ErrorKind::RateLimited.as_str()),
        Some(&step.failed)
    );
    assert!(near(step.requests_per_second, 3.0 / 1.51, 0.05), "{step:?}");
    assert_eq!(
        report.knee(),
        None,
        "no load that loses a quarter is recommended"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_stopped_still_has_its_figures() {
    let stop = CancellationToken::new();
    let bench = Bench::new("made up", plan(&[1, 2, 4].map(Load::Closed)), server(4));
    let (stopping, later) = (stop.clone(), Duration::from_secs(45));
    let (report, ()) = tokio::join!(bench.run(&stop, &|_| {}, &|_| {}), async move {
        sleep(later).await;
        stopping.cancel();
    });
    assert!(report.is_interrupted);
    assert_eq!(report.steps.len(), 2, "the third never began");
    let cut = &report.steps[1];
    assert!(cut.is_interrupted && cut.ok > 5, "{cut:?}");
    assert!(near(cut.requests_per_second, 4.0, 0.15), "{cut:?}");
}

#[tokio::test(start_paused = true)]
async fn progress_goes_through_its_stages() {
    let stages = parking_lot::Mutex::new(Vec::new());
    let stop = CancellationToken::new();
    let mut plan = plan(&[Load::Closed(2)]);
    // Not when an answer ends, so that something is left to wait for.
    plan.duration = Some(Duration::from_millis(30_100));
    let bench = Bench::new("made up", plan, server(4));
    let tell = |progress: Progress| {
        let mut stages = stages.lock();
        if stages.last() != Some(&progress.stage) {
            stages.push(progress.stage);
        }
    };
    bench.run(&stop, &tell, &|_| {}).await;
    assert_eq!(
        *stages.lock(),
        [Stage::WarmUp, Stage::Measuring, Stage::Ending]
    );
}

#[test]
fn the_same_seed_asks_the_same_and_no_two_prompts_begin_alike() {
    let plan = plan(&[]);
    assert_eq!(prompts::request(&plan, 7), prompts::request(&plan, 7));
    let text = |number| {
        prompts::request(&plan, number).messages[0]
            .content
            .to_text()[..8]
            .to_owned()
    };
    let first: std::collections::BTreeSet<String> = (0..1_000).map(text).collect();
    assert_eq!(first.len(), 1_000);
}

#[test]
fn a_prompt_is_about_as_long_as_wanted() {
    for wanted in [50, 200, 4_000] {
        let mut plan = plan(&[]);
        plan.prompt = Lengths::Exactly(wanted);
        let estimated = prompts::request(&plan, 1).estimated_prompt_tokens() as f64;
        assert!(
            near(estimated, wanted as f64, 0.45),
            "{wanted}: {estimated}"
        );
    }
}
