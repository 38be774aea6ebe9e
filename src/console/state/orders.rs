//! Orders with something behind their name, as they are written in the palette: `permits 8`, `limits rpm=60 openai-a`.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::base::{Board, Command, InstanceDocument, InstanceName, LimitKind, SetWhose};
use crate::console::words::{phrase, t};

/// Something that can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    name: &'static str,
    /// How it is written.
    pub(crate) usage: &'static str,
    /// What it does.
    pub(crate) about: &'static str,
    /// Whether its name alone says enough.
    alone: bool,
}

const ORDERS: [Order; 10] = [
    order(
        "permits",
        "permits N [instance ...]",
        "requests at once",
        false,
    ),
    order(
        "weight",
        "weight N [instance ...]",
        "share by weight",
        false,
    ),
    order(
        "interval",
        "interval 500ms [instance ...]",
        "time between two starts",
        false,
    ),
    order(
        "limits",
        "limits rpm=60 tpm=none [instance ...]",
        "rates, daily budgets",
        false,
    ),
    order(
        "strategy",
        "strategy NAME [route]",
        "which instance is next",
        false,
    ),
    order(
        "set",
        "set pool|ROUTE|INSTANCE KEY VALUE",
        "any other setting",
        false,
    ),
    order(
        "add",
        "add name=b type=openai ...",
        "set up an instance",
        false,
    ),
    order(
        "remove",
        "remove [instance ...]",
        "take it out for good",
        true,
    ),
    order("open", "open [instance ...]", "hold its breaker open", true),
    order(
        "silence",
        "silence RULE 1h",
        "alerts of a rule told to nobody",
        false,
    ),
];

const fn order(name: &'static str, usage: &'static str, about: &'static str, alone: bool) -> Order {
    Order {
        name,
        usage,
        about,
        alone,
    }
}

/// Returns the orders that may be meant by what is written so far; one alone when its name is there and more follows.
pub(crate) fn meant_by(written: &str) -> Vec<Order> {
    if let Some(order) = find(written) {
        return vec![order];
    }
    let first = written.split_whitespace().next().unwrap_or_default();
    let begins = |order: &&Order| !first.is_empty() && order.name.starts_with(first);
    ORDERS.iter().filter(begins).copied().collect()
}

/// Finds the order that is written: its name, and what it needs behind it.
pub(crate) fn find(written: &str) -> Option<Order> {
    let mut words = written.split_whitespace();
    let name = words.next()?;
    let order = ORDERS.iter().find(|order| order.name == name)?;
    (order.alone || words.next().is_some()).then_some(*order)
}

/// Reads an order that [`find`] has found; `selected` are the instances it is for when it names none.
///
/// # Errors
/// A sentence on what is wrong with it.
pub(crate) fn read(
    written: &str,
    selected: &[InstanceName],
    board: &Board,
) -> Result<Vec<Command>, String> {
    let mut words = written.split_whitespace();
    let name = words.next().unwrap_or_default();
    let words: Vec<&str> = words.collect();
    let whose = |rest: &[&str]| whose(rest, selected, board);
    let each = |rest: &[&str], make: &dyn Fn(InstanceName) -> Command| {
        Ok(whose(rest)?.into_iter().map(make).collect())
    };
    match (name, words.as_slice()) {
        ("permits", [permits, rest @ ..]) => {
            let permits = number(permits)?;
            each(rest, &|instance| Command::SetPermits { instance, permits })
        }
        ("weight", [weight, rest @ ..]) => {
            let weight = number(weight)?;
            each(rest, &|instance| Command::SetWeight { instance, weight })
        }
        ("interval", [interval, rest @ ..]) => {
            let interval = time(interval)?;
            each(rest, &|instance| Command::SetMinInterval {
                instance,
                interval,
            })
        }
        ("limits", words) => {
            let first_name = words.iter().position(|word| !word.contains('='));
            let (pairs, rest) = words.split_at(first_name.unwrap_or(words.len()));
            let limits: Vec<_> = pairs
                .iter()
                .map(|pair| limit(pair))
                .collect::<Result<_, _>>()?;
            if limits.is_empty() {
                return Err(t("say which limits: rpm, tpm, tpd or usd, as in rpm=60").to_owned());
            }
            let mut commands = Vec::new();
            for instance in whose(rest)? {
                commands.extend(limits.iter().map(|&(limit, value)| Command::SetLimit {
                    instance: instance.clone(),
                    limit,
                    value,
                }));
            }
            Ok(commands)
        }
        ("strategy", [strategy, route @ ..]) if route.len() < 2 => Ok(vec![Command::SetStrategy {
            route: route.first().map(|route| (*route).into()),
            strategy: (*strategy).to_owned(),
        }]),
        ("set", [whose, key, value]) => Ok(vec![Command::Set {
            whose: settable(whose, board)?,
            key: (*key).to_owned(),
            value: (*value != "none").then(|| (*value).to_owned()),
        }]),
        ("add", pairs) => Ok(vec![Command::AddInstance {
            settings: entry(pairs)?,
        }]),
        ("remove", rest) => each(rest, &|instance| Command::RemoveInstance { instance }),
        ("open", rest) => each(rest, &|instance| Command::ForceOpen { instance }),
        ("silence", [rule, rest]) => Ok(vec![Command::SilenceAlert {
            rule: (*rule).to_owned(),
            time: time(rest)?,
        }]),
        _ => Err(t("this is written in another way").to_owned()),
    }
}

/// Returns the instances that are named, else those that are selected.
fn whose(
    named: &[&str],
    selected: &[InstanceName],
    board: &Board,
) -> Result<Vec<InstanceName>, String> {
    if named.is_empty() {
        return Ok(selected.to_vec());
    }
    let mut names: Vec<InstanceName> = Vec::new();
    for name in named {
        let Some(view) = board
            .instances
            .iter()
            .find(|view| view.name.as_str() == *name)
        else {
            return Err(phrase!("there is no instance '{}'", name));
        };
        if !names.contains(&view.name) {
            names.push(view.name.clone());
        }
    }
    Ok(names)
}

/// Finds who is meant: a route, an instance, or the pool by its word.
fn settable(name: &str, board: &Board) -> Result<SetWhose, String> {
    if let Some(route) = board.routes.iter().find(|of| of.name.as_str() == name) {
        return Ok(SetWhose::Route(route.name.clone()));
    }
    if let Some(instance) = board.instances.iter().find(|of| of.name.as_str() == name) {
        return Ok(SetWhose::Instance(instance.name.clone()));
    }
    if name == "pool" {
        return Ok(SetWhose::Pool);
    }
    Err(phrase!("there is no instance '{}'", name))
}

fn number<N: std::str::FromStr>(word: &str) -> Result<N, String> {
    word.parse()
        .map_err(|_| phrase!("'{}' is no whole number that fits here", word))
}

fn time(word: &str) -> Result<Duration, String> {
    humantime::parse_duration(word)
        .map_err(|_| phrase!("'{}' is no time; write 500ms, 2s or 1h", word))
}

/// Reads `rpm=60`, `tpd=none`, `usd=2.5`.
fn limit(pair: &str) -> Result<(LimitKind, Option<f64>), String> {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    let kind = match key {
        "rpm" => LimitKind::RequestsPerMinute,
        "tpm" => LimitKind::TokensPerMinute,
        "tpd" => LimitKind::TokensPerDay,
        "usd" => LimitKind::SpendPerDay,
        _ => {
            let known = LimitKind::ALL.into_iter().find(|kind| kind.as_str() == key);
            known
                .ok_or_else(|| phrase!("'{}' is no limit; there are rpm, tpm, tpd and usd", key))?
        }
    };
    if value == "none" {
        return Ok((kind, None));
    }
    let amount = value
        .parse::<f64>()
        .ok()
        .filter(|amount| amount.is_finite());
    match amount {
        Some(amount) => Ok((kind, Some(amount))),
        None => Err(phrase!("'{}' is neither a number nor none", value)),
    }
}

/// Reads the keys of an `[[instances]]` entry. What they may be is for the config to say.
fn entry(pairs: &[&str]) -> Result<InstanceDocument, String> {
    let mut settings = Map::new();
    for pair in pairs {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(phrase!("'{}' is no key=value", pair));
        };
        let key = match key {
            "key" => {
                return Err(t("a key written here would stand on the screen; use key_env=NAME or key_file=PATH")
                    .to_owned());
            }
            "url" => "base_url",
            "rpm" => LimitKind::RequestsPerMinute.as_str(),
            "tpm" => LimitKind::TokensPerMinute.as_str(),
            "model" => "models",
            other => other,
        };
        let value = if key == "models" {
            value.split(',').map(Value::from).collect()
        } else if key == "name" || key == "type" {
            Value::from(value)
        } else {
            // Numbers, true and false are themselves; the rest is text.
            match serde_json::from_str(value) {
                Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
                _ => Value::from(value),
            }
        };
        settings.insert(key.to_owned(), value);
    }
    Ok(InstanceDocument::new(settings))
}
