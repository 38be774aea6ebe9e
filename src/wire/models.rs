//! The list of models that an upstream offers.

use serde::Deserialize;

use super::classify::{in_band, is_error_object};
use super::json;
use super::lenient::{List, Text};
use crate::base::{Error, ProviderType};

/// Longer names are no names.
const LONGEST_NAME: usize = 256;

/// Reads the ids of the models from the answer to [`super::models_path`], in the server's order; the first two
/// thousand of them.
///
/// # Errors
/// `protocol/bad_json` when the body is not JSON, `protocol/no_models` when there is no list in it, and what an error
/// object in it says.
pub fn decode_models(provider_type: ProviderType, body: &[u8]) -> Result<Vec<String>, Error> {
    let body = body.trim_ascii();
    let listing = match body.first() {
        Some(b'[') => json::read(body).map(|data| Listing {
            data,
            ..Listing::default()
        }),
        Some(b'{') => json::read::<Listing>(body),
        _ => None,
    };
    let listing =
        listing.ok_or_else(|| Error::protocol("bad_json", "the list of models is not JSON"))?;
    if !listing.data.is_present && !listing.models.is_present {
        let told = json::read_tree(body).unwrap_or_default();
        return Err(if is_error_object(&told) {
            in_band(provider_type, &told)
        } else {
            Error::protocol("no_models", "the answer has no list of models in it")
        });
    }
    let entries = listing.data.items.into_iter().chain(listing.models.items);
    let is_sane = |name: &String| {
        !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains(char::is_control)
    };
    Ok(entries
        .filter_map(|entry| entry.id.0.or(entry.name.0).or(entry.model.0))
        .filter(is_sane)
        .collect())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listing {
    data: List<Entry>,
    models: List<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    id: Text,
    name: Text,
    model: Text,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &str) -> Result<Vec<String>, Error> {
        decode_models(ProviderType::OpenAi, body.as_bytes())
    }

    #[test]
    fn all_shapes_of_list_are_read() {
        let openai = r#"{"object":"list","data":[{"id":"a","object":"model"},{"id":"b"}]}"#;
        assert_eq!(names(openai), Ok(vec!["a".to_owned(), "b".to_owned()]));
        let ollama = r#"{"models":[{"name":"q:8b","model":"q:8b","size":1}]}"#;
        assert_eq!(names(ollama), Ok(vec!["q:8b".to_owned()]));
        assert_eq!(names(r#"[{"id":"c"}]"#), Ok(vec!["c".to_owned()]));
        // An Ollama without any says null.
        assert_eq!(names(r#"{"models":null}"#), Ok(Vec::new()));
    }

    #[test]
    fn names_that_could_steer_a_terminal_are_left_out() {
        let body = r#"{"data":[{"id":"a\u001b[2J"},{"id":""},{"id":7},7,{"id":"ok"}]}"#;
        assert_eq!(names(body), Ok(vec!["ok".to_owned()]));
    }

    #[test]
    fn what_is_no_list_says_so() {
        let detail = |body| names(body).err().and_then(|error| error.detail());
        assert_eq!(detail("<html>"), Some("bad_json"));
        assert_eq!(detail("{\"a\":1}"), Some("no_models"));
        let error = names(r#"{"error":{"code":"invalid_api_key","message":"no"}}"#).err();
        let kind = error.map(|error| error.kind());
        assert_eq!(kind, Some(crate::base::ErrorKind::Auth));
    }
}
