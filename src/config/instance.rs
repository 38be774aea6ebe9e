//! One `[[instances]]` entry: read, checked, and made into what provider and pool want.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::address;
use super::checks;
use super::env::Env;
use super::findings::Findings;
use super::key::{self, KeySource};
use super::names::{self, Names};
use super::overlay;
use super::problem::{Place, Problem, did_you_mean};
use super::route::Time;
use super::table::{Given, Table};
use crate::base::ProviderType;
use crate::{pool, provider};

/// One upstream, checked.
#[derive(Clone, Debug)]
pub struct Instance {
    /// How it is reached.
    pub provider: provider::Settings,
    /// What the pool knows of it.
    pub pool: pool::InstanceSettings,
    /// Where its key came from.
    pub key_from: Option<KeySource>,
    /// Where it was set up.
    pub from: Place,
}

/// Reads one entry; `None` when something is wrong, which is then noted.
pub(super) fn read(
    mut table: Table<'_>,
    of_pool: &pool::Settings,
    taken: &mut Names,
    env: &Env,
    findings: &mut Findings,
) -> Option<Instance> {
    let problems_before = findings.problems.len();
    let from = table.place();
    let name = name(&mut table, taken, findings);
    let provider_type = provider_type(&mut table, findings);
    // The wrong type leaves the other keys to be checked against some type all the same.
    let some_type = provider_type.unwrap_or(ProviderType::OpenAi);
    let mut provider = provider::Settings::new(name.as_deref().unwrap_or_default(), some_type);
    let mut pool = pool::InstanceSettings::new(name.as_deref().unwrap_or_default(), some_type);

    let given_url = table.take::<String>("base_url", findings);
    let url = given_url.as_ref().and_then(|given| {
        let checked = address::check(&given.value);
        checked
            .map_err(|bad| findings.push(bad.problem(given)))
            .ok()
    });
    provider.base_url = given_url.map(|given| given.value);
    // What is wrong beyond the URL itself (a path that names a call) is the provider's to know.
    if url.is_some() || provider.base_url.is_none() {
        match provider.shown_base_url() {
            Ok(shown) => pool.base_url = shown,
            Err(error) => {
                let place = table.given_place("base_url", findings);
                let key = table.dotted("base_url");
                findings.push(Problem::new(place, key, error.message()).with_right(error.hint()));
            }
        }
    }

    let key = key::take(&mut table, env, findings);
    let has_key = key.is_some();
    let (key, key_from) = key.unzip();
    let auth = table.take::<provider::AuthForm>("auth", findings);
    check_auth(auth.as_ref(), provider_type, key.as_ref(), findings);
    provider.auth = auth.map(|given| given.value).unwrap_or_default();
    provider.key = key;

    if let Some(models) = table.take::<Vec<String>>("models", findings) {
        pool.models = check_models(&models, findings);
    }
    if let Some(enabled) = table.take::<bool>("enabled", findings) {
        pool.enabled = enabled.value;
    }
    if let Some(weight) = table.take::<u32>("weight", findings) {
        pool.weight = weight.value;
    }
    if let Some(tier) = table.take::<u32>("tier", findings) {
        pool.tier = tier.value;
    }
    pool.price = table
        .take::<f64>("price", findings)
        .map(|given| given.value);
    if let Some(standby) = table.take::<bool>("standby", findings) {
        pool.standby = standby.value;
    }
    if let Some(every) = table.take::<Time>("probe_every", findings) {
        if every.value.0 < Duration::from_secs(1) {
            let problem = every.problem("probes come a second apart at least");
            findings.push(problem.with_right("leave it out for none"));
        }
        pool.probe_every = Some(every.value.0);
    }
    pool.adaptive = table.take("adaptive", findings).map(|given| given.value);
    let mut breaker = of_pool.breaker.clone();
    if overlay::nested("breaker", &mut breaker, &mut table, findings, |_, _, _| {}) {
        let path = table.dotted("breaker");
        checks::breaker(&breaker, &path, findings);
        pool.breaker = Some(breaker);
    }
    pool.limits = overlay::fields(pool.limits, &mut table, findings);
    checks::instance(&pool, table.path(), findings);

    if let Some(mut headers) = table.take_table("headers", findings) {
        provider.headers = check_headers(headers.take_rest_as_text(findings), findings);
    }
    if let Some(file) = table.take::<String>("ca_file", findings) {
        let path = key::resolve(table.document().path(), &file.value, env);
        if let Err(rule) = check_ca_file(&path) {
            findings.push(
                file.problem(rule)
                    .with_right("give a PEM file with certificates"),
            );
        }
        provider.ca_file = Some(path);
    }
    overlay::nested(
        "timeouts",
        &mut provider.timeouts,
        &mut table,
        findings,
        |_, _, _| {},
    );
    check_timeouts(&provider.timeouts, table.path(), findings);
    if let Some(field) = table.take::<String>("max_tokens_field", findings) {
        if !matches!(field.value.as_str(), "max_tokens" | "max_completion_tokens") {
            let right = did_you_mean(&field.value, &["max_tokens", "max_completion_tokens"]);
            findings.push(field.problem("no such field").with_right(right));
        }
        provider.max_tokens_field = Some(field.value);
    }

    let had_key_problem = findings.problems[problems_before..]
        .iter()
        .any(|problem| problem.key.starts_with(&table.dotted("key")));
    let wants_key = provider_type.is_some_and(|known| known != ProviderType::Ollama)
        && !table.has_given("base_url", findings)
        && provider.headers.is_empty();
    if wants_key && !has_key && !had_key_problem {
        let rule = format!("{} takes no request without a key", pool.base_url);
        let problem = Problem::new(from.clone(), table.path(), rule);
        let variable = if some_type == ProviderType::ZhipuAi {
            "ZHIPUAI_API_KEY"
        } else {
            "OPENAI_API_KEY"
        };
        findings.push(problem.with_right(format!("add key_env = \"{variable}\", or set base_url")));
    }
    if has_key && url.as_ref().is_some_and(address::is_open_to_listeners) {
        findings.warnings.push(format!(
            "{}: the key travels unencrypted to {}; use https where the server has it",
            table.path(),
            pool.base_url
        ));
    }
    table.finish(findings);
    (findings.problems.len() == problems_before).then_some(Instance {
        provider,
        pool,
        key_from: key_from.filter(|_| has_key),
        from,
    })
}

fn name(table: &mut Table<'_>, taken: &mut Names, findings: &mut Findings) -> Option<String> {
    let Some(given) = table.take::<String>("name", findings) else {
        if !table.has_given("name", findings) {
            let problem = Problem::new(table.place(), table.path(), "'name' is missing");
            findings.push(
                problem.with_right("give each instance a name of its own, such as name = \"east\""),
            );
        }
        return None;
    };
    if let Err(rule) = names::check(&given.value) {
        findings.push(
            given
                .problem(rule)
                .with_right("use A-Z a-z 0-9 . _ -, such as \"openai-main\""),
        );
        return None;
    }
    taken.take(&given, findings);
    table.rename(format!("instances.{}", given.value));
    findings.origins.insert(table.dotted("name"), given.place);
    Some(given.value)
}

fn provider_type(table: &mut Table<'_>, findings: &mut Findings) -> Option<ProviderType> {
    let Some(given) = table.take::<String>("type", findings) else {
        if !table.has_given("type", findings) {
            let problem = Problem::new(table.place(), table.path(), "'type' is missing");
            findings.push(problem.with_right("add type = \"openai\", \"ollama\" or \"zhipuai\""));
        }
        return None;
    };
    given.value.parse().ok().or_else(|| {
        let known = ProviderType::ALL.map(ProviderType::as_str);
        let right = did_you_mean(&given.value, &known);
        findings.push(given.problem("unknown provider type").with_right(right));
        None
    })
}

fn check_auth(
    auth: Option<&Given<provider::AuthForm>>,
    provider_type: Option<ProviderType>,
    key: Option<&SecretString>,
    findings: &mut Findings,
) {
    let Some(given) = auth.filter(|given| given.value == provider::AuthForm::Jwt) else {
        return;
    };
    if provider_type.is_some_and(|known| known != ProviderType::ZhipuAi) {
        let problem = given.problem("signed tokens are spoken by zhipuai only");
        findings.push(problem.with_right("leave auth out, or use \"bearer\" or \"api-key\""));
    }
    let is_a_pair = |key: &SecretString| {
        let parts: Vec<&str> = key.expose_secret().split('.').collect();
        matches!(parts.as_slice(), [id, secret] if !id.is_empty() && !secret.is_empty())
    };
    if key.is_some_and(|key| !is_a_pair(key)) {
        let problem = given.problem(
            "a signed token is made from a key of the form id.secret, and this key is none",
        );
        findings
            .push(problem.with_right("use auth = \"bearer\", or the key as the provider shows it"));
    }
}

fn check_models(models: &Given<Vec<String>>, findings: &mut Findings) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for model in &models.value {
        if model.trim().is_empty() || model.chars().any(char::is_control) {
            let problem = models.problem("a model name is empty or holds a control character");
            findings.push(
                problem.with_right(
                    "write names as the provider lists them; 'llmdeck check' shows them",
                ),
            );
        } else if seen.contains(model) {
            findings.push(models.problem(format!("the model '{model}' stands here twice")));
        } else {
            seen.push(model.clone());
        }
    }
    seen
}

fn check_timeouts(timeouts: &provider::Timeouts, path: &str, findings: &mut Findings) {
    for (key, value) in [
        ("connect", timeouts.connect),
        ("first_token", timeouts.first_token),
        ("idle", timeouts.idle),
        ("total", timeouts.total),
    ] {
        if value.is_zero() {
            findings.refuse(
                &format!("{path}.timeouts.{key}"),
                "0s",
                "a timeout is longer than nothing",
                "leave it out for the usual one",
            );
        }
    }
}

fn check_headers(
    pairs: Vec<(Given<String>, String)>,
    findings: &mut Findings,
) -> BTreeMap<String, SecretString> {
    let mut headers = BTreeMap::new();
    for (name, value) in pairs {
        if HeaderName::from_bytes(name.value.as_bytes()).is_err() {
            findings.push(
                name.problem("not a header name")
                    .with_right("such as \"X-Team\""),
            );
        } else if HeaderValue::from_str(&value).is_err() {
            findings.push(name.problem("the value holds a character that no header may have"));
        } else {
            headers.insert(name.value, SecretString::from(value));
        }
    }
    headers
}

fn check_ca_file(path: &Path) -> Result<(), String> {
    const LARGEST: u64 = 8 << 20;
    let shown = path.display();
    let metadata =
        std::fs::metadata(path).map_err(|error| format!("'{shown}' cannot be read: {error}"))?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(format!("'{shown}' is no file with certificates"));
    }
    let bytes =
        std::fs::read(path).map_err(|error| format!("'{shown}' cannot be read: {error}"))?;
    let marker = b"-----BEGIN CERTIFICATE-----";
    if bytes.windows(marker.len()).any(|window| window == marker) {
        Ok(())
    } else {
        Err(format!("no certificate stands in '{shown}'"))
    }
}

impl address::BadUrl {
    fn problem(self, given: &Given<String>) -> Problem {
        let mut problem = given.problem(&self.rule).with_right(&self.right);
        if self.secret {
            problem.value = None;
        }
        problem
    }
}
