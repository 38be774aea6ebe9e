//! How long a server asks to wait. No clock is read: a date counts against the response's own.

use std::time::Duration;

use serde_json::Value;

use super::{Headers, patterns};

/// Finds the wait: `retry-after-ms`, `retry-after` as number or date, Google's `RetryInfo`, the message, and last the
/// longest reset of a limit that is used up. Not clamped to anything sensible.
pub(super) fn retry_after(
    headers: Headers<'_>,
    details: &[Value],
    message: &str,
) -> Option<Duration> {
    let number = |name: &str| headers(name)?.trim().parse::<f64>().ok();
    if let Some(wait) = number("retry-after-ms").and_then(millis) {
        return Some(wait);
    }
    if let Some(wait) = number("retry-after").and_then(|seconds| millis(seconds * 1e3)) {
        return Some(wait);
    }
    if let Some(wait) = until_date(headers) {
        return Some(wait);
    }
    if let Some(delay) = details.iter().find_map(|detail| detail.get("retryDelay")) {
        return go_duration(delay.as_str()?);
    }
    if let Some(told) = patterns::try_again_in(message) {
        return go_duration(told);
    }
    ["requests", "tokens"]
        .into_iter()
        .filter(|what| headers(&format!("x-ratelimit-remaining-{what}")).as_deref() == Some("0"))
        .filter_map(|what| headers(&format!("x-ratelimit-reset-{what}")))
        .filter_map(|reset| go_duration(&reset))
        .max()
}

fn until_date(headers: Headers<'_>) -> Option<Duration> {
    let date = |name: &str| httpdate::parse_http_date(headers(name)?.trim()).ok();
    let (then, now) = (date("retry-after")?, date("date")?);
    Some(then.duration_since(now).unwrap_or_default())
}

/// Reads a duration as Go writes it (`12ms`, `1h2m3.5s`), or bare seconds. To the millisecond.
pub(in crate::wire) fn go_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let is_numeric = |c: char| c.is_ascii_digit() || c == '.';
    if !text.is_empty() && text.chars().all(is_numeric) {
        return millis(text.parse::<f64>().ok()? * 1e3);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let number = rest.split(|c| !is_numeric(c)).next().unwrap_or_default();
        let tail = rest.strip_prefix(number)?;
        let (unit, tail) = UNITS
            .iter()
            .find_map(|(name, unit)| Some((*unit, tail.strip_prefix(name)?)))?;
        total += number.parse::<f64>().ok()? * unit;
        rest = tail;
    }
    (!text.is_empty()).then(|| millis(total)).flatten()
}

/// Units in milliseconds, longer names first.
const UNITS: [(&str, f64); 9] = [
    ("ms", 1.0),
    ("us", 1e-3),
    ("µs", 1e-3),
    ("μs", 1e-3),
    ("ns", 1e-6),
    ("h", 3.6e6),
    ("m", 6e4),
    ("s", 1e3),
    ("d", 8.64e7),
];

/// Rounds to whole milliseconds; negative is zero, and what is no sensible number is nothing.
fn millis(number: f64) -> Option<Duration> {
    /// A hundred years.
    const MOST: f64 = 3.2e12;
    (number.is_finite() && number < MOST)
        .then(|| Duration::from_millis(number.max(0.0).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let read = |text| go_duration(text).map(|wait| wait.as_millis());
        assert_eq!(read("12ms"), Some(12));
        assert_eq!(read("1h2m3.5s"), Some(3_723_500));
        assert_eq!(read(" 6m0s "), Some(360_000));
        assert_eq!(read("2"), Some(2000));
        assert_eq!(read("1500µs"), Some(2));
        for wrong in [
            "",
            "s",
            "1x",
            "1s2",
            "-1s",
            "1.2.3s",
            "9e9s",
            "99999999999999d",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_date_counts_against_the_servers_own_clock() {
        let headers = |name: &str| match name {
            "retry-after" => Some("Fri, 20 Nov 2026 10:00:30 GMT".to_owned()),
            "date" => Some("Fri, 20 Nov 2026 10:00:00 GMT".to_owned()),
            _ => None,
        };
        assert_eq!(
            retry_after(&headers, &[], ""),
            Some(Duration::from_secs(30))
        );
        let without_date = |name: &str| headers(name).filter(|_| name != "date");
        assert_eq!(
            retry_after(&without_date, &[], "try again in 2s"),
            Some(Duration::from_secs(2))
        );
    }

    #[test]
    fn nonsense_in_a_header_is_passed_over() {
        let headers = |name: &str| match name {
            "retry-after-ms" => Some("NaN".to_owned()),
            "retry-after" => Some("inf".to_owned()),
            _ => None,
        };
        assert_eq!(retry_after(&headers, &[], ""), None);
    }
}
