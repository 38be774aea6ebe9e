//! The wall clock of the screen: what time it was at a moment, without asking the system again.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// One moment by two clocks, from which all others follow.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    wall: Timestamp,
    instant: Instant,
    zone: TimeZone,
}

impl Clock {
    /// Makes a clock that shows `wall` in `zone` at `instant`; without a time it takes the system's.
    pub(crate) fn new(at: Option<(Timestamp, TimeZone)>, instant: Instant) -> Self {
        let (wall, zone) = at.unwrap_or_else(|| (Timestamp::now(), TimeZone::system()));
        Self {
            wall,
            instant,
            zone,
        }
    }

    /// Returns the hour of a moment: `16:31:05`.
    pub(crate) fn hour(&self, at: Instant) -> String {
        self.hour_of(self.wall(at))
    }

    /// Returns the hour of what was so long before a moment.
    pub(crate) fn hour_before(&self, moment: Instant, age: Duration) -> String {
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::ZERO);
        let wall = self.wall(moment);
        self.hour_of(wall.checked_sub(age).unwrap_or(wall))
    }

    /// Returns the hour of a time of the wall clock.
    pub(crate) fn hour_of(&self, at: Timestamp) -> String {
        let zoned = at.to_zoned(self.zone.clone());
        zoned.strftime("%H:%M:%S").to_string()
    }

    /// Returns the moment of a time of the wall clock; what lies before the console's start may be cut to it.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        let since = at.duration_since(self.wall);
        let length = since.unsigned_abs();
        if since.is_negative() {
            self.instant.checked_sub(length).unwrap_or(self.instant)
        } else {
            self.instant + length.min(Duration::from_secs(3600))
        }
    }

    /// Returns what the wall clock showed at a moment.
    pub(crate) fn wall(&self, at: Instant) -> Timestamp {
        let (length, is_later) = match at.checked_duration_since(self.instant) {
            Some(later) => (later, true),
            None => (self.instant.duration_since(at), false),
        };
        let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::ZERO);
        let moved = if is_later {
            self.wall.checked_add(length)
        } else {
            self.wall.checked_sub(length)
        };
        moved.unwrap_or(self.wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn moments_and_times_go_into_each_other() {
        let now = Instant::now() + Duration::from_secs(100_000);
        let noon: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
        let clock = Clock::new(Some((noon, TimeZone::UTC)), now);
        assert_eq!(clock.hour(now), "12:00:00");
        assert_eq!(clock.hour(now + Duration::from_secs(61)), "12:01:01");
        let earlier = clock.instant("2026-01-02T11:59:30Z".parse().unwrap());
        assert_eq!(now - earlier, Duration::from_secs(30));
        assert_eq!(clock.hour(earlier), "11:59:30");
    }
}
