//! The list of models that an Ollama holds in memory (`GET /api/ps`).

use serde::Deserialize;

use super::json;
use super::lenient::{Count, List, Object, Text};
use crate::base::{Error, Loaded};

/// Where an Ollama lists what it holds in memory, below the base URL.
pub const LOADED_PATH: &str = "/api/ps";
/// Longer texts are none that anybody wrote.
const LONGEST: usize = 256;

/// Reads the models from the answer to [`LOADED_PATH`], in the server's order.
///
/// # Errors
/// `protocol/bad_json` when the body is not JSON, `protocol/no_models` when there is no list in it.
pub fn decode_loaded(body: &[u8]) -> Result<Vec<Loaded>, Error> {
    let listing: Listing = json::read(body.trim_ascii())
        .ok_or_else(|| Error::protocol("bad_json", "the list of loaded models is not JSON"))?;
    if !listing.models.is_present {
        let told = "the answer has no list of loaded models in it";
        return Err(Error::protocol("no_models", told));
    }
    let loaded = listing.models.items.into_iter().filter_map(|entry| {
        let model = Some(text(entry.name))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| text(entry.model));
        let details = entry.details.0.unwrap_or_default();
        (!model.is_empty()).then(|| Loaded {
            model,
            bytes: entry.size.0.unwrap_or(0),
            bytes_on_gpu: entry.size_vram.0.unwrap_or(0),
            context: entry.context_length.0,
            until: text(entry.expires_at),
            digest: text(entry.digest),
            format: text(details.format),
            family: text(details.family),
            parameters: text(details.parameter_size),
            quantization: text(details.quantization_level),
        })
    });
    Ok(loaded.collect())
}

/// What is too long, or could steer a terminal, counts as not said.
fn text(said: Text) -> String {
    let is_sane = |text: &String| text.len() <= LONGEST && !text.contains(char::is_control);
    said.0.filter(is_sane).unwrap_or_default()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listing {
    models: List<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    name: Text,
    model: Text,
    size: Count,
    size_vram: Count,
    context_length: Count,
    expires_at: Text,
    digest: Text,
    details: Object<Details>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    format: Text,
    family: Text,
    parameter_size: Text,
    quantization_level: Text,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_kept_and_what_makes_no_sense_is_left_out() {
        let body = br#"{"models":[
            {"name":"q:8b","model":"q:8b","size":6591830464,"size_vram":6591830463,"context_length":4096,
             "expires_at":"2026-11-23T20:00:00Z","digest":"ab","details":{"family":"qwen","parameter_size":"8B","families":null}},
            {"name":"\u001b[2J"}, 7, {"model":"only","size":-1}]}"#;
        let loaded = decode_loaded(body).unwrap();
        assert_eq!(loaded.len(), 2);
        assert_eq!(
            (loaded[0].bytes, loaded[0].bytes_on_gpu),
            (6_591_830_464, 6_591_830_463)
        );
        assert_eq!(
            (loaded[0].context, loaded[0].family.as_str()),
            (Some(4_096), "qwen")
        );
        assert_eq!((loaded[1].model.as_str(), loaded[1].bytes), ("only", 0));
        // An Ollama that holds nothing says null.
        assert_eq!(decode_loaded(br#"{"models":null}"#), Ok(Vec::new()));
        let detail = |body: &[u8]| decode_loaded(body).unwrap_err().detail();
        assert_eq!(detail(b"<html>"), Some("bad_json"));
        assert_eq!(detail(b"{}"), Some("no_models"));
    }
}
