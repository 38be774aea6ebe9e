//! What the `OTEL_` variables say, as the OpenTelemetry specification has it.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::base::trace::Trace;
use crate::base::{Error, ErrorKind};

/// Where and how to export.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where traces go; `None` when they do not.
    pub traces: Option<Signal>,
    /// Where metrics go; `None` when they do not.
    pub metrics: Option<Signal>,
    /// Who exports, as attributes.
    pub resource: Vec<(String, String)>,
    /// Which traces are exported.
    pub sampler: Sampler,
    /// How long the first of a batch of traces waits for others.
    pub delay: Duration,
    /// Requests in one batch of traces.
    pub batch: usize,
    /// Requests that wait for a batch; more are dropped.
    pub queue: usize,
    /// How often metrics are sent.
    pub every: Duration,
}

/// Where one kind of data goes.
#[derive(Clone)]
pub struct Signal {
    /// The whole URL.
    pub url: Url,
    /// Headers to send along; they may hold keys.
    pub headers: HeaderMap,
    /// How long one export may take, retries included.
    pub timeout: Duration,
    /// Certificate authorities to trust beside the usual ones.
    pub certificate: Option<PathBuf>,
}

impl std::fmt::Debug for Signal {
    /// Leaves the headers out, and what may be secret in the URL.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signal")
            .field("url", &self.shown())
            .finish_non_exhaustive()
    }
}

impl Signal {
    /// Returns the URL without user, password and query.
    pub fn shown(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port().map(|port| format!(":{port}"));
        format!(
            "{}://{host}{}{}",
            self.url.scheme(),
            port.unwrap_or_default(),
            self.url.path()
        )
    }
}

/// Which traces are exported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Whether a caller's sampled flag decides, where there is a caller.
    pub ask_parent: bool,
    /// The share of the others, from 0 to 1.
    pub share: f64,
}

impl Sampler {
    /// Tells whether a trace is exported.
    pub fn takes(self, trace: &Trace) -> bool {
        if self.ask_parent && trace.parent.is_some() {
            return trace.is_sampled();
        }
        // As SDKs do it: the low eight bytes of the trace's number, so that all of a trace agree.
        (trace.id as u64) as f64 / (u64::MAX as f64 + 1.0) < self.share
    }
}

impl Settings {
    /// Reads the variables; `None` when they ask for nothing.
    ///
    /// # Errors
    /// `config`, naming the variable, when one makes no sense. The specification would rather have it ignored, but then
    /// traces would be missing without a word.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        let vars = Vars(&get);
        if vars.is_true("OTEL_SDK_DISABLED") {
            return Ok(None);
        }
        let traces = vars.signal("TRACES", "v1/traces")?;
        let metrics = vars.signal("METRICS", "v1/metrics")?;
        if traces.is_none() && metrics.is_none() {
            return Ok(None);
        }
        let millis = |name, usual| -> Result<Duration, Error> {
            Ok(Duration::from_millis(vars.whole(name, usual)?.max(1)))
        };
        let queue = vars
            .whole("OTEL_BSP_MAX_QUEUE_SIZE", 2_048)?
            .clamp(1, 1 << 20);
        let batch = vars.whole("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)?;
        Ok(Some(Self {
            traces,
            metrics,
            resource: vars.resource()?,
            sampler: vars.sampler()?,
            delay: millis("OTEL_BSP_SCHEDULE_DELAY", 5_000)?,
            batch: batch.clamp(1, queue) as usize,
            queue: queue as usize,
            every: millis("OTEL_METRIC_EXPORT_INTERVAL", 60_000)?,
        }))
    }
}

struct Vars<'v>(&'v dyn Fn(&str) -> Option<String>);

impl Vars<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    fn is_true(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn whole(&self, name: &str, usual: u64) -> Result<u64, Error> {
        self.get(name).map_or(Ok(usual), |value| {
            value
                .parse()
                .map_err(|_| wrong(name, "is not a whole number"))
        })
    }

    /// Reads `OTEL_EXPORTER_OTLP_{which}_{what}`, else `OTEL_EXPORTER_OTLP_{what}`, with the name of the one found.
    fn either(&self, which: &str, what: &str) -> Option<(String, String)> {
        [
            format!("OTEL_EXPORTER_OTLP_{which}_{what}"),
            format!("OTEL_EXPORTER_OTLP_{what}"),
        ]
        .into_iter()
        .find_map(|name| Some((self.get(&name)?, name)))
    }

    fn signal(&self, which: &str, path: &str) -> Result<Option<Signal>, Error> {
        let exporter = format!("OTEL_{which}_EXPORTER");
        if self.get(&exporter).is_some_and(|value| value == "none") {
            return Ok(None);
        }
        let Some((endpoint, name)) = self.either(which, "ENDPOINT") else {
            return Ok(None);
        };
        let mut url = Url::parse(&endpoint)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| wrong(&name, "is not an http or https URL"))?;
        // The general one is a base, the particular one is taken as it stands.
        if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
            let base = url.path().trim_end_matches('/').to_owned();
            url.set_path(&format!("{base}/{path}"));
        }
        if let Some((protocol, name)) = self.either(which, "PROTOCOL")
            && protocol != "http/protobuf"
        {
            return Err(wrong(
                &name,
                "must be http/protobuf; collectors take it on port 4318",
            ));
        }
        if let Some((compression, name)) = self.either(which, "COMPRESSION")
            && compression != "none"
        {
            return Err(wrong(&name, "must be none: nothing is sent compressed"));
        }
        let headers = match self.either(which, "HEADERS") {
            Some((list, name)) => headers(&list)
                .ok_or_else(|| wrong(&name, "is not a list of name=value, separated by commas"))?,
            None => HeaderMap::new(),
        };
        let timeout = match self.either(which, "TIMEOUT") {
            Some((_, name)) => self.whole(&name, 10_000)?,
            None => 10_000,
        };
        Ok(Some(Signal {
            url,
            headers,
            timeout: Duration::from_millis(timeout.max(1)),
            certificate: self
                .either(which, "CERTIFICATE")
                .map(|(path, _)| PathBuf::from(path)),
        }))
    }

    fn resource(&self) -> Result<Vec<(String, String)>, Error> {
        const NAME: &str = "OTEL_RESOURCE_ATTRIBUTES";
        let mut attributes = vec![
            ("service.name".to_owned(), "llmdeck".to_owned()),
            (
                "service.version".to_owned(),
                env!("CARGO_PKG_VERSION").to_owned(),
            ),
        ];
        let own = self.get(NAME).unwrap_or_default();
        let own = pairs(&own)
            .ok_or_else(|| wrong(NAME, "is not a list of name=value, separated by commas"))?;
        let name = self.get("OTEL_SERVICE_NAME");
        for (key, value) in own
            .into_iter()
            .chain(name.map(|name| ("service.name".to_owned(), name)))
        {
            attributes.retain(|(known, _)| *known != key);
            attributes.push((key, value));
        }
        Ok(attributes)
    }

    fn sampler(&self) -> Result<Sampler, Error> {
        const NAME: &str = "OTEL_TRACES_SAMPLER";
        const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
        let share = || match self.get(ARGUMENT) {
            None => Ok(1.0),
            Some(text) => text
                .parse()
                .ok()
                .filter(|share| (0.0..=1.0).contains(share))
                .ok_or_else(|| wrong(ARGUMENT, "is not a number from 0 to 1")),
        };
        let word = self.get(NAME);
        let (ask_parent, share) = match word.as_deref().unwrap_or("parentbased_always_on") {
            "always_on" => (false, 1.0),
            "always_off" => (false, 0.0),
            "traceidratio" => (false, share()?),
            "parentbased_always_on" => (true, 1.0),
            "parentbased_always_off" => (true, 0.0),
            "parentbased_traceidratio" => (true, share()?),
            _ => {
                return Err(wrong(
                    NAME,
                    "must be always_on, always_off, traceidratio, or one of these after parentbased_",
                ));
            }
        };
        Ok(Sampler { ask_parent, share })
    }
}

fn headers(list: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(list)? {
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        headers.insert(HeaderName::try_from(name).ok()?, value);
    }
    Some(headers)
}

/// Reads `name=value,name=value`; values may be percent-encoded.
fn pairs(list: &str) -> Option<Vec<(String, String)>> {
    list.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let name = name.trim();
            (!name.is_empty()).then(|| Some((name.to_owned(), decoded(value.trim())?)))?
        })
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The value is not shown: it may hold a key.
fn wrong(name: &str, what: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{name} {what}"))
        .with_hint("mend the variable, or set OTEL_SDK_DISABLED=true to export nothing")
}
