//! Figures for other programs: Prometheus text, and traces and metrics for OpenTelemetry collectors.
//!
//! There is one list of metrics ([`metric`]) and one reading of a deck in its terms ([`families`]); the exporters only write
//! it down. Names and attributes are those of the OpenTelemetry GenAI conventions where these have any; in
//! Prometheus text they appear in the usual translation (dots become `_`, the unit and `_total` are appended).

mod families;
#[cfg(feature = "cli")]
mod listen;
pub mod metric;
#[cfg(feature = "otel")]
pub mod otlp;
mod prometheus;

pub use families::{Family, Labels, Point, Value, families};
#[cfg(feature = "cli")]
pub use listen::{MetricsListener, listen_address};
pub use metric::Metric;
pub use prometheus::{CONTENT_TYPE, prometheus};
