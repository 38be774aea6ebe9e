//! What goes wrong, and when: by chance for each instance, and as planned.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Exp1};
use serde::Deserialize;

/// How instances fail.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Mean time between the faults of one instance; without it nothing happens by chance.
    #[serde(with = "humantime_serde")]
    pub every: Option<Duration>,
    /// What a slow instance does.
    pub slow: Slow,
    /// What a failing instance does.
    pub fail: Fail,
    /// What a hanging instance does.
    pub hang: Hang,
    /// Faults at a given time.
    pub planned: Vec<Planned>,
}

/// Everything takes longer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Slow {
    /// How long.
    pub lasts: Range,
    /// Its speed then, as a share of its usual one.
    pub speed: f64,
    /// How often it is this fault, relative to the others.
    pub weight: f64,
}

/// Requests are answered with 500.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fail {
    /// How long.
    pub lasts: Range,
    /// How soon it says no.
    #[serde(with = "humantime_serde")]
    pub after: Duration,
    /// How many requests it refuses.
    pub share: f64,
    /// How many running streams break when it begins.
    pub cut: f64,
    /// How often it is this fault, relative to the others.
    pub weight: f64,
}

/// Nothing comes until it is over; running streams stand still.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hang {
    /// How long.
    pub lasts: Range,
    /// How often it is this fault, relative to the others.
    pub weight: f64,
}

/// A time from `from` to `to`, all equally likely.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The shortest.
    #[serde(with = "humantime_serde")]
    pub from: Duration,
    /// The longest.
    #[serde(with = "humantime_serde")]
    pub to: Duration,
}

/// A fault at a given time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// What happens.
    pub kind: Kind,
    /// To whom, by the names in the fleet; to all when nobody is named.
    #[serde(default)]
    pub instances: Vec<String>,
    /// When it begins, as a share of the measured time.
    pub from: f64,
    /// When it ends, as a share of the measured time ...
    #[serde(default)]
    pub to: Option<f64>,
    /// ... or how long it lasts.
    #[serde(default, with = "humantime_serde")]
    pub lasts: Option<Duration>,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Everything takes longer.
    Slow,
    /// Requests are answered with 500.
    Fail,
    /// Nothing comes.
    Hang,
}

impl Kind {
    /// The share of the capacity that is lost with it.
    fn loss(self, faults: &Faults) -> f64 {
        match self {
            Self::Slow => 1.0 - faults.slow.speed,
            Self::Fail | Self::Hang => 1.0,
        }
    }
}

impl Range {
    const fn seconds(from: u64, to: u64) -> Self {
        Self {
            from: Duration::from_secs(from),
            to: Duration::from_secs(to),
        }
    }
}

impl Default for Slow {
    fn default() -> Self {
        Self {
            lasts: Range::seconds(40, 120),
            speed: 0.2,
            weight: 1.0,
        }
    }
}

impl Default for Fail {
    fn default() -> Self {
        Self {
            lasts: Range::seconds(20, 60),
            after: Duration::from_millis(80),
            share: 0.95,
            cut: 0.3,
            weight: 1.0,
        }
    }
}

impl Default for Hang {
    fn default() -> Self {
        Self {
            lasts: Range::seconds(15, 45),
            weight: 1.0,
        }
    }
}

impl Faults {
    pub(super) fn mistake(&self, names: &[&str]) -> Option<String> {
        for (name, range) in [
            ("slow", self.slow.lasts),
            ("fail", self.fail.lasts),
            ("hang", self.hang.lasts),
        ] {
            if range.from.is_zero() || range.from > range.to {
                return Some(format!(
                    "faults.{name}.lasts: from must be above 0 and not after to"
                ));
            }
        }
        let share = |value: f64| (0.0..=1.0).contains(&value);
        if self.slow.speed <= 0.0 || !share(self.slow.speed) {
            return Some("faults.slow.speed must be above 0 and at most 1".to_owned());
        }
        if !share(self.fail.share) || !share(self.fail.cut) {
            return Some("faults.fail.share and .cut are from 0 to 1".to_owned());
        }
        let weights = self.weights();
        if weights
            .iter()
            .any(|weight| !(0.0..=1_000.0).contains(weight))
        {
            return Some("the weights of faults are from 0 to 1000".to_owned());
        }
        if let Some(every) = self.every
            && (every.is_zero() || weights.iter().sum::<f64>() <= 0.0)
        {
            return Some("faults.every must be above 0, and so must one of the weights".to_owned());
        }
        self.planned
            .iter()
            .find_map(|planned| planned.mistake(names))
    }

    fn weights(&self) -> [f64; 3] {
        [self.slow.weight, self.fail.weight, self.hang.weight]
    }

    fn lasts(&self, kind: Kind) -> Range {
        match kind {
            Kind::Slow => self.slow.lasts,
            Kind::Fail => self.fail.lasts,
            Kind::Hang => self.hang.lasts,
        }
    }

    fn draw(&self, rng: &mut SmallRng) -> Kind {
        let weights = self.weights();
        let mut left = rng.random_range(0.0..weights.iter().sum());
        for (kind, weight) in [Kind::Slow, Kind::Fail, Kind::Hang]
            .into_iter()
            .zip(weights)
        {
            if left < weight {
                return kind;
            }
            left -= weight;
        }
        Kind::Hang
    }
}

impl Planned {
    fn mistake(&self, names: &[&str]) -> Option<String> {
        let stranger = self
            .instances
            .iter()
            .find(|name| !names.contains(&name.as_str()));
        if let Some(stranger) = stranger {
            return Some(format!(
                "faults.planned names '{stranger}', which the fleet has not; it has {}",
                names.join(", ")
            ));
        }
        if self.to.is_some() == self.lasts.is_some() {
            return Some("faults.planned takes either to or lasts".to_owned());
        }
        let end = self.to.unwrap_or(1.0);
        (!(0.0..=1.0).contains(&self.from) || !(0.0..=1.0).contains(&end) || self.from > end)
            .then(|| "faults.planned: from and to are from 0 to 1, in this order".to_owned())
    }
}

/// One fault of one instance, in seconds since the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Episode {
    pub(super) instance: u32,
    pub(super) kind: Kind,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// Everything that goes wrong in a run.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) episodes: Vec<Episode>,
    /// Where planned faults begin and end.
    pub(super) planned: Vec<(f64, f64)>,
    /// Capacity that faults take away while requests are measured, in requests.
    pub(super) lost: f64,
}

/// Draws what happens. `families` has each instance's place in the fleet table and its capacity in requests a second.
pub(super) fn course(
    faults: &Faults,
    names: &[&str],
    families: &[(usize, f64)],
    warm_up: f64,
    duration: f64,
    seed: u64,
) -> Course {
    let mut rng = SmallRng::seed_from_u64(seed);
    let end = warm_up + duration;
    let mut course = Course {
        episodes: Vec::new(),
        planned: Vec::new(),
        lost: 0.0,
    };
    if let Some(every) = faults.every {
        let pause = |rng: &mut SmallRng| {
            let pause: f64 = Exp1.sample(rng);
            pause * every.as_secs_f64()
        };
        for instance in 0..families.len() as u32 {
            let mut from = pause(&mut rng);
            while from < end {
                let kind = faults.draw(&mut rng);
                let range = faults.lasts(kind);
                let lasts = rng.random_range(range.from.as_secs_f64()..=range.to.as_secs_f64());
                course.episodes.push(Episode {
                    instance,
                    kind,
                    from,
                    to: from + lasts,
                });
                from += lasts + pause(&mut rng);
            }
        }
    }
    for planned in &faults.planned {
        let from = warm_up + planned.from * duration;
        let to = match (planned.to, planned.lasts) {
            (Some(to), _) => warm_up + to * duration,
            (None, lasts) => from + lasts.unwrap_or_default().as_secs_f64(),
        };
        course.planned.push((from, to));
        for (instance, (family, _)) in families.iter().enumerate() {
            let meant = planned.instances.is_empty()
                || planned.instances.iter().any(|name| name == names[*family]);
            if meant {
                course.episodes.push(Episode {
                    instance: instance as u32,
                    kind: planned.kind,
                    from,
                    to,
                });
            }
        }
    }
    for episode in &course.episodes {
        let measured = (episode.to.min(end) - episode.from.max(warm_up)).max(0.0);
        course.lost += measured * episode.kind.loss(faults) * families[episode.instance as usize].1;
    }
    course
}
