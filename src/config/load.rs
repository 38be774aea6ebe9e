//! Reads everything, checks it, and hands it out, or says all that is wrong.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::checks;
use super::discover::{self, Found};
use super::document::Document;
use super::env::Env;
use super::findings::Findings;
use super::instance::{self, Instance};
use super::key::{self, KeySource};
#[cfg(feature = "console")]
use super::keys;
use super::names::Names;
use super::overlay;
use super::persona::{self, Persona};
use super::price;
use super::problem::{Place, Problems};
use super::route;
#[cfg(feature = "console")]
use super::rule;
use super::table::Table;
#[cfg(feature = "console")]
use crate::console;
use crate::driver::RetrySettings;
#[cfg(feature = "gateway")]
use crate::gateway;
use crate::prices::PriceSettings;
#[cfg(feature = "store")]
use crate::store;
use crate::{logging, monitor, notify, pool};

/// What the command line says about the config.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The config file to read.
    pub config: Option<PathBuf>,
    /// What to log.
    pub log_level: Option<String>,
    /// The language of the console: `en`, `zh` or `auto`.
    pub lang: Option<String>,
    /// Whether the console draws with ASCII symbols only; without it the config says.
    pub ascii: bool,
}

/// Everything that is configured, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The config file that was read.
    pub file: Option<PathBuf>,
    /// Where the instances come from.
    pub found: Found,
    /// The instances in their order.
    pub instances: Vec<Instance>,
    /// How the pool behaves.
    pub pool: pool::Settings,
    /// How often and when a failed request is sent again.
    pub retry: RetrySettings,
    /// How much is remembered of what happened.
    pub monitor: monitor::Settings,
    /// How somebody elsewhere is told of alerts.
    pub notify: notify::Settings,
    /// What webhooks are signed with, and where it comes from.
    pub notify_key: Option<(secrecy::SecretString, key::KeySource)>,
    /// Prices of one's own, by model.
    pub prices: BTreeMap<String, PriceSettings>,
    /// The routes in their order.
    pub routes: Vec<pool::RouteSettings>,
    /// How the console looks and behaves.
    #[cfg(feature = "console")]
    pub console: console::Settings,
    /// How other programs reach the pool.
    #[cfg(feature = "gateway")]
    pub gateway: gateway::Settings,
    /// How logs are written.
    pub log: logging::Settings,
    /// What is kept of conversations and requests.
    #[cfg(feature = "store")]
    pub store: store::Settings,
    /// Personas in their order.
    pub personas: Vec<Persona>,
    /// What works but should be known.
    pub warnings: Vec<String>,
    /// Where each key that is set comes from, by its dotted form; the rest is default.
    pub origins: BTreeMap<String, Place>,
}

/// Reads and checks everything.
///
/// # Errors
/// When anything is wrong; then nothing of it may be used.
pub fn load(env: &Env, flags: &Flags) -> Result<Config, Problems> {
    let document = find_file(env, flags)
        .map(|path| Document::read(&path))
        .transpose()?;
    let mut findings = Findings::default();
    let nothing = Document::nothing();
    let (text, toml) = match &document {
        Some(document) => (document, document.parse()?),
        None => (&nothing, toml::de::DeTable::new()),
    };
    let mut file = Table::new(text, "", 0, toml);
    let mut config = read(&mut file, env, flags, &mut findings);
    file.finish(&mut findings);
    if let Some(document) = &document {
        warn_of_readers(document, &config.instances, &mut findings);
    }
    if let Some(problems) = Problems::of(findings.problems) {
        return Err(problems);
    }
    config.warnings = findings.warnings;
    config.origins = findings.origins;
    Ok(config)
}

fn read(file: &mut Table<'_>, env: &Env, flags: &Flags, findings: &mut Findings) -> Config {
    let mut names = Names::default();
    let mut instances = Vec::new();
    let entries = file.take_tables("instances", findings);
    let entries_of_routes = file.take_tables("routes", findings);
    let has_entries = !entries.is_empty();
    // The pool's breaker is what an instance's own is laid over.
    let pool = overlay::section(
        "pool",
        file,
        env,
        findings,
        |pool: &mut pool::Settings, table, findings| {
            overlay::nested("breaker", &mut pool.breaker, table, findings, |_, _, _| {});
            overlay::nested("scaling", &mut pool.scaling, table, findings, |_, _, _| {});
        },
    );
    checks::pool(&pool, findings);
    for table in entries {
        instances.extend(instance::read(table, &pool, &mut names, env, findings));
    }
    let mut found = match file.document().file() {
        Some(path) if has_entries => Found::File(path.to_owned()),
        Some(_) | None => Found::Embedded,
    };
    if !has_entries {
        instances = discover::from_variables(env, findings);
        let variables = instances.iter().map(|instance| instance.from.to_string());
        if !instances.is_empty() {
            found = Found::Environment(variables.collect());
        }
    }
    let instance_names: Vec<&str> = match &found {
        Found::File(_) => names.iter().collect(),
        Found::Environment(_) | Found::Embedded => instances
            .iter()
            .map(|instance| instance.pool.name.as_str())
            .collect(),
    };
    let mut names_of_routes = Names::default();
    let mut routes = Vec::new();
    #[cfg(feature = "gateway")]
    let mut parameters = Vec::new();
    for table in entries_of_routes {
        let read = route::read(table, &mut names_of_routes, &instance_names, findings);
        if let Some(read) = read {
            routes.push(read.route);
            #[cfg(feature = "gateway")]
            parameters.push(read.parameters);
        }
    }
    let retry = overlay::section("retry", file, env, findings, |_, _, _| {});
    checks::retry(&retry, findings);
    let monitor = overlay::section(
        "monitor",
        file,
        env,
        findings,
        |monitor: &mut monitor::Settings, table, findings| {
            overlay::nested(
                "alerts",
                &mut monitor.alerts,
                table,
                findings,
                |alerts, table, findings| {
                    overlay::nested("slow", &mut alerts.slow, table, findings, |_, _, _| {});
                },
            );
        },
    );
    checks::monitor(&monitor, findings);
    let mut notify_key = None;
    let notify = overlay::section(
        "notify",
        file,
        env,
        findings,
        |_: &mut notify::Settings, table, findings| {
            notify_key = key::take(table, env, findings);
        },
    );
    checks::notify(&notify, findings);
    let prices = price::read(file, findings);
    #[cfg(feature = "console")]
    let console = {
        let mut console: console::Settings = overlay::section(
            "console",
            file,
            env,
            findings,
            |console, table, findings| {
                keys::read(console, table, findings);
            },
        );
        console_flags(&mut console, flags, findings);
        keys::check(&console, findings);
        checks::console(&mut console, file.document().path(), env, findings);
        console
    };
    // A program without a console leaves its section alone.
    #[cfg(not(feature = "console"))]
    let _ = file.take_raw("console");
    #[cfg(feature = "gateway")]
    let gateway: gateway::Settings = overlay::section("gateway", file, env, findings, |_, _, _| {});
    #[cfg(feature = "gateway")]
    checks::gateway(&gateway, findings);
    #[cfg(not(feature = "gateway"))]
    let _ = file.take_raw("gateway");
    let mut log: logging::Settings = overlay::section("log", file, env, findings, |_, _, _| {});
    log_level(&mut log, env, flags, findings);
    checks::log(&log, findings);
    if !log.dir.is_empty() {
        let dir = key::resolve(file.document().path(), &log.dir, env);
        log.dir = dir.to_string_lossy().into_owned();
    }
    #[cfg(feature = "store")]
    let store = {
        let mut store: store::Settings =
            overlay::section("store", file, env, findings, |_, _, _| {});
        checks::store(&store, findings);
        if !store.dir.is_empty() {
            let dir = key::resolve(file.document().path(), &store.dir, env);
            store.dir = dir.to_string_lossy().into_owned();
        }
        store
    };
    #[cfg(not(feature = "store"))]
    let _ = file.take_raw("store");
    let mut names = Names::default();
    let mut personas = Vec::new();
    for table in file.take_tables("personas", findings) {
        personas.extend(persona::read(table, &mut names, findings));
    }
    Config {
        file: file.document().file().map(ToOwned::to_owned),
        found,
        instances,
        pool,
        retry,
        monitor,
        notify,
        notify_key,
        prices,
        routes,
        #[cfg(feature = "console")]
        console,
        #[cfg(feature = "gateway")]
        gateway,
        log,
        #[cfg(feature = "store")]
        store,
        personas,
        warnings: Vec::new(),
        origins: BTreeMap::new(),
    }
}

/// A file that is named must be there; the one in the usual place may be missing.
fn find_file(env: &Env, flags: &Flags) -> Option<PathBuf> {
    if let Some(named) = &flags.config {
        return Some(named.clone());
    }
    let is_named = env.get("LLMDECK_CONFIG").is_some();
    env.config_file()
        .filter(|path| is_named || path.try_exists().unwrap_or(true))
}

fn log_level(log: &mut logging::Settings, env: &Env, flags: &Flags, findings: &mut Findings) {
    const KEY: &str = "log.level";
    if let Some(level) = env.get("LLMDECK_LOG") {
        level.clone_into(&mut log.level);
        findings
            .origins
            .insert(KEY.to_owned(), Place::Variable("LLMDECK_LOG".to_owned()));
    }
    if let Some(level) = &flags.log_level {
        log.level.clone_from(level);
        findings
            .origins
            .insert(KEY.to_owned(), Place::Flag("--log-level".to_owned()));
    }
}

#[cfg(feature = "console")]
fn console_flags(console: &mut console::Settings, flags: &Flags, findings: &mut Findings) {
    const KEY: &str = "console.lang";
    if flags.ascii {
        console.ascii = true;
        findings.origins.insert(
            "console.ascii".to_owned(),
            Place::Flag("--ascii".to_owned()),
        );
    }
    let Some(lang) = &flags.lang else { return };
    findings
        .origins
        .insert(KEY.to_owned(), Place::Flag("--lang".to_owned()));
    match overlay::with_text(console, "lang", lang) {
        Ok(changed) => *console = changed,
        Err(error) => {
            let place = Place::Flag("--lang".to_owned());
            findings.push(rule::explain(error.message(), place, KEY).with_value(lang));
        }
    }
}

fn warn_of_readers(document: &Document, instances: &[Instance], findings: &mut Findings) {
    let holds_key = instances.iter().any(|instance| {
        instance.key_from == Some(KeySource::Literal)
            || instance.provider.headers.keys().any(|name| is_secret(name))
    });
    if !holds_key {
        return;
    }
    if let Some(mode) = key::mode_for_others(document.path()) {
        findings.warnings.push(format!(
            "a key stands in {0}, which others can read (mode {mode:04o}); run: chmod 600 {0}",
            document.path().display()
        ));
    }
}

/// Tells whether a header of this name usually holds a secret.
fn is_secret(header: &str) -> bool {
    let header = header.to_lowercase();
    ["auth", "key", "token", "secret", "cookie"]
        .iter()
        .any(|part| header.contains(part))
}
