//! Consoles that attach, act, lose the line and come back.

use futures_util::StreamExt;
use tokio::time::timeout;

use super::*;
use crate::base::{
    ChatRequest, Chunk, Command, DeckEvent, ErrorKind, FinishReason, InstanceState, LlmResponse,
    Scope, Started,
};
use crate::base::{ProviderType, RequestId};
use crate::deck::{DeckSource, Line};

fn disable(name: &str) -> Command {
    Command::Disable {
        instance: name.into(),
    }
}

#[tokio::test]
async fn the_same_board_is_seen_and_its_changes_follow() {
    let rig = Rig::new();
    let remote = rig.attach("eve@pts/3").await;
    assert_eq!(
        (remote.by().as_str(), remote.is_read_only()),
        ("eve@pts/3", false)
    );
    let (near, far) = (rig.fake.board(), remote.board());
    assert_eq!(near.instances, far.instances);
    assert_eq!(near.totals.errors, far.totals.errors);
    rig.fake.change(|board| {
        board.instances[1].state = InstanceState::Open(Duration::from_secs(30));
        board.instances[0].in_flight = 3;
    });
    until("the change is seen", || {
        remote.board().instances[0].in_flight == 3
    })
    .await;
    let InstanceState::Open(left) = remote.board().instances[1].state else {
        panic!("{:?}", remote.board().instances[1])
    };
    assert!(
        left <= Duration::from_secs(30) && left > Duration::from_secs(10),
        "{left:?}"
    );
}

#[tokio::test]
async fn figures_that_are_asked_for_come() {
    let rig = Rig::new();
    let remote = rig.attach("eve").await;
    let mut events = remote.subscribe();
    let (scope, window) = (Scope::All, Duration::from_secs(60));
    assert!(
        remote.series(&scope, window, 6).buckets.is_empty(),
        "not heard yet"
    );
    until("figures come", || {
        !remote.series(&scope, window, 6).buckets.is_empty()
    })
    .await;
    assert!(
        matches!(events.try_recv(), Ok(DeckEvent::News)),
        "and that is told"
    );
    let (near, far) = (
        rig.fake.series(&scope, window, 6),
        remote.series(&scope, window, 6),
    );
    assert_eq!(far.buckets.len(), 6);
    assert_eq!(far.response_time, near.response_time);
    assert_eq!(far.last_errors[0].message, "~ it broke");
    let first = far.newest;
    until("the next bucket comes", || {
        remote.series(&scope, window, 6).newest > first
    })
    .await;
    let later = remote.series(&scope, window, 6);
    let numbers: Vec<u64> = later
        .buckets
        .iter()
        .map(|bucket| bucket.successful)
        .collect();
    assert_eq!(
        numbers,
        (later.newest - 5..=later.newest).collect::<Vec<_>>()
    );
    until("failures come", || remote.failures(10).dropped == 5).await;
    until("label sets come", || remote.figures().merged == 7).await;
    until("a window comes", || {
        remote.window_metrics(&scope, window).total_requests == 12
    })
    .await;
}

#[tokio::test]
async fn requests_that_ended_are_there_and_new_ones_follow() {
    let rig = Rig::new();
    for id in 1..=150 {
        rig.fake.ends(id);
    }
    let remote = rig.attach("eve").await;
    assert!(remote.requests(120).is_empty());
    until("they come", || remote.requests(120).len() == 120).await;
    assert_eq!(remote.requests(120)[0].request, RequestId(150));
    rig.fake.ends(151);
    until("a new one comes", || {
        remote.requests(2)[0].request == RequestId(151)
    })
    .await;
    assert_eq!(remote.requests(2)[1].request, RequestId(150));
}

#[tokio::test]
async fn a_request_is_told_of_when_it_begins_and_when_it_ends() {
    let rig = Rig::new();
    let remote = rig.attach("eve").await;
    let mut heard = remote.subscribe();
    let id = RequestId(7);
    rig.fake.tell(DeckEvent::RequestStarted { id });
    rig.fake.ends(7);
    let told = timeout(PATIENCE, async {
        let mut told = Vec::new();
        while told.len() < 2 {
            match heard.recv().await.unwrap() {
                DeckEvent::RequestStarted { id } => told.push(("began", id)),
                DeckEvent::RequestEnded { sample } => told.push(("ended", sample.request)),
                _ => {}
            }
        }
        told
    });
    assert_eq!(told.await.unwrap(), [("began", id), ("ended", id)]);
    // More than anybody can follow: their ends are told or counted, and that they began is left out.
    for id in 100..600 {
        rig.fake
            .tell(DeckEvent::RequestStarted { id: RequestId(id) });
    }
    rig.fake.ends(600);
    let began = timeout(PATIENCE, async {
        let mut began = 0;
        loop {
            match heard.recv().await.unwrap() {
                DeckEvent::RequestStarted { .. } => began += 1,
                DeckEvent::RequestEnded { .. } => return began,
                _ => {}
            }
        }
    });
    let began = began.await.unwrap();
    assert!((30..200).contains(&began), "{began}");
}

#[tokio::test]
async fn a_change_in_one_console_is_told_in_the_other_with_who_made_it() {
    let rig = Rig::new();
    let (eve, bob) = (rig.attach("eve@pts/1").await, rig.attach("bob@pts/2").await);
    assert_eq!(rig.admin.consoles(), 2);
    let mut heard = bob.subscribe();
    let changed = eve.command(disable("a"), "console").await.unwrap();
    assert_eq!(changed.what, "a off");
    assert!(changed.undo.is_some());
    let told = timeout(PATIENCE, async {
        loop {
            if let Ok(DeckEvent::Commanded { what, by }) = heard.recv().await {
                return (what, by);
            }
        }
    });
    assert_eq!(
        told.await.unwrap(),
        ("a off".to_owned(), "eve@pts/1".to_owned())
    );
    until("it shows", || {
        bob.board().instances[0].state == InstanceState::Off
    })
    .await;
    let refused = eve
        .command(
            Command::Enable {
                instance: "a".into(),
            },
            "",
        )
        .await;
    assert_eq!(
        refused.unwrap_err().message(),
        "this pool only switches off"
    );
    drop(bob);
    until("one is left", || rig.admin.consoles() == 1).await;
}

#[tokio::test]
async fn an_answer_comes_through_whole() {
    let rig = Rig::new();
    let remote = rig.attach("eve@pts/1").await;
    let mut answer = remote.chat(ChatRequest::from("Hi"));
    assert!(
        rig.fake.take_asked().is_none(),
        "nothing happens until it is polled"
    );
    let reading = tokio::spawn(async move {
        let mut pieces = Vec::new();
        while let Some(piece) = answer.next().await {
            pieces.push(piece);
        }
        pieces
    });
    until("it is asked", || rig.fake.is_asked()).await;
    let asked = rig.fake.take_asked().unwrap();
    assert_eq!(asked.request.caller.as_deref(), Some("eve@pts/1"));
    let done = LlmResponse {
        text: "Hello you".to_owned(),
        finish_reason: Some(FinishReason::Stop),
        ..LlmResponse::default()
    };
    for chunk in [
        Chunk::Started(Box::new(Started {
            request_id: RequestId(1),
            instance: "a".into(),
            provider_type: ProviderType::OpenAi,
            model: "m".to_owned(),
            attempt: 1,
            queued: Duration::ZERO,
            time_to_first_token: Duration::from_millis(340),
        })),
        Chunk::Text("Hello".to_owned()),
        Chunk::Text(" you".to_owned()),
        Chunk::Done(Box::new(done.clone())),
    ] {
        asked.pen.send(Ok(chunk)).unwrap();
    }
    let pieces = timeout(PATIENCE, reading).await.unwrap().unwrap();
    let text: String = pieces
        .iter()
        .filter_map(|piece| match piece {
            Ok(Chunk::Text(text)) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(text, "Hello you");
    assert_eq!(pieces.last().unwrap(), &Ok(Chunk::Done(Box::new(done))));
}

#[tokio::test]
async fn an_error_comes_through_whole() {
    let rig = Rig::new();
    let remote = rig.attach("eve").await;
    let mut answer = remote.chat(ChatRequest::from("Hi"));
    let reading = tokio::spawn(async move { answer.next().await.unwrap().unwrap_err() });
    until("it is asked", || rig.fake.is_asked()).await;
    let error = crate::Error::new(ErrorKind::RateLimited, "slow down")
        .with_instance("a".into())
        .with_status(429);
    rig.fake
        .take_asked()
        .unwrap()
        .pen
        .send(Err(error.clone()))
        .unwrap();
    let told = timeout(PATIENCE, reading).await.unwrap().unwrap();
    assert_eq!((&told, told.status()), (&error, Some(429)));
}

#[tokio::test]
async fn dropping_an_answer_cancels_it_at_the_pool() {
    let rig = Rig::new();
    let remote = rig.attach("eve").await;
    let mut answer = remote.chat(ChatRequest::from("Hi"));
    let first = tokio::spawn(async move {
        let piece = answer.next().await;
        (piece, answer)
    });
    until("it is asked", || rig.fake.is_asked()).await;
    let asked = rig.fake.take_asked().unwrap();
    asked.pen.send(Ok(Chunk::Text("He".to_owned()))).unwrap();
    let (piece, answer) = timeout(PATIENCE, first).await.unwrap().unwrap();
    assert_eq!(piece, Some(Ok(Chunk::Text("He".to_owned()))));
    assert!(!asked.pen.is_closed());
    drop(answer);
    timeout(PATIENCE, asked.pen.closed()).await.unwrap();
    assert_eq!(rig.admin.consoles(), 1, "the console stays");
}

#[tokio::test]
async fn a_console_that_goes_takes_its_chats_with_it() {
    let rig = Rig::new();
    let remote = rig.attach("eve").await;
    let mut answer = remote.chat(ChatRequest::from("Hi"));
    let reading = tokio::spawn(async move { answer.next().await });
    until("it is asked", || rig.fake.is_asked()).await;
    let asked = rig.fake.take_asked().unwrap();
    drop(remote);
    timeout(PATIENCE, asked.pen.closed()).await.unwrap();
    let end = timeout(PATIENCE, reading).await.unwrap().unwrap().unwrap();
    assert_eq!(end.unwrap_err().kind(), ErrorKind::Network);
}

#[tokio::test]
async fn who_only_looks_changes_and_asks_nothing() {
    let rig = Rig::new();
    let remote = rig.attach_as("eve", true).await;
    assert!(remote.is_read_only());
    let refused = remote.command(disable("a"), "console").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Permission);
    let refused = remote.chat("Hi".into()).next().await.unwrap().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Permission);
    assert!(rig.fake.commands().is_empty() && !rig.fake.is_asked());
}

#[tokio::test]
async fn a_lost_line_is_told_and_comes_back_by_itself() {
    let mut rig = Rig::new();
    let remote = rig.attach("eve").await;
    let mut answer = remote.chat(ChatRequest::from("Hi"));
    let reading = tokio::spawn(async move { answer.next().await.unwrap().unwrap_err() });
    until("it is asked", || rig.fake.is_asked()).await;
    rig.die();
    let cut = timeout(PATIENCE, reading).await.unwrap().unwrap();
    assert_eq!(cut.kind(), ErrorKind::Network);
    until("it is lost", || matches!(remote.line(), Line::Lost { .. })).await;
    assert_eq!(remote.board().instances.len(), 2, "the last picture stays");
    let refused = remote.command(disable("a"), "").await.unwrap_err();
    assert!(refused.message().contains("lost"), "{refused}");
    assert!(remote.chat("Hi".into()).next().await.unwrap().is_err());
    until(
        "it says why",
        || matches!(remote.line(), Line::Lost { why, .. } if why.contains("gone")),
    )
    .await;
    rig.fake
        .change(|board| board.strategy = "random".to_owned());
    rig.rise();
    until("it is back", || remote.line() == Line::Up).await;
    assert_eq!(remote.board().strategy, "random");
    remote.command(disable("a"), "").await.unwrap();
}
