//! What a token costs, for budgets of money.

/// Millionths of a US dollar, the unit in which budgets count money.
pub(crate) const MICROS: f64 = 1e6;

/// What tokens of one model cost, in US dollars for one token.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// A token of the prompt.
    pub input: f64,
    /// A token of the answer.
    pub output: f64,
}

impl Rate {
    /// Returns what so many tokens cost, in millionths of a US dollar, rounded up: a budget is never too lax.
    pub fn micros(&self, input: u64, output: u64) -> u64 {
        micros(input as f64 * self.input + output as f64 * self.output)
    }
}

/// Returns US dollars as whole millionths, rounded up.
pub(crate) fn micros(dollars: f64) -> u64 {
    // Half a thousandth of a unit is the noise of the sum, not money.
    (dollars * MICROS - 5e-4).ceil().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_rounded_up_but_not_for_noise() {
        let rate = Rate {
            input: 0.15 / 1e6,
            output: 0.6 / 1e6,
        };
        assert_eq!(rate.micros(1_000, 1_000), 750);
        assert_eq!(rate.micros(1, 0), 1);
        assert_eq!(rate.micros(0, 0), 0);
    }
}
