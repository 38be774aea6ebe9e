//! Alerts: one that begins is told at once, also outside the screen when that is wanted; in the header it stands until
//! it clears.

use super::{App, Effect, Tone};
use crate::base::{AlertState, AlertView, Severity};
use crate::console::settings::Notice;
use crate::console::words::{phrase, translate};

impl App {
    /// An alert came to stand elsewhere.
    pub(super) fn alerted(&mut self, alert: &AlertView) {
        let message = translate(&alert.message).into_owned();
        match alert.state {
            AlertState::Resolved => self.say(phrase!("over: {}", message), Tone::Note),
            AlertState::Pending => {}
            AlertState::Firing => {
                if alert.silenced.is_none() && self.notice != Notice::Silent {
                    self.notices.push(Effect::Notify(message.clone()));
                }
                self.say(phrase!("alert: {}", message), Tone::Failed);
            }
        }
    }

    /// Returns the alerts that stand in the header, the worst first.
    pub(crate) fn firing(&self) -> Vec<&AlertView> {
        let alerts = self.pool.board.alerts.iter();
        let mut firing: Vec<&AlertView> = alerts
            .filter(|alert| alert.state == AlertState::Firing && alert.silenced.is_none())
            .collect();
        firing.sort_by_key(|alert| alert.severity != Severity::Critical);
        firing
    }
}
