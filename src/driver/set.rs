//! One setting at a time, while it runs: the config's own keys and rules, put in force as a new config would be.
//!
//! What is set here counts until it is set again, or the config is read again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{Changed, Command, Error, ErrorKind, InstanceName, RouteName, SetWhose};
use crate::pool::{AdaptiveSettings, BreakerSettings, InstanceSettings, RouteSettings};

use super::roster::Member;
use super::{InForce, InstanceSpec, RetrySettings, Settings, Shared};

/// Keys that only the config may set: who may give commands may not thereby run programs or call addresses.
const CONFIG_ONLY: [&str; 2] = ["scaling.command", "scaling.webhook"];
/// Keys that have a command of their own, or make a route what it is.
const NOT_HERE: [&str; 3] = ["name", "tiers", "strategy"];

/// Instances whose settings are kept in words.
const TOLD_AT_MOST: usize = 4096;

/// What can be set of the pool.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolKeys {
    queue_limit: usize,
    #[serde(with = "humantime_serde")]
    deadline: Duration,
    breaker: BreakerSettings,
    scaling: crate::pool::ScalingSettings,
    retry: RetrySettings,
}

impl PoolKeys {
    fn of(settings: &Settings) -> Self {
        Self {
            queue_limit: settings.pool.queue_limit,
            deadline: settings.pool.deadline,
            breaker: settings.pool.breaker.clone(),
            scaling: settings.pool.scaling.clone(),
            retry: settings.retry.clone(),
        }
    }
}

/// What can be set of an instance.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InstanceKeys {
    tier: u32,
    #[serde(with = "humantime_serde")]
    probe_every: Option<Duration>,
    adaptive: Option<AdaptiveSettings>,
    breaker: BreakerSettings,
}

impl Shared {
    /// Sets one key of the pool, a route or an instance.
    pub(super) fn set(
        self: &Arc<Self>,
        whose: &SetWhose,
        key: &str,
        value: Option<&str>,
    ) -> Result<Changed, Error> {
        let _one_at_a_time = self.changing.lock();
        let old = self.in_force();
        let mut settings = old.settings.clone();
        let mut routes = self.balancer.routes();
        let mut instances = self.specs();
        let (name, before, after) = match whose {
            SetWhose::Pool => {
                let (before, after) = set_pool(&mut settings, key, value)?;
                ("pool".to_owned(), before, after)
            }
            SetWhose::Route(name) => {
                let (before, after) = set_route(&mut routes, name, key, value)?;
                (name.to_string(), before, after)
            }
            SetWhose::Instance(name) => {
                let (before, after) = set_instance(&mut instances, &settings, name, key, value)?;
                (name.to_string(), before, after)
            }
        };
        self.put_in_force(settings, routes, instances)?;
        Ok(Changed {
            what: format!("{name}: {key} {} -> {}", told(&before), told(&after)),
            undo: Some(Command::Set {
                whose: whose.clone(),
                key: key.to_owned(),
                value: (!before.is_null()).then(|| told(&before)),
            }),
        })
    }

    /// Returns the instances as they are set up, in the order in which the pool has them.
    fn specs(&self) -> Vec<InstanceSpec> {
        let roster = self.roster.read();
        let numbers = self.balancer.staying();
        let members = numbers.into_iter().filter_map(|number| roster.get(number));
        members
            .map(|member| InstanceSpec {
                settings: member.settings.clone(),
                strategy: Arc::clone(&member.strategy),
            })
            .collect()
    }
}

fn set_pool(
    settings: &mut Settings,
    key: &str,
    value: Option<&str>,
) -> Result<(Value, Value), Error> {
    let (keys, before, after) = changed(&PoolKeys::of(settings), key, value)?;
    if keys.deadline.is_zero() {
        return Err(wrong(key, "it is longer than nothing"));
    }
    check_breaker(&keys.breaker)?;
    if !(keys.scaling.target > 0.0 && keys.scaling.target <= 1.0) {
        return Err(wrong(key, "a share is above 0 and at most 1"));
    }
    if keys.scaling.stable_window.is_zero() || keys.scaling.panic_window.is_zero() {
        return Err(wrong(key, "it is longer than nothing"));
    }
    let amounts = [keys.retry.budget, keys.retry.burst];
    if amounts.iter().any(|of| !of.is_finite() || *of < 0.0) {
        return Err(wrong(key, "it is 0 or more"));
    }
    if keys.retry.attempts == 0 {
        return Err(wrong(key, "a request has at least 1 attempt"));
    }
    settings.pool.queue_limit = keys.queue_limit;
    settings.pool.deadline = keys.deadline;
    settings.pool.breaker = keys.breaker;
    settings.pool.scaling = keys.scaling;
    settings.retry = keys.retry;
    Ok((before, after))
}

fn set_route(
    routes: &mut [RouteSettings],
    name: &RouteName,
    key: &str,
    value: Option<&str>,
) -> Result<(Value, Value), Error> {
    let Some(route) = routes.iter_mut().find(|route| route.name == *name) else {
        let message = format!("unknown route '{name}'");
        return Err(Error::new(ErrorKind::Config, message));
    };
    let (new, before, after) = changed::<RouteSettings>(route, key, value)?;
    let times = [
        new.deadline,
        new.first_token_timeout,
        new.idle_timeout,
        new.total_timeout,
    ];
    if times.into_iter().flatten().any(|time| time.is_zero()) {
        return Err(wrong(key, "it is longer than nothing"));
    }
    if new.attempts == Some(0) {
        return Err(wrong(key, "a request has at least 1 attempt"));
    }
    if new
        .hedge_budget
        .is_some_and(|share| !(0.0..=1.0).contains(&share))
    {
        return Err(wrong(key, "it is a share of the requests, from 0 to 1"));
    }
    *route = new;
    Ok((before, after))
}

fn set_instance(
    instances: &mut [InstanceSpec],
    settings: &Settings,
    name: &InstanceName,
    key: &str,
    value: Option<&str>,
) -> Result<(Value, Value), Error> {
    let Some(spec) = instances
        .iter_mut()
        .find(|spec| spec.settings.name == *name)
    else {
        let message = format!("unknown instance '{name}'");
        return Err(Error::new(ErrorKind::Config, message));
    };
    let own: &mut InstanceSettings = &mut spec.settings;
    let breaker = own.breaker.as_ref().unwrap_or(&settings.pool.breaker);
    let keys = InstanceKeys {
        tier: own.tier,
        probe_every: own.probe_every,
        adaptive: own.adaptive.clone(),
        breaker: breaker.clone(),
    };
    let (keys, before, after) = changed(&keys, key, value)?;
    check_breaker(&keys.breaker)?;
    if let Some(adaptive) = &keys.adaptive
        && (adaptive.floor == 0 || adaptive.ceiling < adaptive.floor)
    {
        return Err(wrong(
            key,
            "the floor is at least 1, and the ceiling no less than the floor",
        ));
    }
    if keys.probe_every.is_some_and(|every| every.is_zero()) {
        return Err(wrong(key, "it is longer than nothing; none is never"));
    }
    own.tier = keys.tier;
    own.probe_every = keys.probe_every;
    own.adaptive = keys.adaptive;
    if key.starts_with("breaker.") {
        own.breaker = Some(keys.breaker);
    }
    Ok((before, after))
}

fn check_breaker(breaker: &BreakerSettings) -> Result<(), Error> {
    let counts = [
        breaker.consecutive_failures,
        breaker.least_requests,
        breaker.slow_first_tokens,
    ];
    if counts.contains(&0) {
        return Err(wrong("breaker", "a count is at least 1")
            .with_hint("breaker.enabled false switches it off"));
    }
    if breaker.window.is_zero() || breaker.open_for.is_zero() {
        return Err(wrong("breaker", "a time is longer than nothing"));
    }
    if !(0.0..=1.0).contains(&breaker.success_rate) {
        return Err(wrong("breaker.success_rate", "a rate is from 0 to 1"));
    }
    if breaker.open_at_most < breaker.open_for {
        return Err(wrong("breaker.open_for", "it is no more than open_at_most"));
    }
    Ok(())
}

fn wrong(key: &str, rule: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{key}: {rule}"))
}

/// Changes one key, and gives the whole with what it was and is.
fn changed<K: Serialize + DeserializeOwned>(
    keys: &K,
    key: &str,
    value: Option<&str>,
) -> Result<(K, Value, Value), Error> {
    if CONFIG_ONLY.contains(&key) {
        return Err(wrong(key, "only the config sets what is run or called"));
    }
    let broken = |error: serde_json::Error| wrong(key, &error.to_string());
    let mut whole = serde_json::to_value(keys).map_err(broken)?;
    let pointer = format!("/{}", key.replace('.', "/"));
    let place = whole.pointer_mut(&pointer);
    let can_be_set = |place: &&mut Value| !place.is_object() || key == "adaptive";
    let Some(place) = place.filter(|place| can_be_set(place) && !NOT_HERE.contains(&key)) else {
        return Err(unknown(key, &known(&whole)));
    };
    let value = value.filter(|value| *value != "none");
    let new = match value {
        None => Value::Null,
        Some(range) if key == "adaptive" => adaptive(range)?,
        Some(text) => match serde_json::from_str(text) {
            Ok(plain @ (Value::Number(_) | Value::Bool(_))) => plain,
            _ => Value::from(text),
        },
    };
    let before = std::mem::replace(place, new);
    let keys: K = serde_json::from_value(whole).map_err(broken)?;
    // As it was understood, not as it was written.
    let again = serde_json::to_value(&keys).map_err(broken)?;
    let after = again.pointer(&pointer).cloned().unwrap_or_default();
    Ok((keys, before, after))
}

/// Reads `FLOOR..CEILING`.
fn adaptive(range: &str) -> Result<Value, Error> {
    let ends = range.split_once("..");
    let read = ends.and_then(|(floor, ceiling)| {
        Some((floor.parse::<usize>().ok()?, ceiling.parse::<usize>().ok()?))
    });
    let Some((floor, ceiling)) = read else {
        return Err(wrong(
            "adaptive",
            "it is FLOOR..CEILING, such as 2..16, or none",
        ));
    };
    Ok(serde_json::json!({"floor": floor, "ceiling": ceiling}))
}

/// Lists every key that can be set.
fn known(whole: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    for (key, value) in whole.as_object().into_iter().flatten() {
        match value {
            Value::Object(inner) if key != "adaptive" => {
                keys.extend(inner.keys().map(|inner| format!("{key}.{inner}")));
            }
            _ => keys.push(key.clone()),
        }
    }
    keys.retain(|key| !CONFIG_ONLY.contains(&key.as_str()) && !NOT_HERE.contains(&key.as_str()));
    keys
}

fn unknown(key: &str, known: &[String]) -> Error {
    let shared = |other: &str| {
        let same = key.chars().zip(other.chars()).take_while(|(a, b)| a == b);
        same.count()
    };
    let nearest = known.iter().max_by_key(|other| shared(other));
    let meant = nearest.filter(|other| shared(other) >= 3);
    let known = known.join(", ");
    let key: String = key.chars().take(64).collect();
    Error::new(ErrorKind::Config, format!("{key:?} cannot be set here")).with_hint(match meant {
        Some(meant) => format!("did you mean '{meant}'? known: {known}"),
        None => format!("known: {known}"),
    })
}

/// Says a value as `set` takes it.
fn told(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(range) => format!(
            "{}..{}",
            range.get("floor").unwrap_or(&Value::Null),
            range.get("ceiling").unwrap_or(&Value::Null)
        ),
        other => other.to_string(),
    }
}

/// Settings in words, by the config's keys, as a board shows them.
type Words = BTreeMap<String, String>;

/// What was said once of the settings in force: boards are read many times a second, settings seldom change.
#[derive(Default)]
pub(super) struct Told {
    pool: OnceLock<Words>,
    routes: OnceLock<BTreeMap<RouteName, Words>>,
    /// Each with who it was said of: a new member of the same name has other settings.
    instances: Mutex<HashMap<u32, (Arc<Member>, Words)>>,
}

impl InForce {
    /// Says what the pool is set to.
    pub(super) fn told_of_pool(&self) -> Words {
        let say = || leaves(&PoolKeys::of(&self.settings)).into_iter().collect();
        self.told.pool.get_or_init(say).clone()
    }

    /// Says what a route's requests are held to; what it does not set is the pool's.
    pub(super) fn told_of_route(&self, name: &RouteName) -> Words {
        let say = |route: &Arc<RouteSettings>| {
            let mut route = RouteSettings::clone(route);
            let usual = &self.settings;
            route.deadline = route.deadline.or(Some(usual.pool.deadline));
            route.attempts = route.attempts.or(Some(usual.retry.attempts));
            leaves(&route).into_iter().collect()
        };
        let all = || {
            let routes = self.routes.iter();
            routes
                .map(|(name, route)| (name.clone(), say(route)))
                .collect()
        };
        let told = self.told.routes.get_or_init(all);
        told.get(name).cloned().unwrap_or_default()
    }

    /// Says what an instance is set to; its breaker only where it differs from the pool's.
    pub(super) fn told_of_instance(&self, member: &Arc<Member>) -> Words {
        let mut told = self.told.instances.lock();
        if let Some((of, words)) = told.get(&member.number)
            && Arc::ptr_eq(of, member)
        {
            return words.clone();
        }
        // Those that came and went since are forgotten with the rest; who is still there is said again.
        if told.len() >= TOLD_AT_MOST {
            told.clear();
        }
        let words = self.say_instance(&member.settings);
        told.insert(member.number, (Arc::clone(member), words.clone()));
        words
    }

    fn say_instance(&self, own: &InstanceSettings) -> Words {
        let pool = &self.settings.pool.breaker;
        let keys = |breaker: &BreakerSettings| {
            leaves(&InstanceKeys {
                tier: own.tier,
                probe_every: own.probe_every,
                adaptive: own.adaptive.clone(),
                breaker: breaker.clone(),
            })
        };
        let mut mine = keys(own.breaker.as_ref().unwrap_or(pool));
        let usual = keys(pool);
        mine.retain(|leaf| !leaf.0.starts_with("breaker.") || !usual.contains(leaf));
        mine.into_iter().collect()
    }
}

fn leaves(keys: &impl Serialize) -> Vec<(String, String)> {
    let whole = serde_json::to_value(keys).unwrap_or_default();
    let value = |key: &str| whole.pointer(&format!("/{}", key.replace('.', "/")));
    let set = known(&whole).into_iter().filter_map(|key| {
        let value = value(&key).filter(|value| !value.is_null())?;
        let told = told(value);
        Some((key, told))
    });
    set.collect()
}
