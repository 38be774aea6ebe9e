//! Which trace a request belongs to, after the W3C Trace Context recommendation, and the numbers of its spans.
//!
//! The driver sends a span's number to the instance while the attempt begins, and an exporter writes the span when the
//! request has ended. Both compute it from the same things, so nothing has to be kept in between.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::time::Duration;

use super::{InstanceName, RequestId};

/// A trace, and the span in it that a request is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace's number, never zero.
    pub id: u128,
    /// The caller's span; `None` when the request begins the trace.
    pub parent: Option<u64>,
    /// The flags that came, or 1 (sampled).
    pub flags: u8,
}

impl Trace {
    /// Reads a `traceparent`; `None` when it is not one.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut fields = traceparent.split('-');
        let version = hex(fields.next()?, 2)?;
        let id = hex(fields.next()?, 32)?;
        let parent = hex(fields.next()?, 16)? as u64;
        let flags = hex(fields.next()?, 2)? as u8;
        // Later versions may say more; this one may not.
        let is_known = version != 0xff && (version != 0 || fields.next().is_none());
        (is_known && id != 0 && parent != 0).then_some(Self {
            id,
            parent: Some(parent),
            flags,
        })
    }

    /// Returns the trace of a request: the one that its caller named, or one of its own.
    pub fn of(request: RequestId, traceparent: Option<&str>) -> Self {
        traceparent.and_then(Self::parse).unwrap_or_else(|| Self {
            id: (u128::from(chance(&("high", request))) << 64)
                | u128::from(chance(&("low", request))).max(1),
            parent: None,
            flags: 1,
        })
    }

    /// Tells whether its caller wants it to be recorded; so it is when there is none.
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }

    /// Returns what to send along to those who are asked on behalf of a span.
    pub fn traceparent(&self, span: u64) -> String {
        let mut text = String::with_capacity(55);
        // A string takes all that is written to it.
        let _ = write!(text, "00-{:032x}-{span:016x}-{:02x}", self.id, self.flags);
        text
    }
}

/// Returns the number of a request's span.
pub fn request_span(request: RequestId) -> u64 {
    chance(&("request", request)).max(1)
}

/// Returns the number of an attempt's span. No two attempts of one request begin at one instance at once.
pub fn attempt_span(request: RequestId, instance: &InstanceName, started_after: Duration) -> u64 {
    part_span(request, instance, started_after, "attempt")
}

/// Returns the number of the span of a part of an attempt.
pub fn part_span(
    request: RequestId,
    instance: &InstanceName,
    started_after: Duration,
    part: &str,
) -> u64 {
    chance(&(part, request, instance, started_after)).max(1)
}

/// Returns a number that nobody outside this process can foretell, always the same for the same thing.
fn chance(of: &impl std::hash::Hash) -> u64 {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    KEY.get_or_init(RandomState::new).hash_one(of)
}

fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == digits && text.bytes().all(is_hex))
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_taken_in_and_passed_on_with_another_span() {
        let trace = Trace::parse(GOOD).unwrap();
        assert_eq!(trace.id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!(trace.parent, Some(0xb7ad_6b71_6920_3331));
        assert!(trace.is_sampled());
        assert_eq!(trace.traceparent(0xb7ad_6b71_6920_3331), GOOD);
        let off = GOOD.replace("-01", "-00");
        let off = Trace::parse(&off).unwrap();
        assert!(!off.is_sampled() && off.traceparent(1).ends_with("-0000000000000001-00"));
    }

    #[test]
    fn what_is_no_traceparent_begins_a_trace_of_its_own() {
        for bad in [
            "",
            "00",
            &GOOD.to_uppercase(),
            &GOOD.replace("00-", "ff-"),
            &format!("{GOOD}-more"),
            &format!("{GOOD} "),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(Trace::parse(bad), None, "{bad}");
        }
        assert!(Trace::parse(&format!("01{}-more", &GOOD[2..])).is_some());
        let own = Trace::of(RequestId(1), Some("nonsense"));
        assert_eq!(own, Trace::of(RequestId(1), None));
        assert_ne!(own.id, Trace::of(RequestId(2), None).id);
        assert_eq!((own.parent, own.is_sampled()), (None, true));
    }

    #[test]
    fn spans_of_one_request_differ() {
        let (id, a, b) = (RequestId(1), "a".into(), "b".into());
        let later = Duration::from_millis(1);
        let mut spans = [
            request_span(id),
            attempt_span(id, &a, Duration::ZERO),
            attempt_span(id, &b, Duration::ZERO),
            attempt_span(id, &a, later),
            part_span(id, &a, later, "stream"),
        ];
        spans.sort_unstable();
        assert!(spans.windows(2).all(|two| two[0] != two[1]));
    }
}
