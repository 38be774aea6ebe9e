//! A request that goes on as it was written: only what the pool must know is read of it.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::wire::serve::Front;

/// What the pool must know.
pub(super) struct Quick<'a> {
    /// The model's name as the caller wrote it.
    pub(super) model: Cow<'a, str>,
    /// Whether the answer is to be streamed.
    pub(super) stream: bool,
    /// Whether an OpenAI client wants usage in its stream.
    pub(super) include_usage: bool,
    /// Upper bound of generated tokens.
    pub(super) max_tokens: Option<u64>,
    /// About how many tokens the messages are.
    pub(super) prompt_tokens: u64,
}

/// Reads a chat; `None` when anything in it is unusual, and must be read with care.
pub(super) fn read(front: Front, body: &[u8]) -> Option<Quick<'_>> {
    let is_ollama = match front {
        Front::OpenAi | Front::ZhipuAi => false,
        Front::Ollama => true,
        Front::Completions | Front::Responses | Front::Generate | Front::Anthropic => return None,
    };
    let read: Fields<'_> = serde_json::from_slice(body).ok()?;
    if read.model.is_empty() || read.messages.count == 0 {
        return None;
    }
    let most = if is_ollama {
        read.options.and_then(|options| options.num_predict)
    } else {
        read.max_completion_tokens.or(read.max_tokens)
    };
    Some(Quick {
        model: read.model,
        stream: read.stream.unwrap_or(is_ollama),
        include_usage: read
            .stream_options
            .and_then(|options| options.include_usage)
            .unwrap_or(false),
        max_tokens: most,
        prompt_tokens: read.messages.tokens,
    })
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    messages: Messages,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    options: Option<Options>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Options {
    num_predict: Option<u64>,
}

/// All messages, counted.
struct Messages {
    count: usize,
    tokens: u64,
}

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Messages;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("messages")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Messages, A::Error> {
                let mut all = Messages {
                    count: 0,
                    tokens: 0,
                };
                while let Some(message) = list.next_element::<Message>()? {
                    all.count += 1;
                    all.tokens += 4 + message.content.map_or(0, |text| text.0);
                }
                Ok(all)
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "role")]
    _role: Role,
    content: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Function,
}

/// Text, or a list of parts of which some are; as tokens.
struct Text(u64);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("text or parts")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                // Characters beyond ASCII count one each; they have one byte that is no continuation.
                let ascii = text.bytes().filter(u8::is_ascii).count();
                let others = text.bytes().filter(|byte| *byte >= 0xc0).count();
                Ok(Text((ascii.div_ceil(4) + others) as u64))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Text, A::Error> {
                let mut all = 0;
                while let Some(part) = parts.next_element::<Part>()? {
                    all += part.0;
                }
                Ok(Text(all))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A part of a message: an object whose `text` is one.
struct Part(u64);

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Part;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a part")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Part, A::Error> {
                #[derive(Deserialize)]
                struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
                let mut all = 0;
                while let Some(Name(name)) = fields.next_key()? {
                    if name == "text" {
                        let Text(tokens) = fields.next_value()?;
                        all += tokens;
                    } else {
                        fields.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Part(all))
            }
            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Part, E> {
                Err(E::custom("to be read with care"))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_the_careful_way_reads() {
        for body in [
            r#"{"model":"m","messages":[{"role":"user","content":"What are permits?"}]}"#,
            r#"{"model":"a\"b","stream":true,"stream_options":{"include_usage":true},"max_tokens":7,"messages":[{"role":"system","content":"x"},{"role":"assistant","content":null,"tool_calls":[]}]}"#,
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"Grüße aus 北京"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}],"max_completion_tokens":3,"max_tokens":9,"model":"m","odd":[1,{"a":2}]}"#,
        ] {
            let careful = Front::OpenAi.decode(body.as_bytes()).expect("a chat");
            let quick = read(Front::OpenAi, body.as_bytes()).expect("nothing unusual");
            assert_eq!(Some(quick.model.as_ref()), careful.model.as_deref());
            assert_eq!(quick.stream, careful.stream);
            assert_eq!(quick.max_tokens, careful.max_tokens);
        }
        let body = r#"{"model":"m","messages":[{"role":"user","content":"北京 abcd"}],"options":{"num_predict":5}}"#;
        let careful = Front::Ollama.decode(body.as_bytes()).expect("a chat");
        let quick = read(Front::Ollama, body.as_bytes()).expect("nothing unusual");
        assert_eq!((quick.stream, quick.max_tokens), (true, Some(5)));
        assert_eq!(quick.prompt_tokens, careful.estimated_prompt_tokens());
    }

    #[test]
    fn whatever_is_unusual_is_left_to_the_careful_way() {
        for body in [
            r#"{"model":"m","messages":[]}"#,
            r#"{"model":"","messages":[{"role":"user","content":"a"}]}"#,
            r#"{"model":"m","model":"n","messages":[{"role":"user","content":"a"}]}"#,
            r#"{"model":"m","messages":[{"role":"nobody","content":"a"}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":5}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":["a"]}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"a"}],"max_tokens":-1}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"a"}],"stream":"yes"}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"a"}]"#,
            "[]",
            "",
        ] {
            assert!(read(Front::OpenAi, body.as_bytes()).is_none(), "{body}");
        }
        let body = br#"{"model":"m","messages":[{"role":"user","content":"a"}]}"#;
        assert!(read(Front::Anthropic, body).is_none());
    }
}
