//! Metrics as OTLP has them: cumulative since the start.

use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
};

use super::proto::{nanos, resource, scope, text};
use crate::base::{Board, Figures};
use crate::export::families::{Family, Labels, Value, families};
use crate::export::metric::Kind;

/// Makes an export of everything.
pub(super) fn request(
    board: &Board,
    figures: &Figures,
    attributes: &[(String, String)],
    now: Timestamp,
) -> ExportMetricsServiceRequest {
    let times = (nanos(now - board.uptime), nanos(now));
    let metrics = families(board, figures);
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource(attributes)),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope()),
                metrics: metrics.iter().map(|of| metric(of, times)).collect(),
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        }],
    }
}

fn metric(family: &Family, times: (u64, u64)) -> Metric {
    let temporality = AggregationTemporality::Cumulative.into();
    let numbers = || {
        family
            .points
            .iter()
            .filter_map(|point| number(&point.labels, &point.value, times))
            .collect()
    };
    let data = match family.metric.kind {
        Kind::Gauge => Data::Gauge(Gauge {
            data_points: numbers(),
        }),
        Kind::Counter => Data::Sum(Sum {
            data_points: numbers(),
            aggregation_temporality: temporality,
            is_monotonic: true,
        }),
        Kind::Histogram => Data::Histogram(Histogram {
            data_points: family
                .points
                .iter()
                .filter_map(|point| histogram(&point.labels, &point.value, times))
                .collect(),
            aggregation_temporality: temporality,
        }),
    };
    Metric {
        name: family.metric.name.to_owned(),
        description: family.metric.help.to_owned(),
        unit: family.metric.unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn number(labels: &Labels, value: &Value, (start, now): (u64, u64)) -> Option<NumberDataPoint> {
    let value = match value {
        Value::Count(count) => {
            number_data_point::Value::AsInt(i64::try_from(*count).unwrap_or(i64::MAX))
        }
        Value::Number(number) => number_data_point::Value::AsDouble(*number),
        Value::Distribution(..) => return None,
    };
    Some(NumberDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: start,
        time_unix_nano: now,
        value: Some(value),
        ..NumberDataPoint::default()
    })
}

fn histogram(
    labels: &Labels,
    value: &Value,
    (start, now): (u64, u64),
) -> Option<HistogramDataPoint> {
    let Value::Distribution(measure, distribution) = value else {
        return None;
    };
    let bounds = measure.bounds().iter();
    Some(HistogramDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: start,
        time_unix_nano: now,
        count: distribution.count(),
        sum: Some(distribution.sum as f64 / measure.scale()),
        bucket_counts: distribution.counts.clone(),
        explicit_bounds: bounds
            .map(|bound| *bound as f64 / measure.scale())
            .collect(),
        ..HistogramDataPoint::default()
    })
}

fn attributes(labels: &Labels) -> Vec<KeyValue> {
    labels
        .iter()
        .map(|(key, value)| text(key, value.as_ref()))
        .collect()
}
