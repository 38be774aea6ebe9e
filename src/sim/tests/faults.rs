//! Each fault does what it says.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;

use super::{PATIENCE, Sim, first_piece};
use crate::base::ProviderType::{self, OpenAi, ZhipuAi};
use crate::base::{ErrorKind, FinishReason};
use crate::sim::{Ending, Fault, InstanceProfile, Spread};

/// Long enough that something would have come, short enough to wait for nothing.
const A_WHILE: Duration = Duration::from_millis(20);

async fn kind(provider_type: ProviderType, fault: Fault, stream: bool) -> ErrorKind {
    let sim = Sim::faulty(provider_type, fault);
    let (_, end) = sim.answer(stream).await;
    let ended = sim.server.until("a", |stats| stats.all_ended() == 1);
    let stats = timeout(PATIENCE, ended).await.unwrap().unwrap();
    assert_eq!(stats.ended(fault.into()), 1, "{fault:?}: {stats:?}");
    end.unwrap_err().kind()
}

#[tokio::test]
async fn refusals_are_read_by_a_client_as_what_they_are() {
    let table = [
        (Fault::ServerError, ErrorKind::Server),
        (Fault::BadGateway, ErrorKind::Server),
        (Fault::Unavailable, ErrorKind::Overloaded),
        (Fault::Overloaded, ErrorKind::Overloaded),
        (Fault::WrongKey, ErrorKind::Auth),
        (Fault::Forbidden, ErrorKind::Permission),
        (Fault::UnknownModel, ErrorKind::NotFoundModel),
        (Fault::NoQuota, ErrorKind::QuotaExhausted),
        (Fault::ContentFilter, ErrorKind::ContentFilter),
        (Fault::ContextLength, ErrorKind::ContextLength),
    ];
    for provider_type in ProviderType::ALL {
        for (fault, expected) in table {
            for stream in [true, false] {
                let got = kind(provider_type, fault, stream).await;
                assert_eq!(got, expected, "{provider_type} {fault:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_rate_limit_says_how_long_to_wait() {
    let retry_after = Duration::from_secs(7);
    for provider_type in ProviderType::ALL {
        let sim = Sim::faulty(
            provider_type,
            Fault::RateLimited {
                retry_after: Some(retry_after),
            },
        );
        let error = sim.answer(true).await.1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited, "{provider_type}");
        assert_eq!(error.retry_after(), Some(retry_after), "{provider_type}");
    }
}

#[tokio::test]
async fn a_rate_limit_may_leave_the_wait_out() {
    for provider_type in ProviderType::ALL {
        let sim = Sim::faulty(provider_type, Fault::RateLimited { retry_after: None });
        let error = sim.answer(true).await.1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited, "{provider_type}");
        assert_eq!(error.retry_after(), None, "{provider_type}");
    }
}

#[tokio::test]
async fn business_codes_come_with_their_status() {
    let table = [
        (1000, 401, ErrorKind::Auth),
        (1113, 429, ErrorKind::QuotaExhausted),
        (1234, 500, ErrorKind::Server),
        (1261, 400, ErrorKind::ContextLength),
        (1301, 400, ErrorKind::ContentFilter),
        (1302, 429, ErrorKind::RateLimited),
        (1305, 429, ErrorKind::Overloaded),
    ];
    for (code, status, expected) in table {
        let sim = Sim::faulty(ZhipuAi, Fault::Business { code });
        let error = sim.answer(true).await.1.unwrap_err();
        assert_eq!((error.kind(), error.status()), (expected, Some(status)));
        assert_eq!(error.code(), Some(code.to_string().as_str()));
    }
}

#[tokio::test]
async fn a_spoilt_body_is_read_as_what_it_is() {
    let table = [
        (Fault::CutMidStream, ErrorKind::Network, ErrorKind::Network),
        (
            Fault::ResetMidStream,
            ErrorKind::Network,
            ErrorKind::Network,
        ),
        (Fault::Truncated, ErrorKind::Protocol, ErrorKind::Protocol),
        (Fault::Garbage, ErrorKind::Protocol, ErrorKind::Protocol),
        (Fault::HtmlOk, ErrorKind::Protocol, ErrorKind::Protocol),
        (Fault::ErrorMidStream, ErrorKind::Server, ErrorKind::Server),
    ];
    for provider_type in ProviderType::ALL {
        for (fault, streamed, whole) in table {
            let got = kind(provider_type, fault, true).await;
            assert_eq!(got, streamed, "{provider_type} {fault:?} in a stream");
            let got = kind(provider_type, fault, false).await;
            assert_eq!(got, whole, "{provider_type} {fault:?} whole");
        }
    }
}

#[tokio::test]
async fn what_breaks_in_the_middle_breaks_after_some_of_the_answer() {
    let broken = [
        Fault::CutMidStream,
        Fault::ResetMidStream,
        Fault::Truncated,
        Fault::Garbage,
        Fault::ErrorMidStream,
    ];
    for provider_type in ProviderType::ALL {
        for fault in broken {
            let sim = Sim::faulty(provider_type, fault);
            let (answer, end) = sim.answer(true).await;
            assert!(end.is_err());
            assert!(answer.text.starts_with("## "), "{provider_type} {fault:?}");
            assert_eq!(answer.finish_reason, None);
        }
    }
}

#[tokio::test]
async fn moderation_in_the_middle_is_a_finish_reason() {
    for provider_type in [OpenAi, ZhipuAi] {
        for stream in [true, false] {
            let sim = Sim::faulty(provider_type, Fault::FilteredMidStream);
            let (answer, end) = sim.answer(stream).await;
            end.unwrap();
            assert_eq!(answer.finish_reason, Some(FinishReason::ContentFilter));
            assert!(!answer.text.is_empty());
        }
    }
}

#[tokio::test]
async fn bad_bytes_and_long_lines_do_not_end_an_answer() {
    let bytes = 200_000;
    for provider_type in ProviderType::ALL {
        for stream in [true, false] {
            let sim = Sim::faulty(provider_type, Fault::BadUtf8);
            let (answer, end) = sim.answer(stream).await;
            end.unwrap();
            assert!(answer.text.contains('\u{fffd}'), "{provider_type}");
            let sim = Sim::faulty(provider_type, Fault::HugeLine { bytes });
            let (answer, end) = sim.answer(stream).await;
            end.unwrap();
            assert!(answer.text.len() > bytes, "{provider_type}");
        }
    }
}

#[tokio::test]
async fn a_stream_can_be_answered_with_one_document() {
    for provider_type in ProviderType::ALL {
        let sim = Sim::faulty(provider_type, Fault::WholeForStream);
        let response = sim.ask("Hello", true).send().await.unwrap();
        let content_type = super::header(&response, "content-type");
        assert_eq!(content_type.as_deref(), Some("application/json"));
        let (answer, end) = sim.fold(response, true).await;
        end.unwrap();
        assert!(answer.text.starts_with("## Welcome"));
    }
}

#[tokio::test]
async fn hanging_instances_send_nothing_until_the_client_leaves() {
    for provider_type in ProviderType::ALL {
        for stream in [true, false] {
            let sim = Sim::faulty(provider_type, Fault::HangBeforeHeaders);
            let asking = timeout(A_WHILE, sim.ask("Hello", stream).send());
            assert!(asking.await.is_err(), "{provider_type}");
            left_alone(&sim, Fault::HangBeforeHeaders).await;

            let sim = Sim::faulty(provider_type, Fault::HangBeforeToken);
            let mut response = sim.ask("Hello", stream).send().await.unwrap();
            assert!(timeout(A_WHILE, response.chunk()).await.is_err());
            drop(response);
            left_alone(&sim, Fault::HangBeforeToken).await;

            let sim = Sim::faulty(provider_type, Fault::HangMidStream);
            let response = sim.ask("Hello", stream).send().await.unwrap();
            let mut body = response.bytes_stream();
            body.next().await.unwrap().unwrap();
            while let Ok(piece) = timeout(A_WHILE, body.next()).await {
                piece.unwrap().unwrap();
            }
            drop(body);
            left_alone(&sim, Fault::HangMidStream).await;
        }
    }
}

async fn left_alone(sim: &Sim, fault: Fault) {
    let ended = sim.server.until("a", |stats| stats.all_ended() == 1);
    let stats = timeout(PATIENCE, ended).await.unwrap().unwrap();
    assert_eq!(stats.ended(fault.into()), 1, "{stats:?}");
    assert_eq!((stats.disconnects, stats.in_flight), (1, 0));
}

#[tokio::test]
async fn an_endless_answer_ends_only_with_its_client() {
    for provider_type in ProviderType::ALL {
        // A pace: without one it would fill all buffers on the way before anybody reads.
        let sim = Sim::new(provider_type, |p| p.speed = Spread::exactly(10_000.0));
        sim.server.set_fault("a", Some(Fault::Endless)).unwrap();
        let response = sim.ask("Hello", true).send().await.unwrap();
        let mut body = response.bytes_stream();
        let mut length = 0;
        while length < 100_000 {
            length += body.next().await.unwrap().unwrap().len();
        }
        drop(body);
        left_alone(&sim, Fault::Endless).await;

        let sim = Sim::faulty(provider_type, Fault::Endless);
        let mut response = sim.ask("Hello", false).send().await.unwrap();
        let mut text = first_piece(&mut response).await;
        while !text.ends_with("and so on and so on ") {
            text.push_str(&first_piece(&mut response).await);
        }
        drop(response);
        left_alone(&sim, Fault::Endless).await;
    }
}

#[tokio::test]
async fn a_trickle_is_one_byte_at_a_time() {
    let sim = Sim::faulty(OpenAi, Fault::Trickle);
    let begun = tokio::time::Instant::now();
    let mut response = sim.ask("Hello", true).send().await.unwrap();
    let mut text = String::new();
    for _ in 0..4 {
        let piece = first_piece(&mut response).await;
        assert_eq!(piece.len(), 1);
        text.push_str(&piece);
    }
    assert_eq!(text, "data");
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_closing_instance_takes_the_connection_and_gives_nothing() {
    let sim = Sim::new(OpenAi, |_| {});
    sim.get("/models")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    sim.server.set_fault("a", Some(Fault::Close)).unwrap();
    for _ in 0..3 {
        let error = sim.ask("Hello", true).send().await.unwrap_err();
        assert!(!error.is_connect() || !error.to_string().contains("refused"));
    }
    sim.server.set_fault("a", None).unwrap();
    sim.answer(true).await.1.unwrap();
}

#[tokio::test]
async fn a_refusing_instance_has_a_closed_port_and_comes_back() {
    let sim = Sim::new(OpenAi, |_| {});
    let mut response = sim.ask("Hello", true).send().await.unwrap();
    first_piece(&mut response).await;
    for _ in 0..3 {
        sim.server.set_fault("a", Some(Fault::Refuse)).unwrap();
        let address = sim.endpoint.base_url["http://".len()..].trim_end_matches("/v1");
        let refused = tokio::net::TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        sim.server.set_fault("a", None).unwrap();
        // A new client: an old one may still hold a connection that it does not know to be dead.
        let fresh = super::new_client();
        let answer = fresh.get(sim.url("/models")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test]
async fn what_stood_when_the_port_closed_is_broken_and_no_disconnect() {
    let sim = Sim::new(OpenAi, |profile: &mut InstanceProfile| {
        profile.speed = Spread::exactly(5.0);
    });
    let response = sim.ask("Hello", true).send().await.unwrap();
    let mut body = response.bytes_stream();
    body.next().await.unwrap().unwrap();
    sim.server.set_fault("a", Some(Fault::Refuse)).unwrap();
    while let Some(piece) = body.next().await {
        if piece.is_err() {
            let ended = sim.server.until("a", |stats| stats.all_ended() == 1);
            let stats = ended.await.unwrap();
            assert_eq!((stats.ended(Ending::Outage), stats.disconnects), (1, 0));
            return;
        }
    }
    panic!("the body ended properly");
}

#[tokio::test]
async fn a_fault_by_order_spoils_probes_too() {
    for provider_type in ProviderType::ALL {
        let sim = Sim::faulty(provider_type, Fault::ServerError);
        let path = crate::wire::models_path(provider_type);
        assert_eq!(sim.get(path).send().await.unwrap().status(), 500);
    }
}

#[tokio::test]
async fn every_fault_can_be_set_and_taken_back_at_run_time() {
    let sim = Sim::new(OpenAi, |_| {});
    for fault in Fault::ALL {
        sim.server.set_fault("a", Some(fault)).unwrap();
        let text = serde_json::to_string(&fault).unwrap();
        assert!(text.contains(fault.as_str()), "{text}");
        assert_eq!(serde_json::from_str::<Fault>(&text).unwrap(), fault);
    }
    sim.server.set_fault("a", None).unwrap();
    sim.answer(true).await.1.unwrap();
}
