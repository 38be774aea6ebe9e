//! Keeps the line: reads and writes while it holds, waits longer and longer while it does not.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::codec::{FramedRead, FramedWrite};
use tokio_util::sync::CancellationToken;

use super::super::frame::{Broken, Reader, Writer};
use super::super::message::{FromConsole, FromGateway};
use super::heard::News;
use super::way::Duplex;
use super::{Shared, Visitor, Way};
use crate::base::{DeckEvent, Error, ErrorKind};

/// A sign of life is given so often.
const BEAT: Duration = Duration::from_secs(5);
/// A gateway that gives none for so long is gone.
const SILENCE: Duration = Duration::from_secs(15);
/// How long the gateway may take to read what is written.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long to wait before the first attempt to come back, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How many messages wait to be written.
const MESSAGES_HELD: usize = 256;

/// Runs until the deck is dropped.
pub(super) async fn keep(
    shared: Arc<Shared>,
    way: Way,
    visitor: Visitor,
    connection: Box<dyn Duplex>,
    dropped: CancellationToken,
) {
    let kept = async {
        let mut connection = connection;
        loop {
            let why = hold(&shared, connection).await;
            tracing::info!(%why, "the line to the gateway is lost");
            shared.heard.lock().lost(why);
            shared.tell(DeckEvent::News);
            connection = come_back(&shared, &way, &visitor).await;
        }
    };
    tokio::select! {
        () = dropped.cancelled() => {}
        () = kept => {}
    }
    // Answers may outlive the deck.
    shared.heard.lock().lost(lost("nobody looks any more"));
}

async fn come_back(shared: &Shared, way: &Way, visitor: &Visitor) -> Box<dyn Duplex> {
    let mut wait = FIRST_WAIT;
    let mut dice = SmallRng::from_os_rng();
    loop {
        // Many consoles that lost one gateway do not come back as one.
        let spread = dice.random_range(0.8..1.2);
        sleep(wait.mul_f64(spread)).await;
        match way.open(visitor).await {
            Ok(connection) => return connection,
            Err(error) => {
                shared.heard.lock().still_lost(&error);
                shared.tell(DeckEvent::News);
            }
        }
        wait = wait.mul_f64(1.7).min(LONGEST_WAIT);
    }
}

/// Speaks over a connection until it ends; says why it did.
async fn hold(shared: &Shared, connection: Box<dyn Duplex>) -> Error {
    let (reading, writing) = tokio::io::split(connection);
    let (out, messages) = mpsc::channel(MESSAGES_HELD);
    let stuck = shared.heard.lock().connected(out);
    tokio::select! {
        // Both at once, so that a gateway which waits for its reader never waits for us.
        why = listen(shared, FramedRead::new(reading, Reader::new())) => why,
        why = speak(FramedWrite::new(writing, Writer::new()), messages) => why,
        () = stuck.cancelled() => lost("the gateway does not read what is written"),
    }
}

async fn speak<W>(
    mut line: FramedWrite<W, Writer>,
    mut messages: mpsc::Receiver<FromConsole>,
) -> Error
where
    W: tokio::io::AsyncWrite + Unpin,
{
    while let Some(message) = messages.recv().await {
        match timeout(PATIENCE, line.send(&message)).await {
            Ok(Ok(())) => {}
            Ok(Err(broken)) => return of(&broken),
            Err(_) => return lost("the gateway does not read what is written"),
        }
    }
    lost("the line was given up")
}

async fn listen<R>(shared: &Shared, mut line: FramedRead<R, Reader<FromGateway>>) -> Error
where
    R: tokio::io::AsyncRead + Unpin,
{
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard_at = Instant::now();
    loop {
        tokio::select! {
            message = line.next() => {
                heard_at = Instant::now();
                let message = match message {
                    None => return lost("the gateway closed the connection"),
                    Some(Err(broken)) => return of(&broken),
                    Some(Ok(message)) => message,
                };
                let taken = shared.heard.lock().take(message, heard_at);
                match taken {
                    Ok(News::Nothing) => {}
                    Ok(News::Figures) => shared.tell(DeckEvent::News),
                    Ok(News::Events(events)) => {
                        for event in events {
                            shared.tell(event);
                        }
                    }
                    Err(why) => return why,
                }
            }
            _ = beat.tick() => {
                let now = Instant::now();
                if now.duration_since(heard_at) > SILENCE {
                    return lost("nothing was heard of the gateway for 15 s");
                }
                shared.heard.lock().tidy(now);
            }
        }
    }
}

fn lost(why: &str) -> Error {
    Error::new(ErrorKind::Network, why)
}

fn of(broken: &Broken) -> Error {
    let kind = match broken {
        Broken::Io(_) => ErrorKind::Network,
        Broken::TooLong | Broken::NotAFrame | Broken::NotAMessage(_) => ErrorKind::Protocol,
    };
    Error::new(kind, broken.to_string())
}
