//! Second attempts beside a slow one.

use super::*;

fn hedging(instances: Vec<InstanceSpec>) -> LlmModelDriver {
    hedging_within(None, instances)
}

fn hedging_within(budget: Option<f64>, instances: Vec<InstanceSpec>) -> LlmModelDriver {
    let route = RouteSettings {
        tiers: vec![
            instances
                .iter()
                .map(|instance| instance.settings.name.clone())
                .collect(),
        ],
        strategy: None,
        hedge: true,
        hedge_budget: budget,
        ..RouteSettings::new("r")
    };
    LlmModelDriver::new(
        Settings {
            seed: Some(1),
            ..Settings::default()
        },
        vec![route],
        instances,
    )
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_board_shows_what_is_left_for_second_attempts() {
    let quick = Act::Answer(Duration::from_millis(100), vec!["quick"]);
    let late = Act::Answer(Duration::from_secs(2), vec!["late"]);
    let mut acts = vec![quick.clone(); 30];
    acts.extend([late.clone(), quick.clone(), late]);
    let a = Scripted::new(ProviderType::OpenAi, acts);
    let b = Scripted::new(ProviderType::OpenAi, [quick]);
    // One, and nothing is paid in.
    let driver = hedging_within(Some(0.0), vec![spec("a", 4, &a), spec("b", 4, &b)]);
    let hedges = || driver.board().routes[0].hedges.clone().unwrap();
    assert_eq!((hedges().left, hedges().limit, hedges().refused), (1, 5, 0));
    for _ in 0..66 {
        driver.chat(routed()).await.unwrap();
    }
    assert_eq!(driver.board().totals.hedges, 1);
    assert_eq!(hedges().left, 0);
    assert!(hedges().refused >= 1, "the second late one had none");
}

#[tokio::test(start_paused = true)]
async fn a_late_first_token_is_hedged_and_the_loser_is_cancelled() {
    let quick = Act::Answer(Duration::from_millis(100), vec!["quick"]);
    let mut acts = vec![quick.clone(); 30];
    acts.push(Act::Hang);
    let a = Scripted::new(ProviderType::OpenAi, acts);
    let b = Scripted::new(ProviderType::OpenAi, [quick]);
    let driver = hedging(vec![spec("a", 4, &a), spec("b", 4, &b)]);
    for _ in 0..60 {
        assert_eq!(
            driver.chat(routed()).await.unwrap().attempts.len(),
            1,
            "nothing was late"
        );
    }
    let begun = Instant::now();
    let response = driver.chat(routed()).await.unwrap();
    assert_eq!(response.text, "quick");
    assert_eq!(response.instance, Some("b".into()));
    assert!(
        begun.elapsed() < Duration::from_millis(400),
        "{:?}",
        begun.elapsed()
    );
    let outcomes: Vec<Outcome> = response
        .attempts
        .iter()
        .map(|attempt| attempt.outcome)
        .collect();
    assert_eq!(outcomes, [Outcome::Cancelled, Outcome::Success]);
    assert_eq!(a.running.load(Ordering::SeqCst), 0, "the loser is gone");
    let board = driver.board();
    assert_eq!(board.totals.hedges, 1);
    assert_eq!(board.totals.failovers, 0);
    assert!(
        board
            .instances
            .iter()
            .all(|instance| instance.in_flight == 0)
    );
}

#[tokio::test(start_paused = true)]
async fn hedges_stay_within_their_budget_and_need_samples() {
    let a = Scripted::new(
        ProviderType::OpenAi,
        [Act::Answer(Duration::from_millis(100), vec!["x"])],
    );
    let slow = Scripted::new(
        ProviderType::OpenAi,
        [Act::Answer(Duration::from_secs(3), vec!["x"])],
    );
    let driver = hedging(vec![spec("a", 4, &a), spec("slow", 4, &slow)]);
    for _ in 0..200 {
        driver.chat(routed()).await.unwrap();
    }
    let hedges = driver.board().totals.hedges;
    assert!(hedges <= 11, "{hedges} of 200");
}

#[tokio::test(start_paused = true)]
async fn a_route_sets_its_own_budget_and_a_hedge_it_refuses_costs_no_reservation() {
    // After 60 quick answers every second one is late, so that each could be hedged.
    let quick = Act::Answer(Duration::from_millis(100), vec!["x"]);
    let late = Act::Answer(Duration::from_secs(3), vec!["x"]);
    let mut counts = Vec::new();
    for budget in [Some(0.0), Some(0.5)] {
        let mut acts = vec![quick.clone(); 100];
        acts.extend(vec![late.clone(); 20]);
        let a = Scripted::new(ProviderType::OpenAi, acts);
        let b = Scripted::new(ProviderType::OpenAi, [quick.clone()]);
        let mut second = spec("b", 4, &b);
        second.settings.limits.requests_per_minute = Some(1_000);
        let driver = hedging_within(budget, vec![spec("a", 4, &a), second]);
        for _ in 0..230 {
            driver.chat(routed()).await.unwrap();
        }
        let board = driver.board();
        counts.push(board.totals.hedges);
        tokio::time::sleep(Duration::from_secs(61)).await;
        let asked = b.asked();
        let request = ChatRequest::from("Hi").with_target(Target::Instance("b".into()));
        driver.chat(request).await.unwrap();
        assert_eq!(b.asked(), asked + 1);
        let left = driver.board().instances[1].budgets[0].left;
        assert_eq!(left, 999, "only what was sent is counted");
    }
    assert!(counts[0] <= 1, "the burst is one: {counts:?}");
    assert!(counts[1] >= 8, "{counts:?}");
}
