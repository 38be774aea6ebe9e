//! What other programs are told: a real Prometheus scrapes, and a collector's messages are read with the official types.

mod account;
#[cfg(feature = "otel")]
mod otlp;
mod prometheus;
