use proptest::prelude::*;

use super::*;
use crate::base::Outcome;

fn success(micros: u64) -> (Tally, Timings) {
    let mut timings = Timings::default();
    timings.set(Timing::Total, Some(Duration::from_micros(micros)));
    (Tally::of(Outcome::Success, &timings), timings)
}

fn add(timeline: &mut Timeline, second: u64) {
    let (tally, timings) = success(second + 1);
    timeline.add(&tally, &timings, second);
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn windows_are_cut_from_the_finest_slots_that_reach() {
    let cut = |minutes: u64, most| {
        let cut = Cut::new(Duration::from_secs(60 * minutes), most);
        (cut.step().as_secs(), cut.buckets)
    };
    assert_eq!(cut(1, 200), (1, 60));
    assert_eq!(cut(1, 40), (2, 30));
    assert_eq!(cut(5, 200), (2, 150));
    assert_eq!(cut(5, 40), (8, 38));
    assert_eq!(cut(15, 200), (10, 90));
    assert_eq!(cut(60, 200), (20, 180));
    assert_eq!(cut(60, 40), (90, 40));
    assert_eq!(cut(24 * 60, 200), (600, 144));
    assert_eq!(cut(24 * 60, 40), (2400, 36));
    assert_eq!(
        Cut::new(Duration::ZERO, 0),
        Cut {
            level: 0,
            slots: 1,
            buckets: 1
        }
    );
}

#[test]
fn no_cut_reaches_behind_its_ring() {
    for minutes in 1..=3_000_u64 {
        for most in (1..=260).chain([usize::MAX]) {
            let cut = Cut::new(MINUTE * minutes as u32, most);
            let (length, kept) = LEVELS[cut.level];
            assert!(cut.buckets >= 1 && cut.buckets <= most as u64);
            assert!(
                cut.buckets * cut.slots <= kept as u64,
                "{minutes} min in {most}"
            );
            let reach = cut.buckets * cut.slots * length;
            assert!(
                reach >= 60 * minutes || minutes > 24 * 60 && cut.level == 2,
                "{minutes} min in {most}: {cut:?}"
            );
        }
    }
}

#[test]
fn a_sample_leaves_the_minute_after_sixty_seconds() {
    let mut timeline = Timeline::new();
    add(&mut timeline, 100);
    assert_eq!(timeline.sum(0, 60, 100).successful, 1);
    assert_eq!(timeline.sum(0, 60, 159).successful, 1);
    assert_eq!(timeline.sum(0, 60, 160).successful, 0);
}

#[test]
fn a_late_comer_counts_in_the_open_second() {
    let mut timeline = Timeline::new();
    add(&mut timeline, 100);
    add(&mut timeline, 99);
    assert_eq!(timeline.sum(0, 1, 100).successful, 2);
}

#[test]
fn after_an_idle_year_nothing_old_comes_back() {
    let mut timeline = Timeline::new();
    for second in 0..2_000 {
        add(&mut timeline, second);
    }
    let year = 365 * 24 * 3600;
    add(&mut timeline, year);
    for (level, (_, kept)) in LEVELS.into_iter().enumerate() {
        assert_eq!(timeline.sum(level, kept as u64, year).successful, 1);
    }
}

#[test]
fn a_day_of_one_a_second_is_all_there_at_every_level() {
    let mut timeline = Timeline::new();
    let end = 3 * 24 * 3600 + 1234;
    for second in 0..=end {
        add(&mut timeline, second);
    }
    for (level, (length, kept)) in LEVELS.into_iter().enumerate() {
        for slots in [1, 2, 7, kept as u64] {
            let start = (end / length + 1 - slots) * length;
            let sum = timeline.sum(level, slots, end);
            assert_eq!(
                sum.successful,
                end + 1 - start,
                "{slots} slots of {length} s"
            );
            let micros: u64 = (start..=end).map(|second| second + 1).sum();
            assert_eq!(sum.total_micros, micros);
        }
    }
}

/// Seconds to go on, mostly short, now and then very long.
fn steps() -> impl Strategy<Value = Vec<u64>> {
    let step = prop_oneof![
        8 => 0..3_u64,
        4 => 3..30_u64,
        2 => 30..700_u64,
        1 => 700..100_000_u64,
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    #[test]
    fn every_window_holds_exactly_what_ended_in_its_slots(
        steps in steps(),
        idle in 0..5_000_u64,
        window in 1..90_000_u64,
        most in 1..250_usize,
    ) {
        let mut timeline = Timeline::new();
        let mut seconds = Vec::new();
        let mut now = 0;
        for step in steps {
            now += step;
            seconds.push(now);
            add(&mut timeline, now);
        }
        now += idle;
        let cut = Cut::new(Duration::from_secs(window), most);
        let reading = timeline.read(cut, now, 0);
        let step = cut.step().as_secs();
        prop_assert_eq!(reading.newest, now / step);
        prop_assert_eq!(reading.oldest, (now / step).saturating_sub(cut.buckets - 1));
        prop_assert!(reading.parts.is_sorted_by_key(|(number, _)| *number));
        let mut scratch = Histogram::default();
        for bucket in reading.oldest..=reading.newest {
            let expected: Vec<u64> = seconds.iter().copied().filter(|second| second / step == bucket).collect();
            let mut tally = Tally::default();
            scratch.clear();
            for (_, slot) in reading.parts.iter().filter(|(number, _)| *number == bucket) {
                tally += &slot.tally;
                slot.packed.pour(Timing::Total, &mut scratch);
            }
            prop_assert_eq!(tally.successful, expected.len() as u64);
            prop_assert_eq!(tally.total_micros, expected.iter().map(|second| second + 1).sum::<u64>());
            let mut wanted = Histogram::default();
            for second in expected {
                wanted.record(second + 1);
            }
            prop_assert_eq!(scratch.percentiles(), wanted.percentiles());
        }
    }
}
