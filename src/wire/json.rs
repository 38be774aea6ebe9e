//! JSON as servers send it: nearly always right, sometimes with a little damage that can be mended.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use serde_json::value::RawValue;

use super::lenient::Object;
use crate::base::Error;

/// Documents above this size are not read into memory as a tree, nor mended: a hostile one would grow thirtyfold.
const LARGEST_TREE: usize = 1 << 20;

/// Reads a document; bytes that are not UTF-8 count as U+FFFD.
///
/// Halves of surrogate pairs, `NaN` and `Infinity`, and repeated keys are accepted when all else is right.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    match serde_json::from_str(text) {
        Ok(read) => Some(read),
        Err(_) if text.len() > LARGEST_TREE => None,
        Err(_) => {
            let tree: Value = serde_json::from_str(text)
                .or_else(|_| serde_json::from_str(&mended(text)))
                .ok()?;
            serde_json::from_str(&tree.to_string()).ok()
        }
    }
}

/// Reads a document that must be an object. `at_end` says that the body may have ended in the middle of it.
///
/// # Errors
/// `protocol/bad_json`, or `protocol/truncated` for what is no JSON at the end.
pub(super) fn read_object<T: DeserializeOwned>(bytes: &[u8], at_end: bool) -> Result<T, Error> {
    if let Some(Object(Some(read))) = read::<Object<T>>(bytes) {
        return Ok(read);
    }
    if at_end && read::<IgnoredAny>(bytes).is_none() {
        return Err(cut_off());
    }
    Err(bad_json())
}

/// Makes the error for a whole event that is not JSON.
pub(super) fn bad_json() -> Error {
    Error::protocol(
        "bad_json",
        "the answer has something in it that is not JSON",
    )
}

/// Makes the error for an event that the end of the body cut.
pub(super) fn cut_off() -> Error {
    Error::protocol(
        "truncated",
        "the answer broke off in the middle of an event",
    )
}

/// Reads a document as a tree, if it is not too large for that.
pub(super) fn read_tree(bytes: &[u8]) -> Option<Value> {
    if bytes.len() > LARGEST_TREE {
        return None;
    }
    read(bytes)
}

/// Reads a part that was left unread as a tree, if it is not too large for that.
pub(super) fn tree(raw: &RawValue) -> Option<Value> {
    read_tree(raw.get().as_bytes())
}

/// Tells whether a value is neither null, false, zero nor empty.
pub(super) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// Like [`is_truthy`] for a part that was left unread.
pub(super) fn is_truthy_raw(raw: &RawValue) -> bool {
    /// No falsy value is written longer by any serialiser.
    const LONGEST_FALSY: usize = 32;
    raw.get().len() > LONGEST_FALSY || tree(raw).is_some_and(|value| is_truthy(&value))
}

/// Replaces halves of surrogate pairs by U+FFFD, and the numbers that JSON does not know by null.
fn mended(text: &str) -> String {
    const REPLACEMENT: &str = "\\ufffd";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;
    while let Some(first) = rest.chars().next() {
        let mut taken = first.len_utf8();
        match (in_string, first) {
            (_, '"') => {
                in_string = !in_string;
                out.push('"');
            }
            (true, '\\') => match escaped_unit(rest) {
                Some(0xd800..=0xdbff)
                    if matches!(
                        escaped_unit(rest.get(6..).unwrap_or_default()),
                        Some(0xdc00..=0xdfff)
                    ) =>
                {
                    taken = 12;
                    out.push_str(rest.get(..taken).unwrap_or_default());
                }
                Some(0xd800..=0xdfff) => {
                    taken = 6;
                    out.push_str(REPLACEMENT);
                }
                _ => {
                    taken = 1 + rest.chars().nth(1).map_or(0, char::len_utf8);
                    out.push_str(rest.get(..taken).unwrap_or_default());
                }
            },
            (false, 'N' | 'I' | '-') => {
                match ["NaN", "Infinity", "-Infinity"]
                    .into_iter()
                    .find(|word| rest.starts_with(word))
                {
                    Some(word) => {
                        taken = word.len();
                        out.push_str("null");
                    }
                    None => out.push(first),
                }
            }
            (_, other) => out.push(other),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// Reads `\uXXXX` at the start of the text.
fn escaped_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_surrogate_pair_does_not_break_the_stream() {
        let tree = read_tree(br#"{"a":"x\ud83d","b":"\ude00y","c":"\ud83d\ude00","d":"\\ud83d"}"#);
        assert_eq!(
            tree,
            Some(
                serde_json::json!({"a": "x\u{fffd}", "b": "\u{fffd}y", "c": "😀", "d": "\\ud83d"})
            )
        );
    }

    #[test]
    fn numbers_that_json_does_not_know_become_null_outside_strings() {
        let tree = read_tree(br#"{"a":NaN,"b":[-Infinity,-1],"c":"NaN"}"#);
        assert_eq!(
            tree,
            Some(serde_json::json!({"a": null, "b": [null, -1], "c": "NaN"}))
        );
    }

    #[test]
    fn damage_beyond_that_is_not_json() {
        assert_eq!(read_tree(b"{\"a\":"), None);
        assert_eq!(read_tree(b"{\"a\":\"\\ud83d"), None);
        assert_eq!(read_tree(b"\"\\"), None);
        assert_eq!(read_tree(&vec![b'['; LARGEST_TREE + 1]), None);
    }
}
