//! Spans of ended requests, after the GenAI conventions.
//!
//! ```text
//! request                    what the caller waited for, whoever answered
//!   queue                    the wait for a permit, before each attempt that waited
//!   chat MODEL               an attempt: one call of one instance (kind client)
//!     connect                until the response's headers
//!     first token            from there to the first token
//!     stream                 from there to the end
//! ```
//! Tokens stand at the attempt that answered and nowhere else, so that sums over spans are right.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::proto::{nanos, number, resource, scope, text, texts, whole};
use crate::base::trace::{Trace, attempt_span, part_span, request_span};
use crate::base::{Attempt, Board, InstanceName, InstanceView, Outcome, ProviderType, Sample};
use crate::export::families::{CHAT, label};

/// The flags that say whether the parent is known to be in another process: known, and it is.
const REMOTE_PARENT: u32 = 0x300;
/// Known, and it is not.
const LOCAL_PARENT: u32 = 0x100;

/// Makes an export of some requests.
pub(super) fn request(
    samples: &[Arc<Sample>],
    servers: &Servers,
    attributes: &[(String, String)],
) -> ExportTraceServiceRequest {
    let mut spans = Vec::new();
    for sample in samples {
        Tree::of(sample, servers).write(&mut spans);
    }
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource(attributes)),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope()),
                spans,
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        }],
    }
}

/// Where instances are, by their names.
#[derive(Default)]
pub(super) struct Servers(HashMap<InstanceName, Server>);

struct Server {
    provider_type: ProviderType,
    /// Host and port.
    place: Option<(String, u16)>,
}

impl Servers {
    /// Reads them off a board.
    pub(super) fn of(board: &Board) -> Self {
        let server = |instance: &InstanceView| Server {
            provider_type: instance.provider_type,
            place: reqwest::Url::parse(&instance.base_url)
                .ok()
                .and_then(|url| {
                    let host = url.host_str()?.trim_matches(['[', ']']);
                    Some((host.to_owned(), url.port_or_known_default()?))
                }),
        };
        let instances = board.instances.iter();
        Self(
            instances
                .map(|instance| (instance.name.clone(), server(instance)))
                .collect(),
        )
    }
}

/// One request and its place in a trace.
struct Tree<'s> {
    sample: &'s Sample,
    servers: &'s Servers,
    trace: Trace,
    root: u64,
    called: u64,
}

/// A span before it is written: its number, its parent's, its times from the call on.
struct Plan {
    id: u64,
    parent: u64,
    begin: Duration,
    end: Duration,
}

impl<'s> Tree<'s> {
    fn of(sample: &'s Sample, servers: &'s Servers) -> Self {
        Self {
            sample,
            servers,
            trace: Trace::of(sample.request, sample.traceparent.as_deref()),
            root: request_span(sample.request),
            called: nanos(sample.called_at),
        }
    }

    fn write(&self, spans: &mut Vec<Span>) {
        spans.push(self.request());
        // A request that never got a permit waited all the same.
        if self.sample.attempts.is_empty() && !self.sample.queued.is_zero() {
            let id = part_span(self.sample.request, &"".into(), Duration::ZERO, "queue");
            let begin = Duration::ZERO;
            spans.push(self.queue(id, begin, self.sample.queued));
        }
        for attempt in &self.sample.attempts {
            self.attempt(attempt, spans);
        }
    }

    fn request(&self) -> Span {
        let sample = self.sample;
        let mut attributes = vec![
            whole("llmdeck.request.id", sample.request.0),
            number("llmdeck.queued", sample.queued.as_secs_f64()),
            whole("llmdeck.retries", u64::from(sample.retries)),
            whole("llmdeck.failovers", u64::from(sample.failovers)),
            whole("llmdeck.hedges", u64::from(sample.hedges)),
        ];
        let mut some = |key: &str, value: Option<&str>| {
            attributes.extend(value.map(|value| text(key, value)));
        };
        some(label::ROUTE, sample.route.as_ref().map(AsRef::as_ref));
        some(label::INSTANCE, sample.instance.as_ref().map(AsRef::as_ref));
        some("llmdeck.caller", sample.caller.as_deref());
        some("gen_ai.conversation.id", sample.conversation.as_deref());
        if let Some(first) = sample.time_to_first_token {
            attributes.push(number(
                "gen_ai.response.time_to_first_chunk",
                first.as_secs_f64(),
            ));
        }
        attributes.extend(sample.cost.map(|cost| number("llmdeck.cost.usd", cost)));
        let plan = Plan {
            id: self.root,
            parent: self.trace.parent.unwrap_or(0),
            begin: Duration::ZERO,
            end: sample.total,
        };
        let message = sample.error.as_ref().map(|(_, message)| message.as_str());
        let mut span = self.span("request", &plan, attributes);
        fail(&mut span, sample.outcome, message);
        if self.trace.parent.is_some() {
            span.flags = REMOTE_PARENT | u32::from(self.trace.flags);
        }
        span
    }

    fn queue(&self, id: u64, begin: Duration, queued: Duration) -> Span {
        let plan = Plan {
            id,
            parent: self.root,
            begin,
            end: begin + queued,
        };
        self.span("queue", &plan, Vec::new())
    }

    fn attempt(&self, attempt: &Attempt, spans: &mut Vec<Span>) {
        let (request, begin) = (self.sample.request, attempt.started_after);
        let part = |name| part_span(request, &attempt.instance, begin, name);
        if !attempt.queued.is_zero() {
            let queued_from = begin.saturating_sub(attempt.queued);
            spans.push(self.queue(part("queue"), queued_from, attempt.queued.min(begin)));
        }
        let id = attempt_span(request, &attempt.instance, begin);
        let plan = Plan {
            id,
            parent: self.root,
            begin,
            end: begin + attempt.total,
        };
        let name = format!("{CHAT} {}", attempt.model);
        let mut span = self.span(name.trim_end(), &plan, self.attributes(attempt));
        span.kind = SpanKind::Client.into();
        fail(&mut span, attempt.outcome, attempt.message.as_deref());
        spans.push(span);

        let within = |at: Duration| at.min(attempt.total);
        let headers = within(attempt.headers.unwrap_or(attempt.total));
        let first = within(attempt.first_token.unwrap_or(attempt.total)).max(headers);
        let parts = [
            ("connect", Duration::ZERO, headers, true),
            ("first token", headers, first, attempt.headers.is_some()),
            (
                "stream",
                first,
                attempt.total,
                attempt.first_token.is_some(),
            ),
        ];
        for (name, from, to, _) in parts.into_iter().filter(|(.., happened)| *happened) {
            let plan = Plan {
                id: part(name),
                parent: id,
                begin: begin + from,
                end: begin + to,
            };
            spans.push(self.span(name, &plan, Vec::new()));
        }
    }

    fn attributes(&self, attempt: &Attempt) -> Vec<KeyValue> {
        let sample = self.sample;
        let mut attributes = vec![
            text(label::OPERATION, CHAT),
            text(label::MODEL, &attempt.model),
            text(label::INSTANCE, attempt.instance.as_str()),
        ];
        // Of an instance that has left meanwhile the sample may still know the type.
        let server = self.servers.0.get(&attempt.instance);
        let is_last = sample.instance.as_ref() == Some(&attempt.instance);
        let provider_type = server
            .map(|server| server.provider_type)
            .or(sample.provider_type.filter(|_| is_last));
        attributes.extend(provider_type.map(|of| text(label::PROVIDER, of.as_str())));
        if let Some((address, port)) = server.and_then(|server| server.place.as_ref()) {
            attributes.push(text("server.address", address));
            attributes.push(whole("server.port", u64::from(*port)));
        }
        if let Some(status) = attempt.status {
            attributes.push(whole("http.response.status_code", u64::from(status)));
        }
        let first = attempt.first_token.map(|first| first.as_secs_f64());
        attributes.extend(first.map(|first| number("gen_ai.response.time_to_first_chunk", first)));
        if attempt.outcome == Outcome::Success {
            let reason = sample.finish_reason.map(finish_word);
            attributes.extend(reason.map(|word| texts("gen_ai.response.finish_reasons", [word])));
            let usage = sample.usage.unwrap_or_default();
            for (key, tokens) in [
                ("gen_ai.usage.input_tokens", usage.prompt_tokens),
                ("gen_ai.usage.output_tokens", usage.completion_tokens),
                ("gen_ai.usage.cache_read.input_tokens", usage.cached_tokens),
                (
                    "gen_ai.usage.cache_creation.input_tokens",
                    usage.cache_write_tokens,
                ),
                (
                    "gen_ai.usage.reasoning.output_tokens",
                    usage.reasoning_tokens,
                ),
            ] {
                attributes.extend(tokens.map(|tokens| whole(key, tokens)));
            }
        }
        attributes
    }

    fn span(&self, name: &str, plan: &Plan, attributes: Vec<KeyValue>) -> Span {
        let at = |after: Duration| self.called.saturating_add(after.as_nanos() as u64);
        let parent = match plan.parent {
            0 => Vec::new(),
            parent => parent.to_be_bytes().to_vec(),
        };
        Span {
            trace_id: self.trace.id.to_be_bytes().to_vec(),
            trace_state: self.sample.tracestate.clone().unwrap_or_default(),
            span_id: plan.id.to_be_bytes().to_vec(),
            parent_span_id: parent,
            flags: LOCAL_PARENT | u32::from(self.trace.flags),
            name: name.to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: at(plan.begin),
            end_time_unix_nano: at(plan.end),
            attributes,
            ..Span::default()
        }
    }
}

/// Marks what failed. A cancelled one is marked by its `error.type` alone: nothing went wrong.
fn fail(span: &mut Span, outcome: Outcome, message: Option<&str>) {
    match outcome {
        Outcome::Success => {}
        Outcome::Cancelled => span.attributes.push(text(label::ERROR, "cancelled")),
        Outcome::Failure(kind) => {
            span.attributes.push(text(label::ERROR, kind.as_str()));
            span.status = Some(Status {
                message: message.unwrap_or(kind.words()).to_owned(),
                code: StatusCode::Error.into(),
            });
        }
    }
}

fn finish_word(reason: crate::base::FinishReason) -> String {
    match serde_json::to_value(reason) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "unknown".to_owned(),
    }
}
