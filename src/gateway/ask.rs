//! A chat as it is asked of the pool: who may answer, with which parameters, and the caller's own bytes where an
//! instance speaks the caller's protocol.

mod quick;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::catalog::Catalog;
use super::settings::RouteSettings;
use crate::base::{ChatRequest, Endpoint, Error, ErrorKind, ProviderType, RawBody, Target};
use crate::wire::embed;
use crate::wire::serve::{Front, unsuited};

/// A request that can be sent into the pool.
pub(super) struct Asked {
    /// The request.
    pub(super) request: ChatRequest,
    /// The model's name as the caller wrote it.
    pub(super) model: String,
    /// Whether an OpenAI client wants usage in its stream.
    pub(super) include_usage: bool,
    /// Whether vectors are wanted in base64.
    pub(super) base64: bool,
}

/// Reads a chat.
///
/// # Errors
/// `invalid_request`, naming the field and the rule, or what no instance that is meant can do.
pub(super) fn chat(
    front: Front,
    body: &Bytes,
    catalog: &Catalog,
    routes: &[RouteSettings],
) -> Result<Asked, Error> {
    if let Some(asked) = as_it_is(front, body, catalog, routes)? {
        return Ok(asked);
    }
    let mut request = front.decode(body)?;
    let asked = request.model.take().unwrap_or_default();
    let (target, model) = catalog.find(&asked);
    let route = match &target {
        Target::Route(name) => routes.iter().find(|route| route.name == name.as_str()),
        Target::Any | Target::Type(_) | Target::Instance(_) => None,
    };
    let has_parameters =
        route.is_some_and(|route| !route.defaults.is_empty() || !route.overrides.is_empty());
    let include_usage = wants_usage(&request.extra);
    let mut changed = None;
    if let Some(route) = route.filter(|_| has_parameters) {
        let body = with_parameters(front, body, route)?;
        request = front.decode(&body)?;
        changed = Some(Bytes::from(body));
    }
    request.target = target;
    request.model = model;
    if let Some(same) = front.same() {
        let hides_usage = front == Front::OpenAi && request.stream && !include_usage;
        let members = members(changed.as_ref().unwrap_or(body), hides_usage)?;
        request.raw = Some(Arc::new(RawBody {
            provider_type: same,
            endpoint: Endpoint::Chat,
            members,
            hides_usage,
            prompt_tokens: None,
        }));
    }
    restrict(&mut request, front, catalog)?;
    Ok(Asked {
        request,
        model: asked,
        include_usage,
        base64: false,
    })
}

/// Takes a chat that can only go to instances of the caller's own protocol, and of which nothing is changed: it need not
/// be read into anything.
fn as_it_is(
    front: Front,
    body: &Bytes,
    catalog: &Catalog,
    routes: &[RouteSettings],
) -> Result<Option<Asked>, Error> {
    let Some(same) = front.same() else {
        return Ok(None);
    };
    let Some(read) = quick::read(front, body) else {
        return Ok(None);
    };
    let (target, model) = catalog.find(&read.model);
    let is_changed = matches!(&target, Target::Route(name)
        if routes.iter().any(|route| route.name == name.as_str()));
    // Whoever logs prompts wants to see them.
    let is_logged = tracing::enabled!(target: "llmdeck::prompts", tracing::Level::TRACE);
    if is_changed || is_logged || !catalog.has_only(same, &target, model.as_deref()) {
        return Ok(None);
    }
    let hides_usage = front == Front::OpenAi && read.stream && !read.include_usage;
    let request = ChatRequest {
        target,
        model,
        stream: read.stream,
        max_tokens: read.max_tokens,
        // An instance of another type may have come since the catalog was read.
        types: vec![same],
        raw: Some(Arc::new(RawBody {
            provider_type: same,
            endpoint: Endpoint::Chat,
            members: members(body, hides_usage)?,
            hides_usage,
            prompt_tokens: Some(read.prompt_tokens),
        })),
        ..ChatRequest::default()
    };
    Ok(Some(Asked {
        request,
        model: read.model.into_owned(),
        include_usage: read.include_usage,
        base64: false,
    }))
}

/// Leaves those types of instances that can do everything that is asked.
fn restrict(request: &mut ChatRequest, front: Front, catalog: &Catalog) -> Result<(), Error> {
    let types = catalog.types(&request.target, request.model.as_deref());
    let mut why = None;
    let mut able = Vec::new();
    for provider_type in &types {
        let is_same = front.same() == Some(*provider_type);
        match unsuited(*provider_type, request).filter(|_| !is_same) {
            None => able.push(*provider_type),
            Some(told) => why = Some(told),
        }
    }
    match why {
        Some(told) if able.is_empty() => Err(Error::new(ErrorKind::InvalidRequest, told)),
        Some(_) => {
            request.types = able;
            Ok(())
        }
        None => Ok(()),
    }
}

/// Reads a request for embeddings.
///
/// # Errors
/// `invalid_request`, naming the field and the rule.
pub(super) fn embeddings(front: Front, body: &Bytes, catalog: &Catalog) -> Result<Asked, Error> {
    let read: Named = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    let asked = read.model.filter(|model| !model.is_empty());
    let asked = asked.ok_or_else(|| invalid("'model' is required"))?;
    if read.input.is_none_or(|input| input.is_null()) {
        return Err(invalid("'input' is required"));
    }
    let (target, model) = catalog.find(&asked);
    let same = front.family();
    let members = members(body, false)?;
    let mut request = ChatRequest {
        target,
        model,
        ..ChatRequest::default()
    };
    // What cannot be translated is found out before anybody is asked.
    let types = catalog.types(&request.target, request.model.as_deref());
    let mut why = None;
    let base64 = embed::wants_base64(&embed::members(&members)?);
    for provider_type in types {
        let fields = embed::members(&members)?;
        match embed::translate_request(same, provider_type, fields) {
            Ok(_) => request.types.push(provider_type),
            Err(error) => why = Some(error),
        }
    }
    if let Some(error) = why.filter(|_| request.types.is_empty()) {
        return Err(error);
    }
    request.raw = Some(Arc::new(RawBody {
        provider_type: same,
        endpoint: Endpoint::Embeddings,
        members,
        hides_usage: false,
        prompt_tokens: None,
    }));
    Ok(Asked {
        request,
        model: asked,
        include_usage: false,
        base64,
    })
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    input: Option<Value>,
}

/// Lays a route's parameters under and over those of the request, in the names of the caller's protocol.
fn with_parameters(front: Front, body: &[u8], route: &RouteSettings) -> Result<Vec<u8>, Error> {
    let read: Value = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    let Value::Object(mut fields) = read else {
        return Err(invalid("the body must be a JSON object"));
    };
    // Ollama has most of them among its options.
    const AT_THE_TOP: [&str; 7] = [
        "model",
        "messages",
        "stream",
        "format",
        "think",
        "keep_alive",
        "tools",
    ];
    let is_ollama = front.family() == ProviderType::Ollama;
    for (all, is_over) in [(&route.defaults, false), (&route.overrides, true)] {
        for (name, value) in all {
            let name = match (name.as_str(), front) {
                ("max_tokens", _) if is_ollama => "num_predict",
                ("max_tokens", Front::Responses) => "max_output_tokens",
                ("stop", Front::Anthropic) => "stop_sequences",
                (name, _) => name,
            };
            let fields = if is_ollama && !AT_THE_TOP.contains(&name) {
                let options = fields.entry("options").or_insert_with(|| json!({}));
                options
                    .as_object_mut()
                    .ok_or_else(|| invalid("'options' must be an object"))?
            } else {
                &mut fields
            };
            if name == "max_tokens" && is_over {
                fields.shift_remove("max_completion_tokens");
            }
            let is_given = fields.get(name).is_some_and(|value| !value.is_null())
                || name == "max_tokens" && fields.contains_key("max_completion_tokens");
            if is_over || !is_given {
                fields.insert(name.to_owned(), value.clone());
            }
        }
    }
    Ok(Value::Object(fields).to_string().into_bytes())
}

/// Returns what stands between the braces of a body, without the model; usage of a stream is asked for when the
/// caller did not.
fn members(body: &[u8], asks_usage: bool) -> Result<Bytes, Error> {
    let read: Members<'_> = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    let mut out = Vec::with_capacity(body.len() + 48);
    for (name, value) in read.0 {
        if name == "model" || asks_usage && name == "stream_options" {
            continue;
        }
        put(&mut out, &name, value.get());
        if asks_usage && name == "stream" {
            // Without it a stream has no usage, and the budgets would live on estimates.
            put(&mut out, "stream_options", "{\"include_usage\":true}");
        }
    }
    Ok(out.into())
}

fn put(out: &mut Vec<u8>, name: &str, value: &str) {
    if !out.is_empty() {
        out.push(b',');
    }
    if name
        .bytes()
        .any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\'))
    {
        out.extend_from_slice(Value::from(name).to_string().as_bytes());
    } else {
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.push(b'"');
    }
    out.push(b':');
    out.extend_from_slice(value.as_bytes());
}

/// The members of an object in their order, unread. Of members with the same name the last one counts.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                #[derive(Deserialize)]
                struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
                let mut all: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &RawValue>()? {
                    match all.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, held)) => *held = value,
                        None => all.push((name, value)),
                    }
                }
                Ok(Members(all))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// Tells whether an OpenAI client wants usage in its stream.
fn wants_usage(extra: &Map<String, Value>) -> bool {
    let options = extra.get("stream_options");
    let wanted = options.and_then(|options| options.get("include_usage"));
    wanted.and_then(Value::as_bool).unwrap_or(false)
}

fn not_json(error: &serde_json::Error) -> Error {
    invalid(&format!("the body is not valid JSON: {error}"))
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str, asks_usage: bool) -> String {
        let members = members(body.as_bytes(), asks_usage).expect("members");
        String::from_utf8(members.to_vec()).expect("text")
    }

    #[test]
    fn a_body_goes_on_byte_for_byte_but_for_its_model() {
        let body = r#"{"a": 1.50,"model":"x", "odd\n":[ 1 , {"b":null}],"stream":true}"#;
        assert_eq!(
            text(body, false),
            r#""a":1.50,"odd\n":[ 1 , {"b":null}],"stream":true"#
        );
        assert_eq!(text(r#"{"model":"x"}"#, false), "");
        assert_eq!(
            text(
                r#"{"stream":true,"stream_options":{"include_usage":false}}"#,
                true
            ),
            r#""stream":true,"stream_options":{"include_usage":true}"#
        );
        assert_eq!(text(r#"{"a":1,"a":2}"#, false), r#""a":2"#);
    }

    #[test]
    fn a_routes_parameters_stand_under_and_over_the_callers() {
        let route = RouteSettings {
            name: "fast".to_owned(),
            defaults: json!({"temperature": 0.5, "max_tokens": 9})
                .as_object()
                .cloned()
                .unwrap_or_default(),
            overrides: json!({"seed": 7}).as_object().cloned().unwrap_or_default(),
        };
        let with = |front, body: Value| {
            let made = with_parameters(front, body.to_string().as_bytes(), &route);
            serde_json::from_slice::<Value>(&made.expect("a body")).expect("JSON")
        };
        assert_eq!(
            with(
                Front::OpenAi,
                json!({"temperature": 1, "seed": 1, "max_completion_tokens": 3})
            ),
            json!({"temperature": 1, "seed": 7, "max_completion_tokens": 3})
        );
        assert_eq!(
            with(Front::Ollama, json!({"options": {"seed": 1}})),
            json!({"options": {"seed": 7, "temperature": 0.5, "num_predict": 9}})
        );
    }
}
