//! Requests that are dropped at random moments: permits, counters and samples add up all the same.

use proptest::prelude::*;
use rand::Rng;

use super::*;

fn random_act(dice: &mut SmallRng) -> Act {
    match dice.random_range(0..10) {
        0 => Act::Fail(server_error()),
        1 => Act::Fail(Error::new(ErrorKind::RateLimited, "x").with_status(429)),
        2 => Act::Break("half", server_error()),
        3 => Act::Fail(Error::new(ErrorKind::InvalidRequest, "x").with_status(400)),
        4 => Act::Answer(Duration::from_secs(2), vec!["slow"; 30]),
        _ => Act::Answer(
            Duration::from_millis(dice.random_range(1..500)),
            vec!["a", "b", "c"],
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Requests are dropped after a random number of pieces and at a random moment: at every await point sooner or later.
    #[test]
    fn permits_hold_and_counters_add_up_under_random_cancellation(seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let mut dice = SmallRng::seed_from_u64(seed);
            let strategies: Vec<Arc<Scripted>> = (0..3)
                .map(|n| {
                    let acts: Vec<Act> = (0..60).map(|_| random_act(&mut dice)).collect();
                    Scripted::new(ProviderType::ALL[n], acts)
                })
                .collect();
            let permits = [1, 2, 3];
            let specs = strategies.iter().zip(permits).enumerate()
                .map(|(n, (strategy, permits))| spec(&format!("i{n}"), permits, strategy))
                .collect();
            let driver = driver(specs);
            let ended_well = Arc::new(AtomicUsize::new(0));
            let mut tasks = Vec::new();
            for _ in 0..40 {
                let caller = driver.clone();
                let ended_well = Arc::clone(&ended_well);
                let patience = Duration::from_millis(dice.random_range(0..6_000));
                let most = dice.random_range(0..12usize);
                let whole = dice.random_bool(0.5);
                let pause = Duration::from_millis(dice.random_range(0..300));
                tasks.push(tokio::spawn(async move {
                    let mut stream = caller.stream("Hi".into());
                                        let read = async {
                        let mut count = 0;
                        while let Some(piece) = stream.next().await {
                                                        if matches!(piece, Ok(Chunk::Done(_))) {
                                ended_well.fetch_add(1, Ordering::SeqCst);
                            }
                            count += 1;
                            if !whole && count >= most {
                                break;
                            }
                        }
                    };
                    let _ = tokio::time::timeout(patience, read).await;
                    drop(stream);
                                    }));
                tokio::time::sleep(pause).await;
                let board = driver.board();
                adds_up(&board.totals);
                for (instance, permits) in board.instances.iter().zip(permits) {
                    assert!(instance.in_flight <= permits);
                    adds_up(&instance.metrics);
                }
            }
            for task in tasks {
                task.await.unwrap();
            }
            for (strategy, permits) in strategies.iter().zip(permits) {
                assert!(strategy.peak.load(Ordering::SeqCst) <= permits, "permits were exceeded");
                assert_eq!(strategy.running.load(Ordering::SeqCst), 0, "a stream leaked");
            }
            let board = driver.board();
            assert!(board.instances.iter().all(|instance| instance.in_flight == 0), "a permit leaked");
            assert_eq!(board.queue.length, 0);
            assert_eq!(board.totals.in_flight, 0);
            assert_eq!(board.totals.total_requests, board.totals.successful_requests + board.totals.failed_requests + board.totals.cancelled_requests);
            assert_eq!(board.totals.successful_requests as usize, ended_well.load(Ordering::SeqCst), "one sample a request");
            let by_type: u64 = driver.get_all_metrics().values().map(|metrics| metrics.successful_requests).sum();
            assert_eq!(by_type, board.totals.successful_requests);
        });
    }
}
