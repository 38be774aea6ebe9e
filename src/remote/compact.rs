//! Boards, series and samples as small JSON that stands still while nothing happens.
//!
//! * Times are short text: `~1200` a duration in microseconds, `@1200` a moment in the past and `!1200` one to come, in
//!   milliseconds since the pool's start. An age or a countdown becomes such a moment, so that it does not change
//!   with every look, and whoever shows it goes on counting by its own clock.
//! * Figures are rounded to what a person sees, null is left out, and other text that begins like a time gets a `\`.

use serde_json::{Map, Number, Value};

/// Durations that grow with time: they are told as the moment from which they count.
const AGES: [&str; 6] = [
    "uptime",
    "age",
    "oldest",
    "since_last_success",
    "first_seen",
    "last_seen",
];
/// Durations that shrink with time: they are told as the moment at which they are over.
const COUNTDOWNS: [&str; 7] = [
    "next_start_in",
    "silenced",
    "cooling",
    "open",
    "due_in",
    "cool_down_left",
    "calm_in",
];
/// What must arrive exactly, because a person changes it step by step.
const EXACT: [&str; 1] = ["min_interval"];
/// Significant digits of durations and ratios.
const DIGITS: i32 = 4;
/// Significant digits of money.
const DIGITS_OF_COST: i32 = 7;
/// How far two moments may lie apart and still be the same one: clocks are read a little earlier or later.
const JITTER: i64 = 150;

/// Makes a value small; `now` is the pool's age in milliseconds.
pub(super) fn shrink(value: Value, now: i64) -> Value {
    shrink_field("", value, now)
}

fn shrink_field(key: &str, value: Value, now: i64) -> Value {
    match value {
        Value::Object(fields) => match duration(&fields) {
            Some(micros) => Value::String(time(key, micros, now)),
            None => Value::Object(
                fields
                    .into_iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| {
                        let value = shrink_field(&key, value, now);
                        (key, value)
                    })
                    .collect(),
            ),
        },
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| shrink_field(key, item, now))
                .collect(),
        ),
        Value::Number(number) => Value::Number(round_number(key, number)),
        Value::String(text) if key == "called_at" => Value::String(to_millis(text)),
        Value::String(text) if text.starts_with(['~', '@', '!', '\\']) => {
            Value::String(format!("\\{text}"))
        }
        other @ (Value::String(_) | Value::Bool(_) | Value::Null) => other,
    }
}

/// Returns microseconds when an object is how serde writes a `Duration`.
fn duration(fields: &Map<String, Value>) -> Option<u64> {
    if fields.len() != 2 {
        return None;
    }
    let seconds = fields.get("secs")?.as_u64()?;
    let nanos = fields.get("nanos")?.as_u64().filter(|n| *n < NANOS)?;
    seconds.checked_mul(MICROS)?.checked_add(nanos / 1_000)
}

const MICROS: u64 = 1_000_000;
const NANOS: u64 = 1_000_000_000;

fn time(key: &str, micros: u64, now: i64) -> String {
    let millis = i64::try_from(micros / 1_000).unwrap_or(i64::MAX);
    if AGES.contains(&key) {
        format!("@{}", now.saturating_sub(millis))
    } else if COUNTDOWNS.contains(&key) && micros > 0 {
        format!("!{}", now.saturating_add(millis))
    } else if EXACT.contains(&key) {
        format!("~{micros}")
    } else {
        format!("~{}", round(micros as f64, DIGITS) as u64)
    }
}

fn round(value: f64, digits: i32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let magnitude = value.abs().log10().floor() as i32 + 1;
    let decimals = digits - magnitude;
    // Of the two ways the one whose power of ten is a whole number: then the result has no stray digits.
    if decimals >= 0 {
        let scale = 10_f64.powi(decimals);
        let rounded = (value * scale).round() / scale;
        if rounded.is_finite() { rounded } else { value }
    } else {
        let scale = 10_f64.powi(-decimals);
        (value / scale).round() * scale
    }
}

fn round_number(key: &str, number: Number) -> Number {
    if !number.is_f64() {
        return number;
    }
    let digits = if key == "cost" {
        DIGITS_OF_COST
    } else {
        DIGITS
    };
    number
        .as_f64()
        .and_then(|value| Number::from_f64(round(value, digits)))
        .unwrap_or(number)
}

/// Cuts a timestamp's fraction to milliseconds.
fn to_millis(text: String) -> String {
    let Some(dot) = text.find('.') else {
        return text;
    };
    let fraction = text[dot + 1..].bytes().take_while(u8::is_ascii_digit);
    let digits = fraction.count();
    let end = dot + 1 + digits;
    format!("{}{}", &text[..dot + 1 + digits.min(3)], &text[end..])
}

/// Makes a small value whole again; `now` is the pool's age in milliseconds by the reader's clock.
///
/// `None` when a time in it is none.
pub(super) fn grow(value: &Value, now: i64) -> Option<Value> {
    Some(match value {
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| Some((key.clone(), grow(value, now)?)));
            Value::Object(fields.collect::<Option<_>>()?)
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| grow(item, now));
            Value::Array(items.collect::<Option<_>>()?)
        }
        Value::String(text) => grow_text(text, now)?,
        Value::Number(_) | Value::Bool(_) | Value::Null => value.clone(),
    })
}

fn grow_text(text: &str, now: i64) -> Option<Value> {
    let mut rest = text.chars();
    let micros = match rest.next() {
        Some('~') => rest.as_str().parse::<u64>().ok()?,
        Some('@') => millis(now.saturating_sub(rest.as_str().parse().ok()?)),
        Some('!') => millis(rest.as_str().parse::<i64>().ok()?.saturating_sub(now)),
        Some('\\') => return Some(Value::String(rest.as_str().to_owned())),
        Some(_) | None => return Some(Value::String(text.to_owned())),
    };
    let mut fields = Map::new();
    fields.insert("secs".to_owned(), (micros / MICROS).into());
    fields.insert("nanos".to_owned(), (micros % MICROS * 1_000).into());
    Some(Value::Object(fields))
}

/// Microseconds of milliseconds that are not negative.
fn millis(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or(0).saturating_mul(1_000)
}

/// Tells whether two values are the same to a person: equal, or moments that lie a clock's jitter apart.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    let (Value::String(a), Value::String(b)) = (one, other) else {
        return one == other;
    };
    let apart = |mark: char| {
        let a: i64 = a.strip_prefix(mark)?.parse().ok()?;
        let b: i64 = b.strip_prefix(mark)?.parse().ok()?;
        Some(a.abs_diff(b) <= JITTER.unsigned_abs())
    };
    a == b || apart('@').or_else(|| apart('!')).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::base::InstanceState;

    fn there_and_back(value: Value, then: i64, now: i64) -> Value {
        grow(&shrink(value, then), now).unwrap()
    }

    #[test]
    fn ages_and_countdowns_go_on_counting_at_the_reader() {
        let picture = json!({
            "age": Duration::from_secs(3),
            "state": InstanceState::Open(Duration::from_secs(5)),
            "next_start_in": Duration::ZERO,
            "p50": Duration::from_micros(1_234_567),
            "min_interval": Duration::from_micros(1_234_567),
        });
        let later = there_and_back(picture, 10_000, 12_000);
        assert_eq!(
            later,
            json!({
                "age": Duration::from_secs(5),
                "state": InstanceState::Open(Duration::from_secs(3)),
                "next_start_in": Duration::ZERO,
                "p50": Duration::from_millis(1_235),
                "min_interval": Duration::from_micros(1_234_567),
            })
        );
    }

    #[test]
    fn a_countdown_that_is_over_stays_at_zero() {
        let state = json!({"cooling": Duration::from_secs(1)});
        let later = there_and_back(state, 0, 60_000);
        assert_eq!(later, json!({"cooling": Duration::ZERO}));
    }

    #[test]
    fn text_that_looks_like_a_time_stays_text() {
        for text in ["~1", "@5", "!x", "\\", "\\~", "plain", ""] {
            assert_eq!(there_and_back(json!([text]), 0, 0), json!([text]));
        }
    }

    #[test]
    fn figures_are_rounded_without_stray_digits() {
        let small = shrink(
            json!({"score": 0.123_456_789, "cost": 1.234_567_89, "tokens_per_second": 98_765.4}),
            0,
        );
        assert_eq!(
            small.to_string(),
            r#"{"score":0.1235,"cost":1.234568,"tokens_per_second":98770.0}"#
        );
        let called = json!({"called_at": "2026-01-02T03:04:05.123456789Z"});
        assert_eq!(shrink(called, 0)["called_at"], "2026-01-02T03:04:05.123Z");
    }

    #[test]
    fn moments_a_breath_apart_are_the_same() {
        assert!(is_same(&json!("@1000"), &json!("@1150")));
        assert!(!is_same(&json!("@1000"), &json!("@1151")));
        assert!(!is_same(&json!("@1000"), &json!("!1000")));
        assert!(!is_same(&json!("~1"), &json!("~2")));
    }

    proptest! {
        #[test]
        fn nothing_a_peer_writes_makes_it_panic(text in "[~@!\\\\]?-?[0-9]{0,25}.{0,3}", now in any::<i64>()) {
            let _ = grow(&json!({"age": [text]}), now);
        }

        #[test]
        fn durations_come_back_within_their_digits(micros in 0_u64..u64::MAX / 2) {
            let back = there_and_back(json!({"p50": Duration::from_micros(micros)}), 0, 0);
            let back: Duration = serde_json::from_value(back["p50"].clone()).unwrap();
            let off = (back.as_micros() as f64 - micros as f64).abs();
            prop_assert!(off <= micros as f64 * 0.000_51 + 1.0, "{micros} {back:?}");
        }
    }
}
