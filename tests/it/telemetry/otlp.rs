//! What a collector gets, read with the official protobuf types.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use llmdeck::base::{ChatRequest, trace::Trace};
use llmdeck::driver::{InstanceSpec, Settings};
use llmdeck::export::otlp::{self, Exporter};
use llmdeck::pool::InstanceSettings;
use llmdeck::provider;
use llmdeck::sim::{Fault, FaultShare, InstanceProfile, Spread};
use llmdeck::{Deck, LlmModelDriver, ProviderType};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode as Code};
use parking_lot::Mutex;
use prost::Message;

use crate::support::{QUESTION, Rig, http};

const CALLERS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// One request that came to the collector, or to an instance.
#[derive(Clone)]
struct Came {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Takes everything and keeps it.
#[derive(Clone, Default)]
struct Catcher {
    came: Arc<Mutex<Vec<Came>>>,
    /// Answers to give before the good ones.
    first: Arc<Mutex<Vec<StatusCode>>>,
}

impl Catcher {
    async fn start(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let catcher = self.clone();
        let take = async move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let path = uri.path().to_owned();
            if let Some(refusal) = catcher.first.lock().pop() {
                return refusal;
            }
            catcher.came.lock().push(Came {
                path,
                headers,
                body,
            });
            StatusCode::OK
        };
        tokio::spawn(async move {
            let router = Router::new().fallback(take);
            axum::serve(listener, router).await.unwrap();
        });
        address
    }

    fn spans(&self) -> Vec<Span> {
        let came = self.came.lock();
        let traces = came.iter().filter(|came| came.path == "/v1/traces");
        let requests = traces.map(|came| ExportTraceServiceRequest::decode(&*came.body).unwrap());
        let resources = requests.flat_map(|request| request.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

fn settings(vars: &[(&str, String)]) -> otlp::Settings {
    let vars: BTreeMap<&str, String> = vars.iter().cloned().collect();
    let get = |name: &str| vars.get(name).cloned();
    otlp::Settings::from_vars(get).unwrap().unwrap()
}

fn text(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|pair| pair.key == key)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

fn profile(name: &str, provider_type: ProviderType) -> InstanceProfile {
    InstanceProfile {
        length: Some(Spread::exactly(40.0)),
        ..InstanceProfile::new(name, provider_type)
    }
}

fn driver_settings() -> Settings {
    Settings {
        seed: Some(1),
        trace: true,
        ..Settings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_is_one_trace_with_two_calls_under_the_callers_span() {
    let mut bad = profile("bad", ProviderType::OpenAi);
    bad.faults = vec![FaultShare {
        fault: Fault::ServerError,
        share: 1.0,
    }];
    let rig = Rig::new(
        driver_settings(),
        vec![bad, profile("good", ProviderType::Ollama)],
        &http(),
        |spec| {
            spec.pool.weight = if spec.pool.name.as_str() == "bad" {
                1_000
            } else {
                1
            }
        },
    );
    let collector = Catcher::default();
    // The first try finds it busy, and is repeated.
    collector.first.lock().push(StatusCode::SERVICE_UNAVAILABLE);
    let address = collector.start().await;
    let vars = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}/")),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20x, a=b".to_owned(),
        ),
        ("OTEL_METRICS_EXPORTER", "none".to_owned()),
        ("OTEL_SERVICE_NAME", "deck".to_owned()),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "host.name=h,service.name=lost".to_owned(),
        ),
        ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
    ];
    let deck = Deck::from(rig.driver.clone());
    let exporter = Exporter::start(&deck, settings(&vars), &http())
        .unwrap()
        .unwrap();
    let mut failed_over = None;
    for _ in 0..20 {
        let mut request = ChatRequest::from(QUESTION);
        request.traceparent = Some(CALLERS.to_owned());
        request.tracestate = Some("vendor=1".to_owned());
        let told = rig.tell(request).await;
        told.outcome.unwrap();
        if !told.retries.is_empty() {
            failed_over = rig.driver.requests(1).pop();
            break;
        }
    }
    let sample = failed_over.expect("one met the bad one first");
    // The first send is refused, and at the end nothing is sent twice: so wait for the second here.
    while collector.came.lock().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    exporter.shutdown().await;

    let came = collector.came.lock().first().cloned().unwrap();
    assert_eq!(came.headers["content-type"], "application/x-protobuf");
    assert_eq!(came.headers["authorization"], "Bearer x");
    let export = ExportTraceServiceRequest::decode(&*came.body).unwrap();
    let resource = export.resource_spans[0].resource.clone().unwrap();
    let names: Vec<_> = resource
        .attributes
        .iter()
        .map(|pair| pair.key.as_str())
        .collect();
    assert_eq!(names, ["service.version", "host.name", "service.name"]);

    let trace = Trace::parse(CALLERS).unwrap();
    let spans = collector.spans();
    let number = sample.request.0.to_string();
    let root = spans
        .iter()
        .find(|span| text(span, "llmdeck.request.id").as_ref() == Some(&number))
        .unwrap();
    assert_eq!(root.trace_id, trace.id.to_be_bytes());
    assert_eq!(root.parent_span_id, trace.parent.unwrap().to_be_bytes());
    assert_eq!(root.trace_state, "vendor=1");
    assert_eq!(root.status, None);
    assert_eq!(text(root, "llmdeck.failovers").unwrap(), "1");
    let lasted = root.end_time_unix_nano - root.start_time_unix_nano;
    assert_eq!(u128::from(lasted), sample.total.as_nanos());

    let children = |of: &Span| -> Vec<Span> {
        let own = |span: &&Span| span.parent_span_id == of.span_id;
        let mut found: Vec<Span> = spans.iter().filter(own).cloned().collect();
        found.retain(|span| span.trace_id == of.trace_id && span.name != "queue");
        found.sort_by_key(|span| span.start_time_unix_nano);
        found
    };
    let attempts = children(root);
    assert_eq!(attempts.len(), 2);
    for (span, attempt) in attempts.iter().zip(&sample.attempts) {
        assert_eq!(span.kind(), SpanKind::Client);
        assert_eq!(span.name, format!("chat {}", attempt.model));
        assert_eq!(text(span, "gen_ai.operation.name").unwrap(), "chat");
        assert_eq!(
            text(span, "llmdeck.instance").unwrap(),
            attempt.instance.as_str()
        );
        let view = rig.view(attempt.instance.as_str());
        let port = text(span, "server.port").unwrap();
        assert!(view.base_url.contains(&format!(":{port}")), "{port}");
        assert_eq!(text(span, "server.address").unwrap(), "127.0.0.1");
        let provider = text(span, "gen_ai.provider.name").unwrap();
        assert_eq!(provider, view.provider_type.as_str());
        assert!(span.start_time_unix_nano >= root.start_time_unix_nano);
        assert!(span.end_time_unix_nano <= root.end_time_unix_nano);
    }
    let [failed, good] = &attempts[..] else {
        unreachable!()
    };
    assert_eq!(failed.status.as_ref().unwrap().code(), Code::Error);
    assert_eq!(text(failed, "error.type").unwrap(), "server");
    assert_eq!(text(failed, "http.response.status_code").unwrap(), "500");
    assert_eq!(text(failed, "gen_ai.usage.output_tokens"), None);
    assert_eq!(good.status, None);
    let tokens = sample.usage.unwrap().completion_tokens.unwrap();
    assert_eq!(
        text(good, "gen_ai.usage.output_tokens").unwrap(),
        tokens.to_string()
    );
    assert_eq!(text(good, "gen_ai.provider.name").unwrap(), "ollama");
    let parts: Vec<_> = children(good).into_iter().map(|span| span.name).collect();
    assert_eq!(parts, ["connect", "first token", "stream"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_the_boards_own_figures() {
    let rig = Rig::new(
        driver_settings(),
        vec![profile("one", ProviderType::OpenAi)],
        &http(),
        |_| {},
    );
    let collector = Catcher::default();
    let address = collector.start().await;
    let vars = [(
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        format!("http://{address}/own/path"),
    )];
    let deck = Deck::from(rig.driver.clone());
    let exporter = Exporter::start(&deck, settings(&vars), &http())
        .unwrap()
        .unwrap();
    for _ in 0..5 {
        rig.ask().await.outcome.unwrap();
    }
    exporter.shutdown().await;
    let came = collector.came.lock().last().cloned().unwrap();
    assert_eq!(
        came.path, "/own/path",
        "a particular endpoint is taken as it stands"
    );
    let export = ExportMetricsServiceRequest::decode(&*came.body).unwrap();
    let metrics = &export.resource_metrics[0].scope_metrics[0].metrics;
    let data = |name: &str| {
        let found = metrics.iter().find(|metric| metric.name == name);
        found.unwrap().data.clone().unwrap()
    };
    let Data::Histogram(duration) = data("gen_ai.client.operation.duration") else {
        panic!("a histogram")
    };
    let point = &duration.data_points[0];
    assert_eq!(point.count, 5);
    assert_eq!(point.bucket_counts.iter().sum::<u64>(), 5);
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    assert!(point.start_time_unix_nano > 0 && point.start_time_unix_nano < point.time_unix_nano);
    let Data::Sum(requests) = data("llmdeck.requests") else {
        panic!("a sum")
    };
    assert!(requests.is_monotonic);
    let value = requests.data_points[0].value.unwrap();
    assert_eq!(value, number_data_point::Value::AsInt(5));
    assert!(matches!(data("llmdeck.instance.permits"), Data::Gauge(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_does_not_answer_costs_traces_and_not_requests() {
    let rig = Rig::new(
        driver_settings(),
        vec![profile("one", ProviderType::OpenAi)],
        &http(),
        |_| {},
    );
    // It takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let vars = [
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            format!("http://{address}/v1/traces"),
        ),
        ("OTEL_BSP_SCHEDULE_DELAY", "1".to_owned()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "4".to_owned()),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1".to_owned()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "600000".to_owned()),
    ];
    let deck = Deck::from(rig.driver.clone());
    let exporter = Exporter::start(&deck, settings(&vars), &http())
        .unwrap()
        .unwrap();
    let many = 40;
    for _ in 0..many {
        rig.ask().await.outcome.unwrap();
    }
    let begun = tokio::time::Instant::now();
    while exporter.dropped() < many - 6 {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{} dropped",
            exporter.dropped()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An instance that keeps the headers it is asked with, and its driver.
async fn listening_instance(trace: bool) -> (Catcher, LlmModelDriver) {
    let instance = Catcher::default();
    let address = instance.start().await;
    let mut reach = provider::Settings::new("one", ProviderType::Ollama);
    reach.base_url = Some(format!("http://{address}"));
    let mut pool = InstanceSettings::new("one", ProviderType::Ollama);
    pool.models = vec!["m".to_owned()];
    let spec = InstanceSpec {
        settings: pool,
        strategy: provider::build(reach, &http()).unwrap(),
    };
    let mut settings = driver_settings();
    settings.trace = trace;
    settings.retry.attempts = 1;
    let driver = LlmModelDriver::new(settings, Vec::new(), vec![spec]).unwrap();
    (instance, driver)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_instance_is_told_the_attempts_span_and_the_callers_flag() {
    let (instance, driver) = listening_instance(true).await;
    let collector = Catcher::default();
    let address = collector.start().await;
    let vars = [("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))];
    let deck = Deck::from(driver.clone());
    let exporter = Exporter::start(&deck, settings(&vars), &http())
        .unwrap()
        .unwrap();
    let unsampled = CALLERS.replace("-01", "-00");
    for traceparent in [Some(CALLERS), Some(&unsampled), None] {
        let mut request = ChatRequest::from(QUESTION);
        request.traceparent = traceparent.map(str::to_owned);
        request.tracestate = Some("vendor=1".to_owned());
        // The instance answers nothing that makes sense; it was asked all the same.
        driver.chat(request).await.unwrap_err();
    }
    exporter.shutdown().await;
    let told: Vec<Trace> = instance
        .came
        .lock()
        .iter()
        .map(|came| Trace::parse(came.headers["traceparent"].to_str().unwrap()).unwrap())
        .collect();
    let caller = Trace::parse(CALLERS).unwrap();
    assert_eq!(told.len(), 3);
    let states: Vec<bool> = instance
        .came
        .lock()
        .iter()
        .map(|came| came.headers.contains_key("tracestate"))
        .collect();
    assert_eq!(states, [true, true, false], "a new trace has no state");
    assert_eq!([told[0].id, told[1].id], [caller.id; 2]);
    assert_ne!(told[2].id, caller.id);
    assert_eq!(
        told.iter().map(Trace::is_sampled).collect::<Vec<_>>(),
        [true, false, true]
    );
    let spans = collector.spans();
    for (trace, exported) in told.iter().zip([true, false, true]) {
        let span = trace.parent.unwrap().to_be_bytes();
        let found = spans.iter().find(|found| found.span_id == span);
        assert_eq!(
            found.is_some(),
            exported,
            "an unsampled trace is not exported"
        );
        assert!(found.is_none_or(|found| found.name == "chat m"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_export_a_traceparent_goes_through_as_it_came() {
    let (instance, driver) = listening_instance(false).await;
    for traceparent in [Some(CALLERS), None, Some("nonsense\r\nx: y")] {
        let mut request = ChatRequest::from(QUESTION);
        request.traceparent = traceparent.map(str::to_owned);
        request.tracestate = Some("a=b,c=d".to_owned());
        driver.chat(request).await.unwrap_err();
    }
    let came = instance.came.lock();
    let told: Vec<_> = came
        .iter()
        .map(|came| {
            came.headers
                .get("traceparent")
                .map(|value| value.to_str().unwrap())
        })
        .collect();
    assert_eq!(told, [Some(CALLERS), None, None]);
    let state = |came: &Came| came.headers.get("tracestate").cloned();
    let states: Vec<_> = came.iter().map(state).collect();
    assert_eq!(states, [Some("a=b,c=d".parse().unwrap()), None, None]);
}
