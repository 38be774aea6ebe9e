//! The metrics pane: whose figures, over which window.

use std::time::Duration;

use crate::base::{Board, InstanceName, Scope, Series};

/// The windows one can look back over.
pub(crate) const WINDOWS: [Duration; 6] = [
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(6 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];

/// What the metrics pane knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    /// Whose figures are shown.
    pub(crate) scope: Scope,
    /// The figures of the pane.
    pub(crate) series: Series,
    /// The figures of all requests over the last minute, for the header.
    pub(crate) minute: Series,
    /// Which of [`WINDOWS`].
    window: usize,
    /// How many columns a graph has, by the last drawing.
    pub(crate) columns: usize,
}

impl Metrics {
    /// Returns how far one looks back.
    pub(crate) fn window(&self) -> Duration {
        WINDOWS[self.window]
    }

    /// Returns in how many buckets the window is asked for: steps of whole seconds, about one a column. When they
    /// are a few more than the columns, the graph shows the newest; a step longer would leave half of it empty.
    pub(crate) fn buckets(&self) -> usize {
        let seconds = self.window().as_secs_f64();
        let columns = self.columns.clamp(1, 240) as f64;
        let step = (seconds / columns).round().max(1.0);
        (seconds / step).ceil() as usize
    }

    /// Looks back further or less far; `false` at the end.
    pub(crate) fn widen(&mut self, by: isize) -> bool {
        let before = self.window;
        let after = before.saturating_add_signed(by).min(WINDOWS.len() - 1);
        self.window = after;
        before != after
    }

    /// Goes to the next or previous scope: all, each type when there are several, then each instance.
    pub(crate) fn step_scope(&mut self, by: isize, board: &Board) {
        let mut types: Vec<_> = board.instances.iter().map(|i| i.provider_type).collect();
        types.sort_by_key(|kind| kind.as_str());
        types.dedup();
        let mut scopes = vec![Scope::All];
        if types.len() > 1 {
            scopes.extend(types.into_iter().map(Scope::Type));
        }
        scopes.extend(
            board
                .instances
                .iter()
                .map(|i| Scope::Instance(i.name.clone())),
        );
        let place = scopes
            .iter()
            .position(|scope| *scope == self.scope)
            .unwrap_or(0);
        let next = place.saturating_add_signed(by).min(scopes.len() - 1);
        self.scope = scopes.swap_remove(next);
    }

    /// Returns the instance whose figures are shown, if it is one.
    pub(crate) fn instance(&self) -> Option<&InstanceName> {
        match &self.scope {
            Scope::Instance(name) => Some(name),
            Scope::All | Scope::Type(_) | Scope::Route(_) => None,
        }
    }

    /// Tells whether anything is in the shown windows, so that time alone changes the picture.
    pub(crate) fn moves(&self) -> bool {
        let full = |series: &Series| {
            series
                .buckets
                .iter()
                .any(|bucket| bucket.successful + bucket.failed + bucket.cancelled > 0)
        };
        full(&self.series) || full(&self.minute)
    }
}
