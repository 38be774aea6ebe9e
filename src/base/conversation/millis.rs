//! Durations as milliseconds with microseconds behind the point, as all JSON of this program has them.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// Writes one.
pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_micros() as f64 / 1000.0)
}

/// Reads one; what is no time counts as none.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    Ok(of_millis(f64::deserialize(from)?))
}

fn of_millis(millis: f64) -> Duration {
    const LONGEST: f64 = 1e15;
    if millis.is_finite() && millis > 0.0 {
        Duration::from_micros((millis.min(LONGEST) * 1000.0).round() as u64)
    } else {
        Duration::ZERO
    }
}

/// The same for a time that may be missing.
pub(super) mod option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes one.
    #[expect(clippy::ref_option, reason = "serde wants it so")]
    pub(in super::super) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, to),
            None => to.serialize_none(),
        }
    }

    /// Reads one.
    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<f64>::deserialize(from)?.map(super::of_millis))
    }
}
