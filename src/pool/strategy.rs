//! Balancing strategies: which of the instances that could take a request now gets it.
//!
//! A strategy is only ever asked about instances that are switched on, healthy, within their limits and have a
//! free permit (late binding); with that, the differences between strategies are in the tails. See the table in the
//! README for what each is good at.

mod auto;
mod cheapest;
mod least_in_flight;
mod most_budget;
mod power_of_two;
mod priority;
mod random;
mod round_robin;
mod sticky;
mod weighted_round_robin;

use rand::rngs::SmallRng;

use crate::base::{Error, ErrorKind};

/// Among more than this, equals are told apart by one throw of the dice.
const MOST_DICE: usize = 64;

/// What a strategy may know of an instance. Kept small: a choice among 1,000 reads all of them.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Requests in flight.
    pub in_flight: u32,
    /// Requests allowed at once.
    pub permits: u32,
    /// Its weight, at least 1.
    pub weight: u32,
    /// Its tier in the route, 0 first; smaller is preferred.
    pub tier: u32,
    /// US dollars for a million output tokens; infinite when unknown.
    pub price: f32,
    /// The least share left of any of its rate budgets, 0 to 1.
    pub budget_left: f32,
    /// Expected seconds of a whole answer.
    pub expected: f32,
    /// In flight, this one included, relative to permits; `weigh` takes it anew.
    pub(crate) load: f32,
}

impl Standing {
    /// Takes its load anew; needed whenever `in_flight` or `permits` have changed. A thousand divisions would be most
    /// of a choice.
    #[must_use]
    pub fn weighed(mut self) -> Self {
        self.weigh();
        self
    }

    /// The same in place.
    pub(crate) fn weigh(&mut self) {
        self.load = (self.in_flight + 1) as f32 / self.permits.max(1) as f32;
    }

    /// Returns requests in flight, this one included, relative to the permits.
    pub fn load(&self) -> f32 {
        debug_assert!(
            self.load == self.clone().weighed().load,
            "not weighed: {self:?}"
        );
        self.load
    }
}

/// The instances a strategy chooses from.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// All instances of the pool, in config order.
    pub standings: &'a [Standing],
    /// Positions in `standings` of those that can take the request now, ascending, never empty.
    pub eligible: &'a [u32],
    /// The position whose prompt cache is warm for this conversation, if it is known.
    pub warm: Option<u32>,
    /// The caller's own number for the request, 0 without one; for a chooser that knows more than a driver can.
    pub request: u64,
}

impl Field<'_> {
    /// Returns the eligible position with the least cost; among equals one by chance.
    pub fn least(&self, rng: &mut SmallRng, mut cost: impl FnMut(&Standing) -> f32) -> u32 {
        use rand::Rng;
        if self.eligible.len() > MOST_DICE {
            return self.least_of_many(rng, cost);
        }
        let mut best = self.eligible[0];
        let mut least = f32::INFINITY;
        let mut equals = 0u32;
        for &at in self.eligible {
            let this = cost(&self.standings[at as usize]);
            if this < least {
                (best, least, equals) = (at, this, 1);
            } else if this == least {
                equals += 1;
                if rng.random_range(0..equals) == 0 {
                    best = at;
                }
            }
        }
        best
    }

    /// The same with one throw for all equals instead of one for each, and each cost asked once: a throw gives all
    /// positions an order by chance, and among equals the first in that order is taken.
    fn least_of_many(&self, rng: &mut SmallRng, mut cost: impl FnMut(&Standing) -> f32) -> u32 {
        use rand::Rng;
        let throw: u64 = rng.random();
        let mut best = (u64::MAX, self.eligible[0]);
        for &at in self.eligible {
            let key = ordered(cost(&self.standings[at as usize])) << 32 | shuffled(at, throw);
            if key < best.0 {
                best = (key, at);
            }
        }
        best.1
    }
}

/// Maps a cost to a number of 32 bits with the same order.
fn ordered(cost: f32) -> u64 {
    let bits = cost.to_bits();
    let flip = if bits >> 31 == 0 { 1 << 31 } else { u32::MAX };
    u64::from(bits ^ flip)
}

/// Gives a position its place in an order by chance, 32 bits of it.
fn shuffled(at: u32, throw: u64) -> u64 {
    let mixed = (u64::from(at) ^ throw).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93)) >> 32
}

/// One way to choose.
pub trait Strategy: Send {
    /// Chooses one of `field.eligible`.
    fn choose(&mut self, field: &Field<'_>, rng: &mut SmallRng) -> u32;

    /// Returns the position that would be next if all of `candidates` were free; for those that keep a ring.
    fn next(&self, candidates: &[u32]) -> Option<u32> {
        let _ = candidates;
        None
    }
}

/// The strategies by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StrategyKind {
    /// Each in turn.
    #[default]
    RoundRobin,
    /// Each in turn, by weight, evenly spread.
    WeightedRoundRobin,
    /// Any.
    Random,
    /// First tier first.
    Priority,
    /// Least in flight relative to its permits.
    LeastInFlight,
    /// The less loaded of two drawn by chance.
    PowerOfTwo,
    /// The cheapest by output price.
    Cheapest,
    /// The one with the most rate budget left.
    MostBudget,
    /// The one that answered this conversation before, unless it is busier than the others.
    Sticky,
    /// The one with the least expected time.
    Auto,
}

impl StrategyKind {
    /// Every strategy, in the order in which lists show them.
    pub const ALL: [Self; 10] = [
        Self::RoundRobin,
        Self::WeightedRoundRobin,
        Self::LeastInFlight,
        Self::Auto,
        Self::Priority,
        Self::Sticky,
        Self::PowerOfTwo,
        Self::MostBudget,
        Self::Cheapest,
        Self::Random,
    ];

    /// Returns the word used in the config and on the screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::WeightedRoundRobin => "weighted_round_robin",
            Self::Random => "random",
            Self::Priority => "priority",
            Self::LeastInFlight => "least_in_flight",
            Self::PowerOfTwo => "power_of_two",
            Self::Cheapest => "cheapest",
            Self::MostBudget => "most_budget",
            Self::Sticky => "sticky",
            Self::Auto => "auto",
        }
    }

    /// Returns one line that says what it does.
    pub const fn about(self) -> &'static str {
        match self {
            Self::RoundRobin => "each instance in turn",
            Self::WeightedRoundRobin => "each in turn, more often the larger its weight",
            Self::Random => "any instance, by chance",
            Self::Priority => "the first tier that can take it (failover order)",
            Self::LeastInFlight => "fewest requests in flight relative to permits",
            Self::PowerOfTwo => "the less loaded of two drawn by chance",
            Self::Cheapest => "lowest output price",
            Self::MostBudget => "largest share of its rate budget left",
            Self::Sticky => "the instance that knows this conversation, unless it is busy",
            Self::Auto => "least expected time, learned from what instances really do",
        }
    }

    /// Tells whether it chooses by expected times, which cost something to keep up to date.
    pub(crate) const fn reads_scores(self) -> bool {
        matches!(self, Self::Auto | Self::Sticky)
    }

    /// Tells whether it chooses by what is left of budgets, which has to be asked of those that have some.
    pub(crate) const fn reads_budgets(self) -> bool {
        matches!(self, Self::MostBudget)
    }

    /// Makes a fresh strategy.
    pub fn build(self) -> Box<dyn Strategy> {
        match self {
            Self::RoundRobin => Box::<round_robin::RoundRobin>::default(),
            Self::WeightedRoundRobin => Box::<weighted_round_robin::WeightedRoundRobin>::default(),
            Self::Random => Box::new(random::Random),
            Self::Priority => Box::<priority::Priority>::default(),
            Self::LeastInFlight => Box::new(least_in_flight::LeastInFlight),
            Self::PowerOfTwo => Box::new(power_of_two::PowerOfTwo),
            Self::Cheapest => Box::new(cheapest::Cheapest),
            Self::MostBudget => Box::new(most_budget::MostBudget),
            Self::Sticky => Box::new(sticky::Sticky),
            Self::Auto => Box::new(auto::Auto),
        }
    }
}

impl std::fmt::Display for StrategyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for StrategyKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                Error::new(
                    ErrorKind::Config,
                    format!("unknown strategy '{text}'; known strategies: {known}"),
                )
            })
    }
}

#[cfg(test)]
mod tests;
