//! A chat request, from its arrival to its response: who may, how many may, what goes wrong, then the answer.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use serde_json::Value;

use super::answer::Answer;
use super::connection::{Closed, Connection};
use super::instance::Instance;
use super::journal::Entry;
use super::plan::Plan;
use super::refusal::{self, Reason, Refusal};
use super::script::Script;
use super::{Fault, WhenFull, auth};
use crate::base::{ChatRequest, ProviderType};
use crate::wire::serve;

/// The largest request body that is read.
const LARGEST_BODY: usize = 64 << 20;

/// A page that has no business here.
pub(super) const WEB_PAGE: &str = "<!doctype html>\n<html><head><title>Sign in</title></head><body><h1>Welcome to the hotel network</h1><p>Please accept the terms of use.</p></body></html>\n";

/// Answers one chat request.
pub(super) async fn handle(
    instance: Arc<Instance>,
    connection: Connection,
    request: Request<Body>,
) -> Result<Response<Body>, Closed> {
    let mut entry = instance.journal.open(connection.broken.clone());
    let profile = &instance.profile;
    let provider_type = profile.provider_type;
    let plan = Plan::draw(instance.seed, profile, entry.number());
    let fault = instance.fault().or(plan.fault);

    let (head, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await;
    if fault == Some(Fault::Close) {
        entry.close(Fault::Close.into());
        return Err(Closed);
    }
    let Ok(body) = body else {
        return Ok(refuse(entry, Refusal::new(Reason::TooLarge), provider_type));
    };
    let request = match read(&instance, &head.headers, &body, &mut entry) {
        Ok(request) => request,
        Err(refusal) => return Ok(refuse(entry, refusal, provider_type)),
    };
    if let Some(fault) = fault
        && let Some(refusal) = Refusal::of_fault(fault, &model(&instance, &request))
    {
        entry.close(fault.into());
        return Ok(refusal.into_response(provider_type));
    }

    let answer = Answer::write(profile, &plan, &request);
    let headroom = match instance.gate.spend(answer.tokens()) {
        Ok(headroom) => headroom,
        Err(too_soon) => return Ok(refuse(entry, too_soon.into(), provider_type)),
    };
    let Some(slot) = instance.gate.enter().await else {
        let is_rate_limit = profile.when_full == WhenFull::RateLimited;
        return Ok(refuse(entry, Refusal::full(is_rate_limit), provider_type));
    };
    if fault == Some(Fault::HangBeforeHeaders) {
        entry.expect(Fault::HangBeforeHeaders.into());
        std::future::pending::<()>().await;
    }
    if fault == Some(Fault::HtmlOk) {
        tokio::time::sleep(plan.first_token).await;
        entry.close(Fault::HtmlOk.into());
        return Ok(refusal::html(StatusCode::OK, WEB_PAGE));
    }
    let script = Script {
        model: model(&instance, &request),
        is_streaming: request.stream && fault != Some(Fault::WholeForStream),
        wants_usage: wants_usage(provider_type, &request),
        instance: Arc::clone(&instance),
        connection,
        entry,
        slot: Some(slot),
        answer,
        plan,
        fault,
    };
    Ok(script.respond(&headroom).await)
}

fn refuse(mut entry: Entry, refusal: Refusal, provider_type: ProviderType) -> Response<Body> {
    entry.close(refusal.ending());
    refusal.into_response(provider_type)
}

/// Lets the request in: key, body, model, length.
fn read(
    instance: &Instance,
    headers: &HeaderMap,
    body: &[u8],
    entry: &mut Entry,
) -> Result<ChatRequest, Refusal> {
    let profile = &instance.profile;
    auth::check(profile.provider_type, profile.key.as_deref(), headers)?;
    let request = serve::decode_request(profile.provider_type, body)
        .map_err(|error| Refusal::new(Reason::BadRequest(error.message().to_owned())))?;
    let tokens = request.estimated_prompt_tokens();
    let model = request.model.clone().unwrap_or_default();
    entry.asked(&model, request.stream, tokens);
    if !instance.offers(&model) {
        return Err(Refusal::new(Reason::UnknownModel(model)));
    }
    if profile.context.is_some_and(|most| tokens > most) {
        return Err(Refusal::new(Reason::TooLong));
    }
    Ok(request)
}

fn model(instance: &Instance, request: &ChatRequest) -> String {
    let default = || instance.models.first().cloned().unwrap_or_default();
    request.model.clone().unwrap_or_else(default)
}

/// OpenAI sends usage in a stream on demand only, the others always do.
fn wants_usage(provider_type: ProviderType, request: &ChatRequest) -> bool {
    provider_type != ProviderType::OpenAi
        || !request.stream
        || request
            .extra
            .get("stream_options")
            .and_then(|options| options.get("include_usage"))
            .and_then(Value::as_bool)
            .unwrap_or(false)
}
