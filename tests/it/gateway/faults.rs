//! One of two instances is sick: the caller must not see it, and the sick one must not be asked again and again.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use llmdeck::ProviderType;
use llmdeck::sim::Fault;

use super::rig::{Front, chat};

const REQUESTS: usize = 200;

/// Sends all requests, some at once; gives how many were well, and how many were told of in band.
async fn send_all(front: &Front, streaming: bool, at_once: usize) -> (usize, usize, Vec<String>) {
    let one = |_| async {
        let response = front
            .post("/v1/chat/completions", &chat("auto", streaming))
            .send()
            .await
            .unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        let is_well = status == 200
            && if streaming {
                text.ends_with("data: [DONE]\n\n")
            } else {
                text.contains("\"finish_reason\":\"stop\"")
            };
        let is_told =
            streaming && status == 200 && text.contains("\"error\"") && !text.contains("[DONE]");
        (is_well, is_told, text)
    };
    let all: Vec<(bool, bool, String)> = stream::iter(0..REQUESTS)
        .map(one)
        .buffer_unordered(at_once)
        .collect()
        .await;
    let well = all.iter().filter(|(well, _, _)| *well).count();
    let told = all.iter().filter(|(_, told, _)| *told).count();
    let odd = all.into_iter().filter(|(well, told, _)| !well && !told);
    (well, told, odd.map(|(_, _, text)| text).take(3).collect())
}

#[tokio::test]
async fn a_sick_instance_is_not_seen_by_callers_and_soon_left_alone() {
    let limited = Fault::RateLimited {
        retry_after: Some(Duration::from_secs(30)),
    };
    for fault in [Fault::ServerError, limited, Fault::Refuse, Fault::Close] {
        for (streaming, at_once) in [(false, 2), (true, 2), (false, 8), (true, 8)] {
            let front = Front::over(&[
                ("sick", ProviderType::OpenAi),
                ("well", ProviderType::OpenAi),
            ]);
            front.rig.server.set_fault("sick", Some(fault)).unwrap();
            let begun = tokio::time::Instant::now();
            let (well, _, odd) = send_all(&front, streaming, at_once).await;
            let board = front.rig.driver.board();
            let asked = board
                .instance(&"sick".into())
                .unwrap()
                .metrics
                .total_requests;
            println!(
                "{} streaming {streaming}, {at_once} at once: {well} of {REQUESTS} well, the sick one asked {asked} times",
                fault.as_str()
            );
            assert_eq!(
                well,
                REQUESTS,
                "{} streaming {streaming}: {odd:?}",
                fault.as_str()
            );
            // The breaker opens at the fifth failure, when one more may be under way; then there is a probe each 5 s.
            let probes = begun.elapsed().as_secs() / 5;
            assert!(
                asked <= 6 + probes,
                "{} streaming {streaming}: asked {asked} times",
                fault.as_str()
            );
        }
    }
}

#[tokio::test]
async fn every_cut_stream_is_told_in_band() {
    for fault in [Fault::CutMidStream, Fault::ResetMidStream, Fault::Truncated] {
        let front = Front::over(&[
            ("sick", ProviderType::OpenAi),
            ("well", ProviderType::OpenAi),
        ]);
        front.rig.server.set_fault("sick", Some(fault)).unwrap();
        let (well, told, odd) = send_all(&front, true, 2).await;
        println!("{}: {well} well, {told} told", fault.as_str());
        assert_eq!(well + told, REQUESTS, "{odd:?}");
        assert!(told >= 1);
    }
}
