//! When to draw: keys at once, everything else with the next frame, nothing when nothing is different.

use std::time::Duration;

use tokio::time::Instant;

use super::super::app::Redraw;

/// Counts frames and wishes.
#[derive(Debug)]
pub(crate) struct Pace {
    wanted: Redraw,
    last: Instant,
    interval: Duration,
}

impl Pace {
    pub(crate) fn new(frames_per_second: u32, now: Instant) -> Self {
        Self {
            wanted: Redraw::No,
            last: now,
            interval: Duration::from_secs(1) / frames_per_second.clamp(1, 60),
        }
    }

    /// Notes a wish; the most urgent one counts.
    pub(crate) fn ask(&mut self, redraw: Redraw) {
        self.wanted = self.wanted.max(redraw);
    }

    /// Tells whether a frame is wanted at all.
    pub(crate) fn wants(&self) -> bool {
        self.wanted != Redraw::No
    }

    /// Tells when the next frame is to be drawn.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.wanted {
            Redraw::No => None,
            Redraw::Soon => Some(self.last + self.interval),
            Redraw::Now => Some(self.last),
        }
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Tells that a frame was drawn.
    pub(crate) fn drawn(&mut self, now: Instant) {
        self.wanted = Redraw::No;
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn keys_are_answered_at_once_and_streams_with_the_next_frame() {
        let start = Instant::now();
        let mut pace = Pace::new(10, start);
        assert_eq!(pace.deadline(), None);
        pace.ask(Redraw::Soon);
        assert!(!pace.is_due(start));
        assert!(pace.is_due(start + Duration::from_millis(100)));
        pace.ask(Redraw::Now);
        assert!(pace.is_due(start));
        pace.drawn(start);
        assert!(!pace.wants());
    }
}
