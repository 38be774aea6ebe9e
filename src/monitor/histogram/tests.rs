use proptest::prelude::*;

use super::*;

#[test]
fn every_bucket_ends_where_the_next_begins() {
    for bucket in 0..bucket_of(LONGEST) {
        let last = highest_in(bucket);
        assert_eq!(bucket_of(last), bucket, "the last value of {bucket}");
        assert_eq!(bucket_of(last + 1), bucket + 1, "the first of the next");
    }
}

#[test]
fn a_bucket_is_narrower_than_a_128th_of_its_values() {
    for bucket in 256..bucket_of(LONGEST) {
        let lowest = highest_in(bucket - 1) + 1;
        assert!((highest_in(bucket) - lowest) * 128 < lowest, "{bucket}");
    }
}

#[test]
fn longer_than_a_day_counts_as_a_day() {
    assert_eq!(bucket_of(u64::MAX), bucket_of(LONGEST));
    assert!(
        bucket_of(LONGEST) / WORD < 64,
        "one word tells of all words"
    );
}

#[test]
fn clearing_leaves_nothing_behind() {
    let mut histogram = Histogram::default();
    histogram.record(5);
    histogram.record(1_000_000);
    (0..300).for_each(|micros| histogram.record(micros));
    histogram.clear();
    assert_eq!(histogram.percentiles(), None);
    histogram.record(70);
    assert_eq!(histogram.iter().collect::<Vec<_>>(), [(70, 1)]);
}

proptest! {
    #[test]
    fn percentiles_are_those_of_the_sorted_values_within_the_stated_error(
        mut values in prop::collection::vec(
            prop_oneof![0..1_000_u64, 1_000..1_000_000_u64, 1_000_000..90_000_000_u64], 1..400),
    ) {
        let mut histogram = Histogram::default();
        for value in &values {
            histogram.record(*value);
        }
        values.sort_unstable();
        let got = histogram.percentiles().unwrap();
        prop_assert_eq!(got.count, values.len() as u64);
        let exact = |percent: usize| values[(values.len() * percent).div_ceil(100) - 1];
        let pairs = [
            (got.p50, exact(50)),
            (got.p90, exact(90)),
            (got.p95, exact(95)),
            (got.p99, exact(99)),
            (got.max, exact(100)),
        ];
        for (got, exact) in pairs {
            let got = got.as_micros() as u64;
            prop_assert!(got >= exact && (got - exact) * 128 <= exact, "{} is not {}", got, exact);
        }
    }

    #[test]
    fn hdrhistogram_with_two_digits_has_the_same_buckets(
        values in prop::collection::vec(0..90_000_000_u64, 1..200),
    ) {
        let mut histogram = Histogram::default();
        let mut other = hdrhistogram::Histogram::<u64>::new(2).unwrap();
        for value in &values {
            histogram.record(*value);
            other.record(*value).unwrap();
        }
        let ours: Vec<_> = histogram.iter().map(|(bucket, n)| (highest_in(bucket), u64::from(n))).collect();
        let theirs: Vec<_> = other
            .iter_recorded()
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
            .collect();
        prop_assert_eq!(ours, theirs);
    }
}
