//! Rules that a settings type cannot express by itself.

#[cfg(feature = "console")]
use std::path::Path;

use super::address;
#[cfg(feature = "console")]
use super::env::Env;
use super::findings::Findings;
#[cfg(feature = "console")]
use super::key;
use super::problem::did_you_mean;
#[cfg(feature = "console")]
use crate::console::{self, theme::Theme};
use crate::driver::RetrySettings;
use crate::pool::{self, ScalingSettings, StrategyKind};
use crate::{logging, monitor};

/// Checks a strategy's name; tells the rule and what would be right.
pub(super) fn strategy(name: &str, refuse: impl FnOnce(&str, &str)) {
    if name.parse::<StrategyKind>().is_err() {
        let known = StrategyKind::ALL.map(StrategyKind::as_str);
        refuse("unknown strategy", &did_you_mean(name, &known));
    }
}

/// Checks `[pool]`.
pub(super) fn pool(settings: &pool::Settings, findings: &mut Findings) {
    strategy(&settings.strategy, |rule, right| {
        findings.refuse(
            "pool.strategy",
            &format!("\"{}\"", settings.strategy),
            rule,
            right,
        );
    });
    if settings.deadline.is_zero() {
        findings.refuse(
            "pool.deadline",
            "0s",
            "it is longer than nothing",
            "leave it out for the usual one",
        );
    }
    breaker(&settings.breaker, "pool.breaker", findings);
    scaling(&settings.scaling, findings);
}

/// Checks `[gateway]`.
#[cfg(feature = "gateway")]
pub(super) fn gateway(settings: &crate::gateway::Settings, findings: &mut Findings) {
    for wrong in settings.check() {
        let key = format!("gateway.{}", wrong.key);
        findings.refuse(&key, &wrong.value, &wrong.rule, &wrong.right);
    }
}

/// Checks a breaker; `path` is its dotted key.
pub(super) fn breaker(settings: &pool::BreakerSettings, path: &str, findings: &mut Findings) {
    let key = |key: &str| format!("{path}.{key}");
    let usual = "leave it out for the usual one";
    for (name, is_zero) in [
        ("window", settings.window.is_zero()),
        ("open_for", settings.open_for.is_zero()),
    ] {
        if is_zero {
            findings.refuse(&key(name), "0s", "it is longer than nothing", usual);
        }
    }
    for (name, count) in [
        ("consecutive_failures", settings.consecutive_failures),
        ("least_requests", settings.least_requests),
        ("slow_first_tokens", settings.slow_first_tokens),
    ] {
        if count == 0 {
            let right = "leave it out for the usual one; enabled = false switches the breaker off";
            findings.refuse(&key(name), "0", "it is at least 1", right);
        }
    }
    if !(0.0..=1.0).contains(&settings.success_rate) {
        let value = settings.success_rate.to_string();
        findings.refuse(
            &key("success_rate"),
            &value,
            "a rate is from 0 to 1",
            "such as 0.5",
        );
    }
    if settings.open_at_most < settings.open_for {
        let (at_first, at_most) = (
            humantime::format_duration(settings.open_for).to_string(),
            humantime::format_duration(settings.open_at_most).to_string(),
        );
        // Told at the one that was set.
        if findings.origins.contains_key(&key("open_at_most")) {
            let rule = format!("it is less than open_for, which is {at_first}");
            findings.refuse(
                &key("open_at_most"),
                &at_most,
                &rule,
                "raise it, or lower open_for",
            );
        } else {
            let rule = format!("it is more than open_at_most, which is {at_most}");
            findings.refuse(
                &key("open_for"),
                &at_first,
                &rule,
                "lower it, or raise open_at_most",
            );
        }
    }
}

/// Checks `[notify]`.
pub(super) fn notify(settings: &crate::notify::Settings, findings: &mut Findings) {
    if settings.command.first().is_some_and(String::is_empty) {
        let right = "such as [\"notify-send\", \"llmdeck\"]";
        let rule = "the program has no name";
        findings.refuse("notify.command", "[\"\", ...]", rule, right);
    }
    if let Some(Err(bad)) = settings.webhook.as_deref().map(address::check) {
        // A webhook's URL often is its own password, so it is not repeated.
        findings.refuse("notify.webhook", "\"...\"", &bad.rule, &bad.right);
    }
}

/// Checks `[pool.scaling]`.
fn scaling(settings: &ScalingSettings, findings: &mut Findings) {
    if !(settings.target > 0.0 && settings.target <= 1.0) {
        let value = settings.target.to_string();
        findings.refuse(
            "pool.scaling.target",
            &value,
            "a share is above 0 and at most 1",
            "such as 0.7",
        );
    }
    for (key, is_zero) in [
        (
            "pool.scaling.stable_window",
            settings.stable_window.is_zero(),
        ),
        ("pool.scaling.panic_window", settings.panic_window.is_zero()),
    ] {
        if is_zero {
            findings.refuse(
                key,
                "0s",
                "it is longer than nothing",
                "leave it out for the usual one",
            );
        }
    }
    if settings.command.first().is_some_and(String::is_empty) {
        let right = "such as [\"systemctl\", \"start\", \"ollama\"]";
        findings.refuse(
            "pool.scaling.command",
            "[\"\", ...]",
            "the program has no name",
            right,
        );
    }
    if let Some(Err(bad)) = settings.webhook.as_deref().map(address::check) {
        // A webhook's URL often is its own password, so it is not repeated.
        findings.refuse("pool.scaling.webhook", "\"...\"", &bad.rule, &bad.right);
    }
}

/// Checks `[retry]`.
pub(super) fn retry(settings: &RetrySettings, findings: &mut Findings) {
    if settings.attempts == 0 {
        findings.refuse(
            "retry.attempts",
            "0",
            "a request has at least 1 attempt",
            "1 is: never again",
        );
    }
    for (key, value) in [
        ("retry.budget", settings.budget),
        ("retry.burst", settings.burst),
    ] {
        if !value.is_finite() || value < 0.0 {
            findings.refuse(
                key,
                &value.to_string(),
                "it is 0 or more",
                "leave it out for the usual one",
            );
        }
    }
}

/// Checks `[monitor]`.
pub(super) fn monitor(settings: &monitor::Settings, findings: &mut Findings) {
    const MOST: usize = 100_000;
    for (key, count) in [
        ("monitor.error_ring", settings.error_ring),
        ("monitor.error_groups", settings.error_groups),
    ] {
        if !(1..=MOST).contains(&count) {
            findings.refuse(
                key,
                &count.to_string(),
                "it is from 1 to 100000",
                "leave it out for the usual one",
            );
        }
    }
    for wrong in settings.alerts.nonsense() {
        let key = format!("monitor.alerts.{}", wrong.key);
        let right = "leave it out for the usual one";
        findings.refuse(&key, &wrong.value, wrong.rule, right);
    }
}

/// Checks `[console]`: a theme must be there and right.
#[cfg(feature = "console")]
pub(super) fn console(
    settings: &mut console::Settings,
    config: &Path,
    env: &Env,
    findings: &mut Findings,
) {
    if !(1..=60).contains(&settings.frames_per_second) {
        let value = settings.frames_per_second.to_string();
        let key = "console.frames_per_second";
        findings.refuse(
            key,
            &value,
            "it is from 1 to 60",
            "leave it out for the usual one",
        );
    }
    let Some(theme) = &settings.theme else {
        return;
    };
    if theme.contains('/') {
        let path = key::resolve(config, theme, env);
        settings.theme = Some(path.to_string_lossy().into_owned());
    }
    let name = settings.theme.as_deref().filter(|name| *name != "auto");
    if let Some(Err(error)) = name.map(|name| Theme::load(name, &env.theme_dirs())) {
        let value = format!("\"{}\"", name.unwrap_or_default());
        findings.refuse("console.theme", &value, error.message(), error.hint());
    }
}

/// Checks `[log]`.
pub(super) fn log(settings: &logging::Settings, findings: &mut Findings) {
    if let Err(word) = logging::check_level(&settings.level) {
        let right = did_you_mean(&word, &logging::LEVELS);
        findings.refuse(
            "log.level",
            &format!("\"{}\"", settings.level),
            "unknown log level",
            &right,
        );
    }
    if settings.keep_days == 0 {
        findings.refuse(
            "log.keep_days",
            "0",
            "today's file is always kept",
            "use 1 or more",
        );
    }
}

/// Checks `[store]`.
#[cfg(feature = "store")]
pub(super) fn store(settings: &crate::store::Settings, findings: &mut Findings) {
    if settings.requests_keep_mb == 0 {
        let rule = "the request log is always bounded";
        let right = "such as 256; requests = false switches it off";
        findings.refuse("store.requests_keep_mb", "0", rule, right);
    }
}

/// Checks what an instance allows; `path` is its dotted key.
pub(super) fn instance(settings: &pool::InstanceSettings, path: &str, findings: &mut Findings) {
    let mut refuse = |key: &str, value: &str, rule: &str, right: &str| {
        findings.refuse(&format!("{path}.{key}"), value, rule, right);
    };
    let off = "enabled = false takes an instance out";
    if settings.weight == 0 {
        refuse("weight", "0", "a weight is at least 1", off);
    }
    if settings.limits.permits == 0 {
        refuse("permits", "0", "an instance has at least 1 permit", off);
    }
    let limits = &settings.limits;
    for (key, limit) in [
        ("requests_per_minute", limits.requests_per_minute),
        ("tokens_per_minute", limits.tokens_per_minute),
        ("tokens_per_day", limits.tokens_per_day),
    ] {
        if limit == Some(0) {
            let right = "leave it out for no limit; enabled = false takes an instance out";
            refuse(key, "0", "a limit is at least 1", right);
        }
    }
    if let Some(spend) = limits
        .spend_per_day
        .filter(|spend| !spend.is_finite() || *spend <= 0.0)
    {
        let right = "leave it out for no limit; enabled = false takes an instance out";
        refuse(
            "spend_per_day",
            &spend.to_string(),
            "a budget is above 0, in US dollars",
            right,
        );
    }
    if let Some(price) = settings
        .price
        .filter(|price| !price.is_finite() || *price < 0.0)
    {
        refuse(
            "price",
            &price.to_string(),
            "a price is 0 or more",
            "US dollars for a million output tokens",
        );
    }
    if let Some(adaptive) = &settings.adaptive
        && (adaptive.floor == 0 || adaptive.ceiling < adaptive.floor)
    {
        let value = format!(
            "{{ floor = {}, ceiling = {} }}",
            adaptive.floor, adaptive.ceiling
        );
        let rule = "the floor is at least 1 and the ceiling not below it";
        refuse(
            "adaptive",
            &value,
            rule,
            "such as { floor = 1, ceiling = 8 }",
        );
    }
}
