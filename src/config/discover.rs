//! Instances without a config file: what the environment's usual variables say.

use std::path::PathBuf;

use reqwest::Url;
use secrecy::SecretString;

use super::address;
use super::env::Env;
use super::findings::Findings;
use super::instance::Instance;
use super::key::KeySource;
use super::problem::{Place, Problem};
use crate::base::ProviderType;
use crate::{pool, provider};

/// Where the instances come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A config file.
    File(PathBuf),
    /// What was found around: environment variables, and servers that listen at their usual place.
    Environment(Vec<String>),
    /// Nothing was found: the embedded pool has to do.
    Embedded,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(what) => f.write_str(&what.join(", ")),
            Self::Embedded => f.write_str("the embedded pool"),
        }
    }
}

/// The names of the variables of one service.
struct Service {
    name: &'static str,
    provider_type: ProviderType,
    key: &'static str,
    base_url: &'static str,
    model: &'static str,
    /// What stands for `base_url` when only the key is set.
    usual_url: &'static str,
    /// Whether a base URL alone will do, as for local servers.
    goes_without_key: bool,
}

const SERVICES: [Service; 3] = [
    Service {
        name: "openai",
        provider_type: ProviderType::OpenAi,
        key: "OPENAI_API_KEY",
        base_url: "OPENAI_BASE_URL",
        model: "OPENAI_MODEL",
        usual_url: provider::default_base_url(ProviderType::OpenAi),
        goes_without_key: true,
    },
    Service {
        name: "zhipuai",
        provider_type: ProviderType::ZhipuAi,
        key: "ZHIPUAI_API_KEY",
        base_url: "ZHIPUAI_BASE_URL",
        model: "ZHIPUAI_MODEL",
        usual_url: provider::default_base_url(ProviderType::ZhipuAi),
        goes_without_key: false,
    },
    Service {
        name: "zai",
        provider_type: ProviderType::ZhipuAi,
        key: "ZAI_API_KEY",
        base_url: "ZAI_BASE_URL",
        model: "ZAI_MODEL",
        usual_url: "https://api.z.ai/api/paas/v4",
        goes_without_key: false,
    },
];

/// Returns the instances that variables name; wrong ones are noted.
pub(super) fn from_variables(env: &Env, findings: &mut Findings) -> Vec<Instance> {
    let mut instances: Vec<Instance> = SERVICES
        .iter()
        .filter_map(|service| from_service(service, env, findings))
        .collect();
    instances.extend(from_ollama_host(env, findings));
    instances
}

/// Returns the instance of an Ollama at its usual place; whether one listens there, the caller finds out.
pub fn usual_ollama(env: &Env) -> Instance {
    let mut ollama = instance("ollama", ProviderType::Ollama, Place::Default);
    provider::default_base_url(ProviderType::Ollama).clone_into(&mut ollama.pool.base_url);
    ollama.pool.models = model(env, "OLLAMA_MODEL");
    ollama
}

fn from_service(service: &Service, env: &Env, findings: &mut Findings) -> Option<Instance> {
    let key = env.get(service.key).map(str::trim);
    let base_url = env.get(service.base_url).map(str::trim);
    let variable = match (key, base_url) {
        (Some(_), _) => service.key,
        (None, Some(_)) if service.goes_without_key => service.base_url,
        (None, _) => return None,
    };
    let mut instance = instance(
        service.name,
        service.provider_type,
        Place::Variable(variable.to_owned()),
    );
    let base_url = base_url.unwrap_or(service.usual_url);
    set_url(
        &mut instance,
        base_url.to_owned(),
        service.base_url,
        findings,
    )?;
    if key.is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
        let place = Place::Variable(service.key.to_owned());
        let rule = "the key holds a blank, a line break or another character that no key has";
        findings.push(Problem::new(place, "", rule));
        return None;
    }
    instance.provider.key = key.map(SecretString::from);
    instance.key_from = key.map(|_| KeySource::Variable(service.key.to_owned()));
    instance.pool.models = model(env, service.model);
    Some(instance)
}

fn from_ollama_host(env: &Env, findings: &mut Findings) -> Option<Instance> {
    const VARIABLE: &str = "OLLAMA_HOST";
    const KEY: &str = "OLLAMA_API_KEY";
    let host = env.get(VARIABLE)?;
    let mut ollama = instance(
        "ollama",
        ProviderType::Ollama,
        Place::Variable(VARIABLE.to_owned()),
    );
    let url = set_url(
        &mut ollama,
        provider::ollama_base_url(host),
        VARIABLE,
        findings,
    )?;
    // The key is for the hosted service; it is not sent to a machine in the clear.
    if let Some(key) = env.get(KEY).filter(|_| url.scheme() == "https") {
        ollama.provider.key = Some(SecretString::from(key.trim()));
        ollama.key_from = Some(KeySource::Variable(KEY.to_owned()));
    }
    ollama.pool.models = model(env, "OLLAMA_MODEL");
    Some(ollama)
}

fn instance(name: &str, provider_type: ProviderType, from: Place) -> Instance {
    Instance {
        provider: provider::Settings::new(name, provider_type),
        pool: pool::InstanceSettings::new(name, provider_type),
        key_from: None,
        from,
    }
}

fn model(env: &Env, variable: &str) -> Vec<String> {
    env.get(variable)
        .map(|model| model.trim().to_owned())
        .into_iter()
        .collect()
}

/// Gives an instance its address; a wrong one is noted with its variable.
fn set_url(
    instance: &mut Instance,
    url: String,
    variable: &str,
    findings: &mut Findings,
) -> Option<Url> {
    let place = Place::Variable(variable.to_owned());
    let checked = match address::check(&url) {
        Ok(checked) => checked,
        Err(bad) => {
            let problem = Problem::new(place, "base_url", &bad.rule).with_right(bad.right);
            findings.push(if bad.secret {
                problem
            } else {
                problem.with_value(format!("\"{url}\""))
            });
            return None;
        }
    };
    instance.provider.base_url = Some(url);
    match instance.provider.shown_base_url() {
        Ok(shown) => instance.pool.base_url = shown,
        Err(error) => {
            findings
                .push(Problem::new(place, "base_url", error.message()).with_right(error.hint()));
            return None;
        }
    }
    Some(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pairs: &[(&'static str, &'static str)]) -> (Vec<String>, Vec<String>) {
        let mut findings = Findings::default();
        let instances = from_variables(&Env::of(pairs.iter().copied()), &mut findings);
        let told = instances
            .iter()
            .map(|instance| {
                let key = instance
                    .key_from
                    .as_ref()
                    .map_or("no key".to_owned(), ToString::to_string);
                format!("{} {} {key}", instance.pool.name, instance.pool.base_url)
            })
            .collect();
        (
            told,
            findings.problems.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn each_service_is_found_by_its_variables() {
        let (told, problems) = found(&[
            ("OPENAI_API_KEY", "sk-1"),
            ("ZHIPUAI_API_KEY", "a.b"),
            ("ZAI_API_KEY", "c.d"),
            ("OLLAMA_HOST", "0.0.0.0"),
        ]);
        assert_eq!(
            told,
            [
                "openai https://api.openai.com/v1 environment variable OPENAI_API_KEY",
                "zhipuai https://open.bigmodel.cn/api/paas/v4 environment variable ZHIPUAI_API_KEY",
                "zai https://api.z.ai/api/paas/v4 environment variable ZAI_API_KEY",
                "ollama http://127.0.0.1:11434 no key",
            ]
        );
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn a_base_url_alone_will_do_for_a_local_openai_server() {
        assert_eq!(
            found(&[("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1")])
                .0
                .len(),
            1
        );
        assert_eq!(found(&[("ZHIPUAI_BASE_URL", "https://x/v4")]).0.len(), 0);
        assert_eq!(found(&[("OPENAI_API_KEY", "  ")]).0.len(), 0);
    }

    #[test]
    fn a_wrong_address_is_told_with_its_variable() {
        let (told, problems) = found(&[("OPENAI_BASE_URL", "localhost:8080")]);
        assert!(told.is_empty());
        assert_eq!(
            problems,
            [
                "environment variable OPENAI_BASE_URL: base_url = \"localhost:8080\": not a URL: the scheme is missing"
            ]
        );
    }
}
