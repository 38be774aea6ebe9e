//! A chooser that knows everything: every speed, every fault and its end, and how long this answer will be.
//!
//! It takes the instance where this request ends first. It is greedy, so it is a reference and not a bound: what is best
//! for one request may be bad for the next.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::SmallRng;

use crate::pool::strategy::{Field, Strategy};

use super::faults::Kind;
use super::machine::Machine;

/// How things really stand; the engine keeps it true.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// Seconds since the start.
    pub(super) now: f64,
    pub(super) machines: Vec<Machine>,
    /// Prompt and output tokens of the requests that are under way, by their number.
    pub(super) asks: Vec<(u32, u32)>,
}

/// The chooser.
pub(super) struct Oracle(pub(super) Arc<Mutex<Truth>>);

impl Strategy for Oracle {
    fn choose(&mut self, field: &Field<'_>, _: &mut SmallRng) -> u32 {
        let truth = self.0.lock();
        let (prompt, output) = truth
            .asks
            .get(field.request as usize)
            .copied()
            .unwrap_or_default();
        let mut best = (f64::INFINITY, field.eligible[0]);
        for &at in field.eligible {
            let ends = ends(&truth.machines[at as usize], prompt, output, truth.now);
            if ends < best.0 {
                best = (ends, at);
            }
        }
        best.1
    }
}

/// Seconds until an answer is complete.
fn ends(machine: &Machine, prompt: u32, output: u32, now: f64) -> f64 {
    /// An instance that refuses is the last resort.
    const NEVER: f64 = 1e6;
    let (prompt, output) = (f64::from(prompt), f64::from(output));
    let running = machine.running() as f64;
    let alone = machine.round_trip + prompt / machine.prefill;
    let with_me = 1.0 + machine.batching * (running + 1.0).min(machine.permits) / machine.permits;
    match machine.ill {
        Some((Kind::Fail, _)) => NEVER,
        Some((Kind::Hang, until)) => {
            (until - now).max(0.0) + alone + output * with_me / machine.speed
        }
        Some((Kind::Slow, until)) => {
            let slow = machine.slow_speed;
            let full = machine.round_trip
                + prompt / (machine.prefill * slow)
                + output * with_me / (machine.speed * slow);
            let left = (until - now).max(0.0);
            if full > left {
                // It gets well before the end.
                left + (full - left) * slow
            } else {
                full
            }
        }
        None => alone + output * with_me / machine.speed,
    }
}
