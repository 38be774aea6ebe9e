//! A look at one frame of a stream that is passed on as it came: most are a piece of text and nothing else, and need
//! not be read into anything. Whatever is the least unusual is left to the real decoder.

use memchr::memchr2;

/// What an ordinary frame says: how many bytes of text, as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Glance {
    /// Of visible text.
    pub(super) text: usize,
    /// Of reasoning.
    pub(super) reasoning: usize,
}

/// Deeper than any piece of text.
const DEEPEST: usize = 16;

/// Looks at one JSON object of OpenAI's, Zhipu's or Ollama's streams; `None` when it must be read: it is no whole
/// object, or says more than a piece of text (usage, an end, an error, a tool call, timings, a refusal).
pub(super) fn glance(object: &[u8]) -> Option<Glance> {
    let mut seen = Glance::default();
    let mut open = [0_u8; DEEPEST];
    let mut depth = 0;
    let mut at = 0;
    loop {
        match object.get(at)? {
            bracket @ (b'{' | b'[') => {
                *open.get_mut(depth)? = *bracket;
                depth += 1;
            }
            bracket @ (b'}' | b']') => {
                depth = depth.checked_sub(1)?;
                // In ASCII a closing bracket stands two after its opening one.
                if open[depth] + 2 != *bracket {
                    return None;
                }
                if depth == 0 {
                    return (at + 1 == object.len() && *bracket == b'}').then_some(seen);
                }
            }
            b'"' => {
                let (length, plain) = string(object.get(at + 1..)?)?;
                let name = object.get(at + 1..at + 1 + length)?;
                at += length + 2;
                if object.get(at) == Some(&b':') {
                    if !plain {
                        return None;
                    }
                    let value = object.get(at + 1..)?;
                    let space = value.iter().take_while(|byte| **byte == b' ').count();
                    look(name, value.get(space..)?, &mut seen)?;
                    at += 1 + space;
                }
                continue;
            }
            byte if depth > 0 && *byte >= b' ' => {}
            _ => return None,
        }
        at += 1;
    }
}

/// Looks at a member's value, as far as its name is known.
fn look(name: &[u8], value: &[u8], seen: &mut Glance) -> Option<()> {
    let is_null = || value.starts_with(b"null");
    match name {
        b"content" => seen.text += text(value)?,
        b"reasoning_content" | b"reasoning" | b"thinking" => seen.reasoning += text(value)?,
        b"done" => value.starts_with(b"false").then_some(())?,
        b"error" | b"usage" | b"finish_reason" | b"tool_calls" | b"refusal" | b"timings"
        | b"function_call" | b"done_reason" | b"code" | b"detail" => {
            is_null().then_some(())?;
        }
        _ => {}
    }
    Some(())
}

/// Returns the bytes of a string; nothing for null.
fn text(value: &[u8]) -> Option<usize> {
    match value.first()? {
        b'"' => string(value.get(1..)?).map(|(length, _)| length),
        b'n' => value.starts_with(b"null").then_some(0),
        _ => None,
    }
}

/// Returns where a string ends, and whether it has no escapes in it.
fn string(rest: &[u8]) -> Option<(usize, bool)> {
    let mut at = 0;
    let mut plain = true;
    loop {
        at += memchr2(b'"', b'\\', rest.get(at..)?)?;
        if rest[at] == b'"' {
            return Some((at, plain));
        }
        plain = false;
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(object: &str) -> Option<(usize, usize)> {
        glance(object.as_bytes()).map(|seen| (seen.text, seen.reasoning))
    }

    #[test]
    fn a_piece_of_text_is_seen_in_every_protocol() {
        for (object, seen) in [
            (
                r#"{"id":"x","choices":[{"index":0,"delta":{"content":"a \"b\" {"},"finish_reason":null}],"usage":null}"#,
                (9, 0),
            ),
            (
                r#"{"choices": [{"delta": {"content": null, "reasoning_content": "abc"}}]}"#,
                (0, 3),
            ),
            (
                r#"{"model":"m","message":{"role":"assistant","content":"ab"},"done":false}"#,
                (2, 0),
            ),
        ] {
            assert_eq!(told(object), Some(seen), "{object}");
        }
    }

    #[test]
    fn whatever_says_more_or_is_broken_must_be_read() {
        for object in [
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":1}}"#,
            r#"{"error":{"message":"x"}}"#,
            r#"{"\u0065rror":{"message":"x"}}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{}]}}]}"#,
            r#"{"message":{"content":""},"done":true}"#,
            r#"{"choices":[{"delta":{"content":"a"}}]"#,
            r#"{"choices":[{"delta":{"content":"a"}}}]"#,
            r#"{"choices":[{"delta":{"content":"a}}]}"#,
            r#"{"choices":[{"delta":{"content":5}}]}"#,
            r#"{"choices":[{"delta":{"content":[{"type":"text"}]}}]}"#,
            r#"{"choices":[]} {"#,
            "[DONE]",
            "[1]",
            "",
            "\"content\"",
        ] {
            assert_eq!(told(object), None, "{object}");
        }
        let deep = format!("{}{}", "{\"a\":".repeat(40), "}".repeat(40));
        assert_eq!(told(&deep), None);
    }

    #[test]
    fn any_bytes_are_looked_at_without_harm() {
        let whole = br#"{"choices":[{"delta":{"content":"a\\"},"x":[1,2]}]}"#;
        for end in 0..whole.len() {
            assert_eq!(glance(&whole[..end]), None);
        }
        for at in 0..whole.len() {
            let mut bytes = whole.to_vec();
            for byte in [0, b'"', b'\\', b'{', b']', 0xff] {
                bytes[at] = byte;
                let _ = glance(&bytes);
            }
        }
    }
}
