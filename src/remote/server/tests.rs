//! How much goes over the line while twenty instances are busy. Virtual time, the real driver, every byte counted.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::codec::{Decoder, Encoder};

use super::super::frame::{Reader, Writer};
use super::super::message::{FromConsole, FromGateway, What};
use super::super::origin::Origin;
use super::{Admin, line};
use crate::base::{
    ChatRequest, ChatStream, Chunk, Error, ErrorKind, FinishReason, ProviderType, Scope, Usage,
};
use crate::deck::Deck;
use crate::driver::{InstanceSpec, LlmModelDriver, Settings};
use crate::limit;
use crate::pool::InstanceSettings;
use crate::provider::LlmModelStrategy;

const INSTANCES: u64 = 20;
const MEASURED: Duration = Duration::from_secs(60);
/// The most that may go over the line, in bytes a second.
const MOST: f64 = 10_000.0;

/// An instance that answers with 40 tokens at 25 ms after a wait by chance, and fails one time in fifty.
struct Busy(parking_lot::Mutex<SmallRng>);

impl LlmModelStrategy for Busy {
    fn provider_type(&self) -> ProviderType {
        ProviderType::OpenAi
    }

    fn stream(&self, _: &ChatRequest) -> ChatStream {
        let mut dice = self.0.lock();
        let wait = Duration::from_micros(dice.random_range(200_000..900_000));
        let tokens: u64 = dice.random_range(20..60);
        let mut pieces: Vec<Result<Chunk, Error>> = (0..tokens)
            .map(|token| Ok(Chunk::Text(format!("word{token} "))))
            .collect();
        if dice.random_bool(0.02) {
            let error = Error::new(ErrorKind::Server, format!("request {tokens} broke"));
            pieces = vec![Err(error.with_status(500))];
        } else {
            pieces.push(Ok(Chunk::Finish {
                reason: FinishReason::Stop,
                raw: None,
            }));
            pieces.push(Ok(Chunk::Usage(Usage {
                prompt_tokens: Some(100 + tokens),
                completion_tokens: Some(tokens),
                ..Usage::default()
            })));
        }
        let paced = stream::iter(pieces)
            .enumerate()
            .then(move |(at, piece)| async move {
                sleep(if at == 0 {
                    wait
                } else {
                    Duration::from_millis(25)
                })
                .await;
                piece
            });
        paced.boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        async { Ok(vec!["m".to_owned()]) }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        async { Ok(()) }.boxed()
    }
}

fn busy_pool() -> LlmModelDriver {
    let instances = (0..INSTANCES).map(|number| InstanceSpec {
        settings: InstanceSettings {
            models: vec!["a-model-name".to_owned()],
            limits: limit::Settings {
                permits: 4,
                ..limit::Settings::default()
            },
            ..InstanceSettings::new(format!("instance-{number}"), ProviderType::OpenAi)
        },
        strategy: std::sync::Arc::new(Busy(SmallRng::seed_from_u64(number).into())),
    });
    let settings = Settings {
        seed: Some(1),
        ..Settings::default()
    };
    LlmModelDriver::new(settings, Vec::new(), instances.collect()).unwrap()
}

/// Runs so many callers against the pool and returns bytes a second by kind of message, and requests a second.
async fn measure(callers: u64) -> (BTreeMap<&'static str, f64>, f64) {
    let driver = busy_pool();
    for _ in 0..callers {
        let driver = driver.clone();
        tokio::spawn(async move {
            loop {
                // A failure is a part of the load.
                let _ = driver.chat("What are permits?").await;
            }
        });
    }
    let admin = Admin::new(Deck::from(driver.clone()));
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let seat = admin.0.sit_down().unwrap();
    let shared = std::sync::Arc::clone(&admin.0);
    tokio::spawn(line::speak(shared, seat, near, Origin::new("eve")));
    let mut writer = Writer::new();
    let mut orders = BytesMut::new();
    let series = |scope, seconds| What::Series {
        scope,
        window: Duration::from_secs(seconds),
        buckets: 60,
    };
    let views = [
        (What::Board, 250),
        (series(Scope::All, 300), 1_000),
        (series(Scope::Instance("instance-3".into()), 60), 1_000),
    ];
    for (id, (what, every)) in (1..).zip(views) {
        let order = FromConsole::View { id, what, every };
        writer.encode(&order, &mut orders).unwrap();
    }
    far.write_all(&orders).await.unwrap();
    // The first pictures and the time until every instance has figures do not count.
    let mut reader: Reader<FromGateway> = Reader::new();
    let (mut bytes, mut counted) = (BytesMut::new(), BTreeMap::new());
    let mut since = Instant::now() + Duration::from_secs(20);
    let end = since + MEASURED;
    let mut before = 0;
    while Instant::now() < end {
        let beat = Duration::from_secs(1);
        if timeout(beat, far.read_buf(&mut bytes)).await.is_err() {
            continue;
        }
        loop {
            let left = bytes.len();
            let Some(message) = reader.decode(&mut bytes).unwrap() else {
                break;
            };
            let kind = match message {
                FromGateway::Full { .. } => "full",
                FromGateway::Patch { id: 1, .. } => "board",
                FromGateway::Patch { .. } => "series",
                FromGateway::Events { .. } => "events",
                _ => "other",
            };
            if Instant::now() >= since {
                if before == 0 {
                    (before, since) = (driver.board().totals.total_requests, Instant::now());
                }
                *counted.entry(kind).or_insert(0.0) += (left - bytes.len()) as f64;
            }
        }
        let mut beat = BytesMut::new();
        writer.encode(&FromConsole::Beat, &mut beat).unwrap();
        far.write_all(&beat).await.unwrap();
    }
    let seconds = since.elapsed().as_secs_f64();
    let requests = (driver.board().totals.total_requests - before) as f64 / seconds;
    for bytes in counted.values_mut() {
        *bytes /= seconds;
    }
    (counted, requests)
}

#[tokio::test(start_paused = true)]
async fn twenty_busy_instances_take_less_than_ten_kilobytes_a_second() {
    for callers in [20, 60] {
        let (counted, requests) = measure(callers).await;
        let all: f64 = counted.values().sum();
        eprintln!(
            "{INSTANCES} instances, {callers} streams at once, {requests:.1} requests/s, board 4 times a second: \
             {all:.0} bytes/s {counted:.0?}"
        );
        assert!(requests > callers as f64 / 3.0, "they are busy: {requests}");
        assert!(counted["board"] > 100.0, "the board is told: {counted:?}");
        assert!(all < MOST, "{callers} callers: {all} {counted:?}");
    }
}
