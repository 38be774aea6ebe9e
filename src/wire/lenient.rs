//! Fields that servers send in more than one shape. Whatever does not fit is skipped unread, never an error,
//! and never costs memory.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Lists are read to this length; what follows is skipped.
const LONGEST_LIST: usize = 2048;

/// Fills in the visitor methods for the kinds of value that a field does not take.
macro_rules! skipping {
    ($($kind:ident)*) => { $(skipping!(@$kind);)* };
    (@scalars) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> { Ok(Self::Value::default()) }
        fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok(Self::Value::default()) }
    };
    (@numbers) => {
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> { Ok(Self::Value::default()) }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> { Ok(Self::Value::default()) }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> { Ok(Self::Value::default()) }
    };
    (@strings) => {
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> { Ok(Self::Value::default()) }
    };
    (@lists) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
    (@objects) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
}

/// A string, or nothing.
#[derive(Default)]
pub(super) struct Text(pub(super) Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(Some(text.to_owned())))
            }
            skipping!(scalars numbers lists objects);
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A whole number from 0, or nothing.
#[derive(Default)]
pub(super) struct Count(pub(super) Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_u64<E>(self, number: u64) -> Result<Count, E> {
                Ok(Count(Some(number)))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Count, E> {
                Ok(Count(u64::try_from(number).ok()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Count, E> {
                Ok(Count(
                    (number >= 0.0 && number < u64::MAX as f64).then_some(number as u64),
                ))
            }
            skipping!(scalars strings lists objects);
        }
        deserializer.deserialize_any(Reader)
    }
}

/// An object, or nothing.
pub(super) struct Object<T>(pub(super) Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|read| Object(Some(read)))
            }
            skipping!(scalars numbers strings lists);
        }
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

/// A list of objects, or nothing; other entries are skipped.
pub(super) struct List<T> {
    /// Whether the field was there at all, even as null.
    pub(super) is_present: bool,
    /// The objects.
    pub(super) items: Vec<T>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            is_present: false,
            items: Vec::new(),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = List<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
                let mut items = Vec::new();
                while items.len() < LONGEST_LIST {
                    match list.next_element::<Object<T>>()? {
                        Some(Object(item)) => items.extend(item),
                        None => break,
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(List {
                    is_present: true,
                    items,
                })
            }
            skipping!(scalars numbers strings objects);
        }
        let read = deserializer.deserialize_any(Reader(PhantomData))?;
        Ok(Self {
            is_present: true,
            ..read
        })
    }
}

/// Text as a string or as a list of typed parts.
#[derive(Default)]
pub(super) struct Content(pub(super) Option<String>);

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Content;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_str<E>(self, text: &str) -> Result<Content, E> {
                Ok(Content(Some(text.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Content, A::Error> {
                let mut text = String::new();
                while let Some(Object(part)) = list.next_element::<Object<TextPart>>()? {
                    let part: TextPart = part.unwrap_or_default();
                    if matches!(part.kind.0.as_deref(), None | Some("text" | "output_text")) {
                        text.push_str(part.text.0.as_deref().unwrap_or_default());
                    }
                }
                Ok(Content(Some(text)))
            }
            skipping!(scalars numbers objects);
        }
        deserializer.deserialize_any(Reader)
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct TextPart {
    #[serde(rename = "type")]
    kind: Text,
    text: Text,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Sample {
        text: Text,
        count: Count,
        object: Object<TextPart>,
        list: List<TextPart>,
        content: Content,
    }

    #[test]
    fn wrong_shapes_are_skipped() {
        for wrong in [
            "null",
            "true",
            "-1.5",
            "-3",
            "[1,[2],{\"a\":[]}]",
            "{\"x\":{\"y\":1}}",
            "\"s\"",
        ] {
            let document = format!(
                r#"{{"text":{wrong},"count":{wrong},"object":{wrong},"list":{wrong},"content":{wrong},"z":1}}"#
            );
            let read: Sample = serde_json::from_str(&document).expect(wrong);
            assert_eq!(read.text.0.is_some(), wrong.starts_with('"'), "{wrong}");
            assert_eq!(read.count.0, None, "{wrong}");
            assert_eq!(read.object.0.is_some(), wrong.starts_with('{'), "{wrong}");
            assert!(read.list.is_present, "{wrong}");
        }
    }

    #[test]
    fn content_may_be_a_list_of_parts() {
        let read: Content = serde_json::from_str(
            r#"[{"type":"text","text":"a"},{"type":"image","text":"x"},{"text":"b"},7]"#,
        )
        .expect("a list is content");
        assert_eq!(read.0.as_deref(), Some("ab"));
    }

    #[test]
    fn long_lists_are_cut() {
        let long = format!("[{}{{}}]", "{},".repeat(LONGEST_LIST + 5));
        let read: List<TextPart> = serde_json::from_str(&long).expect("a list");
        assert_eq!(read.items.len(), LONGEST_LIST);
    }
}
