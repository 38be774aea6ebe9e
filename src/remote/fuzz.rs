//! Where a fuzzer speaks in the place of the other end. Not a part of the library.

use bytes::BytesMut;
use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::codec::{Decoder, Encoder};

use super::client::{Heard, News};
use super::frame::{Reader, Writer};
use super::message::{FromConsole, FromGateway, What};
use crate::base::Scope;

/// Reads messages until the bytes are over or make no sense. Bytes that begin with `{` are taken for the JSON of
/// messages, one a line, so that a fuzzer gets past the packing.
fn messages<T: serde::de::DeserializeOwned>(data: &[u8]) -> Vec<T> {
    if data.first() == Some(&b'{') {
        return data
            .split(|byte| *byte == b'\n')
            .map_while(|line| serde_json::from_slice(line).ok())
            .collect();
    }
    let (mut reader, mut bytes) = (Reader::new(), BytesMut::from(data));
    let mut heard = Vec::new();
    while let Ok(Some(message)) = reader.decode(&mut bytes) {
        heard.push(message);
    }
    heard
}

/// A gateway hears these bytes of a console. What it understands can be said again.
///
/// # Panics
/// When that is not so.
#[expect(clippy::panic, reason = "that is what a fuzzer looks for")]
pub fn gateway_hears(data: &[u8]) {
    let mut writer = Writer::new();
    for message in messages::<FromConsole>(data) {
        let mut out = BytesMut::new();
        if let Err(error) = writer.encode(&message, &mut out) {
            panic!("{message:?} cannot be written: {error}");
        }
    }
}

/// A console hears these bytes of a gateway, looks at everything, and asks.
pub fn console_hears(data: &[u8]) {
    let now = Instant::now();
    let (first, seen) = oneshot::channel();
    let mut heard = Heard::new(now, first);
    let (out, _asked) = mpsc::channel(64);
    heard.connected(out);
    let scope = Scope::All;
    let window = std::time::Duration::from_secs(60);
    heard.requests(100);
    for message in messages::<FromGateway>(data) {
        // An error ends the line, and a console goes on without one.
        match heard.take(message, now) {
            Ok(News::Nothing | News::Figures | News::Events(_)) => {}
            Err(why) => {
                heard.lost(why);
                break;
            }
        }
        for what in [
            What::Board,
            What::Window {
                scope: scope.clone(),
                window,
            },
            What::Series {
                scope: scope.clone(),
                window,
                buckets: 6,
            },
            What::Failures { limit: 10 },
        ] {
            heard.look(what, now + window);
        }
        heard.tidy(now + window);
    }
    heard.requests(1_000);
    let _ = seen.now_or_never();
}
