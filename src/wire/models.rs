//! The list of models that an upstream offers.

use serde_json::Value;

use super::classify::{in_band, is_error_object};
use super::json;
use crate::base::{Error, ProviderType};

/// Longer lists are cut.
const MOST_MODELS: usize = 10_000;

/// Longer names are no names.
const LONGEST_NAME: usize = 256;

/// Reads the ids of the models from the answer to [`super::models_path`], in the server's order.
///
/// # Errors
/// `protocol/bad_json` when the body is not JSON, `protocol/no_models` when there is no list in it, and what an error
/// object in it says.
pub fn decode_models(provider_type: ProviderType, body: &[u8]) -> Result<Vec<String>, Error> {
    let document: Value = json::read(body.trim_ascii())
        .ok_or_else(|| Error::protocol("bad_json", "the list of models is not JSON"))?;
    let listed = ["data", "models"]
        .into_iter()
        .find_map(|field| document.get(field))
        .unwrap_or(&document);
    let models = match listed {
        Value::Array(models) => models,
        // An empty Ollama says null.
        Value::Null if !document.is_null() => return Ok(Vec::new()),
        _ if is_error_object(&document) => return Err(in_band(provider_type, &document)),
        _ => {
            return Err(Error::protocol(
                "no_models",
                "the answer has no list of models in it",
            ));
        }
    };
    let name = |model: &Value| {
        let named = ["id", "name", "model"]
            .into_iter()
            .find_map(|field| model.get(field)?.as_str())
            .or_else(|| model.as_str())?;
        let is_sane =
            !named.is_empty() && named.len() <= LONGEST_NAME && !named.contains(char::is_control);
        is_sane.then(|| named.to_owned())
    };
    Ok(models.iter().filter_map(name).take(MOST_MODELS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &str) -> Result<Vec<String>, Error> {
        decode_models(ProviderType::OpenAi, body.as_bytes())
    }

    #[test]
    fn both_shapes_of_list_are_read() {
        let openai = r#"{"object":"list","data":[{"id":"a","object":"model"},{"id":"b"}]}"#;
        assert_eq!(names(openai), Ok(vec!["a".to_owned(), "b".to_owned()]));
        let ollama = r#"{"models":[{"name":"q:8b","model":"q:8b","size":1}]}"#;
        assert_eq!(names(ollama), Ok(vec!["q:8b".to_owned()]));
        assert_eq!(names(r#"{"models":null}"#), Ok(Vec::new()));
    }

    #[test]
    fn names_that_could_steer_a_terminal_are_left_out() {
        let body = r#"{"data":[{"id":"a\u001b[2J"},{"id":""},{"id":7},{"id":"ok"}]}"#;
        assert_eq!(names(body), Ok(vec!["ok".to_owned()]));
    }

    #[test]
    fn what_is_no_list_says_so() {
        let detail = |body| names(body).err().and_then(|error| error.detail());
        assert_eq!(detail("<html>"), Some("bad_json"));
        assert_eq!(detail("{\"a\":1}"), Some("no_models"));
        let error = names(r#"{"error":{"code":"invalid_api_key","message":"no"}}"#).err();
        assert_eq!(
            error.map(|error| error.kind()),
            Some(crate::base::ErrorKind::Auth)
        );
    }
}
