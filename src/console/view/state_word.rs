//! How an instance stands: a symbol, a word, a colour. The word alone says it all.

use crate::base::InstanceState;
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::known;

/// Symbol, words and role of a state.
pub(crate) fn of(state: &InstanceState, ascii: bool) -> (&'static str, String, Role) {
    let word = known(state.word());
    let (symbol, plain, role) = match state {
        InstanceState::On => ("●", "*", Role::Good),
        InstanceState::Failing => ("◐", "!", Role::Warn),
        InstanceState::Cooling(_) => ("◔", "~", Role::Warn),
        InstanceState::Open(_) => ("✗", "x", Role::Bad),
        InstanceState::HalfOpen => ("◑", "?", Role::Warn),
        InstanceState::Held(_) => ("✗", "x", Role::Bad),
        InstanceState::Draining => ("◒", "v", Role::Warn),
        InstanceState::Standby => ("◌", ".", Role::Dim),
        InstanceState::Off => ("○", "o", Role::Dim),
    };
    let words = match state {
        InstanceState::Cooling(left) | InstanceState::Open(left) if !left.is_zero() => {
            format!("{word} {}", seconds_left(*left))
        }
        _ => word.to_owned(),
    };
    (if ascii { plain } else { symbol }, words, role)
}

/// A countdown in whole seconds, so that it changes once a second.
fn seconds_left(left: std::time::Duration) -> String {
    let seconds = left.as_millis().div_ceil(1000) as u64;
    if seconds < 100 {
        format!("{seconds}s")
    } else {
        text::duration(std::time::Duration::from_secs(seconds)).replace(' ', "")
    }
}
