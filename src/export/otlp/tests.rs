use super::*;

fn read(vars: &[(&str, &str)]) -> Result<Option<Settings>, Error> {
    Settings::from_vars(|name| {
        let found = vars.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

#[test]
fn without_an_endpoint_nothing_runs() {
    assert!(read(&[]).unwrap().is_none());
    assert!(read(&[("OTEL_SERVICE_NAME", "x")]).unwrap().is_none());
    assert!(
        read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")])
            .unwrap()
            .is_none()
    );
    let neither = [
        ENDPOINT,
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "none"),
    ];
    assert!(read(&neither).unwrap().is_none());
}

#[test]
fn the_general_endpoint_is_a_base_and_a_particular_one_is_whole() {
    let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/otlp/");
    let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1/x");
    let settings = read(&[base, own]).unwrap().unwrap();
    assert_eq!(settings.traces.unwrap().url.as_str(), "http://t:1/x");
    let metrics = settings.metrics.unwrap();
    assert_eq!(metrics.url.as_str(), "https://c/otlp/v1/metrics");
}

#[test]
fn a_variable_that_makes_no_sense_is_named_and_its_value_is_not() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "secret"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://secret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=%zzsecret"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "secret"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "secret"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "secret"),
        ("OTEL_RESOURCE_ATTRIBUTES", "secret"),
        ("OTEL_TRACES_SAMPLER", "secret"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "secret"),
    ] {
        let error = read(&[(name, value), ENDPOINT]).err();
        let error = error.unwrap_or_else(|| panic!("{name} was taken"));
        assert!(error.message().starts_with(name), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn keys_in_headers_and_addresses_are_not_shown() {
    let vars = [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://u:secret@c/p?key=secret",
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret"),
    ];
    let settings = read(&vars).unwrap().unwrap();
    assert!(!format!("{settings:?}").contains("secret"));
    assert_eq!(settings.traces.unwrap().shown(), "https://c/p/v1/traces");
}

#[test]
fn a_share_of_traces_is_taken_and_a_caller_decides_for_its_own() {
    let vars = [
        ENDPOINT,
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
    ];
    let sampler = read(&vars).unwrap().unwrap().sampler;
    let own = |number| Trace::of(crate::base::RequestId(number), None);
    let taken = (0..4_000)
        .filter(|number| sampler.takes(&own(*number)))
        .count();
    assert!((800..1_200).contains(&taken), "{taken} of 4000");
    let called = |flags| Trace {
        parent: Some(1),
        flags,
        ..own(1)
    };
    assert!(sampler.takes(&called(1)) && !sampler.takes(&called(0)));
    let off = read(&[ENDPOINT, ("OTEL_TRACES_SAMPLER", "always_off")]);
    assert!(!off.unwrap().unwrap().sampler.takes(&called(1)));
}
